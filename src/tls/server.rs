//! The server's side of TLS: which certificate a handshake gets. Those of files stand before those that an
//! authority gave us; a self-signed pair serves where there is neither.

use super::binding::Bindings;
use super::chain::pair;
use super::expiry::Warnings;
use super::files::{TlsFault, Watched, fault, self_signed};
use super::identity::{self, CHALLENGE, Identity};
use super::shaken;
use crate::config;
use crate::mail::Timestamp;
use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

/// The server's side of TLS.
pub struct Server {
    hostname: String,
    shelf: RwLock<Shelf>,
    pub(super) files: Mutex<Files>,
    pub(super) warnings: Warnings,
}

/// The pairs of files that are watched.
#[derive(Clone)]
pub(super) struct Files {
    /// That of `tls.certificate`, or the self-signed one.
    pub(super) main: Watched,
    /// Whether it is the self-signed one.
    pub(super) is_makeshift: bool,
    pub(super) more: Vec<Watched>,
}

/// What handshakes choose from.
#[derive(Default)]
pub(super) struct Shelf {
    /// Those of files, that of `tls.certificate` first.
    pub(super) files: Vec<Arc<Identity>>,
    /// Those that an authority gave us, by host.
    pub(super) issued: BTreeMap<String, Arc<Identity>>,
    /// The self-signed one, where no file is named.
    makeshift: Option<Arc<Identity>>,
    /// What the authority is to see that asks for a host.
    challenges: BTreeMap<String, Arc<ServerConfig>>,
}

impl Shelf {
    /// The certificate for a name that a client asks for; without one of that name, or without a name, that
    /// of the hostname.
    fn choose(&self, name: Option<&str>, hostname: &str) -> Option<Arc<Identity>> {
        let of = |name: &str| {
            let exact =
                self.files.iter().find(|file| file.leave.names.iter().any(|own| own == name));
            exact
                .or_else(|| self.issued.get(name))
                .or_else(|| self.files.iter().find(|file| file.leave.is_for(name)))
        };
        let first = || self.files.first().or_else(|| self.issued.values().next());
        // Where files are named, theirs is the one for everybody.
        let main = || if self.makeshift.is_some() { of(hostname).or_else(first) } else { first() };
        name.map(str::to_ascii_lowercase)
            .and_then(|name| of(&name))
            .or_else(main)
            .or(self.makeshift.as_ref())
            .cloned()
    }
}

