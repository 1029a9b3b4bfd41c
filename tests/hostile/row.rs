//! The words in which a row is written: at which step a server does what, what is sent to it, and what
//! must become of each recipient.

use super::names::{Query, Record, Says};
use std::net::Ipv4Addr;
use std::time::Duration;

/// A step of a session. A lie at a step stands in the place of the usual answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Greeting,
    /// EHLO in the clear.
    Hello,
    /// EHLO over TLS.
    SecureHello,
    Helo,
    StartTls,
    Mail,
    /// MAIL where a message was taken on this connection before.
    MailAgain,
    Recipient,
    /// RCPT of an address that begins so.
    RecipientTo(&'static str),
    /// RCPT where so many have been taken in this transaction.
    RecipientPast(usize),
    Data,
    /// Within the message, once so many bytes of it have come.
    Body(usize),
    /// The end of a message: its dot, or its last chunk.
    Dot,
    /// A chunk that is not the last (RFC 3030).
    Chunk,
    Reset,
    Quit,
    /// Where a message has been answered and nothing was asked for a moment.
    Idle,
}

/// What a server does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Answers as it should.
    Usual,
    /// The same, a byte at a time.
    UsualInPieces,
    /// Says this, and CRLF.
    Say(&'static str),
    /// Says these bytes.
    Bytes(&'static [u8]),
    /// Says this so many times.
    Repeat(&'static str, usize),
    /// Says this until nobody listens.
    Endless(&'static str),
    /// Says this a byte at a time, with a pause after each.
    Trickle(&'static str, Duration),
    /// Waits.
    Wait(Duration),
    /// Keeps the message, whatever is said.
    Keep,
    /// Reads slowly from now on.
    ReadSlowly,
    /// From now on this connection must not carry another transaction.
    Spoiled,
    /// Says nothing, and reads until the client leaves.
    Hold,
    /// Says nothing and reads nothing while the row lies.
    Deaf,
    /// Closes the connection.
    Close,
    /// Resets it (RST).
    Reset,
}

/// The certificate of a server that offers STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Of its own name, and self-signed.
    SelfSigned,
    /// Of its own name, and expired for years.
    Expired,
    /// Of another name.
    OtherName,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Plain,
    EightBit,
    /// With a recipient in UTF-8.
    Utf8,
    /// So many bytes.
    Large(usize),
    /// With all that DSN has.
    Reported,
}

/// Where a domain's mail servers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    One,
    /// Two, the first preferred.
    Two,
    /// One that has no port open.
    Closed,
    /// One that has no port open, and then one.
    ClosedThenOne,
}

/// Where a row takes place.
#[derive(Debug, Clone)]
pub struct Place {
    pub domain: String,
    /// `mx` and the domain.
    pub host: String,
    pub first: Ipv4Addr,
    pub second: Ipv4Addr,
    /// Where nobody may ever connect.
    pub trap: Ipv4Addr,
    /// Where nobody listens.
    pub closed: Ipv4Addr,
}

impl Place {
    pub fn of(number: usize) -> Self {
        let at = |base: u8| {
            let of = |n: usize| u8::try_from(n).expect("fewer rows than addresses");
            Ipv4Addr::new(127, base, of(number / 200 + 1), of(number % 200 + 1))
        };
        let domain = format!("n{number}.example");
        Self {
            host: format!("mx.{domain}"),
            domain,
            first: at(11),
            second: at(12),
            trap: at(13),
            closed: at(14),
        }
    }
}

/// What a row's servers have seen.
pub struct Seen<'a> {
    /// Connections to the first server, the second, and the trap.
    pub connections: [usize; 3],
    pub taken: &'a [Taken],
    /// Questions about names of the domain.
    pub questions: &'a [(String, u16)],
}

/// A message that a server kept.
#[derive(Debug, Clone)]
pub struct Taken {
    pub server: usize,
    pub mail: String,
    pub recipients: Vec<String>,
    pub message: Vec<u8>,
    /// Whether it came in chunks.
    pub chunks: bool,
    pub tls: bool,
}

/// What a name server says of a domain's names; nothing: as the records have it.
pub type Lie = fn(&Place, &Query) -> Option<Says>;

/// What else must be so.
pub type Check = fn(&Seen<'_>) -> Result<(), String>;

/// One behaviour and the fate of who is written to. While a row lies, which it does until each
/// recipient of the first letter has been put off, its servers lie on every connection.
#[derive(Clone)]
pub struct Row {
    pub lies: [Vec<(Step, Vec<Act>)>; 2],
    pub offers: Vec<&'static str>,
    pub certificate: Option<Certificate>,
    pub hosts: Hosts,
    /// The local parts that each letter goes to; one letter after another.
    pub letters: Vec<Vec<&'static str>>,
    pub shape: Shape,
    pub fates: Vec<(&'static str, &'static str)>,
    pub says: Option<&'static str>,
    pub copies: Option<usize>,
    pub checks: Vec<Check>,
    pub records: Option<fn(&Place) -> Vec<Record>>,
    pub lie: Option<Lie>,
    /// Ends a connection after so many bytes said, or read.
    pub cut: Option<Cut>,
    /// How many attempts are put off before a recipient is judged whose fate has no end.
    pub attempts: usize,
}

/// Where a connection is cut.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    Said(usize),
    Read(usize),
}

/// The fate of [`Row::survives`].
pub const SURVIVES: &str = "delivered, sooner or later";

pub const EXTENSIONS: [&str; 5] =
    ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];

