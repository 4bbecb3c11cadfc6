//! Globals that the loader sets before the programs are verified: settings, and where this kernel keeps its fields.

/// Settings of the capture.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// Bytes copied of a request turn.
    pub request_snap: u32,
    /// Bytes copied of a response turn.
    pub response_snap: u32,
    /// Bytes a second that a socket may copy of turns that do not look like the start of a message.
    pub duplex_bytes_per_s: u32,
    /// A flow that lives reports when it moved this much ...
    pub progress_bytes: u32,
    /// ... and this long has passed, nanoseconds.
    pub progress_ns: u64,
    /// 1: only cgroups marked 1 in `SCOPE` are watched.
    pub include_cgroups: u32,
    /// 1: cgroups marked 2 in `SCOPE` are not watched.
    pub exclude_cgroups: u32,
    /// 1: ports set in `EXCLUDED_PORTS` are not watched.
    pub exclude_ports: u32,
    /// 1: log through `aya-log`.
    pub debug: u32,
    /// 1: every program returns at once. What is left of its cost is that of the hooks.
    pub empty: u32,
    /// Zero.
    pub reserved: u32,
}
const _: () = assert!(size_of::<Knobs>() == 48);

impl Knobs {
    /// What holds with no configuration.
    pub const DEFAULT: Self = Self {
        request_snap: 8 * 1024,
        response_snap: 1024,
        duplex_bytes_per_s: 256 * 1024,
        progress_bytes: 1024 * 1024,
        progress_ns: 1_000_000_000,
        include_cgroups: 0,
        exclude_cgroups: 0,
        exclude_ports: 0,
        debug: 0,
        empty: 0,
        reserved: 0,
    };
}

