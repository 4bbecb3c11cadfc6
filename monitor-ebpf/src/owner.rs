//! Who holds a socket, learned in process context.
//!
//! A program (process and exec count) is described once, when it first owns a flow: executable and cgroup are walked here,
//! so that nothing has to be looked up in /proc after it may have gone. No hook on fork, exec or exit is needed.

use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_current_uid_gid,
    bpf_ktime_get_ns, bpf_probe_read_kernel_str, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};
use monitor_common::{
    ABSENT, CGROUP_COMPONENTS, CGROUP_NAME_BYTES, Header, KIND_PROCESS, Owner, PATH_COMPONENTS, PATH_NAME_BYTES,
    ProcessRecord, loss,
};

use crate::kernel::read;
use crate::maps::{LIFECYCLE, PROGRAMS, count, offset};

/// The reader polls; it is never woken.
pub(crate) const NO_WAKEUP: u64 = 1;

/// Thread group id and thread id of the current task.
#[inline(always)]
pub(crate) fn current() -> (u32, u32) {
    // SAFETY: takes nothing.
    let both = unsafe { bpf_get_current_pid_tgid() };
    ((both >> 32) as u32, both as u32)
}

/// When the current thread began, `CLOCK_MONOTONIC` nanoseconds.
#[inline(always)]
pub(crate) fn thread_start() -> u64 {
    // SAFETY: takes nothing.
    let task = unsafe { bpf_get_current_task() } as usize;
    read(task, offset!(task_start_time))
}

/// Whether the current task is a kernel thread: it closes files for others, and owns nothing.
#[inline(always)]
pub(crate) fn in_kernel_thread() -> bool {
    // SAFETY: takes nothing.
    let task = unsafe { bpf_get_current_task() } as usize;
    read::<usize>(task, offset!(task_mm)) == 0
}

/// Notes the current process as the owner; its program is described if it is new.
#[inline(never)]
pub(crate) fn note(owner: &mut Owner) {
    // SAFETY: these helpers take nothing; the task is the current one and stays while the program runs.
    let (task, uid, cgroup) = unsafe {
        (
            bpf_get_current_task() as usize,
            bpf_get_current_uid_gid() as u32,
            bpf_get_current_cgroup_id(),
        )
    };
    let (pid, tid) = current();
    let leader: usize = read(task, offset!(task_leader));
    owner.start_time_ns = read(leader, offset!(task_start_time));
    owner.exec_id = read(leader, offset!(task_exec_id));
    owner.cgroup = cgroup;
    owner.pid = pid;
    owner.tid = tid;
    owner.uid = uid;
    describe(task, leader, owner);
}

#[inline(never)]
fn describe(task: usize, leader: usize, owner: &Owner) {
    let key = Owner {
        tid: 0,
        uid: 0,
        cgroup: 0,
        ..*owner
    };
    // SAFETY: values are plain integers.
    if unsafe { PROGRAMS.get(key) }.is_some() {
        return;
    }
    // SAFETY: size is a constant; the pointer is checked.
    let record = unsafe {
        bpf_ringbuf_reserve(
            core::ptr::from_ref(&LIFECYCLE).cast_mut().cast(),
            size_of::<ProcessRecord>() as u64,
            0,
        )
        .cast::<ProcessRecord>()
    };
    if record.is_null() {
        // Not marked as described: the next flow tries again.
        count(loss::LIFECYCLE_RING_FULL);
        return;
    }
    // SAFETY: `record` is a reservation of that size, filled field by field before it is submitted.
    unsafe {
        (*record).header = Header {
            kind: KIND_PROCESS,
            length: size_of::<ProcessRecord>() as u32,
            time_ns: bpf_ktime_get_ns(),
            ..Header::default()
        };
        (*record).owner = *owner;
        (*record).namespace_pid = namespace_pid(leader);
        let parent: usize = read(leader, offset!(task_parent));
        (*record).parent_pid = read(parent, offset!(task_tgid));
        (*record).comm = read(leader, offset!(task_comm));
        executable(task, &mut (*record).path);
        cgroup_path(task, &mut (*record).cgroup);
        bpf_ringbuf_submit(record.cast(), NO_WAKEUP);
    }
    let _ = PROGRAMS.insert(key, 1, 0);
}

/// Pid in the innermost pid namespace: the last of `pid.numbers`, each a `struct upid` of number and namespace.
#[inline(always)]
fn namespace_pid(leader: usize) -> u32 {
    const UPID_BYTES: usize = 16;
    let pid: usize = read(leader, offset!(task_pid));
    let level: u32 = read(pid, offset!(pid_level));
    if offset!(pid_numbers) == ABSENT {
        return 0;
    }
    read(pid + level as usize * UPID_BYTES, offset!(pid_numbers))
}

/// Walks the executable's path from leaf to root, across mounts (as `prepend_path` in `fs/d_path.c` does). Slots are at
/// constant places, which keeps the verifier's work linear.
#[inline(always)]
fn executable(task: usize, to: &mut [[u8; PATH_NAME_BYTES]; PATH_COMPONENTS]) {
    let mm: usize = read(task, offset!(task_mm));
    let file: usize = read(mm, offset!(mm_exe_file));
    let mut dentry: usize = read(file, offset!(file_dentry));
    let mut vfsmount: usize = read(file, offset!(file_mnt));
    if file == 0 || offset!(mount_mnt) == ABSENT {
        dentry = 0;
    }
    for slot in to {
        slot[0] = 0;
        if dentry == 0 || vfsmount == 0 {
            continue;
        }
        let parent: usize = read(dentry, offset!(dentry_parent));
        if dentry == read::<usize>(vfsmount, offset!(vfsmount_root)) || dentry == parent {
            let mount = vfsmount - offset!(mount_mnt) as usize;
            let above: usize = read(mount, offset!(mount_parent));
            dentry = if above == mount || above == 0 {
                0
            } else {
                read(mount, offset!(mount_mountpoint))
            };
            vfsmount = above + offset!(mount_mnt) as usize;
            continue;
        }
        name(slot, read(dentry, offset!(dentry_name)));
        dentry = parent;
    }
}

/// Walks the v2 cgroup's path from leaf to root.
#[inline(always)]
fn cgroup_path(task: usize, to: &mut [[u8; CGROUP_NAME_BYTES]; CGROUP_COMPONENTS]) {
    let set: usize = read(task, offset!(task_cgroups));
    let cgroup: usize = read(set, offset!(css_set_cgroup));
    let mut node: usize = read(cgroup, offset!(cgroup_kn));
    for slot in to {
        slot[0] = 0;
        let parent: usize = if node == 0 { 0 } else { read(node, offset!(kn_parent)) };
        // The root has no parent and no name.
        if parent != 0 {
            name(slot, read(node, offset!(kn_name)));
        }
        node = parent;
    }
}

/// Copies the string at `from`.
#[inline(always)]
fn name<const BYTES: usize>(slot: &mut [u8; BYTES], from: usize) {
    // SAFETY: the helper checks the source and writes at most `BYTES`.
    unsafe { bpf_probe_read_kernel_str(slot.as_mut_ptr().cast(), BYTES as u32, from as *const core::ffi::c_void) };
}
