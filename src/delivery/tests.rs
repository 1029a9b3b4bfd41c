//! Mail from the queue to a scripted mail server over loopback.

use super::pool::Place;
use super::slots::Server;
use super::sources::PoolNumber;
use super::{Delivery, Parts};
use crate::accounts::{Accounts, StreamDraft, StreamKind};
use crate::config::{Config, Live, Shaping};
use crate::dns::{DnsFault, MailHost, Resolver, Route};
use crate::events::message::{Accepted, Origin, Recipient, owner};
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::{AccountId, Address, Domain, MessageId, ReversePath, StreamId, Timestamp};
use crate::policy::{Policy, Subject};
use crate::queue::{Embedded, Queue, Site};
use crate::spool::Spool;
use crate::store::Store;
use crate::world::{Clock, World};
use async_trait::async_trait;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::oneshot::error::TryRecvError;
use tokio_util::sync::CancellationToken;

mod fallback;
mod hosts;
mod reports;
mod timeouts;

/// Everything is at loopback.
struct Here;

#[async_trait]
impl Resolver for Here {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        Ok(Route::Hosts(vec![MailHost { preference: 0, name: "mx.example".into() }]))
    }
    async fn addresses(&self, _host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
    async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
        Ok(Vec::new())
    }
}

struct House {
    _folder: tempfile::TempDir,
    policy: Policy,
    queue: Arc<Embedded>,
    delivery: Arc<Delivery>,
    account: AccountId,
    stream: StreamId,
    heard: mpsc::UnboundedReceiver<String>,
}

/// A house whose mail goes to a server that follows `script`.
async fn house(script: Arc<Script>) -> House {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    house_at(server, Arc::new(Here), Vec::new(), script).await
}

/// A house whose mail goes where the resolver says, to the port of this server, and that itself listens
/// at `own`.
async fn house_at(
    server: TcpListener,
    resolver: Arc<dyn Resolver>,
    own: Vec<SocketAddr>,
    script: Arc<Script>,
) -> House {
    house_in(World::real(), server, resolver, own, script, |_| {}).await
}

/// The same in another world, and with other settings of delivery.
async fn house_in(
    world: World,
    server: TcpListener,
    resolver: Arc<dyn Resolver>,
    own: Vec<SocketAddr>,
    script: Arc<Script>,
    set: impl FnOnce(&mut crate::config::Delivery),
) -> House {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut world = world;
    if let Some(clock) = &script.clock {
        world.clock = clock.clone();
    }
    let mut config = Config { hostname: "relay.example".into(), ..Config::default() };
    config.delivery.port = server.local_addr().expect("bound").port();
    config.delivery.allow_private = true;
    set(&mut config.delivery);
    let config = Live::new(config);
    let store = Store::open(folder.path(), &config.store, &world);
    let accounts = Accounts::new(store.clone(), world.clone());
    accounts.make_keys().await.expect("keys");
    let policy = Policy::new(accounts.clone(), store.clone(), world.clone(), &config.queue);
    let account = accounts.add_account("acme").await.expect("account").id;
    let draft = StreamDraft {
        consent_required: Some(false),
        ..StreamDraft::named("news", StreamKind::Marketing)
    };
    let stream = accounts.add_stream(account, draft).await.expect("stream").id;
    let spool = folder.path().join("spool");
    let keep = config.retention.events.0;
    let (spool, _) = Spool::open(&spool, &config.spool, owner(keep), &world).expect("a spool");
    let (p, a, c) = (policy.clone(), accounts.clone(), config.clone());
    let queue = Embedded::open(spool, p, a, c, world.clone()).expect("a queue");
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(serve(server, tell, script));
    let delivery = Delivery::new(Parts {
        shaping: Shaping::none(&config.delivery),
        config,
        queue: queue.clone(),
        accounts,
        policy: policy.clone(),
        resolver,
        world,
        store,
        tls: crate::tls::Client::load(&Config::default().tls).expect("authorities"),
        own: own.into(),
        tracer: crate::telemetry::Tracer::new(0, 0),
    });
    House { _folder: folder, policy, queue, delivery, account, stream, heard }
}

/// What the scripted server does besides taking mail for everybody but `nobody@`.
#[derive(Default)]
struct Script {
    /// Another clock than the machine's.
    clock: Option<Arc<dyn Clock>>,
    /// Messages that may pass DATA.
    gate: Option<tokio::sync::Semaphore>,
    /// Offers STARTTLS, with this acceptor; without one it talks nonsense.
    tls: Option<Option<tokio_rustls::TlsAcceptor>>,
    /// Closes instead of answering the dot.
    mute: bool,
    /// Refuses MAIL and closes, in a pipeline with RCPT.
    refuses_sender: bool,
}

