//! Certificates in files: read with their keys, watched for changes, and the self-signed pair of the data
//! folder, which serves until there is a better one.

use super::chain::pair;
use super::identity::Identity;
use crate::world;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is said again that a new pair of files cannot be taken.
const SAID_AGAIN: Duration = Duration::from_secs(3600);

/// Why there is no certificate: which file, why, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct TlsFault {
    /// The file.
    pub path: PathBuf,
    /// The reason, and what to do.
    pub reason: String,
}

pub(super) fn fault(path: &Path, reason: impl Into<String>) -> TlsFault {
    TlsFault { path: path.into(), reason: reason.into() }
}

/// Which file stands at a path: another one, where a link leads elsewhere or a file was put in its place, or
/// the same one written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self {
            file: (about.dev(), about.ino()),
            size: about.size(),
            written: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// A pair of files that is looked at now and then.
#[derive(Clone)]
pub(super) struct Watched {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) current: Arc<Identity>,
    seen: [Option<Stamp>; 2],
    /// Why what stands there now is not taken, and when that was said last.
    fault: Option<(TlsFault, Instant)>,
}

impl Watched {
    /// # Errors
    /// [`TlsFault`]: a file that cannot be read, or holds no certificate, no key, or two that do not
    /// belong together.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Self, TlsFault> {
        let seen = [Stamp::of(certificate), Stamp::of(key)];
        let current = Identity::new(pair(certificate, key)?);
        Ok(Self { certificate: certificate.into(), key: key.into(), current, seen, fault: None })
    }

    /// Which files they are, as they were looked at last.
    pub(super) fn stands(&self) -> (&Path, &Path, [Option<Stamp>; 2]) {
        (&self.certificate, &self.key, self.seen)
    }

    /// Why the files as they stand now are not in use.
    pub(super) fn fault(&self) -> Option<&TlsFault> {
        self.fault.as_ref().map(|(fault, _)| fault)
    }

    /// Takes the files if they changed. A pair that does not fit keeps the old one, and says so until it
    /// does: whoever renews writes two files, and not at one moment.
    pub(super) fn look(&mut self) {
        let stamps = [Stamp::of(&self.certificate), Stamp::of(&self.key)];
        if stamps == self.seen && self.fault.is_none() {
            return;
        }
        let read = pair(&self.certificate, &self.key);
        match read {
            Ok(pair) => {
                self.seen = stamps;
                self.fault = None;
                self.current = Identity::new(pair);
                tracing::info!(target: "relent::tls",
                    certificate = %self.certificate.display(), until = %self.current.leave.until,
                    "certificate read anew");
            }
            Err(fault) => {
                let is_said = self.fault.as_ref().is_some_and(|(old, at)| {
                    *old == fault && self.seen == stamps && at.elapsed() < SAID_AGAIN
                });
                self.seen = stamps;
                if !is_said {
                    tracing::warn!(target: "relent::tls", %fault,
                        "new certificate not taken; the old one stays in use");
                    self.fault = Some((fault, Instant::now()));
                }
            }
        }
    }
}

/// The pair in the data folder, made there if it is not both there, and anew where it is damaged:
/// nobody can trust it more than its successor.
pub(super) fn self_signed(data_dir: &Path, hostname: &str) -> Result<(PathBuf, PathBuf), TlsFault> {
    let certificate = data_dir.join("tls-self-signed.pem");
    let key = data_dir.join("tls-self-signed.key");
    let has_both = certificate.exists() && key.exists();
    let damage = if has_both && fs::read(&certificate).is_ok() && fs::read(&key).is_ok() {
        pair(&certificate, &key).err()
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
    world::keep(path, text.as_bytes())
        .map_err(|why| fault(path, format!("cannot be written: {why}; check tls and data_dir")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::unix::fs::symlink;

    fn write(folder: &Path, name: &str) -> rcgen::CertifiedKey<rcgen::KeyPair> {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("made");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join("fullchain.pem"), made.cert.pem()).expect("written");
        fs::write(folder.join("privkey.pem"), made.signing_key.serialize_pem()).expect("written");
        made
    }

    fn names(watched: &Watched) -> &[String] {
        &watched.current.leave.names
    }

    #[test]
    fn a_pair_that_does_not_fit_keeps_the_old_one_until_it_does() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "old.example");
        let (certificate, key) =
            (folder.path().join("fullchain.pem"), folder.path().join("privkey.pem"));
        let mut watched = Watched::read(&certificate, &key).expect("a pair");
        let new = rcgen::generate_simple_self_signed(vec!["new.example".into()]).expect("made");
        fs::write(&certificate, new.cert.pem()).expect("written");
        // Of the same size, and written in the same tick of the clock, it would look like the old one.
        let file = OpenOptions::new().append(true).open(&certificate).expect("a file");
        file.set_modified(std::time::SystemTime::now() + Duration::from_secs(60))
            .expect("its time");
        for _ in 0..2 {
            watched.look();
            assert_eq!(names(&watched), ["old.example"]);
            let said = watched.fault().expect("it is said").to_string();
            assert!(said.contains("privkey.pem: does not fit"), "{said}");
        }
        fs::write(&key, new.signing_key.serialize_pem()).expect("written");
        watched.look();
        assert_eq!(names(&watched), ["new.example"]);
        assert_eq!(watched.fault(), None);
        fs::remove_file(&key).expect("removed");
        watched.look();
        assert_eq!(names(&watched), ["new.example"]);
        assert!(watched.fault().is_some());
        fs::write(&key, new.signing_key.serialize_pem()).expect("written");
        watched.look();
        assert_eq!(watched.fault(), None);
    }

    #[test]
    fn links_that_lead_to_new_files_are_followed_whatever_the_files_times() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = folder.path().join("archive");
        let live = folder.path().join("live");
        fs::create_dir_all(&live).expect("a folder");
        write(&archive.join("1"), "first.example");
        write(&archive.join("2"), "second.example");
        // As a restore from a backup leaves them: all of one time.
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for number in ["1", "2"] {
            for name in ["fullchain.pem", "privkey.pem"] {
                let file = OpenOptions::new().append(true).open(archive.join(number).join(name));
                file.expect("a file").set_modified(time).expect("its time");
            }
        }
        let lead = |number: &str| {
            for name in ["fullchain.pem", "privkey.pem"] {
                let fresh = live.join("fresh");
                symlink(archive.join(number).join(name), &fresh).expect("a link");
                fs::rename(&fresh, live.join(name)).expect("in its place");
            }
        };
        lead("1");
        let read = Watched::read(&live.join("fullchain.pem"), &live.join("privkey.pem"));
        let mut watched = read.expect("a pair");
        assert_eq!(names(&watched), ["first.example"]);
        lead("2");
        watched.look();
        assert_eq!(names(&watched), ["second.example"]);
    }
}
