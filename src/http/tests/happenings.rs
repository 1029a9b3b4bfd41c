//! Messages, events and their followers; many stops at once; requests that are sent twice.

use super::programs::with;
use super::*;
use crate::accounts::Right;

/// A request with a token and one more field.
async fn with_field(to: SocketAddr, token: &str, field: &str, line: &str, body: &Value) -> Answer {
    let fields = format!("{field}\r\nAuthorization: Bearer {token}\r\nHost:");
    let text = request(line, "application/json", &body.to_string()).replacen("Host:", &fields, 1);
    converse(TcpStream::connect(to).await.expect("connected"), &text).await
}

const RIGHTS: &[Right] = &[
    Right::EventsRead,
    Right::MessagesRead,
    Right::SuppressionsWrite,
    Right::SuppressionsRead,
    Right::CredentialsWrite,
    Right::Send,
];

#[tokio::test]
async fn a_message_shows_its_whole_life() {
    let house = House::build().await;
    let to = house.public().await;
    let token = house.with_rights("app", RIGHTS).await;
    let id = house.submit().await;
    let shown = with(to, &token, &format!("GET /api/v1/messages/{id}"), &Value::Null).await.json();
    assert_eq!((&shown["stream"], &shown["credential"]), (&json!("news"), &json!("app")));
    assert_eq!(shown["recipients"][0]["state"], json!("queued"));
    let stop = json!({ "recipient": "ann@example.com" });
    assert_eq!(with(to, &token, "POST /api/v1/suppressions", &stop).await.status, 200);
    let shown = with(to, &token, &format!("GET /api/v1/messages/{id}"), &Value::Null).await.json();
    assert_eq!(shown["recipients"][0]["state"], json!("stopped"));
    let kinds: Vec<_> = shown["events"].as_array().expect("events").iter().collect();
    assert_eq!(
        kinds.iter().map(|event| &event["kind"]).collect::<Vec<_>>(),
        [&json!("message.accepted"), &json!("message.stopped")]
    );
    let listed = with(to, &token, "GET /api/v1/messages?stream=news", &Value::Null).await.json();
    assert_eq!(listed["items"][0]["message"], json!(id.to_string()));
    let none = with(to, &token, "GET /api/v1/messages/0", &Value::Null).await;
    assert_eq!(none.status, 404);
}

