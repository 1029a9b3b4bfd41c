//! The data folder as it is found: whose it is, and whether it is ours. Looked at before anything in it is
//! touched, so that a folder that is not ours stays as it was; what it is, is written down in it.

use crate::config::Config;
use crate::mail::Timestamp;
use crate::world::user_of;
use nix::unistd::{Uid, User};
use rustix::fs::{Access, AtFlags, CWD};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The page that says what the folder is.
const PAGE: &str = "installation";
/// What a data folder looks like inside. A version of Relent that lays it out otherwise counts up.
const LAYOUT: u32 = 1;
/// Largest page that is read.
const PAGE_MAX: u64 = 64 << 10;
/// Names that are told of a folder that is not ours.
const TOLD: usize = 3;
/// Names by one of which a folder made before there was such a page is known as ours.
const OURS: [&str; 5] = ["spool", "records.created", "records.redb", "records.sled", "reserve"];
/// What each engine calls its records, whether this build has it or not.
const RECORDS: [(&str, &str); 2] = [("redb", "records.redb"), ("sled", "records.sled")];
/// What may lie in a folder that holds nothing yet.
const NOTHING: [&str; 10] = [
    "acme",
    PAGE,
    "installation.new",
    "lock",
    "lost+found",
    "log.key",
    "ports.json",
    "ports.json.new",
    "relent.toml",
    "shaping.toml",
];

/// What the folder is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    /// How it is laid out.
    layout: u32,
    /// The version that wrote here last.
    version: String,
    /// The engine of the records.
    engine: String,
    /// A fingerprint of the installation's keys, which the records hold.
    #[serde(default)]
    keys: Option<String>,
    /// When a daemon ran here last.
    #[serde(default)]
    seen: Option<u64>,
}

/// Why the data folder is not used, and what to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Strange {
    /// Another start may find it right: it cannot be read or written now.
    #[error("{0}")]
    Unusable(String),
    /// It is not ours, and stays as it is.
    #[error("{0}")]
    Foreign(String),
}

fn foreign(why: String) -> Result<(), Strange> {
    Err(Strange::Foreign(why))
}

/// A folder that who runs the daemon cannot use, by the key that names it.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {why}")]
pub(super) struct Blocked {
    key: &'static str,
    why: Strange,
}

/// Whether who runs this may use the folders of the data and of the admin socket: the data folder is theirs, and
/// both may be written. Touches nothing.
///
/// # Errors
/// [`Blocked`].
pub(super) fn reachable(config: &Config) -> Result<(), Blocked> {
    let blocked = |key| move |why| Blocked { key, why };
    if let Ok(about) = std::fs::metadata(&config.data_dir) {
        owner(config, about.uid()).map_err(blocked("data_dir"))?;
    }
    writable(&config.data_dir).map_err(blocked("data_dir"))?;
    let folder = config.listen.admin.parent().filter(|folder| !folder.as_os_str().is_empty());
    writable(folder.unwrap_or(Path::new("."))).map_err(blocked("listen.admin"))
}

/// The same for who only looks: root may look for any user.
pub(super) fn foreseen(config: &Config) -> Option<String> {
    let looks_for_another = Uid::effective().is_root() && config.process.user.is_none();
    let found = reachable(config).err().filter(|_| !looks_for_another)?;
    Some(format!("{found}; this holds for the user who runs this check"))
}

/// Looks at the folder that the settings name, and touches nothing.
///
/// # Errors
/// [`Strange`].
pub(super) fn inspect(config: &Config) -> Result<(), Strange> {
    let folder = &config.data_dir;
    let shown = folder.display();
    let unusable = |what: &str, fault: &std::io::Error| {
        Strange::Unusable(format!("{shown}: {what}: {fault}; {}", mend(fault, folder)))
    };
    let about = match std::fs::metadata(folder) {
        Ok(about) => about,
        Err(fault) if fault.kind() == ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(unusable("it cannot be looked at", &fault)),
    };
    if !about.is_dir() {
        return foreign(format!("{shown} is no folder: name one, as in \"/var/lib/relent\""));
    }
    let entries =
        std::fs::read_dir(folder).map_err(|fault| unusable("it cannot be read", &fault))?;
    let names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let Some(page) = read(folder)? else {
        return unmarked(config, &names);
    };
    if page.layout > LAYOUT {
        return foreign(format!(
            "{shown} was written by Relent {}, which lays it out in another way (layout {}, this one knows \
             {LAYOUT}): install that version or a later one, or restore a backup made with this one",
            page.version, page.layout
        ));
    }
    engine(config, &page.engine, &names)
}

