//! How a flow ended, from what the kernel noted.

use std::time::Duration;

use super::{Flow, Transport};
use crate::event::Role;
use crate::record::EndReason;
use crate::time::Timestamp;

/// `ETIMEDOUT` (include/uapi/asm-generic/errno.h).
const TIMED_OUT: u16 = 110;
/// `ECONNREFUSED`.
const REFUSED: u16 = 111;
/// A UDP flow that ends after this long without a datagram ended for that reason; see the capture's sweep.
const UDP_IDLE: Duration = Duration::from_secs(30);

/// How `flow` ended; its latest snapshot is that of its close.
pub fn end_reason(flow: &Flow, now: Timestamp) -> EndReason {
    if flow.tuple.is_some_and(|t| t.transport == Transport::Udp) {
        let last = flow
            .counters
            .sent_end
            .max(flow.counters.received_end)
            .map_or(flow.opened, |(_, moved)| moved);
        return if now.since(last) >= UDP_IDLE {
            EndReason::Idle
        } else {
            EndReason::Released
        };
    }
    let flags = flow.flags;
    match flow.error {
        REFUSED => return EndReason::Refused,
        TIMED_OUT => return EndReason::Timeout,
        _ => {}
    }
    if !flags.established && flow.role == Role::Active {
        return if flags.rst_received {
            EndReason::Refused
        } else {
            EndReason::ConnectFailed
        };
    }
    // After both FINs a RST is only noise.
    let both_done = flags.fin_sent && flags.fin_received;
    // A RST that TCP did not take (out of its window, forged) leaves no error.
    if flags.rst_received && flow.error != 0 && !both_done {
        return EndReason::ResetRemote;
    }
    if flags.rst_sent && !both_done {
        return EndReason::ResetLocal;
    }
    match (flags.fin_sent, flags.fin_received) {
        (true, _) if flags.fin_local_first => EndReason::FinLocal,
        (_, true) => EndReason::FinRemote,
        (true, false) => EndReason::FinLocal,
        (false, false) if flags.rst_received => EndReason::ResetRemote,
        (false, false) => EndReason::ResetLocal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{FlowFlags, FlowId};

    #[track_caller]
    fn check(role: Role, error: u16, flags: FlowFlags, expected: EndReason) {
        let mut flow = Flow::unknown(FlowId::default(), Timestamp::ZERO);
        (flow.role, flow.error, flow.flags) = (role, error, flags);
        assert_eq!(end_reason(&flow, Timestamp::ZERO), expected);
    }

    #[test]
    fn who_ended_it() {
        let up = FlowFlags {
            established: true,
            ..FlowFlags::default()
        };
        let both = FlowFlags {
            fin_sent: true,
            fin_received: true,
            ..up
        };
        check(
            Role::Passive,
            0,
            FlowFlags {
                fin_local_first: true,
                ..both
            },
            EndReason::FinLocal,
        );
        check(Role::Passive, 0, both, EndReason::FinRemote);
        check(
            Role::Passive,
            104,
            FlowFlags {
                rst_received: true,
                ..up
            },
            EndReason::ResetRemote,
        );
        check(
            Role::Passive,
            0,
            FlowFlags {
                rst_received: true,
                ..both
            },
            EndReason::FinRemote,
        );
        check(
            Role::Active,
            0,
            FlowFlags { rst_sent: true, ..up },
            EndReason::ResetLocal,
        );
        check(Role::Active, 110, up, EndReason::Timeout);
    }

    #[test]
    fn connects_that_failed() {
        let down = FlowFlags::default();
        check(
            Role::Active,
            111,
            FlowFlags {
                rst_received: true,
                ..down
            },
            EndReason::Refused,
        );
        check(
            Role::Active,
            0,
            FlowFlags {
                rst_received: true,
                ..down
            },
            EndReason::Refused,
        );
        check(Role::Active, 113, down, EndReason::ConnectFailed);
        check(Role::Active, 110, down, EndReason::Timeout);
    }
}
