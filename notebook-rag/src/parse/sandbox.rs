//! What a parser process may use: its own memory, its input, its output, some time.
#![allow(unsafe_code)] // Resource limits have no safe interface in std.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, path_beneath_rules,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

use super::Limits;

/// Limits this process for good.
///
/// Memory, processor time, files and processes are limited everywhere. Landlock (no file
/// system, no network) and seccomp (a short list of system calls) are added where the
/// kernel has them.
///
/// # Errors
/// When a resource limit or a filter that the kernel supports cannot be set.
pub(super) fn enter(limits: &Limits) -> io::Result<()> {
    limit(libc::RLIMIT_CORE, 0, 0)?;
    limit(libc::RLIMIT_FSIZE, 0, 0)?;
    limit(libc::RLIMIT_NPROC, 0, 0)?;
    limit(libc::RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)?;
    limit(libc::RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes)?;
    limit(libc::RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds.saturating_add(1))?;
    landlock()?;
    limit(libc::RLIMIT_NOFILE, 3, 3)?;
    seccomp()
}

/// Limits this process for good, and leaves it able to become a program that reads the folders of programs and libraries,
/// and `readable`.
///
/// Resources are limited as for a parser. Landlock shows it nothing else of the file system and lets it change nothing;
/// no socket, no further process, no signal to others.
///
/// # Errors
/// As for [`enter`].
pub(super) fn enter_for_program(limits: &Limits, readable: &[PathBuf]) -> io::Result<()> {
    limit(libc::RLIMIT_CORE, 0, 0)?;
    limit(libc::RLIMIT_FSIZE, 0, 0)?;
    limit(libc::RLIMIT_NPROC, 0, 0)?;
    limit(libc::RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)?;
    limit(libc::RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes)?;
    limit(libc::RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds.saturating_add(1))?;
    limit(libc::RLIMIT_NOFILE, 64, 64)?;
    let usual = ["/usr", "/lib", "/lib64", "/bin", "/opt", "/etc/ld.so.cache", "/nix/store"];
    let paths = usual.iter().map(PathBuf::from).chain(readable.iter().cloned());
    let rules = path_beneath_rules(paths, AccessFs::from_read(ABI::V5));
    landlocked(|ruleset| ruleset.add_rules(rules))?;
    refuse(DENIED_TO_PROGRAMS)
}

fn limit(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let mut current = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `current` is a valid rlimit that the call fills.
    if unsafe { libc::getrlimit(resource, &raw mut current) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let new =
        libc::rlimit { rlim_cur: soft.min(current.rlim_max), rlim_max: hard.min(current.rlim_max) };
    // SAFETY: `new` is a valid rlimit that the call only reads.
    if unsafe { libc::setrlimit(resource, &raw const new) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A rule set without a rule: every path and port is out of bounds. Does nothing on a
/// kernel without Landlock.
fn landlock() -> io::Result<()> {
    landlocked(Ok)
}

fn landlocked(
    allow: impl FnOnce(RulesetCreated) -> Result<RulesetCreated, RulesetError>,
) -> io::Result<()> {
    let enter = || {
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V5))?
            .create()?;
        allow(ruleset)?.restrict_self()
    };
    enter().map(drop).map_err(io::Error::other)
}

/// System calls that a parser needs. Whatever else it tries fails.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_statx,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_sched_yield,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// System calls that no parser makes unless it was taken over: the process ends.
const DEADLY: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_mount,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_kill,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// System calls that a program in a child has no use for. It may try them for harmless reasons: they fail.
const DENIED_TO_PROGRAMS: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_mount,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_pidfd_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Makes these calls fail, and no others.
fn refuse(calls: &[libc::c_long]) -> io::Result<()> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(());
    };
    let rules: BTreeMap<i64, _> = calls.iter().map(|call| (*call, Vec::new())).collect();
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    put(SeccompFilter::new(rules, SeccompAction::Allow, denied, arch))
}

fn put(filter: Result<SeccompFilter, seccompiler::BackendError>) -> io::Result<()> {
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
    match seccompiler::apply_filter(&program) {
        Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error))
            if error.raw_os_error() == Some(libc::ENOSYS) =>
        {
            Ok(())
        }
        other => other.map_err(io::Error::other),
    }
}

fn seccomp() -> io::Result<()> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(());
    };
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    for (calls, listed, other) in [
        (DEADLY, SeccompAction::KillProcess, SeccompAction::Allow),
        (ALLOWED, SeccompAction::Allow, denied),
    ] {
        // Both filters are asked, and the stricter answer counts. The second is put in
        // place through the first, so `seccomp` and `prctl` must not be deadly.
        let rules: BTreeMap<i64, _> = calls
            .iter()
            .chain(if listed == SeccompAction::Allow { DEADLY } else { &[] })
            .map(|call| (*call, Vec::new()))
            .collect();
        put(SeccompFilter::new(rules, other, listed, arch))?;
    }
    Ok(())
}
