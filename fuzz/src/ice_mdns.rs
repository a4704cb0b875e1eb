//! Whatever comes to the mDNS group: nothing panics, and what is remembered stays bounded.

use parlour_ice::mdns::Mdns;
use std::time::Instant;

/// Runs one input.
pub fn ice_mdns(input: &[u8]) {
    let now = Instant::now();
    let mut mdns = Mdns::default();
    mdns.publish("here.local", [192, 0, 2, 1].into());
    mdns.resolve(now, "there.local");
    mdns.handle_datagram(input);
    let mut out = Vec::new();
    while mdns.poll_transmit(&mut out) {}
    assert!(out.len() < 10_000);
    while mdns.poll_resolved().is_some() {}
}
