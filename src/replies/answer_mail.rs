//! An answer as a message: text in UTF-8, its header in ASCII, and marks by which every program knows
//! that a machine wrote it and that nothing should answer it.

use super::about::LOOP;
use crate::accounts::Stream;
use crate::events::message::{Accepted, Origin, Recipient};
use crate::mail::charset::encoded_within;
use crate::mail::{Address, MessageId, RecipientHash, ReversePath, Timestamp};
use crate::queue::Queue;
use crate::spool::SpoolFault;

/// Longest line of a message, without its end (RFC 5322 §2.1.1).
const PLAIN_MAX: usize = 998;
/// Longest line of quoted-printable, its `=` included (RFC 2045 §6.7).
const LINE_MAX: usize = 76;
/// Longest encoded word, so that its line has at most 76 with the field's name (RFC 2047 §2), in bytes.
const WORD_MAX: usize = 60;
/// Most references that are repeated.
const REFERENCES_MAX: usize = 10;

/// What goes into an answer.
pub(super) struct Sheet<'a> {
    pub(super) id: MessageId,
    /// The name of the sender whose mail it is about.
    pub(super) name: &'a str,
    pub(super) from: &'a Address,
    /// Where an answer to the answer goes.
    pub(super) reply_to: &'a Address,
    pub(super) to: &'a Address,
    pub(super) subject: &'a str,
    /// What it answers, nearest first.
    pub(super) answers: Vec<&'a str>,
    /// What the Auto-Submitted field says: whether it answers something (RFC 3834 §5).
    pub(super) submitted: &'static str,
    pub(super) language: &'a str,
    pub(super) hostname: &'a str,
    pub(super) now: Timestamp,
    /// The paragraphs.
    pub(super) lines: &'a [String],
}

impl Sheet<'_> {
    /// Has the message delivered, without a return path, in the name of a stream; `hash` is the person's in the
    /// stream's account.
    ///
    /// # Errors
    /// The spool does not take it.
    pub(super) async fn send(
        &self,
        queue: &dyn Queue,
        stream: &Stream,
        hash: RecipientHash,
    ) -> Result<(), SpoolFault> {
        let bytes = self.bytes();
        let draft = Accepted {
            smtputf8: self.to.needs_smtputf8(),
            from: Some(self.from.clone()),
            eight_bit: !bytes.is_ascii(),
            ..Accepted::new(
                self.id,
                Origin::Answer { account: stream.account, stream: stream.id },
                ReversePath::Null,
                vec![Recipient { address: self.to.clone(), hash }],
                self.now,
            )
        };
        let mut body = queue.body();
        body.write(&bytes).await?;
        queue.enqueue(draft, body).await?;
        Ok(())
    }

    /// The message's bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "From: {} <{}>\r\nReply-To: <{}>\r\nTo: <{}>\r\nSubject: {}\r\nDate: {}\r\n\
             Message-ID: <{}.answer@{}>\r\n",
            phrase(self.name),
            self.from,
            self.reply_to,
            self.to,
            encoded(self.subject),
            self.now.rfc5322(),
            self.id,
            self.hostname,
        );
        if let Some(nearest) = self.answers.first() {
            //= https://www.rfc-editor.org/rfc/rfc3834#section-3.1.5
            //# The In-Reply-To and References fields SHOULD be provided in the header
            //# of a response message if there was a Message-ID field in the subject
            //# message, according to the rules in [I1.RFC2822] section 3.6.4.
            head.push_str(&format!("In-Reply-To: {nearest}\r\n"));
            let near = self.answers.iter().take(REFERENCES_MAX).rev();
            head.push_str("References:");
            near.for_each(|id| head.push_str(&format!("\r\n {id}")));
            head.push_str("\r\n");
        }
        //= https://www.rfc-editor.org/rfc/rfc3834#section-3.1.7
        //# The Auto-Submitted field, with a value of "auto-replied", SHOULD be
        //# included in the message header of any automatic response.
        head.push_str(&format!("Auto-Submitted: {}\r\n", self.submitted));
        head.push_str("X-Auto-Response-Suppress: All\r\n");
        head.push_str(&format!("{LOOP}: {}\r\n", self.hostname));
        head.push_str(&format!(
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Language: {}\r\n",
            self.language
        ));
        let text = self.lines.join("\n\n") + "\n";
        // Plain text goes as it is, so that its links stay whole for programs that take them out of it.
        let (encoding, text) = if is_plain(&text) {
            ("7bit", text.replace('\n', "\r\n"))
        } else {
            ("quoted-printable", quoted_printable(&text))
        };
        head.push_str(&format!("Content-Transfer-Encoding: {encoding}\r\n\r\n"));
        (head + &text).into_bytes()
    }
}

/// A subject as a header field may hold it: as it is where it is plain, in encoded words elsewhere.
fn encoded(subject: &str) -> String {
    let subject: String = subject.chars().filter(|c| !c.is_control()).collect();
    encoded_within(&subject, WORD_MAX)
}

