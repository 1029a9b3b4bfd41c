//! Whose files are: what root has made goes to the user who must go on with it.

use rustix::fs::{Dir, Mode, OFlags, openat};
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};

/// Folders within folders that are handed over; the data folder has two.
const DEPTH_MAX: u32 = 8;

/// Gives an open file or folder, and what lies in it, to a user and a group, where it is root's. Links are
/// not followed, and a file of several names is left alone: it may be another's under one of them.
///
/// # Errors
/// What the system said.
pub fn hand_over(found: &File, to: (u32, u32)) -> io::Result<()> {
    hand_over_within(found, to, DEPTH_MAX)
}

fn hand_over_within(found: &File, to: (u32, u32), depth: u32) -> io::Result<()> {
    let about = found.metadata()?;
    let is_theirs = (about.uid(), about.gid()) == to;
    if !is_theirs && about.uid() == 0 && (about.is_dir() || (about.is_file() && about.nlink() == 1))
    {
        fchown(found, Some(to.0), Some(to.1))?;
    }
    if !about.is_dir() || depth == 0 {
        return Ok(());
    }
    for entry in Dir::read_from(found)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // What cannot be opened so is a link or a socket, which is nobody's to hand over.
        if let Ok(inner) = openat(found, name, flags, Mode::empty()) {
            hand_over_within(&File::from(inner), to, depth - 1)?;
        }
    }
    Ok(())
}

/// The numbers of a user of the system, and of the user's group.
#[must_use]
pub fn ids_of(name: &str) -> Option<(u32, u32)> {
    let found = nix::unistd::User::from_name(name).ok().flatten()?;
    Some((found.uid.as_raw(), found.gid.as_raw()))
}

/// The name of a user of the system; the number where it has none.
#[must_use]
pub fn user_of(number: u32) -> String {
    let found = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(number));
    found.ok().flatten().map_or_else(|| number.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{lchown, symlink};

    #[test]
    fn only_what_is_roots_alone_is_handed_over() {
        if !rustix::process::geteuid().is_root() {
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
        let data = File::open(path("data")).expect("the folder");
        hand_over(&data, (4711, 4711)).expect("root may");
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
