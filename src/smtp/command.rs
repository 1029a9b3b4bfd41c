//! Commands of a client (RFC 5321 §4.1), parsed once into what they mean.

use crate::mail::dsn::{self, Notify, OfMessage, OfRecipient, Returned};
use crate::mail::{Address, AddressFault, ReversePath, Timestamp};

/// What a client asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO with its argument.
    Helo(String),
    /// EHLO with its argument.
    Ehlo(String),
    /// STARTTLS.
    StartTls,
    /// AUTH with a mechanism in capitals and, maybe, a first response.
    Auth(String, Option<String>),
    /// MAIL with its path and parameters.
    Mail(ReversePath, MailParameters),
    /// RCPT with its path and what the sender wants to be told of it.
    Rcpt(Forward, OfRecipient),
    /// DATA.
    Data,
    /// BDAT with its length, and whether it is the last.
    Bdat(u64, bool),
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// HELP.
    Help,
    /// VRFY or EXPN.
    Verify,
    /// QUIT.
    Quit,
}

/// Where a recipient is.
#[derive(Debug, PartialEq, Eq)]
pub enum Forward {
    /// A mailbox.
    Mailbox(Address),
    /// `<postmaster>` without a domain (RFC 5321 §4.1.1.3): ours.
    Postmaster,
}

/// Parameters of MAIL that we know.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub struct MailParameters {
    /// SIZE, in octets.
    pub size: Option<u64>,
    /// BODY=8BITMIME.
    pub eight_bit: bool,
    /// SMTPUTF8.
    pub smtputf8: bool,
    /// REQUIRETLS (RFC 8689).
    pub requiretls: bool,
    /// RET and ENVID (RFC 3461).
    pub dsn: OfMessage,
    /// HOLDFOR or HOLDUNTIL (RFC 4865).
    pub hold: Option<Hold>,
}

/// How long a message is to be held before it is delivered (RFC 4865 §4).
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Hold {
    /// So many seconds.
    For(u32),
    /// Until this moment.
    Until(Timestamp),
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub enum CommandFault {
    /// An unknown verb: 500.
    Unknown,
    /// A known verb with arguments it does not take, and how it should look: 501.
    Syntax(&'static str),
    /// A path that is no address: 501 or 553.
    Address(AddressFault),
    /// A path of RCPT that is no address here: 501, or 550 where only our own are taken.
    Recipient(AddressFault),
    /// A size past all bounds: 552.
    TooLarge,
    /// An address beyond ASCII without SMTPUTF8: 553.
    NeedsSmtpUtf8,
    /// A parameter that is not offered: 555.
    Parameter(String),
}

/// Verbs of HTTP.
const FOREIGN: [&str; 9] =
    ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE"];
/// Most characters of what a client said that a reply repeats.
const REPEATED_MAX: usize = 40;

/// Whether a line is another protocol's: TLS where no TLS belongs, or HTTP in any form. A page must not
/// be able to make a browser speak to us.
#[must_use]
pub fn is_foreign(line: &[u8]) -> bool {
    if line.first() == Some(&0x16) {
        return true;
    }
    let verb = line.split(|&b| b == b' ').next().unwrap_or_default();
    let is_http_line = line.len() > 9 && {
        let (_, version) = line.split_at(line.len() - 9);
        version.starts_with(b" HTTP/") && version[7] == b'.'
    };
    is_http_line || FOREIGN.iter().any(|known| verb.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a line begins as BDAT does, whatever else is wrong with it.
#[must_use]
pub fn is_bdat(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
}

/// Reads a command line. RCPT with an address beyond ASCII needs `smtputf8`, as MAIL announced it.
///
/// # Errors
/// Any [`CommandFault`].
pub fn parse(line: &[u8], smtputf8: bool) -> Result<Command, CommandFault> {
    let text = std::str::from_utf8(line).map_err(|_| CommandFault::Unknown)?;
    let text = text.trim_end_matches(' ');
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim_start_matches(' ');
    let bare = |command: Command, usage| {
        if rest.is_empty() { Ok(command) } else { Err(CommandFault::Syntax(usage)) }
    };
    let verb = verb.to_ascii_uppercase();
    match verb.as_str() {
        "HELO" => Ok(Command::Helo(domain(rest, "HELO domain")?)),
        "EHLO" => Ok(Command::Ehlo(domain(rest, "EHLO domain")?)),
        "STARTTLS" => bare(Command::StartTls, "STARTTLS takes no argument"),
        "AUTH" => auth(rest),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest, smtputf8),
        "DATA" => bare(Command::Data, "DATA takes no argument"),
        "BDAT" => bdat(rest),
        "RSET" => bare(Command::Rset, "RSET takes no argument"),
        "QUIT" => bare(Command::Quit, "QUIT takes no argument"),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" | "EXPN" => Ok(Command::Verify),
        _ => Err(CommandFault::Unknown),
    }
}

fn domain(text: &str, usage: &'static str) -> Result<String, CommandFault> {
    let sound = !text.is_empty() && text.len() <= 255 && text.chars().all(|c| c.is_ascii_graphic());
    if sound { Ok(text.to_owned()) } else { Err(CommandFault::Syntax(usage)) }
}

fn auth(rest: &str) -> Result<Command, CommandFault> {
    let (mechanism, first) = match rest.split_once(' ') {
        Some((mechanism, first)) => (mechanism, Some(first.to_owned())),
        None => (rest, None),
    };
    if mechanism.is_empty() {
        return Err(CommandFault::Syntax("AUTH mechanism [initial-response]"));
    }
    Ok(Command::Auth(mechanism.to_ascii_uppercase(), first))
}

fn bdat(rest: &str) -> Result<Command, CommandFault> {
    let usage = CommandFault::Syntax("BDAT length [LAST]");
    let (length, last) = match rest.split_once(' ') {
        Some((length, last)) if last.eq_ignore_ascii_case("LAST") => (length, true),
        Some(_) => return Err(usage),
        None => (rest, false),
    };
    let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
    match length.parse() {
        Ok(length) if digits => Ok(Command::Bdat(length, last)),
        _ => Err(usage),
    }
}

/// What stands after `FROM:` or `TO:`: the path between its brackets, and the parameters.
fn path<'a>(
    rest: &'a str,
    label: &str,
    usage: &'static str,
) -> Result<(&'a str, &'a str), CommandFault> {
    let usage = CommandFault::Syntax(usage);
    let after = match rest.get(..label.len()) {
        Some(start) if start.eq_ignore_ascii_case(label) => rest[label.len()..].trim_start(),
        _ => return Err(usage),
    };
    let Some(after) = after.strip_prefix('<') else {
        return Err(usage);
    };
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in after.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let parameters = &after[at + 1..];
                let apart = parameters.is_empty() || parameters.starts_with(' ');
                return if apart { Ok((&after[..at], parameters.trim())) } else { Err(usage) };
            }
            _ => {}
        }
    }
    Err(usage)
}

