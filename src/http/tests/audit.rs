//! What is changed over the admin socket, as the audit chain has it.

use super::*;
use crate::events::Actor;
use crate::events::audit::{Audit, Entry, Filter, Words};

/// What was done since, oldest first, with the name of what it was done to; all by the user of the test.
fn told(house: &House, count: usize) -> Vec<String> {
    let chain = Audit::new(house.parts.store.clone());
    let page = chain.entries(&Filter::default(), None, 1000).expect("store");
    let user = crate::world::user_of(rustix::process::geteuid().as_raw());
    let operator = Actor::operator(Some(user));
    let said = |entry: &Entry| match &entry.words {
        Words::Said(said) => {
            assert_eq!(said.by, operator, "{said:?}");
            said.kind.clone()
        }
        other => unreachable!("{other:?}"),
    };
    page.entries.iter().rev().skip(count).map(said).collect()
}

#[tokio::test]
async fn whoever_works_at_the_socket_is_named_in_the_audit_chain() {
    let house = House::build().await;
    let socket = house.admin();
    house.submit().await;
    let stop = json!({ "account": "acme", "recipient": "ann@example.com", "reason": "manual" });
    for (line, body, kind) in [
        ("POST /api/v1/accounts", json!({ "name": "shop" }), "account.added"),
        ("PATCH /api/v1/accounts/shop", json!({ "language": "de" }), "account.changed"),
        (
            "POST /api/v1/accounts/shop/streams",
            json!({ "name": "bills", "kind": "transactional" }),
            "stream.added",
        ),
        ("DELETE /api/v1/accounts/shop/streams/bills", Value::Null, "stream.removed"),
        ("POST /api/v1/accounts/shop/credentials", json!({ "name": "app" }), "credential.added"),
        ("POST /api/v1/suppressions", stop.clone(), "suppression.made"),
        ("DELETE /api/v1/suppressions", stop, "suppression.lifted"),
        ("POST /api/v1/queue/hold", json!({ "all": true }), "queue.held"),
    ] {
        let before = Audit::new(house.parts.store.clone()).head().expect("store").sequence;
        let done = api(&socket, line, &body).await;
        assert!(done.status < 300, "{line}: {}", done.body);
        let count = usize::try_from(before).expect("few");
        assert_eq!(told(&house, count), [kind], "{line}");
        // What is refused leaves nothing.
        if line.starts_with("POST /api/v1/accounts") {
            let again = api(&socket, line, &body).await;
            assert_eq!(again.status, 409, "{line}");
            assert_eq!(told(&house, count).len(), 1, "{line}");
        }
    }
    let events = "GET /api/v1/explain?account=acme&stream=news&recipient=ann%40example.com";
    let explained = api(&socket, events, &Value::Null).await.json();
    let entries: Vec<_> = explained["records"].as_array().expect("records").iter().collect();
    assert_eq!(entries.len(), 2);
    for record in entries {
        let entry = record["entry"].as_u64().expect("a cited entry");
        let chain = Audit::new(house.parts.store.clone());
        let Some(Entry { words: Words::Said(said), .. }) = chain.entry(entry).expect("store")
        else {
            unreachable!("entry {entry} is not there");
        };
        assert_eq!(said.event, record["event"].as_u64());
    }
}
