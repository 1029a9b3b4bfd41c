//! seccomp: the system calls that the daemon makes, found by tracing all of its stories, and no other. What
//! starts programs, watches other processes, mounts, loads or changes rights is not among them.

use crate::config::Sandbox;
use anyhow::{Context, Result};
use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::collections::BTreeMap;

macro_rules! calls {
    ($($(#[$when:meta])* $name:ident)*) => {
        /// Calls that are let through whatever they are given, by number and name.
        const FREE: &[(c_long, &str)] = &[$($(#[$when])* (libc::$name, stringify!($name)),)*];
    };
}

calls! {
    // Files that are open, and those that Landlock lets be opened.
    SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev
    SYS_preadv2 SYS_pwritev2 SYS_openat SYS_close SYS_close_range SYS_lseek SYS_fcntl SYS_flock
    SYS_fsync SYS_fdatasync SYS_sync_file_range SYS_ftruncate SYS_fallocate SYS_fadvise64
    SYS_copy_file_range SYS_sendfile SYS_dup SYS_dup3 SYS_pipe2
    SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2
    SYS_getdents64 SYS_getcwd SYS_readlinkat SYS_mkdirat SYS_unlinkat SYS_renameat SYS_renameat2
    SYS_linkat SYS_fchmod SYS_fchmodat SYS_utimensat SYS_fchown SYS_memfd_create
    #[cfg(target_arch = "x86_64")] SYS_open
    #[cfg(target_arch = "x86_64")] SYS_stat
    #[cfg(target_arch = "x86_64")] SYS_lstat
    #[cfg(target_arch = "x86_64")] SYS_access
    #[cfg(target_arch = "x86_64")] SYS_readlink
    #[cfg(target_arch = "x86_64")] SYS_mkdir
    #[cfg(target_arch = "x86_64")] SYS_rmdir
    #[cfg(target_arch = "x86_64")] SYS_unlink
    #[cfg(target_arch = "x86_64")] SYS_rename
    #[cfg(target_arch = "x86_64")] SYS_link
    #[cfg(target_arch = "x86_64")] SYS_chmod
    #[cfg(target_arch = "x86_64")] SYS_dup2
    #[cfg(target_arch = "x86_64")] SYS_pipe
    // Connections: those taken, and those that Landlock lets be made; listeners that a reload adds.
    SYS_bind SYS_listen SYS_connect SYS_accept SYS_accept4 SYS_shutdown SYS_getsockname SYS_getpeername
    SYS_getsockopt SYS_setsockopt SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg
    SYS_recvmmsg
    // Waiting.
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_ppoll
    SYS_pselect6 SYS_nanosleep SYS_clock_nanosleep SYS_futex SYS_futex_waitv SYS_timerfd_create
    SYS_timerfd_settime SYS_timerfd_gettime SYS_restart_syscall
    #[cfg(target_arch = "x86_64")] SYS_epoll_wait
    #[cfg(target_arch = "x86_64")] SYS_poll
    #[cfg(target_arch = "x86_64")] SYS_select
    // Memory and threads.
    SYS_brk SYS_munmap SYS_mremap SYS_madvise SYS_mincore SYS_msync SYS_membarrier SYS_rseq
    SYS_set_robust_list SYS_get_robust_list SYS_set_tid_address SYS_sched_yield
    SYS_sched_getaffinity SYS_sched_getparam SYS_sched_getscheduler SYS_getcpu SYS_exit
    SYS_exit_group
    // To answer signals. It sends none but to itself.
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigtimedwait SYS_sigaltstack
    // Who and when it is, and chance.
    SYS_getpid SYS_gettid SYS_getppid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getgroups
    SYS_getrusage SYS_uname SYS_sysinfo SYS_clock_gettime SYS_clock_getres SYS_gettimeofday
    SYS_getrandom
    #[cfg(target_arch = "x86_64")] SYS_time
    #[cfg(target_arch = "x86_64")] SYS_getrlimit
    // Threads are begun by `clone`: see `confine`.
    SYS_clone3
}

/// The memory protection bits of a call's third argument.
const PROTECTION: u8 = 2;

/// The names of all calls that are let through, in the words of the manual; those in brackets for certain
/// arguments only.
#[must_use]
pub fn names() -> Vec<String> {
    let plain = |name: &str| name.trim_start_matches("SYS_").to_owned();
    // It is answered as a kernel without it would.
    let free = FREE.iter().filter(|(number, _)| *number != libc::SYS_clone3);
    let mut names: Vec<String> = free.map(|(_, name)| plain(name)).collect();
    for name in BOUND {
        names.push(format!("({name})"));
    }
    names.sort_by(|one, other| one.trim_start_matches('(').cmp(other.trim_start_matches('(')));
    names
}

/// Calls that are let through for certain arguments only; the table stands in `bound`.
const BOUND: &[&str] =
    &["clone", "ioctl", "mmap", "mprotect", "prctl", "prlimit64", "socket", "socketpair", "tgkill"];

/// An argument that equals a value.
fn is(place: u8, value: u64) -> Result<SeccompCondition> {
    Ok(SeccompCondition::new(place, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?)
}

/// An argument, all 64 bits of it, that equals a value.
fn is_all(place: u8, value: u64) -> Result<SeccompCondition> {
    Ok(SeccompCondition::new(place, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)?)
}

/// An argument whose bits of a mask are those of a value.
fn has(place: u8, mask: u64, value: u64) -> Result<SeccompCondition> {
    let masked = SeccompCmpOp::MaskedEq(mask);
    Ok(SeccompCondition::new(place, SeccompCmpArgLen::Dword, masked, value)?)
}

/// A rule for each row of conditions, of which one must hold.
fn any_of(rows: Vec<Vec<SeccompCondition>>) -> Result<Vec<SeccompRule>> {
    rows.into_iter().map(|row| Ok(SeccompRule::new(row)?)).collect()
}

/// A constant of the C library as the filter has it: the low half of a register.
fn word(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}

/// The same of requests to `ioctl`, whose type differs between C libraries.
fn request(value: libc::Ioctl) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_lossless,
        reason = "a request has 32 bits"
    )]
    let value = value as u32;
    u64::from(value)
}

/// Calls that depend on what they are given.
fn bound() -> Result<Vec<(c_long, Vec<SeccompRule>)>> {
    let (writes, runs) = (word(libc::PROT_WRITE), word(libc::PROT_EXEC));
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    let families = families.map(|family| Ok(vec![is(0, word(family))?]));
    // Whether a descriptor is a terminal, how much of a stream has left, and non-blocking descriptors.
    let questions = [
        libc::TCGETS,
        libc::TIOCGWINSZ,
        libc::TIOCOUTQ,
        libc::FIONREAD,
        libc::FIONBIO,
        libc::FIOCLEX,
    ];
    let questions = questions.map(|question| Ok(vec![is(1, request(question))?]));
    // The names of threads, and those that the C library gives to memory.
    let own = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];
    let own = own.map(|what| Ok(vec![is(0, word(what))?]));
    let process = u64::from(std::process::id());
    Ok(vec![
        // Threads of this process, no others.
        (
            libc::SYS_clone,
            any_of(vec![vec![has(0, word(libc::CLONE_THREAD), word(libc::CLONE_THREAD))?]])?,
        ),
        // Memory is written or run, never both: nobody runs what he has sent us.
        (
            libc::SYS_mmap,
            any_of(vec![vec![has(PROTECTION, writes, 0)?], vec![has(PROTECTION, runs, 0)?]])?,
        ),
        (libc::SYS_mprotect, any_of(vec![vec![has(PROTECTION, runs, 0)?]])?),
        (libc::SYS_socket, any_of(families.into_iter().collect::<Result<_>>()?)?),
        (libc::SYS_socketpair, any_of(vec![vec![is(0, word(libc::AF_UNIX))?]])?),
        (libc::SYS_ioctl, any_of(questions.into_iter().collect::<Result<_>>()?)?),
        (libc::SYS_prctl, any_of(own.into_iter().collect::<Result<_>>()?)?),
        // Limits are read, not set.
        (libc::SYS_prlimit64, any_of(vec![vec![is_all(2, 0)?]])?),
        // A process that ends itself.
        (libc::SYS_tgkill, any_of(vec![vec![is(0, process)?]])?),
    ])
}

/// Refuses all other calls, or ends the process at one, or writes it to the kernel's log.
///
/// # Errors
/// The kernel does not take the filter; a kernel without seccomp is warned of.
pub(super) fn confine(sandbox: Sandbox) -> Result<()> {
    let action = match sandbox {
        Sandbox::Off => return Ok(()),
        Sandbox::On => SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        Sandbox::Kill => SeccompAction::KillProcess,
        Sandbox::Log => SeccompAction::Log,
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (number, _) in FREE {
        rules.insert(*number, Vec::new());
    }
    rules.extend(bound()?);
    // What `clone3` is given lies in memory, where no filter sees it. Told that there is none, the C library
    // takes `clone`, whose flags are in a register.
    let none = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    for (rules, others, these) in
        [(clone3, SeccompAction::Allow, none), (rules, action, SeccompAction::Allow)]
    {
        let here =
            std::env::consts::ARCH.try_into().context("no filter is known for this machine")?;
        let program: BpfProgram = SeccompFilter::new(rules, others, these, here)?.try_into()?;
        match apply_filter(&program) {
            Ok(()) => {}
            Err(seccompiler::Error::Seccomp(fault))
                if matches!(fault.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
            {
                tracing::warn!(target: "relent::daemon", %fault,
                    "this kernel has no seccomp: system calls are not refused");
                return Ok(());
            }
            Err(fault) => return Err(fault.into()),
        }
    }
    tracing::info!(target: "relent::daemon", ?sandbox, calls = FREE.len() + BOUND.len(),
        "only the system calls that are needed are let through (seccomp)");
    Ok(())
}
