//! Stories over the real daemon: an application submits, a mail server receives, a person answers.

mod answers;
mod bad_input;
mod caps;
mod chunks;
mod confirmations;
mod consents;
mod doctor;
mod dsn;
mod full_disk;
mod hands;
mod hostile;
mod limits;
mod lists;
mod main_job;
mod members;
mod names;
mod operator;
mod pages;
mod pools;
mod process;
mod rights;
mod senders;
mod silence;
mod sites;
pub mod submission;
mod time;
mod together;
mod trust;
mod verbs;
mod watchdog;
mod watching;

use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use relent::demo::receiver::Received;

/// The field's value in a received message, folds undone.
pub fn field(mail: &Received, name: &str) -> Option<String> {
    let end = relent::mail::header::body_start(&mail.message);
    let fields = relent::mail::header::fields(&mail.message[..end]).expect("a valid header");
    fields.iter().find(|field| field.is(name)).map(relent::mail::header::Field::text)
}

/// The address between the brackets of the Reply-To field.
pub fn reply_address(mail: &Received) -> String {
    let value = field(mail, "Reply-To").expect("a Reply-To field");
    let (_, rest) = value.split_once('<').unwrap_or(("", &value));
    rest.trim_end_matches('>').to_owned()
}

/// A person's answer, in plain text, to an address of ours; the relay's reply to the dot.
fn answer(world: &World, from: &str, to: &str, text: &str) -> String {
    let message = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: Re: News\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
    );
    inbound(world, from, to, &message)
}

/// A message as another mail server brings it; the relay's reply to the dot.
fn inbound(world: &World, sender: &str, to: &str, message: &str) -> String {
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    mx.submit(sender, &[to], message)
}

/// One message of the newsletter to people who have agreed, and the copy of each.
async fn newsletter(world: &World, to: &[&str]) -> Vec<Received> {
    to.iter().for_each(|to| world.agree(to));
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    assert!(app.submit("news@acme.example", to, &letter("One")).starts_with("250"));
    let mut copies = Vec::new();
    for to in to {
        copies.push(delivered(world, to).await);
    }
    copies
}

/// The answer to RCPT of the next submission on a stream.
fn next(world: &World, stream: &str, to: &str) -> String {
    let mut app =
        Client::login(world.ports.submission[0], &format!("app/{stream}"), &world.password);
    app.say("MAIL FROM:<news@acme.example>");
    app.say(&format!("RCPT TO:<{to}>"))
}

pub async fn delivered(world: &World, to: &str) -> Received {
    let mail = world.receiver.message_to(to, PATIENCE).await;
    mail.unwrap_or_else(|| panic!("nothing came for {to}"))
}

/// Waits until nothing waits: what was to leave has left.
async fn settled(world: &World) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while world.done(&["queue", "list", "--json"]).json() != serde_json::json!([]) {
        assert!(std::time::Instant::now() < deadline, "mail still waits: {}", world.log());
        tokio::task::yield_now().await;
    }
}
