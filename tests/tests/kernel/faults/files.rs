//! Files that are replaced while they are in use, by good ones and by others.

use std::fs;
use std::net::IpAddr;
use std::process::Command;

use monitor_tests::host::tool;
use monitor_tests::namespace::succeed;
use monitor_tests::scenarios::mmdb::{Database, Value};
use monitor_tests::{Field, Host, Launch, wait};

use super::{Caller, PATIENCE, status, wait_for_error};

/// Of the many networks that are called, the one that is on the list.
const LISTED: u16 = 77;

#[test]
fn what_is_replaced_holds_and_what_is_broken_changes_nothing() {
    let Some(_host) = Host::claim(&["kill"]) else { return };
    let caller = Caller::new();
    let launch = Launch::new()
        .config("[learning]\nperiod = \"0s\"\n[networks]\nasn = \"asn.mmdb\"\nthreat_lists = [\"bad.txt\"]\n");
    let replace = |name: &str, content: &[u8]| {
        fs::write(launch.path("new"), content).expect("write a file");
        fs::rename(launch.path("new"), launch.path(name)).expect("put it in place");
    };
    let database = |number: u32| {
        let mut database = Database::new("GeoLite2-ASN");
        let network: IpAddr = "198.51.0.0".parse().expect("an address");
        let value = Value::Map(vec![
            ("autonomous_system_number", Value::Number(number)),
            ("autonomous_system_organization", Value::Text("Example".to_owned())),
        ]);
        database.add(network, 16, &value);
        database.bytes()
    };
    replace("asn.mmdb", &database(64_496));
    replace("bad.txt", b"203.0.113.0/24\n");
    let mut daemon = launch.start();

    replace("asn.mmdb", b"not a database");
    wait_for_error(&daemon, "what was read before is used on");
    replace("asn.mmdb", &database(64_500));
    replace("bad.txt", b"198.51.77.0/24\n");
    wait_for_error(&daemon, "were replaced, and read again");
    // Read by now, and handed on within a second.
    wait::until("the alert of the new list", PATIENCE, || {
        caller.call(LISTED..=LISTED);
        let alerts = daemon.records().alerts("listed_source");
        alerts
            .iter()
            .any(|alert| alert.to_string().contains("198.51.77.7"))
            .then_some(())
    });
    let told = daemon
        .records()
        .flows(4_000)
        .iter()
        .any(|flow| flow.to_string().contains("64500"));
    assert!(told, "the new database is used");

    // By signal, with a slip in it: what holds goes on.
    fs::write(launch.path("monitor.toml"), "[host]\nnmae = \"x\"\n").expect("write the configuration");
    succeed(Command::new(tool("kill")).args(["-HUP", &daemon.pid().to_string()]));
    wait_for_error(&daemon, "the configuration stays as it was");
    assert!(daemon.errors().contains("did you mean `name`?"), "{}", daemon.errors());
    assert!(status(&daemon)["stats"].number("/alerts") >= Some(1));
    drop(daemon.stop());
}
