//! The archive: one tar file that any `tar` lists. First `relent-backup.json`, then the parts, then
//! `manifest.json` with the size and SHA-256 of each, and last `manifest.sha256` over that: what was cut
//! off has no end, and what was changed has another digest.

use super::BackupFault;
use crate::mail::Timestamp;
use crate::store::{Refill, Rows};
use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The version of the form.
pub const FORMAT: u32 = 1;
/// The first part.
const OPENING: &str = "relent-backup.json";
const MANIFEST: &str = "manifest.json";
const SEAL: &str = "manifest.sha256";
/// Largest of those three.
const WORDS_MAX: u64 = 256 << 20;
/// Longest name of a part, as tar has it without further ado.
const NAME_MAX: usize = 99;

/// What an archive begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The version of the form.
    pub format: u32,
    /// The version of Relent that made it.
    pub relent: String,
    /// The name of the host that it is of.
    pub hostname: String,
    /// When it was begun, RFC 3339.
    pub begun: String,
    /// Which engine kept the records there.
    pub engine: String,
    /// Whether it holds queued mail.
    pub mail: bool,
}

/// A part of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

/// What an archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// As it began.
    pub opening: Opening,
    /// The moment whose records it holds, in milliseconds since 1970: what was acknowledged before it was begun
    /// is there.
    pub moment: Timestamp,
    /// The first number of the log of messages that is not in it.
    pub spool_end: u64,
    /// Rows that were read, by table.
    pub rows: BTreeMap<String, u64>,
    /// Rows and places of a damaged store that could not be read.
    pub lost: u64,
    /// All parts but the first and the last two, in order.
    pub parts: Vec<Part>,
}

impl Manifest {
    /// The bytes of all parts.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}

/// Counts and digests what is read.
struct Digested<R> {
    source: R,
    context: Context,
    count: u64,
}

impl<R: Read> Digested<R> {
    fn new(source: R) -> Self {
        Self { source, context: Context::new(&SHA256), count: 0 }
    }

    fn sha256(self) -> String {
        HEXLOWER.encode(self.context.finish().as_ref())
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.context.update(&buffer[..count]);
        self.count += count as u64;
        Ok(count)
    }
}

/// Whether a name leads nowhere but below the folder that it is put into.
pub(super) fn is_plain(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@+".contains(&b))
    };
    name.len() <= NAME_MAX && name.split('/').all(is_word)
}

/// An archive being written.
pub(super) struct Writer<W: Write> {
    tar: tar::Builder<W>,
    opening: Opening,
    parts: Vec<Part>,
    time: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(out: W, opening: Opening, now: Timestamp) -> Result<Self, BackupFault> {
        let words = serde_json::to_vec_pretty(&opening).expect("words and numbers are JSON");
        let (tar, time) = (tar::Builder::new(out), now.seconds());
        let mut writer = Self { tar, opening, parts: Vec::new(), time };
        writer.put(OPENING, words.len() as u64, words.as_slice())?;
        Ok(writer)
    }

    fn put(&mut self, name: &str, size: u64, source: impl Read) -> Result<(), BackupFault> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).map_err(BackupFault::Unwritten)?;
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(self.time);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        self.tar.append(&header, source).map_err(BackupFault::Unwritten)
    }

    /// Adds a part of exactly so many bytes.
    pub(super) fn part(
        &mut self,
        name: &str,
        size: u64,
        source: impl Read,
    ) -> Result<(), BackupFault> {
        let mut source = Digested::new(source.take(size));
        self.put(name, size, &mut source)?;
        if source.count != size {
            return Err(BackupFault::Refused(format!(
                "{name} became shorter while it was copied: begin the backup again"
            )));
        }
        self.parts.push(Part { name: name.to_owned(), size, sha256: source.sha256() });
        Ok(())
    }

    /// Writes the end; past this the archive is whole.
    pub(super) fn finish(
        mut self,
        moment: Timestamp,
        spool_end: u64,
        (rows, lost): (BTreeMap<String, u64>, u64),
    ) -> Result<Manifest, BackupFault> {
        let (opening, parts) = (self.opening.clone(), std::mem::take(&mut self.parts));
        let manifest = Manifest { opening, moment, spool_end, rows, lost, parts };
        let words = serde_json::to_vec_pretty(&manifest).expect("words and numbers are JSON");
        let mut digested = Digested::new(words.as_slice());
        io::copy(&mut digested, &mut io::sink()).map_err(BackupFault::Unwritten)?;
        let seal = seal(&digested.sha256());
        self.put(MANIFEST, words.len() as u64, words.as_slice())?;
        self.put(SEAL, seal.len() as u64, seal.as_bytes())?;
        let mut out = self.tar.into_inner().map_err(BackupFault::Unwritten)?;
        out.flush().map_err(BackupFault::Unwritten)?;
        Ok(manifest)
    }
}

