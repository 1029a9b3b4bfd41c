//! The routes over real sockets, with a real store and spool in a temporary folder.

use super::{Parts, Site, admin, public, serve_tcp, serve_unix};
use crate::accounts::{Accounts, Stream, StreamDraft, StreamKind};
use crate::config::{Config, Size, Span};
use crate::dns::{DnsFault, Resolver, Route};
use crate::events::message::{Accepted, Origin, Recipient};
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::{Address, Domain, MessageId, ReversePath, Timestamp};
use crate::policy::{Policy, Subject, Token};
use crate::queue::Embedded;
use crate::spool::{Body, Spool};
use crate::store::Store;
use crate::world::World;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// A resolver that finds every TXT record it was told of.
struct Zone(std::sync::Mutex<Vec<(String, String)>>);

#[async_trait]
impl Resolver for Zone {
    async fn route(&self, _: &Domain) -> Result<Route, DnsFault> {
        Ok(Route::NoSuchDomain)
    }
    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, DnsFault> {
        Ok(Vec::new())
    }
    async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFault> {
        let zone = self.0.lock().expect("no test panics while it writes");
        Ok(zone.iter().filter(|(owner, _)| owner == name).map(|(_, text)| text.clone()).collect())
    }
}

struct House {
    parts: Parts,
    zone: Arc<Zone>,
    stream: Stream,
    ann: Address,
    folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

impl House {
    async fn build() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config { hostname: "relay.example".into(), ..Config::default() };
        config.queue.permit_wait_max = Span(Duration::from_millis(1));
        config.spool.free_space_min = Size(0);
        config.http.body_size_max = Size(64 << 10);
        let (config, world) = (Arc::new(config), World::real());
        let store = Store::open(folder.path(), &config.store, &world);
        let accounts = Accounts::new(store.clone(), world.clone());
        let policy = Policy::new(accounts.clone(), store.clone(), world.clone(), &config.queue);
        let age = config.retention.events.0;
        let spool = Spool::open(&folder.path().join("spool"), &config.spool, age, &world);
        let (spool, _) = spool.expect("a spool");
        let queue =
            Embedded::open(spool, policy.clone(), accounts.clone(), config.clone(), world.clone());
        let acme = accounts.add_account("acme").await.expect("account");
        let draft = StreamDraft {
            name: "news".into(),
            kind: StreamKind::Marketing,
            consent_required: Some(false),
            honour_opt_out: false,
            reply_to: None,
        };
        let stream = accounts.add_stream(acme.id, draft).await.expect("stream");
        let zone = Arc::new(Zone(std::sync::Mutex::default()));
        let parts = Parts {
            config,
            queue: queue.expect("a queue"),
            accounts,
            policy,
            resolver: zone.clone(),
            store,
            metrics: crate::telemetry::metrics(),
            world,
            ready: Arc::new(AtomicBool::new(true)),
        };
        let ann = Address::parse("ann@example.com").expect("address");
        Self { parts, zone, stream, ann, folder }
    }

    fn token(&self) -> String {
        let recipient = self.parts.accounts.hash(self.stream.account, &self.ann).expect("hash");
        let token = Token::Unsubscribe { stream: self.stream.id, recipient };
        self.parts.policy.seal(&token).expect("token")
    }

    async fn public(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let site: Site = public(self.parts.clone());
        tokio::spawn(serve_tcp(listener, site, CancellationToken::new()));
        address
    }

