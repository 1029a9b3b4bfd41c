//! Reports to a sender (RFC 3461, RFC 3464): that a message never reached somebody, that it is late, or
//! that it was passed on. They hold none of the tokens that a copy carries.

use super::Said;
use super::report_words::Words;
use crate::accounts::Language;
use crate::events::message::{Accepted, Origin, Recipient};
use crate::mail::charset::encoded;
use crate::mail::dsn::{Returned, escaped, xtext};
use crate::mail::{Address, MessageId, RecipientNumber, ReversePath, Timestamp, TlsDemand, header};

/// Where a field of a delivery status is folded.
const LINE_MAX: usize = 78;
/// Longest text of what was said, in bytes.
const TEXT_MAX: usize = 500;
/// Shortest run of base32 that may be a token.
const TOKEN_MIN: usize = 50;

/// What a report tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It never will reach the recipient.
    Failed,
    /// It has not yet; tried again until then.
    Delayed(Timestamp),
    /// Another mail server took it, which was asked for no report of what it does with it.
    Relayed,
}

/// What comes back of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// The fields by which its sender knows it again.
    Known,
    /// Its header.
    Header,
    /// All of it.
    Whole,
}

/// A report about one recipient.
pub(super) struct Report<'a> {
    pub(super) message: &'a Accepted,
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) sender: &'a Address,
    pub(super) said: &'a Said,
    pub(super) hostname: &'a str,
    pub(super) language: Language,
    pub(super) now: Timestamp,
}

/// The id of the report about one recipient, the same at every replay.
pub(super) fn id(message: MessageId, recipient: u32, kind: Kind) -> MessageId {
    let mut bytes = Vec::from(message.0);
    bytes.extend(recipient.to_be_bytes());
    bytes.extend_from_slice(match kind {
        Kind::Failed => b"",
        Kind::Delayed(_) => b"delayed",
        Kind::Relayed => b"relayed",
    });
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    MessageId(digest.as_ref()[..12].try_into().expect("32 bytes"))
}

