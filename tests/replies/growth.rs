//! Work grows with a message's size and no faster: each shape that could make a reader go over its input again
//! and again is read at a size and at its double.

use super::classify;
use rustix::time::{ClockId, clock_gettime};

/// How much longer twice as much may take. Twice, and room for a machine that does other things.
const GROWTH_MAX: f64 = 3.0;
/// How often a shape is tried before it counts as grown: what others do on the machine passes.
const TRIES: usize = 6;
/// Size at which a shape is read first, in bytes.
const SIZE: usize = 100_000;

/// The seconds for which this thread has had a processor: what else the machine does is no part of them.
#[allow(clippy::cast_precision_loss, reason = "moments of a test are exact enough")]
fn worked() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The seconds that reading a message takes.
fn fastest(message: &[u8]) -> f64 {
    let once = || {
        let begun = worked();
        std::hint::black_box(classify(message));
        worked() - begun
    };
    (0..3).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// A message of about so many bytes in which a piece comes again and again.
fn repeated(head: &str, piece: &str, size: usize) -> Vec<u8> {
    let count = size / piece.len() + 1;
    format!("From: ann@b.example\r\n{head}\r\n\r\n{}", piece.repeat(count)).into_bytes()
}

#[test]
fn twice_as_much_takes_about_twice_as_long() {
    const TEXT: &str = "Content-Type: text/plain; charset=utf-8";
    const HTML: &str = "Content-Type: text/html; charset=utf-8";
    let shapes: &[(&str, &str, &str)] = &[
        ("quotes", TEXT, "> R\r\n"),
        ("quotes of quotes", TEXT, ">>>>>>>>>>>>>>>>>>>> R\r\n"),
        ("one line", TEXT, "unsubscribe me "),
        ("short lines", TEXT, "a\r\n"),
        ("introductions", TEXT, "On Tue, Jan 2, 2024 Shop <s@x.example> wrot\r\n"),
        ("labels", TEXT, "From: x\r\n\r\n\r\n\r\n"),
        ("blank lines", TEXT, "\r\n"),
        ("rules", TEXT, "--------------------\r\n"),
        ("references", TEXT, "&#36864;&gt;&"),
        ("soft lines", "Content-Type: text/plain; format=flowed", "a \r\n"),
        ("open angles", HTML, "<"),
        ("open tags", HTML, "<div>"),
        ("open quotes", HTML, "<blockquote>R"),
        ("closing tags", HTML, "</div>"),
        ("open comments", HTML, "<!--"),
        ("hidden", HTML, "<style><script>"),
        ("tags cut off", HTML, "<a href=\"x"),
        ("attributes", HTML, "<div class=\"a b c\" style='x:y' id=z>"),
        ("broken base64", "Content-Transfer-Encoding: base64", "UmVq=ZWN0\r\n"),
        ("broken quoted-printable", "Content-Transfer-Encoding: quoted-printable", "=C3=\r\n=ZZ="),
        ("escapes", "Content-Type: text/plain; charset=iso-2022-jp", "\u{1b}$BG[\u{1b}(B"),
        ("UTF-7", "Content-Type: text/plain; charset=utf-7", "+kACLog-+"),
        ("boundaries", "Content-Type: multipart/mixed; boundary=b", "--b\r\n\r\n"),
        (
            "groups",
            "Content-Type: message/delivery-status",
            "Final-Recipient: rfc822; a@b.example\r\n\r\n",
        ),
        (
            "addresses",
            "From: MAILER-DAEMON@x.example\r\nSubject: failure notice",
            "<a@b.example>: no such user\r\n",
        ),
        ("encoded words", "Subject: =?utf-8?B?VA==?=", "=?utf-8?B?VA==?= "),
    ];
    let mut grown = Vec::new();
    for (name, head, piece) in shapes {
        let (one, two) = (repeated(head, piece, SIZE), repeated(head, piece, SIZE * 2));
        let ratio = |_| {
            let (one, two) = (fastest(&one), fastest(&two));
            // What takes no time at all does not grow.
            two / one.max(0.0005)
        };
        let least = (0..TRIES).map(ratio).find(|ratio| *ratio < GROWTH_MAX);
        if least.is_none() {
            grown.push(*name);
        }
    }
    assert!(grown.is_empty(), "grow faster than their size: {}", grown.join(", "));
}

#[test]
fn a_header_that_grows_takes_no_longer_than_its_size_allows() {
    let message = |count: usize| {
        let words = " =?utf-8?B?6YCA?=\r\n".repeat(count);
        format!("From: ann@b.example\r\nSubject:\r\n{words}X-Y: z\r\n\r\nT\r\n").into_bytes()
    };
    let (one, two) = (message(5000), message(10_000));
    let ratio = |_: usize| fastest(&two) / fastest(&one).max(0.0005);
    assert!((0..TRIES).map(ratio).any(|ratio| ratio < GROWTH_MAX));
}
