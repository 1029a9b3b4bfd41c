//! What a message's header says of itself: who wrote it, what it answers, and whether anything may answer
//! it: no machine is, no list, nobody whom one of our own answers has come back from.

use super::decode::Head;
use crate::mail::{Address, Domain, Timestamp, header, mailbox};

/// The field by which our own answers are known, whatever relay sent them.
pub(super) const LOOP: &str = "X-Relent-Answer";
/// Longest Message-ID that is kept, and most of them that are looked at.
const ID_MAX: usize = 300;
const IDS_MAX: usize = 30;
/// Longest subject that is repeated, in characters.
const SUBJECT_MAX: usize = 120;
/// Most addresses that are read of To and Cc, and the largest field that is read for them.
const NAMED_MAX: usize = 200;
const NAMES_SIZE_MAX: usize = 64 << 10;

/// Fields that lists and machines set, whose presence alone says so.
const OF_LISTS: [&str; 8] = [
    "List-Id",
    "List-Post",
    "List-Help",
    "List-Subscribe",
    "List-Unsubscribe",
    "Mailing-List",
    "Feedback-ID",
    "X-Auto-Response-Suppress",
];
/// Values of Precedence that nobody answers.
const BULK: [&str; 5] = ["bulk", "list", "junk", "auto_reply", "auto-reply"];
/// Local parts that are no person's.
const NOBODY: [&str; 12] = [
    "mailer-daemon",
    "postmaster",
    "noreply",
    "no-reply",
    "no_reply",
    "donotreply",
    "do-not-reply",
    "bounce",
    "bounces",
    "listserv",
    "majordomo",
    "root",
];

/// A message by its header.
#[derive(Debug, Default)]
pub(super) struct About {
    /// Its one author, where it plainly has one.
    pub(super) author: Option<Address>,
    /// Its Message-ID, in angle brackets.
    pub(super) message_id: Option<String>,
    /// The Message-IDs that In-Reply-To and References name, nearest first.
    pub(super) answers: Vec<String>,
    /// When it was written, by its own word.
    pub(super) date: Option<Timestamp>,
    /// Its subject, decoded and on one line.
    pub(super) subject: String,
    /// Whom To and Cc name.
    pub(super) to: Vec<Address>,
    /// The same of Cc.
    pub(super) cc: Vec<Address>,
    /// At which addresses it was delivered before.
    pub(super) delivered_to: Vec<Address>,
    /// Something in it says that no answer is wanted.
    pub(super) is_automatic: bool,
}

impl About {
    /// Reads a message's header. What cannot be read says nothing.
    pub(super) fn read(message: &[u8]) -> Self {
        let header = &message[..header::body_start(message)];
        let Ok(fields) = header::fields(header) else {
            return Self { is_automatic: true, ..Self::default() };
        };
        let one = |name: &str| {
            let mut found = fields.iter().filter(|field| field.is(name));
            match (found.next(), found.next()) {
                (Some(field), None) => Some(field.text()),
                _ => None,
            }
        };
        // Two From fields, or two authors in one, are nobody's word.
        let authors = one("From").filter(|text| text.len() <= NAMES_SIZE_MAX);
        let authors = authors.and_then(|text| mailbox::mailboxes(&text).ok());
        let author = authors.and_then(|found| <[Address; 1]>::try_from(found).ok());
        let all = |name: &'static str| {
            let is_read = |field: &&header::Field<'_>| field.value.len() <= NAMES_SIZE_MAX;
            let found = fields.iter().filter(move |field| field.is(name)).filter(is_read);
            let lists = found.filter_map(|field| mailbox::mailboxes(&field.text()).ok());
            lists.flatten().take(NAMED_MAX).collect::<Vec<_>>()
        };
        let ids = |name: &str| {
            let values = fields.iter().filter(|field| field.is(name)).map(header::Field::text);
            values.flat_map(|text| message_ids(&text)).collect::<Vec<_>>()
        };
        let mut answers = ids("In-Reply-To");
        answers.extend(ids("References").into_iter().rev());
        answers.truncate(IDS_MAX);
        let subject = Head::read(header).text("subject").unwrap_or_default();
        let subject = subject.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self {
            author: author.map(|[author]| author),
            message_id: ids("Message-ID").into_iter().next(),
            answers,
            date: one("Date").and_then(|text| Timestamp::of_rfc5322(&text)),
            subject: subject.take(SUBJECT_MAX).collect::<String>().trim().to_owned(),
            to: all("To"),
            cc: all("Cc"),
            delivered_to: all("Delivered-To"),
            is_automatic: is_automatic(&fields),
        }
    }

    /// Whether To or Cc names an address, in a field that is among those covered, where only some are.
    pub(super) fn names(&self, address: &Address, covered: Option<&[String]>) -> bool {
        let is_covered = |name: &str| covered.is_none_or(|all| all.iter().any(|one| one == name));
        let is = |other: &Address| other.normal() == address.normal();
        (is_covered("to") && self.to.iter().any(is)) || (is_covered("cc") && self.cc.iter().any(is))
    }
}

