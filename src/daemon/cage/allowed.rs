//! What the daemon needs, as its settings have it: files that it reads and writes, ports that it connects to.

use crate::config::{self, CREDENTIALS, Config};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Files and folders of the system that every service reads, and what for.
const SYSTEM: &[(&str, &str)] = &[
    ("/etc/resolv.conf", "name servers"),
    ("/run/systemd/resolve", "name servers"),
    ("/run/resolvconf", "name servers"),
    ("/run/NetworkManager", "name servers"),
    ("/etc/hosts", "names of hosts"),
    ("/etc/nsswitch.conf", "names of users"),
    ("/etc/passwd", "names of users"),
    ("/etc/group", "names of users"),
    ("/run/systemd/userdb", "names of users"),
    ("/etc/ld.so.cache", "libraries"),
    ("/lib", "libraries"),
    ("/lib64", "libraries"),
    ("/usr/lib", "libraries"),
    ("/usr/lib64", "libraries"),
    ("/etc/localtime", "time zones"),
    ("/usr/share/zoneinfo", "time zones"),
    ("/etc/ssl/certs", "authorities"),
    ("/etc/ssl/cert.pem", "authorities"),
    ("/etc/pki", "authorities"),
    ("/etc/ca-certificates", "authorities"),
    ("/usr/share/ca-certificates", "authorities"),
    ("/usr/local/share/ca-certificates", "authorities"),
    ("/proc/self", "figures of the process"),
    ("/sys/fs/cgroup", "limits of the service"),
    ("/sys/devices/system/cpu", "cores"),
    ("/dev/null", "nothing"),
    ("/dev/random", "chance"),
    ("/dev/urandom", "chance"),
];

/// Folders in which everybody keeps things: of a file in one, only itself is reached.
const SHARED: &[&str] = &[
    "/etc/ssl",
    "/usr/local",
    "/usr/local/etc",
    "/usr/share",
    "/var/lib",
    "/var/tmp",
    "/var/run",
    "/run/user",
];

/// The port of name servers.
const DNS: u16 = 53;

/// A file, or a folder with all in it, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file or folder; it need not be there.
    pub path: PathBuf,
    /// What for, in words.
    pub why: String,
}

/// A TCP port and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// What for, in words.
    pub why: String,
}

/// What the process may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// What it may read.
    pub reads: Vec<Place>,
    /// What it may read and write.
    pub writes: Vec<Place>,
    /// The TCP ports that it may connect to; none: any.
    pub connects: Option<Vec<Port>>,
    /// The TCP ports that it may listen on; 0 is one that the kernel chooses, as connections are sent from.
    pub listens: Vec<Port>,
    /// Whether it may speak to sockets without a file, where the service manager listens on one.
    pub abstract_sockets: bool,
}

/// Where systemd lays credentials down. What it hands over anew at a reload is another file system on the same
/// folder, which is within reach if the folder above is; in that a service sees its own alone.
fn handed_over(folder: PathBuf) -> PathBuf {
    match folder.parent() {
        Some(above) if above.ends_with("credentials") => above.to_owned(),
        _ => folder,
    }
}

impl Allowed {
    /// What these settings, read from the file at `path`, lead to.
    #[must_use]
    pub fn of(config: &Config, path: &Path) -> Self {
        let mut reads = Reads::default();
        reads.file(path, "settings");
        let delivery = &config.delivery;
        let rules = delivery.refusal_rules.clone().map(PathBuf::from);
        for (file, why) in [
            (delivery.shaping.as_ref(), "delivery.shaping"),
            (rules.as_ref(), "delivery.refusal_rules"),
            (config.tls.certificate.as_ref(), "tls.certificate"),
            (config.tls.key.as_ref(), "tls.key"),
            (config.tls.trust_anchors.as_ref(), "tls.trust_anchors"),
            (config.dns.trust_anchor.as_ref(), "dns.trust_anchor"),
            (config.acme.external_account_key_file.as_ref(), "acme.external_account_key_file"),
        ] {
            if let Some(file) = file.filter(|file| config::credential(file).is_none()) {
                reads.file(file, why);
            }
        }
        for pair in &config.tls.more {
            reads.file(&pair.certificate, "tls.more");
            reads.file(&pair.key, "tls.more");
        }
        if let Some(folder) = std::env::var_os(CREDENTIALS).filter(|folder| !folder.is_empty()) {
            reads.place(handed_over(PathBuf::from(folder)), "credentials");
        }
        for (variable, why) in [("SSL_CERT_FILE", "authorities"), ("SSL_CERT_DIR", "authorities")] {
            if let Some(value) = std::env::var_os(variable).filter(|value| !value.is_empty()) {
                reads.place(PathBuf::from(value), why);
            }
        }
        for (place, why) in SYSTEM {
            reads.place(PathBuf::from(place), why);
        }
        let process = &config.process;
        for place in &process.sandbox_read {
            reads.place(place.clone(), "process.sandbox_read");
        }
        let mut writes = Reads::default();
        writes.place(config.data_dir.clone(), "data_dir");
        writes.place("/dev/null".into(), "nothing");
        for place in &process.sandbox_write {
            writes.place(place.clone(), "process.sandbox_write");
        }
        let socket = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
        let abstract_sockets = socket.as_encoded_bytes().starts_with(b"@");
        let (reads, writes) = (reads.0, writes.0);
        let (connects, listens) = (connects(config), listens(config));
        Self { reads, writes, connects, listens, abstract_sockets }
    }