/// Whether who runs the daemon may write in a folder; where it is not there yet, make it.
///
/// # Errors
/// [`Strange::Unusable`].
fn writable(folder: &Path) -> Result<(), Strange> {
    let there = folder.ancestors().find(|one| one.is_dir()).unwrap_or(Path::new("."));
    let (rights, flags) = (Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    rustix::fs::accessat(CWD, there, rights, flags).map_err(|fault| {
        let fault = std::io::Error::from(fault);
        let (shown, way) = (folder.display(), mend(&fault, there));
        Strange::Unusable(format!("{shown} cannot be written: {fault}; {way}"))
    })
}

/// Whether a fault that kept the daemon from starting stays until somebody mends it by hand.
#[must_use]
pub fn needs_a_mend(fault: &anyhow::Error) -> bool {
    fault.chain().any(|cause| {
        cause.is::<Strange>() || cause.is::<Blocked>() || cause.is::<crate::config::ConfigFault>()
    })
}

/// Whether the folder is of somebody else than who runs the daemon.
fn owner(config: &Config, uid: u32) -> Result<(), Strange> {
    let own = Uid::effective();
    let user = config.process.user.as_deref();
    let named = user.and_then(|name| User::from_name(name).ok().flatten());
    let theirs = named.as_ref().map(|user| user.uid.as_raw());
    let is_ours = uid == own.as_raw() || own.is_root() && (uid == 0 || theirs == Some(uid));
    if is_ours {
        return Ok(());
    }
    let (whose, shown) = (user_of(uid), config.data_dir.display());
    let runs = match user.filter(|_| own.is_root()) {
        Some(name) => name.to_owned(),
        None => user_of(own.as_raw()),
    };
    let way = if own.is_root() && user.is_none() {
        format!("write user = \"{whose}\" under [process]")
    } else {
        format!("run it as `{whose}`")
    };
    foreign(format!(
        "{shown} belongs to the user `{whose}`, and the daemon runs as `{runs}`: {way}, name another folder, \
         or give it over with `chown -R {runs} {shown}`"
    ))
}

/// A folder without a page: ours from before there was one, empty, or somebody else's.
fn unmarked(config: &Config, names: &[String]) -> Result<(), Strange> {
    if crate::backup::half_restored(&config.data_dir).is_some() {
        // It is said by who lays the ground.
        return Ok(());
    }
    if names.iter().any(|name| OURS.contains(&name.as_str())) {
        return engine(config, config.store.engine.name(), names);
    }
    let mut strange = strangers(config, names);
    // Files beside which somebody began are no house of another.
    if !strange.iter().any(|name| config.data_dir.join(name).is_dir()) {
        return Ok(());
    }
    let more = if strange.len() > TOLD { ", …" } else { "" };
    strange.truncate(TOLD);
    foreign(format!(
        "{} holds what is not Relent's ({}{more}): name an empty folder, or one that is not there yet",
        config.data_dir.display(),
        strange.join(", ")
    ))
}

/// What lies in a folder that has no page yet and is nothing that we put there, in order.
fn strangers<'a>(config: &Config, names: &'a [String]) -> Vec<&'a str> {
    let tls = &config.tls;
    let named = [Some(&config.listen.admin), tls.certificate.as_ref(), tls.key.as_ref()];
    let is_named = |name: &str| {
        let path = config.data_dir.join(name);
        named.iter().flatten().any(|named| **named == path)
    };
    let is_strange = |name: &&String| {
        !NOTHING.contains(&name.as_str())
            && !name.starts_with("tls-self-signed.")
            && !is_named(name)
    };
    let mut strange: Vec<&str> = names.iter().filter(is_strange).map(String::as_str).collect();
    strange.sort_unstable();
    strange
}