macro_rules! offsets {
    ($($(#[$doc:meta])* $field:ident = $ty:literal $(. $member:literal)+ $(| $alt:literal)?;)+) => {
        /// Byte offsets of kernel fields, read from the running kernel's BTF; [`ABSENT`] where it has no such field.
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub struct Offsets { $($(#[$doc])* pub $field: u32,)+ }
        impl Offsets {
            /// Nothing known.
            pub const UNKNOWN: Self = Self { $($field: ABSENT,)+ };
            /// For each field in order: struct, path of members, and another name of the last member on other kernels.
            pub const SOURCES: &'static [(&'static str, &'static [&'static str], Option<&'static str>)] = &[
                $(($ty, &[$($member),+], { let alt: &[&str] = &[$($alt)?]; if alt.is_empty() { None } else { Some(alt[0]) } }),)+
            ];
            /// From values in the order of [`Self::SOURCES`].
            pub fn from_slice(values: &[u32]) -> Option<Self> {
                let mut values = values.iter().copied();
                Some(Self { $($field: values.next()?,)+ })
            }
        }
    };
}

/// An offset that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

offsets! {
    /// Address family.
    sk_family = "sock_common"."skc_family";
    /// TCP state.
    sk_state = "sock_common"."skc_state";
    /// Remote port, network byte order.
    sk_dport = "sock_common"."skc_dport";
    /// Local port, host byte order.
    sk_num = "sock_common"."skc_num";
    /// Remote IPv4 address.
    sk_daddr = "sock_common"."skc_daddr";
    /// Local IPv4 address.
    sk_rcv_saddr = "sock_common"."skc_rcv_saddr";
    /// Remote IPv6 address.
    sk_v6_daddr = "sock_common"."skc_v6_daddr";
    /// Local IPv6 address.
    sk_v6_rcv_saddr = "sock_common"."skc_v6_rcv_saddr";
    /// Network namespace.
    sk_net = "sock_common"."skc_net"."net";
    /// `SOCK_` bits.
    sk_flags = "sock_common"."skc_flags";
    /// IP protocol (16 bits since 5.6).
    sk_protocol = "sock"."sk_protocol";
    /// Pending error.
    sk_err = "sock"."sk_err";
    /// Local port, network byte order; kept when the port is given back.
    inet_sport = "inet_sock"."inet_sport";
    /// cgroup of the socket.
    sk_cgroup = "sock"."sk_cgrp_data"."cgroup" | "val";
    /// The socket behind a file's.
    socket_sk = "socket"."sk";
    /// Cookie of a network namespace.
    net_cookie = "net"."net_cookie";
    /// See [`crate::TcpCounters`].
    tp_bytes_acked = "tcp_sock"."bytes_acked";
    /// See [`crate::TcpCounters`].
    tp_bytes_received = "tcp_sock"."bytes_received";
    /// See [`crate::TcpCounters`].
    tp_write_seq = "tcp_sock"."write_seq";
    /// See [`crate::TcpCounters`].
    tp_snd_una = "tcp_sock"."snd_una";
    /// See [`crate::TcpCounters`].
    tp_rcv_nxt = "tcp_sock"."rcv_nxt";
    /// Receive window.
    tp_rcv_wnd = "tcp_sock"."rcv_wnd";
    /// See [`crate::TcpCounters`].
    tp_copied_seq = "tcp_sock"."copied_seq";
    /// See [`crate::TcpCounters`].
    tp_segs_out = "tcp_sock"."segs_out";
    /// See [`crate::TcpCounters`].
    tp_segs_in = "tcp_sock"."segs_in";
    /// See [`crate::TcpCounters`].
    tp_total_retrans = "tcp_sock"."total_retrans";
    /// See [`crate::TcpCounters`].
    tp_srtt_us = "tcp_sock"."srtt_us";
    /// Leader of the thread group.
    task_leader = "task_struct"."group_leader";
    /// Start of the thread, monotonic nanoseconds.
    task_start_time = "task_struct"."start_time" | "real_start_time";
    /// Times it has called exec.
    task_exec_id = "task_struct"."self_exec_id";
    /// Name.
    task_comm = "task_struct"."comm";
    /// Thread group id.
    task_tgid = "task_struct"."tgid";
    /// Parent.
    task_parent = "task_struct"."real_parent";
    /// Address space.
    task_mm = "task_struct"."mm";
    /// Its namespaces.
    task_nsproxy = "task_struct"."nsproxy";
    /// Its network namespace.
    nsproxy_net = "nsproxy"."net_ns";
    /// Set of cgroups.
    task_cgroups = "task_struct"."cgroups";
    /// Its pid.
    task_pid = "task_struct"."thread_pid";
    /// Executable of an address space.
    mm_exe_file = "mm_struct"."exe_file";
    /// Mount of a file.
    file_mnt = "file"."f_path"."mnt";
    /// Directory entry of a file.
    file_dentry = "file"."f_path"."dentry";
    /// Parent of a directory entry.
    dentry_parent = "dentry"."d_parent";
    /// Its name.
    dentry_name = "dentry"."d_name"."name";
    /// The `vfsmount` inside a `mount`.
    mount_mnt = "mount"."mnt";
    /// Mount that this one is mounted on.
    mount_parent = "mount"."mnt_parent";
    /// Where.
    mount_mountpoint = "mount"."mnt_mountpoint";
    /// Root of a mount.
    vfsmount_root = "vfsmount"."mnt_root";
    /// cgroup in the v2 hierarchy.
    css_set_cgroup = "css_set"."dfl_cgrp";
    /// Node of a cgroup.
    cgroup_kn = "cgroup"."kn";
    /// Parent of the state inside a cgroup.
    cgroup_parent = "cgroup"."self"."parent";
    /// Name of a node.
    kn_name = "kernfs_node"."name";
    /// Parent of a node.
    kn_parent = "kernfs_node"."__parent" | "parent";
    /// Id of a node.
    kn_id = "kernfs_node"."id";
    /// Depth of a pid namespace.
    pid_level = "pid"."level";
    /// Numbers of a pid, one a namespace.
    pid_numbers = "pid"."numbers";
}
