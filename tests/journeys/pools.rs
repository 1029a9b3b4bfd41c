//! Pools of addresses to send from: whose mail leaves from which, under what name, and how much a new one
//! sends.

use super::hostile::{fate, is_done, submit, until};
use crate::support::client::letter;
use crate::support::{World, clear_of};
use relent::demo::receiver::Fault;
use std::collections::BTreeSet;

const POOLS: &str = "[delivery.pools.default]\nsources = [{ address = \"127.0.0.1\" }]\n\
    [delivery.pools.news]\nsenders = [\"acme/newsletter\"]\n\
    sources = [{ address = \"127.0.0.3\", hostname = \"out3.relay.example\" }, { address = \"127.0.0.4\" }]\n\
    [delivery.pools.acme]\nsenders = [\"acme\"]\nsources = [{ address = \"127.0.0.5\" }]\n";

fn send(world: &World, stream: &str, count: usize) -> Vec<String> {
    let to: Vec<_> = (0..count).map(|n| format!("{stream}{n}@reader.example")).collect();
    for person in &to {
        world.agree(person);
        submit(world, stream, &[person], &letter("From a pool"));
    }
    to
}

/// Where a person's mail came from, and under what name.
fn origin(world: &World, person: &str) -> (String, String) {
    let mailbox = world.receiver.mailbox();
    let mail = mailbox.iter().find(|mail| mail.recipients.iter().any(|to| to == person));
    let mail = mail.unwrap_or_else(|| panic!("nothing came for {person}"));
    (mail.peer.to_string(), mail.hello.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_senders_mail_leaves_from_its_own_addresses_over_its_own_connections() {
    let world = World::start_with("", POOLS).await;
    let mut to = Vec::new();
    for _ in 0..2 {
        to.extend(send(&world, "newsletter", 5));
        to.extend(send(&world, "receipts", 5));
    }
    until("all of it", || is_done(&world)).await;
    for person in &to {
        let (peer, hello) = origin(&world, person);
        let expected = match (person.starts_with("newsletter"), peer.as_str()) {
            (true, "127.0.0.3") => "out3.relay.example",
            (true, "127.0.0.4") | (false, "127.0.0.5") => "relay.relent.example",
            _ => panic!("{person} from {peer}"),
        };
        assert_eq!(hello, expected, "{person}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_a_pool_have_their_turns() {
    // Each message has a connection of its own.
    let world = World::start_with("messages_per_connection_max = 1", POOLS).await;
    let to = send(&world, "newsletter", 4);
    until("all of it", || is_done(&world)).await;
    let news: BTreeSet<String> = to.iter().map(|to| origin(&world, to).0).collect();
    assert_eq!(news.len(), 2, "{news:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_to_a_sender_leaves_from_the_default_pool() {
    let world = World::start_with("", POOLS).await;
    world.receiver.misbehave(vec![Fault::Recipient("nobody@".into(), "550 5.1.1 no".into())]);
    submit(&world, "receipts", &["nobody@reader.example"], &letter("To nobody"));
    super::delivered(&world, "news@acme.example").await;
    assert_eq!(origin(&world, "news@acme.example").0, "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_new_address_may_not_send_today_waits_and_does_not_fail() {
    clear_of(0).await;
    let today = jiff::Timestamp::now().to_string();
    let pools = format!(
        "[delivery.pools.acme]\nsenders = [\"acme\"]\nsources = [{{ address = \"127.0.0.5\", \
         warm_up_from = \"{}\", warm_up = [4] }}]\n[log]\njson = true\n",
        &today[..10]
    );
    let mut world = World::start_with("", &pools).await;
    let to = send(&world, "receipts", 7);
    until("the quota to be sent", || world.receiver.mailbox().len() == 4).await;
    let waiting = || world.done(&["queue", "list", "--json"]).json();
    until("the rest to wait", || {
        let waiting = waiting();
        let items = waiting.as_array().expect("items");
        items.len() == 3
            && items.iter().all(|item| item["last"].to_string().contains("waits until"))
    })
    .await;
    for item in waiting().as_array().expect("items") {
        assert_eq!((item["state"].as_str(), item["attempts"].as_u64()), (Some("queued"), Some(0)));
        assert!(item["last"].to_string().contains("`acme`"), "{item}");
    }
    // A new start does not begin the day anew.
    assert_eq!(world.stop(), 0);
    world.launch(&[]);
    until("it to be looked at again", || {
        let waiting = world.done(&["queue", "list", "--json"]).json();
        let items = waiting.as_array().cloned().unwrap_or_default();
        items.len() == 3
            && items.iter().all(|item| item["last"].to_string().contains("waits until"))
    })
    .await;
    assert_eq!(world.receiver.mailbox().len(), 4, "more than the day's quota");
    let sent = to
        .iter()
        .filter(|to| world.receiver.mailbox().iter().any(|mail| mail.recipients.contains(to)));
    for person in sent {
        assert!(fate(&world, person).await.starts_with("delivered"));
    }
}