fn mail(rest: &str) -> Result<Command, CommandFault> {
    let (path, words) = path(rest, "FROM:", "MAIL FROM:<address> [parameters]")?;
    let mut parameters = MailParameters::default();
    for word in words.split_ascii_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match (name.to_ascii_uppercase().as_str(), value.to_ascii_uppercase().as_str()) {
            // RFC 1870 §4: up to 20 digits, which may be more than can be counted.
            ("SIZE", _) => {
                let digits = value.bytes().all(|b| b.is_ascii_digit());
                if !digits || !(1..=20).contains(&value.len()) {
                    return Err(CommandFault::Syntax("SIZE=octets"));
                }
                parameters.size = Some(value.parse().map_err(|_| CommandFault::TooLarge)?);
            }
            ("BODY", "7BIT") | ("AUTH", _) => {}
            ("BODY", "8BITMIME") => parameters.eight_bit = true,
            ("BODY", _) => return Err(CommandFault::Syntax("BODY=7BIT or BODY=8BITMIME")),
            ("SMTPUTF8", "") => parameters.smtputf8 = true,
            ("REQUIRETLS", "") if !word.contains('=') => parameters.requiretls = true,
            ("REQUIRETLS", _) => return Err(CommandFault::Syntax("REQUIRETLS has no value")),
            ("RET", kind) => {
                let kind = match kind {
                    "FULL" => Returned::Full,
                    "HDRS" => Returned::Header,
                    _ => return Err(CommandFault::Syntax("RET=FULL or RET=HDRS")),
                };
                once(&mut parameters.dsn.returned, Some(kind), "RET, once")?;
            }
            ("ENVID", _) => {
                let usage = "ENVID=xtext, once, of at most 100 printable characters";
                once(&mut parameters.dsn.envelope_id, dsn::envelope_id(value), usage)?;
            }
            ("HOLDFOR", _) => {
                let usage = "HOLDFOR=seconds, of at most nine digits, once, and no HOLDUNTIL";
                let digits = value.bytes().all(|b| b.is_ascii_digit());
                let is_sound = digits && (1..=9).contains(&value.len());
                let seconds = is_sound.then(|| value.parse().ok()).flatten();
                once(&mut parameters.hold, seconds.map(Hold::For), usage)?;
            }
            ("HOLDUNTIL", value) => {
                let usage = "HOLDUNTIL=2026-12-24T18:00:00Z, once, and no HOLDFOR";
                once(&mut parameters.hold, value.parse().ok().map(Hold::Until), usage)?;
            }
            _ => return Err(CommandFault::Parameter(repeated(name))),
        }
    }
    if path.is_empty() {
        return Ok(Command::Mail(ReversePath::Null, parameters));
    }
    let address = address(path, parameters.smtputf8)?;
    Ok(Command::Mail(ReversePath::Mailbox(address), parameters))
}

