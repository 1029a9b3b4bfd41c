//! The units as they are shipped, on a small machine whose first process is systemd (systemd-nspawn): sockets,
//! user, keys, watchdog, restart. So each restriction of the unit is tried against what the daemon does.

use super::field;
use crate::support::certificates::Authority;
use crate::support::program;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the machine may live.
const LIFE_MAX: Duration = Duration::from_secs(600);

/// A folder that systemd takes for a machine, with our units and a unit that looks at them.
struct Machine {
    tree: tempfile::TempDir,
}

fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("a folder");
    fs::create_dir_all(folder).expect("a folder");
    fs::write(path, text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
}

impl Machine {
    fn new() -> Self {
        let tree = tempfile::tempdir().expect("a folder");
        let machine = Self { tree };
        fs::set_permissions(machine.tree.path(), fs::Permissions::from_mode(0o755))
            .expect("its mode");
        for folder in ["usr", "opt", "var", "run", "tmp", "root", "proc", "sys", "dev", "result"] {
            fs::create_dir(machine.path(folder)).expect("a folder");
        }
        for folder in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{folder}"), machine.path(folder)).expect("a link");
        }
        let root = env!("CARGO_MANIFEST_DIR");
        let unit =
            |name: &str| fs::read_to_string(format!("{root}/systemd/{name}")).expect("a unit");
        // As they are, but for where the binary lies and for less patience, which a busy machine still has.
        let service = unit("relent.service")
            .replace("/usr/bin/relent", "/opt/relent")
            .replace("WatchdogSec=60", "WatchdogSec=12")
            .replace(
                "#LoadCredential=key.pem:/etc/letsencrypt/live/relay.example.com/privkey.pem",
                "LoadCredential=key.pem:/etc/keys/relent.pem",
            );
        assert!(service.contains("/opt/relent") && service.contains("/etc/keys/relent.pem"));
        assert!(service.contains("WatchdogSec=12"));
        let authority = Authority::new("Test");
        let (certificate, key) = authority.issue(&["relay.example"]).pem();
        let (renewed, renewed_key) = authority.issue(&["relay.example"]).pem();
        for (name, text) in [
            ("etc/os-release", "ID=test\nNAME=test\n"),
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
            ("etc/group", "root:x:0:\n"),
            ("etc/hosts", "127.0.0.1 localhost\n"),
            ("etc/resolv.conf", "nameserver 127.0.0.1\n"),
            ("etc/systemd/system/relent.service", &service),
            ("etc/systemd/system/relent.socket", &unit("relent.socket")),
            ("etc/sysusers.d/relent.conf", &unit("relent.sysusers")),
            ("etc/tmpfiles.d/relent.conf", &unit("relent.tmpfiles")),
            ("etc/keys/relent.pem", &key),
            ("etc/relent/certificate.pem", &certificate),
            ("etc/keys/renewed.pem", &renewed_key),
            ("etc/relent/renewed.pem", &renewed),
            (
                "etc/relent/relent.toml",
                "hostname = \"relay.example\"\n[tls]\ncertificate = \"/etc/relent/certificate.pem\"\n\
                 key = \"credential:key.pem\"\n[process]\nstatus_interval = \"100ms\"\n\
                 [health]\nspool_timeout = \"3s\"\nstore_timeout = \"3s\"\nlag_max = \"3s\"\n",
            ),
            (
                "etc/systemd/system/look.service",
                "[Unit]\nDescription=Somebody who looks\nAfter=basic.target systemd-journald.service\n\
                 [Service]\nType=oneshot\nExecStart=/bin/bash /opt/look\n\
                 ExecStopPost=/bin/systemctl --no-block exit\n",
            ),
            (
                "etc/systemd/system/look.target",
                "[Unit]\nRequires=basic.target look.service\nAfter=basic.target\nAllowIsolate=yes\n",
            ),
            ("opt/look", include_str!("boot.sh")),
        ] {
            write(&machine.path(name), text);
        }
        let private = fs::Permissions::from_mode(0o600);
        for key in ["etc/keys/relent.pem", "etc/keys/renewed.pem"] {
            fs::set_permissions(machine.path(key), private.clone()).expect("root's alone");
        }
        fs::copy(program(), machine.path("opt/relent")).expect("the binary");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tree.path().join(name)
    }

    /// Lets it live until its unit has looked; false where it could not be booted at all.
    fn boots(&self) -> bool {
        let log = fs::File::create(self.path("console")).expect("a file");
        let mut machine = Command::new("systemd-nspawn");
        machine
            .args(["--quiet", "--register=no", "--keep-unit", "--private-network", "--boot"])
            .args(["--console=read-only", "--bind-ro=/usr", "--bind-ro=/etc/ssl"])
            // The machine's own filter would hide what a machine of iron has.
            .arg("--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp")
            .arg("--directory")
            .arg(self.tree.path())
            .args(["systemd.unit=look.target", "systemd.firstboot=no"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log);
        let Ok(mut machine) = machine.spawn() else { return false };
        let deadline = Instant::now() + LIFE_MAX;
        while machine.try_wait().expect("a look").is_none() {
            if Instant::now() > deadline {
                let _ = machine.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = machine.wait();
        self.path("result/log").exists()
    }

    fn saw(&self, name: &str) -> String {
        fs::read_to_string(self.path("result").join(name)).unwrap_or_default().trim().to_owned()
    }
}

#[test]
fn the_units_as_they_are_shipped_run_under_systemd() {
    let has_nspawn = Command::new("systemd-nspawn").arg("--version").output().is_ok();
    if !has_nspawn || !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: a machine is booted by root with systemd-nspawn alone");
        return;
    }
    let machine = Machine::new();
    if !machine.boots() {
        let console = fs::read_to_string(machine.path("console")).unwrap_or_default();
        eprintln!("NOT TESTED: no machine can be booted here:\n{console}");
        return;
    }
    let all = || format!("{}\n{}", machine.saw("log"), machine.saw("journal"));
    assert_eq!(machine.saw("end"), "done", "{}", all());
    assert_eq!((machine.saw("started"), machine.saw("active")), ("0".into(), "active".into()));
    assert_eq!(machine.saw("status"), "ready: 0 queued, 0 connections in, 0 out", "{}", all());

    // Its own user, without any right, under its own filter beside systemd's.
    let threads = machine.saw("threads");
    let uids: Vec<&str> = threads.lines().filter_map(|line| line.strip_prefix("Uid:")).collect();
    let user = machine.saw("user");
    assert!(uids.len() > 2 && user != "0", "{threads}");
    for uid in uids {
        assert!(uid.split_whitespace().all(|id| id == user), "{uid} is not {user}");
    }
    for rights in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let mut lines = threads.lines().filter(|line| line.starts_with(rights));
        assert!(lines.all(|line| line.ends_with(":\t0000000000000000")), "{threads}");
    }
    let filters: Vec<&str> =
        threads.lines().filter_map(|line| line.strip_prefix("Seccomp_filters:")).collect();
    let most = |count: &&str| count.trim().parse::<u32>().is_ok_and(|count| count > 2);
    assert!(filters.iter().all(most), "{threads}");
    assert_eq!(field(&threads, "NoNewPrivs"), "1");
    let folders = "relent 700\nrelent 755\nrelent 600";
    assert_eq!(machine.saw("folders"), folders);

    // Mail by every port, the key that was handed over, and nothing lost.
    assert_eq!(machine.saw("mail"), "587 taken\n465 taken\n25 250\n8025 alive", "{}", all());
    let waits = |name: &str| {
        let list: serde_json::Value = serde_json::from_str(&machine.saw(name)).unwrap_or_default();
        list.as_array().map_or(0, Vec::len)
    };
    assert_eq!(waits("queue"), 2, "{}", all());
    assert_eq!((machine.saw("reloaded"), machine.saw("restarted")), ("0".into(), "0".into()));
    assert_eq!(waits("queue.after"), 2, "{}", all());
    let shown =
        ["before", "reloaded", "restarted"].map(|when| machine.saw(&format!("shown.{when}")));
    assert!(shown[0].contains("BEGIN CERTIFICATE"), "{}", all());
    assert!(shown[1] == shown[0] && shown[2] != shown[0], "{}", all());
    assert_eq!(machine.saw("watchdog"), "started anew after 1", "{}", all());
    assert_eq!(waits("queue.anew"), 2, "{}", all());
    assert_eq!(machine.saw("stopped"), "success", "{}", all());
    // A port that is added to both files is had after a restart of both.
    let added = (machine.saw("added"), machine.saw("pages"));
    assert_eq!(added, ("0".into(), "alive".into()), "{}", all());
    let journal = machine.saw("journal");
    for words in ["out of reach (Landlock)", "let through (seccomp)", "listening"] {
        assert!(journal.contains(words), "{words}: {}", all());
    }
    assert!(!journal.contains("systemd handed over"), "{journal}");
}
