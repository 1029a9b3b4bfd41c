//! Keys that the service manager hands over: a setting that names a file may be written `credential:NAME`,
//! and the file is then the one of that name that systemd's `LoadCredential=NAME:FILE` laid down for this
//! service alone, read by nobody else and gone when it stops.

use super::Config;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What the value begins with.
const PREFIX: &str = "credential:";
/// Where systemd says that it laid them down.
pub const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The name of the credential that a path stands for, where it stands for one.
#[must_use]
pub fn credential(path: &Path) -> Option<&str> {
    path.to_str()?.strip_prefix(PREFIX)
}

/// Whether systemd has credentials of that name, and it leads nowhere else.
pub(super) fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.len() <= 200 && name.bytes().all(is_plain)
}

impl Config {
    /// The files that may be credentials, by their settings.
    fn files(&mut self) -> [(&'static str, &mut Option<PathBuf>); 5] {
        [
            ("tls.certificate", &mut self.tls.certificate),
            ("tls.key", &mut self.tls.key),
            ("tls.trust_anchors", &mut self.tls.trust_anchors),
            ("dns.trust_anchor", &mut self.dns.trust_anchor),
            ("acme.external_account_key_file", &mut self.acme.external_account_key_file),
        ]
    }

    /// The settings that name credentials which nobody has handed over, each with its credential's name.
    #[must_use]
    pub fn missing_credentials(&self) -> Vec<(&'static str, String)> {
        let mut all = self.clone();
        let missing = all.files().into_iter().filter_map(|(key, path)| {
            let name = credential(path.as_deref()?)?;
            Some((key, name.to_owned()))
        });
        missing.collect()
    }

    /// Puts the files that systemd laid down in a folder in the place of their names.
    pub(super) fn hand_over_credentials(&mut self, folder: Option<&OsStr>) {
        let Some(folder) = folder.map(Path::new).filter(|folder| folder.is_absolute()) else {
            return;
        };
        for (_, path) in self.files() {
            if let Some(name) = path.as_deref().and_then(credential) {
                *path = Some(folder.join(name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_the_file_that_systemd_laid_down() {
        let text = "[tls]\ncertificate = \"/etc/c.pem\"\nkey = \"credential:key.pem\"\n";
        let mut config: Config = toml::from_str(text).expect("settings");
        assert_eq!(config.missing_credentials(), [("tls.key", "key.pem".to_owned())]);
        config.hand_over_credentials(None);
        config.hand_over_credentials(Some(OsStr::new("")));
        assert_eq!(config.missing_credentials().len(), 1, "nobody handed anything over");
        config.hand_over_credentials(Some(OsStr::new("/run/credentials/relent.service")));
        assert!(config.missing_credentials().is_empty());
        let key = Path::new("/run/credentials/relent.service/key.pem");
        assert_eq!(config.tls.key.as_deref(), Some(key));
        assert_eq!(config.tls.certificate.as_deref(), Some(Path::new("/etc/c.pem")));
    }

    #[test]
    fn a_credentials_name_leads_nowhere_else() {
        for name in ["key.pem", "relent-key", "a_b"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "../key", "a/b", "a b", "a\n", "ä"] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
