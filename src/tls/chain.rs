//! A certificate chain and its key, as two files hold them. What is wrong with either is said with what to do.

use super::files::{TlsFault, fault};
use rustls::InconsistentKeys;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::path::Path;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How a block of PEM begins that holds a certificate.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// What ends the label of any key's block.
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";
/// What marks a key under a password, in the label or in a line below it.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// Reads a certificate chain and its key.
///
/// # Errors
/// [`TlsFault`]: a file that cannot be read, or holds no certificate, no key, or two that do not belong
/// together.
pub(super) fn pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsFault> {
    let chain = certificates(certificate)?;
    let private = ring::default_provider().key_provider.load_private_key(private(key)?);
    let private = private.map_err(|_| {
        let reason = "holds a key of a kind that is not used here: have one made of ECDSA (P-256, P-384), \
                      Ed25519 or RSA (2048 bits and more)";
        fault(key, reason)
    })?;
    let public = private.public_key().map(|public| public.to_vec());
    let pair = CertifiedKey::new(chain, private);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let is_its = |one: &CertificateDer<'_>| {
                X509Certificate::from_der(one)
                    .is_ok_and(|(_, read)| Some(read.public_key().raw) == public.as_deref())
            };
            Err(match pair.cert.iter().position(is_its) {
                Some(at) => fault(certificate, misplaced(at + 1)),
                None => fault(key, unfit(certificate)),
            })
        }
        Err(_) => {
            let reason = "its first certificate cannot be read: have it made anew";
            Err(fault(certificate, reason))
        }
    }
}

fn misplaced(number: usize) -> String {
    format!(
        "is in the wrong order: the key is that of certificate {number}; put that one first, and below each \
         the authority's that vouches for it (fullchain.pem)"
    )
}

fn unfit(certificate: &Path) -> String {
    format!(
        "does not fit {}: it is another certificate's key; name the one that it was asked for with",
        certificate.display()
    )
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    let reason = |why| {
        format!(
            "cannot be read: {why}; see that it is there, and that the daemon's user may read it"
        )
    };
    fs::read(path).map_err(|why| fault(path, reason(why)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let bytes = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) if has(&bytes, PRIVATE_KEY) => {
            let reason = "holds a key and no certificate: name the certificate here and the key in the \
                          setting beside it";
            Err(fault(path, reason))
        }
        Ok(_) => {
            let reason = "holds no certificate: it must have blocks of PEM that begin with BEGIN \
                          CERTIFICATE, the server's own first";
            Err(fault(path, reason))
        }
        Err(why) => Err(fault(
            path,
            format!("is no whole PEM ({why}): copy it anew, from where it was made"),
        )),
    }
}

fn private(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|why| {
        let reason = match why {
            _ if has(&bytes, ENCRYPTED) => {
                "holds a key under a password, which nobody could give at a start: write it without one, \
                 as by `openssl pkey -in OLD -out NEW`"
                    .into()
            }
            pem::Error::NoItemsFound if has(&bytes, CERTIFICATE) => {
                "holds a certificate and no key: name the key here and the certificate in the setting \
                 beside it"
                    .into()
            }
            pem::Error::NoItemsFound => {
                "holds no key: it must have a block of PEM that begins with BEGIN PRIVATE KEY".into()
            }
            why => format!("is no whole PEM ({why}): copy it anew, from where it was made"),
        };
        fault(path, reason)
    })
}