/// A name before an address: quoted, or in encoded words where it is more than ASCII, with the address
/// on a line of its own then.
fn phrase(name: &str) -> String {
    let name: String = name.chars().filter(|c| !matches!(c, '"' | '\\')).collect();
    let written = encoded(&name);
    if written.starts_with("=?") { written + "\r\n" } else { format!("\"{written}\"") }
}

/// Whether text may go as 7bit (RFC 2045 §2.7).
fn is_plain(text: &str) -> bool {
    let is_short = |line: &str| line.len() <= PLAIN_MAX;
    text.lines().all(is_short) && text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~'))
}

/// Text with `\n` line ends in quoted-printable with CRLF.
fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\r\n"));
        let mut length = 0;
        let last = line.len().saturating_sub(1);
        for (at, byte) in line.bytes().enumerate() {
            let is_plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~')
                || (matches!(byte, b' ' | b'\t') && at != last);
            let piece = if is_plain { char::from(byte).into() } else { format!("={byte:02X}") };
            if length + piece.len() > LINE_MAX - 1 {
                out.push_str("=\r\n");
                length = 0;
            }
            length += piece.len();
            out.push_str(&piece);
        }
        out.push_str(end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::decode::Letter;
    use super::*;
    use crate::config;

    fn bytes(subject: &str, lines: &[String]) -> Vec<u8> {
        bytes_from("acme", subject, lines)
    }

    fn bytes_from(name: &str, subject: &str, lines: &[String]) -> Vec<u8> {
        let address = |text: &str| Address::parse(text).expect("an address");
        let sheet = Sheet {
            id: MessageId([7; 12]),
            name,
            from: &address("acme.news@reply.example"),
            reply_to: &address("r-x@reply.example"),
            to: &address("ann@reader.example"),
            subject,
            answers: vec!["<2@x>", "<1@x>"],
            submitted: "auto-replied",
            language: "zh-Hans",
            hostname: "relay.example",
            now: Timestamp(0),
            lines,
        };
        sheet.bytes()
    }

    #[test]
    fn an_answer_is_ascii_on_short_lines_and_reads_as_it_was_written() {
        let lines = ["已为您退订。".repeat(40), "a = b ".into(), "https://h.example/u/x".into()];
        let subject = "Re: ".to_owned() + &"你好，世界".repeat(20);
        let bytes = bytes(&subject, &lines);
        assert!(bytes.is_ascii());
        let text = String::from_utf8(bytes.clone()).expect("text");
        assert!(text.split("\r\n").all(|line| line.len() <= 78 && !line.contains('\n')), "{text}");
        let letter = Letter::read(&bytes, &config::Replies::default()).expect("a letter");
        assert_eq!(letter.head.text("subject").as_deref(), Some(subject.as_str()));
        let part = letter.part("text/plain").expect("its text").text().replace("\r\n", "\n");
        assert_eq!(part.trim_end(), lines.join("\n\n").trim_end());
    }

    #[test]
    fn a_link_in_plain_text_stays_whole() {
        let link = format!("https://h.example/c/{}", "x".repeat(200));
        let whole = |lines: &[String]| {
            let text = String::from_utf8(bytes("Re: News", lines)).expect("text");
            text.contains(&format!("\r\n\r\nConfirm: {link}\r\n")) && text.contains(": 7bit\r\n")
        };
        assert!(whole(&[format!("Confirm: {link}")]));
        assert!(!whole(&[format!("Confirm: {link}"), "谢谢".into()]));
        assert!(!whole(&[format!("Confirm: {link}"), "x".repeat(999)]));
    }

    #[test]
    fn a_name_in_any_letters_is_read_as_it_was_shown() {
        for name in [
            "Acme",
            "Müller & Söhne",
            "شركة المثال",
            "有限公司有限公司有限公司有限公司",
            "A \"B\" \\C",
        ] {
            let bytes = bytes_from(name, "Re: News", &[]);
            assert!(bytes.is_ascii(), "{name}");
            let letter = Letter::read(&bytes, &config::Replies::default()).expect("a letter");
            let from = letter.head.text("from").expect("a From field");
            let shown = name.replace(['"', '\\'], "");
            assert!(from.contains(&shown), "{name}: {from}");
            assert!(from.contains("<acme.news@reply.example>"), "{name}: {from}");
        }
    }

    #[test]
    fn an_answer_says_that_a_machine_wrote_it_and_to_what() {
        let text = String::from_utf8(bytes("Re: News\r\nBcc: x@y.example", &[])).expect("text");
        for line in [
            "Auto-Submitted: auto-replied",
            "X-Relent-Answer: relay.example",
            "In-Reply-To: <2@x>",
            "References:\r\n <1@x>\r\n <2@x>",
            "Subject: Re: NewsBcc: x@y.example",
        ] {
            assert!(text.contains(&format!("\r\n{line}\r\n")), "{line}\n{text}");
        }
        let limits = config::Replies::default();
        let words = super::super::words::tests::plain();
        let read = crate::replies::classify(text.as_bytes(), &limits, words);
        assert_eq!(read.kind, crate::replies::Kind::AutoReply, "no relay of ours answers it");
        assert!(super::super::about::About::read(text.as_bytes()).is_automatic);
    }
}
