//! A feedback report (RFC 5965): somebody pressed "this is spam". It names our message only by what it
//! returns of it, since recipients are often blacked out. Providers that report in forms of their own
//! are known by them.

use super::decode::{Head, Letter, Part};
use super::requests::begins;
use serde::Deserialize;
use std::borrow::Cow;

/// Longest token, in octets: a local part.
const TOKEN_MAX: usize = 64;
/// Most addresses that a report names as those it is about.
const COMPLAINANTS_MAX: usize = 20;
/// Most words of a returned header that are tried as tokens.
const TOKENS_MAX: usize = 20;

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// `Feedback-Type`, in lower case.
    pub(super) feedback_type: Option<String>,
    /// What may be one of our tokens in the returned original's header.
    pub(super) tokens: Vec<String>,
    /// The addresses that the mail was for, where the report says so.
    pub(super) complainants: Vec<String>,
}

/// What is said where no type is given.
const ABUSE: &str = "abuse";
/// A mail program's own request to be taken off, which its user pressed a button for: it complains of
/// nothing.
pub(super) const OPT_OUT: &str = "opt-out";
/// Signs of reports in other forms; the page says what each list is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComplaintWords {
    buttons: Vec<String>,
    marks: Vec<String>,
    forms: Vec<String>,
    subjects: Vec<String>,
}

impl ComplaintWords {
    /// Reads the file of the binary.
    pub(super) fn read() -> Result<Self, String> {
        toml::from_str(include_str!("words/complaints.toml")).map_err(|fault| fault.to_string())
    }
}

/// Reads a feedback report; `None` where the message is none.
pub(super) fn read(letter: &Letter, words: &ComplaintWords) -> Option<Complaint> {
    let feedback_type = match reported(letter) {
        Some(kind) => kind,
        None if words.buttons.iter().any(|name| letter.head.raw(name).is_some()) => {
            Some(OPT_OUT.to_owned())
        }
        None if is_known_form(letter, words) => Some(ABUSE.to_owned()),
        None => return None,
    };
    let originals = letter.parts.iter().filter(|part| is_original(&part.kind));
    let tokens = originals.flat_map(tokens).collect();
    let named = letter.parts.iter().flat_map(complainants).take(COMPLAINANTS_MAX);
    Some(Complaint { feedback_type, tokens, complainants: named.collect() })
}

/// The type that a report gives, if it gives one; `None` where the message is no report.
fn reported(letter: &Letter) -> Option<Option<String>> {
    let named = letter.report.as_deref() == Some("feedback-report");
    let typed = letter.parts.iter().find(|part| part.kind == "message/feedback-report");
    // A gateway may have made plain text of it.
    let plain = letter.parts.iter().filter(|part| part.kind == "text/plain");
    let mut heads = typed.into_iter().chain(plain).map(|part| Head::read(&part.bytes()));
    let head = heads.find(|head| {
        head.raw("feedback-type").is_some()
            && (typed.is_some() || named || head.raw("user-agent").is_some())
    });
    if head.is_none() && typed.is_none() && !named {
        return None;
    }
    let value = head.and_then(|head| head.raw("feedback-type").map(Cow::into_owned));
    let word = value.map(|value| {
        let word = value.split(['(', ';']).next().unwrap_or_default();
        word.trim().to_ascii_lowercase()
    });
    Some(word.filter(|word| !word.is_empty()))
}

fn is_known_form(letter: &Letter, words: &ComplaintWords) -> bool {
    let subject = letter.head.text("subject").unwrap_or_default().trim().to_lowercase();
    let mut originals = letter.parts.iter().filter(|part| is_original(&part.kind)).peekable();
    let titled = begins(&subject, &words.subjects)
        || words.forms.iter().any(|name| letter.head.raw(name).is_some());
    titled && originals.peek().is_some()
        || originals.any(|part| {
            let head = Head::read(&part.bytes());
            words.marks.iter().all(|name| head.raw(name).is_some())
        })
}

fn is_original(kind: &str) -> bool {
    let kinds =
        ["message/rfc822", "message/rfc822-headers", "text/rfc822-headers", "message/global"];
    kinds.contains(&kind)
}

