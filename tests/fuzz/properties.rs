//! What must hold of any input, one function a door that bytes of strangers come through. The fuzz targets
//! call them with what they make up, the tests with every input that is kept in `corpus/` and `crashes/`.

use relent::config::{self, Config};
use relent::mail::dsn::{Notify, Returned};
use relent::mail::header::{self, Field};
use relent::mail::mailbox::mailboxes;
use relent::mail::shape::Shape;
use relent::mail::trace;
use relent::mail::{
    Address, Domain, MessageId, RecipientHash, RecipientNumber, Reply, ReversePath, StreamId,
    Timestamp,
};
use relent::policy::{Token, token as tokens};
use relent::replies::{Classification, Kind, Wish, Words};
use relent::smtp::command::{self, Command, Forward};
use relent::smtp::data::{DataReader, LineRules, TEXT_LINE_MAX};
use relent::smtp::line::{self, COMMAND_LINE_MAX, Line};
use relent::smtp::{Capabilities, DotStuffer, ReplyFault, ReplyParser};
use std::path::Path;
use std::sync::LazyLock;

/// Where an input is cut in two, from its own first byte.
fn cut(input: &[u8]) -> usize {
    input.first().map_or(0, |&byte| usize::from(byte) % (input.len() + 1))
}

/// A line of a client and the command on it.
pub fn command(input: &[u8]) {
    match line::take(input, COMMAND_LINE_MAX) {
        Line::Whole(text, taken) => {
            assert_eq!(&input[..taken], [text, b"\r\n"].concat());
            assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
        Line::Malformed(taken) => assert!(input[..taken].ends_with(b"\r\n")),
        Line::BareLf => assert!(input.contains(&b'\n')),
        Line::Partial => assert!(!input.contains(&b'\n') && input.len() < COMMAND_LINE_MAX),
        Line::TooLong => assert!(input.len() >= COMMAND_LINE_MAX),
    }
    // What a command's line never holds is looked at too.
    let _ = (command::is_foreign(input), command::is_bdat(input));
    let read = command::parse(input, false);
    let widely = command::parse(input, true);
    if let Ok(read) = &read {
        assert_eq!(widely.as_ref(), Ok(read), "SMTPUTF8 takes nothing away");
    }
    let Ok(read) = widely else { return };
    let again = match &read {
        Command::Helo(name) => format!("HELO {name}"),
        Command::Ehlo(name) => format!("EHLO {name}"),
        Command::StartTls => "STARTTLS".into(),
        Command::Auth(mechanism, None) => format!("AUTH {mechanism}"),
        Command::Auth(mechanism, Some(first)) => format!("AUTH {mechanism} {first}"),
        Command::Mail(from, parameters) => {
            let from = match from {
                ReversePath::Null => String::new(),
                ReversePath::Mailbox(address) => address.to_string(),
            };
            let size = parameters.size.map_or(String::new(), |size| format!(" SIZE={size}"));
            let eight = if parameters.eight_bit { " BODY=8BITMIME" } else { "" };
            let utf8 = if parameters.smtputf8 { " SMTPUTF8" } else { "" };
            let returned = match parameters.dsn.returned {
                Some(Returned::Full) => " RET=FULL",
                Some(Returned::Header) => " RET=HDRS",
                None => "",
            };
            let envelope_id = &parameters.dsn.envelope_id;
            let id = envelope_id.as_ref().map_or(String::new(), |id| format!(" ENVID={id}"));
            format!("MAIL FROM:<{from}>{size}{eight}{utf8}{returned}{id}")
        }
        Command::Rcpt(to, dsn) => {
            let to = match to {
                Forward::Mailbox(address) => address.to_string(),
                Forward::Postmaster => "Postmaster".into(),
            };
            let notify =
                dsn.notify.map_or(String::new(), |notify| format!(" NOTIFY={}", words(notify)));
            let original = dsn.original.as_ref();
            let original = original.map_or(String::new(), |original| format!(" ORCPT={original}"));
            format!("RCPT TO:<{to}>{notify}{original}")
        }
        Command::Data => "DATA".into(),
        Command::Bdat(length, true) => format!("BDAT {length} LAST"),
        Command::Bdat(length, false) => format!("BDAT {length}"),
        Command::Rset => "RSET".into(),
        Command::Noop => "NOOP".into(),
        Command::Help => "HELP".into(),
        Command::Verify => "VRFY".into(),
        Command::Quit => "QUIT".into(),
    };
    assert_eq!(command::parse(again.as_bytes(), true).as_ref(), Ok(&read), "{again}");
}

/// NOTIFY's words (RFC 3461 §4.1).
fn words(notify: Notify) -> String {
    let told = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let words: Vec<_> =
        told.iter().filter(|(is_told, _)| *is_told).map(|(_, word)| *word).collect();
    if words.is_empty() { "NEVER".into() } else { words.join(",") }
}

/// Message data by DATA, in one piece and in two, and by BDAT.
pub fn data(input: &[u8]) {
    let read = |pieces: [&[u8]; 2]| {
        let (mut reader, mut out, mut taken) = (DataReader::default(), Vec::new(), 0);
        for piece in pieces {
            taken += reader.feed(piece, &mut out);
        }
        (reader.ended(), reader.fault(), out, taken)
    };
    let whole = read([input, b""]);
    let (first, second) = input.split_at(cut(input));
    assert_eq!(read([first, second]), whole, "cut at {}", first.len());
    // RFC 5321 §4.1.1.4: the end is the first CRLF.CRLF, the first line's beginning included.
    let lines = [b"\r\n", input].concat();
    let end = lines.windows(5).position(|five| five == b"\r\n.\r\n");
    let (ended, fault, out, taken) = whole;
    assert_eq!(ended.then_some(taken), end.map(|at| at + 3));
    assert_eq!(taken, end.map_or(input.len(), |at| at + 3));
    let mut rules = LineRules::default();
    rules.check(&input[..cut(input)]);
    rules.check(&input[cut(input)..]);
    let mut at_once = LineRules::default();
    at_once.check(input);
    assert_eq!(rules.fault_at_end(), at_once.fault_at_end());
    if at_once.fault_at_end().is_none() {
        sound(input);
    }
    if fault.is_none() && ended {
        sound(&out);
        let (mut stuffer, mut sent) = (DotStuffer::new(), Vec::new());
        stuffer.push(&out, &mut sent);
        sent.extend_from_slice(stuffer.finish());
        sent.extend_from_slice(b".\r\n");
        let (ended, fault, again, taken) = read([&sent, b"QUIT\r\n"]);
        assert_eq!((ended, fault, taken), (true, None, sent.len()));
        assert_eq!(again, out, "what is sent on is what came");
    }
}

/// No bare CR, no bare LF, no NUL, no line that is too long.
fn sound(message: &[u8]) {
    let count = |wanted: &[u8]| message.windows(wanted.len()).filter(|w| *w == wanted).count();
    assert_eq!([count(b"\r"), count(b"\n"), count(b"\0")], [count(b"\r\n"), count(b"\r\n"), 0]);
    let lines = message.split_inclusive(|&byte| byte == b'\n');
    assert!(lines.into_iter().all(|line| line.len() <= TEXT_LINE_MAX));
}

/// An address, a domain, a list of mailboxes.
pub fn address(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(domain) = Domain::parse(text) {
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
        assert!(domain.is_within(&domain));
    }
    let mut found = mailboxes(text).unwrap_or_default();
    if let Ok(address) = Address::parse(text) {
        assert_eq!(
            Address::parse(&text.to_ascii_uppercase()).map(|a| a.normal()),
            Ok(address.normal())
        );
        found.push(address);
    }
    for address in found {
        let written = address.to_string();
        assert_eq!(Address::parse(&written).as_ref(), Ok(&address), "{written}");
        assert!(!written.contains(char::is_control), "{written:?}");
        assert_eq!(mailboxes(&written).as_deref(), Ok(&[address.clone()][..]), "{written}");
        let normal = address.normal();
        let local = normal.rsplit_once('@').map_or("", |(local, _)| local);
        if let Ok(again) = Address::new(local, address.domain().as_str()) {
            assert_eq!(again.normal(), normal, "one person has one normal form");
        }
        let _ = (address.masked(), address.needs_smtputf8());
    }
}

/// Replies of another server, in one piece and in two.
pub fn reply(input: &[u8]) {
    let read = |pieces: [&[u8]; 2]| {
        let (mut parser, mut replies) = (ReplyParser::new(), Vec::<Reply>::new());
        for mut piece in pieces {
            while !piece.is_empty() {
                let (taken, reply) = match parser.feed(piece) {
                    Ok(fed) => fed,
                    Err(fault) => return (replies, Some(fault)),
                };
                assert!(taken > 0 && (reply.is_some() || taken == piece.len()));
                replies.extend(reply);
                piece = &piece[taken..];
            }
        }
        (replies, None::<ReplyFault>)
    };
    let whole = read([input, b""]);
    let (first, second) = input.split_at(cut(input));
    assert_eq!(read([first, second]), whole);
    for reply in whole.0 {
        assert!((200..600).contains(&reply.code) && (1..=100).contains(&reply.lines.len()));
        assert!(reply.lines.iter().all(|line| !line.contains(char::is_control)));
        assert!(reply.status.is_none_or(|status| u16::from(status.class) == reply.code / 100));
        let (_, _, offered) =
            (reply.to_string(), reply.is_positive(), Capabilities::from_reply(&reply));
        assert!(offered.size.is_none() || reply.lines.len() > 1);
    }
}

/// The header of a message.
pub fn header(input: &[u8]) {
    let start = header::body_start(input);
    assert!(start <= input.len());
    let head = &input[..start];
    let ends = |at: &usize| input[..*at] == *b"\r\n" || input[..*at].ends_with(b"\r\n\r\n");
    assert_eq!(start, (0..input.len()).find(ends).unwrap_or(input.len()), "the first empty line");
    let Ok(fields) = header::fields(head) else { return };
    let together: Vec<u8> = fields.iter().flat_map(|field| field.raw).copied().collect();
    assert!(head == together || head == [&together[..], b"\r\n"].concat());
    for field in &fields {
        assert!(!field.name.is_empty() && field.name.bytes().all(|b| b.is_ascii_graphic()));
        assert!(!field.name.contains(':') && field.is(&field.name.to_ascii_lowercase()));
        assert!(!field.text().contains("\r\n"));
        let again = header::fields(field.raw).map(|fields| fields.iter().map(plain).collect());
        assert_eq!(again, Ok(vec![plain(field)]), "a field is one wherever it stands");
    }
    let (hops, own) = trace::hops(&fields, &["relay.example"]);
    assert!(own <= hops && hops <= fields.len());
    let shape = |step: usize| {
        let mut shape = Shape::of(&fields);
        input[start..].chunks(step).for_each(|piece| shape.write(piece));
        (shape.size, shape.html, shape.has_text, shape.line_longest, shape.is_eight_bit)
    };
    let whole = shape(input.len().max(1));
    assert_eq!(shape(1), whole, "a body is the same however it is cut");
    assert!(whole.1 <= whole.0 && whole.3 <= whole.0);
}

fn plain(field: &Field<'_>) -> (String, Vec<u8>) {
    (field.name.to_owned(), field.value.to_vec())
}

/// The words without settings, read once for every input.
static WORDS: LazyLock<Words> =
    LazyLock::new(|| Words::new(&config::Words::default()).expect("the files are TOML"));

fn classify(message: &[u8], limits: &config::Replies) -> Classification {
    relent::replies::classify(message, limits, WORDS.all())
}

/// A message that comes back: taken apart and understood.
pub fn message(input: &[u8]) {
    let limits = config::Replies::default();
    let read = classify(input, &limits);
    assert_eq!(classify(input, &limits), read, "the same message is understood the same way");
    assert!(read.wish == Wish::None || read.kind == Kind::Person, "machines wish for nothing");
    assert!(read.recipients.is_empty() || read.kind == Kind::Bounce);
    assert!(read.feedback_type.is_none() || read.kind == Kind::Complaint);
    assert!(read.tokens.is_empty() || read.kind == Kind::Complaint);
    assert!(
        read.wish != Wish::None || read.beyond || read.kind != Kind::Person,
        "a letter is read"
    );
    // Limits bind: with none of nesting allowed, nothing breaks.
    let tight = config::Replies { depth_max: 1, parts_max: 2, ..limits };
    let _ = classify(input, &tight);
}

/// A token as text; or one that is made of the input, sealed and then forged.
pub fn token(input: &[u8]) {
    let (key, other) = ([7; 32], [8; 32]);
    if let Ok(text) = std::str::from_utf8(input)
        && let Some(token) = tokens::open(&key, text)
    {
        assert_eq!(tokens::seal(&key, &token), text.to_ascii_lowercase(), "one spelling a token");
    }
    let Some((&[kind, at, bit], rest)) = input.split_first_chunk::<3>() else { return };
    let Some((hash, numbers)) = rest.split_first_chunk::<16>() else { return };
    let Some((numbers, _)) = numbers.split_first_chunk::<12>() else { return };
    let number = |from: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| numbers[from + byte]));
    let token = match kind % 4 {
        0 => Token::Reply { stream: StreamId(number(0)), recipient: RecipientHash(*hash) },
        1 => Token::Unsubscribe { stream: StreamId(number(0)), recipient: RecipientHash(*hash) },
        2 => Token::Bounce { message: MessageId(*numbers), recipient: RecipientNumber(number(4)) },
        _ => Token::Undo {
            event: u64::from(number(0)),
            until: Timestamp(u64::from(number(4)) * 1000),
        },
    };
    let text = tokens::seal(&key, &token);
    assert!(text.len() <= 64 && text.is_ascii());
    assert_eq!(tokens::open(&key, &text.to_ascii_uppercase()), Some(token));
    assert_eq!(tokens::open(&other, &text), None, "another installation's");
    let mut forged = text.clone().into_bytes();
    let place = usize::from(at) % forged.len();
    forged[place] ^= 1 << (bit % 7);
    let forged = String::from_utf8(forged).expect("seven bits");
    if !forged.eq_ignore_ascii_case(&text) {
        assert_eq!(tokens::open(&key, &forged), None, "{forged} for {text}");
    }
}