    fn admin(&self) -> std::path::PathBuf {
        let path = self.folder.path().join("admin.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        tokio::spawn(serve_unix(listener, admin(self.parts.clone()), CancellationToken::new()));
        path
    }

    fn stops(&self) -> Vec<(Scope, Reason, Source)> {
        let subject = Subject::Address(self.ann.clone());
        let view = self.parts.policy.view(self.stream.account, &subject).expect("view");
        let stops = view.suppressions.into_iter();
        stops.map(|stop| (stop.scope, stop.reason, stop.evidence.source)).collect()
    }

    /// Mail for Ann in the queue.
    async fn submit(&self) -> MessageId {
        let hash = self.parts.accounts.hash(self.stream.account, &self.ann).expect("hash");
        let mut chance = [0; 6];
        self.parts.world.chance.fill(&mut chance);
        let draft = Accepted {
            id: MessageId::new(Timestamp(1), chance),
            origin: Origin::Submission {
                account: self.stream.account,
                stream: self.stream.id,
                credential: "app".into(),
            },
            sender: ReversePath::Null,
            recipients: vec![Recipient { address: self.ann.clone(), hash }],
            body: Body::default(),
            at: self.parts.world.clock.now(),
            from: None,
            smtputf8: false,
            eight_bit: false,
        };
        let mut body = self.parts.queue.body();
        body.write(b"Subject: news\r\n\r\nnews\r\n").await.expect("body");
        self.parts.queue.enqueue(draft, body).await.expect("accepted")
    }

    async fn queued(&self) -> u64 {
        self.parts.queue.summary().await.queued
    }
}

async fn converse(mut io: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    io.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    io.read_to_string(&mut text).await.expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn request(line: &str, kind: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nHost: relay.example\r\nConnection: close\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const FORM: &str = "application/x-www-form-urlencoded";

async fn ask(to: SocketAddr, line: &str, body: &str) -> Answer {
    let io = TcpStream::connect(to).await.expect("connected");
    converse(io, &request(line, FORM, body)).await
}

async fn api(path: &std::path::Path, line: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let io = UnixStream::connect(path).await.expect("connected");
    converse(io, &request(line, "application/json", &body)).await
}

#[tokio::test]
async fn looking_at_the_page_changes_nothing() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<form method=\"post\">") && page.body.contains("news"));
    assert!(!page.body.contains("ann@example.com") && !page.body.contains("<script"));
    for expected in [
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "cache-control: no-store",
        "x-robots-tag: noindex",
        "referrer-policy: no-referrer",
    ] {
        assert!(page.head.contains(expected), "{}", page.head);
    }
    assert!(!page.head.contains("set-cookie"));
    assert_eq!(ask(to, &format!("HEAD /u/{token}"), "").await.status, 200);
    assert_eq!(ask(to, &format!("OPTIONS /u/{token}"), "").await.status, 405);
    assert_eq!(ask(to, &format!("PUT /u/{token}"), "choice=stream").await.status, 405);
    assert_eq!(house.stops(), []);
}

#[tokio::test]
async fn one_click_stops_the_stream_and_its_queued_mail() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    house.submit().await;
    assert_eq!(house.queued().await, 1);
    let line = format!("POST /u/{}", token.to_uppercase());
    let done = ask(to, &line, "List-Unsubscribe=One-Click").await;
    assert_eq!((done.status, done.body.as_str()), (200, "unsubscribed\n"));
    let expected = [(Scope::Stream(house.stream.id), Reason::OptOut, Source::OneClick)];
    assert_eq!(house.stops(), expected);
    assert_eq!(house.queued().await, 0);
    //= https://www.rfc-editor.org/rfc/rfc8058#section-3.1
    //= type=test
    //# The POST content SHOULD be sent as multipart/form-data
    let body = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\
                \r\n--b--\r\n";
    let io = TcpStream::connect(to).await.expect("connected");
    let again = converse(io, &request(&line, "multipart/form-data; boundary=b", body)).await;
    assert_eq!(again.status, 200);
    assert_eq!(house.stops(), expected);
}

#[tokio::test]
async fn a_removed_streams_token_stops_the_account() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let removed = house.parts.accounts.remove_stream(house.stream.account, "news").await;
    removed.expect("removed");
    let line = format!("POST /u/{token}");
    assert_eq!(ask(to, &line, "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(house.stops(), [(Scope::Account, Reason::OptOut, Source::OneClick)]);
}

#[tokio::test]
async fn the_page_stops_everything_and_undoes_it_once() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let line = format!("POST /u/{token}");
    let done = ask(to, &line, "choice=account").await;
    assert_eq!(done.status, 200);
    assert_eq!(house.stops(), [(Scope::Account, Reason::OptOut, Source::Page)]);
    let undo = done.body.split("name=\"undo\" value=\"").nth(1).expect("a way back");
    let undo = undo.split('"').next().expect("quoted");
    let form = format!("choice=undo&undo={undo}");
    assert_eq!(ask(to, &line, &form).await.status, 200);
    assert_eq!(house.stops(), []);
    assert_eq!(ask(to, &line, &form).await.status, 410);
    assert_eq!(ask(to, &line, "choice=undo&undo=forged").await.status, 410);
    let event = Token::Undo { event: 1, until: Timestamp(1) };
    let late = house.parts.policy.seal(&event).expect("token");
    assert_eq!(ask(to, &line, &format!("choice=undo&undo={late}")).await.status, 410);
}

