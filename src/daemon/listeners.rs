//! The sockets: handed over by systemd, or bound here; and `ports.json`, which says where they are.

use super::premises::mend;
use crate::config::{Config, Listen};
use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Waiting connections that the kernel keeps for a listener.
const BACKLOG: i32 = 1024;

/// Every TCP listener: its key of `[listen]`, its address there, and the socket.
pub(crate) type Listeners = Vec<(&'static str, SocketAddr, StdListener)>;

/// Takes systemd's sockets for the addresses they are for, and binds the others.
pub(crate) fn open(listen: &Listen) -> Result<Listeners> {
    let named: Vec<_> = listen.tcp().flat_map(|(_, addresses)| addresses).copied().collect();
    let mut handed = Handed::from_environment()?;
    let mut opened = Vec::new();
    for (key, addresses) in listen.tcp() {
        for &address in addresses {
            let listener = match handed.take(address, &named) {
                Some(listener) => listener,
                None => bind(address).map_err(|fault| {
                    anyhow::anyhow!("listen.{key}: {}", why_not(address, &fault))
                })?,
            };
            opened.push((key, address, listener));
        }
    }
    handed.warn_of_rest();
    Ok(opened)
}

/// Writes `ports.json`: the ports bound for each key of `[listen]`, in the settings' order. On a full disk
/// there is none: one of an earlier start would tell wrong ports.
pub(super) fn write_ports(ports: &BTreeMap<&str, Vec<u16>>, data_dir: &Path) {
    let path = data_dir.join("ports.json");
    let fresh = data_dir.join("ports.json.new");
    let written = serde_json::to_vec(ports)
        .map_err(std::io::Error::from)
        .and_then(|text| std::fs::write(&fresh, text))
        .and_then(|()| std::fs::rename(&fresh, &path));
    if let Err(fault) = written {
        tracing::warn!(target: "relent::daemon", %fault, file = %path.display(),
            "the ports could not be written to the file; they stand in this log only");
        let _ = std::fs::remove_file(&fresh);
        let _ = std::fs::remove_file(&path);
    }
    for (key, bound) in ports {
        tracing::info!(target: "relent::daemon", listener = key, ports = ?bound, "listening");
    }
}

/// Removes `ports.json`: what it tells holds while the listeners are open, and those who wait for a start by
/// waiting for it must not read where the last one listened.
pub(super) fn forget_ports(data_dir: &Path) {
    let path = data_dir.join("ports.json");
    match std::fs::remove_file(&path) {
        Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(target: "relent::daemon", %fault, file = %path.display(),
                "the file tells where an earlier start listened, and cannot be removed");
        }
        _ => {}
    }
}

/// The sockets that systemd opened for us (`relent.socket`), each with its address and its name there.
struct Handed(Vec<(SocketAddr, String, StdListener)>);

impl Handed {
    fn from_environment() -> Result<Self> {
        // Read first: what hands the sockets out clears it.
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut sockets = listenfd::ListenFd::from_env();
        let mut found = Vec::new();
        for place in 0..sockets.len() {
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| "without a name".into());
            let strange = || {
                format!(
                    "the socket {place} ({name}) that systemd handed over takes no TCP connections: \
                     relent.socket may hold ListenStream= lines with a port alone"
                )
            };
            let taken = sockets.take_tcp_listener(place).with_context(strange)?;
            if let Some(listener) = taken {
                listener.set_nonblocking(true)?;
                found.push((listener.local_addr().with_context(strange)?, name, listener));
            }
        }
        Ok(Self(found))
    }

    /// The socket for an address of the settings: the one bound to it, else one on its port that none of
    /// the others is for. systemd writes `ListenStream=25` for all addresses of both families.
    fn take(&mut self, address: SocketAddr, named: &[SocketAddr]) -> Option<StdListener> {
        let exact = self.0.iter().position(|(bound, ..)| *bound == address);
        let near = || {
            self.0
                .iter()
                .position(|(bound, ..)| bound.port() == address.port() && !named.contains(bound))
        };
        let place = exact.or_else(near)?;
        Some(self.0.swap_remove(place).2)
    }

    /// Says of each socket that is left that nobody will answer on it.
    fn warn_of_rest(self) {
        for (address, name, _closed) in self.0 {
            tracing::warn!(target: "relent::daemon",
                "systemd handed over a socket on {address} ({name}) that no address in [listen] names: \
                 nobody answers there; add the address to [listen], or take the line out of the .socket unit");
        }
    }
}