/// The Message-IDs in a field, in angle brackets.
fn message_ids(text: &str) -> Vec<String> {
    let whole = text.split('<').skip(1).filter_map(|rest| rest.split_once('>'));
    let plain =
        |id: &&str| !id.is_empty() && id.len() < ID_MAX && id.chars().all(|c| c.is_ascii_graphic());
    let ids = whole.map(|(id, _)| id).filter(plain);
    ids.take(IDS_MAX).map(|id| format!("<{id}>")).collect()
}

fn is_automatic(fields: &[header::Field<'_>]) -> bool {
    fields.iter().any(|field| {
        if OF_LISTS.iter().any(|name| field.is(name)) || field.is(LOOP) {
            return true;
        }
        let value = field.text().to_ascii_lowercase();
        let word = value.split([';', ' ', '(']).next().unwrap_or_default();
        //= https://www.rfc-editor.org/rfc/rfc3834#section-2
        //# Automatic responses SHOULD NOT be issued in response to any
        //# message which contains an Auto-Submitted header field (see below),
        //# where that field has any value other than "no".
        (field.is("Auto-Submitted") && word != "no")
            || (field.is("Precedence") && BULK.contains(&word))
    })
}

/// Whether an address may be answered at all: it is not of our hosts, nor a machine's by its name.
pub(super) fn is_persons(address: &Address, hosts: &[Domain]) -> bool {
    let local = address.local().to_ascii_lowercase();
    let is_nobody = NOBODY.contains(&local.as_str())
        || local.starts_with("owner-")
        || local.starts_with("mailer-daemon")
        || local.starts_with("bounce-")
        || local.starts_with("bounces+")
        || local.ends_with("-request")
        || local.ends_with("-bounces")
        || local.ends_with("-owner");
    !is_nobody && !hosts.contains(address.domain())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_one_address_and_no_other_reading_of_it() {
        for (header, author) in [
            ("From: Ann <ann@reader.example>", Some("ann@reader.example")),
            ("From: \"victim@reader.example\" <eve@evil.example>", Some("eve@evil.example")),
            ("From: ann@reader.example\r\nFrom: eve@evil.example", None),
            ("From: ann@reader.example, eve@evil.example", None),
            ("From: victim@reader.example <eve@evil.example>", None),
            ("From : ann@reader.example\r\nfrom: eve@evil.example", None),
            ("From: undisclosed:;", None),
            ("From: <ann@reader.example> (eve@evil.example)", Some("ann@reader.example")),
            ("Sender: ann@reader.example", None),
        ] {
            let about = About::read(format!("{header}\r\n\r\nR\r\n").as_bytes());
            let found = about.author.map(|address| address.to_string());
            assert_eq!(found.as_deref(), author, "{header}");
        }
    }

    #[test]
    fn nothing_answers_machines_and_lists() {
        for (field, is_automatic) in [
            ("X-Other: 1", false),
            ("Auto-Submitted: no", false),
            ("Auto-Submitted: auto-replied (vacation)", true),
            ("Auto-Submitted: auto-generated; x=y", true),
            ("Precedence: first-class", false),
            ("Precedence: list", true),
            ("Precedence: Bulk", true),
            ("List-Id: <news.example>", true),
            ("X-Relent-Answer: other.example", true),
        ] {
            let message = format!("From: a@b.example\r\n{field}\r\n\r\nHELP\r\n");
            assert_eq!(About::read(message.as_bytes()).is_automatic, is_automatic, "{field}");
        }
        let hosts = [Domain::parse("reply.example").expect("a host")];
        for (address, is_one) in [
            ("ann@b.example", true),
            ("MAILER-DAEMON@b.example", false),
            ("no-reply@b.example", false),
            ("news-request@b.example", false),
            ("r-abc@reply.example", false),
        ] {
            let address = Address::parse(address).expect("an address");
            assert_eq!(is_persons(&address, &hosts), is_one, "{address}");
        }
    }

    #[test]
    fn what_is_answered_is_named_nearest_first() {
        let about = About::read(
            b"From: a@b.example\r\nReferences: <1@x>\r\n <2@x> <3@x>\r\nIn-Reply-To: <3@x>\r\n\
              Message-ID: <4@b.example>\r\nDate: Thu, 26 Nov 2026 10:00:00 +0100\r\n\
              Subject: =?utf-8?B?UmU6IOS9oOWlvQ==?=\r\nTo: X <x@y.example>\r\nCc: z@y.example\r\n\r\nR",
        );
        assert_eq!(about.answers, ["<3@x>", "<3@x>", "<2@x>", "<1@x>"]);
        assert_eq!(about.message_id.as_deref(), Some("<4@b.example>"));
        assert_eq!(about.subject, "Re: 你好");
        assert_eq!(
            about.date.map(|date| date.to_string()).as_deref(),
            Some("2026-11-26T09:00:00Z")
        );
        let (to, cc) = ("x@y.example", "z@y.example");
        let address = |text: &str| Address::parse(text).expect("an address");
        assert!(about.names(&address(to), None) && about.names(&address(cc), None));
        assert!(!about.names(&address("a@b.example"), None));
        let covered = ["to".to_owned()];
        assert!(about.names(&address(to), Some(&covered)));
        assert!(!about.names(&address(cc), Some(&covered)));
    }
}