#[tokio::test]
async fn forged_tokens_and_malformed_forms_change_nothing() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let hash = house.parts.accounts.hash(house.stream.account, &house.ann).expect("hash");
    let reply = Token::Reply { stream: house.stream.id, recipient: hash };
    let reply = house.parts.policy.seal(&reply).expect("token");
    let mut forged = token.clone();
    forged.replace_range(9..10, if token[9..].starts_with('a') { "b" } else { "a" });
    for wrong in [forged.as_str(), reply.as_str(), "u-", "x", "%FF"] {
        let line = format!("POST /u/{wrong}");
        let status = ask(to, &line, "List-Unsubscribe=One-Click").await.status;
        assert!(status == 404 || (wrong == "%FF" && status == 400), "{wrong}: {status}");
    }
    let line = format!("POST /u/{token}");
    for form in ["", "List-Unsubscribe=No", "choice=everything", "%"] {
        assert_eq!(ask(to, &line, form).await.status, 400, "{form:?}");
    }
    let long = format!("List-Unsubscribe=One-Click&x={}", "x".repeat(70 << 10));
    assert_eq!(ask(to, &line, &long).await.status, 413);
    assert_eq!(house.stops(), []);
}

#[tokio::test]
async fn a_dot_in_flight_is_said_aloud() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let permit = house.parts.policy.permit(&house.stream, &house.ann).expect("store");
    let done = ask(to, &format!("POST /u/{token}"), "List-Unsubscribe=One-Click").await;
    assert_eq!(done.status, 202);
    assert!(done.body.contains("one message may still arrive"));
    drop(permit);
    let done = ask(to, &format!("POST /u/{token}"), "List-Unsubscribe=One-Click").await;
    assert_eq!(done.status, 200);
}

#[tokio::test]
async fn a_store_that_is_gone_acknowledges_nothing() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let socket = house.admin();
    house.parts.store.close().await;
    let done = ask(to, &format!("POST /u/{token}"), "List-Unsubscribe=One-Click").await;
    assert_eq!(done.status, 503);
    let done = api(&socket, "POST /api/v1/accounts", &json!({ "name": "other" })).await;
    assert_eq!(done.status, 503);
    assert!(done.head.contains("application/problem+json"));
}

#[tokio::test]
async fn health_says_whether_mail_is_taken() {
    let house = House::build().await;
    let to = house.public().await;
    assert_eq!(ask(to, "GET /livez", "").await.status, 200);
    assert_eq!(ask(to, "GET /readyz", "").await.status, 200);
    house.parts.ready.store(false, Ordering::Release);
    assert_eq!(ask(to, "GET /readyz", "").await.status, 503);
    let figures = ask(to, "GET /metrics", "").await;
    assert!(figures.body.contains("relent_queue_recipients{state=\"queued\"}"), "{}", figures.body);
    assert!(figures.body.ends_with("# EOF\n") && figures.head.contains("text/plain"));
    assert_eq!(ask(to, "GET /api/v1/accounts", "").await.status, 404);
}

#[tokio::test]
async fn the_operator_sets_up_an_account() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    let made = api(&socket, "POST /api/v1/accounts", &json!({ "name": "shop" })).await;
    assert_eq!((made.status, made.json()["name"].as_str()), (201, Some("shop")));
    assert_eq!(api(&socket, "POST /api/v1/accounts", &json!({ "name": "shop" })).await.status, 409);
    let all = api(&socket, "GET /api/v1/accounts", &none).await.json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(api(&socket, "GET /api/v1/accounts/nobody", &none).await.status, 404);

    let draft = json!({ "name": "bills", "kind": "transactional", "reply_to": "a@shop.example" });
    let made = api(&socket, "POST /api/v1/accounts/shop/streams", &draft).await;
    assert_eq!(made.json()["consent_required"], json!(false));
    let wrong = json!({ "name": "x", "kind": "marketing", "reply_to": "nobody" });
    let refused = api(&socket, "POST /api/v1/accounts/shop/streams", &wrong).await;
    assert_eq!((refused.status, refused.json()["status"].as_u64()), (422, Some(422)));
    let shown = api(&socket, "GET /api/v1/accounts/shop/streams/bills", &none).await.json();
    assert_eq!(shown["reply_to"], json!("a@shop.example"));

    let draft = json!({ "name": "app", "stream": "bills", "refuse": "silently" });
    let made = api(&socket, "POST /api/v1/accounts/shop/credentials", &draft).await.json();
    assert_eq!(made["streams"], json!(["bills"]));
    let password = made["password"].as_str().expect("a password");
    let login = house.parts.accounts.authenticate("app", password.as_bytes()).expect("store");
    assert!(login.is_some());
    let listed = api(&socket, "GET /api/v1/accounts/shop/credentials", &none).await;
    assert!(!listed.body.contains(password) && listed.body.contains("silently"));
    let gone = api(&socket, "DELETE /api/v1/accounts/shop/credentials/app", &none).await;
    assert_eq!(gone.status, 200);
    let gone = api(&socket, "DELETE /api/v1/accounts/shop/streams/bills", &none).await;
    assert_eq!(gone.status, 200);
    assert_eq!(api(&socket, "POST /api/v1/accounts", &json!({ "nome": "x" })).await.status, 422);
}

