//! The part of a bounce that is made for programs: a delivery status (RFC 3464), one group of fields a
//! recipient.

use super::bounce::{Bounced, RECIPIENTS_MAX, code, note, one_line};
use super::decode::Head;

/// Most groups that are looked at.
const GROUPS_MAX: usize = RECIPIENTS_MAX * 2;

/// Actions by which a message got there, or on its way (RFC 3464 §2.3.3), or would, where a server was only asked.
const ARRIVED: [&str; 4] = ["delivered", "deliverable", "relayed", "expanded"];

/// What a delivery status says.
#[derive(Debug, Default)]
pub(super) struct Reported {
    /// Those who got nothing, or nothing yet.
    pub(super) bounced: Vec<Bounced>,
    /// Whether it speaks of anybody at all, be it that they got it.
    pub(super) speaks: bool,
}

/// Reads the groups that name a recipient (RFC 3464 §2.3).
pub(super) fn read(status: &[u8]) -> Reported {
    let text = String::from_utf8_lossy(status);
    let mut reported = Reported::default();
    for group in groups(&text) {
        let head = Head::read(group.as_bytes());
        let named = |name| head.raw(name).map(|value| address(&value)).filter(|one| is_whole(one));
        let named = ["original-recipient", "final-recipient", "x-actual-recipient"].map(named);
        let [original, last, actual] = named;
        // Some leave ORCPT as it went over the wire (RFC 3461 §4), which the other field then tells.
        let original =
            original.filter(|one| last.as_deref().is_none_or(|last| !is_xtext_of(one, last)));
        let mut named = [original, last, actual].into_iter().flatten().peekable();
        if named.peek().is_none() {
            continue;
        }
        let action = head.raw("action").unwrap_or_default().trim().to_ascii_lowercase();
        reported.speaks = true;
        if ARRIVED.iter().any(|word| action.starts_with(word)) {
            continue;
        }
        let reason = head.raw("diagnostic-code").map(|value| untyped(&value).to_owned());
        let reason = reason.unwrap_or_default();
        let status = head.raw("status").and_then(|value| code(&value));
        let status = closer(status, &reason);
        let transient = status.as_deref().is_some_and(|status| status.starts_with('4'));
        // Google Groups and archives shorten addresses: nobody's.
        let Some(address) = named.find(|address| !address.contains("...@")) else {
            continue;
        };
        note(
            &mut reported.bounced,
            Bounced {
                permanent: match action.as_str() {
                    action if action.starts_with("fail") => true,
                    action if action.starts_with("delay") => false,
                    // Missing, or none of those that the RFC knows.
                    _ => !transient,
                },
                address,
                status,
                reason: one_line(&reason),
            },
        );
    }
    reported
}