impl Row {
    /// A server that behaves.
    pub fn honest() -> Self {
        Self {
            lies: [Vec::new(), Vec::new()],
            offers: EXTENSIONS.to_vec(),
            certificate: None,
            hosts: Hosts::One,
            letters: vec![vec!["ann"]],
            shape: Shape::Plain,
            fates: Vec::new(),
            says: None,
            copies: None,
            checks: Vec::new(),
            records: None,
            lie: None,
            cut: None,
            attempts: 1,
        }
    }

    pub fn and(mut self, step: Step, acts: impl Into<Vec<Act>>) -> Self {
        self.lies[0].push((step, acts.into()));
        self
    }

    /// The lie of the second server.
    pub fn second(mut self, step: Step, acts: impl Into<Vec<Act>>) -> Self {
        self.lies[1].push((step, acts.into()));
        self
    }

    pub fn at(self, hosts: Hosts) -> Self {
        Self { hosts, ..self }
    }

    pub fn offers(self, offers: &[&'static str]) -> Self {
        Self { offers: offers.to_vec(), ..self }
    }

    pub fn without(mut self, extension: &str) -> Self {
        self.offers.retain(|offer| !offer.starts_with(extension));
        self
    }

    pub fn with(mut self, extension: &'static str) -> Self {
        self.offers.push(extension);
        self
    }

    pub fn tls(self, certificate: Certificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    pub fn letters(self, letters: &[&[&'static str]]) -> Self {
        Self { letters: letters.iter().map(|letter| letter.to_vec()).collect(), ..self }
    }

    pub fn shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// How the attempts for every recipient end: outcome and status, one after another; the same
    /// outcome again and again counts once.
    pub fn ends(mut self, fate: &'static str) -> Self {
        let all: Vec<_> = self.letters.iter().flatten().map(|to| (*to, fate)).collect();
        self.fates = all;
        self
    }

    /// How those for one recipient end.
    pub fn end(mut self, to: &'static str, fate: &'static str) -> Self {
        self.fates.push((to, fate));
        self
    }

    /// What is said of the first attempt that did not deliver.
    pub fn says(self, text: &'static str) -> Self {
        Self { says: Some(text), ..self }
    }

    /// How many copies each recipient gets, where it is not one for a delivery.
    pub fn copies(self, copies: usize) -> Self {
        Self { copies: Some(copies), ..self }
    }

    /// A second copy may have gone out, and the record says so.
    pub fn in_doubt(self, copies: usize) -> Self {
        self.says("possible duplicate").copies(copies).ends("deferred 4.4.2, delivered")
    }

    /// Nothing more is asked of it than that the message comes, once where the record does not say
    /// that it may have come twice.
    pub fn survives(self) -> Self {
        self.ends(SURVIVES)
    }

    pub fn attempts(self, attempts: usize) -> Self {
        Self { attempts, ..self }
    }

    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    pub fn records(self, records: fn(&Place) -> Vec<Record>) -> Self {
        Self { records: Some(records), ..self }
    }
}

/// A server that lies at one step.
pub fn on(step: Step, acts: impl Into<Vec<Act>>) -> Row {
    Row::honest().and(step, acts)
}

/// A server that answers a step with this line.
pub fn answers(step: Step, line: &'static str) -> Row {
    on(step, [Act::Say(line)])
}

/// A name server that lies.
pub fn named(lie: Lie) -> Row {
    Row { lie: Some(lie), ..Row::honest() }
}

/// Every copy came over TLS.
pub fn over_tls(seen: &Seen<'_>) -> Result<(), String> {
    let all = seen.taken.iter().all(|taken| taken.tls);
    all.then_some(()).ok_or_else(|| "a copy came in the clear".into())
}

/// Every copy came in the clear.
pub fn in_the_clear(seen: &Seen<'_>) -> Result<(), String> {
    let none = seen.taken.iter().all(|taken| !taken.tls);
    none.then_some(()).ok_or_else(|| "a copy came over TLS".into())
}

/// One connection was enough.
pub fn one_connection(seen: &Seen<'_>) -> Result<(), String> {
    let count = seen.connections[0];
    (count == 1).then_some(()).ok_or_else(|| format!("{count} connections"))
}

/// Every copy came in chunks.
pub fn in_chunks(seen: &Seen<'_>) -> Result<(), String> {
    let all = seen.taken.iter().all(|taken| taken.chunks);
    all.then_some(()).ok_or_else(|| "a copy came after DATA".into())
}

/// Whatever came was taken by the second server.
pub fn by_the_second(seen: &Seen<'_>) -> Result<(), String> {
    let all = !seen.taken.is_empty() && seen.taken.iter().all(|taken| taken.server == 1);
    all.then_some(()).ok_or_else(|| "it was not the second server that took it".into())
}

/// Nobody connected where nobody may.
pub fn untrapped(seen: &Seen<'_>) -> Result<(), String> {
    let count = seen.connections[2];
    (count == 0).then_some(()).ok_or_else(|| format!("{count} connections to the trap"))
}