/// A settings file.
pub fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Config::read(text, Path::new("relent.toml")) {
        Ok(config) => {
            let changed = config.changed().expect("settings are TOML");
            let again = Config::read(&changed, Path::new("changed.toml"));
            assert_eq!(again.expect("what was read is read again"), config, "{changed}");
        }
        Err(fault) => {
            assert!(!fault.reason.is_empty());
            let lines = text.lines().count() + 1;
            assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)), "{fault}");
        }
    }
}

/// A message around an input, read by one of the parsers beneath [`message`].
fn around(head: &str, input: &[u8]) -> Classification {
    let whole = [b"From: ann@b.example\r\n", head.as_bytes(), b"\r\n\r\n", input].concat();
    let limits = config::Replies::default();
    let read = classify(&whole, &limits);
    assert_eq!(classify(&whole, &limits), read, "the same message is understood the same way");
    assert!(!read.written.contains('\0') && read.written == read.written.trim_end());
    read
}

/// A page of HTML: with all of it in a quote nobody wrote anything.
pub fn html(input: &[u8]) {
    around("Content-Type: text/html; charset=utf-8", input);
    let text = String::from_utf8_lossy(input).replace(['<', '&'], " ");
    let quoted = format!("<blockquote type=\"cite\">{text}</blockquote>");
    let read = around("Content-Type: text/html; charset=utf-8", quoted.as_bytes());
    assert_eq!(read.wish, Wish::None, "a quote asks for nothing");
}

