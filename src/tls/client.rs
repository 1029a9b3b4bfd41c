//! TLS to others. To mail servers any certificate makes a connection (RFC 3207, RFC 7435), because the
//! alternative would often be to send in the clear; where more is demanded, the certificates are held
//! against it before mail is spoken. To web servers only a certificate that is in order does.

use super::files::TlsFault;
use super::verify::{self, CertificateFault, Demand};
use crate::config;
use crate::mail::Timestamp;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsConnector;

/// The client's side of TLS.
pub struct Client(RwLock<Arc<Known>>);

/// How connections are made while some authorities are known.
struct Known {
    anyone: TlsConnector,
    anew: TlsConnector,
    web: TlsConnector,
    roots: Arc<RootCertStore>,
}

impl Client {
    /// With the authorities that the system knows, and those of `tls.trust_anchors`.
    ///
    /// # Errors
    /// [`TlsFault`]: the file that the settings name cannot be read or holds no certificate. A system
    /// that knows no authority is only warned of: nobody can then be verified but by DANE.
    pub fn load(settings: &config::Tls) -> Result<Arc<Self>, TlsFault> {
        let provider = Arc::new(ring::default_provider());
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        let builder = || {
            ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&versions)
                .expect("ring has suites for TLS 1.2 and 1.3")
        };
        let anyone = || {
            let verifier = Arc::new(Anyone { provider: provider.clone() });
            builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        };
        let mut anew = anyone();
        // A session that is resumed shows the certificates it began with, which may be others by now.
        anew.resumption = Resumption::disabled();
        let roots = Arc::new(roots(settings.trust_anchors.as_deref())?);
        let mut web = builder().with_root_certificates(roots.clone()).with_no_client_auth();
        web.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = |config| TlsConnector::from(Arc::new(config));
        let (anyone, anew, web) = (connector(anyone()), connector(anew), connector(web));
        Ok(Arc::new(Self(RwLock::new(Arc::new(Known { anyone, anew, web, roots })))))
    }

    /// Believes from now on whom another believes.
    pub fn take_over(&self, other: &Self) {
        let known = other.known();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    fn known(&self) -> Arc<Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connects to mail servers, whoever they prove to be; `demand` says what is asked of them later.
    #[must_use]
    pub fn connector(&self, demand: &Demand) -> TlsConnector {
        let known = self.known();
        if *demand == Demand::Nobody { known.anyone.clone() } else { known.anew.clone() }
    }

    /// Connects to web servers that prove to be who they are called.
    #[must_use]
    pub fn web(&self) -> TlsConnector {
        self.known().web.clone()
    }

    /// Holds the certificates of a server, its own first, against a demand.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(
        &self,
        chain: &[CertificateDer<'_>],
        demand: &Demand,
        now: Timestamp,
    ) -> Result<(), CertificateFault> {
        verify::check(chain, demand, &self.known().roots, now)
    }
}

/// The authorities of the system and of a file.
fn roots(file: Option<&Path>) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    let (known, _) = roots.add_parsable_certificates(system.certs);
    if known == 0 {
        let why: Vec<_> = system.errors.iter().map(ToString::to_string).collect();
        tracing::warn!(target: "relent::tls", why = why.join("; "),
            "the system knows no certificate authority: install its package ca-certificates");
    }
    let Some(path) = file else { return Ok(roots) };
    let fault = |reason: String| TlsFault { path: path.into(), reason };
    let read = CertificateDer::pem_file_iter(path).map_err(|why| fault(why.to_string()))?;
    let mut count = 0;
    for certificate in read {
        let certificate = certificate.map_err(|why| fault(why.to_string()))?;
        roots.add(certificate).map_err(|why| fault(why.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(fault("it holds no certificate".into())) } else { Ok(roots) }
}

/// Takes whoever answers and holds the key of the certificate that is shown.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