/// Whom a part of a report says that the mail was for (RFC 5965 §3.2, and Microsoft's form).
fn complainants(part: &Part) -> Vec<String> {
    let head = match part.kind.as_str() {
        "message/feedback-report" | "text/plain" => Head::read(&part.bytes()),
        kind if is_original(kind) => Head::read(&part.bytes()),
        _ => return Vec::new(),
    };
    let fields = ["original-rcpt-to", "x-hmxmroriginalrecipient"];
    let values = fields.iter().flat_map(|name| head.all(name));
    let bare = |value: &str| {
        let value = value.rsplit_once(';').map_or(value, |(_, rest)| rest);
        value.trim_matches(['<', '>', ' ', '\t']).to_owned()
    };
    values.map(|value| bare(&value)).collect()
}

/// What stands where a token of ours would stand: in the fields that carry one.
fn tokens(original: &Part) -> Vec<String> {
    let head = Head::read(&original.bytes());
    let fields = ["list-unsubscribe", "reply-to", "return-path", "x-original-return-path"];
    let values = fields.iter().flat_map(|name| head.all(name));
    let mut found = Vec::new();
    for value in values {
        let words = value.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let ours = words.filter(|word| {
            let kind = word.get(..2).map(str::to_ascii_lowercase);
            matches!(kind.as_deref(), Some("r-" | "u-" | "b-")) && word.len() <= TOKEN_MAX
        });
        found.extend(ours.take(TOKENS_MAX).map(str::to_owned));
    }
    found.truncate(TOKENS_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::plain;
    use super::*;

    fn kind(message: &str) -> Option<Option<String>> {
        let limits = crate::config::Replies::default();
        let letter = Letter::read(message.as_bytes(), &limits)?;
        read(&letter, plain().complaints()).map(|complaint| complaint.feedback_type)
    }

    fn parts(kind: &str, report: &str, header: &str) -> String {
        format!(
            "Content-Type: {kind}; boundary=b\r\n{header}\r\n--b\r\n\r\nThis is a report.\r\n--b\r\n\
             Content-Type: {report}\r\n\r\nFeedback-Type: Abuse (x)\r\nUser-Agent: x/1\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: offer\r\n\r\nR\r\n--b--\r\n"
        )
    }

    #[test]
    fn every_report_is_a_complaint() {
        let abuse = Some(Some("abuse".to_owned()));
        for (outer, report) in [
            ("multipart/report; report-type=feedback-report", "message/feedback-report"),
            ("multipart/report; report-type=\"Feedback-Report\"", "text/plain"),
            ("multipart/mixed", "message/feedback-report"),
            ("multipart/mixed", "text/plain"),
        ] {
            assert_eq!(kind(&parts(outer, report, "")), abuse, "{outer} {report}");
        }
        let untyped = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\
            \r\n--b\r\n\r\nreport\r\n--b--";
        assert_eq!(kind(untyped), Some(None));
    }

    #[test]
    fn a_providers_own_form_is_a_complaint_where_it_returns_the_message() {
        let subject = "Subject: complaint about message from 192.0.2.7\r\n";
        let returned = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: offer\r\n\r\nR\r\n--b--";
        let abuse = Some(Some("abuse".to_owned()));
        assert_eq!(kind(&format!("{subject}{returned}")), abuse);
        assert_eq!(kind(returned), None);
        assert_eq!(kind(&format!("{subject}\r\nIt came late.")), None);
    }

    #[test]
    fn a_report_names_whom_the_mail_was_for() {
        let report = "message/feedback-report\r\n\r\nOriginal-Rcpt-To: <a@b.example>\r\n\
            Original-Rcpt-To: rfc822; c@d.example";
        let message =
            parts("multipart/mixed", report, "").replace("\r\n\r\nFeedback-", "\r\nFeedback-");
        let limits = crate::config::Replies::default();
        let letter = Letter::read(message.as_bytes(), &limits).expect("a letter");
        let named = read(&letter, plain().complaints()).expect("a complaint").complainants;
        assert_eq!(named, ["a@b.example", "c@d.example"]);
    }

    #[test]
    fn a_mail_programs_button_is_an_opt_out_and_no_abuse() {
        let button = "X-Apple-Unsubscribe: true\r\nAuto-Submitted: auto-replied\r\n\r\nunsubscribe";
        assert_eq!(kind(button), Some(Some("opt-out".to_owned())));
    }

    #[test]
    fn a_person_who_writes_about_feedback_complains_of_nothing() {
        assert_eq!(kind("Subject: x\r\n\r\nFeedback-Type: what does it mean?\r\n"), None);
    }
}
