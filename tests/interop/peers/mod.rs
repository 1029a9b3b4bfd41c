//! Real mail servers: Postfix, Exim and OpenSMTPD take what Relent sends over STARTTLS, and lose no byte
//! of it; and their bounces find the message they are about.

mod host;

use crate::support::World;
use crate::support::client::Client;
use host::{Host, Site};
use relent::config::Tls;
use relent::demo::receiver::Receiver;
use relent::dns::{NameServer, Rdata};
use relent::tls::Server;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(40);

/// A message as it is submitted.
struct Letter {
    subject: &'static str,
    /// What stands behind MAIL, and behind each RCPT.
    parameters: [&'static str; 2],
    /// Local parts.
    to: Vec<String>,
    message: String,
}

/// A letter with the usual header.
fn letter(subject: &'static str, body: &str) -> Letter {
    let message = format!(
        "From: Acme <news@acme.example>\r\nTo: readers@reader.example\r\nSubject: {subject}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{body}"
    );
    Letter { subject, parameters: ["", ""], to: vec!["ann".into()], message }
}

/// Messages of several shapes.
fn letters() -> Vec<Letter> {
    let long = "x".repeat(998) + "\r\n" + &".".repeat(998) + "\r\n";
    let large: String = (0..28_000).fold(String::new(), |text, n| {
        text + &format!("{n:08} the quick brown fox jumps over the lazy dog, again and again\r\n")
    });
    let many = (0..50).map(|n| format!("reader{n}")).collect();
    let wishes =
        [" RET=HDRS ENVID=QQ314159", " NOTIFY=FAILURE,DELAY ORCPT=rfc822;ann@reader.example"];
    vec![
        letter("plain", "Hello.\r\n"),
        letter("eight bits", "Grüße aus Köln, 你好, \u{1f600}.\r\n"),
        letter("dots", ".\r\n..\r\n. .\r\n.hidden\r\nText.\r\n.\r\n"),
        letter("long lines", &long),
        letter("two megabytes", &large),
        letter("blanks", "trailing \t\r\n \r\n\t\r\n\r\n\r\n"),
        letter("empty", ""),
        Letter { to: many, ..letter("fifty recipients", "Hello, all.\r\n") },
        Letter { parameters: wishes, ..letter("reports", "Tell me.\r\n") },
    ]
}

/// One that needs SMTPUTF8.
fn international() -> Letter {
    Letter {
        parameters: [" SMTPUTF8", ""],
        to: vec!["jürgen".into()],
        ..letter("für Jürgen", "Grüße.\r\n")
    }
}

/// Relent, a real server, and the sender's own.
struct Scene {
    world: World,
    sender: Receiver,
    host: Host,
    domain: String,
    _names: NameServer,
}

impl Scene {
    /// None where this machine cannot run the server.
    async fn open(name: &'static str, number: u8) -> Option<Self> {
        let at = |last: u8| Ipv4Addr::new(127, 21, number, last);
        let port = std::net::TcpListener::bind((at(1), 0)).ok()?.local_addr().ok()?.port();
        let site = Site { server: at(1), sender: at(2), inbound: at(3), port };
        let host = tokio::task::block_in_place(|| Host::start(name, &site))?;
        let domain = format!("{name}.example");
        let server = format!("mx.{domain}");
        let records = [
            (domain.clone(), Rdata::Mx(10, server.clone())),
            (server, Rdata::A(site.server)),
            ("acme.example".into(), Rdata::Mx(10, "mx.acme.example".into())),
            ("mx.acme.example".into(), Rdata::A(site.sender)),
        ];
        let names = NameServer::start((Ipv4Addr::LOCALHOST, 0).into(), &records).expect("names");
        let folder = tempfile::TempDir::new().expect("a folder");
        let pair = Server::load(&Tls::default(), folder.path(), "mx.acme.example").expect("a pair");
        let sender = Receiver::start((site.sender, port).into(), Some(pair.acceptor()));
        let sender = sender.await.expect("the sender's server");
        let at = names.address();
        let mut world = World::under(|world| {
            format!(
                "hostname = \"relay.relent.example\"\ndata_dir = \"{data}\"\n\
                 [listen]\nsubmission = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\n\
                 inbound = [\"{inbound}:{port}\"]\nhttp = [\"127.0.0.1:0\"]\nadmin = \"{admin}\"\n\
                 [submission]\nplaintext_auth = \"loopback\"\n[dns]\nnameservers = [\"{at}\"]\n\
                 [delivery]\nport = {port}\nallow_private = true\n[queue]\nretry_delays = [\"1s\"]\n\
                 [store]\nengine = \"{engine}\"\n[replies]\ndomain = \"reply.relent.example\"\n",
                data = world.path("data").display(),
                admin = world.path("admin.sock").display(),
                engine = crate::support::engine(),
                inbound = site.inbound,
            )
        })
        .await;
        world.furnish();
        Some(Self { world, sender, host, domain, _names: names })
    }

