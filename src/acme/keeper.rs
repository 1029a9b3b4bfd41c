//! What is kept of certificates and of the account under which they are asked for: in `data_dir/acme`, each
//! file for its owner alone.

use super::schedule::State;
use crate::config::{self, Config};
use crate::mail::Timestamp;
use crate::world::keep;
use instant_acme::AccountCredentials;
use ring::digest::{SHA256, digest};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Largest file that is read; they are ours.
const FILE_SIZE_MAX: u64 = 1 << 20;

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    folder: PathBuf,
}

/// The account at an authority.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    /// Whom the authority was told to write to.
    pub(super) contact: Option<String>,
    /// Its key and its address there.
    pub(super) credentials: AccountCredentials,
}

/// A certificate chain and its key, PEM.
pub(super) struct Pem {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Pem {
    /// The pair for handshakes.
    ///
    /// # Errors
    /// They cannot be read, or do not belong together.
    pub(super) fn pair(&self) -> Result<CertifiedKey, String> {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
        if chain.is_empty() {
            return Err("there is no certificate in it".into());
        }
        let key =
            PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|why| why.to_string())?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(|why| why.to_string())
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(fault),
        Ok(about) if about.len() > FILE_SIZE_MAX => return Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some)
}

impl Keeper {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("acme") }
    }

    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        keep(path, text.as_bytes())
    }

    /// Accounts of several authorities stand beside each other.
    fn account_path(&self, settings: &config::Acme) -> PathBuf {
        let whose = format!(
            "{} {}",
            settings.directory,
            settings.external_account.as_deref().unwrap_or("")
        );
        let digest = digest(&SHA256, whose.as_bytes());
        let name = data_encoding::HEXLOWER.encode(&digest.as_ref()[..8]);
        self.folder.join(format!("account-{name}.json"))
    }

    /// The account at the authority of the settings; none, where there is none that can be read.
    pub(super) fn account(&self, settings: &config::Acme) -> Option<Account> {
        let path = self.account_path(settings);
        let found = read(&path).transpose()?.map_err(|fault| fault.to_string());
        let found =
            found.and_then(|text| serde_json::from_str(&text).map_err(|fault| fault.to_string()));
        found
            .inspect_err(|fault| {
                tracing::warn!(target: "relent::acme", fault, file = %path.display(),
                    "the account at the authority cannot be read and is made anew");
            })
            .ok()
    }

    pub(super) fn keep_account(
        &self,
        settings: &config::Acme,
        account: &Account,
    ) -> io::Result<()> {
        let text = serde_json::to_string(account).map_err(io::Error::other)?;
        self.write(&self.account_path(settings), &text)
    }

    /// Forgets an account that the authority does not know.
    pub(super) fn forget_account(&self, settings: &config::Acme) {
        let _ = fs::remove_file(self.account_path(settings));
    }

    fn certificate_path(&self, host: &str) -> PathBuf {
        self.folder.join(format!("{host}.pem"))
    }

    /// The certificate and key of a host, as they are kept and for handshakes; none, where there is none that
    /// can be used.
    pub(super) fn certificate(&self, host: &str) -> Option<(Pem, CertifiedKey)> {
        let path = self.certificate_path(host);
        let found = read(&path).transpose()?.map_err(|fault| fault.to_string()).and_then(|text| {
            // The key stands first, in one file with its chain, so that no crash parts them.
            let at = text.find("-----BEGIN CERTIFICATE").ok_or("there is no certificate in it")?;
            let (key, chain) = text.split_at(at);
            let pem = Pem { chain: chain.to_owned(), key: key.to_owned() };
            let pair = pem.pair()?;
            Ok((pem, pair))
        });
        found
            .inspect_err(|fault| {
                tracing::warn!(target: "relent::acme", fault, file = %path.display(),
                    "a certificate that was kept cannot be used and is asked for anew");
            })
            .ok()
    }

    pub(super) fn keep_certificate(&self, host: &str, pem: &Pem) -> io::Result<()> {
        let key = pem.key.trim_end();
        self.write(&self.certificate_path(host), &format!("{key}\n{}", pem.chain.trim_start()))
    }

    fn states_path(&self) -> PathBuf {
        self.folder.join("hosts.json")
    }

    /// How each host stands.
    pub(super) fn states(&self) -> BTreeMap<String, State> {
        let text = read(&self.states_path()).ok().flatten().unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub(super) fn keep_states(&self, states: &BTreeMap<String, State>) -> io::Result<()> {
        let text = serde_json::to_string(states).map_err(io::Error::other)?;
        self.write(&self.states_path(), &text)
    }
}