/// Serves, and tells every line it hears.
async fn serve(server: TcpListener, tell: mpsc::UnboundedSender<String>, script: Arc<Script>) {
    while let Ok((socket, _)) = server.accept().await {
        let (tell, script) = (tell.clone(), script.clone());
        tokio::spawn(async move {
            let mut stream = BufReader::new(socket);
            stream.write_all(b"220 mx\r\n").await.expect("greet");
            if talk(&mut stream, &tell, &script, false).await {
                match script.tls.clone().flatten() {
                    Some(acceptor) => {
                        let stream = acceptor.accept(stream.into_inner()).await;
                        let mut stream = BufReader::new(stream.expect("a handshake"));
                        let _ = tell.send("encrypted".into());
                        talk(&mut stream, &tell, &script, true).await;
                    }
                    None => {
                        let _ = stream.write_all(b"this is no handshake\r\n").await;
                    }
                }
            }
            let _ = tell.send("closed".into());
        });
    }
}

/// Talks until the end, or until STARTTLS: true.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    tell: &mpsc::UnboundedSender<String>,
    script: &Script,
    encrypted: bool,
) -> bool {
    let mut data = false;
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
        let heard = std::mem::take(&mut line).trim_end().to_owned();
        let answer = match heard.as_str() {
            "." if data && script.mute => {
                let _ = tell.send(heard);
                return false;
            }
            "." if data => {
                data = false;
                "250 2.0.0 taken\r\n"
            }
            _ if data => "",
            "DATA" => {
                data = true;
                if let Some(gate) = &script.gate {
                    gate.acquire().await.expect("open").forget();
                }
                "354 go\r\n"
            }
            mail if mail.starts_with("MAIL") && script.refuses_sender => {
                let _ = stream.write_all(b"550 5.7.1 not from you\r\n").await;
                return false;
            }
            "STARTTLS" => {
                let _ = stream.write_all(b"220 go\r\n").await;
                return true;
            }
            "QUIT" => "221 bye\r\n",
            hello if hello.starts_with("EHLO") && script.tls.is_some() && !encrypted => {
                "250-mx\r\n250 STARTTLS\r\n"
            }
            hello if hello.starts_with("EHLO") => "250-mx\r\n250-SIZE 0\r\n250 PIPELINING\r\n",
            rcpt if rcpt.contains("nobody@") => "550 5.1.1 no such person\r\n",
            _ => "250 2.0.0 ok\r\n",
        };
        let _ = tell.send(heard);
        let sent = stream.write_all(answer.as_bytes()).await;
        if sent.is_err() || stream.flush().await.is_err() {
            break;
        }
    }
    false
}

impl House {
    async fn accept(&self, local: &str) -> Address {
        let address = Address::new(local, "there.example").expect("an address");
        let mut body = self.queue.body();
        let text = b"From: a@acme.example\r\nSubject: hi\r\n\r\n.dot\r\n";
        body.write(text).await.expect("room");
        let draft = Accepted::new(
            MessageId([0; 12]),
            Origin::Submission {
                account: self.account,
                stream: self.stream,
                credential: "app".into(),
            },
            ReversePath::Null,
            vec![Recipient { hash: crate::mail::RecipientHash([7; 16]), address: address.clone() }],
            Timestamp(0),
        );
        self.queue.enqueue(draft, body).await.expect("accepted");
        address
    }

