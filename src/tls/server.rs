//! Our certificate: read from files, or made and kept in the data folder; read anew when the files
//! change. A bad new file keeps the old certificate.

use super::binding::{Bindings, end_point};
use super::shaken;
use super::shown::not_after;
use crate::config;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(3);

/// Why there is no certificate: which file, why, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct TlsFault {
    /// The file.
    pub path: PathBuf,
    /// The reason, and what to do.
    pub reason: String,
}

/// The server's side of TLS.
pub struct Server {
    current: RwLock<Identity>,
    certificate: PathBuf,
    key: PathBuf,
    seen: Mutex<Seen>,
}

/// When the files were last looked at, and what their times were then.
struct Seen {
    looked: Instant,
    times: [Option<SystemTime>; 2],
}

/// The certificate that handshakes get, with the sessions that began with it: one that is resumed is
/// bound to the certificate that its client has seen.
#[derive(Debug, Clone)]
struct Identity {
    config: Arc<ServerConfig>,
    end_point: Option<Arc<[u8]>>,
}

impl Identity {
    fn new(pair: CertifiedKey) -> Self {
        if let Some(end) = pair.cert.first().and_then(not_after) {
            // Exact up to 2^53 seconds.
            #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
            metrics::gauge!("relent_certificate_not_after_seconds").set(end as f64);
        }
        let end_point = pair.cert.first().and_then(|certificate| end_point(certificate));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("ring has suites for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        Self { config: Arc::new(config), end_point }
    }
}

impl Server {
    /// Reads the certificate and key that the settings name. Where they name none, a self-signed pair
    /// for `hostname` is taken from `data_dir`, and made there first if need be.
    ///
    /// # Errors
    /// [`TlsFault`]: a file that cannot be read, or holds no certificate, no key, or two that do not
    /// belong together.
    pub fn load(
        settings: &config::Tls,
        data_dir: &Path,
        hostname: &str,
    ) -> Result<Arc<Self>, TlsFault> {
        let (certificate, key) = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) => self_signed(data_dir, hostname)?,
            (Some(path), None) | (None, Some(path)) => {
                let reason = "tls.certificate and tls.key come together: set both or neither";
                return Err(fault(path, reason));
            }
        };
        let times = [modified(&certificate), modified(&key)];
        let current = RwLock::new(Identity::new(read(&certificate, &key)?));
        let seen = Mutex::new(Seen { looked: Instant::now(), times });
        Ok(Arc::new(Self { current, certificate, key, seen }))
    }

    fn identity(&self) -> Identity {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An acceptor that hands out the current certificate.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.identity().config)
    }

    /// Takes a client's handshake; what its login may be bound to comes with it.
    ///
    /// # Errors
    /// The handshake did not come about.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Bindings)> {
        let Identity { config, end_point } = self.identity();
        let taken = TlsAcceptor::from(config).accept(stream).await;
        let version = taken.as_ref().ok().and_then(|secure| secure.get_ref().1.protocol_version());
        shaken("in", version);
        let secure = taken?;
        let bindings = Bindings::of(secure.get_ref().1, end_point);
        Ok((secure, bindings))
    }

    /// Reads the files anew if they changed; looks at most each few seconds. A bad new file keeps the
    /// old certificate, with a warning.
    pub fn reload(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.elapsed() < LOOK {
            return;
        }
        seen.looked = Instant::now();
        self.look(&mut seen);
    }

    fn look(&self, seen: &mut Seen) {
        let times = [modified(&self.certificate), modified(&self.key)];
        if times == seen.times {
            return;
        }
        seen.times = times;
        match read(&self.certificate, &self.key) {
            Ok(pair) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Identity::new(pair);
                tracing::info!(certificate = %self.certificate.display(), "certificate read anew");
            }
            Err(fault) => {
                tracing::warn!(%fault, "new certificate not taken; the old one stays in use");
            }
        }
    }
}