#[tokio::test]
async fn a_domain_is_verified_when_its_records_are_found() {
    let house = House::build().await;
    let socket = house.admin();
    let draft = json!({ "name": "Acme.Example", "trust": false, "dkim": "ed25519" });
    let made = api(&socket, "POST /api/v1/accounts/acme/domains", &draft).await;
    assert_eq!(made.status, 201);
    let records = made.json()["records"].as_array().cloned().expect("records");
    assert!(records.len() >= 2);
    let verify = "POST /api/v1/accounts/acme/domains/acme.example/verify";
    let checked = api(&socket, verify, &Value::Null).await.json();
    assert_eq!(
        (&checked["verified"], &checked["records"][0]["found"]),
        (&json!(false), &json!(false))
    );
    for record in &records {
        let text = |key: &str| record[key].as_str().expect("text").to_owned();
        let mut zone = house.zone.0.lock().expect("no panic");
        zone.push((text("name"), text("value")));
    }
    let checked = api(&socket, verify, &Value::Null).await.json();
    assert_eq!(checked["verified"], json!(true));
    let path = "/api/v1/accounts/acme/domains/acme.example";
    let shown = api(&socket, &format!("GET {path}"), &Value::Null).await.json();
    assert_eq!(shown["verified"], json!(true));
    assert_eq!(api(&socket, &format!("DELETE {path}"), &Value::Null).await.status, 200);
    assert_eq!(api(&socket, &format!("GET {path}"), &Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_stop_by_hand_is_explained_and_lifted() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    house.submit().await;
    let stop = json!({ "account": "acme", "recipient": "ann@example.com", "text": "by phone" });
    let done = api(&socket, "POST /api/v1/suppressions", &stop).await;
    assert_eq!((done.status, &done.json()["settled"]), (200, &json!(true)));
    assert_eq!(house.queued().await, 0);
    let explain = "GET /api/v1/explain?account=acme&stream=news&recipient=ann%40example.com";
    let why = api(&socket, explain, &none).await.json();
    assert_eq!((&why["verdict"], &why["code"]), (&json!("refuse"), &json!(550)));
    assert_eq!(why["suppressions"][0]["reason"], json!("manual"));
    assert_eq!(why["suppressions"][0]["text"], json!("by phone"));
    assert_eq!(why["records"][0]["change"], json!("suppressed"));
    let outcomes: Vec<_> = why["messages"].as_array().expect("messages").iter().collect();
    assert_eq!(outcomes.last().map(|message| &message["outcome"]), Some(&json!("stopped")));

    let list = api(&socket, "GET /api/v1/suppressions?account=acme&limit=1", &none).await.json();
    assert_eq!(list["items"][0]["recipient"], json!("ann@example.com"));
    let next = list["next"].as_str().expect("a cursor");
    let rest = format!("GET /api/v1/suppressions?account=acme&after={next}");
    assert_eq!(api(&socket, &rest, &none).await.json(), json!({ "items": [], "next": null }));
    let one = "GET /api/v1/suppressions?account=acme&recipient=bob%40example.com";
    assert_eq!(api(&socket, one, &none).await.status, 404);

    let lift = json!({ "account": "acme", "recipient": "ann@example.com", "reason": "manual" });
    assert_eq!(api(&socket, "DELETE /api/v1/suppressions", &lift).await.status, 200);
    assert_eq!(api(&socket, "DELETE /api/v1/suppressions", &lift).await.status, 404);
    let why = api(&socket, explain, &none).await.json();
    assert_eq!((&why["verdict"], &why["code"]), (&json!("accept"), &json!(250)));
}

#[tokio::test]
async fn a_global_stop_of_a_domain_binds_everybody_there() {
    let house = House::build().await;
    let socket = house.admin();
    house.submit().await;
    let stop = json!({ "account": "global", "recipient": "@example.com" });
    assert_eq!(api(&socket, "POST /api/v1/suppressions", &stop).await.status, 200);
    assert_eq!(house.queued().await, 0);
    let one = "GET /api/v1/suppressions?account=global&recipient=ann%40example.com";
    let shown = api(&socket, one, &Value::Null).await.json();
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["items"][0]["scope"], json!("global"));
    let wrong = json!({ "account": "global", "stream": "news", "recipient": "a@b.example" });
    assert_eq!(api(&socket, "POST /api/v1/suppressions", &wrong).await.status, 422);
}

#[tokio::test]
async fn consent_is_recorded_shown_and_withdrawn() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    let draft = json!({ "name": "offers", "kind": "marketing" });
    api(&socket, "POST /api/v1/accounts/acme/streams", &draft).await;
    let explain = "GET /api/v1/explain?account=acme&stream=offers&recipient=ann%40example.com";
    assert_eq!(api(&socket, explain, &none).await.json()["verdict"], json!("refuse"));
    let show = "GET /api/v1/consents?account=acme&stream=offers&recipient=ann%40example.com";
    assert_eq!(api(&socket, show, &none).await.status, 404);
    let grant = json!({
        "account": "acme", "stream": "offers", "recipient": "ann@example.com",
        "source": "signup form", "at": "2026-01-02", "ip": "192.0.2.7",
    });
    assert_eq!(api(&socket, "POST /api/v1/consents", &grant).await.status, 200);
    let shown = api(&socket, show, &none).await.json();
    assert_eq!(shown["items"][0]["state"], json!("granted"));
    assert_eq!(shown["items"][0]["at"], json!("2026-01-02T00:00:00Z"));
    assert_eq!(shown["items"][0]["text"], json!("signup form"));
    assert_eq!(api(&socket, explain, &none).await.json()["verdict"], json!("accept"));
    let end = json!({
        "account": "acme", "stream": "offers", "recipient": "ann@example.com", "source": "phone",
    });
    assert_eq!(api(&socket, "DELETE /api/v1/consents", &end).await.status, 200);
    assert_eq!(api(&socket, explain, &none).await.json()["verdict"], json!("refuse"));
    for (key, value) in [("at", "yesterday"), ("at", "2999-01-01"), ("ip", "here"), ("source", "")]
    {
        let mut wrong = grant.clone();
        wrong[key] = json!(value);
        assert_eq!(api(&socket, "POST /api/v1/consents", &wrong).await.status, 422, "{key}");
    }
}

