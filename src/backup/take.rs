//! How a backup is taken. First the records, up to the moment at which their copy ends; then the log of messages up
//! to an end that is no earlier, its segments held still all the while: a reader's place in the records never lies past
//! the log, every message that was acknowledged before is there, and so is every stop. Then the rest of the data
//! folder, and the settings.

use super::archive::{FORMAT, Manifest, Opening, Writer, is_plain};
use super::{BackupFault, marks};
use crate::config::Config;
use crate::events::Cursor;
use crate::mail::Timestamp;
use crate::spool::{SegmentFile, Sequence, Spool};
use crate::store::{Rows, Store, StoreFault};
use crate::world::World;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of rows in one part.
const PART: usize = 4 << 20;
/// Folders within folders of the data folder that are looked into.
const DEPTH_MAX: u32 = 4;
/// What of the data folder is of this run, or is written in another way.
const LEFT_OUT: [&str; 6] =
    ["lock", "ports.json", "ports.json.new", "reserve", marks::RESTORING, marks::RESTORED];

/// Where what can be read of damaged records is written meanwhile, in the data folder.
pub const SALVAGE: &str = "backup.salvage";

/// What a backup is to hold.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Without queued mail and what happened to messages.
    pub without_mail: bool,
    /// Settings, each by the name that it gets and its text.
    pub settings: Vec<(String, Vec<u8>)>,
}

/// A daemon that runs.
pub struct Running<'a> {
    /// Its records.
    pub store: &'a Store,
    /// Its log of messages.
    pub spool: &'a Spool,
    /// Its settings.
    pub config: &'a Config,
    /// Its clock.
    pub world: &'a World,
    /// The runtime that its parts run on.
    pub runtime: &'a tokio::runtime::Handle,
}

/// What the records came to.
#[derive(Default)]
struct Counted {
    rows: BTreeMap<String, u64>,
    lost: u64,
}

fn begin<W: Write>(
    config: &Config,
    now: Timestamp,
    wish: &Wish,
    out: W,
) -> Result<Writer<W>, BackupFault> {
    let opening = Opening {
        format: FORMAT,
        relent: env!("CARGO_PKG_VERSION").into(),
        hostname: config.hostname.clone(),
        begun: now.to_string(),
        engine: config.store.engine.name().into(),
        mail: !wish.without_mail,
    };
    Writer::begin(out, opening, now)
}

/// Rows gathered into parts.
struct Records<'a, W: Write> {
    writer: &'a mut Writer<W>,
    waiting: Vec<Rows>,
    size: usize,
    number: u64,
    counted: Counted,
}

impl<W: Write> Records<'_, W> {
    fn put(&mut self, rows: Vec<Rows>) -> Result<(), BackupFault> {
        for part in rows {
            *self.counted.rows.entry(part.table.clone()).or_default() += part.rows.len() as u64;
            self.size += part.size();
            self.waiting.push(part);
        }
        if self.size >= PART { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), BackupFault> {
        let waiting = std::mem::take(&mut self.waiting);
        self.size = 0;
        if waiting.is_empty() {
            return Ok(());
        }
        let bytes = postcard::to_stdvec(&waiting).expect("rows are plain bytes");
        self.number += 1;
        let name = format!("records/{:08}", self.number);
        self.writer.part(&name, bytes.len() as u64, bytes.as_slice())
    }
}

fn records<W: Write>(
    writer: &mut Writer<W>,
    store: &Store,
    size_max: u64,
) -> Result<Counted, BackupFault> {
    let (waiting, counted) = (Vec::new(), Counted::default());
    let mut records = Records { writer, waiting, size: 0, number: 0, counted };
    let busy = |fault| match fault {
        StoreFault::Busy => {
            BackupFault::Refused("another backup is being taken: wait for it".into())
        }
        fault => fault.into(),
    };
    let mut copy = store.copy(size_max).map_err(busy)?;
    while let Some(rows) = copy.page()? {
        records.put(rows)?;
    }
    records.flush()?;
    Ok(records.counted)
}

/// Adds a file as long as it is now.
fn file<W: Write>(writer: &mut Writer<W>, name: &str, path: &Path) -> Result<(), BackupFault> {
    let opened = match File::open(path) {
        Ok(file) => file,
        // What came and went meanwhile was of that moment.
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(BackupFault::File(path.to_owned(), fault)),
    };
    let size = opened.metadata().map_err(BackupFault::at(path))?.len();
    writer.part(name, size, Named { path, file: opened })
}

/// A file whose faults name it.
struct Named<'a> {
    path: &'a Path,
    file: File,
}

impl Read for Named<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let named = |fault: io::Error| {
            io::Error::new(fault.kind(), format!("{} cannot be read: {fault}", self.path.display()))
        };
        self.file.read(buffer).map_err(named)
    }
}

fn segments<W: Write>(writer: &mut Writer<W>, segments: &[SegmentFile]) -> Result<(), BackupFault> {
    for SegmentFile { path, length } in segments {
        let opened = File::open(path).map_err(BackupFault::at(path))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        writer.part(&format!("spool/{name}"), *length, Named { path, file: opened })?;
    }
    Ok(())
}