impl Report<'_> {
    fn id(&self) -> MessageId {
        id(self.message.id, self.number, self.kind)
    }

    /// The envelope of the report to `recipient`, who sent the message.
    pub(super) fn draft(&self, recipient: Recipient) -> Accepted {
        let message = self.message;
        Accepted {
            from: Address::new("MAILER-DAEMON", self.hostname).ok(),
            smtputf8: self.sender.needs_smtputf8(),
            eight_bit: true,
            // What had to be encrypted on its way there has to be on its way back (RFC 8689 §5).
            tls: match message.tls {
                TlsDemand::Required => TlsDemand::Required,
                TlsDemand::Policy | TlsDemand::Optional => TlsDemand::Policy,
            },
            ..Accepted::new(
                self.id(),
                Origin::Report { account: message.origin.account(), about: message.id },
                ReversePath::Null,
                vec![recipient],
                self.now,
            )
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc3461#section-4.3
    //# The RET parameter only applies to DSNs that indicate delivery failure
    //# for at least one recipient.
    /// What comes back of the message: all of it at most where it has no more than `size_max` bytes.
    pub(super) fn back(&self, size_max: u64) -> Back {
        match self.message.dsn.as_deref().and_then(|dsn| dsn.message.returned) {
            // What had to be encrypted is not repeated whole (RFC 8689 §5).
            Some(Returned::Full)
                if self.kind == Kind::Failed && self.message.tls != TlsDemand::Required =>
            {
                if self.message.body.length <= size_max { Back::Whole } else { Back::Header }
            }
            Some(_) => Back::Header,
            None => Back::Known,
        }
    }

    /// The report's bytes. Every line is short enough for any server, and what stands in
    /// `message/delivery-status` is ASCII (RFC 3464 §2.1.2) unless the recipient is not: then it is
    /// `message/global-delivery-status` (RFC 6533 §3). `original` begins with the message's header.
    pub(super) fn text(&self, back: Back, original: &[u8]) -> Vec<u8> {
        let Self { message, sender, hostname, .. } = self;
        let to = &message.recipients[self.number as usize].address;
        let id = self.id();
        let boundary = format!("report-{id}");
        let global = to.needs_smtputf8();
        let kind =
            if global { "message/global-delivery-status" } else { "message/delivery-status" };
        let story = self.story(to);
        let [subject, ..] = Words::of(self.language).about(self.kind);
        let subject = encoded(subject);
        let mut text = format!(
            "From: Mail Delivery System <MAILER-DAEMON@{hostname}>\r\n\
             To: <{sender}>\r\n\
             Subject: {subject}\r\n\
             Date: {date}\r\n\
             Message-ID: <{id}@{hostname}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             {story}\r\n\
             --{boundary}\r\n\
             Content-Type: {kind}\r\n{encoding}\r\n",
            date = self.now.rfc5322(),
            encoding = if global { "Content-Transfer-Encoding: 8bit\r\n" } else { "" },
        );
        text.push_str(&self.status(to, global));
        let kind = match (back, message.smtputf8) {
            (Back::Whole, false) => "message/rfc822",
            (Back::Whole, true) => "message/global",
            (_, false) => "text/rfc822-headers",
            (_, true) => "message/global-headers",
        };
        text.push_str(&format!(
            "\r\n--{boundary}\r\n\
             Content-Type: {kind}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        ));
        let mut text = text.into_bytes();
        let (head, body) = original.split_at(header::body_start(original));
        text.extend(kept(head, back));
        if back == Back::Whole {
            text.extend_from_slice(b"\r\n");
            text.extend_from_slice(body);
        }
        text.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
        text
    }

    /// The words for a person: in the account's language, and in English below it.
    fn story(&self, to: &Address) -> String {
        let mut story = self.told(to, self.language);
        if self.language != Language::default() {
            story.push_str("\r\n----\r\n\r\n");
            story.push_str(&self.told(to, Language::default()));
        }
        story
    }

    fn told(&self, to: &Address, language: Language) -> String {
        let (status, said) = (self.said.status, clean(&self.said.text));
        let [_, before, after] = Words::of(language).about(self.kind);
        let after = match self.kind {
            Kind::Failed => format!("{after}\r\n\r\n    {status} {said}\r\n"),
            Kind::Delayed(until) => {
                let after = after.replace("{until}", &until.rfc5322());
                format!("{after}\r\n\r\n    {status} {said}\r\n")
            }
            Kind::Relayed => format!("{after}\r\n"),
        };
        format!("{before}\r\n\r\n    {to}\r\n\r\n{after}")
    }

    /// The delivery status: of the message, then of the recipient.
    fn status(&self, to: &Address, global: bool) -> String {
        let Self { message, said, .. } = self;
        let dsn = message.dsn.as_deref();
        let mut text = String::new();
        // Neither is folded: both come back as they were given.
        if let Some(id) = dsn.and_then(|dsn| xtext(dsn.message.envelope_id.as_deref()?)) {
            text.push_str(&format!("Original-Envelope-Id: {}\r\n", plain(&id)));
        }
        text.push_str(&folded("Reporting-MTA", &format!("dns; {}", self.hostname), global));
        text.push_str(&folded("Arrival-Date", &message.at.rfc5322(), global));
        text.push_str("\r\n");
        let wishes = dsn.and_then(|dsn| dsn.of(RecipientNumber(self.number)));
        let original = wishes.and_then(|wishes| wishes.original.as_deref()?.split_once(';'));
        if let Some((kind, address)) = original.and_then(|(k, a)| Some((k, xtext(a)?))) {
            text.push_str(&format!("Original-Recipient: {kind}; {}\r\n", plain(&address)));
        }
        let mut add = |name: &str, value: &str| text.push_str(&folded(name, value, global));
        let form = if global { "utf-8" } else { "rfc822" };
        add("Final-Recipient", &format!("{form}; {to}"));
        let (action, until) = match self.kind {
            Kind::Failed => ("failed", None),
            Kind::Delayed(until) => ("delayed", Some(until)),
            Kind::Relayed => ("relayed", None),
        };
        add("Action", action);
        add("Status", &said.status.to_string());
        // A report that came by mail names no host, only the address that brought it.
        let host = said.relay.as_deref().and_then(|relay| relay.split('[').next());
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            add("Remote-MTA", &format!("dns; {host}"));
        }
        // A diagnostic code is what a mail server said (RFC 3464 §2.3.6); our own words are none.
        let words = clean(&said.text);
        if said.relay.is_some() && is_reply(&words) {
            add("Diagnostic-Code", &format!("smtp; {words}"));
        } else {
            add("X-Relent-Reason", &words);
        }
        if let Some(until) = until {
            add("Will-Retry-Until", &until.rfc5322());
        }
        text
    }
}

/// What an application wrote, in ASCII and without our tokens.
fn plain(text: &str) -> String {
    escaped(&redacted(text).replace('…', "..."))
}

/// The fields of a header that come back: all, or those by which its sender knows a message again.
fn kept(head: &[u8], back: Back) -> Vec<u8> {
    let mut kept = Vec::new();
    for field in header::fields(head).unwrap_or_default() {
        let known = ["from", "to", "cc", "subject", "date", "message-id"];
        if back != Back::Known || known.iter().any(|name| field.is(name)) {
            // A byte that is no UTF-8 beside a token must not carry it past.
            kept.extend(redacted(&String::from_utf8_lossy(field.raw)).into_bytes());
        }
    }
    kept
}

/// Whether a text is a mail server's reply: three digits, and more or nothing.
fn is_reply(text: &str) -> bool {
    let (code, rest) = text.split_at_checked(3).unwrap_or((text, ""));
    code.len() == 3
        && code.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with(' '))
}

/// A field of a delivery status, folded where its words allow it.
fn folded(name: &str, value: &str, global: bool) -> String {
    let mut field = format!("{name}:");
    let mut line = field.len();
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let word: String = match global {
            true => word.into(),
            false => word.replace('…', "...").chars().map(ascii).collect(),
        };
        if line + 1 + word.len() > LINE_MAX && line > name.len() + 1 {
            field.push_str("\r\n");
            line = 0;
        }
        field.push(' ');
        field.push_str(&word);
        line += 1 + word.len();
    }
    field + "\r\n"
}

