//! A small world for stories: the real daemon as a process, a real name server, a receiving mail server
//! that misbehaves on command, all on loopback with free ports and a temporary folder.

pub mod client;

use relent::config::Tls;
use relent::demo::receiver::Receiver;
use relent::dns::{NameServer, Rdata};
use relent::tls::Server;
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Where `mx.second.example` is.
pub const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The small world. The daemon ends with it.
pub struct World {
    pub folder: TempDir,
    pub receiver: Receiver,
    pub ports: Ports,
    names: NameServer,
    daemon: Option<Child>,
    pub password: String,
}

#[derive(Debug, Clone, Default, serde::Deserialize)]
pub struct Ports {
    pub submission: Vec<u16>,
    pub submissions: Vec<u16>,
    pub inbound: Vec<u16>,
    pub http: Vec<u16>,
}

/// What a command of the operator said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|fault| panic!("{fault} in {:?}", self.out))
    }
}

impl World {
    /// Starts everything: account `acme` with the trusted domain acme.example, the marketing stream
    /// `newsletter`, the transactional stream `receipts`, and the credential `app` for both.
    pub async fn start() -> Self {
        Self::start_with("", "").await
    }

    /// As [`World::start`]; `more` is added to the settings.
    pub async fn with(more: &str) -> Self {
        Self::start_with("", more).await
    }

    /// The same with more settings: of `[delivery]`, and whole sections.
    pub async fn start_with(delivery: &str, more: &str) -> Self {
        let mut world = Self::bare(delivery, more).await;
        world.settle();
        world
    }

    /// Makes the account and what belongs to it.
    pub fn settle(&mut self) {
        let world = self;
        world.done(&["account", "add", "acme"]);
        world.done(&["domain", "add", "acme", "acme.example", "--trust", "--dkim", "ed25519"]);
        let letters = ["--reply-to", "support@acme.example"];
        world.done(
            &[&["stream", "add", "acme", "newsletter", "--kind", "marketing"][..], &letters]
                .concat(),
        );
        world.done(
            &[&["stream", "add", "acme", "receipts", "--kind", "transactional"][..], &letters]
                .concat(),
        );
        let made = world.done(&["credential", "add", "acme", "--name", "app", "--json"]).json();
        world.password = made["password"].as_str().expect("a password").to_owned();
    }

    /// Starts the daemon with nothing in it; more settings as in [`World::start_with`].
    pub async fn bare(delivery: &str, more: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        // A daemon that has become another user must pass it.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let certificate = Server::load(&Tls::default(), folder.path(), "mx.reader.example")
            .expect("a certificate for the receiver");
        let receiver =
            Receiver::start(loopback, Some(certificate.acceptor())).await.expect("a receiver");
        let records = vec![
            ("reader.example".into(), Rdata::Mx(10, "mx.reader.example".into())),
            ("mx.reader.example".into(), Rdata::A(Ipv4Addr::LOCALHOST)),
            ("acme.example".into(), Rdata::Mx(10, "mx.reader.example".into())),
            ("null.example".into(), Rdata::Mx(0, ".".into())),
            ("bare.example".into(), Rdata::A(Ipv4Addr::LOCALHOST)),
            // A second server, which a test may start at the receiver's port, and a domain with both.
            ("mx.second.example".into(), Rdata::A(SECOND)),
            ("second.example".into(), Rdata::Mx(10, "mx.second.example".into())),
            ("both.example".into(), Rdata::Mx(10, "mx.second.example".into())),
            ("both.example".into(), Rdata::Mx(20, "mx.reader.example".into())),
        ];
        let names = NameServer::start(loopback, &records).expect("a name server");
        let mut world = Self {
            folder,
            receiver,
            ports: Ports::default(),
            names,
            daemon: None,
            password: String::new(),
        };
        std::fs::write(world.path("relent.toml"), world.settings(delivery, more))
            .expect("settings");
        world.launch(&[]);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self, delivery: &str, more: &str) -> String {
        format!(
            "hostname = \"relay.relent.example\"\ndata_dir = \"{data}\"\n\
             [listen]\nsubmission = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\n\
             inbound = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nadmin = \"{admin}\"\n\
             [submission]\nplaintext_auth = \"loopback\"\n\
             [dns]\nnameservers = [\"{names}\"]\n\
             [delivery]\nport = {port}\nallow_private = true\n{delivery}\n\
             [queue]\nretry_delays = [\"1s\"]\n\
             [replies]\ndomain = \"reply.relent.example\"\n{more}\n",
            data = self.path("data").display(),
            admin = self.path("admin.sock").display(),
            names = self.names.address(),
            port = self.receiver.address().port(),
        )
    }

