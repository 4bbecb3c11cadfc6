//! Bytes and owners of a process that moves them by `io_uring`, in each way that the kernel runs its operations.

use std::process::Command;

use monitor_tests::host::{skip, tool};
use monitor_tests::{Field, Host};
use serde_json::Value;

use crate::bytes::compare;

/// A ring, made of system calls.
const URING: &str = include_str!("../../servers/uring.py");

/// Receives 700,000 bytes and sends 1,300,000 by these operations of a ring that is made like this.
#[track_caller]
fn check(port: u16, ring: &str, send: &str, receive: &str) -> Option<Value> {
    let _host = Host::claim(&["python3"])?;
    // A kernel may be built without it, and kernel.io_uring_disabled may forbid it.
    let probe = Command::new(tool("python3"))
        .args(["-c", &format!("{URING}\nRing()")])
        .output()
        .expect("run python3");
    if !probe.status.success() {
        skip(&format!("io_uring: {}", String::from_utf8_lossy(&probe.stderr)));
        return None;
    }
    let script = format!(
        "{URING}
c, s = pair(); ring = {ring}; asks = writes(c, bytes(700_000))
receive_all(ring, s, account, {receive})
t = reads(c); send_all(ring, s, bytes(1_300_000), account, {send})
s.close(); t.join(); asks.join(); c.close()
assert account['received'] == 700_000 and account['sent'] == 1_300_000
account['pid'] = os.getpid()"
    );
    let (close, account) = compare(port, &script);
    // Whatever thread of the kernel did it, it is the process's.
    assert_eq!(close.number("/process/pid"), account.number("/pid"), "{close}");
    close.expect("/bytes_acked", 1_300_000);
    Some(close)
}

#[test]
fn send_and_receive() {
    check(18_871, "Ring()", "SEND", "RECV");
}

#[test]
fn plain_writes_and_reads() {
    check(18_872, "Ring()", "WRITE", "READ");
}

#[test]
fn a_send_without_a_copy() {
    check(18_873, "Ring()", "SEND_ZC", "RECV");
}

#[test]
fn by_workers_of_the_kernel() {
    check(18_874, "Ring(each=ASYNC)", "SEND", "RECV");
}

#[test]
fn by_a_thread_that_polls_the_ring() {
    check(18_875, "Ring(flags=SQPOLL)", "SEND", "RECV");
}
