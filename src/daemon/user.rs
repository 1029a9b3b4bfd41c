//! Who the process is: once everything is open that only root may open, it becomes the user of the
//! settings, and what it must go on writing is that user's.

use crate::config::Config;
use anyhow::{Context, Result, ensure};
use nix::unistd::{Uid, User, initgroups, setgid, setuid};
use rustix::fs::{Dir, Mode, OFlags, openat};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, fchown, lchown};

/// Folders within folders that are handed over; the data folder has two.
const DEPTH_MAX: u32 = 8;

/// The user of that name, or why there is none and what to do.
pub(super) fn find(name: &str) -> Result<User, String> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(format!(
            "there is no user `{name}` on this machine: make it, as with `useradd --system {name}`, \
             or name another"
        )),
        Err(fault) => Err(format!("the user `{name}` cannot be looked up: {fault}")),
    }
}

/// Becomes the user of the settings where root started the process; without one, says so and stays.
pub(super) fn become_user(config: &Config) -> Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let Some(name) = &config.process.user else {
        tracing::warn!(
            target: "relent::daemon",
            "running as root: name a user of its own in [process] user, as in \"relent\""
        );
        return Ok(());
    };
    let user = find(name).map_err(anyhow::Error::msg).context("process.user")?;
    if user.uid.is_root() {
        return Ok(());
    }
    let data_dir = config.data_dir.display();
    let folder = File::open(&config.data_dir)
        .with_context(|| format!("data_dir: cannot open {data_dir}"))?;
    hand_over(&folder, &user, DEPTH_MAX)
        .with_context(|| format!("data_dir: cannot give {data_dir} to the user `{name}`"))?;
    let socket = &config.listen.admin;
    lchown(socket, Some(user.uid.as_raw()), Some(user.gid.as_raw())).with_context(|| {
        format!("[listen] admin: cannot give {} to the user `{name}`", socket.display())
    })?;
    let become_it = || -> Result<()> {
        // In this order: once the user is another, groups can no longer be changed. The C library
        // does each on every thread.
        initgroups(&CString::new(name.as_str())?, user.gid)?;
        setgid(user.gid)?;
        setuid(user.uid)?;
        Ok(())
    };
    become_it().with_context(|| format!("process.user: cannot become `{name}`"))?;
    ensure!(setuid(Uid::from_raw(0)).is_err(), "process.user: root could be had back");
    std::fs::read_dir(&config.data_dir).with_context(|| {
        format!(
            "data_dir: the user `{name}` cannot reach {data_dir}: let it pass the folders above"
        )
    })?;
    tracing::info!(target: "relent::daemon", user = name, "root's rights are given up");
    Ok(())
}

/// Gives a folder and what lies in it to a user, where it is root's. Links are not followed, and a file
/// of several names is left alone: it may be another's under one of them.
fn hand_over(folder: &File, user: &User, depth: u32) -> io::Result<()> {
    let about = folder.metadata()?;
    if about.uid() == 0 && (about.is_dir() || (about.is_file() && about.nlink() == 1)) {
        fchown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    if !about.is_dir() || depth == 0 {
        return Ok(());
    }
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // What cannot be opened so is a link or a socket, which is nobody's to hand over.
        if let Ok(found) = openat(folder, name, flags, Mode::empty()) {
            hand_over(&File::from(found), user, depth - 1)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_user_who_is_not_there_is_refused_with_what_to_do() {
        let said = find("nobody-of-that-name").expect_err("nobody is called so");
        assert!(said.contains("`nobody-of-that-name`") && said.contains("useradd"), "{said}");
    }

    #[test]
    fn only_what_is_roots_alone_is_handed_over() {
        if !Uid::effective().is_root() {
            // Who is not root can hand nothing over.
            return;
        }
        let home = tempfile::tempdir().expect("a folder");
        let path = |name: &str| home.path().join(name);
        for folder in ["outside", "data", "data/spool"] {
            std::fs::create_dir(path(folder)).expect("a folder");
        }
        for file in ["outside/target", "outside/twin", "data/records", "data/spool/segment"] {
            std::fs::write(path(file), "x").expect("a file");
        }
        std::fs::write(path("data/others"), "x").expect("a file");
        lchown(path("data/others"), Some(4242), Some(4242)).expect("root may");
        symlink(path("outside/target"), path("data/link")).expect("a link");
        std::fs::hard_link(path("outside/twin"), path("data/twin")).expect("a link");
        let mut user = find("root").expect("root is there");
        (user.uid, user.gid) = (Uid::from_raw(4711), nix::unistd::Gid::from_raw(4711));
        let data = File::open(path("data")).expect("the folder");
        hand_over(&data, &user, DEPTH_MAX).expect("root may");
        let owner = |name: &str| std::fs::metadata(path(name)).expect("there").uid();
        for name in ["data", "data/spool", "data/records", "data/spool/segment"] {
            assert_eq!(owner(name), 4711, "{name}");
        }
        for name in ["outside", "outside/target", "outside/twin"] {
            assert_eq!(owner(name), 0, "{name}");
        }
        assert_eq!(owner("data/others"), 4242);
    }
}
