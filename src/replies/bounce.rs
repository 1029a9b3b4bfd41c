//! A bounce: a mail server says later that it could not deliver. Read from the delivery status
//! (RFC 3464), or else from the words that servers without it are known by.

use super::autoreply;
use super::decode::{Letter, Part};
use super::delivery_status::{self, Reported};
use super::notice::Notice;
use super::words::Vocabulary;
use crate::config;
use crate::mail::{Refusal, RefusalRules, Status, refusal};
use serde::Serialize;
use std::cell::LazyCell;

/// Most recipients taken from one bounce.
pub(super) const RECIPIENTS_MAX: usize = 100;
/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 500;

/// What a bounce says of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bounced {
    /// The address as the bounce writes it.
    pub address: String,
    /// The enhanced status code, where one is given.
    pub status: Option<String>,
    /// Given up; false for delay notices and transient failures.
    pub permanent: bool,
    /// What was said, on one line.
    pub reason: String,
}

impl Bounced {
    /// The status that it is passed on with, and what it means. What was refused for the moment until
    /// somebody's patience ended is given up, while its address may be right.
    pub(super) fn meaning(&self, rules: &RefusalRules) -> (Status, Refusal) {
        let given = self.status.as_deref().and_then(|status| status.parse::<Status>().ok());
        let code = refusal::quoted_code(&self.reason);
        let is_transient =
            given.is_some_and(|status| status.class == 4) || code.is_some_and(|c| c / 100 == 4);
        let status = given.filter(|status| status.class == 5).unwrap_or(Status::new(5, 0, 0));
        let mut meaning =
            rules.read(code.filter(|code| code / 100 == 5), Some(status), &self.reason);
        meaning.dead_address &= !is_transient;
        (status, meaning)
    }
}

/// Reads a bounce; `None` where the message is none.
pub(super) fn read(
    letter: &Letter,
    limits: &config::Replies,
    words: &Vocabulary,
) -> Option<Vec<Bounced>> {
    let found = of_letter(letter, words);
    if found.as_ref().is_some_and(|found| found.speaks && !found.bounced.is_empty()) {
        return found.map(|found| found.bounced);
    }
    // A gateway may wrap a bounce whole in a message that itself says little.
    let inner = letter.parts.iter().find(|part| part.kind == "message/rfc822");
    let inner = inner.and_then(|part| Letter::read(&part.bytes(), limits));
    let inner = inner.and_then(|inner| of_letter(&inner, words)).map(|inner| inner.bounced);
    let inner = inner.filter(|inner| !inner.is_empty());
    let notice = LazyCell::new(|| Notice::of(letter, words.notices()));
    if let Some(inner) = inner.filter(|_| notice.is_machine() && notice.is_titled()) {
        return Some(inner);
    }
    // It names nobody: then whom the returned message was for, if that was one.
    found.map(|found| if found.speaks { found.bounced } else { notice.meant_only() })
}

/// What a message itself says, as a delivery status or in words.
fn of_letter(letter: &Letter, words: &Vocabulary) -> Option<Reported> {
    let titled = letter.report.as_deref() == Some("delivery-status");
    let mut reported = Reported::default();
    let mut seen = titled;
    let notice = LazyCell::new(|| Notice::of(letter, words.notices()));
    for part in letter.parts.iter().filter(|part| is_status(part)) {
        // Who passes a bounce on may attach its status.
        if !seen && !notice.is_a_servers() {
            break;
        }
        seen = true;
        let read = delivery_status::read(&part.bytes());
        reported.speaks |= read.speaks;
        read.bounced.into_iter().for_each(|bounced| note(&mut reported.bounced, bounced));
    }
    if reported.speaks {
        for bounced in reported.bounced.iter_mut().filter(|bounced| bounced.reason.is_empty()) {
            notice.explain(bounced);
        }
        return Some(reported);
    }
    if !seen && !Notice::may_be(letter, words.notices()) {
        return None;
    }
    let told = || {
        let bounced = notice.recipients();
        Reported { speaks: !bounced.is_empty(), bounced }
    };
    if seen {
        return Some(told());
    }
    // A notice may end in the original's subject, whatever that says.
    let answers = letter.head.text("subject").is_some_and(|subject| {
        autoreply::begins_automatic(&subject, words)
            || !notice.is_titled() && autoreply::is_automatic_subject(&subject, words)
    });
    (!answers && notice.is_bounce()).then(told)
}

fn is_status(part: &Part) -> bool {
    matches!(part.kind.as_str(), "message/delivery-status" | "message/global-delivery-status")
}

/// Adds a recipient who is not there yet.
pub(super) fn note(found: &mut Vec<Bounced>, bounced: Bounced) {
    let known = found.iter().any(|other| other.address.eq_ignore_ascii_case(&bounced.address));
    if !known && found.len() < RECIPIENTS_MAX {
        found.push(bounced);
    }
}

pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(REASON_MAX).collect()
}

/// The first enhanced status code in a text: 4 or 5, a dot, two numbers.
pub(super) fn code(text: &str) -> Option<String> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    let mut words = words.filter(|word| !word.is_empty());
    words
        .find(|word| word.parse::<Status>().is_ok_and(|status| status.class != 2))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(header: &str, notice: &str) -> Option<Vec<(String, bool)>> {
        let message = format!("{header}\r\n\r\n{notice}");
        let letter = Letter::read(message.as_bytes(), &config::Replies::default())?;
        let found =
            read(&letter, &config::Replies::default(), super::super::words::tests::plain())?;
        Some(found.into_iter().map(|one| (one.address, one.permanent)).collect())
    }

    fn permanent(address: &str) -> Option<Vec<(String, bool)>> {
        Some(vec![(address.to_owned(), true)])
    }

    const DAEMON: &str = "From: Mail Delivery System <mailer-daemon@mx.example>\r\nSubject: ";

    #[test]
    fn a_notice_in_words_names_its_recipient_at_the_start_of_a_line() {
        let notice = "I wasn't able to deliver your message to the following addresses.\r\n\
            This is a permanent error; I've given up.\r\n\r\n<ann@b.example>:\r\n\
            451 4.3.0 no; write to help@b.example\r\nTo: eve@b.example\r\n\r\n\
            --- Below this line is a copy of the message.\r\n\r\nbob@b.example\r\n";
        assert_eq!(words(&format!("{DAEMON}sorry"), notice), permanent("ann@b.example"));
    }

    #[test]
    fn what_was_refused_for_the_moment_until_it_expired_is_no_dead_address() {
        let is_dead = |status: Option<&str>, reason: &str| {
            let (status, reason) = (status.map(str::to_owned), reason.to_owned());
            let bounced =
                Bounced { address: "ann@b.example".into(), status, permanent: true, reason };
            let (status, meaning) = bounced.meaning(&RefusalRules::default());
            assert_eq!(status.class, 5, "it was given up");
            meaning.dead_address
        };
        assert!(is_dead(Some("5.1.1"), "smtp; 550 5.1.1 user unknown"));
        assert!(is_dead(None, "550 user unknown"));
        assert!(!is_dead(Some("4.1.1"), "smtp; 450 4.1.1 user unknown"));
        assert!(!is_dead(Some("4.4.7"), "message expired: user unknown"));
        assert!(!is_dead(Some("5.0.0"), "smtp; 450 user unknown in local recipient table"));
        assert!(!is_dead(None, "450 unverified address: user unknown"));
    }

    #[test]
    fn the_words_say_why_where_the_status_does_not() {
        let message = format!(
            "{DAEMON}sorry\r\nContent-Type: multipart/report; report-type=delivery-status; \
             boundary=b\r\n\r\n--b\r\n\r\nann@b.example: 550 5.7.26 not authenticated\r\n\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; ann@b.example\r\n\
             Action: failed\r\nStatus: 5.0.0\r\n\r\n--b--\r\n"
        );
        let limits = config::Replies::default();
        let letter = Letter::read(message.as_bytes(), &limits).expect("a letter");
        let found = read(&letter, &limits, super::super::words::tests::plain()).expect("a bounce");
        assert_eq!(found[0].reason, "550 5.7.26 not authenticated");
        assert_eq!(found[0].status.as_deref(), Some("5.7.26"));
    }

    #[test]
    fn a_notice_in_html_alone_is_read() {
        let head = "From: PostMaster@b.example\r\nContent-Type: text/html; charset=utf-8\r\n\
            Subject: x";
        let page = "<p>您发送的邮件被退回：</p><p>收件人：<a href='x'>ann@b.example</a></p>";
        assert_eq!(words(head, page), permanent("ann@b.example"));
    }

    #[test]
    fn a_delay_is_no_failure() {
        let notice = "Your mail has not yet been delivered to\r\n\r\n  ann@b.example\r\n";
        let found = words(&format!("{DAEMON}Warning: message 1x delayed 24 hours"), notice);
        assert_eq!(found, Some(vec![("ann@b.example".to_owned(), false)]));
    }

    #[test]
    fn a_bounce_needs_both_a_machine_and_its_words() {
        let notice = "Your parcel could not be delivered.\r\nann@b.example\r\n";
        assert_eq!(words("From: ann@b.example\r\nSubject: parcel", notice), None);
        let away = "Return-Path: <>\r\nFrom: ann@b.example\r\nSubject: I am away";
        assert_eq!(words(away, notice), None);
        assert_eq!(words(&format!("{DAEMON}hello"), "How are you?\r\nann@b.example"), None);
    }
}