#[tokio::test]
async fn events_are_read_in_order_by_pages_and_by_what_they_are() {
    let house = House::build().await;
    let to = house.public().await;
    let token = house.with_rights("app", RIGHTS).await;
    house.submit().await;
    let stop = json!({ "recipient": "ann@example.com" });
    assert_eq!(with(to, &token, "POST /api/v1/suppressions", &stop).await.status, 200);
    let (mut kinds, mut after) = (Vec::new(), String::new());
    for _ in 0..10 {
        let line = format!("GET /api/v1/events?limit=1{after}");
        let page = with(to, &token, &line, &Value::Null).await.json();
        for event in page["items"].as_array().expect("items") {
            kinds.push(event["kind"].as_str().expect("a kind").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    kinds.sort();
    assert_eq!(kinds, ["message.accepted", "message.stopped", "recipient.suppressed"]);
    let line = "GET /api/v1/events?kind=recipient.suppressed&recipient=ann%40example.com";
    let page = with(to, &token, line, &Value::Null).await.json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["items"][0]["recipient"], json!("ann@example.com"));
    assert_eq!(page["items"][0]["source"], json!("api"));
    for (wrong, field) in
        [("kind=x", "kind"), ("limit=0", "limit"), ("after=x", "after"), ("nome=x", "nome")]
    {
        let refused = with(to, &token, &format!("GET /api/v1/events?{wrong}"), &Value::Null).await;
        let told = &refused.json()["errors"][0]["field"];
        assert_eq!((refused.status, told), (422, &json!(field)), "{}", refused.body);
    }
}

#[tokio::test]
async fn the_operator_alone_sees_events_of_every_account() {
    let house = House::build().await;
    let (to, socket) = (house.public().await, house.admin());
    let token = house.with_rights("app", RIGHTS).await;
    house.submit().await;
    for (account, person) in [("acme", "ann@example.com"), ("global", "bob@example.com")] {
        let stop = json!({ "account": account, "recipient": person });
        assert_eq!(api(&socket, "POST /api/v1/suppressions", &stop).await.status, 200);
    }
    let line = "GET /api/v1/events?kind=recipient.suppressed";
    let all = api(&socket, line, &Value::Null).await.json();
    assert_eq!(
        (&all["items"][0]["account"], &all["items"][1]["account"]),
        (&json!("acme"), &json!("global"))
    );
    let own = with(to, &token, line, &Value::Null).await.json();
    assert_eq!(own["items"].as_array().map(Vec::len), Some(1), "{own}");
    let global = with(to, &token, &format!("{line}&account=global"), &Value::Null).await;
    assert_eq!(global.status, 404, "{}", global.body);
    // Streams and people are an account's.
    for (more, field) in [("stream=news", "stream"), ("recipient=ann%40example.com", "recipient")] {
        let refused = api(&socket, &format!("{line}&{more}"), &Value::Null).await;
        let told = &refused.json()["errors"][0]["field"];
        assert_eq!((refused.status, told), (422, &json!(field)), "{}", refused.body);
    }
}

#[tokio::test]
async fn who_follows_hears_what_happens_and_what_happened_while_away() {
    let house = House::build().await;
    let to = house.public().await;
    let token = house.with_rights("app", RIGHTS).await;
    let follow = |last: &str| {
        let field = match last {
            "" => String::new(),
            last => format!("Last-Event-ID: {last}\r\n"),
        };
        let fields = format!("{field}Authorization: Bearer {token}\r\nHost:");
        request("GET /api/v1/events/follow", "text/plain", "").replacen("Host:", &fields, 1)
    };
    let mut io = TcpStream::connect(to).await.expect("connected");
    io.write_all(follow("").as_bytes()).await.expect("sent");
    let heard = until(&mut io, ": following").await;
    assert!(heard.contains("text/event-stream"), "{heard}");
    house.submit().await;
    let heard = until(&mut io, "\n\n").await + &until(&mut io, "event: message.accepted").await;
    let id = until(&mut io, "\n\n").await;
    drop(io);
    let id = format!("{heard}{id}");
    let id = id.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().expect("an id");
    house.submit().await;
    let mut io = TcpStream::connect(to).await.expect("connected");
    io.write_all(follow(id.trim()).as_bytes()).await.expect("sent");
    until(&mut io, "event: message.accepted").await;
    // A credential that is revoked follows no more.
    let removed = house.parts.accounts.remove_credential(house.stream.account, "app").await;
    removed.expect("removed");
    let mut rest = Vec::new();
    let ended = io.read_to_end(&mut rest);
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    ended.expect("the stream ends").expect("in good order");
}

/// Reads until something is heard.
async fn until(io: &mut TcpStream, wanted: &str) -> String {
    let mut heard = Vec::new();
    let reading = async {
        loop {
            heard.push(io.read_u8().await.expect("more"));
            if heard.ends_with(wanted.as_bytes()) {
                return;
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
    read.expect("it is heard in time");
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test]
async fn a_batch_stops_each_and_says_what_became_of_it() {
    let house = House::build().await;
    let to = house.public().await;
    let token = house.with_rights("app", RIGHTS).await;
    house.submit().await;
    let rows = ["ann@example.com", "nobody", "@lists.example", "ANN@EXAMPLE.COM"];
    let body = json!({ "recipients": rows, "text": "asked by phone" });
    let done = with(to, &token, "POST /api/v1/suppressions/batch", &body).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let done = done.json();
    let results: Vec<_> = done["items"].as_array().expect("items").iter().collect();
    let results: Vec<_> =
        results.iter().map(|row| row["result"].as_str().expect("a word")).collect();
    assert_eq!(results, ["stopped", "refused", "stopped", "already"]);
    assert_eq!((&done["stopped"], &done["refused"]), (&json!(2), &json!(1)));
    assert_eq!(house.queued().await, 0, "queued mail is stopped too");
    let body =
        json!({ "recipients": ["x@lists.example", "bob@example.com", "ann@example.com", "?"] });
    let found = with(to, &token, "POST /api/v1/suppressions/lookup", &body).await.json();
    let results: Vec<_> = found["items"].as_array().expect("items").iter().collect();
    let results: Vec<_> =
        results.iter().map(|row| row["result"].as_str().expect("a word")).collect();
    assert_eq!(results, ["stopped", "free", "stopped", "refused"]);
    let many: Vec<_> = (0..=10_000).map(|_| "a@b.c").collect();
    let body = json!({ "recipients": many });
    let mut wide = house;
    let mut config = (*wide.parts.config).clone();
    config.http.body_size_max = Size(1 << 20);
    wide.parts.config = config.into();
    let to = wide.public().await;
    let refused = with(to, &token, "POST /api/v1/suppressions/batch", &body).await;
    assert_eq!(refused.status, 413, "{}", refused.body);
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once_and_answered_the_same() {
    let house = House::build().await;
    let to = house.public().await;
    let token = house.with_rights("app", RIGHTS).await;
    let line = "POST /api/v1/suppressions";
    let stop = json!({ "recipient": "ann@example.com" });
    let first = with_field(to, &token, "Idempotency-Key: \"k1\"", line, &stop).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let again = with_field(to, &token, "Idempotency-Key: k1", line, &stop).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert!(again.head.contains("idempotent-replayed: true"), "{}", again.head);
    let other = json!({ "recipient": "bob@example.com" });
    let refused = with_field(to, &token, "Idempotency-Key: k1", line, &other).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("key-reused"), "{}", refused.body);
    let wrong = with_field(to, &token, "Idempotency-Key: \u{7f}", line, &other).await;
    assert_eq!(wrong.status, 400);
    // A secret is shown once: the credential is made once, and its secret is not kept to be shown again.
    let line = "POST /api/v1/accounts/acme/credentials";
    let made = with_field(to, &token, "Idempotency-Key: k2", line, &json!({ "name": "new" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let again =
        with_field(to, &token, "Idempotency-Key: k2", line, &json!({ "name": "new" })).await;
    assert_eq!(again.status, 409);
    assert!(again.body.contains("answer-not-kept"), "{}", again.body);
    assert_eq!(house.parts.accounts.credentials(house.stream.account).expect("store").len(), 2);
}