/// What is better put elsewhere before the first start.
pub(super) fn advice(config: &Config) -> Option<String> {
    let names = std::fs::read_dir(&config.data_dir).ok()?.flatten();
    let names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    if names.iter().any(|name| name == PAGE || OURS.contains(&name.as_str())) {
        return None;
    }
    let strange = strangers(config, &names);
    let (first, shown) = (strange.first()?, config.data_dir.display());
    Some(format!(
        "data_dir: {shown} holds what is not Relent's, as {first}: a folder of its own is easier to copy and to guard"
    ))
}

/// Whether the records are of the engine that the settings name.
fn engine(config: &Config, kept: &str, names: &[String]) -> Result<(), Strange> {
    let wanted = config.store.engine;
    let there = |records: &str| names.iter().any(|name| name == records);
    let other = RECORDS.iter().find(|(name, file)| *name != wanted.name() && there(file));
    let theirs = match other {
        Some((other, _)) if !there(wanted.records()) => other,
        _ if kept != wanted.name() => kept,
        _ => return Ok(()),
    };
    foreign(format!(
        "{} holds records of the engine \"{theirs}\", and store.engine is \"{}\": write engine = \
         \"{theirs}\" under [store]; no engine reads what another wrote",
        config.data_dir.display(),
        wanted.name()
    ))
}

fn path(folder: &Path) -> PathBuf {
    folder.join(PAGE)
}

/// A page: a line of JSON, and a line with its checksum, so that a flipped bit refuses no start.
fn parse(text: &[u8]) -> Option<Page> {
    let (line, sum) = std::str::from_utf8(text).ok()?.split_once('\n')?;
    let is_whole = u32::from_str_radix(sum.trim(), 16) == Ok(crc32c::crc32c(line.as_bytes()));
    is_whole.then(|| serde_json::from_str(line).ok()).flatten()
}

fn write(page: &Page) -> serde_json::Result<String> {
    let line = serde_json::to_string(page)?;
    let sum = crc32c::crc32c(line.as_bytes());
    Ok(format!("{line}\n{sum:08x}\n"))
}

/// The page of a folder. One that cannot be read as such, as after a power cut, is as none.
fn read(folder: &Path) -> Result<Option<Page>, Strange> {
    let path = path(folder);
    let is_large = std::fs::metadata(&path).is_ok_and(|about| about.len() > PAGE_MAX);
    if is_large {
        return Ok(None);
    }
    match std::fs::read(&path) {
        Ok(text) => Ok(parse(&text)),
        Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(Strange::Unusable(format!(
            "{} cannot be read: {fault}; {}",
            path.display(),
            mend(&fault, folder)
        ))),
    }
}

/// What to do about a folder that cannot be used.
pub(super) fn mend(fault: &std::io::Error, folder: &Path) -> String {
    let shown = folder.display();
    match fault.kind() {
        ErrorKind::PermissionDenied => {
            let user = user_of(Uid::effective().as_raw());
            format!("let the user `{user}`, who runs the daemon, write there, as with `chown {user} {shown}`")
        }
        ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted for reading alone: mount it for writing, or let the unit write \
             there (ReadWritePaths=)"
                .into()
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on that disk".into(),
        _ => "see that the folder and the disk under it are sound".into(),
    }
}

/// When a daemon ran here last, as far as that was written down.
pub(super) fn seen(folder: &Path) -> Option<Timestamp> {
    read(folder).ok().flatten()?.seen.map(Timestamp)
}

