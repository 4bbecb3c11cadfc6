//! The kernel programs: which there are, what each gives, and how it is loaded and attached.

use std::fs::File;

use anyhow::{Context, Result};
use aya::programs::{
    BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, CgroupSockAddr, FExit, Iter,
};
use aya::{Btf, Ebpf};
use rustix::system::uname;
use tracing::debug;

use super::sockets;
use crate::capture::facility::{Facility, FacilityState};

/// How a program is attached.
#[derive(Clone, Copy, Debug)]
enum Hook {
    Skb(CgroupSkbAttachType),
    SockAddr,
    Sock,
    Tracepoint(&'static str),
    /// The return of a kernel function.
    Return(&'static str),
    Iter(&'static str),
}

/// One program.
struct Spec {
    /// Function name in the object.
    program: &'static str,
    /// Name in the table.
    name: &'static str,
    hook: Hook,
    purpose: &'static str,
    /// What is lost without it; `None` = nothing works without it.
    lost: Option<&'static str>,
    /// First kernel that has it.
    since: &'static str,
    /// What does the same on kernels that do not have it; told in its place where any of it is there.
    instead: &'static [Spec],
}

const SPECS: &[Spec] = &[
    // The life cycle first: a connection seen by the packet hooks alone would count as older than the monitor.
    Spec {
        program: "monitor_tcp_state",
        name: "tp_btf/inet_sock_set_state",
        hook: Hook::Tracepoint("inet_sock_set_state"),
        purpose: "life cycle, role and owner of TCP connections",
        lost: None,
        since: "5.12",
        instead: &[],
    },
    Spec {
        program: "monitor_tcp_destroy",
        name: "tp_btf/tcp_destroy_sock",
        hook: Hook::Tracepoint("tcp_destroy_sock"),
        purpose: "close records with final byte counts",
        lost: None,
        since: "5.12",
        instead: &[],
    },
    Spec {
        program: "monitor_tcp_iter",
        name: "iter/tcp",
        hook: Hook::Iter("tcp"),
        purpose: "connections older than the monitor; reconciliation",
        lost: Some("connections older than the monitor are seen at their next packet"),
        since: "5.12",
        instead: &[],
    },
    Spec {
        program: "monitor_sock_recv",
        name: "tp_btf/sock_recv_length",
        hook: Hook::Tracepoint("sock_recv_length"),
        purpose: "owner of accepted connections at the first request, parent requests",
        lost: Some("accepted connections get their owner when they close; no parent requests"),
        since: "6.3",
        instead: READS,
    },
    Spec {
        program: "monitor_connect4",
        name: "cgroup/connect4",
        hook: Hook::SockAddr,
        purpose: "owner of UDP sockets",
        lost: Some("UDP flows get their owner when the socket closes"),
        since: "4.17",
        instead: &[],
    },
    Spec {
        program: "monitor_connect6",
        name: "cgroup/connect6",
        hook: Hook::SockAddr,
        purpose: "owner of UDP sockets",
        lost: Some("UDP flows get their owner when the socket closes"),
        since: "4.17",
        instead: &[],
    },
    Spec {
        program: "monitor_sendmsg4",
        name: "cgroup/sendmsg4",
        hook: Hook::SockAddr,
        purpose: "owner of unconnected UDP sockets",
        lost: Some("unconnected UDP flows get their owner when the socket closes"),
        since: "4.18",
        instead: &[],
    },
    Spec {
        program: "monitor_sendmsg6",
        name: "cgroup/sendmsg6",
        hook: Hook::SockAddr,
        purpose: "owner of unconnected UDP sockets",
        lost: Some("unconnected UDP flows get their owner when the socket closes"),
        since: "4.18",
        instead: &[],
    },
    Spec {
        program: "monitor_sock_release",
        name: "cgroup/sock_release",
        hook: Hook::Sock,
        purpose: "owner of sockets that never read; end of UDP flows",
        lost: Some("UDP flows end by being idle; sockets that never read have no owner"),
        since: "5.9",
        instead: &[],
    },
    Spec {
        program: "monitor_ingress",
        name: "cgroup_skb/ingress",
        hook: Hook::Skb(CgroupSkbAttachType::Ingress),
        purpose: "what sockets receive",
        lost: None,
        since: "5.12",
        instead: &[],
    },
    Spec {
        program: "monitor_egress",
        name: "cgroup_skb/egress",
        hook: Hook::Skb(CgroupSkbAttachType::Egress),
        purpose: "what sockets send",
        lost: None,
        since: "5.12",
        instead: &[],
    },
];

/// Reads, where no tracepoint tells them.
const READS: &[Spec] = &[
    Spec {
        program: "monitor_inet_recvmsg",
        name: "fexit/inet_recvmsg",
        hook: Hook::Return("inet_recvmsg"),
        purpose: "owner of accepted connections at the first request, parent requests",
        lost: Some("accepted connections over IPv4 get their owner when they close; no parent requests"),
        since: "5.11",
        instead: &[],
    },
    Spec {
        program: "monitor_inet6_recvmsg",
        name: "fexit/inet6_recvmsg",
        hook: Hook::Return("inet6_recvmsg"),
        purpose: "owner of accepted connections at the first request, parent requests",
        lost: Some("accepted connections over IPv6 get their owner when they close; no parent requests"),
        since: "5.11",
        instead: &[],
    },
];

/// Loads and attaches every program; the table says what came of each. An error of the table's mandatory ones is told by
/// [`Facility::is_missing`]: nothing is thrown here, so that `check` can show the whole.
pub(super) fn attach(ebpf: &mut Ebpf, btf: &Btf, cgroup: &File, attach: bool) -> Vec<Facility> {
    let mut one = |spec| facility(ebpf, btf, cgroup, spec, attach);
    let mut table = Vec::new();
    for spec in SPECS {
        let found = one(spec);
        let is_there = |facility: &Facility| facility.state == FacilityState::Ok;
        if !is_there(&found) {
            let instead: Vec<Facility> = spec.instead.iter().map(&mut one).collect();
            if instead.iter().any(is_there) {
                table.extend(instead);
                continue;
            }
        }
        table.push(found);
    }
    table
}

fn facility(ebpf: &mut Ebpf, btf: &Btf, cgroup: &File, spec: &Spec, attach: bool) -> Facility {
    let state = match start(ebpf, btf, cgroup, spec, attach) {
        Ok(()) => {
            // Connections older than the monitor are taken in before packets are: so their ends, roles and first counts are
            // read in one place.
            if attach && matches!(spec.hook, Hook::Iter(_)) {
                sockets::walk(ebpf);
            }
            return Facility::ok(spec.name, spec.purpose, verified(ebpf, spec.program));
        }
        Err(error) => {
            debug!("{}: {error:#}", spec.name);
            let release = uname();
            let release = release.release().to_string_lossy();
            let mend = if version(&release) < version(spec.since) {
                format!("needs Linux {}, and this is {release}", spec.since)
            } else {
                let why = in_one_line(&error);
                format!("needs Linux {} with BTF and the right to load it ({why})", spec.since)
            };
            match spec.lost {
                Some(lost) => FacilityState::Degraded {
                    lost: lost.to_owned(),
                    mend,
                },
                None => FacilityState::Missing { mend },
            }
        }
    };
    Facility {
        name: spec.name,
        purpose: spec.purpose,
        state,
        detail: String::new(),
    }
}

fn start(ebpf: &mut Ebpf, btf: &Btf, cgroup: &File, spec: &Spec, attach: bool) -> Result<()> {
    // A link shares the cgroup with others by itself; the flag is for the older way of attaching.
    let mode = CgroupAttachMode::Single;
    let program = ebpf
        .program_mut(spec.program)
        .with_context(|| format!("no program {}", spec.program))?;
    match (spec.hook, program) {
        (Hook::Skb(kind), program) => {
            let program: &mut CgroupSkb = program.try_into()?;
            program.load()?;
            if attach {
                program.attach(cgroup, kind, mode)?;
            }
        }
        (Hook::SockAddr, program) => {
            let program: &mut CgroupSockAddr = program.try_into()?;
            program.load()?;
            if attach {
                program.attach(cgroup, mode)?;
            }
        }
        (Hook::Sock, program) => {
            let program: &mut CgroupSock = program.try_into()?;
            program.load()?;
            if attach {
                program.attach(cgroup, mode)?;
            }
        }
        (Hook::Tracepoint(name), program) => {
            let program: &mut BtfTracePoint = program.try_into()?;
            program.load(name, btf)?;
            if attach {
                program.attach()?;
            }
        }
        (Hook::Return(function), program) => {
            let program: &mut FExit = program.try_into()?;
            program.load(function, btf)?;
            if attach {
                program.attach()?;
            }
        }
        (Hook::Iter(kind), program) => {
            let program: &mut Iter = program.try_into()?;
            program.load(kind, btf)?;
        }
    }
    Ok(())
}

/// The first two numbers of a kernel's version; the first are 0 where there is none.
fn version(release: &str) -> [u32; 2] {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    [numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
}

/// Instructions that the verifier went through (5.16), in words; of a million that it would at most.
fn verified(ebpf: &Ebpf, program: &str) -> String {
    let info = ebpf.program(program).and_then(|program| program.info().ok());
    let instructions = info.and_then(|info| info.verified_instruction_count());
    instructions.map_or_else(String::new, |count| format!("{count} instructions verified"))
}

/// Why in one line: the verifier's log is long, and its last line before the statistics says it.
fn in_one_line(error: &anyhow::Error) -> String {
    /// What the verifier ends its log with (`print_verification_stats` in kernel/bpf/verifier.c), and what follows it.
    const AFTER_THE_REASON: [&str; 4] = ["verification time ", "stack depth ", "processed ", ":"];
    let text = format!("{error:#}");
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let head: String = lines.next().unwrap_or_default().chars().take(160).collect();
    match lines.rfind(|line| !AFTER_THE_REASON.iter().any(|stat| line.starts_with(stat))) {
        Some(reason) => format!("{head}: {reason}"),
        None => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert_eq!(version("5.10.0-32-cloud-amd64"), [5, 10]);
        assert!(version("6.1.0-50-amd64") > version("5.12") && version("5.9") < version("5.12"));
        assert_eq!((version("6.18"), version("")), ([6, 18], [0, 0]));
    }

    /// A table that claims an older kernel than its program needs would tell the wrong mend.
    #[test]
    fn every_claim_is_a_version() {
        for spec in SPECS.iter().chain(READS) {
            assert!(version(spec.since) >= [4, 17], "{}: {}", spec.name, spec.since);
        }
    }
}
