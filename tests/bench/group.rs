//! What processes cost: a control group of their own counts their CPU time, children's included.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A control group, or none where this machine lets us make none.
pub struct Group {
    folder: Option<PathBuf>,
    is_second: bool,
}

impl Group {
    pub fn new(name: &str) -> Self {
        let first = PathBuf::from("/sys/fs/cgroup/cpuacct");
        let is_second = !first.is_dir();
        let root = if is_second { PathBuf::from("/sys/fs/cgroup") } else { first };
        // Two relays may run side by side, and each is ended by its group.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (run, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = root.join(format!("relent_bench_{name}_{run}_{count}"));
        let made = std::fs::create_dir(&folder).is_ok() || folder.is_dir();
        let usable = made && folder.join("cgroup.procs").exists();
        Self { folder: usable.then_some(folder), is_second }
    }

    /// Starts a process in it.
    pub fn spawn(&self, command: &mut Command) -> Child {
        let Some(folder) = &self.folder else { return command.spawn().expect("a process") };
        // A shell enters the group and becomes the process.
        let enter = format!("echo $$ > {}/cgroup.procs; exec \"$@\"", folder.display());
        let mut shell = Command::new("sh");
        shell.args(["-c", &enter, "sh"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        shell.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        shell.stderr(std::process::Stdio::null()).spawn().expect("a process")
    }

    /// CPU time used in it so far.
    pub fn cpu(&self) -> Option<Duration> {
        let folder = self.folder.as_ref()?;
        if self.is_second {
            let stat = std::fs::read_to_string(folder.join("cpu.stat")).ok()?;
            let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
            return Some(Duration::from_micros(micros.trim().parse().ok()?));
        }
        let nanos = std::fs::read_to_string(folder.join("cpuacct.usage")).ok()?;
        Some(Duration::from_nanos(nanos.trim().parse().ok()?))
    }

    /// The processes in it.
    pub fn processes(&self) -> Vec<u32> {
        let Some(folder) = &self.folder else { return Vec::new() };
        let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for id in self.processes() {
            let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        }
        std::thread::sleep(Duration::from_millis(100));
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Resident memory of a process, in KiB.
pub fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
