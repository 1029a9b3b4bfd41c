//! The API as programs meet it on the public listener: who they are, what they may, and how much.

use super::*;
use crate::accounts::{CredentialDraft, Right};
use std::net::Ipv4Addr;

/// A request with a token.
pub(super) async fn with(to: SocketAddr, token: &str, line: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let field = format!("Authorization: Bearer {token}\r\nHost:");
    let text = request(line, "application/json", &body).replacen("Host:", &field, 1);
    converse(TcpStream::connect(to).await.expect("connected"), &text).await
}

impl House {
    /// The token of a new credential of acme.
    pub(super) async fn program(&self, draft: CredentialDraft) -> String {
        let made = self.parts.accounts.add_credential(self.stream.account, draft).await;
        let (credential, password) = made.expect("a credential");
        crate::accounts::token(&credential.name, &password)
    }

    /// The token of a new credential with these rights.
    pub(super) async fn with_rights(&self, name: &str, rights: &[Right]) -> String {
        let rights = rights.to_vec();
        self.program(CredentialDraft { rights, ..CredentialDraft::named(name) }).await
    }

    fn settle(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = (*self.parts.config).clone();
        config.submission.auth_failure_delay = Span(Duration::from_millis(1));
        change(&mut config);
        self.parts.config = config.into();
    }
}

fn all() -> Vec<Right> {
    Right::ALL.iter().map(|(right, ..)| *right).collect()
}

const STREAMS: &str = "GET /api/v1/accounts/acme/streams";

#[tokio::test]
async fn a_program_shows_its_token_and_nobody_else_learns_anything() {
    let mut house = House::build().await;
    house.settle(|config| config.api.auth_failures_max = 6);
    let to = house.public().await;
    let token = house.with_rights("app", &[Right::StreamsRead]).await;
    let listed = with(to, &token, STREAMS, &Value::Null).await;
    assert_eq!((listed.status, &listed.json()["items"][0]["name"]), (200, &json!("news")));
    let refused = ask(to, STREAMS, "").await;
    assert_eq!(refused.status, 401);
    assert!(refused.head.contains("www-authenticate: bearer"), "{}", refused.head);
    let (_, secret) = token.split_once('.').expect("two parts");
    let wrong = format!("relent_app.{}", "A".repeat(43));
    let unknown = format!("relent_nobody.{secret}");
    let first = with(to, &wrong, STREAMS, &Value::Null).await;
    assert_eq!(first.status, 401);
    for text in [unknown.as_str(), "", "relent_app", secret, "relent_.x"] {
        let other = with(to, text, STREAMS, &Value::Null).await;
        assert_eq!((other.status, &other.body), (401, &first.body), "{text}");
    }
    // Guesses at one name are answered no more after a while; its owner comes from elsewhere.
    for _ in 0..5 {
        assert_eq!(with(to, &wrong, STREAMS, &Value::Null).await.status, 401);
    }
    let late = with(to, &token, STREAMS, &Value::Null).await;
    assert_eq!(late.status, 429);
    assert!(late.head.contains("retry-after: 600"), "{}", late.head);
}

#[tokio::test]
async fn a_credential_does_what_its_rights_say_and_no_more() {
    let house = House::build().await;
    let to = house.public().await;
    let plain = house.program(CredentialDraft::named("plain")).await;
    let refused = with(to, &plain, STREAMS, &Value::Null).await;
    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (403, &json!("/api/v1/problems/forbidden"))
    );
    assert!(refused.body.contains("streams.read"), "{}", refused.body);
    let full = house.with_rights("full", &all()).await;
    for operators in
        ["GET /api/v1/accounts", "GET /api/v1/suppressions/held", "GET /api/v1/delivery/sites"]
    {
        assert_eq!(with(to, &full, operators, &Value::Null).await.status, 404, "{operators}");
    }
    let trusted = json!({ "name": "acme.example", "trust": true, "dkim": "none" });
    let vouched = with(to, &full, "POST /api/v1/accounts/acme/domains", &trusted).await;
    assert_eq!(vouched.status, 403, "nobody vouches for a domain but the operator");
    // A person's stop is the person's; what the account said it may take back.
    let stop = json!({ "recipient": "ann@example.com" });
    assert_eq!(with(to, &full, "POST /api/v1/suppressions", &stop).await.status, 200);
    for (reason, status) in [("opt_out", 403), ("complaint", 403), ("manual", 200), ("manual", 404)]
    {
        let lift = json!({ "recipient": "ann@example.com", "reason": reason });
        let answer = with(to, &full, "DELETE /api/v1/suppressions", &lift).await;
        assert_eq!(answer.status, status, "{reason}: {}", answer.body);
    }
    assert_eq!(house.stops(), []);
}

