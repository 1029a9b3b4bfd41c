//! A thread of its own enters the cage and tries what somebody would who had broken in.

#![allow(clippy::print_stderr, reason = "a test that was not run says so")]

use super::*;
use crate::config::Config;
use std::fs;
use std::io::{Error, ErrorKind, Result as IoResult};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// What a file beside the settings, `outside`, and a listener that no setting names are for.
struct Scene {
    home: tempfile::TempDir,
    config: Config,
    named: TcpListener,
    other: TcpListener,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        for folder in ["settings", "data", "outside", "more"] {
            fs::create_dir(home.path().join(folder)).expect("a folder");
            fs::write(home.path().join(folder).join("file"), folder).expect("a file");
        }
        let listener = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (named, other) = (listener(), listener());
        let mut config = Config { data_dir: home.path().join("data"), ..Config::default() };
        config.delivery.port = named.local_addr().expect("bound").port();
        Self { home, config, named, other }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn allowed(&self) -> Allowed {
        Allowed::of(&self.config, &self.path("settings/relent.toml"))
    }

    /// Does it in a thread that has entered.
    fn within<T: Send>(&self, sandbox: Sandbox, work: impl FnOnce() -> T + Send) -> T {
        let allowed = self.allowed();
        std::thread::scope(|scope| {
            let entered = scope.spawn(|| {
                enter(sandbox, &allowed).expect("the kernel has it");
                work()
            });
            entered.join().expect("the work is done")
        })
    }
}

/// Whether this kernel keeps files and ports out of reach; if not, it is said aloud.
fn has_landlock() -> bool {
    use landlock::{AccessFs, Ruleset, RulesetAttr, RulesetStatus};
    let tried = std::thread::spawn(|| {
        let rules = Ruleset::default().handle_access(AccessFs::ReadFile).expect("a rule");
        rules.create().expect("rules").restrict_self().expect("a thread alone")
    });
    let has = tried.join().expect("tried").ruleset != RulesetStatus::NotEnforced;
    if !has {
        eprintln!("NOT TESTED: this kernel has no Landlock");
    }
    has
}

fn refused<T>(tried: IoResult<T>) -> bool {
    tried.is_err_and(|fault| fault.kind() == ErrorKind::PermissionDenied)
}

#[test]
fn only_the_files_of_the_settings_are_within_reach() {
    if !has_landlock() {
        return;
    }
    let scene = Scene::new();
    symlink(scene.path("outside/file"), scene.path("settings/link")).expect("a link");
    let path = |name: &str| scene.path(name);
    assert!(fs::read(path("settings/link")).is_ok(), "before");
    scene.within(Sandbox::On, || {
        assert!(fs::read(path("settings/file")).is_ok());
        assert!(fs::read_dir(path("settings")).is_ok());
        assert!(refused(fs::write(path("settings/file"), "x")), "settings are read");
        assert!(refused(fs::remove_file(path("settings/file"))));
        fs::write(path("data/new"), "x").expect("data is written");
        fs::create_dir(path("data/folder")).expect("and has folders");
        fs::rename(path("data/new"), path("data/folder/new")).expect("between which files move");
        fs::remove_file(path("data/folder/new")).expect("and go");
        fs::remove_dir(path("data/folder")).expect("as they do themselves");
        for outside in ["outside/file", "settings/link", "more/file"] {
            assert!(refused(fs::read(path(outside))), "{outside}");
            assert!(refused(fs::write(path(outside), "x")), "{outside}");
        }
        assert!(refused(fs::read_dir(path("outside"))));
        assert!(refused(fs::remove_file(path("outside/file"))));
        assert!(refused(fs::write(path("outside/new"), "x")));
        assert!(refused(fs::rename(path("data/file"), path("outside/new"))));
        assert!(refused(fs::read("/etc/shadow").or_else(|_| fs::read("/etc/fstab"))));
        assert!(fs::read("/etc/hosts").is_ok());
    });
    assert_eq!(fs::read_to_string(path("outside/file")).expect("still there"), "outside");
}

