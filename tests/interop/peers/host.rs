//! A mail server of Debian's, unpacked and run in namespaces of its own, with its settings, its log and its
//! mailbox in a temporary folder.

use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// Where everybody is; all listen at one port.
pub struct Site {
    pub server: Ipv4Addr,
    /// Where senders get their reports.
    pub sender: Ipv4Addr,
    /// Where Relent takes what comes back.
    pub inbound: Ipv4Addr,
    pub port: u16,
}

/// A server that runs. Ended when dropped.
pub struct Host {
    name: &'static str,
    folder: TempDir,
    process: Child,
}

impl Host {
    /// Starts it; none where this machine cannot, which is said.
    pub fn start(name: &'static str, site: &Site) -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.join("target/peers").join(name);
        if !root.join("fetched").exists() {
            eprintln!("NOT TESTED: {name} is not there; `tests/interop/peers/fetch` fetches it");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            eprintln!("NOT TESTED: {name} needs root");
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
        let pages = here.join("tests/interop/peers");
        for page in fs::read_dir(pages.join(name)).expect("settings") {
            let page = page.expect("a page").path();
            let text = fs::read_to_string(&page).expect("text");
            let text = text
                .replace("@ADDRESS@", &site.server.to_string())
                .replace("@INBOUND@", &site.inbound.to_string())
                .replace("@PORT@", &site.port.to_string());
            let copy = folder.path().join(page.file_name().expect("a name"));
            fs::write(&copy, text).expect("written");
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("its mode");
        }
        fs::copy(pages.join("users"), folder.path().join("users")).expect("copied");
        certificate(folder.path(), &format!("mx.{name}.example"));
        let said = fs::File::create(folder.path().join("said")).expect("a file");
        let process = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "sh"])
            .arg(pages.join("enter"))
            .arg(root.join("root"))
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("a file"))
            .stderr(said)
            .spawn()
            .expect("unshare runs");
        let mut host = Self { name, folder, process };
        let at = SocketAddr::from((site.server, site.port));
        let deadline = Instant::now() + START;
        while TcpStream::connect(at).is_err() {
            if Instant::now() > deadline || host.process.try_wait().expect("a look").is_some() {
                let said = host.read("said");
                if said.contains("unshare") || said.contains("mount") {
                    eprintln!("NOT TESTED: {name}: this machine mounts nothing: {said}");
                    return None;
                }
                panic!("{name} did not start: {said}{}", host.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(host)
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What the server wrote about itself.
    pub fn log(&self) -> String {
        self.read("log") + &self.read("mainlog") + &self.read("said")
    }

    /// The messages in its mailbox, by recipient, their lines ended as they came over the wire.
    pub fn mailbox(&self) -> HashMap<String, Vec<Vec<u8>>> {
        let mut found: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
        let folder: PathBuf = self.folder.path().join("mail/box/new");
        for file in fs::read_dir(folder).into_iter().flatten() {
            let stored = fs::read(file.expect("a message").path()).expect("a message");
            let mut message = Vec::with_capacity(stored.len() + stored.len() / 40);
            for byte in stored {
                if byte == b'\n' && message.last() != Some(&b'\r') {
                    message.push(b'\r');
                }
                message.push(byte);
            }
            let fields = String::from_utf8_lossy(&message[..message.len().min(8192)]).into_owned();
            let to = fields.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let name = name.to_ascii_lowercase();
                (name == "delivered-to" || name == "envelope-to").then(|| value.trim().to_owned())
            });
            found.entry(to.unwrap_or_default()).or_default().push(message);
        }
        found
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(6000);
            eprintln!("--- the log of {} ends:\n{}", self.name, log.get(from..).unwrap_or(&log));
        }
        // With the first process of its namespace all others end.
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        for child in children.unwrap_or_default().split_ascii_whitespace() {
            let child = child.parse().ok().and_then(rustix::process::Pid::from_raw);
            if let Some(child) = child {
                let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
            }
        }
        let _ = self.process.wait();
    }
}

/// A certificate that the server signs itself.
fn certificate(folder: &Path, name: &str) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let wanted = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = wanted.self_signed(&key).expect("a certificate");
    fs::write(folder.join("certificate.pem"), certificate.pem()).expect("written");
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("written");
}