#[tokio::test]
async fn nobody_makes_a_credential_that_may_more_than_its_maker() {
    let house = House::build().await;
    let to = house.public().await;
    let line = "POST /api/v1/accounts/acme/credentials";
    let maker = house.with_rights("maker", &[Right::CredentialsWrite, Right::Send]).await;
    for (draft, status) in [
        (json!({ "name": "a", "rights": ["audit.read"] }), 403),
        (json!({ "name": "a", "rights": ["everything"] }), 422),
        (json!({ "name": "a", "allow": ["192.0.2.7/24"] }), 422),
        (json!({ "name": "a", "expires": "2001-01-01" }), 422),
        (json!({ "name": "a", "streams": ["none"] }), 404),
        (json!({ "name": "a" }), 201),
    ] {
        let answer = with(to, &maker, line, &draft).await;
        assert_eq!(answer.status, status, "{draft}: {}", answer.body);
        if status == 422 {
            assert!(answer.json()["errors"][0]["field"].is_string(), "{}", answer.body);
        }
    }
    // One that is bound to a stream makes none that is not.
    let rights = vec![Right::CredentialsWrite, Right::Send];
    let bound =
        CredentialDraft { streams: vec![house.stream.id], rights, ..CredentialDraft::named("b") };
    let bound = house.program(bound).await;
    assert_eq!(with(to, &bound, line, &json!({ "name": "c" })).await.status, 403);
    let draft = json!({ "name": "c", "stream": "news" });
    let made = with(to, &bound, line, &draft).await.json();
    assert_eq!(made["streams"], json!(["news"]));
    let token = made["token"].as_str().expect("a token");
    assert_eq!(with(to, token, line, &draft).await.status, 403);
}

#[tokio::test]
async fn a_credential_gives_nobody_more_than_it_has() {
    let house = House::build().await;
    let to = house.public().await;
    let rights =
        vec![Right::CredentialsWrite, Right::MembersWrite, Right::AccountWrite, Right::Send];
    let here = vec!["127.0.0.0/8".parse().expect("a network")];
    let end = Timestamp(4_102_444_800_000);
    let draft = CredentialDraft {
        rights,
        networks: here,
        expires: Some(end),
        ..CredentialDraft::named("m")
    };
    let maker = house.program(draft).await;
    let line = "POST /api/v1/accounts/acme/credentials";
    let made =
        with(to, &maker, line, &json!({ "name": "a", "expires": "2199-01-01" })).await.json();
    assert_eq!(made["expires"], json!(end.to_string()));
    assert_eq!(made["allow"], json!(["127.0.0.0/8"]));
    for (networks, status) in [(["127.0.0.1/32"], 201), (["0.0.0.0/0"], 403)] {
        let draft = json!({ "name": "b", "allow": networks });
        let answer = with(to, &maker, line, &draft).await;
        assert_eq!(answer.status, status, "{draft}: {}", answer.body);
    }
    let line = "POST /api/v1/accounts/acme/members";
    for role in ["admin", "viewer"] {
        let draft = json!({ "address": "eve@mail.example", "role": role });
        assert_eq!(with(to, &maker, line, &draft).await.status, 403, "{role}");
    }
    let zone = json!({ "zone": "Asia/Tokyo" });
    assert_eq!(with(to, &maker, "PATCH /api/v1/accounts/acme", &zone).await.status, 403);
}

