//! seccomp(2): system calls that fail with EPERM in the calling thread, since the daemon never makes them.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

/// Numbers from here on are of the x32 interface, which knows the same calls by other numbers (`__X32_SYSCALL_BIT` in
/// asm/unistd.h); no other interface has so many.
const X32: u32 = 0x4000_0000;

/// Refused to every thread, whatever the arguments.
const NEVER: &[libc::c_long] = &[
    // Other programs, and those of others.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_kcmp,
    libc::SYS_personality,
    // The tree of mounts, and ways around it.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_unshare,
    // The kernel and the machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    // What attacks on the kernel are made of, and what makes calls that this filter does not see.
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Rights of files, which Landlock leaves alone: every file that the daemon makes is made with its own.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SYS_SETXATTRAT,
    libc::SYS_mknodat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
];

/// Of Linux 6.6 and 6.13, the same on every architecture; the library does not name them on each (asm-generic/unistd.h).
const SYS_FCHMODAT2: libc::c_long = 452;
const SYS_SETXATTRAT: libc::c_long = 463;

/// Refused to the thread that is outside Landlock: all that changes a file system.
const WRITES: &[libc::c_long] = &[
    // Its flags are in memory, where a filter does not see them.
    libc::SYS_openat2,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
    // `renameat`, which the library does not name there.
    #[cfg(target_arch = "aarch64")]
    38,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
];

/// Flags of open(2) of which none may be set there; of `O_ACCMODE` each value that writes.
const WRITING: [(libc::c_int, libc::c_int); 4] = [
    (libc::O_ACCMODE, libc::O_WRONLY),
    (libc::O_ACCMODE, libc::O_RDWR),
    (libc::O_CREAT, libc::O_CREAT),
    (libc::O_TRUNC, libc::O_TRUNC),
];

/// Kinds of namespaces of clone(2).
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWCGROUP,
];

/// Commands of bpf(2) that go by a descriptor that the daemon has: elements of maps, and what an object is; ranges of
/// `enum bpf_cmd` in linux/bpf.h.
const ELEMENTS: [(u32, u32); 4] = [(1, 4), (15, 15), (21, 21), (24, 27)];
/// Those of the walk: `BPF_LINK_CREATE` and `BPF_ITER_CREATE`.
const ITERATORS: [(u32, u32); 2] = [(28, 28), (33, 33)];

/// Refuses them to the calling thread and all that it starts, for ever. `walks` leaves what a walk over network namespaces
/// takes, and refuses every write in turn.
pub(super) fn refuse(walks: bool) -> Result<(), String> {
    let program = program(walks).map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

fn program(walks: bool) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    let local = SeccompCmpOp::Ne;
    rules.insert(libc::SYS_socket, vec![when(0, local, libc::AF_UNIX)?]);
    let mut spaces = Vec::new();
    for kind in NAMESPACES {
        spaces.push(masked(0, kind, kind)?);
    }
    rules.insert(libc::SYS_clone, spaces);
    rules.insert(libc::SYS_bpf, others(walks)?);
    if walks {
        rules.insert(libc::SYS_setns, vec![when(1, SeccompCmpOp::Ne, libc::CLONE_NEWNET)?]);
        rules.extend(WRITES.iter().map(|call| (*call, Vec::new())));
        let opening = |argument| -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
            WRITING
                .iter()
                .map(|(mask, value)| masked(argument, *mask, *value))
                .collect()
        };
        rules.insert(libc::SYS_openat, opening(2)?);
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_open, opening(1)?);
    } else {
        rules.insert(libc::SYS_setns, Vec::new());
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno(libc::EPERM)),
        std::env::consts::ARCH.try_into()?,
    )?;
    let mut program = before();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

/// Comes first: `clone3` has its flags in memory, so it is answered as by a kernel without it, and C libraries use `clone`;
/// calls of the x32 interface are refused.
fn before() -> BpfProgram {
    // Classic BPF (linux/filter.h): load the call's number; compare and skip one; return an action (linux/seccomp.h).
    const LOAD: u16 = 0x20;
    const EQUAL: u16 = 0x15;
    const AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    let step = |code, jf, k| sock_filter { code, jt: 0, jf, k };
    vec![
        step(LOAD, 0, 0),
        step(EQUAL, 1, u32::try_from(libc::SYS_clone3).unwrap_or(u32::MAX)),
        step(RETURN, 0, ERRNO | errno(libc::ENOSYS)),
        step(AT_LEAST, 1, X32),
        step(RETURN, 0, ERRNO | errno(libc::EPERM)),
    ]
}

/// Rules for all commands of bpf(2) but those that stay allowed.
fn others(walks: bool) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let mut allowed = ELEMENTS.to_vec();
    if walks {
        allowed.extend(ITERATORS);
    }
    let mut rules = Vec::new();
    let mut from = 0;
    for (first, last) in allowed {
        if from < first {
            rules.push(within(from, first - 1)?);
        }
        from = last + 1;
    }
    rules.push(SeccompRule::new(vec![condition(
        0,
        SeccompCmpOp::Ge,
        u64::from(from),
    )?])?);
    Ok(rules)
}

fn within(first: u32, last: u32) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![
        condition(0, SeccompCmpOp::Ge, u64::from(first))?,
        condition(0, SeccompCmpOp::Le, u64::from(last))?,
    ])
}

fn when(argument: u8, how: SeccompCmpOp, value: libc::c_int) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition(argument, how, bits(value))?])
}

fn masked(argument: u8, mask: libc::c_int, value: libc::c_int) -> Result<SeccompRule, seccompiler::BackendError> {
    when(argument, SeccompCmpOp::MaskedEq(bits(mask)), value)
}

fn condition(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)
}

/// The kernel looks at the lower half of such arguments alone.
fn bits(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

fn errno(value: libc::c_int) -> u32 {
    value.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    // linux/filter.h: BPF_MAXINSNS.
    #[test]
    fn both_filters_fit() {
        for walks in [false, true] {
            let length = program(walks).unwrap().len();
            assert!((50..4_096).contains(&length), "{length}");
        }
    }

    #[test]
    fn commands_between_those_allowed_are_refused() {
        // From 0, 5 to 14, 16 to 20, 22 and 23, from 28 on.
        assert_eq!(others(false).unwrap().len(), 5);
        // The last two are 29 to 32 and from 34 on.
        assert_eq!(others(true).unwrap().len(), 6);
    }
}