/// A text in the charset that the first byte picks.
pub fn charset(input: &[u8]) {
    const NAMES: [&str; 16] = [
        "utf-8",
        "gb2312",
        "gb18030",
        "big5",
        "iso-2022-jp",
        "euc-kr",
        "shift_jis",
        "euc-jp",
        "windows-1251",
        "koi8-r",
        "iso-8859-1",
        "utf-7",
        "utf-16",
        "hz-gb-2312",
        "iso-2022-kr",
        "x",
    ];
    let Some((&first, rest)) = input.split_first() else { return };
    let name = NAMES[usize::from(first) % NAMES.len()];
    let rest: Vec<u8> = rest.iter().copied().filter(|&byte| byte != 0).collect();
    around(&format!("Content-Type: text/plain; charset={name}"), &rest);
    around(&format!("Subject: =?{name}?Q?=54?="), &rest);
}

/// A body in base64, in quoted-printable, and in both.
pub fn transfer(input: &[u8]) {
    let text: Vec<u8> = input.iter().copied().filter(|&byte| byte != 0).collect();
    for name in ["base64", "quoted-printable", "x-uuencode"] {
        let head = format!("Content-Transfer-Encoding: {name}\r\nContent-Type: text/html");
        let whole = [b"From: a@b.example\r\n", head.as_bytes(), b"\r\n\r\n", &text].concat();
        let read = classify(&whole, &config::Replies::default());
        assert!(read.written.len() <= 8 * input.len() + 100_000);
    }
}

