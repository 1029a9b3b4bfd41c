//! People who log in: invited by mail, let in by the link, seen and shown out by the operator.

use super::delivered;
use crate::support::World;
use relent::demo::receiver::Received;
use relent::mail::header::body_start;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

/// The path of the page that a mail leads to.
fn link(mail: &Received) -> String {
    let body = &mail.message[body_start(&mail.message)..];
    let coded: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let text = data_encoding::BASE64.decode(&coded).expect("base64");
    let text = String::from_utf8(text).expect("UTF-8");
    let after = text.split("https://relay.relent.example").nth(1).expect("a link of ours");
    after.split_whitespace().next().expect("its path").to_owned()
}

/// A request in JSON to the public face; the status and the answer.
fn ask(world: &World, line: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let line = format!("{line} HTTP/1.1\r\nAuthorization: Bearer {token}");
    let answer = world.http_with(&line, "application/json", &body);
    let answer = String::from_utf8(answer).expect("an answer in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn log_in(world: &World, address: &str, password: &str) -> (u16, Value) {
    ask(world, "POST /api/v1/sessions", "", &json!({"address": address, "password": password}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_invited_by_mail_and_lets_themselves_in() {
    let mut world = World::start().await;
    world.done(&["account", "set", "acme", "--language", "de"]);
    let early =
        world.relent(&["member", "invite", "acme", "bea@reader.example", "--role", "viewer"]);
    assert_eq!((early.code, early.err.contains("no owner yet")), (1, true), "{}", early.err);
    world.done(&["member", "invite", "acme", "ann@reader.example", "--role", "owner"]);
    let mail = delivered(&world, "ann@reader.example").await;
    assert_eq!(mail.sender, "", "nothing comes back for it");
    let header = String::from_utf8_lossy(&mail.message[..body_start(&mail.message)]).into_owned();
    for field in [
        "From: Relent <postmaster@relay.relent.example>",
        "Auto-Submitted: auto-generated",
        "Content-Language: de",
        "Subject: Einladung zu acme",
    ] {
        assert!(header.contains(field), "{field} in {header}");
    }
    let path = link(&mail);
    let page = world.http(&format!("GET {path} HTTP/1.1"), "");
    assert!(page.contains("Einladung zu acme") && page.contains("ann@reader.example"), "{page}");
    assert!(!world.log().contains(&path[3..]), "the secret is in no log");
    let form = "name=Ann&password=correct+horse+battery";
    let done = world.http(&format!("POST {path} HTTP/1.1"), form);
    assert!(done.starts_with("HTTP/1.1 200") && done.contains("Fertig"), "{done}");
    let listed = world.done(&["member", "list", "acme", "--json"]).json();
    assert_eq!(listed[0]["role"], json!("owner"), "{listed}");

    let (status, made) = log_in(&world, "ann@reader.example", PASSWORD);
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().expect("a token").to_owned();
    assert!(!world.log().contains(&token[4..]) && !world.log().contains(PASSWORD));
    let (status, streams) = ask(&world, "GET /api/v1/accounts/acme/streams", &token, &Value::Null);
    assert_eq!(status, 200, "{streams}");
    // Sessions outlive the daemon, and end by the operator's word.
    assert_eq!(world.stop(), 0);
    world.launch(&[]);
    assert_eq!(ask(&world, "GET /api/v1/me", &token, &Value::Null).0, 200);
    let sessions = world.done(&["session", "list", "acme", "ann@reader.example", "--json"]).json();
    let name = sessions[0]["session"].as_str().expect("a session");
    assert_eq!(world.relent(&["session", "revoke", "acme", "ann@reader.example"]).code, 2);
    world.done(&["session", "revoke", "acme", "ann@reader.example", name]);
    assert_eq!(ask(&world, "GET /api/v1/me", &token, &Value::Null).0, 401);
    let last = world.relent(&["member", "remove", "acme", "ann@reader.example"]);
    assert_eq!((last.code, last.err.contains("last owner")), (1, true), "{}", last.err);
    // Who did what stands in the chain.
    let kinds = world.done(&["audit", "list", "--json"]).out;
    for kind in ["member.invited", "member.joined"] {
        assert!(kinds.contains(kind), "{kind} in {kinds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_by_a_link_that_serves_once() {
    let world = World::start().await;
    let invite = ["member", "invite", "acme", "ann@reader.example", "--role", "owner", "--print"];
    let printed = world.done(&invite).out;
    let path = printed.split("relay.relent.example").nth(1).expect("a link");
    let path = path.split_whitespace().next().expect("its path");
    world.http(&format!("POST {path} HTTP/1.1"), "name=Ann&password=correct+horse+battery");
    let (status, made) = log_in(&world, "ann@reader.example", PASSWORD);
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().expect("a token").to_owned();
    for address in ["nobody@reader.example", "ann@reader.example"] {
        let body = json!({ "address": address });
        let told = ask(&world, "POST /api/v1/passwords/forgotten", "", &body);
        assert_eq!(told.0, 202, "{}", told.1);
    }
    let path = link(&delivered(&world, "ann@reader.example").await);
    let page = world.http(&format!("GET {path} HTTP/1.1"), "");
    assert!(!page.contains("name=\"name\""), "the name is known: {page}");
    let done = world.http(&format!("POST {path} HTTP/1.1"), "password=another+good+one");
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    assert!(
        world
            .http(&format!("POST {path} HTTP/1.1"), "password=a+third+good+one")
            .starts_with("HTTP/1.1 404")
    );
    assert_eq!(ask(&world, "GET /api/v1/me", &token, &Value::Null).0, 401, "all sessions end");
    assert_eq!(log_in(&world, "ann@reader.example", PASSWORD).0, 401);
    assert_eq!(log_in(&world, "ann@reader.example", "another good one").0, 201);
    assert!(
        world.receiver.mailbox().iter().all(|mail| mail.recipients != ["nobody@reader.example"])
    );
}
