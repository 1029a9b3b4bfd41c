//! The cage, from inside the real daemon: a library that is loaded into it does what somebody would who had
//! broken in (`support/probe.c`), in the thread that writes the spool.

use super::field;
use crate::journeys::delivered;
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use relent::dns::Rdata;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::Instant;

/// The kernel's words for no: EPERM of seccomp, EACCES of Landlock.
const NO: [i32; 2] = [1, 13];
/// What a kernel without Landlock, or with an old one, lets through.
const LANDLOCKED: [&str; 6] = [
    "read-a-file",
    "write-a-file",
    "make-a-file",
    "connect-to-a-port",
    "take-a-port",
    "connect-to-a-socket-without-a-file",
];

/// Somebody who is about to break in, and what he is after.
struct Intruder {
    world: World,
    _outside: tempfile::TempDir,
    _port: TcpListener,
    _socket: UnixListener,
    command: String,
    library: String,
}

impl Intruder {
    async fn new(more: &str) -> Self {
        let mut world = World::with(more).await;
        assert_eq!(world.stop(), 0);
        let outside = tempfile::tempdir().expect("a folder");
        let file = outside.path().join("precious");
        std::fs::write(&file, "precious").expect("a file");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        // As random as the folder's, since tests of one process run beside each other.
        let name = outside.path().file_name().expect("a name of its own").display().to_string();
        let name = format!("relent-test-{name}");
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixListener::bind_addr(&address).expect("a socket without a file");
        let number = port.local_addr().expect("bound").port();
        let command = format!("{} {number} {name}", file.display());
        let library = world.library("probe");
        Self { world, _outside: outside, _port: port, _socket: socket, command, library }
    }

    fn answer(&self) -> PathBuf {
        self.world.path("data/probed")
    }

    /// Starts the daemon with him in it, and lets him begin at the next sync.
    fn begins(&mut self) {
        let (command, answer) = (self.world.path("probe"), self.answer());
        let (command, answer) = (command.display().to_string(), answer.display().to_string());
        let library = self.library.clone();
        self.world.launch(&[("LD_PRELOAD", &library), ("PROBE", &command), ("PROBED", &answer)]);
        std::fs::write(self.world.path("probe"), &self.command).expect("a command");
    }

    /// What he was told, by what he tried.
    fn told(&self) -> BTreeMap<String, i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(self.answer()).unwrap_or_default();
            if text.ends_with("end\n") {
                let told = text.lines().filter_map(|line| line.split_once(' '));
                return told
                    .map(|(name, no)| (name.into(), no.parse().expect("a number")))
                    .collect();
            }
            assert!(Instant::now() < deadline, "he came no further than {text:?}");
            std::thread::yield_now();
        }
    }
}

fn submit(world: &World, to: &str) {
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let reply = app.submit("news@acme.example", &[to], &letter("Receipt"));
    assert!(reply.starts_with("250"), "{reply}");
}

fn has_landlock(world: &World) -> bool {
    let has = world.log().contains("out of reach (Landlock)");
    if !has {
        eprintln!("NOT TESTED: this kernel's Landlock is none or an older one");
    }
    has
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_in_reaches_nothing_and_mail_goes_on() {
    let mut intruder = Intruder::new("").await;
    intruder.begins();
    submit(&intruder.world, "ann@reader.example");
    let told = intruder.told();
    assert_eq!(told.len(), 21, "{told:?}");
    let has_landlock = has_landlock(&intruder.world);
    for (name, no) in &told {
        if has_landlock || !LANDLOCKED.contains(&name.as_str()) {
            assert!(NO.contains(no), "{name} was let through: {no}");
        }
    }
    delivered(&intruder.world, "ann@reader.example").await;
    for thread in intruder.world.threads() {
        let (rights, filter) = (field(&thread, "NoNewPrivs"), field(&thread, "Seccomp"));
        assert_eq!((rights, filter), ("1", "2"), "{thread}");
    }
    assert_eq!(intruder.world.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cage_refuses_is_had_without_it() {
    for word in ["off", "log"] {
        let mut intruder = Intruder::new(&format!("[process]\nsandbox = \"{word}\"")).await;
        intruder.begins();
        submit(&intruder.world, "ann@reader.example");
        let is_root = rustix::process::geteuid().is_root();
        for (name, no) in intruder.told() {
            let may = is_root || !name.starts_with("root-");
            assert!(!may || !NO.contains(&no), "{name} is refused without a cage: {no}");
        }
        let log = intruder.world.log();
        assert!(log.contains(&format!("process.sandbox is \"{word}\"")), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_settings_say_so_whoever_breaks_in_ends_the_process() {
    let mut intruder = Intruder::new("[process]\nsandbox = \"kill\"").await;
    intruder.begins();
    // He begins at the next sync, which may come before anybody has logged in.
    if let Ok(mut app) = Client::try_connect(intruder.world.ports.submission[0]) {
        app.say("EHLO client.example");
        let secret = format!("\0app/receipts\0{}", intruder.world.password);
        app.say(&format!("AUTH PLAIN {}", data_encoding::BASE64.encode(secret.as_bytes())));
        let reply = app.submit("news@acme.example", &["ann@reader.example"], &letter("Receipt"));
        assert!(!reply.starts_with("250"), "{reply}");
    }
    assert!(intruder.world.ends_within(PATIENCE), "it goes on");
    let ended = intruder.world.ended().expect("an end");
    assert_eq!(ended.signal(), Some(31), "SIGSYS: {ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_no_setting_names_is_said_to_be_the_sandboxs() {
    let policy = "[mta_sts]\nport = 8443\n[webhooks]\nports = [8443]\n";
    let world = World::with(policy).await;
    if !has_landlock(&world) {
        return;
    }
    // Name servers are asked at the port of the settings, mail goes out at that of `delivery.port`.
    world.publish(&[("away.example".into(), Rdata::A(Ipv4Addr::LOCALHOST))]);
    let said = world.relent(&["webhook", "add", "acme", "https://away.example:9443/"]);
    assert!(said.code == 1 && said.err.contains("webhooks.ports"), "{}", said.err);
    submit(&world, "ann@reader.example");
    delivered(&world, "ann@reader.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_allowed_is_printed() {
    let world = World::bare("", "").await;
    let said = world.done(&["check", "--sandbox"]);
    let data = format!("write    {}", world.path("data").display());
    assert!(said.out.contains(&data), "{}", said.out);
    assert!(said.out.contains("process.sandbox = \"on\""), "{}", said.out);
    let told = world.done(&["check", "--sandbox", "--json"]).json();
    let ports: Vec<u64> = told["connects"]
        .as_array()
        .expect("ports")
        .iter()
        .filter_map(|port| port["port"].as_u64())
        .collect();
    let mail = u64::from(world.receiver.address().port());
    assert!(ports.contains(&mail) && ports.contains(&443) && !ports.contains(&25), "{told}");
    assert!(told["calls"].as_array().expect("calls").contains(&"openat".into()), "{told}");
}