impl Server {
    /// Reads the certificates and keys that the settings name. Where they name none, a self-signed pair
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
        let main = Watched::read(&certificate, &key)?;
        let more = settings.more.iter().map(|pair| Watched::read(&pair.certificate, &pair.key));
        let more = more.collect::<Result<Vec<_>, _>>()?;
        let files = Files { main, is_makeshift: settings.key.is_none(), more };
        let server = Self {
            hostname: hostname.to_ascii_lowercase(),
            shelf: RwLock::default(),
            files: Mutex::new(files),
            warnings: Warnings::new(settings.expiry_warning.0),
        };
        server.set_out(&server.files());
        Ok(Arc::new(server))
    }

    /// The first fault of the files that the settings name.
    #[must_use]
    pub fn check(settings: &config::Tls) -> Option<TlsFault> {
        let main = settings.certificate.as_deref().zip(settings.key.as_deref());
        let more = settings.more.iter().map(|pair| (&*pair.certificate, &*pair.key));
        main.into_iter().chain(more).find_map(|(certificate, key)| pair(certificate, key).err())
    }

    pub(super) fn shelf(&self) -> RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what was read from files where handshakes find it.
    fn set_out(&self, files: &Files) {
        let main = files.main.current.clone();
        let more = files.more.iter().map(|pair| pair.current.clone());
        let mut shelf = self.change();
        if files.is_makeshift {
            shelf.files = more.collect();
            shelf.makeshift = Some(main);
        } else {
            shelf.files = std::iter::once(main).chain(more).collect();
            shelf.makeshift = None;
        }
    }

    fn identity(&self, name: Option<&str>) -> io::Result<Arc<Identity>> {
        let found = self.shelf().choose(name, &self.hostname);
        found.ok_or_else(|| io::Error::other("no certificate"))
    }

    /// An acceptor that hands out the certificate of the hostname, whatever name is asked for.
    ///
    /// # Panics
    /// Never: there is a certificate from the start on.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        let identity = self.identity(None).expect("one is read before the server is made");
        TlsAcceptor::from(identity.mail.clone())
    }

    /// Takes the handshake of a client that speaks mail; what its login may be bound to comes with it.
    ///
    /// # Errors
    /// The handshake did not come about.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Bindings)> {
        let taken = self.take(stream).await;
        let version =
            taken.as_ref().ok().and_then(|(secure, _)| secure.get_ref().1.protocol_version());
        shaken("in", version);
        let (secure, end_point) = taken?;
        let bindings = Bindings::of(secure.get_ref().1, end_point);
        Ok((secure, bindings))
    }

    async fn take<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Option<Arc<[u8]>>)> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let identity = self.identity(begun.client_hello().server_name())?;
        let secure = begun.into_stream(identity.mail.clone()).await?;
        Ok((secure, identity.end_point.clone()))
    }

    /// Takes the handshake of a browser; none, where it was an authority's look at a host of ours.
    ///
    /// # Errors
    /// The handshake did not come about.
    pub async fn accept_web<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<Option<TlsStream<S>>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(config) = self.challenged(&begun.client_hello()) {
            let mut looked = begun.into_stream(config).await?;
            //= https://www.rfc-editor.org/rfc/rfc8737#section-3
            //# Once the TLS handshake has been completed, the client MUST NOT
            //# exchange any further data with the server and MUST immediately close
            //# the connection.
            let _ = looked.shutdown().await;
            return Ok(None);
        }
        let identity = self.identity(begun.client_hello().server_name())?;
        begun.into_stream(identity.web.clone()).await.map(Some)
    }

    /// What is to be shown to an authority that looks at a host, and to nobody who does not say so.
    fn challenged(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        if !protocols.any(|name| name == CHALLENGE) {
            return None;
        }
        let host = hello.server_name()?.to_ascii_lowercase();
        self.shelf().challenges.get(&host).cloned()
    }

    /// Sets out what the authority is to see that looks at a host (RFC 8737).
    pub fn challenge(&self, host: &str, pair: CertifiedKey) {
        self.change().challenges.insert(host.to_owned(), identity::challenge(pair));
    }

    /// Takes it in again.
    pub fn unchallenge(&self, host: &str) {
        self.change().challenges.remove(host);
    }

    /// Serves what an authority gave us for a host, from the next handshake on; what it says is returned.
    pub fn issue(&self, host: &str, pair: CertifiedKey) -> Issued {
        let identity = Identity::new(pair);
        let issued = Issued { from: identity.leave.from, until: identity.leave.until };
        self.change().issued.insert(host.to_owned(), identity);
        issued
    }

    /// Serves it no more.
    pub fn withdraw(&self, host: &str) {
        self.change().issued.remove(host);
    }

    /// Reads the files anew if they changed. A bad new file keeps the old certificate, with a warning.
    pub fn reload(&self) {
        let mut files = self.files();
        let Files { main, more, .. } = &mut *files;
        let mut is_new = false;
        for pair in std::iter::once(main).chain(more) {
            let before = pair.current.clone();
            pair.look();
            is_new |= !Arc::ptr_eq(&before, &pair.current);
        }
        if is_new {
            self.set_out(&files);
        }
    }
}

impl Server {
    /// Shows from now on what another has read from files, and looks at those; whether that is something else.
    /// What an authority gave us stays.
    pub fn take_over(&self, other: &Self) -> bool {
        let theirs = other.files().clone();
        self.warnings.warn_as(&other.warnings);
        let mut files = self.files();
        if files.is_like(&theirs) {
            return false;
        }
        *files = theirs;
        self.set_out(&files);
        true
    }
}

impl Files {
    /// Whether it is the same files, as they were read.
    fn is_like(&self, other: &Self) -> bool {
        self.is_makeshift == other.is_makeshift
            && self.main.stands() == other.main.stands()
            && self.more.iter().map(Watched::stands).eq(other.more.iter().map(Watched::stands))
    }
}