/// The number, from 1, of the first certificate of a chain that does not vouch for the one before it.
pub(super) fn disorder(chain: &[CertificateDer<'_>]) -> Option<usize> {
    let vouches = |[below, above]: [&CertificateDer<'_>; 2]| {
        let (below, above) = (X509Certificate::from_der(below), X509Certificate::from_der(above));
        let names = below.ok().zip(above.ok());
        names.is_some_and(|((_, below), (_, above))| {
            below.issuer().as_raw() == above.subject().as_raw()
        })
    };
    let links = chain.iter().zip(chain.iter().skip(1));
    links.map(<[_; 2]>::from).position(|link| !vouches(link)).map(|at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    fn authority(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    /// A server's certificate, that of the authority between, and the root's.
    fn chain() -> (Vec<CertificateDer<'static>>, String) {
        let key = || KeyPair::generate().expect("a key");
        let root = CertifiedIssuer::self_signed(authority("Root"), key()).expect("a root");
        let between = CertifiedIssuer::signed_by(authority("Between"), key(), &root);
        let between = between.expect("an authority");
        let own = key();
        let params = CertificateParams::new(vec!["relay.example".to_owned()]).expect("a name");
        let leaf = params.signed_by(&own, &between).expect("a certificate");
        let all = vec![leaf.der().clone(), between.der().clone(), root.der().clone()];
        (all, own.serialize_pem())
    }

    fn text(chain: &[&CertificateDer<'_>]) -> String {
        let block = |one: &&CertificateDer<'_>| {
            let lines = data_encoding::BASE64.encode(one);
            format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
        };
        chain.iter().map(block).collect()
    }

    #[test]
    fn each_fault_of_two_files_is_said_with_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        let (chain, own) = chain();
        let good = text(&[&chain[0], &chain[1]]);
        let other = KeyPair::generate().expect("a key").serialize_pem();
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n\
                   -----END RSA PRIVATE KEY-----\n";
        let strange = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
        let turned = text(&[&chain[1], &chain[0]]);
        let cut = &good[..good.len() - 40];
        let said = |chain: &str, private: &str| {
            fs::write(&certificate, chain).expect("written");
            fs::write(&key, private).expect("written");
            pair(&certificate, &key).map(|_| ()).map_err(|fault| fault.to_string())
        };
        assert_eq!(said(&good, &own), Ok(()));
        for (chain, private, words) in [
            ("", &*own, &["c.pem: holds no certificate", "BEGIN CERTIFICATE"][..]),
            (&own, &good, &["c.pem: holds a key and no certificate", "beside it"]),
            (cut, &own, &["c.pem: is no whole PEM", "copy it anew"]),
            (&good, "", &["k.pem: holds no key", "BEGIN PRIVATE KEY"]),
            (&good, &good, &["k.pem: holds a certificate and no key"]),
            (&good, locked, &["k.pem: holds a key under a password", "openssl pkey"]),
            (&good, old, &["k.pem: holds a key under a password"]),
            (&good, strange, &["k.pem: holds a key of a kind that is not used here"]),
            (&good, &other, &["k.pem: does not fit", "another certificate's key"]),
            (&turned, &own, &["c.pem: is in the wrong order", "that of certificate 2"]),
        ] {
            let fault = said(chain, private).expect_err("a fault");
            assert!(words.iter().all(|word| fault.contains(word)), "{fault}");
            assert_eq!(fault.lines().count(), 1, "{fault}");
        }
        fs::remove_file(&key).expect("removed");
        let fault = pair(&certificate, &key).map(drop).expect_err("a fault").to_string();
        assert!(
            fault.contains("k.pem: cannot be read: ") && fault.contains("may read it"),
            "{fault}"
        );
    }

    #[test]
    fn a_chain_goes_from_the_server_up_to_an_authority() {
        let (all, _) = chain();
        let order = |numbers: &[usize]| {
            let chain: Vec<_> = numbers.iter().map(|number| all[*number].clone()).collect();
            disorder(&chain)
        };
        for good in [&[0][..], &[0, 1], &[0, 1, 2]] {
            assert_eq!(order(good), None, "{good:?}");
        }
        assert_eq!(order(&[0, 2, 1]), Some(2));
        assert_eq!(order(&[0, 1, 0]), Some(3));
        assert_eq!(order(&[0, 0, 1]), Some(2));
    }
}
