//! The relays that are measured: the release binary of Relent, and Debian's Postfix where it is installed,
//! each fresh, on loopback, on a real disk, durable.

use crate::group::Group;
use relent::dns::{NameServer, Rdata};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How a relay is set up.
#[derive(Clone)]
pub struct Setup {
    /// Where mail goes.
    pub sink: SocketAddr,
    /// Everything stays queued.
    pub hold: bool,
    /// DKIM keys of the sending domain.
    pub dkim: &'static str,
    /// The stream's kind.
    pub kind: &'static str,
    /// A data folder to begin with, copied.
    pub data: Option<PathBuf>,
    /// More settings.
    pub more: String,
    /// More settings of `[delivery]`.
    pub delivery: &'static str,
}

/// A relay that runs. Ended when dropped.
pub struct Relay {
    pub name: &'static str,
    pub group: Group,
    pub folder: TempDir,
    pub port: u16,
    pub plain: Option<String>,
    names: Names,
    daemon: Option<Child>,
}

enum Names {
    None,
    Answering(#[expect(dead_code, reason = "it answers until it is dropped")] NameServer),
    Silent(UdpSocket),
}

fn folder() -> TempDir {
    // Not /tmp, which is often memory.
    let root = std::env::var_os("RELENT_BENCH_FOLDER").unwrap_or_else(|| "/var/tmp".into());
    let made = tempfile::Builder::new().prefix("relent-bench-").tempdir_in(root);
    made.expect("a folder on a real disk")
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.local_addr().expect("an address").port()
}

fn relent() -> PathBuf {
    std::env::var_os("RELENT").map_or_else(|| env!("CARGO_BIN_EXE_relent").into(), PathBuf::from)
}

impl Relay {
    /// Runs a verb of Relent's command line.
    pub fn verb(folder: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new(relent());
        command.args(arguments).arg("--config").arg(folder.join("relent.toml"));
        let output = command.output().expect("the command line runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "relent {arguments:?}: {said}{wrong}");
        said
    }

    /// Starts Relent with an account, a sending domain, a stream and a credential.
    pub fn relent(setup: &Setup) -> Self {
        let folder = folder();
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (names, server) = if setup.hold {
            let socket = UdpSocket::bind(loopback).expect("a silent name server");
            let address = socket.local_addr().expect("an address");
            (Names::Silent(socket), address)
        } else {
            let records = [
                ("sink.test".into(), Rdata::Mx(10, "mx.sink.test".into())),
                ("mx.sink.test".into(), Rdata::A(Ipv4Addr::LOCALHOST)),
                ("dead.test".into(), Rdata::Mx(10, "mx.dead.test".into())),
                // Nobody listens there.
                ("mx.dead.test".into(), Rdata::A(Ipv4Addr::new(127, 0, 0, 99))),
            ];
            let server = NameServer::start(loopback, &records).expect("a name server");
            let address = server.address();
            (Names::Answering(server), address)
        };
        let patience = if setup.hold { "timeout = \"1h\"\nlookups_timeout = \"1h\"\n" } else { "" };
        let path = folder.path().display();
        let settings = format!(
            "hostname = \"relay.bench.test\"\ndata_dir = \"{path}/data\"\n[listen]\n\
             submission = [\"127.0.0.1:0\"]\nsubmissions = [\"127.0.0.1:0\"]\ninbound = [\"127.0.0.1:0\"]\n\
             http = [\"127.0.0.1:0\"]\nadmin = \"{path}/admin.sock\"\n[submission]\nplaintext_auth = \"loopback\"\n\
             messages_max = 10000000\n[dns]\nnameservers = [\"{server}\"]\n{patience}[delivery]\nport = {port}\n\
             allow_private = true\nmessages_per_connection_max = 10000000\n{delivery}\n[log]\nlevel = \"error\"\n{more}\n",
            port = setup.sink.port(),
            delivery = setup.delivery,
            more = setup.more,
        );
        std::fs::write(folder.path().join("relent.toml"), settings).expect("settings");
        let made = setup.data.as_ref().map(|data| {
            let mut copy = Command::new("cp");
            let done = copy.arg("-r").arg(data).arg(folder.path().join("data")).status();
            assert!(done.expect("cp").success());
            // What was copied is not for the relay to write down.
            let done = Command::new("sync").arg("--file-system").arg(folder.path()).status();
            assert!(done.expect("sync").success());
            std::fs::read_to_string(data.join("password")).expect("a password").trim().to_owned()
        });
        let mut relay = Self {
            name: "relent",
            group: Group::new("relent"),
            folder,
            port: 0,
            plain: None,
            names,
            daemon: None,
        };
        relay.launch();
        let home = relay.folder.path();
        let password = made.unwrap_or_else(|| {
            let kind = setup.kind;
            Self::verb(home, &["account", "add", "bench"]);
            Self::verb(
                home,
                &["domain", "add", "bench", "bench.test", "--trust", "--dkim", setup.dkim],
            );
            Self::verb(home, &["stream", "add", "bench", "mail", "--kind", kind]);
            let add =
                ["credential", "add", "bench", "--name", "bench", "--stream", "mail", "--json"];
            let made: serde_json::Value =
                serde_json::from_str(&Self::verb(home, &add)).expect("JSON");
            made["password"].as_str().expect("a password").to_owned()
        });
        let secret = data_encoding::BASE64.encode(format!("\0bench\0{password}").as_bytes());
        (relay.plain, relay.name) = (Some(secret), "relent");
        std::fs::write(home.join("data/password"), password).expect("written");
        relay
    }

    /// Starts the daemon and waits until it takes connections; how long that took.
    pub fn launch(&mut self) -> Duration {
        let home = self.folder.path();
        let _ = std::fs::remove_file(home.join("data/ports.json"));
        let (start, config) = (Instant::now(), home.join("relent.toml"));
        let mut daemon = Command::new(relent());
        self.daemon = Some(self.group.spawn(daemon.args(["serve", "--config"]).arg(config)));
        loop {
            assert!(start.elapsed() < Duration::from_secs(120), "the daemon did not start");
            let text = std::fs::read_to_string(home.join("data/ports.json")).unwrap_or_default();
            let ports: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let port = ports["submission"][0].as_u64().and_then(|port| u16::try_from(port).ok());
            self.port = port.unwrap_or(0);
            if port.is_some_and(answers) {
                return start.elapsed();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the daemon at once.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for id in self.group.processes() {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
        while !self.group.processes().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts Postfix, if it is installed and we may.
    pub fn postfix(setup: &Setup) -> Option<Self> {
        let postfix = Path::new("/usr/sbin/postfix");
        if !postfix.exists() || !rustix::process::getuid().is_root() {
            return None;
        }
        let (folder, port) = (folder(), free_port());
        let home = folder.path().display().to_string();
        let done = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        for name in ["etc", "spool", "data"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        done("chmod", &["755", &home]);
        done("chown", &["postfix", &format!("{home}/data")]);
        let etc = folder.path().join("etc");
        std::fs::write(etc.join("main.cf"), main_cf(&home, setup)).expect("main.cf");
        std::fs::write(etc.join("master.cf"), master_cf(port)).expect("master.cf");
        let group = Group::new("postfix");
        let mut start = Command::new(postfix);
        let _ = group.spawn(start.arg("-c").arg(&etc).arg("start")).wait();
        let (name, plain, names) = ("postfix", None, Names::None);
        let relay = Self { name, group, folder, port, plain, names, daemon: None };
        let begun = Instant::now();
        while !answers(port) {
            if begun.elapsed() > Duration::from_secs(15) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(relay)
    }

    /// Bytes that its files take on disk.
    pub fn disk(&self) -> u64 {
        let output =
            Command::new("du").args(["-s", "--block-size=1"]).arg(self.folder.path()).output();
        let text = String::from_utf8(output.expect("du").stdout).expect("text");
        text.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
    }

    /// Resident memory of all its processes, in KiB.
    pub fn memory(&self) -> u64 {
        self.group.processes().into_iter().map(crate::group::resident).sum()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if self.name == "postfix" {
            let etc = self.folder.path().join("etc");
            let _ = Command::new("/usr/sbin/postfix").arg("-c").arg(etc).arg("abort").output();
        }
        self.kill();
        if let Names::Silent(socket) = &self.names {
            let _ = socket.set_nonblocking(true);
        }
    }
}

/// Whether a mail server greets there.
fn answers(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut greeting = [0; 3];
    let is_one = stream.read_exact(&mut greeting).is_ok() && &greeting == b"220";
    let _ = stream.write_all(b"QUIT\r\n");
    is_one
}

fn main_cf(home: &str, setup: &Setup) -> String {
    let hold = if setup.hold {
        "smtpd_client_restrictions = check_client_access static:HOLD\n"
    } else {
        ""
    };
    format!(
        "compatibility_level = 3.6\nqueue_directory = {home}/spool\ndata_directory = {home}/data\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\n\
         setgid_group = postdrop\nmaillog_file = /var/log/relent-bench-postfix.log\n\
         myhostname = relay.bench.test\nmydestination =\nalias_maps =\nlocal_recipient_maps =\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks = 127.0.0.0/8\n\
         relayhost = [127.0.0.1]:{port}\ndisable_dns_lookups = yes\nsmtp_host_lookup = native\n\
         smtpd_peername_lookup = no\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
         smtp_tls_security_level = none\ndefault_process_limit = 200\nin_flow_delay = 0\n\
         qmgr_message_active_limit = 40000\nqmgr_message_recipient_limit = 40000\n\
         initial_destination_concurrency = 20\ndefault_destination_concurrency_limit = 50\n\
         smtp_connection_cache_destinations = [127.0.0.1]:{port}\nsmtpd_client_connection_count_limit = 0\n{hold}",
        port = setup.sink.port(),
    )
}

fn master_cf(port: u16) -> String {
    let mut text = format!("127.0.0.1:{port} inet n - n - - smtpd\n");
    for (name, kind, private, wake, most, program) in [
        ("pickup", "unix", "n", "60", "1", "pickup"),
        ("cleanup", "unix", "n", "-", "0", "cleanup"),
        ("qmgr", "unix", "n", "300", "1", "qmgr"),
        ("rewrite", "unix", "-", "-", "-", "trivial-rewrite"),
        ("bounce", "unix", "-", "-", "0", "bounce"),
        ("defer", "unix", "-", "-", "0", "bounce"),
        ("trace", "unix", "-", "-", "0", "bounce"),
        ("verify", "unix", "-", "-", "1", "verify"),
        ("flush", "unix", "n", "1000?", "0", "flush"),
        ("proxymap", "unix", "-", "-", "-", "proxymap"),
        ("smtp", "unix", "-", "-", "-", "smtp"),
        ("relay", "unix", "-", "-", "-", "smtp"),
        ("error", "unix", "-", "-", "-", "error"),
        ("retry", "unix", "-", "-", "-", "error"),
        ("anvil", "unix", "-", "-", "1", "anvil"),
        ("scache", "unix", "-", "-", "1", "scache"),
        ("postlog", "unix-dgram", "n", "-", "1", "postlogd"),
    ] {
        text += &format!("{name} {kind} {private} - n {wake} {most} {program}\n");
    }
    text
}