    /// What another has and this has not, in words: settings that a process with this would not be able to
    /// follow.
    #[must_use]
    pub fn lacks(&self, other: &Self) -> Vec<String> {
        let mut lacks = Vec::new();
        for (what, ours, theirs) in
            [("read", &self.reads, &other.reads), ("written", &self.writes, &other.writes)]
        {
            let is_within =
                |place: &&Place| ours.iter().any(|within| place.path.starts_with(&within.path));
            for place in theirs.iter().filter(|place| !is_within(place)) {
                lacks.push(format!("{} cannot be {what} ({})", place.path.display(), place.why));
            }
        }
        if let Some(ours) = &self.connects {
            match &other.connects {
                None => lacks.push("not every port can be connected to (webhooks.ports)".into()),
                Some(theirs) => lacks.extend(ports_beyond(ours, theirs, "connected to")),
            }
        }
        lacks.extend(ports_beyond(&self.listens, &other.listens, "listened on"));
        lacks
    }
}

/// The ports of some that others have not, in words.
fn ports_beyond(ours: &[Port], theirs: &[Port], what: &str) -> Vec<String> {
    let is_new = |port: &&Port| !ours.iter().any(|our| our.number == port.number);
    let told = |port: &Port| format!("port {} cannot be {what} ({})", port.number, port.why);
    theirs.iter().filter(is_new).map(told).collect()
}

/// Places, each once.
#[derive(Default)]
struct Reads(Vec<Place>);

impl Reads {
    fn place(&mut self, path: PathBuf, why: &str) {
        if !self.0.iter().any(|place| place.path == path) {
            self.0.push(Place { path, why: why.to_owned() });
        }
    }

    /// A file that may be replaced by another of its name, as certificates are: its folder is reached, and
    /// the one that it lies in truly where it is a link, unless others keep things there too.
    fn file(&mut self, file: &Path, why: &str) {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let real = std::fs::canonicalize(&absolute).ok();
        for file in [Some(absolute), real].into_iter().flatten() {
            match file.parent().filter(|folder| !is_shared(folder)) {
                Some(folder) => self.place(folder.to_owned(), why),
                None => self.place(file, why),
            }
        }
    }
}

/// Whether others keep things in a folder: it is at the root, somebody's home, or known for it.
fn is_shared(folder: &Path) -> bool {
    let names = folder.components().filter(|part| matches!(part, Component::Normal(_))).count();
    names <= 1
        || (names == 2 && folder.starts_with("/home"))
        || SHARED.iter().any(|shared| folder == Path::new(shared))
}

/// Ports by number, with all that each is for.
#[derive(Default)]
struct Ports(BTreeMap<u16, Vec<String>>);

impl Ports {
    fn add(&mut self, number: u16, why: &str) {
        let whys = self.0.entry(number).or_default();
        if !whys.iter().any(|known| known == why) {
            whys.push(why.to_owned());
        }
    }

    fn all(self) -> Vec<Port> {
        let port = |(number, whys): (u16, Vec<String>)| Port { number, why: whys.join(", ") };
        self.0.into_iter().map(port).collect()
    }
}

/// The ports that are connected to; none: any.
fn connects(config: &Config) -> Option<Vec<Port>> {
    let endpoints = config.webhooks.ports()?;
    let mut ports = Ports::default();
    ports.add(config.delivery.port, "delivery.port");
    match config.dns.nameservers.is_empty() {
        true => ports.add(DNS, "name servers of the system"),
        false => {
            config.dns.nameservers.iter().for_each(|to| ports.add(to.port(), "dns.nameservers"));
        }
    }
    if config.mta_sts.enabled {
        ports.add(config.mta_sts.port, "mta_sts.port");
    }
    if config.tls_reports.enabled {
        ports.add(443, "tls_reports");
    }
    if let Some(port) = config.log.traces.as_ref().map(config::TraceEndpoint::port) {
        ports.add(port, "log.traces");
    }
    if config.acme.enabled {
        ports.add(config.acme.port(), "acme.directory");
    }
    for &port in endpoints {
        ports.add(port, "webhooks.ports");
    }
    for &port in &config.process.sandbox_connect {
        ports.add(port, "process.sandbox_connect");
    }
    Some(ports.all())
}

/// The ports that are listened on, at the start or after a reload.
fn listens(config: &Config) -> Vec<Port> {
    let mut ports = Ports::default();
    ports.add(0, "any that the kernel chooses");
    for (key, addresses) in config.listen.tcp() {
        let why = format!("listen.{key}");
        addresses.iter().for_each(|address| ports.add(address.port(), &why));
    }
    for &port in &config.process.sandbox_listen {
        ports.add(port, "process.sandbox_listen");
    }
    ports.all()
}
