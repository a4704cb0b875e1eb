//! Whole associations over a simulated network: what RFC 9260 and its extensions promise, by scenario.

mod association;
mod channels;
mod interop;
mod net;
mod network;
mod path;
#[allow(dead_code)]
mod stacks;
mod world;

use net::Pair;
use parlour_netsim::LinkSpec;
use parlour_sctp::{Association, Config, Event, Message, SendOptions, StreamId};
use std::time::Duration;

pub(crate) use world::ms;

pub(crate) type Both = Pair<Association, Association>;

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn both_with(seed: u64, link: LinkSpec, a: Config, b: Config) -> Both {
    let s = seed as u8;
    Pair::new(seed, link.clone(), link, |now| (Association::new(now, a, [s; 32]), Association::new(now, b, [!s; 32])))
}

pub(crate) fn both(seed: u64, link: LinkSpec) -> Both {
    both_with(seed, link, Config::default(), Config::default())
}

pub(crate) fn delay(n: u64) -> LinkSpec {
    LinkSpec::delay(ms(n))
}

/// Connects from `a`'s side.
pub(crate) fn connected(mut pair: Both) -> Both {
    pair.a.connect(pair.now()).unwrap();
    assert!(pair.run_until(seconds(30), |a, b| a.is_connected() && b.is_connected()), "it connects");
    assert_eq!(pair.a.poll_event(), Some(Event::Connected));
    assert_eq!(pair.b.poll_event(), Some(Event::Connected));
    pair
}

pub(crate) fn send(pair: &mut Both, stream: u16, bytes: &[u8]) {
    send_with(pair, stream, bytes, SendOptions::default());
}

pub(crate) fn send_with(pair: &mut Both, stream: u16, bytes: &[u8], options: SendOptions) {
    let now = pair.now();
    pair.a.send(now, StreamId(stream), 53, bytes.to_vec().into(), options).unwrap();
}

pub(crate) fn messages(association: &mut Association) -> Vec<Message> {
    let mut out = Vec::new();
    while let Some(event) = association.poll_event() {
        if let Event::Message(message) = event {
            out.push(message);
        }
    }
    out
}

/// Bytes that tell where they stand.
pub(crate) fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) + seed.wrapping_mul(17) + i / 251) as u8).collect()
}
