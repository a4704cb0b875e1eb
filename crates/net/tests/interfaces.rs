//! Interfaces that come and go, and names on the link, in a network namespace of the test's own.
//!
//! Needs `unshare` (util-linux) and `ip` (iproute2), and root or a system that lets everybody make namespaces.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use parlour_net::interfaces::{self, Change, Watch};
use parlour_net::mdns::MdnsSocket;
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// Set in the process that runs inside.
const INSIDE: &str = "PARLOUR_TEST_NAMESPACE";
/// Long enough for any machine; nothing waits for it that goes well.
const LONG: Duration = Duration::from_secs(60);

/// Runs the test `name` of this program in a network namespace, and gives `true` there; outside `false`, when it has
/// passed.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let root = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
    });
    let mut command = Command::new("unshare");
    command.arg("--net");
    if !root {
        command.arg("--map-root-user");
    }
    let own = std::env::current_exe().unwrap();
    command.arg(own).args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    let status = command.status().expect("`unshare` of util-linux is needed");
    assert!(
        status.success(),
        "{name} failed in its network namespace ({status}); root, or user namespaces, and `ip` are needed"
    );
    false
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split_whitespace()).status().expect("`ip` of iproute2 is needed");
    assert!(status.success(), "ip {arguments}");
}

/// Waits for the system's word and gives what has changed.
fn next_changes(watch: &mut Watch) -> Vec<Change> {
    let mut poll = mio::Poll::new().unwrap();
    let source = watch.source().expect("Linux tells of changes");
    poll.registry().register(source, mio::Token(0), mio::Interest::READABLE).unwrap();
    let mut events = mio::Events::with_capacity(4);
    let end = Instant::now() + LONG;
    loop {
        let changes = watch.changes().unwrap();
        if !changes.is_empty() {
            let source = watch.source().unwrap();
            poll.registry().deregister(source).unwrap();
            return changes;
        }
        assert!(Instant::now() < end, "no word of a change");
        poll.poll(&mut events, Some(Duration::from_secs(1))).unwrap();
    }
}

fn of(change: &Change) -> (bool, IpAddr) {
    match change {
        Change::Added(address) => (true, address.interface.address),
        Change::Removed(address) => (false, address.interface.address),
    }
}

#[test]
fn an_address_that_comes_or_goes_is_told_at_once() {
    if !inside("an_address_that_comes_or_goes_is_told_at_once") {
        return;
    }
    ip("link set lo up");
    let mut watch = Watch::new().unwrap();
    assert!(watch.known().iter().all(|address| address.interface.address.is_loopback()));
    ip("address add 203.0.113.7/24 dev lo");
    let changes = next_changes(&mut watch);
    assert_eq!(changes.iter().map(of).collect::<Vec<_>>(), [(true, "203.0.113.7".parse().unwrap())]);
    assert!(watch.changes().unwrap().is_empty(), "told once");
    ip("address del 203.0.113.7/24 dev lo");
    let changes = next_changes(&mut watch);
    assert_eq!(changes.iter().map(of).collect::<Vec<_>>(), [(false, "203.0.113.7".parse().unwrap())]);
}

#[test]
fn the_way_out_is_known_and_a_wire_is_told_from_this_host_itself() {
    if !inside("the_way_out_is_known_and_a_wire_is_told_from_this_host_itself") {
        return;
    }
    ip("link set lo up");
    ip("link add wire0 type veth peer name wire1");
    ip("address add 192.0.2.7/24 dev wire0");
    ip("link set wire0 up");
    ip("link set wire1 up");
    ip("address add 2001:db8::7/64 dev wire0 nodad");
    ip("route add default via 192.0.2.1");
    let found = interfaces::addresses().unwrap();
    let of =
        |text: &str| found.iter().find(|address| address.interface.address == text.parse::<IpAddr>().unwrap()).unwrap();
    assert_eq!(found.first(), Some(of("192.0.2.7")), "the way out comes first: {found:?}");
    assert!(of("192.0.2.7").interface.default_route);
    assert!(!of("2001:db8::7").interface.default_route, "there is no way out by IPv6");
    assert!(!of("127.0.0.1").interface.default_route);
    assert_eq!(of("192.0.2.7").name, "wire0");
    assert_ne!(of("192.0.2.7").interface.network_id, of("127.0.0.1").interface.network_id);
    assert!(!found.iter().any(|address| address.interface.address.to_string().starts_with("fe80")));
}

/// RFC 6762: one asks on the link, the other answers.
#[test]
fn a_name_that_one_host_publishes_is_found_by_another() {
    if !inside("a_name_that_one_host_publishes_is_found_by_another") {
        return;
    }
    ip("link set lo up");
    ip("link set lo multicast on");
    let addresses = interfaces::addresses().unwrap();
    let mut here = MdnsSocket::open(&addresses).unwrap();
    let mut there = MdnsSocket::open(&addresses).unwrap();
    const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
    let wanted: IpAddr = "192.0.2.44".parse().unwrap();
    assert!(there.mdns().publish(NAME, wanted));
    there.drive(Instant::now());
    assert!(here.mdns().resolve(Instant::now(), NAME));
    let mut poll = mio::Poll::new().unwrap();
    for (n, source) in here.sources().chain(there.sources()).enumerate() {
        poll.registry().register(source, mio::Token(n), mio::Interest::READABLE).unwrap();
    }
    let mut events = mio::Events::with_capacity(8);
    let end = Instant::now() + LONG;
    let found = loop {
        let now = Instant::now();
        here.drive(now);
        there.drive(now);
        if let Some((name, address)) = here.mdns().poll_resolved() {
            assert_eq!(name, NAME);
            break address;
        }
        assert!(now < end, "no answer");
        let wait = here.poll_timeout().map_or(LONG, |at| at.saturating_duration_since(now));
        poll.poll(&mut events, Some(wait)).unwrap();
    };
    assert_eq!(found, Some(wanted));
    assert_eq!(here.poll_timeout(), None, "nothing is asked any more");
}
