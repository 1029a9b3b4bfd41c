//! Addresses of people in the log: as they are, shortened, or hashed. Whatever line names one, in a field, in
//! what a server said, or in an error, goes through here before it is written.

use crate::config::LogAddresses;
use data_encoding::BASE32_NOPAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use std::borrow::Cow;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// Characters of a hashed address.
const HASH: usize = 16;
/// The file of the key under which addresses are hashed, in the data folder.
const KEY_FILE: &str = "log.key";

/// How addresses are written. Cheap to clone.
#[derive(Clone)]
pub(super) struct Addresses {
    how: LogAddresses,
    key: Arc<hmac::Key>,
}

impl Addresses {
    /// As the settings have it; hashed ones under a key of the data folder. Where that key cannot be kept the
    /// hashes hold for this run alone, and the fault says why.
    pub(super) fn new(how: LogAddresses, data_dir: &Path) -> (Self, Option<io::Error>) {
        let (secret, fault) = match how {
            LogAddresses::Hashed => {
                kept(data_dir).map_or_else(|f| (drawn(), Some(f)), |k| (k, None))
            }
            _ => ([0; 32], None),
        };
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &secret));
        (Self { how, key }, fault)
    }

    fn shown(&self, out: &mut String, local: &str, domain: &str) {
        match self.how {
            LogAddresses::Full => {
                out.push_str(local);
                out.push('@');
                out.push_str(domain);
            }
            LogAddresses::Shortened => {
                let first = local.chars().find(|c| c.is_alphanumeric());
                out.extend(first);
                out.push('…');
                out.push('@');
                out.push_str(domain);
            }
            LogAddresses::Hashed => {
                let whole = format!("{}@{}", bare(local), domain).to_lowercase();
                let tag = hmac::sign(&self.key, whole.as_bytes());
                out.push('#');
                out.push_str(&BASE32_NOPAD.encode(tag.as_ref())[..HASH].to_ascii_lowercase());
            }
        }
    }

    /// A text with its addresses as they are to be written.
    pub(super) fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.how == LogAddresses::Full || !text.contains('@') {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (at, _) in text.match_indices('@') {
            let (before, after) = (&text[done.min(at)..at], &text[at + 1..]);
            let (local, domain) = (local_part(before), domain_part(after));
            if at < done || local.is_empty() || domain.is_empty() {
                continue;
            }
            out.push_str(&before[..before.len() - local.len()]);
            self.shown(&mut out, local, domain);
            done = at + 1 + domain.len();
        }
        out.push_str(&text[done..]);
        Cow::Owned(out)
    }
}

/// Without the quotes of a text around it.
fn bare(local: &str) -> &str {
    local.trim_matches(|c| matches!(c, '`' | '\'' | '"' | '\\'))
}

/// The end of a text that is a local part: a dot-string, or a quoted one, whose quotes may be escaped.
fn local_part(before: &str) -> &str {
    if let Some(inner) = before.strip_suffix('"') {
        let escaped = inner.ends_with('\\');
        let end = if escaped { inner.len() - 1 } else { inner.len() };
        let open = if escaped { "\\\"" } else { "\"" };
        return inner[..end].rfind(open).map_or("", |start| &before[start..]);
    }
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    &before[before.trim_end_matches(is_part).len()..]
}

/// The beginning of a text that is a domain or an address literal.
fn domain_part(after: &str) -> &str {
    if after.starts_with('[') {
        return after.find(']').map_or("", |end| &after[..=end]);
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || c == '-' || c == '.';
    let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
    after[..end].trim_end_matches(['.', '-'])
}

fn drawn() -> [u8; 32] {
    let mut secret = [0; 32];
    SystemRandom::new().fill(&mut secret).expect("a Linux that has booted has random bytes");
    secret
}

/// The key of the data folder, made where there is none.
fn kept(data_dir: &Path) -> io::Result<[u8; 32]> {
    let path = data_dir.join(KEY_FILE);
    let read = || -> io::Result<[u8; 32]> {
        let bytes = std::fs::read(&path)?;
        bytes.try_into().map_err(|_| io::Error::other("it does not hold 32 bytes"))
    };
    match read() {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
        done => return done,
    }
    std::fs::DirBuilder::new().recursive(true).create(data_dir)?;
    let secret = drawn();
    let opened = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
    match opened {
        Ok(mut file) => {
            file.write_all(&secret)?;
            file.sync_all()?;
            Ok(secret)
        }
        // Somebody else has made it just now.
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => read(),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(how: LogAddresses) -> Addresses {
        let home = tempfile::tempdir().expect("a folder");
        Addresses::new(how, home.path()).0
    }

    #[test]
    fn whatever_names_a_person_is_shortened() {
        let addresses = with(LogAddresses::Shortened);
        for (text, shown) in [
            ("ann.lee@reader.example", "a…@reader.example"),
            ("550 5.1.1 <ann@reader.example>: none", "550 5.1.1 <a…@reader.example>: none"),
            ("a@x.example and b+tag@y.example.", "a…@x.example and b…@y.example."),
            ("`ann@reader.example`: no", "a…@reader.example`: no"),
            ("\"ann lee\"@reader.example", "a…@reader.example"),
            (r#"{"to":"\"ann lee\"@reader.example"}"#, r#"{"to":"a…@reader.example"}"#),
            (r#"{"to":"ann@reader.example","n":1}"#, r#"{"to":"a…@reader.example","n":1}"#),
            ("安娜@读者.example", "安…@读者.example"),
            ("ann@[192.0.2.1]: no", "a…@[192.0.2.1]: no"),
            ("everybody at @reader.example", "everybody at @reader.example"),
            ("at 5 @ night", "at 5 @ night"),
            ("a@b@c.example", "a…@b@c.example"),
        ] {
            assert_eq!(addresses.masked(text), shown, "{text}");
        }
        assert_eq!(with(LogAddresses::Full).masked("ann@x.example"), "ann@x.example");
    }

    #[test]
    fn a_hashed_address_is_the_same_in_every_line_and_after_a_restart() {
        let home = tempfile::tempdir().expect("a folder");
        let addresses = || Addresses::new(LogAddresses::Hashed, home.path()).0;
        let once = addresses().masked("to <Ann@reader.example>").into_owned();
        let name = once.strip_prefix("to <#").and_then(|rest| rest.strip_suffix('>'));
        let is_hash = |name: &str| {
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        assert!(name.is_some_and(|name| name.len() == 16 && is_hash(name)), "{once}");
        assert_eq!(addresses().masked("to <ann@reader.example>"), once);
        assert_ne!(with(LogAddresses::Hashed).masked("to <ann@reader.example>"), once);
        let mode = std::fs::metadata(home.path().join(KEY_FILE)).expect("the key").permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }
}