    fn submit(&self, letter: &Letter) {
        let port = self.world.ports.submission[0];
        let mut app = Client::login(port, "app/receipts", &self.world.password);
        let mut say = |line: &str, wanted: &str| {
            let reply = app.say(line);
            assert!(reply.starts_with(wanted), "{}: {line:.200}: {reply}", letter.subject);
        };
        let [of_message, of_recipient] = letter.parameters;
        say(&format!("MAIL FROM:<news@acme.example>{of_message}"), "250");
        for to in &letter.to {
            say(&format!("RCPT TO:<{to}@{}>{of_recipient}", self.domain), "250");
        }
        say("DATA", "354");
        let stuffed = letter.message.replace("\r\n.", "\r\n..");
        say(&format!("{stuffed}."), "250");
    }

    /// Sends all letters, and compares what lies in the server's mailbox with what was submitted.
    async fn exchange(&self, letters: &[Letter]) {
        letters.iter().for_each(|letter| self.submit(letter));
        let wanted: usize = letters.iter().map(|letter| letter.to.len()).sum();
        let came = || self.host.mailbox().values().map(Vec::len).sum::<usize>();
        until("all messages", || came() >= wanted).await;
        let mailbox = self.host.mailbox();
        assert_eq!(came(), wanted, "a message came twice");
        for letter in letters {
            for to in &letter.to {
                let address = format!("{to}@{}", self.domain);
                let all = mailbox.get(&address).unwrap_or_else(|| {
                    panic!("{}: nothing for {address} of {:?}", letter.subject, mailbox.keys())
                });
                let found = all.iter().filter(|stored| stored.ends_with(letter.message.as_bytes()));
                let found: Vec<&Vec<u8>> = found.collect();
                assert_eq!(found.len(), 1, "{}: not byte for byte for {address}", letter.subject);
                let head = found[0].len() - letter.message.len();
                self.is_encrypted(&String::from_utf8_lossy(&found[0][..head]), letter.subject);
            }
        }
        eprintln!("{}: {wanted} messages over TLS, byte for byte", self.domain);
    }

    /// What the server wrote on top says that it came over TLS.
    fn is_encrypted(&self, head: &str, subject: &str) {
        let received = head.split("\r\nReceived: ").nth(1).unwrap_or_default();
        let tls = received.contains("TLSv1.3") || received.contains("(TLS1.3)");
        assert!(tls, "{}: {subject} came in the clear: {received}", self.domain);
    }

    /// A recipient that the server took and then knows nothing of: its bounce comes back to us, and the
    /// sender is told.
    async fn bounce(&self) {
        let nobody = format!("nobody@{}", self.domain);
        self.submit(&Letter { to: vec!["nobody".into()], ..letter("nobody", "Hello?\r\n") });
        until("the bounce", || {
            let said = self.world.done(&["explain", "acme/receipts", &nobody, "--json"]).json();
            let events = said["messages"].as_array().cloned().unwrap_or_default();
            events.iter().any(|event| event["outcome"] == "failed")
        })
        .await;
        let report = self.sender.message_to("news@acme.example", PATIENCE).await;
        let report = report.expect("a report to the sender");
        let text = String::from_utf8_lossy(&report.message).into_owned();
        assert!(text.contains("Action: failed") && text.contains(&nobody), "{text}");
    }

    /// How many of this the server's log has.
    fn logged(&self, what: &str) -> usize {
        self.host.log().lines().filter(|line| line.contains(what)).count()
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !tokio::task::block_in_place(&holds) {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_takes_all_that_relent_sends() {
    let Some(scene) = Scene::open("postfix", 1).await else { return };
    let mut letters = letters();
    letters.push(international());
    scene.exchange(&letters).await;
    // It counts the commands of each session that has ended.
    until("a session with chunks to end", || scene.logged(" bdat=") > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exim_takes_all_that_relent_sends() {
    let Some(scene) = Scene::open("exim", 2).await else { return };
    let mut letters = letters();
    letters.push(international());
    scene.exchange(&letters).await;
    // L: pipelined, K: in chunks.
    let flagged = |what: &str| scene.logged(what) > 0;
    let used = flagged("P=utf8esmtps") && flagged("esmtps L") && flagged(" K ");
    assert!(used, "{}", scene.host.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn opensmtpd_takes_all_that_relent_sends() {
    let Some(scene) = Scene::open("opensmtpd", 3).await else { return };
    scene.exchange(&letters()).await;
    // It knows no SMTPUTF8: the sender is told so.
    scene.submit(&international());
    let report = scene.sender.message_to("news@acme.example", PATIENCE).await.expect("a report");
    assert!(String::from_utf8_lossy(&report.message).contains("Status: 5.6.7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_of_postfix_finds_its_message() {
    let Some(scene) = Scene::open("postfix", 4).await else { return };
    scene.bounce().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_of_exim_finds_its_message() {
    let Some(scene) = Scene::open("exim", 5).await else { return };
    scene.bounce().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_of_opensmtpd_finds_its_message() {
    let Some(scene) = Scene::open("opensmtpd", 6).await else { return };
    scene.bounce().await;
}
