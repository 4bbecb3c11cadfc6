//! The real daemon on the real kernel, in network namespaces and cgroups that each test makes for itself.
//!
//! One file a subject, one test a case. Needs root; a test that cannot run says why, and fails instead of skipping where
//! `MONITOR_TEST_REQUIRE` contains `kernel`.

mod addresses;
mod attaching;
mod attacks;
mod budget;
mod bytes;
mod confinement;
mod control;
mod detector;
mod endings;
mod ends;
mod faults;
mod flows;
mod headers;
mod http2;
mod lifecycle;
mod load;
mod mixture;
mod names;
mod nginx;
mod node;
mod outbound;
mod overflow;
mod overlaps;
mod overload;
mod owners;
mod python;
mod relayed;
mod replay;
mod resolving;
mod schema;
mod scoping;
mod shapes;
mod shared;
mod soak;
mod uring;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Output;

use monitor_tests::resolver::Zone;
use monitor_tests::{Daemon, Nginx, Records, Script};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Remote hosts by name, in the documentation networks.
fn zone() -> Zone {
    Zone::from([
        ("api.example.test", Ipv4Addr::new(198, 51, 100, 7)),
        ("cdn.example.test", Ipv4Addr::new(203, 0, 113, 9)),
    ])
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::new(LOCALHOST, port)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Ends nginx, compares its log of so many transactions with the records, and gives them.
#[track_caller]
fn compare_nginx(case: &str, nginx: Nginx, mut daemon: Daemon, transactions: usize) -> Records {
    let truth = nginx.truth(transactions);
    daemon.wait_for_http(truth.port, truth.transactions.len());
    daemon.wait_for_closes(truth.port, truth.connections());
    let records = daemon.stop();
    truth.check(case, &records);
    assert_eq!(records.lost(), 0, "{}", records.stats());
    records
}

/// Compares a script's log of so many transactions and ended connections with the records, and gives them.
#[track_caller]
fn compare_script(case: &str, server: &Script, mut daemon: Daemon, transactions: usize, connections: usize) -> Records {
    let truth = server.truth(transactions, connections);
    daemon.wait_for_http(truth.port, transactions);
    daemon.wait_for_closes(truth.port, connections);
    let records = daemon.stop();
    truth.check(case, &records);
    assert_eq!(records.lost(), 0, "{}", records.stats());
    records
}