#[tokio::test]
async fn a_credential_ends_and_may_be_used_from_its_networks_alone() {
    let mut house = House::build().await;
    house.settle(|_| ());
    let to = house.public().await;
    let rights = vec![Right::StreamsRead, Right::Send];
    let draft =
        |name: &str| CredentialDraft { rights: rights.clone(), ..CredentialDraft::named(name) };
    let ended = CredentialDraft { expires: Some(Timestamp(1)), ..draft("ended") };
    let elsewhere = vec!["192.0.2.0/24".parse().expect("a network")];
    let elsewhere = CredentialDraft { networks: elsewhere, ..draft("elsewhere") };
    let here = vec!["127.0.0.0/8".parse().expect("a network")];
    let here = CredentialDraft { networks: here, ..draft("here") };
    for (draft, status) in [(ended, 401), (elsewhere, 401), (here, 200)] {
        let name = draft.name.clone();
        let token = house.program(draft).await;
        assert_eq!(with(to, &token, STREAMS, &Value::Null).await.status, status, "{name}");
        // SMTP lets in whom the API lets in.
        let (_, password) = crate::accounts::parted(&token).expect("two parts");
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let login = house.parts.accounts.authenticate(&name, password.as_bytes(), from);
        assert_eq!(login.expect("store").is_some(), status == 200, "{name}");
    }
    let listed = house.parts.accounts.credentials(house.stream.account).expect("credentials");
    for credential in &listed {
        let used = house.parts.accounts.last_use(credential).expect("store");
        assert_eq!(used.is_some(), credential.name == "here", "{}", credential.name);
    }
    house.parts.accounts.save_uses().await.expect("written");
    let again = Accounts::new(house.parts.store.clone(), World::real());
    let used = |name: &str| {
        let found = listed.iter().find(|credential| credential.name == name).expect("it is there");
        again.last_use(found).expect("store")
    };
    assert_eq!(used("here").and_then(|last| last.from), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    assert_eq!(used("ended"), None);
}

#[tokio::test]
async fn who_asks_too_much_waits_and_is_told_how_long() {
    let mut house = House::build().await;
    house.settle(|config| {
        config.api.requests_per_minute_max = 2;
        config.api.requests_per_minute_per_address_max = 5;
    });
    let to = house.public().await;
    let token = house.with_rights("app", &[Right::StreamsRead]).await;
    let first = with(to, &token, STREAMS, &Value::Null).await;
    assert!(first.head.contains("ratelimit: \"credential\";r=1;t=30"), "{}", first.head);
    assert!(first.head.contains("ratelimit-policy: \"credential\";q=2;w=60"), "{}", first.head);
    assert_eq!(with(to, &token, STREAMS, &Value::Null).await.status, 200);
    let full = with(to, &token, STREAMS, &Value::Null).await;
    assert_eq!((full.status, &full.json()["status"]), (429, &json!(429)));
    assert!(full.head.contains("retry-after: "), "{}", full.head);
    // Another credential from the same address fares better until the address has asked too much.
    let other = house.with_rights("other", &[Right::StreamsRead]).await;
    let statuses = [
        with(to, &other, STREAMS, &Value::Null).await.status,
        with(to, &other, STREAMS, &Value::Null).await.status,
        with(to, &other, STREAMS, &Value::Null).await.status,
    ];
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn a_credential_of_a_stream_reaches_no_other() {
    let house = House::build().await;
    let to = house.public().await;
    let draft = StreamDraft::named("bills", StreamKind::Marketing);
    house.parts.accounts.add_stream(house.stream.account, draft).await.expect("a stream");
    let bound = CredentialDraft {
        streams: vec![house.stream.id],
        rights: all(),
        ..CredentialDraft::named("b")
    };
    let token = house.program(bound).await;
    let names = with(to, &token, STREAMS, &Value::Null).await.json();
    assert_eq!(names["items"].as_array().map(Vec::len), Some(1));
    let grant = |stream: &str| json!({ "stream": stream, "recipient": "ann@example.com", "source": "form" });
    assert_eq!(with(to, &token, "POST /api/v1/consents", &grant("bills")).await.status, 404);
    assert_eq!(with(to, &token, "POST /api/v1/consents", &grant("news")).await.status, 200);
    let stop = json!({ "recipient": "ann@example.com" });
    assert_eq!(with(to, &token, "POST /api/v1/suppressions", &stop).await.status, 403);
    let stop = json!({ "stream": "news", "recipient": "ann@example.com" });
    assert_eq!(with(to, &token, "POST /api/v1/suppressions", &stop).await.status, 200);
    assert_eq!(house.stops(), [(Scope::Stream(house.stream.id), Reason::Manual, Source::Api)]);
}
