//! How a backup is put back: every digest is looked at before the first byte is written, and the data folder says that it
//! is half done until all of it is on disk. Then the records say that they were put back, numbers go on far past those
//! that were given out since, and mail is held.

use super::BackupFault;
use super::archive::{self, Manifest, walk};
use super::marks::{self, RESTORED, RESTORING};
use crate::accounts::Accounts;
use crate::config::Config;
use crate::events::Actor;
use crate::events::audit::{Audit, trim_notes};
use crate::policy::Restored;
use crate::spool::{Sequence, go_on_past};
use crate::store::{Store, Table, refill};
use crate::world::{World, hand_over, ids_of};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How far numbers of accounts, streams and the like go on past those of the backup.
const NUMBERS: u64 = 1 << 20;
/// How far those of events do, of which there may have been very many.
const EVENTS: u64 = 1 << 32;
/// The counter of events of records.
const RECORDS: &str = "records";
/// Memory for the engine's cache meanwhile.
const CACHE: usize = 64 << 20;
/// Sessions that are ended in one transaction.
const TOGETHER: usize = 1000;

/// What was put back.
#[derive(Debug, Clone)]
pub struct Put {
    /// What the archive held.
    pub manifest: Manifest,
    /// What the records say of it now.
    pub restored: Restored,
    /// Whether half a restore of before was cleared away.
    pub was_half_done: bool,
}

/// Bytes of an archive as they are read, told to whoever shows them.
struct Shown<'a, R> {
    source: R,
    show: &'a mut dyn FnMut(u64),
}

impl<R: Read> Read for Shown<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        (self.show)(count as u64);
        Ok(count)
    }
}

fn open<'a>(
    path: &Path,
    show: &'a mut dyn FnMut(u64),
) -> Result<Shown<'a, BufReader<File>>, BackupFault> {
    let file = File::open(path).map_err(BackupFault::at(path))?;
    Ok(Shown { source: BufReader::with_capacity(1 << 20, file), show })
}

/// Names what is wrong with an archive by its file.
fn named(path: &Path, fault: BackupFault) -> BackupFault {
    match fault {
        BackupFault::Unsound(text) => {
            BackupFault::Unsound(format!("{}: {text}; nothing of it was used", path.display()))
        }
        fault => fault,
    }
}

/// Reads an archive's file through and holds every part against its digest; `show` is told of bytes as they are read.
///
/// # Errors
/// Which part is not what was written, or that the archive is not whole.
pub fn check_file(path: &Path, show: &mut dyn FnMut(u64)) -> Result<Manifest, BackupFault> {
    archive::check(open(path, show)?).map_err(|fault| named(path, fault))
}

/// Puts an archive back into the data folder of these settings, which must be empty, or hold half a restore. Blocks;
/// callers stand on a blocking thread of `runtime`.
///
/// # Errors
/// Why not: then nothing was written, or the folder says that it is half done.
pub fn put(
    path: &Path,
    config: &Config,
    (world, actor): (&World, Actor),
    runtime: &tokio::runtime::Handle,
    show: &mut dyn FnMut(u64),
) -> Result<Put, BackupFault> {
    let data_dir = &config.data_dir;
    let was_half_done = data_dir.join(RESTORING).exists();
    if !was_half_done {
        is_empty(data_dir)?;
    }
    let owner = owner(config);
    let manifest = check_file(path, show)?;
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true).mode(0o700).create(data_dir).map_err(BackupFault::at(data_dir))?;
    let lock = lock(data_dir)?;
    marks::write(data_dir, RESTORING, b"half a restore lies here\n")
        .map_err(BackupFault::at(data_dir))?;
    clear(data_dir)?;
    let again = fill(path, config, show).map_err(|fault| named(path, fault))?;
    if again != manifest {
        let text = format!("{} was changed while it was read", path.display());
        return Err(BackupFault::Refused(text));
    }
    let spool = data_dir.join("spool");
    go_on_past(&spool, world, Sequence(manifest.spool_end), EVENTS)
        .map_err(BackupFault::at(&spool))?;
    let restored = runtime.block_on(finish(config, world, actor, &manifest))?;
    let words = serde_json::to_vec_pretty(&restored).unwrap_or_default();
    marks::write(data_dir, RESTORED, &words).map_err(BackupFault::at(data_dir))?;
    let mark = data_dir.join(RESTORING);
    if let Some(owner) = owner {
        let folder = File::open(data_dir).map_err(BackupFault::at(data_dir))?;
        hand_over(&folder, owner).map_err(BackupFault::at(data_dir))?;
    }
    fs::remove_file(&mark).map_err(BackupFault::at(&mark))?;
    sync(data_dir)?;
    drop(lock);
    Ok(Put { manifest, restored, was_half_done })
}

/// Whose what root writes is to be: that of the folder where it is there already, else the user's of the settings.
fn owner(config: &Config) -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let there = fs::metadata(&config.data_dir).ok().map(|about| (about.uid(), about.gid()));
    let named = || config.process.user.as_deref().and_then(ids_of);
    there.filter(|(user, _)| *user != 0).or_else(named)
}

