//! Who mail is encrypted for: mail servers with good and bad certificates, domains with DANE and MTA-STS, mail
//! that must be encrypted and mail that need not, over the real daemon.

mod certificates;
mod dane;
mod mta_sts;
mod probe;
mod reports;
mod requiretls;

use crate::support::certificates::{Authority, Identity};
use crate::support::client::{Client, letter};
use crate::support::web::{Page, Web};
use crate::support::{PATIENCE, World};
use relent::demo::receiver::Receiver;
use relent::dns::Rdata;
use relent::mail::Tlsa;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Settings under which each message has a connection of its own.
const BRIEF: &str = "connection_idle = \"0s\"";
/// Where a policy is.
const POLICY: &str = "/.well-known/mta-sts.txt";

/// A world with an authority of its own, a web server that it vouches for, and as many mail servers as are
/// asked for, each at an address of its own.
struct Lab {
    world: World,
    authority: Authority,
    web: Web,
    records: Vec<(String, Rdata)>,
    servers: u8,
    _folder: TempDir,
}

impl Lab {
    /// With more settings: of `[delivery]`, and whole sections.
    async fn start(delivery: &str, more: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let authority = Authority::new("Lab");
        let anchors = folder.path().join("authorities.pem");
        std::fs::write(&anchors, authority.pem()).expect("written");
        let web = Web::start().await;
        let settings = format!(
            "[log]\njson = true\n[tls]\ntrust_anchors = {anchors:?}\n\
             [mta_sts]\nport = {}\nretry_delay = \"0s\"\n{more}",
            web.port()
        );
        let world = World::start_with(delivery, &settings).await;
        Self { world, authority, web, records: Vec::new(), servers: 0, _folder: folder }
    }

    /// Publishes a record.
    fn publish(&mut self, name: &str, data: Rdata) {
        self.records.push((name.into(), data));
        self.world.publish(&self.records);
    }

    /// Takes back every record of a name.
    fn withdraw(&mut self, name: &str) {
        self.records.retain(|(owner, _)| owner != name);
        self.world.publish(&self.records);
    }

    /// A mail server of this name, and a domain for each of those that its mail goes to.
    async fn server(&mut self, host: &str, domains: &[&str], shows: &Identity) -> Receiver {
        self.servers += 1;
        let address = Ipv4Addr::new(127, 0, 1, self.servers);
        self.publish(host, Rdata::A(address));
        for domain in domains {
            self.publish(domain, Rdata::Mx(10, host.into()));
        }
        let at = SocketAddr::from((address, self.world.receiver.address().port()));
        Receiver::start(at, Some(shows.acceptor())).await.expect("a receiver")
    }

    /// Gives a domain a policy. The web server's certificate is made anew for all that have one.
    fn policy(&mut self, domain: &str, id: &str, text: &str) {
        let host = format!("mta-sts.{domain}");
        self.withdraw(&format!("_mta-sts.{domain}"));
        self.withdraw(&host);
        self.publish(&format!("_mta-sts.{domain}"), Rdata::Txt(format!("v=STSv1; id={id};")));
        self.publish(&host, Rdata::A(Ipv4Addr::LOCALHOST));
        self.web.put(&host, POLICY, page("200 OK", "text/plain; charset=utf-8", text));
        let hosts = self.records.iter().filter(|(name, _)| name.starts_with("mta-sts."));
        let hosts: Vec<&str> = hosts.map(|(name, _)| name.as_str()).collect();
        self.web.show(&self.authority.issue(&hosts));
    }

    /// Submits a message to these.
    fn send(&self, to: &[&str]) {
        self.send_as("", to, &letter("Hello"));
    }

    /// The same, with parameters of MAIL.
    fn send_as(&self, parameters: &str, to: &[&str], message: &str) {
        let port = self.world.ports.submission[0];
        let mut app = Client::login(port, "app/receipts", &self.world.password);
        let said = app.say(&format!("MAIL FROM:<news@acme.example>{parameters}"));
        assert!(said.starts_with("250"), "{said}");
        for to in to {
            let said = app.say(&format!("RCPT TO:<{to}>"));
            assert!(said.starts_with("250"), "{to}: {said}");
        }
        assert!(app.say("DATA").starts_with("354"));
        app.send(message.as_bytes());
        let said = app.say(".");
        assert!(said.starts_with("250"), "{said}");
    }

    /// How the attempts for a recipient ended so far: outcome, status and text of each.
    fn fates(&self, to: &str) -> Vec<String> {
        let log = self.world.log();
        let lines =
            log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let lines = lines.filter(|line| line["target"] == "relent::delivery" && line["to"] == to);
        let part = |line: &serde_json::Value, name: &str| {
            line[name].as_str().unwrap_or_default().to_owned()
        };
        lines
            .map(|line| {
                format!("{} {} {}", part(&line, "status"), part(&line, "dsn"), part(&line, "said"))
            })
            .collect()
    }

    /// How the first attempt for a recipient ended.
    async fn fate(&self, to: &str) -> String {
        until(&format!("an attempt for {to}"), || !self.fates(to).is_empty()).await;
        self.fates(to).remove(0)
    }

    /// Waits for another attempt for a recipient, and says how it ended.
    async fn next_fate(&self, to: &str) -> String {
        let known = self.fates(to).len();
        until(&format!("another attempt for {to}"), || self.fates(to).len() > known).await;
        self.fates(to).swap_remove(known)
    }
}

fn page(status: &'static str, kind: &str, text: &str) -> Page {
    Page { status, fields: vec![("Content-Type", kind.into())], body: text.as_bytes().to_vec() }
}

fn enforce(mx: &str) -> String {
    format!("version: STSv1\r\nmode: enforce\r\nmx: {mx}\r\nmax_age: 604800\r\n")
}

/// A TLSA record of a certificate: its SHA-256.
fn tlsa(usage: u8, certificate: &rustls::pki_types::CertificateDer<'_>) -> Rdata {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    Rdata::Tlsa(Tlsa { usage, selector: 0, matching: 1, data: digest.as_ref().to_vec() })
}

/// Waits until something holds that must come to hold.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until no connection to a server stands over which the next message could go.
async fn idle(server: &Receiver) {
    until("every connection to end", || server.open() == 0).await;
}

/// Whether a server took a message for a recipient, and over TLS.
fn took(server: &Receiver, to: &str) -> Option<bool> {
    let mailbox = server.mailbox();
    mailbox.iter().find(|mail| mail.recipients.iter().any(|known| known == to)).map(|mail| mail.tls)
}