/// As `sha256sum` writes it.
fn seal(digest: &str) -> String {
    format!("{digest}  {MANIFEST}\n")
}

fn unsound(text: impl Into<String>) -> BackupFault {
    BackupFault::Unsound(text.into())
}

/// Whoever is given the parts of an archive: the name of each, its bytes, and these.
pub(super) type Each<'a> = &'a mut dyn FnMut(&str, u64, &mut dyn Read) -> Result<(), BackupFault>;

/// Puts a part of records into a store that is being filled.
pub(super) fn refill(
    records: &mut Refill,
    (name, size): (&str, u64),
    source: &mut dyn Read,
) -> Result<(), BackupFault> {
    let unread = |why: String| unsound(format!("the records of {name} cannot be read: {why}"));
    let mut bytes = Vec::new();
    source.take(size).read_to_end(&mut bytes).map_err(|fault| unread(fault.to_string()))?;
    let parts: Vec<Rows> =
        postcard::from_bytes(&bytes).map_err(|fault| unread(fault.to_string()))?;
    Ok(parts.into_iter().try_for_each(|part| records.put(part))?)
}

/// Writes a part to a file that is not there yet. It is not on disk before it is synced.
pub(super) fn unpack(to: &Path, source: &mut dyn Read) -> Result<File, BackupFault> {
    let mut open = OpenOptions::new();
    let open = open.write(true).create_new(true).mode(0o600).open(to);
    let mut file = open.map_err(BackupFault::at(to))?;
    io::copy(source, &mut file).map_err(BackupFault::at(to))?;
    Ok(file)
}