/// Keeps a parameter's value: one that is sound, and stands there once.
fn once<T>(
    kept: &mut Option<T>,
    value: Option<T>,
    usage: &'static str,
) -> Result<(), CommandFault> {
    if kept.is_some() || value.is_none() {
        return Err(CommandFault::Syntax(usage));
    }
    *kept = value;
    Ok(())
}

fn rcpt(rest: &str, smtputf8: bool) -> Result<Command, CommandFault> {
    let (path, words) = path(rest, "TO:", "RCPT TO:<address> [parameters]")?;
    let mut wishes = OfRecipient::default();
    for word in words.split_ascii_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name.to_ascii_uppercase().as_str() {
            "NOTIFY" => {
                let usage = "NOTIFY=NEVER or NOTIFY=SUCCESS,FAILURE,DELAY, once, and each once";
                once(&mut wishes.notify, Notify::parse(value), usage)?;
            }
            "ORCPT" => {
                let usage = "ORCPT=rfc822;xtext, once, of at most 500 characters";
                once(&mut wishes.original, dsn::original(value, smtputf8), usage)?;
            }
            _ => return Err(CommandFault::Parameter(repeated(name))),
        }
    }
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(Command::Rcpt(Forward::Postmaster, wishes));
    }
    match address(path, smtputf8) {
        Ok(address) => Ok(Command::Rcpt(Forward::Mailbox(address), wishes)),
        Err(CommandFault::Address(fault)) => Err(CommandFault::Recipient(fault)),
        Err(fault) => Err(fault),
    }
}

/// What a client said, short and in ASCII, as a reply may hold it.
fn repeated(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(REPEATED_MAX).collect()
}

