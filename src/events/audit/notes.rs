//! Heads of the chain, noted now and then in a file of their own, so that a chain that was cut off or made
//! anew is found. Each line is signed under a key of the installation.

use super::chain::{HEAD, Head};
use super::read::Audit;
use super::verify::Finding;
use crate::mail::Timestamp;
use crate::store::{Record, StoreFault, Table};
use data_encoding::HEXLOWER;
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where it is kept which head was noted last.
const NOTED: &[u8] = b"audit/noted";
/// What signed lines begin with, so that no other signature passes for one.
const PURPOSE: &str = "relent audit head";
/// Bytes of a line at most: longer ones are none of ours.
const LINE_MAX: usize = 256;

/// Why a head was not noted.
#[derive(Debug, thiserror::Error)]
pub enum NotesFault {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The file.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
}

/// The head that was noted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Noted(u64);

impl Record for Noted {
    const TABLE: Table = Table::Meta;
}

/// The file of noted heads. Cheap to clone.
#[derive(Clone)]
pub struct Notes {
    path: PathBuf,
    key: hmac::Key,
    /// Most lines that are kept.
    lines_max: usize,
}

impl Notes {
    /// The notes in the data folder, signed under a key that is drawn from the installation's.
    #[must_use]
    pub fn new(data_dir: &Path, secret: &[u8; 32], lines_max: u32) -> Self {
        let drawn = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), PURPOSE.as_bytes());
        Self {
            path: data_dir.join("audit").join("heads"),
            key: hmac::Key::new(hmac::HMAC_SHA256, drawn.as_ref()),
            lines_max: usize::try_from(lines_max.max(1)).unwrap_or(usize::MAX),
        }
    }

    fn line(&self, head: Head, at: Timestamp) -> String {
        let said = format!("{} {} {at}", head.sequence, HEXLOWER.encode(&head.bound));
        let tag = hmac::sign(&self.key, said.as_bytes());
        format!("{said} {}\n", HEXLOWER.encode(tag.as_ref()))
    }

    fn read_line(&self, line: &str) -> Option<Head> {
        let (said, tag) = line.rsplit_once(' ').filter(|_| line.len() <= LINE_MAX)?;
        let tag = HEXLOWER.decode(tag.as_bytes()).ok()?;
        hmac::verify(&self.key, said.as_bytes(), &tag).ok()?;
        let mut words = said.split(' ');
        let sequence = words.next()?.parse().ok()?;
        let bound = HEXLOWER.decode(words.next()?.as_bytes()).ok()?.try_into().ok()?;
        Some(Head { sequence, bound })
    }

    fn fault(&self) -> impl Fn(io::Error) -> NotesFault + '_ {
        |fault| NotesFault::File(self.path.clone(), fault)
    }

    fn lines(&self) -> Result<Vec<String>, NotesFault> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(fault) => Err(self.fault()(fault)),
        }
    }

    /// The heads that the file holds, and what is wrong with it. The last line may be half a one, where the
    /// power went.
    fn noted(&self) -> Result<(Vec<Head>, Vec<Finding>), NotesFault> {
        let (mut heads, mut findings) = (Vec::new(), Vec::new());
        let lines = self.lines()?;
        for (place, line) in lines.iter().enumerate() {
            match self.read_line(line) {
                Some(head) => heads.push(head),
                None if place + 1 == lines.len() && line.len() < LINE_MAX / 2 => {}
                None => findings.push(Finding::Notes(format!(
                    "line {} of {} was not written by this installation",
                    place + 1,
                    self.path.display()
                ))),
            }
        }
        Ok((heads, findings))
    }

    /// Appends a line, durably; once there are twice as many as are kept, the oldest go.
    fn append(&self, line: &str) -> Result<(), NotesFault> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(self.fault())?;
        let write = || -> io::Result<()> {
            let mut open = OpenOptions::new();
            let mut file =
                open.create(true).append(true).read(true).mode(0o600).open(&self.path)?;
            // Half a line, where the power went, is none.
            let mut held = Vec::new();
            file.read_to_end(&mut held)?;
            let whole = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if whole < held.len() {
                file.set_len(whole as u64)?;
            }
            file.write_all(line.as_bytes())?;
            file.sync_data()
        };
        write().map_err(self.fault())?;
        let lines = self.lines()?;
        if lines.len() < self.lines_max.saturating_mul(2) {
            return Ok(());
        }
        let fresh = self.path.with_extension("new");
        let replace = || -> io::Result<()> {
            let kept = lines[lines.len() - self.lines_max..].join("\n") + "\n";
            let mut open = OpenOptions::new();
            let mut file = open.create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
            file.write_all(kept.as_bytes())?;
            file.sync_data()?;
            std::fs::rename(&fresh, &self.path)?;
            File::open(folder)?.sync_all()
        };
        replace().map_err(self.fault())
    }
}

/// Takes from the notes in a data folder, which nobody uses now, the heads past an entry: they are of a chain that
/// went on elsewhere.
///
/// # Errors
/// The file.
pub fn trim_notes(data_dir: &Path, through: u64) -> io::Result<()> {
    let path = data_dir.join("audit").join("heads");
    let text = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let is_ours = |line: &&str| {
        line.split(' ')
            .next()
            .and_then(|word| word.parse::<u64>().ok())
            .is_some_and(|n| n <= through)
    };
    let kept: String = text.lines().filter(is_ours).map(|line| format!("{line}\n")).collect();
    let mut file = OpenOptions::new().write(true).truncate(true).open(&path)?;
    file.write_all(kept.as_bytes())?;
    file.sync_all()
}

impl Audit {
    /// Notes the head, unless it is noted already: the head where it is new.
    ///
    /// # Errors
    /// The store or the file.
    pub async fn note(&self, notes: &Notes, now: Timestamp) -> Result<Option<Head>, NotesFault> {
        let head = self.head()?;
        let last = self.store.get::<Noted>(NOTED)?.map_or(0, |noted| noted.0);
        if head.sequence == 0 || head.sequence == last {
            return Ok(None);
        }
        let (line, theirs) = (notes.line(head, now), notes.clone());
        let appended = tokio::task::spawn_blocking(move || theirs.append(&line)).await;
        appended.map_err(|_| StoreFault::Closed)??;
        // After the file: a note that is remembered is there.
        let done = self.store.transact(move |t| {
            t.put(NOTED, &Noted(head.sequence));
            Ok(Ok::<_, Infallible>(()))
        });
        let Ok(()) = done.await?;
        Ok(Some(head))
    }

    /// What is wrong with the notes, or with the chain as they have it.
    ///
    /// # Errors
    /// The store or the file.
    pub fn check_notes(&self, notes: &Notes) -> Result<Vec<Finding>, NotesFault> {
        let (heads, mut findings) = notes.noted()?;
        let last = self.store.get::<Noted>(NOTED)?.map_or(0, |noted| noted.0);
        if !heads.iter().any(|head| head.sequence >= last) && last > 0 {
            findings.push(Finding::Notes(format!(
                "{} is cut off: entry {last} was noted there",
                notes.path.display()
            )));
        }
        findings.extend(self.check_noted(&heads)?);
        // Without a head, and with notes, the chain was emptied.
        if !heads.is_empty() && self.store.get::<Head>(HEAD)?.is_none() {
            findings.push(Finding::HeadMissing);
        }
        Ok(findings)
    }
}