/// Reads an archive through and hands over each part; what is not as its end says it must be is an error that
/// names the part. Only once this returns is any of it known to be right.
pub(super) fn walk(source: impl Read, each: Each<'_>) -> Result<Manifest, BackupFault> {
    let mut tar = tar::Archive::new(source);
    let entries = tar.entries().map_err(|fault| unsound(format!("it is no archive: {fault}")))?;
    let (mut opening, mut found, mut last) = (None, Vec::new(), OPENING.to_owned());
    let (mut words, mut digest, mut is_sealed) = (None::<Vec<u8>>, String::new(), false);
    for entry in entries {
        let broken = |fault: io::Error| match opening {
            None => unsound(format!("it is no backup of Relent: {fault}")),
            Some(_) => unsound(format!("it is not whole, it cannot be read past {last}: {fault}")),
        };
        let entry = entry.map_err(broken)?;
        if is_sealed {
            return Err(unsound(format!("something stands past its end, {SEAL}")));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let size = entry.header().size().map_err(broken)?;
        if opening.is_none() && name != OPENING {
            return Err(unsound(format!("it is no backup of Relent: it begins with `{name}`")));
        }
        let mut entry = Digested::new(entry);
        if opening.is_none() || name == MANIFEST || name == SEAL {
            if size > WORDS_MAX {
                return Err(unsound(format!("{name} is too large")));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(broken)?;
            if bytes.len() as u64 != size {
                return Err(unsound(format!("it ends within {name}: it is not whole")));
            }
            if name == SEAL {
                let seal = seal(&digest);
                if words.is_none() || bytes != seal.as_bytes() {
                    return Err(unsound(format!("{MANIFEST} is not as {SEAL} has it")));
                }
                is_sealed = true;
            } else if name == MANIFEST {
                digest = entry.sha256();
                words = Some(bytes);
            } else {
                let read: Result<Opening, _> = serde_json::from_slice(&bytes);
                let read = read.map_err(|fault| unsound(format!("{OPENING}: {fault}")))?;
                if read.format > FORMAT {
                    let (theirs, version) = (read.format, &read.relent);
                    return Err(unsound(format!(
                        "it has form {theirs}, and this build reads up to {FORMAT}: use Relent {version} \
                         or later"
                    )));
                }
                opening = Some(read);
            }
            last = name;
            continue;
        }
        if words.is_some() || !is_plain(&name) {
            return Err(unsound(format!("the part `{name}` has no place in it")));
        }
        each(&name, size, &mut entry)?;
        io::copy(&mut entry, &mut io::sink()).map_err(broken)?;
        if entry.count != size {
            return Err(unsound(format!("it ends within {name}: it is not whole")));
        }
        last.clone_from(&name);
        found.push(Part { name, size, sha256: entry.sha256() });
    }
    let Some(opening) = opening else { return Err(unsound("it is empty")) };
    let Some(words) = words.filter(|_| is_sealed) else {
        return Err(unsound(format!("it ends after {last}: it is not whole")));
    };
    let manifest: Manifest = serde_json::from_slice(&words)
        .map_err(|fault| unsound(format!("{MANIFEST} cannot be read: {fault}")))?;
    compare(&manifest, &found)?;
    if manifest.opening != opening {
        return Err(unsound(format!("{OPENING} is not as {MANIFEST} has it")));
    }
    Ok(manifest)
}

/// Holds the parts that were found against those that are named.
fn compare(manifest: &Manifest, found: &[Part]) -> Result<(), BackupFault> {
    let there: HashMap<&str, &Part> = found.iter().map(|part| (part.name.as_str(), part)).collect();
    for part in &manifest.parts {
        match there.get(part.name.as_str()) {
            None => return Err(unsound(format!("the part {} is missing", part.name))),
            Some(found) if *found != part => {
                let name = &part.name;
                return Err(unsound(format!(
                    "the part {name} is not what was written: its SHA-256 differs"
                )));
            }
            Some(_) => {}
        }
    }
    if found != manifest.parts {
        return Err(unsound(format!("it holds parts that {MANIFEST} does not name")));
    }
    Ok(())
}

/// Reads an archive through and holds every part against its digest.
///
/// # Errors
/// Which part is not what was written, or that the archive is not whole.
pub fn check(source: impl Read) -> Result<Manifest, BackupFault> {
    walk(source, &mut |_, _, _| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let opening = Opening {
            format: FORMAT,
            relent: "0.1.0".into(),
            hostname: "relay.example".into(),
            begun: "2026-03-01T09:30:00Z".into(),
            engine: "redb".into(),
            mail: true,
        };
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(&mut bytes, opening, Timestamp(7000)).expect("begun");
        for (name, length) in [("records/00000001", 700), ("spool/salt", 80), ("files/a/b", 0)] {
            writer.part(name, length, io::repeat(b'x')).expect("a part");
        }
        let rows = BTreeMap::from([("meta".to_owned(), 3)]);
        writer.finish(Timestamp(7000), 9, (rows, 0)).expect("finished");
        bytes
    }

    fn said(bytes: &[u8]) -> String {
        check(bytes).expect_err("it is not sound").to_string()
    }

    #[test]
    fn an_archive_is_sound_as_it_was_written_and_at_no_length_before_its_end() {
        let bytes = archive();
        let manifest = check(bytes.as_slice()).expect("sound");
        assert_eq!((manifest.parts.len(), manifest.size(), manifest.spool_end), (3, 780, 9));
        // Behind the last part there are two empty blocks, which nothing needs.
        for length in 0..bytes.len() - 1024 {
            assert!(check(&bytes[..length]).is_err(), "cut at {length}");
        }
        assert!(
            said(&bytes[..1700]).contains("ends within records/00000001"),
            "{}",
            said(&bytes[..1700])
        );
    }

    #[test]
    fn a_changed_byte_is_found_and_its_part_named() {
        let bytes = archive();
        let place = bytes.windows(4).position(|four| four == b"xxxx").expect("the part's bytes");
        let mut spoilt = bytes.clone();
        spoilt[place] = b'y';
        assert!(
            said(&spoilt).contains("part records/00000001 is not what was written"),
            "{}",
            said(&spoilt)
        );
        for place in 0..bytes.len() - 1024 {
            let mut spoilt = bytes.clone();
            spoilt[place] ^= 1;
            // Only what fills up a block may be anything.
            if let Ok(manifest) = check(spoilt.as_slice()) {
                assert_eq!(bytes[place], 0, "at {place}");
                assert_eq!(manifest.parts.len(), 3);
            }
        }
    }

    #[test]
    fn what_is_no_backup_is_told_so() {
        assert!(said(b"").contains("empty"));
        assert!(said(&[b'x'; 4096]).contains("no backup of Relent"), "{}", said(&[b'x'; 4096]));
        let mut other = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        header.set_cksum();
        other.append_data(&mut header, "notes.txt", b"x".as_slice()).expect("added");
        let other = other.into_inner().expect("written");
        assert!(said(&other).contains("begins with `notes.txt`"));
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["spool/0000000000000001.seg", "files/audit/heads", "settings/relent.toml"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["", "/etc/passwd", "files/../x", "files//x", ".hidden", "files/a\nb"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
