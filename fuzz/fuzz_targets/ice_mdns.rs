//! Whatever comes to the mDNS group: nothing panics, and what is remembered stays bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_ice::mdns::Mdns;
use std::time::Instant;

fuzz_target!(|input: &[u8]| {
    let now = Instant::now();
    let mut mdns = Mdns::default();
    mdns.publish("here.local", [192, 0, 2, 1].into());
    mdns.resolve(now, "there.local");
    mdns.handle_datagram(input);
    let mut out = Vec::new();
    while mdns.poll_transmit(&mut out) {}
    assert!(out.len() < 10_000);
    while mdns.poll_resolved().is_some() {}
});
