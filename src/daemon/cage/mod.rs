//! The cage that the process puts itself in before it reads a byte of a stranger: no program that it starts
//! may gain rights, only files and ports that its settings lead to can be reached (Landlock), and only the
//! system calls that it makes (seccomp). It binds the thread that enters it and all that begin afterwards, and
//! nothing opens it again. So whoever finds a hole in a parser finds nothing behind it: no shell, no other
//! file, no other service, no port that is somebody else's.

mod allowed;
mod calls;
mod files;
#[cfg(test)]
mod tests;

pub use allowed::{Allowed, Place, Port};
pub use calls::names as calls;

use crate::config::Sandbox;
use anyhow::{Context, Result};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

/// Enters the cage, for this thread and those that it starts from now on. What the kernel lacks is warned of,
/// and the rest holds.
///
/// # Errors
/// The kernel has it and refuses: a rule that it does not take, or an outer sandbox that forbids inner ones.
pub(super) fn enter(sandbox: Sandbox, allowed: &Allowed) -> Result<()> {
    if sandbox == Sandbox::Off {
        tracing::warn!(target: "relent::daemon",
            "process.sandbox is \"off\": whoever breaks into this process may do all that its user may");
        return Ok(());
    }
    let refused = "process.sandbox: the kernel refuses";
    set_no_new_privs(true).context(refused)?;
    // Neither a core on disk nor another process of the same user shows keys and mail.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context(refused)?;
    if sandbox == Sandbox::Log {
        tracing::warn!(target: "relent::daemon",
            "process.sandbox is \"log\": system calls beyond those that are needed stand in the kernel's log, \
             and nothing is refused");
    } else {
        files::confine(allowed).context(refused)?;
    }
    calls::confine(sandbox).context(refused)?;
    Ok(())
}
