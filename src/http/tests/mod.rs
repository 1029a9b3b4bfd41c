//! The routes over real sockets, with a real store and spool in a temporary folder.

mod audit;
mod browser;
mod choices;
#[expect(unreachable_pub, reason = "the tests of the real binary use it too")]
#[path = "../../../tests/support/fits.rs"]
mod fits;
mod happenings;
mod looks;
mod members;
mod operator;
mod pages;
mod programs;
mod readers;
mod strangers;

use super::{Parts, Site, Vitals, admin, openapi, public, serve_tcp, serve_unix, table};
use crate::accounts::{Accounts, Stream, StreamDraft, StreamKind};
use crate::acme::Acme;
use crate::config::{Config, Live, Size, Span};
use crate::dns::{DnsFault, Resolver, Route};
use crate::events::message::{Accepted, Origin, Recipient, owner};
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::{AccountId, Address, Domain, MessageId, RecipientHash, ReversePath, Timestamp};
use crate::policy::{Policy, Subject, Token};
use crate::queue::Embedded;
use crate::spool::Spool;
use crate::store::{Record, Store, StoreFault, Table};
use crate::tls;
use crate::webhooks::{self, Webhooks};
use crate::world::{Own, World};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
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

/// Records that know nobody's address.
struct Nobody;

impl webhooks::Directory for Nobody {
    fn whom(&self, _: AccountId, _: RecipientHash) -> Result<webhooks::Whom, StoreFault> {
        Ok(webhooks::Whom::default())
    }
}

/// What no reader of installation keys can read.
#[derive(serde::Serialize, serde::Deserialize)]
struct Junk;

impl Record for Junk {
    const TABLE: Table = Table::Meta;
    const VERSION: u8 = 250;
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
        let (config, world) = (Live::new(config), World::real());
        let store = Store::open(folder.path(), &config.store, &world);
        let accounts = Accounts::new(store.clone(), world.clone());
        let policy = Policy::new(accounts.clone(), store.clone(), world.clone(), &config.queue);
        let age = config.retention.events.0;
        let spool = Spool::open(&folder.path().join("spool"), &config.spool, owner(age), &world);
        let (spool, _) = spool.expect("a spool");
        let vitals = Vitals::new(spool.clone(), store.clone(), world.clone(), &config.health);
        let zone = Arc::new(Zone(std::sync::Mutex::default()));
        let webhooks = Webhooks::new(webhooks::Parts {
            config: config.clone(),
            spool: spool.clone(),
            store: store.clone(),
            accounts: accounts.clone(),
            directory: Arc::new(Nobody),
            resolver: zone.clone(),
            tls: tls::Client::load(&config.tls).expect("authorities"),
            world: world.clone(),
            own: Own::default(),
        });
        let queue = Embedded::open(
            spool.clone(),
            policy.clone(),
            accounts.clone(),
            config.clone(),
            world.clone(),
        );
        let queue: Arc<dyn crate::queue::Queue> = queue.expect("a queue");
        let rights = crate::rights::Rights::new(
            config.clone(),
            (accounts.clone(), policy.clone()),
            queue.clone(),
            (spool.clone(), store.clone()),
        );
        let acme = accounts.add_account("acme").await.expect("account");
        let draft = StreamDraft {
            consent_required: Some(false),
            ..StreamDraft::named("news", StreamKind::Marketing)
        };
        let stream = accounts.add_stream(acme.id, draft).await.expect("stream");
        let tls = tls::Server::load(&config.tls, folder.path(), &config.hostname);
        let parts = Parts {
            tls: tls.expect("a certificate"),
            acme: Acme::none(),
            config,
            queue,
            rights,
            accounts,
            policy,
            resolver: zone.clone(),
            outgoing: Arc::new(super::outgoing::Nothing),
            reloading: Arc::new(super::reload::Still),
            spool,
            webhooks,
            store,
            vitals,
            metrics: crate::telemetry::metrics(),
            tracer: crate::telemetry::Tracer::new(1, 10),
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
        tokio::spawn(serve_tcp(
            listener,
            site,
            (CancellationToken::new(), CancellationToken::new()),
        ));
        address
    }