/// Whether an address has both its halves: some servers leave only the domain.
fn is_whole(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

/// A status, or what the server's own words say where it only tells the class (RFC 3463 §3.1).
pub(super) fn closer(status: Option<String>, reason: &str) -> Option<String> {
    let Some(open) = status.as_deref().and_then(|status| status.strip_suffix(".0.0")) else {
        return status.or_else(|| code(reason));
    };
    let said = code(reason).filter(|said| said.split('.').next() == Some(open));
    said.or(status)
}

/// Whether a text is another in xtext: `+2B` for a plus.
fn is_xtext_of(encoded: &str, text: &str) -> bool {
    encoded.contains("+2B") && encoded.replace("+3D", "=").replace("+2B", "+") == text
}

/// The groups, apart by an empty line or, where that was forgotten, by a recipient that comes again.
fn groups(text: &str) -> Vec<String> {
    let mut groups = vec![String::new()];
    let mut named = false;
    for line in text.lines() {
        let blank = line.trim().is_empty();
        let names =
            line.get(..16).is_some_and(|name| name.eq_ignore_ascii_case("final-recipient:"));
        if blank || names && named {
            if groups.len() == GROUPS_MAX {
                break;
            }
            groups.push(String::new());
            named = false;
        }
        named |= names;
        if let Some(group) = groups.last_mut().filter(|_| !blank) {
            group.push_str(line);
            group.push('\n');
        }
    }
    groups
}

/// `rfc822; a@b` and `smtp; 550 no` without the type.
fn untyped(value: &str) -> &str {
    let is_other = |c: char| c.is_whitespace() || c == '@' || c == '"';
    let typed = |kind: &str| !kind.is_empty() && !kind.contains(is_other);
    match value.split_once(';') {
        Some((kind, rest)) if typed(kind.trim()) => rest.trim(),
        _ => value.trim(),
    }
}

/// The address of a recipient's field, without its type, brackets and what follows it.
fn address(value: &str) -> String {
    // Some type it twice.
    let value = untyped(untyped(value));
    let inner = value.split_once('<').map_or(value, |(_, rest)| rest);
    let inner = inner.trim_matches(['<', '>', '"', '\'', ' ']);
    let bare = inner.split(['>', ' ', '\t', '(']).next().unwrap_or_default();
    let quoted = inner.contains("\"@");
    let text = if quoted { value.trim_matches(['<', '>', ' ']) } else { bare };
    escaped(text.strip_prefix("mailto:").or(text.strip_prefix("SMTP:")).unwrap_or(text))
}

/// `\x{5B9D}` as the character that it stands for (RFC 6533 §3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x{") {
        out.push_str(before);
        let known = behind.split_once('}').and_then(|(number, after)| {
            let c = u32::from_str_radix(number, 16).ok().and_then(char::from_u32)?;
            Some((c, after))
        });
        match known {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push_str("\\x{");
                rest = behind;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failed_recipient_of_a_delivery_status_is_read() {
        let status = b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\n\
            Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n no such user\r\n\r\n\
            Final-Recipient: rfc822; <c@b.example>\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n\
            Final-Recipient: rfc822; d@b.example\r\nAction: delivered\r\nStatus: 2.0.0\r\n";
        let found = read(status).bounced;
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].address.as_str(), found[0].permanent), ("a@b.example", true));
        assert_eq!(found[0].reason, "550 5.1.1 no such user");
        assert_eq!((found[1].address.as_str(), found[1].permanent), ("c@b.example", false));
    }

    #[test]
    fn a_recipients_address_is_read_however_it_is_written() {
        for (field, expect) in [
            ("Final-Recipient: rfc822;a@b.example", "a@b.example"),
            ("Final-Recipient: RFC822; <a@b.example>", "a@b.example"),
            ("Final-Recipient: a@b.example", "a@b.example"),
            ("Final-Recipient: rfc822; a@b.example (Ann)", "a@b.example"),
            ("Final-Recipient: rfc822; Ann <a@b.example>", "a@b.example"),
            (
                "Final-Recipient: x400; /c=x/\nX-Actual-Recipient: rfc822; a@b.example",
                "a@b.example",
            ),
            (
                "Final-Recipient: rfc822; z@b.example\nOriginal-Recipient: rfc822;a@b.example",
                "a@b.example",
            ),
            ("Final-Recipient: rfc822; \"a b\"@b.example", "\"a b\"@b.example"),
            ("Final-Recipient: rfc822; a@b.example\nAction: error", "a@b.example"),
            ("Final-Recipient: rfc822; rfc822;a@b.example", "a@b.example"),
            ("Final-Recipient: rfc822; \"a;b\"@b.example", "\"a;b\"@b.example"),
            (
                "Original-Recipient: rfc822;a...@b.example\nFinal-Recipient: rfc822; \"a...\"@b.example",
                "\"a...\"@b.example",
            ),
            ("Final-Recipient: utf-8; \\x{9000}\\x{8BA2}@b.example", "退订@b.example"),
        ] {
            let found = read(format!("{field}\nAction: failed\nStatus: 5.0.0\n").as_bytes());
            let found: Vec<_> = found.bounced.into_iter().map(|one| one.address).collect();
            assert_eq!(found, [expect], "{field}");
        }
    }

    #[test]
    fn groups_without_an_empty_line_between_them_are_told_apart() {
        let status = b"Final-Recipient: rfc822; a@b.example\nAction: failed\n\
            Final-Recipient: rfc822; c@b.example\nAction: failed\n \nX: y\n";
        assert_eq!(read(status).bounced.len(), 2);
    }

    #[test]
    fn who_got_it_did_not_bounce() {
        let status = b"Final-Recipient: rfc822; a@b.example\nAction: relayed\nStatus: 2.0.0\n";
        let reported = read(status);
        assert!(reported.speaks && reported.bounced.is_empty());
        let asked = b"Final-Recipient: rfc822; a@b.example\nAction: deliverable\nStatus: 2.1.5\n";
        assert!(read(asked).speaks && read(asked).bounced.is_empty());
        let shortened = b"Final-Recipient: rfc822; a...@b.example\nAction: failed\n";
        assert!(read(shortened).bounced.is_empty());
    }

    #[test]
    fn half_an_address_is_nobodys() {
        let half = b"Final-Recipient: rfc822; @mx.b.example\nAction: failed\nStatus: 5.1.2\n";
        assert!(!read(half).speaks, "the words may name somebody");
    }

    #[test]
    fn a_status_that_only_tells_the_class_gives_way_to_the_servers_words() {
        let status = |stated: &str, said: &str| closer(Some(stated.to_owned()), said);
        let expect = |status: &str| Some(status.to_owned());
        assert_eq!(status("5.0.0", "550 5.7.1 not from there"), expect("5.7.1"));
        assert_eq!(status("5.0.0", "550 no"), expect("5.0.0"));
        assert_eq!(status("5.0.0", "450 4.2.2 full"), expect("5.0.0"));
        assert_eq!(status("5.1.1", "550 5.7.1 no"), expect("5.1.1"));
        assert_eq!(closer(None, "550 5.7.1 no"), expect("5.7.1"));
    }
}
