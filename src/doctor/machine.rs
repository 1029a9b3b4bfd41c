//! The machine: room on its disk and how long a sync takes, how many files may be open, and who may read
//! what is ours.

use super::Case;
use super::finding::Finding;
use crate::config::Size;
use crate::world::World;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

const DISK: &str = "disk";
const FILES: &str = "files";
const CLOCK: &str = "clock";
/// Syncs that are timed.
const SYNCS: usize = 15;
/// From when on a sync is slow, and so slow that mail waits for it.
const SLOW: Duration = Duration::from_millis(30);
const TOO_SLOW: Duration = Duration::from_millis(300);
/// How far a file may seem to be written ahead of now.
const AHEAD_MAX: Duration = Duration::from_secs(120);
/// Files that the process has open beside connections.
const OTHER_FILES: u64 = 256;

/// Looks at it.
pub(super) fn machine(case: Case<'_>, world: &World) -> Vec<Finding> {
    let data = &case.config.data_dir;
    let mut found = Vec::new();
    match fs::metadata(data) {
        Ok(about) if about.is_dir() => {
            found.extend(space(case, world));
            found.push(syncing(data));
            found.extend(reserve(case));
            found.push(ahead(data));
            found.push(private(data, &about, 0o077, "data_dir"));
        }
        Ok(_) => found.push(Finding::bad(
            FILES,
            data.display().to_string(),
            "data_dir is no folder",
            "set data_dir to a folder of the daemon's own",
        )),
        Err(fault) => found.push(Finding::warn(
            FILES,
            data.display().to_string(),
            format!("data_dir cannot be looked at: {fault}"),
            "it is made at the first start; else run this as root or as the daemon's user",
        )),
    }
    found.extend(keys(case));
    found.push(settings(case.file));
    found.extend(socket(case));
    found.extend(case.daemon.and_then(|process| open_files(case, process)));
    found
}

/// A size for people: whole units, of which there are at least ten.
fn round(bytes: u64) -> Size {
    let units = [1 << 30, 1 << 20, 1 << 10];
    let unit = units.into_iter().find(|unit| bytes / unit >= 10).unwrap_or(1);
    Size(bytes - bytes % unit)
}

fn space(case: Case<'_>, world: &World) -> Option<Finding> {
    let data = &case.config.data_dir;
    let subject = data.display().to_string();
    let free = world.disk.free(data).ok()?;
    let least = case.config.spool.free_space_min.0;
    let text = format!("{} free; mail is taken above {}", round(free), Size(least));
    let advice = "make room, or move data_dir to a larger disk";
    let inodes = rustix::fs::statvfs(data.as_path()).ok().filter(|stat| stat.f_files > 0);
    if inodes.is_some_and(|stat| stat.f_favail < 1000) {
        let advice = "remove small files there: new files cannot be made for long";
        return Some(Finding::bad(DISK, subject, "nearly no more files can be made", advice));
    }
    Some(match free {
        free if free < least => {
            let text = format!("{text}: it is refused until there is room");
            Finding::bad(DISK, subject, text, advice)
        }
        free if free / 3 < least => Finding::warn(DISK, subject, text, advice),
        _ => Finding::ok(DISK, subject, text),
    })
}

/// How long the disk takes to keep a few bytes, which every message waits for.
fn syncing(data: &Path) -> Finding {
    let subject = "sync";
    match timed(data) {
        Err(fault) => Finding::warn(
            DISK,
            subject,
            format!("it could not be timed: {fault}"),
            "run this as root or as the daemon's user",
        ),
        Ok(median) => {
            let text = format!("takes {:.1} ms", median.as_secs_f64() * 1000.0);
            let slow = format!("{text}, and every message waits for one");
            let advice =
                "use a local SSD for data_dir, no network file system; see what else writes there";
            match median {
                median if median >= TOO_SLOW => Finding::bad(DISK, subject, slow, advice),
                median if median >= SLOW => Finding::warn(DISK, subject, slow, advice),
                _ => Finding::ok(DISK, subject, text),
            }
        }
    }
}

fn timed(data: &Path) -> std::io::Result<Duration> {
    let path = data.join(format!("doctor-{}.probe", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let measured = (|| {
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            file.write_all(&[0; 4096])?;
            let begun = Instant::now();
            file.sync_data()?;
            times.push(begun.elapsed());
        }
        times.sort();
        Ok(times[SYNCS / 2])
    })();
    let _ = fs::remove_file(&path);
    measured
}

fn reserve(case: Case<'_>) -> Option<Finding> {
    let size = case.config.spool.reserve();
    case.daemon.filter(|_| size > 0)?;
    let kept = match fs::metadata(case.config.data_dir.join("reserve")) {
        Ok(about) => about.len(),
        // Given up, which is what somebody should know of.
        Err(fault) if fault.kind() == ErrorKind::NotFound => 0,
        Err(_) => return None,
    };
    (kept < size).then(|| {
        let text = "the room for stops and deliveries on a full disk is used up or not made yet";
        let advice = "make room on the disk: it is made anew by itself";
        Finding::warn(DISK, "reserve", text, advice)
    })
}

/// Whether something of ours was written in the future: the clock was ahead then, or is behind now.
fn ahead(data: &Path) -> Finding {
    let subject = "written files";
    let spool = data.join("spool");
    let files = [data, spool.as_path()].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
    let times = files.flatten().filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok());
    let now = SystemTime::now();
    let most = times.filter_map(|time| time.duration_since(now).ok()).max().unwrap_or_default();
    if most <= AHEAD_MAX {
        return Finding::ok(CLOCK, subject, "none is from the future");
    }
    Finding::bad(
        CLOCK,
        subject,
        format!("one was written {} s from now: the clock has jumped", most.as_secs()),
        "set the clock right and keep it so (systemd-timesyncd or chrony): signatures, retries and consents \
         are dated by it",
    )
}

