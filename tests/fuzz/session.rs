//! What must hold of a session, whatever a client sends and however its questions are answered.

use relent::mail::{Answer, Reply, Status, Verdict};
use relent::smtp::data::DataReader;
use relent::smtp::line::{self, AUTH_LINE_MAX, COMMAND_LINE_MAX, Line};
use relent::smtp::scram::{Bindings, Verifier};
use relent::smtp::session::{Offer, Question, Session, Step};

/// Most recipients of a message.
const RECIPIENTS_MAX: u32 = 3;

/// What a witness outside the session knows of it.
struct Witness {
    tls: bool,
    authenticated: bool,
    /// Accepted since MAIL was; none where no mail is under way.
    recipients: Option<u32>,
}

/// Plays a client's bytes: the first says what is offered, the second how questions are answered.
pub fn session(input: &[u8]) {
    let Some((&[flags, verdicts], mut rest)) = input.split_first_chunk::<2>() else { return };
    let (needs_auth, auth_in_clear) = (flags & 1 > 0, flags & 2 > 0);
    let offer = Offer {
        hostname: "relay.example".into(),
        size_max: 1000,
        recipients_max: RECIPIENTS_MAX,
        messages_max: 5,
        errors_max: 6,
        needs_auth,
        auth_in_clear,
        hold_max: needs_auth.then(Default::default),
    };
    let bindings = || Bindings { exporter: Some(vec![1; 32]), end_point: None };
    let mut session = Session::new(offer, (flags & 4 > 0).then(bindings));
    let mut seen = Witness { tls: flags & 4 > 0, authenticated: false, recipients: None };
    for turn in 0.. {
        let limit = if session.in_auth() { AUTH_LINE_MAX } else { COMMAND_LINE_MAX };
        let mut step = match line::take(rest, limit) {
            Line::Whole(text, taken) => {
                rest = &rest[taken..];
                session.line(text)
            }
            Line::Malformed(taken) => {
                let step = session.malformed(&rest[..taken]);
                rest = &rest[taken..];
                step
            }
            Line::TooLong => session.too_long(),
            Line::Partial | Line::BareLf => return,
        };
        if let Step::Verifier(_) = step {
            // Nobody knows a password with these keys: no proof is right.
            let (stored_key, server_key) = ([7; 32], [8; 32]);
            let verifier = Verifier { salt: vec![9; 16], iterations: 4096, stored_key, server_key };
            step = session.verifier(Ok((verifier, "nonce".into())));
        }
        let may_send = !needs_auth || seen.authenticated;
        if let Step::Ask(question) = step {
            let is_yes = verdicts >> (turn % 8) & 1 == 0;
            match question {
                Question::Login(_) => {
                    assert!(seen.tls || auth_in_clear, "a password in the clear");
                    seen.authenticated |= is_yes;
                }
                Question::Mail(..) => {
                    assert!(may_send && seen.recipients.is_none());
                    seen.recipients = is_yes.then_some(0);
                }
                Question::Recipient(..) => {
                    let count = seen.recipients.expect("RCPT needs MAIL");
                    assert!(may_send && count < RECIPIENTS_MAX);
                    seen.recipients = Some(count + u32::from(is_yes));
                }
            }
            let no = || Answer::new(550, Status::new(5, 7, 1), "no\r\n250 yes");
            step = session.answer(if is_yes { Verdict::Accept } else { Verdict::Refuse(no()) });
        }
        match step {
            Step::Ask(question) => panic!("asked twice: {question:?}"),
            Step::Verifier(user) => panic!("asked twice for {user}"),
            Step::Say(reply) => sound(&reply),
            Step::StartTls(reply) => {
                sound(&reply);
                assert!(!seen.tls, "TLS within TLS");
                session.secured(bindings());
                seen = Witness { tls: true, authenticated: false, recipients: None };
            }
            Step::Data(reply) => {
                sound(&reply);
                assert!(may_send && seen.recipients.is_some_and(|count| count > 0));
                let (mut reader, mut out) = (DataReader::default(), Vec::new());
                rest = &rest[reader.feed(rest, &mut out)..];
                if !reader.ended() {
                    return;
                }
                ended(&mut session, &mut seen);
            }
            Step::Chunk { length, last, refused } => {
                let Some(after) = usize::try_from(length).ok().and_then(|n| rest.get(n..)) else {
                    return;
                };
                rest = after;
                match refused {
                    Some(reply) => sound(&reply),
                    None => {
                        assert!(may_send && seen.recipients.is_some_and(|count| count > 0));
                        assert!(length <= 1000, "a chunk larger than any message");
                        if last {
                            ended(&mut session, &mut seen);
                        }
                    }
                }
            }
            Step::Close(reply) => return sound(&reply),
            Step::HangUp => return,
        }
        if session.awaits_auth() != (needs_auth && !seen.authenticated) {
            panic!("who is asked to log in: {session:?}");
        }
        seen.recipients = seen.recipients.filter(|_| has_mail(&session));
    }
}

/// RSET and EHLO end what is under way; the session alone knows which words do.
fn has_mail(session: &Session) -> bool {
    format!("{session:?}").contains("state: Mail(")
}

fn ended(session: &mut Session, seen: &mut Witness) {
    seen.recipients = None;
    let step = session.message_ended(Answer::new(250, Status::new(2, 0, 0), "taken"));
    assert!(matches!(step, Step::Say(reply) if reply.is_positive()));
}

/// A reply is lines of one code, whatever a client made it say.
fn sound(reply: &Reply) {
    let wire = reply.wire();
    let lines: Vec<&str> = wire.split_inclusive("\r\n").collect();
    for (place, line) in lines.iter().enumerate() {
        let text = line.strip_suffix("\r\n").expect("a CRLF ends it");
        assert!(!text.contains(char::is_control), "{wire:?}");
        let mark = if place + 1 == lines.len() { " " } else { "-" };
        assert!(text.starts_with(&format!("{}{mark}", reply.code)), "{wire:?}");
        assert!(line.len() <= 512, "RFC 5321 §4.5.3.1.5: {wire:?}");
    }
}