/// A delivery status: it names addresses alone, each once.
pub fn delivery_status(input: &[u8]) {
    let whole =
        [b"From: x@b.example\r\nContent-Type: message/delivery-status\r\n\r\n", input].concat();
    let read = classify(&whole, &config::Replies::default());
    let mut seen: Vec<_> = read.recipients.iter().map(|r| r.address.to_ascii_lowercase()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), read.recipients.len(), "each recipient stands there once");
    assert!(read.recipients.iter().all(|one| one.address.contains('@')));
    assert!(read.recipients.iter().all(|one| !one.reason.contains('\n')));
}

/// A notice in words from a mail server.
pub fn notice(input: &[u8]) {
    let whole =
        [b"From: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n\r\n", input].concat();
    let read = classify(&whole, &config::Replies::default());
    assert!(read.recipients.len() <= 100 && read.wish == Wish::None || read.kind == Kind::Person);
}

/// What a person wrote: all of it quoted, they wrote nothing.
pub fn written(input: &[u8]) {
    const HEAD: &str = "Content-Type: text/plain; charset=utf-8";
    around(HEAD, &input.iter().copied().filter(|&byte| byte != 0).collect::<Vec<_>>());
    let text = String::from_utf8_lossy(input).replace(['\0', '\r'], "");
    let quoted: Vec<String> = text.lines().map(|line| format!("> {line}")).collect();
    let read = around(HEAD, quoted.join("\n").as_bytes());
    assert_eq!(read.wish, Wish::None, "a quote asks for nothing");
}
