//! A small world for stories: the real daemon as a process, a real name server, a receiving mail server
//! that misbehaves on command, all on loopback with free ports and a temporary folder.

pub mod authentic;
pub mod certificates;
pub mod client;
pub mod endpoint;
pub mod fits;
pub mod schema;
pub mod web;

use relent::config::Tls;
use relent::demo::receiver::Receiver;
use relent::dns::{NameServer, Rdata};
use relent::tls::Server;
use std::fs::Permissions;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime};
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
    #[serde(default)]
    pub https: Vec<u16>,
    #[serde(default)]
    pub redirect: Vec<u16>,
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
        world.furnish();
        world
    }

    /// As [`World::start_with`], but what is put off waits until a test has it tried again: no attempt
    /// comes in between that it did not ask for.
    pub async fn unhurried(delivery: &str, more: &str) -> Self {
        let settings = |world: &Self| {
            let settings = world.settings(delivery, more);
            settings.replace("retry_delays = [\"1s\"]", "retry_delays = [\"1h\"]")
        };
        let mut world = Self::under(settings).await;
        world.furnish();
        world
    }

    /// Makes the account and all that belongs to it, in a daemon that has nothing yet.
    pub fn furnish(&mut self) {
        self.done(&["account", "add", "acme"]);
        self.done(&["domain", "add", "acme", "acme.example", "--trust", "--dkim", "ed25519"]);
        let letters = ["--reply-to", "support@acme.example"];
        self.done(
            &[&["stream", "add", "acme", "newsletter", "--kind", "marketing"][..], &letters]
                .concat(),
        );
        self.done(
            &[&["stream", "add", "acme", "receipts", "--kind", "transactional"][..], &letters]
                .concat(),
        );
        let made = self.done(&["credential", "add", "acme", "--name", "app", "--json"]).json();
        self.password = made["password"].as_str().expect("a password").to_owned();
    }

    /// Starts the daemon with nothing in it; more settings as in [`World::start_with`].
    pub async fn bare(delivery: &str, more: &str) -> Self {
        Self::under(|world| world.settings(delivery, more)).await
    }

    /// Starts the daemon with nothing in it and with settings of its own.
    pub async fn under(settings: impl FnOnce(&Self) -> String) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        // A daemon that has become another user must pass it.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let certificate = Server::load(&Tls::default(), folder.path(), "mx.reader.example")
            .expect("a certificate for the receiver");
        let receiver =
            Receiver::start(loopback, Some(certificate.acceptor())).await.expect("a receiver");
        let mut known = records();
        known.extend(authentic::records());
        let names = NameServer::start(loopback, &known).expect("a name server");
        let mut world = Self {
            folder,
            receiver,
            ports: Ports::default(),
            names,
            daemon: None,
            password: String::new(),
        };
        std::fs::write(world.path("relent.toml"), settings(&world)).expect("settings");
        world.launch(&[]);
        world
    }

    /// Publishes these records beside those that every world has.
    pub fn publish(&self, more: &[(String, Rdata)]) {
        let all = [records(), more.to_vec()].concat();
        self.names.replace(&all).expect("records");
    }

    /// The same, in place of any published so before; the daemon starts anew, so that it has
    /// forgotten what it knew of names.
    pub fn publish_anew(&mut self, more: &[(String, Rdata)]) {
        self.publish(more);
        self.stop();
        self.launch(&[]);
    }

    /// Where its name server answers.
    pub fn names_at(&self) -> SocketAddr {
        self.names.address()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// The settings of a world; more of `[delivery]`, and whole sections.
    pub fn settings(&self, delivery: &str, more: &str) -> String {
        format!(
            "hostname = \"relay.relent.example\"\ndata_dir = \"{data}\"\n\
             [listen]\nsubmission = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\n\
             inbound = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nadmin = \"{admin}\"\n\
             [submission]\nplaintext_auth = \"loopback\"\n\
             [dns]\nnameservers = [\"{names}\"]\ntimeout = \"20s\"\nlookups_timeout = \"1m\"\ncache_ttl_max = \"0s\"\n\
             [delivery]\nport = {port}\nallow_private = true\n{delivery}\n\
             [queue]\nretry_delays = [\"1s\"]\n\
             [store]\nengine = \"{engine}\"\n\
             [replies]\ndomain = \"reply.relent.example\"\n{more}\n",
            data = self.path("data").display(),
            engine = engine(),
            admin = self.path("admin.sock").display(),
            names = self.names.address(),
            port = self.receiver.address().port(),
        )
    }

    /// Starts the daemon's process and waits for `ready`.
    pub fn launch(&mut self, environment: &[(&str, &str)]) {
        assert!(self.try_launch(&[], environment), "the daemon did not start:\n{}", self.log());
    }

    /// Starts the daemon's process under another program, where one is named with its arguments; false
    /// where the process ended before it was ready.
    pub fn try_launch(&mut self, under: &[String], environment: &[(&str, &str)]) -> bool {
        let mut daemon = self.spawn(under, environment);
        let out = daemon.stdout.take().expect("standard output");
        self.daemon = Some(daemon);
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(out).read_line(&mut line);
            let _ = said.send(line);
        });
        let line = heard.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("neither ready nor ended:\n{}", self.log()));
        if line != "ready\n" {
            return false;
        }
        self.read_ports();
        true
    }

    /// Starts it under a service manager, and waits until that has heard of it.
    pub fn launch_under(&mut self, environment: &[(&str, &str)], hears: impl FnOnce()) {
        let daemon = self.spawn(&[], environment);
        hears();
        self.daemon = Some(daemon);
        self.read_ports();
    }

    fn spawn(&self, under: &[String], environment: &[(&str, &str)]) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("relent.log"))
            .expect("a log file");
        let mut command = match under {
            [] => Command::new(program()),
            [name, arguments @ ..] => {
                let mut command = Command::new(name);
                command.args(arguments).arg(program());
                command
            }
        };
        command
            .args(["serve", "--config"])
            .arg(self.path("relent.toml"))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the daemon starts")
    }

    fn read_ports(&mut self) {
        self.ports = match std::fs::read(self.path("data/ports.json")) {
            Ok(ports) => serde_json::from_slice(&ports).expect("ports.json is JSON"),
            // Where the disk did not take the file, the log has them.
            Err(_) => Ports {
                submission: vec![self.logged_port("submission")],
                submissions: vec![self.logged_port("submissions")],
                inbound: vec![self.logged_port("inbound")],
                http: vec![self.logged_port("http")],
                ..Ports::default()
            },
        };
    }

    /// The port that a listener had last, as the log has it.
    fn logged_port(&self, listener: &str) -> u16 {
        let (log, named) = (self.log(), format!("listener=\"{listener}\" ports=["));
        let after = log.rsplit_once(&named).map(|(_, after)| after);
        let port = after.and_then(|after| after.split(']').next()?.parse().ok());
        port.unwrap_or_else(|| panic!("the log names no port of {listener}:\n{log}"))
    }

    /// The daemon's process, as the kernel knows it.
    pub fn id(&self) -> u32 {
        self.daemon.as_ref().expect("a daemon").id()
    }

    /// How the daemon ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.daemon.as_mut()?.try_wait().expect("a look at the daemon")
    }

    /// SIGTERM, where it has not ended yet, and its end; where that takes too long, SIGKILL and `None`.
    pub fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        if let Some(ended) = self.ended() {
            self.daemon = None;
            return Some(ended);
        }
        signal(self.daemon.as_ref()?, rustix::process::Signal::TERM);
        self.ends_within(patience);
        let ended = self.ended();
        self.kill();
        ended
    }

    /// Whether the daemon ends by itself in this time.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.ended().is_none() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Sends SIGKILL while others may still be talking to it, and waits until nothing of it runs.
    pub fn kill_now(&self) {
        signal(self.daemon.as_ref().expect("a daemon"), rustix::process::Signal::KILL);
        let stat = format!("/proc/{}/stat", self.id());
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            std::thread::yield_now();
        }
    }

    /// SIGTERM, and the end waited for.
    pub fn stop(&mut self) -> i32 {
        let Some(mut daemon) = self.daemon.take() else {
            return -1;
        };
        signal(&daemon, rustix::process::Signal::TERM);
        daemon.wait().expect("an end").code().unwrap_or(-1)
    }

    /// SIGTERM, which is sent and not waited for.
    pub fn terminate(&self) {
        signal(self.daemon.as_ref().expect("a daemon"), rustix::process::Signal::TERM);
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

    /// A verb of the command line, for who has more to do with it than to wait for its end.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).arg("--config").arg(self.path("relent.toml"));
        command
    }

    /// Runs a verb of the command line.
    pub fn relent(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().expect("the command line runs"))
    }

    /// Runs a verb that must succeed.
    pub fn done(&self, arguments: &[&str]) -> Said {
        let said = self.relent(arguments);
        assert_eq!(said.code, 0, "relent {}: {}{}", arguments.join(" "), said.out, said.err);
        said
    }

    /// Builds a library of this folder that is loaded before all others; its path.
    pub fn library(&self, name: &str) -> String {
        let library = self.path(&format!("{name}.so"));
        let source = format!("{}/tests/support/{name}.c", env!("CARGO_MANIFEST_DIR"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).args([&source, "-ldl"]);
        assert!(compiler.status().expect("a C compiler").success(), "{source} was not compiled");
        library.display().to_string()
    }

    /// A request to the pages, the API or the figures, with a form where there is one; the whole answer.
    /// More fields may follow the line.
    pub fn http(&self, line: &str, form: &str) -> String {
        let answer = self.http_with(line, "application/x-www-form-urlencoded", form);
        String::from_utf8(answer).expect("an answer in UTF-8")
    }

    /// The same with a body of any kind; the answer byte for byte.
    pub fn http_with(&self, line: &str, media_type: &str, body: &str) -> Vec<u8> {
        let to = ("127.0.0.1", self.ports.http[0]);
        let mut stream = TcpStream::connect(to).expect("http answers");
        let request = format!(
            "{line}\r\nHost: relay.relent.example\r\nConnection: close\r\n\
             Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        described(line, &answer);
        answer
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

/// What every world's name server knows.
fn records() -> Vec<(String, Rdata)> {
    vec![
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
    ]
}

/// The sources below a folder of the repository, or the one that is named, in order.
pub fn sources(place: &str) -> Vec<PathBuf> {
    fn gather(path: PathBuf, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).expect("a source folder can be read") {
                gather(entry.expect("a folder's entry can be read").path(), found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    let mut found = Vec::new();
    gather(Path::new(env!("CARGO_MANIFEST_DIR")).join(place), &mut found);
    found.sort();
    found
}

/// The records that `relent domain show --json` prints, for a name server.
pub fn printed(shown: &serde_json::Value) -> Vec<(String, Rdata)> {
    let printed = shown["records"].as_array().expect("records").iter().map(|record| {
        let text = |key: &str| record[key].as_str().expect("a text").to_owned();
        let data = match text("type").as_str() {
            "TXT" => Rdata::Txt(text("value")),
            "CNAME" => Rdata::Cname(text("value")),
            "MX" => {
                let value = text("value");
                let (preference, host) = value.split_once(' ').expect("a preference");
                Rdata::Mx(preference.parse().expect("a number"), host.into())
            }
            other => panic!("a record of type {other}"),
        };
        (text("name"), data)
    });
    let mut records: Vec<_> = printed.collect();
    records.dedup();
    records
}

fn signal(daemon: &Child, signal: rustix::process::Signal) {
    let id = i32::try_from(daemon.id()).expect("a process id");
    let process = rustix::process::Pid::from_raw(id).expect("a process id");
    rustix::process::kill_process(process, signal).expect("a signal");
}

/// Fails where an answer of the API is not as `config/openapi.json` has it.
fn described(line: &str, answer: &[u8]) {
    let mut words = line.split(' ');
    let asked = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !asked.1.starts_with("/api/v1/") {
        return;
    }
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let document = include_str!("../../config/openapi.json");
    let document = serde_json::from_str(document).expect("it is JSON");
    if let Err(why) = fits::answer_fits(&document, asked, status, body) {
        panic!("{why}");
    }
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

/// The engine that keeps the records: `RELENT_TEST_ENGINE`, which the build must have.
pub fn engine() -> String {
    std::env::var("RELENT_TEST_ENGINE").unwrap_or_else(|_| "redb".into())
}

/// The binary that is tested: the one just built, or the one that `RELENT_BINARY` names.
pub fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let built = || env!("CARGO_BIN_EXE_relent").to_owned();
    PROGRAM.get_or_init(|| std::env::var("RELENT_BINARY").unwrap_or_else(|_| built()))
}

/// Runs a copy of the binary as a user who owns nothing; it lies in this folder, since the tests' own build may be
/// out of another's reach.
pub fn as_nobody(folder: &Path) -> impl Fn() -> Command {
    let binary = folder.join("relent");
    std::fs::copy(program(), &binary).expect("a copy");
    move || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        command
    }
}

/// Waits where this hour (UTC) is about to begin, with which a day begins: what is counted by the day would begin
/// anew in the middle of a test.
pub async fn clear_of(hour: u64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let left = (hour * 3600 + 86_400 - now.as_secs() % 86_400) % 86_400;
    if left < 120 {
        tokio::time::sleep(Duration::from_secs(left + 1)).await;
    }
}

/// A port that nobody has at an address, nor with some luck at any, and that the kernel gives nobody who asks for
/// one: it stays free until it is used, and while a daemon starts anew. No other test is given it either.
pub fn free_port(at: Ipv4Addr) -> u16 {
    /// What is held of UDP until this process ends, so that all tests on this machine know what is given away.
    static GIVEN: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    loop {
        let chance = RandomState::new().build_hasher().finish();
        let port = 10_000 + u16::try_from(chance % 20_000).expect("it is less");
        let Ok(mark) = UdpSocket::bind((at, port)) else { continue };
        if TcpListener::bind((at, port)).is_ok() {
            GIVEN.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
            return port;
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "an output is read once")]
pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
