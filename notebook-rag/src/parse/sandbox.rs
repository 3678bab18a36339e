//! What a parser process may use: its own memory, its input, its output, some time.
#![allow(unsafe_code)] // Resource limits have no safe interface in std.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

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

/// What a program in a child may use beside programs and libraries.
pub(super) struct Reach {
    /// Folders and files that it reads.
    pub(super) readable: Vec<PathBuf>,
    /// Whether it may open the file that is its standard input.
    pub(super) input: bool,
    /// Whether it may start threads.
    pub(super) threads: bool,
}

/// Limits this process for good, and leaves it able to become a program that reads the folders of programs and libraries,
/// and what `reach` names.
///
/// Resources are limited as for a parser. Landlock shows it nothing else of the file system and lets it change nothing;
/// no socket, no further process, no signal to others.
///
/// # Errors
/// As for [`enter`].
pub(super) fn enter_for_program(limits: &Limits, reach: &Reach) -> io::Result<()> {
    limit(libc::RLIMIT_CORE, 0, 0)?;
    limit(libc::RLIMIT_FSIZE, 0, 0)?;
    if !reach.threads {
        // It counts threads, those of all processes of the same user: a small number would be reached already.
        limit(libc::RLIMIT_NPROC, 0, 0)?;
    }
    limit(libc::RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)?;
    limit(libc::RLIMIT_DATA, limits.memory_bytes, limits.memory_bytes)?;
    limit(libc::RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds.saturating_add(1))?;
    limit(libc::RLIMIT_NOFILE, 64, 64)?;
    let usual = ["/usr", "/lib", "/lib64", "/bin", "/opt", "/etc/ld.so.cache", "/nix/store"];
    let paths = usual.iter().map(PathBuf::from).chain(reach.readable.iter().cloned());
    let rules = path_beneath_rules(paths, AccessFs::from_read(ABI::V5));
    landlocked(|ruleset| {
        let ruleset = ruleset.add_rules(rules)?;
        if reach.input && input_has_a_place() {
            return ruleset.add_rule(PathBeneath::new(io::stdin(), AccessFs::ReadFile));
        }
        Ok(ruleset)
    })?;
    refuse(reach.threads)
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

/// System calls that neither a parser nor a program in a child has a use for: other processes, the network, devices, and
/// changes to the file system.
const NOBODYS: &[libc::c_long] = &[
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
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Beside [`NOBODYS`], what a program needs and no parser: it starts none, has one thread, and opens nothing.
const PROGRAMS_ONLY: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_openat,
    libc::SYS_openat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
];

/// Beside [`NOBODYS`], what has to be denied by name where everything else is allowed: signals to single threads. To a
/// parser they are denied by [`ALLOWED`].
const NO_PROGRAMS: &[libc::c_long] = &[libc::SYS_tkill, libc::SYS_pidfd_open];

/// System calls that no parser makes unless it was taken over: the process ends.
fn deadly() -> impl Iterator<Item = libc::c_long> {
    NOBODYS.iter().chain(PROGRAMS_ONLY).copied()
}

/// System calls that a program in a child has no use for. It may try them for harmless reasons: they fail.
fn denied_to_programs() -> impl Iterator<Item = libc::c_long> {
    NOBODYS.iter().chain(NO_PROGRAMS).copied()
}

/// Whether standard input lies in a file system. A file in memory does not: it is open to who holds it.
fn input_has_a_place() -> bool {
    let place = std::fs::read_link("/proc/self/fd/0");
    !place.is_ok_and(|place| place.as_os_str().as_encoded_bytes().starts_with(b"/memfd:"))
}

/// Makes these calls fail, and no others but those that start processes.
fn refuse(threads: bool) -> io::Result<()> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(());
    };
    let mut rules: BTreeMap<i64, _> = denied_to_programs().map(|call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, if threads { not_a_thread()? } else { Vec::new() });
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    put(SeccompFilter::new(rules, SeccompAction::Allow, denied, arch))?;
    // A filter cannot see its flags. Where the kernel does not know it, threads are started by the older call.
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    put(SeccompFilter::new(rules, SeccompAction::Allow, unknown, arch))
}

/// A call of `clone` that starts a process.
fn not_a_thread() -> io::Result<Vec<SeccompRule>> {
    let flag = libc::CLONE_THREAD as u64;
    let without = SeccompCmpOp::MaskedEq(flag);
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Qword, without, 0);
    let rule = condition.and_then(|condition| SeccompRule::new(vec![condition]));
    rule.map(|rule| vec![rule]).map_err(io::Error::other)
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
    let rules = |calls: &mut dyn Iterator<Item = libc::c_long>| -> BTreeMap<i64, _> {
        calls.map(|call| (call, Vec::new())).collect()
    };
    // Both filters are asked, and the stricter answer counts. The second is put in place through the first, so `seccomp`
    // and `prctl` must not be deadly.
    let deadly_rules = rules(&mut deadly());
    put(SeccompFilter::new(deadly_rules, SeccompAction::Allow, SeccompAction::KillProcess, arch))?;
    let known = rules(&mut ALLOWED.iter().copied().chain(deadly()));
    put(SeccompFilter::new(known, denied, SeccompAction::Allow, arch))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What differs between the two kinds of children is what the lists say that differs, and nothing is said twice.
    #[test]
    fn a3_the_lists_of_calls_do_not_overlap() {
        let all: Vec<libc::c_long> = [ALLOWED, NOBODYS, PROGRAMS_ONLY, NO_PROGRAMS].concat();
        let mut distinct = all.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
        assert!(deadly().all(|call| !ALLOWED.contains(&call)));
        assert!(denied_to_programs().all(|call| !PROGRAMS_ONLY.contains(&call)));
    }
}
