//! The trace of a message (RFC 5321 §4.4): through how many servers it came, and how often through us.

use super::header::Field;

/// How many Received fields there are, and in how many of them a server of one of these names took
/// the message.
#[must_use]
pub fn hops(fields: &[Field<'_>], names: &[&str]) -> (usize, usize) {
    let received = fields.iter().filter(|field| field.is("Received"));
    let (mut all, mut own) = (0, 0);
    for field in received {
        all += 1;
        own += usize::from(taken_by(&field.text(), names));
    }
    (all, own)
}

/// Whether a Received field's `by` names one of these. What stands in comments names nobody: a greeting
/// may say anything.
fn taken_by(received: &str, names: &[&str]) -> bool {
    let mut depth = 0_usize;
    let outside: String = received
        .chars()
        .map(|c| {
            depth = match c {
                '(' => depth + 1,
                ')' => depth.saturating_sub(1),
                _ => depth,
            };
            if depth > 0 || c == ')' || c == ';' { ' ' } else { c }
        })
        .collect();
    let mut words = outside.split_whitespace();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("by") {
            let host = words.next().unwrap_or_default().trim_end_matches('.');
            return names.iter().any(|name| name.eq_ignore_ascii_case(host));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::*;

    #[test]
    fn our_own_hops_are_those_that_we_took() {
        let header = b"Received: from a.example (by relay.example) by mx.example with ESMTP; now\r\n\
            Received: from by.example ([192.0.2.1])\r\n\tby Relay.Example. (us) with ESMTPSA\r\n\tid 1; now\r\n\
            Received: by relay.example; now\r\n\
            Received: from relay.example by other.example;\r\n\
            Received: nonsense\r\n\
            X-Received: by relay.example;\r\n";
        let fields = header::fields(header).expect("fields");
        assert_eq!(hops(&fields, &["relay.example", "reply.example"]), (5, 2));
        assert_eq!(hops(&fields, &["reply.example"]), (5, 0));
    }
}
