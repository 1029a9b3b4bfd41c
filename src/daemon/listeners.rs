//! The sockets: handed over by systemd, or bound here; and `ports.json`, which says where they are.

use crate::config::{Config, Listen};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// Waiting connections that the kernel keeps for a listener.
const BACKLOG: i32 = 1024;

/// Every TCP listener, by what it is for.
pub(crate) struct Listeners {
    pub(crate) submission: Vec<TcpListener>,
    pub(crate) submissions: Vec<TcpListener>,
    pub(crate) inbound: Vec<TcpListener>,
    pub(crate) http: Vec<TcpListener>,
    pub(crate) https: Vec<TcpListener>,
    pub(crate) redirect: Vec<TcpListener>,
}

impl Listeners {
    /// Takes systemd's sockets for the addresses whose port they have, and binds the others.
    pub(crate) fn open(listen: &Listen) -> Result<Self> {
        let mut handed = handed_over()?;
        let mut group = |key: &str, addresses: &[SocketAddr]| {
            addresses
                .iter()
                .map(|&address| {
                    let taken = handed.iter().position(|(port, _)| *port == address.port());
                    let listener = match taken {
                        Some(place) => handed.swap_remove(place).1,
                        None => bind(address).with_context(|| {
                            format!("[listen] {key}: cannot listen on {address}")
                        })?,
                    };
                    Ok(TcpListener::from_std(listener)?)
                })
                .collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            submission: group("submission", &listen.submission)?,
            submissions: group("submissions", &listen.submissions)?,
            inbound: group("inbound", &listen.inbound)?,
            http: group("http", &listen.http)?,
            https: group("https", &listen.https)?,
            redirect: group("redirect", &listen.redirect)?,
        })
    }

    fn named(&self) -> [(&'static str, &[TcpListener]); 6] {
        [
            ("submission", &self.submission),
            ("submissions", &self.submissions),
            ("inbound", &self.inbound),
            ("http", &self.http),
            ("https", &self.https),
            ("redirect", &self.redirect),
        ]
    }

    /// Every address that is ours, for loop checks.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let all = self.named().into_iter().flat_map(|(_, listeners)| listeners);
        all.filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Writes `ports.json`: the ports bound for each key of `[listen]`, in the settings' order. On a
    /// full disk there is none: one of an earlier start would tell wrong ports.
    pub(crate) fn write_ports(&self, data_dir: &Path) {
        let ports: BTreeMap<&str, Vec<u16>> = self
            .named()
            .into_iter()
            .map(|(key, listeners)| {
                let bound = listeners.iter().filter_map(|listener| listener.local_addr().ok());
                (key, bound.map(|address| address.port()).collect())
            })
            .collect();
        let path = data_dir.join("ports.json");
        let fresh = data_dir.join("ports.json.new");
        let written = serde_json::to_vec(&ports)
            .map_err(std::io::Error::from)
            .and_then(|text| std::fs::write(&fresh, text))
            .and_then(|()| std::fs::rename(&fresh, &path));
        if let Err(fault) = written {
            tracing::warn!(target: "relent::daemon", %fault, file = %path.display(),
                "the ports could not be written to the file; they stand in this log only");
            let _ = std::fs::remove_file(&fresh);
            let _ = std::fs::remove_file(&path);
        }
        for (key, bound) in &ports {
            tracing::info!(target: "relent::daemon", listener = key, ports = ?bound, "listening");
        }
    }
}

/// The sockets systemd opened for us, each with its port.
fn handed_over() -> Result<Vec<(u16, StdListener)>> {
    let mut sockets = listenfd::ListenFd::from_env();
    let mut found = Vec::new();
    for place in 0..sockets.len() {
        if let Some(listener) = sockets.take_tcp_listener(place)? {
            listener.set_nonblocking(true)?;
            found.push((listener.local_addr()?.port(), listener));
        }
    }
    Ok(found)
}

fn bind(address: SocketAddr) -> Result<StdListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Opens the admin socket, mode 0600. A socket file that nobody answers on is replaced; one that
/// somebody answers on belongs to a daemon that runs.
pub(crate) async fn admin(path: &Path) -> Result<UnixListener> {
    if UnixStream::connect(path).await.is_ok() {
        anyhow::bail!("another daemon answers on {}: stop it first", path.display());
    }
    clear(path)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    // Bound under another name and renamed once its mode is right, so that nobody else ever gets in.
    let fresh = path.with_extension("new");
    clear(&fresh)?;
    let listener = UnixListener::bind(&fresh)
        .with_context(|| format!("[listen] admin: cannot listen on {}", path.display()))?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}

/// Removes a socket that was left behind; whatever else stands there is somebody's, and stays.
fn clear(path: &Path) -> Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(about) => about.file_type(),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => {
            return Err(fault).with_context(|| {
                format!("[listen] admin: cannot see what stands at {}", path.display())
            });
        }
    };
    if !kind.is_socket() {
        let what = match kind {
            kind if kind.is_dir() => "a folder",
            kind if kind.is_symlink() => "a link",
            kind if kind.is_file() => "a file",
            _ => "something that is no socket",
        };
        anyhow::bail!(
            "[listen] admin: {what} stands at {}: move it away, or name another path",
            path.display()
        );
    }
    std::fs::remove_file(path)
        .with_context(|| format!("[listen] admin: cannot replace {}", path.display()))
}

/// Refuses to share a data folder: two writers of one spool would destroy it.
pub(crate) fn lock(config: &Config) -> Result<std::fs::File> {
    let path = config.data_dir.join("lock");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("data_dir: cannot write {}", path.display()))?;
    file.try_lock().with_context(|| {
        format!("data_dir: another process holds {}: stop that daemon first", path.display())
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_nobody_answers_on_is_replaced() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("admin.sock");
        drop(admin(&path).await.expect("a first socket"));
        let standing = admin(&path).await.expect("the stale one is replaced");
        let said = admin(&path).await.expect_err("it is answered on").to_string();
        assert!(said.contains("another daemon answers"), "{said}");
        drop(standing);
        for name in ["notes.txt", "notes.new"] {
            let file = home.path().join(name);
            std::fs::write(&file, "precious").expect("written");
            let said = admin(&home.path().join("notes.txt")).await.expect_err("no socket");
            assert!(said.to_string().contains("a file stands at"), "{said}");
            assert_eq!(std::fs::read_to_string(&file).expect("still there"), "precious");
            std::fs::remove_file(&file).expect("removed");
        }
        let folder = home.path().join("folder.sock");
        std::fs::create_dir(&folder).expect("a folder");
        let said = admin(&folder).await.expect_err("no socket").to_string();
        assert!(said.contains("a folder stands at") && said.contains("name another"), "{said}");
    }

    #[test]
    fn ports_that_cannot_be_written_leave_no_stale_file_and_fail_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("ports.json");
        std::fs::write(&path, "{}").expect("written");
        // A folder of that name stands for a disk that takes no file.
        std::fs::create_dir(home.path().join("ports.json.new")).expect("a folder");
        let none = Listeners {
            submission: Vec::new(),
            submissions: Vec::new(),
            inbound: Vec::new(),
            http: Vec::new(),
            https: Vec::new(),
            redirect: Vec::new(),
        };
        none.write_ports(home.path());
        assert!(!path.exists());
        std::fs::remove_dir(home.path().join("ports.json.new")).expect("removed");
        none.write_ports(home.path());
        assert!(path.exists());
    }
}
