//! The certificates of servers that offer STARTTLS: all of them such as nobody would take who had a choice.

use super::row::Certificate;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio_rustls::TlsAcceptor;

/// An acceptor with a certificate of this kind, made once for all rows but for its name.
pub fn acceptor(kind: Certificate, host: &str) -> TlsAcceptor {
    static MADE: OnceLock<Mutex<HashMap<String, TlsAcceptor>>> = OnceLock::new();
    let name = if kind == Certificate::OtherName { "mx.elsewhere.example" } else { host };
    let made = MADE.get_or_init(Mutex::default);
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    let made = made.entry(format!("{kind:?} {name}")).or_insert_with(|| {
        let mut wanted = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        if kind == Certificate::Expired {
            wanted.not_before = rcgen::date_time_ymd(2001, 1, 1);
            wanted.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = wanted.self_signed(&key).expect("a certificate");
        let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], secret)
            .expect("a pair");
        TlsAcceptor::from(Arc::new(config))
    });
    made.clone()
}