/// How long a certificate holds that an authority gave us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issued {
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::ring;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn shown(server: &Server) -> Option<Arc<[u8]>> {
        let end_point = server.identity(None).expect("one").end_point.clone();
        assert!(end_point.is_some());
        end_point
    }

    fn served(server: &Server, name: Option<&str>) -> Vec<String> {
        server.identity(name).expect("one").leave.names.clone()
    }

    fn made(names: &[&str]) -> CertifiedKey {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("made");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let chain = vec![made.cert.der().clone()];
        CertifiedKey::from_der(chain, key, &ring::default_provider()).expect("a pair")
    }

    fn write(folder: &Path, name: &str) -> config::CertificateFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("made");
        let certificate = folder.join(format!("{}.pem", name.replace('*', "_")));
        let key = folder.join(format!("{}.key", name.replace('*', "_")));
        fs::write(&certificate, made.cert.pem()).expect("written");
        fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        config::CertificateFiles { certificate, key }
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
        fs::write(folder.path().join("tls-self-signed.pem"), "nothing").expect("written");
        server.reload();
        assert_eq!(before, shown(&server));
    }

    #[test]
    fn the_name_that_is_asked_for_chooses_the_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let main = write(folder.path(), "relay.example");
        let more =
            vec![write(folder.path(), "*.wild.example"), write(folder.path(), "b.wild.example")];
        let settings = config::Tls {
            certificate: Some(main.certificate),
            key: Some(main.key),
            more,
            ..config::Tls::default()
        };
        let server = Server::load(&settings, folder.path(), "relay.example").expect("pairs");
        server.issue("pages.example", made(&["pages.example"]));
        for (name, expected) in [
            (None, "relay.example"),
            (Some("relay.example"), "relay.example"),
            (Some("PAGES.example"), "pages.example"),
            (Some("a.wild.example"), "*.wild.example"),
            (Some("b.wild.example"), "b.wild.example"),
            (Some("other.example"), "relay.example"),
        ] {
            assert_eq!(served(&server, name), [expected], "{name:?}");
        }
    }

    #[test]
    fn the_self_signed_pair_serves_until_an_authority_gave_us_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::load(&config::Tls::default(), folder.path(), "Relay.Example");
        let server = server.expect("made");
        let makeshift = shown(&server);
        server.issue("pages.example", made(&["pages.example"]));
        assert_ne!(shown(&server), makeshift, "any is better");
        server.issue("relay.example", made(&["relay.example"]));
        for name in [None, Some("relay.example"), Some("other.example")] {
            assert_eq!(served(&server, name), ["relay.example"], "{name:?}");
        }
        assert_eq!(served(&server, Some("pages.example")), ["pages.example"]);
    }

    #[test]
    fn other_settings_show_other_files_and_keep_what_an_authority_gave() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |files: &config::CertificateFiles| {
            let (certificate, key) = (Some(files.certificate.clone()), Some(files.key.clone()));
            let settings = config::Tls { certificate, key, ..config::Tls::default() };
            Server::load(&settings, folder.path(), "relay.example").expect("a pair")
        };
        let (one, other) = (write(folder.path(), "a.example"), write(folder.path(), "b.example"));
        let server = of(&one);
        server.issue("pages.example", made(&["pages.example"]));
        assert!(!server.take_over(&of(&one)), "nothing is new");
        assert!(server.take_over(&of(&other)));
        assert_eq!(served(&server, Some("a.example")), ["b.example"]);
        assert_eq!(served(&server, Some("pages.example")), ["pages.example"]);
    }

    /// The protocol that is agreed on, and the names of the certificate that is shown.
    async fn greet(server: &Server, name: &str, protocol: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let client = super::super::Client::load(&config::Tls::default()).expect("authorities");
        let connector = client.connector(&super::super::Demand::Nobody);
        let mut config = (**connector.config()).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let (ours, theirs) = tokio::io::duplex(1 << 14);
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let (taken, opened) =
            tokio::join!(server.accept_web(theirs), connector.connect(name, ours));
        let opened = opened.ok()?;
        let (_, about) = opened.get_ref();
        let leaf = about.peer_certificates()?.first()?.to_vec();
        assert_eq!(taken.ok()?.is_none(), protocol == CHALLENGE);
        Some((about.alpn_protocol()?.to_vec(), leaf))
    }

    #[tokio::test]
    async fn an_authority_sees_the_challenge_and_nobody_else_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::load(&config::Tls::default(), folder.path(), "relay.example");
        let server = server.expect("made");
        assert_eq!(greet(&server, "a.example", CHALLENGE).await, None, "nothing is asked for");
        let pair = made(&["a.example"]);
        let leaf = pair.cert[0].to_vec();
        server.challenge("a.example", pair);
        let seen = greet(&server, "a.example", CHALLENGE).await;
        assert_eq!(seen, Some((CHALLENGE.to_vec(), leaf.clone())));
        let (protocol, other) = greet(&server, "a.example", b"http/1.1").await.expect("a page");
        assert_eq!(protocol, b"http/1.1");
        assert_ne!(other, leaf);
        assert_eq!(greet(&server, "b.example", CHALLENGE).await, None);
        server.unchallenge("a.example");
        assert_eq!(greet(&server, "a.example", CHALLENGE).await, None);
    }

    #[tokio::test]
    async fn mail_servers_with_any_certificate_are_spoken_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::load(&config::Tls::default(), folder.path(), "relay.example");
        let acceptor = server.expect("made").acceptor();
        let (ours, theirs) = tokio::io::duplex(1 << 14);
        let name = ServerName::try_from("other.example").expect("a name");
        let client = super::super::Client::load(&config::Tls::default()).expect("authorities");
        let connector = client.connector(&super::super::Demand::Nobody).clone();
        let (taken, opened) = tokio::join!(acceptor.accept(theirs), connector.connect(name, ours));
        assert!(taken.is_ok() && opened.is_ok());
    }
}