/// What of the certificates of an authority is not as it should be, in words, as the files tell it.
#[must_use]
pub fn advice(config: &Config) -> Vec<String> {
    if !config.acme.enabled {
        return Vec::new();
    }
    let states = Keeper::new(&config.data_dir).states();
    let told = |(host, state): (String, State)| {
        let moment = |at: Option<Timestamp>| at.unwrap_or_default();
        let fault = state.fault.filter(|_| config.acme_hosts().contains(&host))?;
        let (at, next) = (moment(state.failed_at), moment(state.not_before));
        Some(format!(
            "acme: there is no new certificate for {host}: {fault}; that was at {at}, after {} in a row; \
             the next try is at {next}, or at once by `relent tls renew {host}`",
            if state.failures == 1 {
                "1 failure".to_owned()
            } else {
                format!("{} failures", state.failures)
            }
        ))
    };
    states.into_iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn pem(host: &str) -> Pem {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).expect("made");
        Pem { chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    #[test]
    fn what_is_kept_is_its_owners_alone_and_comes_back() {
        let home = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::new(home.path());
        assert!(keeper.certificate("a.example").is_none());
        assert!(keeper.states().is_empty());
        let pem = pem("a.example");
        keeper.keep_certificate("a.example", &pem).expect("kept");
        let (back, _) = keeper.certificate("a.example").expect("kept");
        assert_eq!((back.chain, back.key.trim()), (pem.chain, pem.key.trim()));
        let states = BTreeMap::from([("a.example".to_owned(), State::default())]);
        keeper.keep_states(&states).expect("kept");
        assert_eq!(keeper.states(), states);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&home.path().join("acme")), 0o700);
        for entry in fs::read_dir(home.path().join("acme")).expect("a folder") {
            assert_eq!(mode(&entry.expect("a file").path()), 0o600);
        }
    }

    #[test]
    fn what_is_damaged_is_as_good_as_nothing() {
        let home = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::new(home.path());
        keeper.keep_certificate("a.example", &pem("a.example")).expect("kept");
        let (one, other) = (pem("b.example"), pem("b.example"));
        let mixed = Pem { chain: one.chain, key: other.key };
        keeper.keep_certificate("b.example", &mixed).expect("kept");
        let path = home.path().join("acme/a.example.pem");
        let text = fs::read_to_string(&path).expect("there");
        fs::write(&path, &text[..text.len() / 2]).expect("cut");
        fs::write(home.path().join("acme/hosts.json"), "{").expect("written");
        assert!(keeper.certificate("a.example").is_none());
        assert!(keeper.certificate("b.example").is_none());
        assert!(keeper.states().is_empty());
    }

    #[test]
    fn a_failure_is_told_with_its_reason_and_the_next_try() {
        let home = tempfile::tempdir().expect("a folder");
        let mut config = Config { data_dir: home.path().into(), ..Config::default() };
        config.hostname = "a.example".into();
        let mut state = State::default();
        let now = Timestamp(1_800_000_000_000);
        state.fail(&config.acme, "no answer at port 443".into(), now, None);
        let gone = ("gone.example".to_owned(), state.clone());
        let states = BTreeMap::from([("a.example".to_owned(), state), gone]);
        Keeper::new(home.path()).keep_states(&states).expect("kept");
        assert_eq!(advice(&config), [""; 0], "nobody asks an authority");
        config.acme.enabled = true;
        let said = advice(&config);
        assert_eq!(said.len(), 1, "{said:?}");
        for words in ["a.example: no answer at port 443", "1 failure", "2027-01-15T08:10:00Z"] {
            assert!(said[0].contains(words), "{words}: {said:?}");
        }
    }
}
