//! Dialogs with a session: lines of a client with what must be answered.

use super::*;

fn offer() -> Offer {
    Offer {
        hostname: "relay.example".into(),
        size_max: 1000,
        recipients_max: 2,
        messages_max: 10,
        errors_max: 5,
        needs_auth: true,
        auth_in_clear: false,
        hold_max: Some((Duration::from_secs(604_800), Timestamp(1_798_135_200_000))),
    }
}

/// Plays a dialog: lines of the client with what must be answered. Questions are answered yes.
fn check(tls: bool, dialog: &[(&str, &str)]) {
    let mut session = Session::new(offer(), tls.then(Bindings::default));
    for (line, expected) in dialog {
        let mut step = session.line(line.as_bytes());
        if let Step::Ask(_) = step {
            step = session.answer(Verdict::Accept);
        }
        if let Step::Verifier(_) = step {
            let short = Answer::new(454, Status::new(4, 7, 0), "not now");
            step = session.verifier(Err(short));
        }
        let said = match step {
            Step::Say(reply) | Step::Data(reply) => reply.wire(),
            Step::StartTls(reply) => {
                session.secured(Bindings::default());
                reply.wire()
            }
            Step::Close(reply) => format!("close {}", reply.wire()),
            Step::HangUp => "close".into(),
            Step::Chunk { refused, .. } => refused.map_or("chunk".into(), |reply| reply.wire()),
            Step::Ask(_) | Step::Verifier(_) => "asked twice".into(),
        };
        assert!(said.starts_with(expected), "{line}: {said:?}, not {expected:?}");
    }
}

#[test]
fn a_submission_needs_tls_then_auth() {
    check(
        false,
        &[
            ("MAIL FROM:<a@b.example>", "530 5.7.0"),
            ("EHLO client", "250-relay.example"),
            ("AUTH PLAIN AGEAYg==", "538 5.7.11"),
            ("STARTTLS", "220"),
            ("AUTH PLAIN AGEAYg==", "503"),
            ("EHLO client", "250-relay.example"),
            ("AUTH PLAIN AGEAYg==", "235 2.7.0"),
            ("AUTH PLAIN AGEAYg==", "503"),
            ("MAIL FROM:<a@b.example> REQUIRETLS", "250 2.1.0"),
            ("RCPT TO:<c@d.example>", "250 2.1.5"),
            ("DATA", "354"),
        ],
    );
}

#[test]
fn mail_is_held_where_that_is_offered() {
    let mail = "MAIL FROM:<a@b.example> HOLDFOR=60";
    let auth = ("AUTH PLAIN AGEAYg==", "235");
    check(true, &[("EHLO client", "250-"), auth, (mail, "250 2.1.0")]);
    let hello = |offer: Offer| {
        let mut session = Session::new(offer, Some(Bindings::default()));
        let Step::Say(reply) = session.line(b"EHLO client") else {
            unreachable!("no reply to EHLO");
        };
        (session, reply.wire())
    };
    let (_, said) = hello(offer());
    assert!(said.contains("FUTURERELEASE 604800 2026-12-24T18:00:00Z\r\n"), "{said}");
    let (mut inbound, said) = hello(Offer { needs_auth: false, hold_max: None, ..offer() });
    assert!(!said.contains("FUTURERELEASE"), "{said}");
    assert!(matches!(inbound.line(mail.as_bytes()), Step::Say(reply) if reply.code == 555));
}

#[test]
fn data_needs_an_accepted_recipient() {
    check(
        true,
        &[
            ("EHLO client", "250-"),
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            ("YQ==", "334 UGFzc3dvcmQ6"),
            ("Yg==", "235"),
            ("RCPT TO:<c@d.example>", "503 5.5.1"),
            ("MAIL FROM:<>", "250"),
            ("DATA", "554 5.5.1"),
            ("RCPT TO:<c@d.example>", "250"),
            ("RCPT TO:<d@d.example>", "250"),
            ("RCPT TO:<e@d.example>", "452 4.5.3"),
            ("BDAT 5", "chunk"),
            ("DATA", "503"),
        ],
    );
}

#[test]
fn mistakes_are_counted_and_an_http_verb_ends_it() {
    check(true, &[("GET / HTTP/1.1", "close")]);
    let wrong = ("WHAT", "500 5.5.1");
    check(true, &[wrong, wrong, wrong, wrong, wrong, ("NOOP", "close 421 4.7.0")]);
    check(true, &[("EHLO a", "250-"), ("AUTH PLAIN", "334"), ("*", "501"), ("AUTH X", "504")]);
    check(true, &[("EHLO a", "250-"), ("AUTH PLAIN", "334"), ("GET / HTTP/1.1", "close")]);
    check(true, &[("BDAT 9 LAST", "close 503")]);
}

#[test]
fn refusals_by_policy_are_no_mistakes_and_a_message_clears_the_count() {
    let mut session = Session::new(offer(), Some(Bindings::default()));
    let accept = |session: &mut Session, line: &str| match session.line(line.as_bytes()) {
        Step::Ask(_) => session.answer(Verdict::Accept),
        step => step,
    };
    for line in ["EHLO a", "AUTH PLAIN AGEAYg=="] {
        assert!(matches!(accept(&mut session, line), Step::Say(_)));
    }
    for _ in 0..20 {
        accept(&mut session, "MAIL FROM:<a@b.example>");
        assert!(matches!(session.line(b"RCPT TO:<c@d.example>"), Step::Ask(_)));
        let no = Answer::new(550, Status::new(5, 7, 1), "opted out");
        assert!(matches!(session.answer(Verdict::Refuse(no)), Step::Say(r) if r.code == 550));
        assert!(matches!(session.line(b"DATA"), Step::Say(reply) if reply.code == 554));
        accept(&mut session, "RSET");
    }
    for _ in 0..10 {
        assert!(matches!(session.line(b"WHAT"), Step::Say(reply) if reply.code == 500));
        accept(&mut session, "MAIL FROM:<a@b.example>");
        accept(&mut session, "RCPT TO:<c@d.example>");
        assert!(matches!(session.line(b"DATA"), Step::Data(_)));
        let taken = Answer::new(250, Status::new(2, 0, 0), "ok");
        assert!(matches!(session.message_ended(taken), Step::Say(reply) if reply.code == 250));
    }
    let gone = Answer::new(421, Status::new(4, 7, 0), "this credential was removed");
    session.line(b"MAIL FROM:<a@b.example>");
    assert!(matches!(session.answer(Verdict::Defer(gone)), Step::Close(_)));
}
