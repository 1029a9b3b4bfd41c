//! What is submitted for a row, and how.

use super::row::Shape;
use crate::support::client::Client;

/// The body of a message of this shape.
pub fn body(shape: Shape) -> String {
    match shape {
        Shape::EightBit => "Grüße.\r\n.\r\n..Zwei Punkte.\r\n".into(),
        Shape::Large(size) => ("x".repeat(76) + "\r\n").repeat(size / 78),
        _ => "Hello.\r\n.A line that begins with a dot.\r\n".into(),
    }
}

/// Submits a message of a shape.
pub fn submit(
    port: u16,
    password: &str,
    from: &str,
    to: &[String],
    shape: Shape,
) -> Result<(), String> {
    let mut app = Client::login(port, "app/receipts", password);
    let (mail, recipient) = match shape {
        Shape::Utf8 => (" SMTPUTF8", ""),
        Shape::Reported => (" RET=FULL ENVID=row", " NOTIFY=FAILURE"),
        _ => ("", ""),
    };
    let mut say = |line: &str, wanted: &str| {
        let reply = app.say(line);
        let fits = reply.starts_with(wanted);
        fits.then_some(()).ok_or_else(|| format!("to {line:.100}: {reply}"))
    };
    say(&format!("MAIL FROM:<{from}>{mail}"), "250")?;
    for to in to {
        let original =
            if shape == Shape::Reported { format!(" ORCPT=rfc822;{to}") } else { String::new() };
        say(&format!("RCPT TO:<{to}>{recipient}{original}"), "250")?;
    }
    say("DATA", "354")?;
    let header = format!("From: Acme <{from}>\r\nTo: reader@reader.example\r\nSubject: A row\r\n");
    let mime = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                Content-Transfer-Encoding: 8bit\r\n";
    let text = format!("{header}{mime}\r\n{}", body(shape)).replace("\r\n.", "\r\n..");
    say(&format!("{text}."), "250")
}
