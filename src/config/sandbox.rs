//! What the process may do once it has started.

use serde::{Deserialize, Serialize};

/// How strictly the process is held to what it needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// Files, ports and system calls beyond what it needs are refused.
    #[default]
    On,
    /// The same, and a system call beyond it ends the process.
    Kill,
    /// System calls beyond it are let through and written to the kernel's log; files and ports are free.
    Log,
    /// Nothing is refused.
    Off,
}