    /// Starts the daemon's process and waits for `ready`.
    pub fn launch(&mut self, environment: &[(&str, &str)]) {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut daemon = self.spawn(&environment);
        let mut line = String::new();
        let out = daemon.stdout.take().expect("standard output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n", "the daemon did not start:\n{}", self.log());
        self.began(daemon);
    }

    /// Starts it under a service manager, and waits until that has heard of it.
    pub fn launch_under(&mut self, environment: &[(&str, String)], hears: impl FnOnce()) {
        let daemon = self.spawn(environment);
        hears();
        self.began(daemon);
    }

    fn began(&mut self, daemon: Child) {
        self.daemon = Some(daemon);
        let ports = std::fs::read(self.path("data/ports.json")).expect("ports.json");
        self.ports = serde_json::from_slice(&ports).expect("ports.json is JSON");
    }

    fn spawn(&self, environment: &[(&str, String)]) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("relent.log"))
            .expect("a log file");
        Command::new(program())
            .args(["serve", "--config"])
            .arg(self.path("relent.toml"))
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the daemon starts")
    }

    /// SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Sends SIGKILL and does not wait: others may still be talking to it.
    pub fn kill_now(&self) {
        signal(self.daemon.as_ref().expect("a daemon"), rustix::process::Signal::KILL);
    }

    /// SIGTERM, and the end waited for.
    pub fn stop(&mut self) -> i32 {
        let Some(mut daemon) = self.daemon.take() else {
            return -1;
        };
        signal(&daemon, rustix::process::Signal::TERM);
        daemon.wait().expect("an end").code().unwrap_or(-1)
    }

    /// SIGHUP, which is sent and not waited for.
    pub fn hang_up(&self) {
        signal(self.daemon.as_ref().expect("a daemon"), rustix::process::Signal::HUP);
    }

    /// What the kernel says of each thread of the daemon.
    pub fn threads(&self) -> Vec<String> {
        let id = self.daemon.as_ref().expect("a daemon").id();
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("its threads");
        let status = |thread: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(thread.ok()?.path().join("status")).ok()
        };
        threads.filter_map(status).collect()
    }

    /// The most memory that the daemon ever took, in KiB.
    pub fn memory_most(&self) -> u64 {
        let id = self.daemon.as_ref().expect("a daemon").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Runs a verb of the command line.
    pub fn relent(&self, arguments: &[&str]) -> Said {
        let output = Command::new(program())
            .args(arguments)
            .arg("--config")
            .arg(self.path("relent.toml"))
            .output()
            .expect("the command line runs");
        said(output)
    }

    /// Runs a verb that must succeed.
    pub fn done(&self, arguments: &[&str]) -> Said {
        let said = self.relent(arguments);
        assert_eq!(said.code, 0, "relent {}: {}{}", arguments.join(" "), said.out, said.err);
        said
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("relent.log")).unwrap_or_default()
    }

    /// Starts the second mail server.
    pub async fn second(&self) -> Receiver {
        let at = SocketAddr::from((SECOND, self.receiver.address().port()));
        Receiver::start(at, None).await.expect("a second receiver")
    }

    pub fn agree(&self, address: &str) {
        self.done(&["consent", "grant", "acme/newsletter", address, "--source", "sign-up form"]);
    }
}

fn signal(daemon: &Child, signal: rustix::process::Signal) {
    let id = i32::try_from(daemon.id()).expect("a process id");
    let process = rustix::process::Pid::from_raw(id).expect("a process id");
    rustix::process::kill_process(process, signal).expect("a signal");
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(6000);
            eprintln!("--- the daemon's log ends:\n{}", log.get(from..).unwrap_or(&log));
        }
    }
}

pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_relent")
}

#[allow(clippy::needless_pass_by_value, reason = "an output is read once")]
pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