/// Writes down what the folder is, unless its records are another installation's than those it was written
/// down with. `keys` is a fingerprint of the records' keys; none where the records cannot be read now.
///
/// # Errors
/// [`Strange::Foreign`]. A page that cannot be written, as on a full disk, is written next time.
pub(super) fn claim(config: &Config, keys: Option<&str>, now: Timestamp) -> Result<(), Strange> {
    let folder = &config.data_dir;
    let before = read(folder)?;
    let known = before.as_ref().and_then(|page| page.keys.clone());
    if let (Some(known), Some(found)) = (&known, keys)
        && known != found
    {
        return foreign(format!(
            "{0}: {1} is another installation's than the mail and the stops beside it: put the one back that \
             belongs here, as from a backup; or, where the whole folder was put together on purpose, remove \
             {2}",
            folder.display(),
            config.store.engine.records(),
            path(folder).display()
        ));
    }
    let latest = before.and_then(|page| page.seen).unwrap_or_default().max(now.0);
    let page = Page {
        layout: LAYOUT,
        version: env!("CARGO_PKG_VERSION").into(),
        engine: config.store.engine.name().into(),
        keys: keys.map(str::to_owned).or(known),
        seen: Some(latest),
    };
    let fresh = folder.join(format!("{PAGE}.new"));
    let written = write(&page)
        .map_err(std::io::Error::from)
        .and_then(|text| std::fs::write(&fresh, text))
        .and_then(|()| std::fs::rename(&fresh, path(folder)));
    if let Err(fault) = written {
        let _ = std::fs::remove_file(&fresh);
        tracing::warn!(target: "relent::daemon", %fault, file = %path(folder).display(),
            "what the data folder is could not be written down");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(folder: &Path) -> Config {
        Config { data_dir: folder.into(), ..Config::default() }
    }

    fn said(folder: &Path) -> String {
        inspect(&at(folder)).expect_err("it is not ours").to_string()
    }

    #[test]
    fn a_folder_of_something_else_is_named_and_left_alone() {
        let home = tempfile::tempdir().expect("a folder");
        assert!(inspect(&at(&home.path().join("none"))).is_ok(), "it will be made");
        assert!(inspect(&at(home.path())).is_ok(), "it is empty");
        std::fs::write(home.path().join("ibdata1"), "x").expect("written");
        assert!(inspect(&at(home.path())).is_ok(), "a file is no house");
        assert!(advice(&at(home.path())).is_some_and(|said| said.contains("ibdata1")));
        std::fs::create_dir(home.path().join("mysql")).expect("a folder");
        let other = said(home.path());
        assert!(
            other.contains("not Relent's (ibdata1, mysql)") && other.contains("empty folder"),
            "{other}"
        );
        std::fs::create_dir(home.path().join("spool")).expect("a folder");
        assert!(inspect(&at(home.path())).is_ok(), "a spool is ours, whatever lies beside it");
        let file = home.path().join("ibdata1");
        assert!(said(&file).contains("is no folder"), "{}", said(&file));
    }

    #[test]
    fn a_page_of_another_layout_engine_or_installation_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let now = Timestamp(5);
        claim(&at(home.path()), Some("aa"), now).expect("claimed");
        assert!(inspect(&at(home.path())).is_ok());
        assert_eq!(seen(home.path()), Some(now));
        claim(&at(home.path()), None, Timestamp(3)).expect("its records cannot be read now");
        assert_eq!(seen(home.path()), Some(now), "the latest counts");
        let other = claim(&at(home.path()), Some("bb"), now).expect_err("other keys").to_string();
        assert!(other.contains("another installation's") && other.contains("backup"), "{other}");
        let page = read(home.path()).expect("read").expect("a page");
        let put = |page: &Page| {
            std::fs::write(path(home.path()), write(page).expect("JSON")).expect("written");
        };
        put(&Page { layout: 2, ..page.clone() });
        assert!(said(home.path()).contains("install that version"), "{}", said(home.path()));
        put(&Page { engine: "sled".into(), ..page.clone() });
        assert!(said(home.path()).contains("engine = \"sled\""), "{}", said(home.path()));
        let torn = write(&page).expect("JSON").replace("redb", "sedb");
        std::fs::write(path(home.path()), torn).expect("written");
        assert!(inspect(&at(home.path())).is_ok(), "a page that was damaged is as none");
    }

    #[test]
    fn a_folder_of_another_user_is_not_taken_over() {
        if !Uid::effective().is_root() {
            return;
        }
        let home = tempfile::tempdir().expect("a folder");
        let nobody = User::from_name("nobody").expect("a look").expect("nobody is there");
        std::os::unix::fs::chown(home.path(), Some(nobody.uid.as_raw()), None).expect("given");
        let found = |config: &Config| reachable(config).map_err(|blocked| blocked.to_string());
        let text = found(&at(home.path())).expect_err("it is another's");
        assert!(
            text.contains("belongs to the user `nobody`") && text.contains("[process]"),
            "{text}"
        );
        let mut config = at(home.path());
        config.process.user = Some("nobody".into());
        config.listen.admin = home.path().join("admin.sock");
        assert_eq!(found(&config), Ok(()));
    }
}