    fn admin(&self) -> std::path::PathBuf {
        let path = self.folder.path().join("admin.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        tokio::spawn(serve_unix(listener, admin(self.parts.clone()), CancellationToken::new()));
        path
    }

    /// Another stream of the account.
    async fn stream(&self, name: &str, kind: StreamKind) -> Stream {
        let draft = StreamDraft { consent_required: Some(false), ..StreamDraft::named(name, kind) };
        let made = self.parts.accounts.add_stream(self.stream.account, draft).await;
        made.expect("stream")
    }

    /// Damages the records on which every token rests.
    async fn damage(&self) {
        let put = self.parts.store.transact(|t| {
            t.put(b"installation keys", &Junk);
            Ok(Ok::<_, std::convert::Infallible>(()))
        });
        put.await.expect("store").expect("never fails");
    }

    fn stops(&self) -> Vec<(Scope, Reason, Source)> {
        let subject = Subject::Address(self.ann.clone());
        let view = self.parts.policy.view(self.stream.account, &subject).expect("view");
        let stops = view.suppressions.into_iter();
        stops.map(|stop| (stop.scope, stop.reason, stop.evidence.source)).collect()
    }

    /// Mail for Ann in the queue.
    async fn submit(&self) -> MessageId {
        self.submit_on(&self.stream).await
    }

    async fn submit_on(&self, stream: &Stream) -> MessageId {
        let hash = self.parts.accounts.hash(self.stream.account, &self.ann).expect("hash");
        let mut chance = [0; 6];
        self.parts.world.chance.fill(&mut chance);
        let draft = Accepted::new(
            MessageId::new(Timestamp(1), chance),
            Origin::Submission {
                account: self.stream.account,
                stream: stream.id,
                credential: "app".into(),
            },
            ReversePath::Null,
            vec![Recipient { address: self.ann.clone(), hash }],
            self.parts.world.clock.now(),
        );
        let mut body = self.parts.queue.body();
        body.write(b"Subject: news\r\n\r\nnews\r\n").await.expect("body");
        self.parts.queue.enqueue(draft, body).await.expect("accepted")
    }

    async fn queued(&self) -> u64 {
        self.parts.queue.summary().await.queued
    }
}

/// The description of every route, against which every answer is held.
static DESCRIBED: LazyLock<Value> =
    LazyLock::new(|| openapi::described(table::routes(&Config::default()).iter()));

async fn converse(mut io: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    io.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    io.read_to_string(&mut text).await.expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let mut asked = request.split(' ');
    let asked = (asked.next().unwrap_or_default(), asked.next().unwrap_or_default());
    let fits = fits::answer_fits(&DESCRIBED, asked, status, body);
    assert!(fits.is_ok(), "{}", fits.err().unwrap_or_default());
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

/// The same from a browser that speaks a language.
async fn browse(to: SocketAddr, line: &str, language: &str, body: &str) -> Answer {
    let fields = format!("Accept: text/html\r\nAccept-Language: {language}\r\nHost:");
    let text = request(line, FORM, body).replacen("Host:", &fields, 1);
    converse(TcpStream::connect(to).await.expect("connected"), &text).await
}

async fn api(path: &std::path::Path, line: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let io = UnixStream::connect(path).await.expect("connected");
    converse(io, &request(line, "application/json", &body)).await
}

#[test]
fn an_answer_that_is_not_as_it_is_described_is_seen() {
    let asked = ("GET", "/api/v1/problems/unfit");
    let heard =
        |status, body: &Value| fits::answer_fits(&DESCRIBED, asked, status, &body.to_string());
    let good = json!({ "type": "/api/v1/problems/unfit", "status": 422, "means": "it does not" });
    assert_eq!(heard(200, &good), Ok(()));
    assert!(heard(201, &good).is_err(), "the status is not described");
    for (field, value) in [("more", json!(1)), ("status", json!("422")), ("means", Value::Null)] {
        let mut bad = good.clone();
        bad[field] = value;
        assert!(heard(200, &bad).is_err(), "{bad}");
    }
    assert!(heard(200, &json!({ "type": "x", "status": 422 })).is_err(), "a field is missing");
}