fn address(path: &str, smtputf8: bool) -> Result<Address, CommandFault> {
    if !smtputf8 && !path.is_ascii() {
        return Err(CommandFault::NeedsSmtpUtf8);
    }
    Address::parse(path).map_err(CommandFault::Address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, CommandFault> {
        parse(line.as_bytes(), false)
    }

    fn mailbox(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    #[test]
    fn commands_are_read_in_any_case() {
        let parameters =
            MailParameters { size: Some(5), eight_bit: true, ..MailParameters::default() };
        assert_eq!(
            read("mail from:<a@b.example> size=5 BODY=8bitmime"),
            Ok(Command::Mail(ReversePath::Mailbox(mailbox("a@b.example")), parameters))
        );
        assert_eq!(
            read("MAIL FROM:<>"),
            Ok(Command::Mail(ReversePath::Null, MailParameters::default()))
        );
        assert_eq!(
            read(r#"RCPT TO:<"a>b"@c.example>"#),
            Ok(Command::Rcpt(
                Forward::Mailbox(mailbox(r#""a>b"@c.example"#)),
                OfRecipient::default()
            ))
        );
        assert_eq!(
            read("RCPT TO:<Postmaster>"),
            Ok(Command::Rcpt(Forward::Postmaster, OfRecipient::default()))
        );
        assert_eq!(read("BDAT 10 last"), Ok(Command::Bdat(10, true)));
        for line in ["POST / HTTP/1.1", "get /", "PRI * HTTP/2.0", "PROPFIND / HTTP/1.1"] {
            assert!(is_foreign(line.as_bytes()), "{line}");
        }
        assert!(!is_foreign(b"NOOP") && !is_foreign(b"MAIL FROM:<get@b.example>"));
    }

    #[test]
    fn what_a_sender_wants_to_be_told_is_read_or_refused() {
        let Ok(Command::Mail(_, said)) = read("MAIL FROM:<a@b.example> ret=full ENVID=q+2B1")
        else {
            unreachable!("not read");
        };
        assert_eq!(said.dsn.returned, Some(Returned::Full));
        assert_eq!(said.dsn.envelope_id.as_deref(), Some("q+2B1"));
        let to = "RCPT TO:<c@d.example>";
        let Ok(Command::Rcpt(_, said)) = read(&format!("{to} notify=delay ORCPT=rfc822;c+2B@d"))
        else {
            unreachable!("not read");
        };
        assert_eq!(said.notify, Notify::parse("DELAY"));
        assert_eq!(said.original.as_deref(), Some("rfc822;c+2B@d"));
        for line in [
            "MAIL FROM:<a@b.example> RET=SOME",
            "MAIL FROM:<a@b.example> RET",
            "MAIL FROM:<a@b.example> RET=FULL RET=FULL",
            "MAIL FROM:<a@b.example> ENVID=",
            "MAIL FROM:<a@b.example> ENVID=a=b",
            "MAIL FROM:<a@b.example> ENVID=a ENVID=a",
            "RCPT TO:<c@d.example> NOTIFY=NEVER,DELAY",
            "RCPT TO:<c@d.example> NOTIFY=DELAY NOTIFY=DELAY",
            "RCPT TO:<c@d.example> ORCPT=c@d.example",
            "RCPT TO:<c@d.example> ORCPT=rfc822;c ORCPT=rfc822;c",
        ] {
            assert!(matches!(read(line), Err(CommandFault::Syntax(_))), "{line}");
        }
    }

    #[test]
    fn a_time_to_hold_mail_is_read_once_and_in_one_form() {
        let hold = |words: &str| match read(&format!("MAIL FROM:<a@b.example> {words}")) {
            Ok(Command::Mail(_, parameters)) => parameters.hold,
            Ok(_) => unreachable!("another command"),
            Err(fault) => {
                assert!(matches!(fault, CommandFault::Syntax(_)), "{words}: {fault:?}");
                None
            }
        };
        assert_eq!(hold("HOLDFOR=0"), Some(Hold::For(0)));
        assert_eq!(hold("holdfor=999999999"), Some(Hold::For(999_999_999)));
        let christmas = Hold::Until(Timestamp(1_798_135_200_000));
        assert_eq!(hold("HOLDUNTIL=2026-12-24T18:00:00Z"), Some(christmas));
        assert_eq!(hold("HOLDUNTIL=2026-12-24t19:00:00+01:00"), Some(christmas));
        for words in [
            "HOLDFOR=",
            "HOLDFOR=-1",
            "HOLDFOR=+1",
            "HOLDFOR=1h",
            "HOLDFOR=1000000000",
            "HOLDUNTIL=2026-12-24",
            "HOLDUNTIL=1798135200",
            "HOLDUNTIL",
            "HOLDFOR=1 HOLDFOR=1",
            "HOLDFOR=1 HOLDUNTIL=2026-12-24T18:00:00Z",
        ] {
            assert_eq!(hold(words), None, "{words}");
        }
    }

    #[test]
    fn what_is_no_command_is_named() {
        assert_eq!(read("WHAT"), Err(CommandFault::Unknown));
        assert!(matches!(read("MAIL FROM:a@b.example"), Err(CommandFault::Syntax(_))));
        assert!(matches!(read("MAIL FROM:<a@b.example>x"), Err(CommandFault::Syntax(_))));
        assert!(matches!(read("RCPT TO:<@a,@b:c@d>"), Err(CommandFault::Recipient(_))));
        assert!(matches!(read("RCPT TO:<a@[127.0.0.1]>"), Err(CommandFault::Recipient(_))));
        assert!(matches!(read("RCPT TO:<a@127.0.0.1>"), Err(CommandFault::Recipient(_))));
        assert!(matches!(read("MAIL FROM:<a@b.example> SIZE=+5"), Err(CommandFault::Syntax(_))));
        assert_eq!(
            read("MAIL FROM:<a@b.example> SIZE=99999999999999999999"),
            Err(CommandFault::TooLarge)
        );
        assert!(matches!(read("MAIL FROM:<a@b.example> X=1"), Err(CommandFault::Parameter(_))));
        assert_eq!(read("RCPT TO:<ü@b.example>"), Err(CommandFault::NeedsSmtpUtf8));
        assert!(matches!(read("BDAT -1"), Err(CommandFault::Syntax(_))));
        assert!(matches!(read("DATA now"), Err(CommandFault::Syntax(_))));
    }
}
