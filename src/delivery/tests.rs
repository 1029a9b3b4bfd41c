//! Mail from the queue to a scripted mail server over loopback.

use super::{Delivery, Parts};
use crate::accounts::{Accounts, StreamDraft, StreamKind};
use crate::config::Config;
use crate::dns::{DnsFault, MailHost, Resolver, Route};
use crate::events::message::{Accepted, Origin, Recipient};
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::{AccountId, Address, Domain, MessageId, ReversePath, StreamId, Timestamp};
use crate::policy::{Policy, Subject};
use crate::queue::{Embedded, Queue};
use crate::spool::{Body, Spool};
use crate::store::Store;
use crate::world::World;
use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Everything is at loopback.
struct Here;

#[async_trait]
impl Resolver for Here {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        Ok(Route::Hosts(vec![MailHost {
            preference: 0,
            name: "mx.example".into(),
        }]))
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

/// A house whose mail goes to a server that answers `DATA` only when `gate` lets it.
async fn house(gate: Arc<tokio::sync::Semaphore>) -> House {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = World::real();
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut config = Config::default();
    config.hostname = "relay.example".into();
    config.delivery.port = server.local_addr().expect("bound").port();
    config.delivery.allow_private = true;
    let config = Arc::new(config);
    let store = Store::open(folder.path(), &config.store, &world);
    let accounts = Accounts::new(store.clone(), world.clone());
    accounts.make_keys().await.expect("keys");
    let policy = Policy::new(accounts.clone(), store, world.clone(), &config.queue);
    let account = accounts.add_account("acme").await.expect("account").id;
    let draft = StreamDraft {
        name: "news".into(),
        kind: StreamKind::Marketing,
        consent_required: Some(false),
        honour_opt_out: false,
        reply_to: None,
    };
    let stream = accounts
        .add_stream(account, draft)
        .await
        .expect("stream")
        .id;
    let spool = folder.path().join("spool");
    let keep = config.retention.events.0;
    let (spool, _) = Spool::open(&spool, &config.spool, keep, &world).expect("a spool");
    let (p, a, c) = (policy.clone(), accounts.clone(), config.clone());
    let queue = Embedded::open(spool, p, a, c, world.clone()).expect("a queue");
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(serve(server, tell, gate));
    let delivery = Delivery::new(Parts {
        config,
        queue: queue.clone(),
        accounts,
        policy: policy.clone(),
        resolver: Arc::new(Here),
        world,
        own: Vec::new(),
    });
    House {
        _folder: folder,
        policy,
        queue,
        delivery,
        account,
        stream,
        heard,
    }
}

/// Takes mail for everybody but `nobody@`, and tells every line it hears.
async fn serve(
    server: TcpListener,
    tell: mpsc::UnboundedSender<String>,
    gate: Arc<tokio::sync::Semaphore>,
) {
    while let Ok((mut socket, _)) = server.accept().await {
        let (tell, gate) = (tell.clone(), gate.clone());
        tokio::spawn(async move {
            let (read, mut write) = socket.split();
            let mut lines = BufReader::new(read).lines();
            let mut data = false;
            write.write_all(b"220 mx\r\n").await.expect("greet");
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match line.as_str() {
                    "." if data => {
                        data = false;
                        "250 2.0.0 taken\r\n"
                    }
                    _ if data => "",
                    "DATA" => {
                        data = true;
                        gate.acquire().await.expect("open").forget();
                        "354 go\r\n"
                    }
                    "QUIT" => "221 bye\r\n",
                    line if line.starts_with("EHLO") => {
                        "250-mx\r\n250-SIZE 0\r\n250 PIPELINING\r\n"
                    }
                    line if line.contains("nobody@") => "550 5.1.1 no such person\r\n",
                    _ => "250 2.0.0 ok\r\n",
                };
                let _ = tell.send(line);
                if write.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
            let _ = tell.send("closed".into());
        });
    }
}

impl House {
    async fn accept(&self, local: &str) -> Address {
        let address = Address::new(local, "there.example").expect("an address");
        let mut body = self.queue.body();
        let text = b"From: a@acme.example\r\nSubject: hi\r\n\r\n.dot\r\n";
        body.write(text).await.expect("room");
        let hash = self
            .policy
            .view(self.account, &Subject::Address(address.clone()));
        hash.expect("the store");
        let draft = Accepted {
            id: MessageId([0; 12]),
            origin: Origin::Submission {
                account: self.account,
                stream: self.stream,
                credential: "app".into(),
            },
            sender: ReversePath::Null,
            recipients: vec![Recipient {
                hash: crate::mail::RecipientHash([7; 16]),
                address: address.clone(),
            }],
            body: Body::default(),
            at: Timestamp(0),
            from: None,
            smtputf8: false,
            eight_bit: false,
        };
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
        let in_time = tokio::time::timeout(Duration::from_secs(20), all).await;
        assert!(in_time.is_ok(), "waited for {end}, heard {heard:?}");
        heard
    }
}

#[tokio::test]
async fn mail_leaves_over_one_connection_refusals_in_between() {
    let mut house = house(Arc::new(tokio::sync::Semaphore::new(100))).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    house.accept("ann").await;
    let first = house.hear(".").await;
    assert!(first.iter().any(|line| line == "..dot"), "{first:?}");
    assert!(first[1].starts_with("MAIL FROM:<b-"), "{first:?}");
    assert!(
        first
            .iter()
            .any(|line| line.starts_with("List-Unsubscribe: <mailto:u-"))
    );
    house.accept("nobody").await;
    house.hear("RSET").await;
    house.accept("bob").await;
    let third = house.hear("RCPT TO:<bob@").await;
    assert!(
        !third.iter().any(|line| line.starts_with("EHLO")),
        "{third:?}"
    );
    house.hear(".").await;
    stop.cancel();
    running.await.expect("ends");
    assert_eq!(house.queue.summary().await.queued, 0);
}

#[tokio::test]
async fn a_person_who_stops_while_the_message_is_on_its_way_gets_no_dot() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let mut house = house(gate.clone()).await;
    let address = house.accept("ann").await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    house.hear("RCPT").await;
    let evidence = Evidence {
        source: Source::OneClick,
        text: String::new(),
        ip: None,
        message: None,
    };
    let scope = Scope::Stream(house.stream);
    let subject = Subject::Address(address);
    let (account, reason) = (house.account, Reason::OptOut);
    let settled = house
        .policy
        .suppress(account, subject, scope, reason, evidence)
        .await;
    settled.expect("recorded");
    gate.add_permits(1);
    let heard = house.hear("closed").await;
    assert!(heard.iter().all(|line| line != "."), "{heard:?}");
    assert!(heard.iter().any(|line| line == "..dot"), "{heard:?}");
    stop.cancel();
    running.await.expect("ends");
}