#[test]
fn a_file_that_is_named_is_reached_where_it_truly_lies_and_after_it_was_replaced() {
    if !has_landlock() {
        return;
    }
    let mut scene = Scene::new();
    symlink(scene.path("more/file"), scene.path("outside/link")).expect("a link");
    scene.config.tls.key = Some(scene.path("outside/link"));
    scene.config.process.sandbox_write = vec![scene.path("settings")];
    let path = |name: &str| scene.path(name);
    scene.within(Sandbox::On, || {
        assert!(fs::read(path("outside/link")).is_ok());
        fs::write(path("settings/file"), "x").expect("the settings say so");
    });
    // As certbot does it: a new file, and the link turned to it.
    scene.within(Sandbox::On, || {
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(fs::read(path("outside/link")).is_ok(), "threads too"));
        });
    });
    fs::write(path("more/file.2"), "more").expect("a new one");
    fs::rename(path("more/file.2"), path("more/file")).expect("in the place of the old");
    scene.within(Sandbox::On, || assert!(fs::read(path("outside/link")).is_ok()));
}

#[test]
fn only_the_ports_of_the_settings_are_connected_to_and_listened_on() {
    if !has_landlock() {
        return;
    }
    let mut scene = Scene::new();
    let to = |listener: &TcpListener| listener.local_addr().expect("bound");
    let (named, other) = (to(&scene.named), to(&scene.other));
    scene.within(Sandbox::On, || {
        assert!(TcpStream::connect(named).is_ok());
        assert!(refused(TcpStream::connect(other)));
        // The address to send from is chosen, its port is not.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("any port");
        socket.connect(&named.into()).expect("from there");
        let elsewhere = (std::net::Ipv4Addr::new(127, 0, 0, 2), other.port());
        assert!(refused(TcpListener::bind(elsewhere)), "no port is taken that is no setting's");
        assert!(UdpSocket::bind("127.0.0.1:0").is_ok(), "name servers are asked");
    });
    scene.config.process.sandbox_connect = vec![other.port()];
    scene.config.process.sandbox_listen = vec![other.port()];
    scene.within(Sandbox::On, || {
        assert!(TcpStream::connect(other).is_ok());
        let elsewhere = (std::net::Ipv4Addr::new(127, 0, 0, 2), other.port());
        assert!(TcpListener::bind(elsewhere).is_ok());
    });
    scene.config.process.sandbox_connect.clear();
    scene.config.webhooks.ports.clear();
    scene.within(Sandbox::On, || assert!(TcpStream::connect(other).is_ok(), "any port"));
}

#[test]
fn no_program_is_started_and_no_right_is_had() {
    let scene = Scene::new();
    assert!(Command::new("/bin/true").status().is_ok(), "before");
    scene.within(Sandbox::On, || {
        assert!(refused(Command::new("/bin/true").status()));
        let pid = rustix::process::getpid();
        let flags = rustix::process::PidfdFlags::empty();
        assert!(refused(rustix::process::pidfd_open(pid, flags).map_err(Error::from)));
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let set = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
        assert!(refused(set.map_err(Error::from)), "limits are read, not set");
        let signal = rustix::process::test_kill_process(pid);
        assert!(refused(signal.map_err(Error::from)), "signals go to nobody");
        let raw = socket2::Socket::new(17.into(), socket2::Type::RAW, None);
        assert!(refused(raw), "a socket of packets");
        std::thread::spawn(|| ()).join().expect("threads are begun");
    });
}

#[test]
fn where_it_is_only_written_down_nothing_is_refused() {
    let scene = Scene::new();
    let outside = scene.path("outside/file");
    for sandbox in [Sandbox::Log, Sandbox::Off] {
        scene.within(sandbox, || {
            assert!(fs::read(&outside).is_ok());
            assert!(Command::new("/bin/true").status().is_ok());
            assert!(TcpListener::bind("127.0.0.1:0").is_ok());
        });
    }
}

fn ports(config: &Config) -> Option<Vec<u16>> {
    let allowed = Allowed::of(config, Path::new("/etc/relent/relent.toml"));
    allowed.connects.map(|ports| ports.iter().map(|port| port.number).collect())
}

