//! Who the process is: once everything is open that only root may open, it becomes the user of the
//! settings, and what it must go on writing is that user's.

use crate::config::Config;
use crate::world::hand_over;
use anyhow::{Context, Result, ensure};
use nix::unistd::{Uid, User, initgroups, setgid, setuid};
use std::ffi::CString;
use std::fs::File;
use std::os::unix::fs::lchown;

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
    hand_over(&folder, (user.uid.as_raw(), user.gid.as_raw()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_who_is_not_there_is_refused_with_what_to_do() {
        let said = find("nobody-of-that-name").expect_err("nobody is called so");
        assert!(said.contains("`nobody-of-that-name`") && said.contains("useradd"), "{said}");
    }
}