fn sync(folder: &Path) -> Result<(), BackupFault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupFault::at(folder))
}

/// Refuses a folder that holds anything: what is there may be somebody's mail.
fn is_empty(data_dir: &Path) -> Result<(), BackupFault> {
    let entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(BackupFault::File(data_dir.to_owned(), fault)),
    };
    for entry in entries {
        let entry = entry.map_err(BackupFault::at(data_dir))?;
        // What a file system, or a daemon that never kept anything, leaves there.
        if entry.file_name() != "lost+found" && entry.file_name() != "lock" {
            let (folder, name) = (data_dir.display(), entry.file_name());
            return Err(BackupFault::Refused(format!(
                "data_dir: {folder} is not empty, it holds `{}`: a restore overwrites nothing; move what is there \
                 away, or name another folder with --data-dir",
                name.to_string_lossy()
            )));
        }
    }
    Ok(())
}

fn lock(data_dir: &Path) -> Result<File, BackupFault> {
    let path = data_dir.join("lock");
    let mut open = OpenOptions::new();
    let file = open.create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(BackupFault::at(&path))?;
    file.try_lock().map_err(|_| {
        let path = path.display();
        BackupFault::Refused(format!(
            "{path} is held: stop the daemon, as with `systemctl stop relent`"
        ))
    })?;
    Ok(file)
}

/// Removes what a restore that was broken off has written.
fn clear(data_dir: &Path) -> Result<(), BackupFault> {
    for entry in fs::read_dir(data_dir).map_err(BackupFault::at(data_dir))? {
        let path = entry.map_err(BackupFault::at(data_dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if [RESTORING, "lock", "lost+found"].contains(&name) {
            continue;
        }
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir());
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(BackupFault::at(&path))?;
    }
    sync(data_dir)
}

/// Writes every part to its place.
fn fill(path: &Path, config: &Config, show: &mut dyn FnMut(u64)) -> Result<Manifest, BackupFault> {
    let data_dir = &config.data_dir;
    let mut records = refill(data_dir, config.store.engine, CACHE)?;
    let mut folders = BTreeSet::from([data_dir.clone()]);
    let manifest = walk(open(path, show)?, &mut |name, size, source| {
        if name.starts_with("records/") {
            return archive::refill(&mut records, (name, size), source);
        }
        let below = match name.strip_prefix("files/") {
            Some(below) => below,
            None if name.starts_with("spool/") => name,
            // Settings are looked at by hand.
            None => return Ok(()),
        };
        let to = data_dir.join(below);
        write(&to, source)?;
        folders.extend(
            to.ancestors().skip(1).take_while(|one| one.starts_with(data_dir)).map(PathBuf::from),
        );
        Ok(())
    })?;
    records.finish()?;
    folders.iter().try_for_each(|folder| sync(folder))?;
    Ok(manifest)
}

fn write(to: &Path, source: &mut dyn Read) -> Result<(), BackupFault> {
    if let Some(folder) = to.parent() {
        let mut make = fs::DirBuilder::new();
        make.recursive(true).mode(0o700).create(folder).map_err(BackupFault::at(folder))?;
    }
    archive::unpack(to, source)?.sync_all().map_err(BackupFault::at(to))
}

/// Has the records say that they were put back.
async fn finish(
    config: &Config,
    world: &World,
    actor: Actor,
    manifest: &Manifest,
) -> Result<Restored, BackupFault> {
    let store = Store::open(&config.data_dir, &config.store, world);
    let done = say(&store, config, world, actor, manifest).await;
    store.close().await;
    done
}

async fn say(
    store: &Store,
    config: &Config,
    world: &World,
    actor: Actor,
    manifest: &Manifest,
) -> Result<Restored, BackupFault> {
    store.ready()?;
    let head = Audit::new(store.clone()).head()?;
    // Heads that were noted after the copy of the records are those of the chain that was lost.
    trim_notes(&config.data_dir, head.sequence).map_err(BackupFault::at(&config.data_dir))?;
    // Who logged out since, or was removed, must not be in again.
    loop {
        let (found, _) = store.holding(Table::Session, None, TOGETHER, |_| true)?;
        if found.is_empty() {
            break;
        }
        let done = store.transact(move |t| {
            found.iter().for_each(|place| t.discard(Table::Session, place));
            Ok(Ok::<_, Infallible>(()))
        });
        let Ok(()) = done.await?;
    }
    let author = Accounts::new(store.clone(), world.clone()).by(actor).author().clone();
    let restored = Restored {
        backup: manifest.moment,
        at: world.clock.now(),
        hostname: manifest.opening.hostname.clone(),
        through: head.sequence,
        events: store.counted(RECORDS)?,
        spool_end: manifest.spool_end,
        ..Restored::default()
    };
    let done = store.transact(move |t| {
        t.advance_counters(|name| if name == RECORDS { EVENTS } else { NUMBERS })?;
        Ok(Ok::<_, Infallible>(restored.write(t, &author)?))
    });
    let Ok(restored) = done.await?;
    Ok(restored)
}