#[tokio::test]
async fn the_operator_works_the_queue() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    let id = house.submit().await.to_string();
    let list = api(&socket, "GET /api/v1/queue", &none).await.json();
    assert_eq!(list["items"][0]["message"], json!(id));
    let by = |body: &Value, verb: &str| {
        let (line, body) = (format!("POST /api/v1/queue/{verb}"), body.clone());
        let socket = socket.clone();
        async move { api(&socket, &line, &body).await }
    };
    let one = json!({ "message": id });
    assert_eq!(by(&one, "hold").await.json(), json!({ "count": 1 }));
    let summary = api(&socket, "GET /api/v1/queue/summary", &none).await.json();
    assert_eq!(summary["held"], json!(1));
    assert_eq!(
        by(&json!({ "account": "acme", "stream": "news" }), "release").await.json()["count"],
        json!(1)
    );
    assert_eq!(by(&json!({ "all": true }), "retry").await.json()["count"], json!(1));
    assert_eq!(by(&json!({}), "cancel").await.status, 422);
    assert_eq!(by(&json!({ "domain": "example.com", "message": id }), "cancel").await.status, 422);
    assert_eq!(by(&json!({ "all": true }), "burn").await.status, 404);
    let person = json!({ "account": "acme", "address": "ann@example.com" });
    assert_eq!(by(&person, "cancel").await.json()["count"], json!(1));
    assert_eq!(house.queued().await, 0);
}

#[tokio::test]
async fn a_person_behind_our_proxy_is_named() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let form = "List-Unsubscribe=One-Click";
    let text = request(&format!("POST /u/{token}"), FORM, form).replacen(
        "Host:",
        "X-Forwarded-For: 198.51.100.1, 192.0.2.9\r\nHost:",
        1,
    );
    converse(TcpStream::connect(to).await.expect("connected"), &text).await;
    let subject = Subject::Address(house.ann.clone());
    let view = house.parts.policy.view(house.stream.account, &subject).expect("view");
    let found: Vec<Evidence> = view.suppressions.into_iter().map(|s| s.evidence).collect();
    assert_eq!(found[0].ip.as_deref(), Some("192.0.2.9"));
}