fn ascii(c: char) -> char {
    if c.is_ascii() { c } else { '?' }
}

/// One line, no control characters, no token of ours, short enough for a header.
fn clean(text: &str) -> String {
    let one = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut one = redacted(&one.collect::<String>());
    one.truncate(one.floor_char_boundary(TEXT_MAX));
    one
}

/// A text without the tokens that would let its readers act for a recipient: `r-` and `u-` tokens and
/// those that undo, in any case, become `r-…`, `u-…` and `…`. A `b-` token lets nobody do anything.
pub(crate) fn redacted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_base32) {
        let run = &rest[start..];
        let run = &run[..run.find(|c| !is_base32(c)).unwrap_or(run.len())];
        safe.push_str(&rest[..start]);
        let before = safe.strip_suffix("b-").or_else(|| safe.strip_suffix("B-"));
        let returns = before.is_some_and(|before| !before.ends_with(is_base32));
        if run.len() < TOKEN_MIN || returns {
            safe.push_str(run);
        } else {
            safe.push('…');
        }
        rest = &rest[start + run.len()..];
    }
    safe + rest
}

fn is_base32(c: char) -> bool {
    c.is_ascii_alphabetic() || ('2'..='7').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{AccountId, RecipientHash, Status};

    fn report(failed: &str, relay: Option<&str>, said: &str) -> String {
        report_in(Language::En, Kind::Failed, failed, relay, said)
    }

    fn report_in(
        language: Language,
        kind: Kind,
        failed: &str,
        relay: Option<&str>,
        said: &str,
    ) -> String {
        let address = |text: &str| Address::parse(text).expect("an address");
        let recipients = ["first@b.example", failed]
            .map(|to| Recipient { address: address(to), hash: RecipientHash([0; 16]) });
        let sender = address("a@a.example");
        let message = Accepted::new(
            MessageId([7; 12]),
            Origin::Letter { account: AccountId(1), stream: None },
            ReversePath::Mailbox(sender.clone()),
            recipients.to_vec(),
            Timestamp(0),
        );
        let said = Said {
            relay: relay.map(str::to_owned),
            status: Status::new(5, 1, 1),
            text: said.into(),
            class: None,
        };
        let (original, host) = (b"From: a@a.example\r\n\r\n", "relay.example");
        let (message, sender, said, hostname) = (&message, &sender, &said, host);
        let (number, now) = (1, Timestamp(0));
        let report = Report { message, number, kind, sender, said, hostname, language, now };
        let text = report.text(report.back(1000), original);
        let text = String::from_utf8(text).expect("text");
        assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains('\n')));
        text
    }

    fn status_part(report: &str) -> &str {
        let part = report.split("delivery-status\r\n").nth(1).expect("the status");
        part.split("--report-").next().expect("its end")
    }

    #[test]
    fn each_recipient_has_a_report_of_its_own() {
        let report = report("second@b.example", Some("mx[192.0.2.1]:25"), "550 no");
        let own = id(MessageId([7; 12]), 1, Kind::Failed).to_string();
        assert_ne!(own, id(MessageId([7; 12]), 0, Kind::Failed).to_string());
        assert_ne!(own, id(MessageId([7; 12]), 1, Kind::Relayed).to_string());
        assert!(report.contains(&format!("Message-ID: <{own}@relay.example>")), "{report}");
        assert!(report.contains(&format!("boundary=\"report-{own}\"")), "{report}");
    }

    #[test]
    fn a_status_is_ascii_on_short_lines_whatever_a_server_says() {
        let said = format!("550 5.1.1 {} {} \r\nX-Evil: yes", "😀".repeat(50), "long ".repeat(80));
        let report = report("b@b.example", Some("mx.example[192.0.2.1]:25"), &said);
        let status = status_part(&report);
        assert!(status.is_ascii(), "{status}");
        assert!(status.split("\r\n").all(|line| line.len() <= 80), "{status}");
        assert!(status.contains("\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n ????"), "{status}");
        assert!(!report.contains("\r\nX-Evil"), "{report}");
        assert!(status.contains("Final-Recipient: rfc822; b@b.example\r\n"), "{status}");
    }

    #[test]
    fn an_address_beyond_ascii_has_the_form_made_for_it() {
        let report = report("ünser@b.example", None, "the server offers no SMTPUTF8");
        assert!(report.contains("Content-Type: message/global-delivery-status\r\n"), "{report}");
        assert!(report.contains("Final-Recipient: utf-8; ünser@b.example\r\n"), "{report}");
    }

    #[test]
    fn only_a_servers_own_words_are_its_diagnosis() {
        for (relay, said) in [(None, "550 x"), (Some("mx[192.0.2.1]:25"), "the dot did not leave")]
        {
            let report = report("b@b.example", relay, said);
            assert!(!report.contains("Diagnostic-Code"), "{report}");
            assert!(report.contains(&format!("X-Relent-Reason: {said}\r\n")), "{report}");
        }
    }

    #[test]
    fn no_report_repeats_what_lets_its_reader_act_for_a_recipient() {
        let token = "abcdefghijklmnopqrstuvwxyz234567".repeat(2)[..61].to_owned();
        let upper = token.to_uppercase();
        for (said, kept) in [
            (format!("<https://h/u/u-{token}>"), "<https://h/u/u-…>".to_owned()),
            (format!("R-{upper}@r.example"), "R-…@r.example".to_owned()),
            (token[..55].to_owned(), "…".to_owned()),
            (format!("b-{token}@r"), format!("b-{token}@r")),
            ("r-short u-short é".to_owned(), "r-short u-short é".to_owned()),
        ] {
            assert_eq!(redacted(&said), kept);
        }
        let report = report("b@b.example", Some("mx[192.0.2.1]:25"), &format!("550 u-{token}"));
        assert!(!report.contains(&token[..50]) && report.contains("smtp; 550 u-..."), "{report}");
    }

    #[test]
    fn a_field_that_is_no_utf8_comes_back_without_tokens_too() {
        let token = "abcdefghijklmnopqrstuvwxyz234567".repeat(2)[..61].to_owned();
        let head = [b"Subject: \xe9 u-", token.as_bytes(), b"\r\n"].concat();
        for back in [Back::Known, Back::Header] {
            let text = String::from_utf8(kept(&head, back)).expect("text");
            assert_eq!(text, "Subject: \u{fffd} u-…\r\n");
        }
    }

    #[test]
    fn a_person_is_told_in_the_accounts_language_and_a_machine_as_ever() {
        let (to, relay, said) = ("b@b.example", Some("mx[192.0.2.1]:25"), "550 5.1.1 no");
        let english = report(to, relay, said);
        assert_eq!(english.matches("Your message could not").count(), 1, "{english}");
        for language in Language::ALL {
            for kind in [Kind::Failed, Kind::Delayed(Timestamp(0)), Kind::Relayed] {
                let told = report_in(language, kind, to, relay, said);
                let head = told.split("\r\n\r\n").next().expect("a header");
                assert!(head.is_ascii(), "{head}");
                let [_, before, _] = Words::of(language).about(kind);
                let place = told.find(before).expect("its own words");
                let below = told[place..].find(Words::of(Language::En).about(kind)[1]);
                assert!(below.is_some(), "{language:?} {kind:?}: {told}");
                if kind == Kind::Failed {
                    assert_eq!(status_part(&told), status_part(&english), "{language:?}");
                }
            }
        }
        let chinese = report_in(Language::Zh, Kind::Failed, to, relay, said);
        assert!(chinese.contains("\r\nSubject: =?utf-8?B?6YKu5Lu25peg"), "{chinese}");
    }
}