/// Opens a listener of our own.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<StdListener> {
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

/// Why an address cannot be listened on, and what to do.
pub(super) fn why_not(address: SocketAddr, fault: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let port = address.port();
    let way = match fault.kind() {
        ErrorKind::AddrInUse => format!(
            "another program listens there: stop it (`ss -ltnp 'sport = :{port}'` names it), or write another \
             port"
        ),
        ErrorKind::PermissionDenied => {
            "ports below 1024 are root's: start the daemon as root with a user in \
            [process], or by systemd with relent.socket"
                .into()
        }
        ErrorKind::AddrNotAvailable => {
            "it is no address of this machine: `ip address` lists those".into()
        }
        _ => "see that the system lets this program listen".into(),
    };
    format!("cannot listen on {address}: {fault}; {way}")
}

/// Whether somebody answers on a socket; one whose line is full does, too.
fn is_answered(path: &Path) -> Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => true,
        Err(fault) => fault.kind() == std::io::ErrorKind::WouldBlock,
    })
}

/// Opens the admin socket, mode 0600. A socket file that nobody answers on is replaced; one that
/// somebody answers on belongs to a daemon that runs.
pub(crate) fn admin(path: &Path) -> Result<UnixListener> {
    if is_answered(path)? {
        anyhow::bail!("another daemon answers on {}: stop it first", path.display());
    }
    clear(path)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|fault| unwritable(folder, &fault))?;
    }
    // Bound under another name and renamed once its mode is right, so that nobody else ever gets in.
    let fresh = path.with_extension("new");
    clear(&fresh)?;
    let listener = UnixListener::bind(&fresh)
        .map_err(|fault| unwritable(path.parent().unwrap_or(path), &fault))?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&fresh, path)?;
    Ok(listener)
}

fn unwritable(folder: &Path, fault: &std::io::Error) -> anyhow::Error {
    let (shown, way) = (folder.display(), mend(fault, folder));
    anyhow::anyhow!("listen.admin: cannot make a socket in {shown}: {fault}; {way}")
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

/// Whether a daemon runs on the data folder.
pub(super) fn is_locked(config: &Config) -> bool {
    let file = std::fs::File::open(config.data_dir.join("lock"));
    file.is_ok_and(|file| file.try_lock().is_err())
}

/// Refuses to share a data folder: two writers of one spool would destroy it.
pub(crate) fn lock(config: &Config) -> Result<std::fs::File> {
    let path = config.data_dir.join("lock");
    let file =
        std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(
            |fault| {
                let way = mend(&fault, &config.data_dir);
                anyhow::anyhow!("data_dir: cannot write {}: {fault}; {way}", path.display())
            },
        )?;
    file.try_lock().with_context(|| {
        format!("data_dir: another process holds {}: stop that daemon first", path.display())
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_that_nobody_answers_on_is_replaced() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("admin.sock");
        drop(admin(&path).expect("a first socket"));
        let standing = admin(&path).expect("the stale one is replaced");
        let said = admin(&path).expect_err("it is answered on").to_string();
        assert!(said.contains("another daemon answers"), "{said}");
        drop(standing);
        for name in ["notes.txt", "notes.new"] {
            let file = home.path().join(name);
            std::fs::write(&file, "precious").expect("written");
            let said = admin(&home.path().join("notes.txt")).expect_err("no socket");
            assert!(said.to_string().contains("a file stands at"), "{said}");
            assert_eq!(std::fs::read_to_string(&file).expect("still there"), "precious");
            std::fs::remove_file(&file).expect("removed");
        }
        let folder = home.path().join("folder.sock");
        std::fs::create_dir(&folder).expect("a folder");
        let said = admin(&folder).expect_err("no socket").to_string();
        assert!(said.contains("a folder stands at") && said.contains("name another"), "{said}");
    }

    #[test]
    fn ports_that_cannot_be_written_leave_no_stale_file_and_fail_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("ports.json");
        std::fs::write(&path, "{}").expect("written");
        // A folder of that name stands for a disk that takes no file.
        std::fs::create_dir(home.path().join("ports.json.new")).expect("a folder");
        let none = BTreeMap::new();
        write_ports(&none, home.path());
        assert!(!path.exists());
        std::fs::remove_dir(home.path().join("ports.json.new")).expect("removed");
        write_ports(&none, home.path());
        assert!(path.exists());
    }
}