fn fault(path: &Path, reason: impl Into<String>) -> TlsFault {
    TlsFault { path: path.into(), reason: reason.into() }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|about| about.modified()).ok()
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsFault> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|why| fault(certificate, format!("no certificate chain in PEM: {why}")))?;
    if chain.is_empty() {
        let reason = "holds no certificate: expected PEM blocks BEGIN CERTIFICATE";
        return Err(fault(certificate, reason));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|why| fault(key, format!("no private key in PEM: {why}")))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider())
        .map_err(|why| fault(key, format!("does not fit {}: {why}", certificate.display())))
}

/// The pair in the data folder, made there if it is not both there, and anew where it is damaged:
/// nobody can trust it more than its successor.
fn self_signed(data_dir: &Path, hostname: &str) -> Result<(PathBuf, PathBuf), TlsFault> {
    let certificate = data_dir.join("tls-self-signed.pem");
    let key = data_dir.join("tls-self-signed.key");
    let has_both = certificate.exists() && key.exists();
    let damage = if has_both && fs::read(&certificate).is_ok() && fs::read(&key).is_ok() {
        read(&certificate, &key).err()
    } else {
        None
    };
    if let Some(fault) = &damage {
        tracing::warn!(target: "relent::tls", %fault, "the self-signed pair is damaged and made anew");
    }
    if !has_both || damage.is_some() {
        let made = rcgen::generate_simple_self_signed(vec![hostname.to_owned()])
            .map_err(|why| fault(&certificate, format!("cannot be made for {hostname}: {why}")))?;
        keep(&key, &made.signing_key.serialize_pem())?;
        keep(&certificate, &made.cert.pem())?;
    }
    Ok((certificate, key))
}

/// Writes a file of mode 0600 in whole, or not at all.
fn keep(path: &Path, text: &str) -> Result<(), TlsFault> {
    let draft = path.with_extension("new");
    let _ = fs::remove_file(&draft);
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&draft, path))
        .map_err(|why| fault(path, format!("cannot be written: {why}; check tls and data_dir")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn shown(server: &Server) -> Option<Arc<[u8]>> {
        let end_point = server.identity().end_point;
        assert!(end_point.is_some());
        end_point
    }

    #[test]
    fn a_self_signed_pair_outlasts_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let load = || Server::load(&config::Tls::default(), folder.path(), "relay.example");
        let first = shown(&load().expect("made"));
        assert_eq!(first, shown(&load().expect("read back")));
        let key = fs::metadata(folder.path().join("tls-self-signed.key")).expect("a key");
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_self_signed_pair_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let load = || Server::load(&config::Tls::default(), folder.path(), "relay.example");
        for name in ["tls-self-signed.key", "tls-self-signed.pem"] {
            let first = shown(&load().expect("made"));
            fs::write(folder.path().join(name), "nothing").expect("written");
            assert_ne!(first, shown(&load().expect("made anew")), "{name}");
        }
        let named = config::Tls {
            certificate: Some(folder.path().join("tls-self-signed.pem")),
            key: Some(folder.path().join("tls-self-signed.key")),
            ..config::Tls::default()
        };
        fs::write(folder.path().join("tls-self-signed.key"), "nothing").expect("written");
        let fault = Server::load(&named, folder.path(), "relay.example").err();
        assert!(fault.is_some(), "what the settings name is the operator's");
    }

    #[test]
    fn a_bad_new_certificate_keeps_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::load(&config::Tls::default(), folder.path(), "relay.example");
        let server = server.expect("made");
        let before = shown(&server);
        fs::write(&server.certificate, "nothing").expect("written");
        let mut seen = server.seen.lock().expect("nobody else");
        seen.times = [None, None];
        server.look(&mut seen);
        assert_eq!(before, shown(&server));
    }

    #[tokio::test]
    async fn mail_servers_with_any_certificate_are_spoken_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::load(&config::Tls::default(), folder.path(), "relay.example");
        let acceptor = server.expect("made").acceptor();
        let (ours, theirs) = tokio::io::duplex(1 << 14);
        let name = rustls::pki_types::ServerName::try_from("other.example").expect("a name");
        let client = super::super::Client::load(&config::Tls::default()).expect("authorities");
        let connector = client.connector(&super::super::Demand::Nobody).clone();
        let (taken, opened) = tokio::join!(acceptor.accept(theirs), connector.connect(name, ours));
        assert!(taken.is_ok() && opened.is_ok());
    }
}
