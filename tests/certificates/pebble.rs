//! A real authority on loopback: pebble, Let's Encrypt's own for tests, from Debian. It finds hosts by the
//! world's name server and comes to look at the ports of the daemon under test.

use crate::support::certificates::Authority;
use crate::support::{PATIENCE, World, free_port};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The name under which it is asked.
pub(super) const NAME: &str = "ca.relent.example";

/// Whether it is here. Where it is not, a test says so.
pub(super) fn is_here() -> bool {
    let found = Command::new("pebble").arg("-h").stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("NOT TESTED: pebble is not there; tests/run installs it");
    }
    found
}

/// How the authority behaves.
pub(super) struct Pebble {
    pub(super) port: u16,
    /// Where it comes to look.
    pub(super) tls_port: u16,
    pub(super) http_port: u16,
    /// How long its certificates hold, in seconds.
    pub(super) life: u32,
    pub(super) wants_account: bool,
    daemon: Option<Child>,
}

impl Pebble {
    pub(super) fn new(life: u32) -> Self {
        Self {
            port: free_port(Ipv4Addr::LOCALHOST),
            tls_port: free_port(Ipv4Addr::LOCALHOST),
            http_port: free_port(Ipv4Addr::LOCALHOST),
            life,
            wants_account: false,
            daemon: None,
        }
    }

    /// Its directory.
    pub(super) fn directory(&self) -> String {
        format!("https://{NAME}:{}/dir", self.port)
    }

    /// Writes what a daemon must believe to speak to it; the path of that.
    pub(super) fn introduce(&self, world: &World) -> std::path::PathBuf {
        let authority = Authority::new("The authority's authority");
        let (chain, key) = authority.issue(&[NAME]).pem();
        std::fs::write(world.path("pebble.pem"), chain).expect("written");
        std::fs::write(world.path("pebble.key"), key).expect("written");
        let anchors = world.path("authorities.pem");
        std::fs::write(&anchors, authority.pem()).expect("written");
        anchors
    }

    /// Starts it; it ends with this.
    pub(super) fn start(&mut self, world: &World) {
        let external = serde_json::json!({ "kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" });
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": "",
            "certificate": world.path("pebble.pem"),
            "privateKey": world.path("pebble.key"),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": self.wants_account,
            "externalAccountMACKeys": external,
            "certificateValidityPeriod": self.life,
        }});
        std::fs::write(world.path("pebble.json"), config.to_string()).expect("written");
        let log = std::fs::File::create(world.path("pebble.log")).expect("a log");
        let daemon = Command::new("pebble")
            .arg("-config")
            .arg(world.path("pebble.json"))
            .args(["-dnsserver", &world.names_at().to_string()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            // Of good nonces it refuses so many in a hundred.
            .env("PEBBLE_WFE_NONCEREJECT", "3")
            .stdout(log.try_clone().expect("the log again"))
            .stderr(log)
            .spawn()
            .expect("pebble starts");
        self.daemon = Some(daemon);
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(world.path("pebble.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "pebble does not listen: {}", log());
            std::thread::yield_now();
        }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