#[test]
fn ports_follow_from_the_settings() {
    let mut config = Config::default();
    assert_eq!(ports(&config), Some(vec![25, 53, 443, 8443]));
    config.mta_sts.enabled = false;
    config.tls_reports.enabled = false;
    config.webhooks.ports = vec![8443];
    config.delivery.port = 2525;
    config.dns.nameservers = vec!["127.0.0.1:5353".parse().expect("an address")];
    config.process.sandbox_connect = vec![4317];
    assert_eq!(ports(&config), Some(vec![2525, 4317, 5353, 8443]));
    config.acme.enabled = true;
    config.acme.directory = "https://ca.example:9000/directory".into();
    assert_eq!(ports(&config), Some(vec![2525, 4317, 5353, 8443, 9000]));
    config.webhooks.allow_private = true;
    assert_eq!(ports(&config), None, "endpoints of a lab have any port");
    config.webhooks.allow_private = false;
    config.webhooks.ports.clear();
    assert_eq!(ports(&config), None);
}

#[test]
fn of_a_folder_that_others_use_too_only_the_file_is_reached() {
    let reads = |text: &str| {
        let mut config = Config::default();
        config.tls.key = Some(text.into());
        let allowed = Allowed::of(&config, Path::new("/etc/relent/relent.toml"));
        let found = allowed.reads.into_iter().find(|place| place.why == "tls.key");
        found.map(|place| place.path.display().to_string())
    };
    for (file, place) in [
        ("/etc/relent.d/tls/key.pem", "/etc/relent.d/tls"),
        ("/etc/ssl/private/relent.key", "/etc/ssl/private"),
        ("/etc/relent-no-such.key", "/etc/relent-no-such.key"),
        ("/home/ann/key.pem", "/home/ann/key.pem"),
        ("/home/ann/keys/key.pem", "/home/ann/keys"),
        ("/var/lib/relent-no-such.key", "/var/lib/relent-no-such.key"),
        ("/relent-no-such.key", "/relent-no-such.key"),
    ] {
        assert_eq!(reads(file).as_deref(), Some(place), "{file}");
    }
    assert_eq!(reads("credential:key.pem"), None, "not handed over");
}

#[test]
fn what_settings_need_beyond_the_cage_is_told() {
    let path = Path::new("/etc/relent/relent.toml");
    let mut config = Config::default();
    let allowed = Allowed::of(&config, path);
    config.tls.key = Some("/srv/keys/key.pem".into());
    config.tls.certificate = Some("/etc/relent/tls/certificate.pem".into());
    config.delivery.port = 2525;
    config.data_dir = "/srv/relent".into();
    config.listen.submission = vec!["127.0.0.1:2587".parse().expect("an address")];
    let told = allowed.lacks(&Allowed::of(&config, path));
    assert_eq!(
        told,
        [
            "/srv/keys cannot be read (tls.key)",
            "/srv/relent cannot be written (data_dir)",
            "port 2525 cannot be connected to (delivery.port)",
            "port 2587 cannot be listened on (listen.submission)",
        ]
    );
    assert!(allowed.lacks(&allowed.clone()).is_empty());
    config.webhooks.ports.clear();
    assert!(
        allowed.lacks(&Allowed::of(&config, path)).iter().any(|why| why.contains("every port"))
    );
}

#[test]
fn what_is_dangerous_is_no_call_that_is_let_through() {
    let names = calls();
    assert!(names.contains(&"openat".to_owned()) && names.contains(&"(socket)".to_owned()));
    for name in [
        "execve",
        "execveat",
        "ptrace",
        "fork",
        "vfork",
        "clone3",
        "kill",
        "mount",
        "bpf",
        "unshare",
        "setns",
        "setuid",
        "setgid",
        "setgroups",
        "keyctl",
        "process_vm_readv",
        "seccomp",
        "io_uring_setup",
        "init_module",
        "kexec_load",
        "chown",
        "mknodat",
        "symlinkat",
        "open_by_handle_at",
        "perf_event_open",
        "userfaultfd",
        "pidfd_getfd",
        "personality",
    ] {
        let named = |found: &String| found.trim_matches(['(', ')']) == name;
        assert!(!names.iter().any(named), "{name}");
    }
}
