//! `relent backup`: an archive of all that must last, of the daemon that runs, or of its data folder while none does.

use super::arguments::Form;
use super::client::{Client, Fault};
use super::progress::Progress;
use super::show;
use crate::backup::{self, BackupFault, Manifest, Wish};
use crate::config::Config;
use crate::world::{World, is_shortage};
use clap::Args;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Largest settings that go along.
const SETTINGS_MAX: u64 = 4 << 20;

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// Where to: a file that is not there yet, a folder that gets one, or `-` for standard output.
    #[arg(value_name = "TO", required_unless_present = "verify")]
    to: Option<PathBuf>,
    /// Leave queued mail and the log of messages out.
    #[arg(long)]
    without_mail: bool,
    /// While the daemon is stopped: take what can still be read of damaged records.
    #[arg(long, conflicts_with = "verify")]
    damaged: bool,
    /// Take none: read this archive through and hold each of its parts against its digest.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "without_mail"])]
    verify: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
}

/// Where the archive goes: under another name until it is whole.
struct Target {
    out: Box<dyn Write>,
    /// Its file, the name it has while it is written, and the one it gets.
    file: Option<(File, PathBuf, PathBuf)>,
    progress: Progress,
}

/// What is not whole leaves nothing behind.
impl Drop for Target {
    fn drop(&mut self) {
        if let Some((_, part, _)) = &self.file {
            let _ = std::fs::remove_file(part);
        }
        self.progress.clear();
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.progress.moved(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn unwritten(path: &Path, fault: &io::Error) -> Fault {
    let room = if is_shortage(fault) { "there is no room for it there: " } else { "" };
    Fault::Refused(format!("{}: {room}{fault}; no backup was made", path.display()))
}

impl Target {
    fn open(to: &Path, config: &Config, total: Option<u64>) -> Result<Self, Fault> {
        let progress = Progress::new(total);
        if to == Path::new("-") {
            return Ok(Self { out: Box::new(io::stdout()), file: None, progress });
        }
        let path = if to.is_dir() {
            let now = World::real().clock.now().to_string().replace(':', "");
            to.join(format!("relent-{}-{now}.tar", config.hostname))
        } else {
            to.to_owned()
        };
        if path.symlink_metadata().is_ok() {
            let text =
                "is there already, and a backup overwrites nothing: name another file, or a folder";
            return Err(Fault::Refused(format!("{} {text}", path.display())));
        }
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut open = OpenOptions::new();
        let file = open.write(true).create(true).truncate(false).mode(0o600).open(&part);
        let file = file.map_err(|fault| unwritten(&part, &fault))?;
        file.try_lock().map_err(|_| {
            Fault::Refused(format!("{} is being written by another backup", part.display()))
        })?;
        file.set_len(0).map_err(|fault| unwritten(&part, &fault))?;
        let out = Box::new(file.try_clone().map_err(|fault| unwritten(&part, &fault))?);
        Ok(Self { out, file: Some((file, part, path)), progress })
    }

    /// Syncs, reads it all back, and only then gives it its name.
    fn close(mut self) -> Result<(Option<PathBuf>, Option<Manifest>), Fault> {
        let Some((file, part, path)) = self.file.take() else {
            self.out.flush().map_err(|fault| unwritten(Path::new("standard output"), &fault))?;
            return Ok((None, None));
        };
        let done = || -> Result<Manifest, Fault> {
            file.sync_all().map_err(|fault| unwritten(&part, &fault))?;
            let manifest = backup::check_file(&part, &mut |_| {}).map_err(|fault| told(&fault))?;
            let placed =
                std::fs::hard_link(&part, &path).or_else(|_| std::fs::rename(&part, &path));
            placed.map_err(|fault| unwritten(&path, &fault))?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = File::open(folder.unwrap_or(Path::new(".")));
            folder
                .and_then(|folder| folder.sync_all())
                .map_err(|fault| unwritten(&path, &fault))?;
            Ok(manifest)
        };
        let manifest = done();
        let _ = std::fs::remove_file(&part);
        self.progress.clear();
        Ok((Some(path), Some(manifest?)))
    }
}

/// What is wrong, in words.
pub(super) fn told(fault: &BackupFault) -> Fault {
    Fault::Refused(fault.to_string())
}

/// The settings, and the files of settings that they name.
fn settings(path: &Path, config: &Config) -> Vec<(String, Vec<u8>)> {
    let shaping = config.delivery.shaping.as_deref();
    let found = [("relent.toml", Some(path)), ("shaping.toml", shaping)].into_iter();
    let read = |(name, path): (&str, Option<&Path>)| {
        let path = path?;
        let size = path.metadata().ok()?.len();
        let text = (size <= SETTINGS_MAX).then(|| std::fs::read(path).ok()).flatten();
        if text.is_none() {
            show::aside(&format!(
                "{} cannot be read and is left out of the backup",
                path.display()
            ));
        }
        Some((name.to_owned(), text?))
    };
    found.filter_map(read).collect()
}

/// `relent backup …`
pub(super) async fn backup(
    arguments: BackupArguments,
    config: &Config,
    path: &Path,
) -> Result<(), Fault> {
    if let Some(file) = &arguments.verify {
        return verify(file, arguments.form);
    }
    let Some(to) = &arguments.to else {
        return Err(Fault::Usage("say where to".into()));
    };
    let wish = Wish { without_mail: arguments.without_mail, settings: settings(path, config) };
    let client = Client::new(config, path);
    let is_live = !arguments.damaged && client.is_there().await?;
    let mut target = Target::open(to, config, None)?;
    if is_live {
        of_daemon(&client, &wish, to, &mut target).await?;
    } else {
        at_rest(config, &wish, arguments.damaged, to, &mut target)?;
    }
    let (file, manifest) = target.close()?;
    let Some((file, manifest)) = file.zip(manifest) else { return Ok(()) };
    let moment = manifest.moment;
    if arguments.form.json {
        return show::json(&json!({
            "file": file.display().to_string(),
            "moment": moment.to_string(),
            "size": manifest.size(),
            "parts": manifest.parts.len(),
            "mail": manifest.opening.mail,
            "daemon": is_live,
            "lost": manifest.lost,
        }));
    }
    show::line(&format!(
        "{}: whole, synced and read back; {} in {} parts, as of {moment}{}",
        file.display(),
        size(manifest.size()),
        manifest.parts.len(),
        if manifest.opening.mail { "" } else { ", without mail" }
    ))?;
    if manifest.lost > 0 {
        let lost = manifest.lost;
        show::line(&format!(
            "{lost} rows or places of the records could not be read and are not in it"
        ))?;
    }
    show::line(
        "it holds every key and password hash of the installation: keep it as you keep those",
    )
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

async fn of_daemon(
    client: &Client,
    wish: &Wish,
    to: &Path,
    target: &mut Target,
) -> Result<(), Fault> {
    let named = |(name, text): &(String, Vec<u8>)| json!({ "name": name, "text": String::from_utf8_lossy(text) });
    let body = json!({
        "without_mail": wish.without_mail,
        "settings": wish.settings.iter().map(named).collect::<Vec<Value>>(),
    });
    let taken = client.stream("/backup", &body, |total, bytes| {
        if let Some(total) = total {
            target.progress.of(total);
        }
        target.write_all(bytes)
    });
    match taken.await? {
        Ok(()) => {}
        Err(Some(fault)) => return Err(unwritten(to, &fault)),
        Err(None) => {
            let last = client.get("/backup").await.ok();
            let why = last.as_ref().and_then(|last| last["fault"].as_str()).map(str::to_owned);
            let why = why.unwrap_or_else(|| "it went away in the middle; its log says more".into());
            return Err(Fault::Refused(format!(
                "the daemon broke the backup off: {why}; no backup was made"
            )));
        }
    }
    Ok(())
}

fn at_rest(
    config: &Config,
    wish: &Wish,
    damaged: bool,
    to: &Path,
    target: &mut Target,
) -> Result<(), Fault> {
    let folder = config.data_dir.display();
    let path = config.data_dir.join("lock");
    let lock = OpenOptions::new().write(true).open(&path);
    let lock = lock.map_err(|fault| {
        Fault::Refused(format!(
            "data_dir: {folder} holds no installation, or cannot be read: {fault}"
        ))
    })?;
    lock.try_lock().map_err(|_| {
        Fault::Refused(format!(
            "data_dir: a daemon uses {folder} and does not answer on its admin socket: see that [listen] admin is \
             right, or stop it"
        ))
    })?;
    if let Some(why) = backup::half_restored(&config.data_dir) {
        return Err(Fault::Refused(why));
    }
    // Beside the data, so that there is room for as much once more.
    let salvage = if damaged {
        let made = Scratch::make(&config.data_dir.join(backup::SALVAGE));
        Some(made.map_err(|fault| unwritten(&config.data_dir, &fault))?)
    } else {
        None
    };
    let into = salvage.as_ref().map(|scratch| scratch.0.as_path());
    let taken = backup::at_rest(config, &World::real(), wish, into, &mut *target);
    drop(lock);
    match taken {
        Ok(_) => Ok(()),
        Err(BackupFault::Unwritten(fault)) => Err(unwritten(to, &fault)),
        Err(BackupFault::Store(fault)) if !damaged => Err(Fault::Refused(format!(
            "{fault}; or `relent backup --damaged` takes what can still be read; no backup was made"
        ))),
        Err(fault) => Err(Fault::Refused(format!("{fault}; no backup was made"))),
    }
}

/// A folder of its own that goes when it is done with.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    /// Makes it, anew where one was left behind.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        if path.symlink_metadata().is_ok() {
            std::fs::remove_dir_all(path)?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn verify(file: &Path, form: Form) -> Result<(), Fault> {
    let mut progress = Progress::new(file.metadata().ok().map(|about| about.len()));
    let checked = backup::check_file(file, &mut |count| progress.moved(count));
    progress.clear();
    let manifest = checked.map_err(|fault| told(&fault))?;
    if form.json {
        let mut shown = json!(manifest);
        shown["moment"] = manifest.moment.to_string().into();
        return show::json(&shown);
    }
    let opening = &manifest.opening;
    show::line(&format!(
        "{}: whole; of {} as of {}, made by Relent {}, {} in {} parts{}",
        file.display(),
        opening.hostname,
        manifest.moment,
        opening.relent,
        size(manifest.size()),
        manifest.parts.len(),
        if opening.mail { "" } else { ", without mail" }
    ))
}