    async fn hear(&mut self, end: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let all = async {
            while let Some(line) = self.heard.recv().await {
                let last = line.starts_with(end);
                heard.push(line);
                if last {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(90), all).await;
        assert!(in_time.is_ok(), "waited for {end}, heard {heard:?}");
        heard
    }

    /// Waits until a connection is kept without work.
    async fn rests(&self) {
        let domain = Domain::parse("there.example").expect("a domain");
        let rests = async {
            while !self.queue.site(&domain).is_some_and(|site| self.delivery.pool.rests(&site)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), rests).await.expect("it is kept");
    }
}

#[tokio::test]
async fn mail_leaves_over_one_connection_refusals_in_between() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let keep = |delivery: &mut crate::config::Delivery| {
        delivery.connection_idle = "10m".parse().expect("a span");
    };
    let (world, resolver) = (World::real(), Arc::new(Here));
    let mut house = house_in(world, server, resolver, Vec::new(), Arc::default(), keep).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    house.accept("ann").await;
    let first = house.hear(".").await;
    assert!(first.iter().any(|line| line == "..dot"), "{first:?}");
    assert!(first[1].starts_with("MAIL FROM:<b-"), "{first:?}");
    assert!(first.iter().any(|line| line.starts_with("List-Unsubscribe: <mailto:u-")));
    house.accept("nobody").await;
    house.hear("RCPT TO:<nobody@").await;
    house.hear("RSET").await;
    // What comes before the refusal is recorded may go by a connection of its own.
    house.rests().await;
    house.accept("bob").await;
    let third = house.hear("RCPT TO:<bob@").await;
    assert!(!third.iter().any(|line| line.starts_with("EHLO")), "{third:?}");
    house.hear(".").await;
    stop.cancel();
    running.await.expect("ends");
    assert_eq!(house.queue.summary().await.queued, 0);
}

#[tokio::test]
async fn a_person_who_stops_while_the_message_is_on_its_way_gets_no_dot() {
    let script =
        Arc::new(Script { gate: Some(tokio::sync::Semaphore::new(0)), ..Script::default() });
    let mut house = house(script.clone()).await;
    let address = house.accept("ann").await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    house.hear("RCPT").await;
    let evidence =
        Evidence { source: Source::OneClick, text: String::new(), ip: None, message: None };
    let scope = Scope::Stream(house.stream);
    let subject = Subject::Address(address);
    let (account, reason) = (house.account, Reason::OptOut);
    let settled = house.policy.suppress(account, subject, scope, reason, evidence).await;
    settled.expect("recorded");
    script.gate.as_ref().expect("a gate").add_permits(1);
    let heard = house.hear("closed").await;
    assert!(heard.iter().all(|line| line != "."), "{heard:?}");
    assert!(heard.iter().any(|line| line == "..dot"), "{heard:?}");
    stop.cancel();
    running.await.expect("ends");
}

#[tokio::test]
async fn mail_is_encrypted_where_the_server_can_and_sent_anyway_where_it_cannot() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tls = crate::tls::Server::load(&Config::default().tls, folder.path(), "mx.example");
    let acceptor = tls.expect("a certificate").acceptor();
    for acceptor in [Some(acceptor), None] {
        let works = acceptor.is_some();
        let script = Script { tls: Some(acceptor), ..Script::default() };
        let mut house = house(Arc::new(script)).await;
        let stop = CancellationToken::new();
        let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
        house.accept("ann").await;
        let heard = house.hear(".").await;
        assert!(heard.iter().any(|line| line == "..dot"), "{heard:?}");
        assert_eq!(heard.iter().any(|line| line == "encrypted"), works, "{heard:?}");
        stop.cancel();
        running.await.expect("ends");
    }
}

#[tokio::test]
async fn a_reply_lost_after_the_dot_is_tried_again_and_said_to_be_in_doubt() {
    let mut house = house(Arc::new(Script { mute: true, ..Script::default() })).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    house.accept("ann").await;
    house.hear("closed").await;
    stop.cancel();
    running.await.expect("ends");
    let waiting = house.queue.list(crate::queue::Selector::All, 10).await;
    assert_eq!(waiting.len(), 1);
    let last = waiting[0].last.clone().unwrap_or_default();
    assert!(last.contains("possible duplicate"), "{last}");
}

#[tokio::test]
async fn a_site_has_no_more_connections_than_it_may_though_some_are_idle() {
    let house = house(Arc::default()).await;
    let (delivery, stop) = (&house.delivery, CancellationToken::new());
    let site = Site::of(&Domain::parse("there.example").expect("a domain"));
    // Never reached, it may have one.
    delivery.with_site(&site, |_| true);
    let moment = Duration::from_millis(50);
    let mut first = Place::new(delivery, site.clone());
    let mut second = Place::new(delivery, site.clone());
    assert!(delivery.seated(&mut first, &stop).await);
    let mut idle = delivery.pool.idle(
        &site,
        PoolNumber::default(),
        Server::both("mx.example", [192, 0, 2, 1].into()),
    );
    let waiting = tokio::time::timeout(moment, delivery.seated(&mut second, &stop));
    assert!(waiting.await.is_err(), "the first is connected");
    assert!(idle.try_recv().is_err_and(|why| why == TryRecvError::Closed), "and is told to go");
    drop(first);
    assert!(delivery.seated(&mut second, &stop).await);
}