/// The files of a folder that are not of one run, with the names they get: those that are records have a part of
/// their own, and segments and what can be made anew of them are not among these.
fn others(data_dir: &Path, wish: &Wish) -> Result<Vec<(String, PathBuf)>, BackupFault> {
    let mut found = Vec::new();
    walk(data_dir, "", DEPTH_MAX, &mut |name, path| {
        let is_left_out =
            LEFT_OUT.contains(&name) || name.starts_with("records.") || name.starts_with(SALVAGE);
        let is_made_anew = [".seg", ".idx", ".tmp"].iter().any(|end| name.ends_with(end));
        match name.strip_prefix("spool/") {
            Some(_) if is_made_anew || wish.without_mail && name != "spool/salt" => {}
            Some(_) => found.push((name.to_owned(), path)),
            None if is_left_out => {}
            None => found.push((format!("files/{name}"), path)),
        }
    })?;
    Ok(found)
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: u32,
    each: &mut impl FnMut(&str, PathBuf),
) -> Result<(), BackupFault> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(BackupFault::at(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let word = entry.file_name();
        let name = format!("{prefix}{}", word.to_string_lossy());
        if kind.is_dir() && depth > 0 && !name.starts_with("records.") {
            walk(&path, &format!("{name}/"), depth - 1, each)?;
        } else if kind.is_file() && is_plain(&name) {
            each(&name, path);
        } else if kind.is_file() {
            tracing::warn!(target: "relent::backup", file = %path.display(),
                "a file with a name that none of ours has is left out of the backup");
        }
    }
    Ok(())
}

fn rest<W: Write>(writer: &mut Writer<W>, data_dir: &Path, wish: &Wish) -> Result<(), BackupFault> {
    for (name, path) in others(data_dir, wish)? {
        file(writer, &name, &path)?;
    }
    for (name, text) in &wish.settings {
        writer.part(&format!("settings/{name}"), text.len() as u64, text.as_slice())?;
    }
    Ok(())
}

/// Takes a backup of a daemon that runs. Blocks: callers stand on a blocking thread.
///
/// # Errors
/// Why there is no whole archive.
pub fn live(running: &Running<'_>, wish: &Wish, out: impl Write) -> Result<Manifest, BackupFault> {
    let Running { store, spool, config, world, runtime } = running;
    let still = spool.still();
    let mut writer = begin(config, world.clock.now(), wish, out)?;
    let counted = records(&mut writer, store, config.backup.changes_size_max.0)?;
    let moment = world.clock.now();
    let (found, end) = runtime.block_on(spool.segments(&still))?;
    if !wish.without_mail {
        segments(&mut writer, &found)?;
    }
    rest(&mut writer, &config.data_dir, wish)?;
    drop(still);
    writer.finish(moment, end.0, (counted.rows, counted.lost))
}

/// About how many bytes a backup of a running daemon has.
#[must_use]
pub fn about(config: &Config, spool: &Spool, wish: &Wish) -> u64 {
    let records = config.data_dir.join(config.store.engine.records());
    let records = fs::metadata(records).map_or(0, |about| about.len());
    records + if wish.without_mail { 0 } else { spool.size() }
}

/// Takes a backup of a data folder while nobody runs, whose lock the caller holds. With `salvage`, a folder into
/// which what can still be read of damaged records is written first.
///
/// # Errors
/// Why there is no whole archive.
pub fn at_rest(
    config: &Config,
    world: &World,
    wish: &Wish,
    salvage: Option<&Path>,
    out: impl Write,
) -> Result<Manifest, BackupFault> {
    let data_dir = &config.data_dir;
    let kept = data_dir.join(config.store.engine.records());
    if !kept.exists() {
        let text = "there are no records there: see that data_dir and [store] engine are right";
        return Err(BackupFault::Refused(format!("{}: {text}", kept.display())));
    }
    let (folder, lost) = match salvage {
        None => (data_dir.as_path(), 0),
        Some(folder) => {
            let saved = crate::store::recover::salvage(data_dir, config.store.engine, folder);
            (folder, saved.map_err(BackupFault::Refused)?)
        }
    };
    let store = Store::open(folder, &config.store, world);
    store.ready()?;
    let mut writer = begin(config, world.clock.now(), wish, out)?;
    let mut counted = records(&mut writer, &store, u64::MAX)?;
    counted.lost = lost;
    let moment = world.clock.now();
    if !wish.without_mail {
        let mut found = Vec::new();
        walk(&data_dir.join("spool"), "", 0, &mut |name, path| {
            if name.ends_with(".seg") {
                let length = fs::metadata(&path).map_or(0, |about| about.len());
                found.push(SegmentFile { path, length });
            }
        })?;
        segments(&mut writer, &found)?;
    }
    rest(&mut writer, data_dir, wish)?;
    // Where the log ends is found where it is put back; without it, no reader has come further than this.
    let Sequence(end) = Cursor::furthest(&store)?;
    writer.finish(moment, end, (counted.rows, counted.lost))
}