fn mode(about: &Metadata) -> u32 {
    about.permissions().mode() & 0o7777
}

/// Whether others than the owner may not do what `mask` has.
fn private(path: &Path, about: &Metadata, mask: u32, what: &str) -> Finding {
    let subject = path.display().to_string();
    let found = mode(about);
    if found & mask == 0 {
        return Finding::ok(FILES, subject, format!("{what} is the daemon's alone ({found:04o})"));
    }
    Finding::bad(
        FILES,
        &*subject,
        format!("{what} may be used by others ({found:04o})"),
        format!("chmod {:04o} {subject}", found & !mask),
    )
}

/// The files that hold secrets of ours.
fn keys(case: Case<'_>) -> Vec<Finding> {
    let config = case.config;
    let own = ["tls-self-signed.key", "log.key", config.store.engine.records()]
        .map(|name| config.data_dir.join(name));
    // A key may be shared with the group that manages certificates.
    let named = config.tls.key.iter().chain(config.tls.more.iter().map(|pair| &pair.key));
    let named = named.map(|key| (key.clone(), 0o037));
    let all = own.into_iter().map(|path| (path, 0o077)).chain(named);
    let look = |(path, mask): (PathBuf, u32)| {
        let about = fs::metadata(&path).ok()?;
        let finding = private(&path, &about, mask, "what it holds");
        (finding.advice.is_some() || Some(&path) == config.tls.key.as_ref()).then_some(finding)
    };
    all.filter_map(look).collect()
}

fn settings(file: &Path) -> Finding {
    let subject = file.display().to_string();
    match fs::metadata(file) {
        Err(fault) => Finding::warn(
            FILES,
            subject,
            format!("the settings file cannot be looked at: {fault}"),
            "name it with --config",
        ),
        Ok(about) if mode(&about) & 0o022 != 0 => Finding::bad(
            FILES,
            &*subject,
            format!("others may change the settings ({:04o})", mode(&about)),
            format!("chmod go-w {subject}"),
        ),
        Ok(_) => Finding::ok(FILES, subject, "only its owner may change the settings"),
    }
}

fn socket(case: Case<'_>) -> Option<Finding> {
    let path = &case.config.listen.admin;
    case.daemon?;
    let about = fs::metadata(path).ok()?;
    let mut finding = private(path, &about, 0o077, "the admin socket");
    let owner = about.uid();
    let data = fs::metadata(&case.config.data_dir).ok()?.uid();
    if finding.advice.is_none() && owner != data && owner != 0 {
        let advice = "stop the daemon and see who starts it: one user should own both";
        let text = format!("its owner is {owner}, and that of data_dir {data}");
        finding = Finding::warn(FILES, path.display().to_string(), text, advice);
    }
    Some(finding)
}

/// How many files the daemon may have open, against all that its settings let in and out.
fn open_files(case: Case<'_>, process: i32) -> Option<Finding> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    let soft = line.split_whitespace().nth(3)?;
    let soft = if soft == "unlimited" { u64::MAX } else { soft.parse().ok()? };
    let config = case.config;
    let wanted = [
        config.submission.connections_max,
        config.inbound.connections_max,
        config.http.connections_max,
        config.delivery.connections_max,
    ];
    let wanted = wanted.into_iter().map(u64::from).sum::<u64>() + OTHER_FILES;
    let text = format!("{soft} may be open, and the settings may need {wanted}");
    Some(match soft < wanted {
        true => Finding::warn(
            FILES,
            "open files",
            text,
            format!(
                "set LimitNOFILE={} in the unit, or lower connections_max",
                wanted.next_power_of_two()
            ),
        ),
        false => Finding::ok(FILES, "open files", text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use std::fs::File;

    #[test]
    fn what_others_may_read_is_told_with_the_command_that_mends_it() {
        let home = tempfile::tempdir().expect("a folder");
        let look = |bits: u32| {
            fs::set_permissions(home.path(), fs::Permissions::from_mode(bits)).expect("its mode");
            private(home.path(), &fs::metadata(home.path()).expect("there"), 0o077, "data_dir")
        };
        assert_eq!(look(0o700).level, Level::Ok);
        let open = look(0o755);
        assert_eq!(open.level, Level::Bad);
        assert_eq!(open.advice, Some(format!("chmod 0700 {}", home.path().display())));
    }

    #[test]
    fn room_is_told_in_whole_units() {
        let told = |bytes: u64| round(bytes).to_string();
        assert_eq!(told(38_915_160 << 10), "37GB");
        assert_eq!(told((9 << 30) + 1), "9GB");
        assert_eq!(told((11 << 20) + 17), "11MB");
        assert_eq!(told(7), "7B");
    }

    #[test]
    fn a_file_from_the_future_tells_of_a_clock_that_jumped() {
        let home = tempfile::tempdir().expect("a folder");
        fs::create_dir(home.path().join("spool")).expect("a folder");
        let path = home.path().join("spool/00000000");
        let file = File::create(&path).expect("a file");
        assert_eq!(ahead(home.path()).level, Level::Ok);
        file.set_modified(SystemTime::now() + Duration::from_secs(7200)).expect("a time");
        assert_eq!(ahead(home.path()).level, Level::Bad);
    }

    #[test]
    fn a_sync_is_timed_and_leaves_nothing_behind() {
        let home = tempfile::tempdir().expect("a folder");
        assert!(timed(home.path()).is_ok());
        assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 0);
        assert!(timed(&home.path().join("none")).is_err());
    }
}
