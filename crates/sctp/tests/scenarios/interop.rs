//! Our stack beside others, in both roles, over a network that misbehaves.

use crate::{
    delay, ms,
    net::Pair,
    pattern, seconds,
    stacks::{Dcsctp, Ours, SctpProto, Stack},
};
use parlour_netsim::{LinkSpec, Loss};
use parlour_sctp::{Config, congestion::Algorithm};
use std::collections::BTreeMap;

fn links() -> Vec<(&'static str, LinkSpec)> {
    vec![
        ("perfect", delay(10)),
        ("loss", delay(10).with_loss(Loss::Random(0.03))),
        ("bursts", delay(10).with_loss(Loss::bursts(0.03, 4.0))),
        ("reordering", LinkSpec { reorder: 0.05, reorder_by: ms(15), jitter: ms(3), ..delay(10) }),
        ("duplication", LinkSpec { duplicate: 0.05, ..delay(10) }),
        (
            "all",
            LinkSpec { duplicate: 0.02, reorder: 0.02, reorder_by: ms(15), ..delay(10).with_loss(Loss::Random(0.02)) },
        ),
    ]
}

fn length(n: usize) -> usize {
    [1, 100, 1150, 5000, 20_000, 60_000][n % 6] + n
}

/// Messages both ways on several streams, ordered and not; each must come once and whole.
fn transfer<X: Stack, Y: Stack>(pair: &mut Pair<X, Y>, count: usize, what: &str) {
    let mut got = [BTreeMap::<usize, usize>::new(), BTreeMap::new()];
    let mut sent = [0; 2];
    let take = |got: &mut BTreeMap<usize, usize>, (stream, payload): (u16, bytes::Bytes)| {
        let n = (0..count)
            .find(|n| payload.len() == length(*n))
            .unwrap_or_else(|| panic!("{what}: {} bytes", payload.len()));
        assert!(payload == pattern(n, length(n)), "{what}: message {n} is damaged");
        assert_eq!(usize::from(stream), n % 5, "{what}");
        *got.entry(n).or_default() += 1;
    };
    let done = pair.run_until(seconds(300), |_, _| true);
    assert!(done);
    let start = pair.net.elapsed();
    while got.iter().any(|g| g.len() < count) {
        let now = pair.now();
        for side in 0..2 {
            let stack: &mut dyn Stack = if side == 0 { &mut pair.a } else { &mut pair.b };
            while sent[side] < count && stack.buffered(0) < 200_000 {
                let n = sent[side];
                if !stack.send(now, (n % 5) as u16, &pattern(n, length(n)).into(), n % 3 == 0) {
                    break;
                }
                sent[side] += 1;
            }
            while let Some(message) = stack.receive() {
                take(&mut got[1 - side], message);
            }
        }
        pair.run(ms(5));
        let took = pair.net.elapsed() - start;
        assert!(took < seconds(600), "{what}: {} and {} of {count} came", got[0].len(), got[1].len());
    }
    assert!(got.iter().all(|g| g.values().all(|n| *n == 1)), "{what}: each once");
}

fn config(algorithm: Algorithm) -> Config {
    Config { congestion: algorithm, ..Config::default() }
}

fn dcsctp_options(interleaving: bool, zero: bool) -> dcsctp::api::Options {
    dcsctp::api::Options {
        enable_message_interleaving: interleaving,
        max_retransmissions: None,
        zero_checksum_alternate_error_detection_method: if zero {
            dcsctp::api::ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS
        } else {
            dcsctp::api::ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_NONE
        },
        ..Default::default()
    }
}

#[test]
fn we_connect_to_dcsctp() {
    for (n, (name, link)) in links().into_iter().enumerate() {
        for interleaving in [false, true] {
            let mut pair = Pair::new(n as u64, link.clone(), link.clone(), |now| {
                (Ours::new(now, config(Algorithm::Bbr), 1), Dcsctp::new(now, &dcsctp_options(interleaving, true)))
            });
            pair.a.connect(pair.now());
            assert!(pair.run_until(seconds(30), |a, b| a.is_connected() && b.is_connected()), "{name}");
            assert_eq!(pair.a.0.interleaves(), interleaving);
            transfer(&mut pair, 60, name);
        }
    }
}

#[test]
fn dcsctp_connects_to_us() {
    for (n, (name, link)) in links().into_iter().enumerate() {
        let mut pair = Pair::new(n as u64, link.clone(), link.clone(), |now| {
            (Dcsctp::new(now, &dcsctp_options(n % 2 == 0, false)), Ours::new(now, config(Algorithm::Cubic), 2))
        });
        pair.a.connect(pair.now());
        assert!(pair.run_until(seconds(30), |a, b| a.is_connected() && b.is_connected()), "{name}");
        transfer(&mut pair, 60, name);
    }
}

#[test]
fn dcsctp_and_we_connect_at_once() {
    let mut pair = Pair::new(1, delay(10), delay(10), |now| {
        (Dcsctp::new(now, &dcsctp_options(true, true)), Ours::new(now, config(Algorithm::Bbr), 2))
    });
    let now = pair.now();
    pair.a.connect(now);
    pair.b.connect(now);
    assert!(pair.run_until(seconds(30), |a, b| a.is_connected() && b.is_connected()));
    transfer(&mut pair, 30, "at once");
}

#[test]
fn we_connect_to_sctp_proto() {
    for (n, (name, link)) in links().into_iter().enumerate() {
        let mut pair = Pair::new(n as u64, link.clone(), link.clone(), |now| {
            (Ours::new(now, config(Algorithm::Reno), 3), SctpProto::new(now))
        });
        pair.a.connect(pair.now());
        assert!(pair.run_until(seconds(30), |a, b| a.is_connected() && b.is_connected()), "{name}");
        transfer(&mut pair, 60, name);
    }
}

#[test]
fn sctp_proto_connects_to_us() {
    for (n, (name, link)) in links().into_iter().enumerate() {
        let mut pair = Pair::new(n as u64, link.clone(), link.clone(), |now| {
            (SctpProto::new(now), Ours::new(now, config(Algorithm::Bbr), 4))
        });
        pair.a.connect(pair.now());
        assert!(pair.run_until(seconds(30), |a, b| a.is_connected() && b.is_connected()), "{name}");
        transfer(&mut pair, 60, name);
    }
}

/// RFC 6525 with another implementation, in both directions: numbers start anew on both sides.
#[test]
fn streams_are_reset_with_dcsctp() {
    let mut pair = Pair::new(5, delay(10), delay(10), |now| {
        (Ours::new(now, config(Algorithm::Bbr), 5), Dcsctp::new(now, &dcsctp_options(false, true)))
    });
    pair.a.connect(pair.now());
    assert!(pair.run_until(seconds(30), |a, b| a.is_connected() && b.is_connected()));
    for round in 0..4usize {
        let payload = pattern(round, 3000).into();
        let now = pair.now();
        assert!(pair.a.send(now, 1, &payload, false), "round {round}");
        assert!(pair.b.send(now, 1, &payload, false), "round {round}");
        pair.run(ms(500));
        assert_eq!(pair.a.receive(), Some((1, payload.clone())));
        assert_eq!(pair.b.receive(), Some((1, payload)));
        pair.a.reset(1);
        pair.b.reset(1);
        pair.run(seconds(2));
        while pair.a.receive().is_some() {}
    }
}

/// RFC 8899 §4.3: the path gets smaller in the middle of a transfer, and larger again; all arrives, whoever sends.
fn shrinking<X: Stack, Y: Stack>(mut pair: Pair<X, Y>, link: &LinkSpec) {
    pair.a.connect(pair.now());
    assert!(pair.run_until(seconds(30), |a, b| a.is_connected() && b.is_connected()));
    let payload = bytes::Bytes::from(pattern(6, 60_000));
    let (mut sent, mut got) = (0, 0);
    for step in 0..600 {
        while sent < 40 && pair.a.buffered(1) < 200_000 && pair.a.send(pair.net.now(), 1, &payload, false) {
            sent += 1;
        }
        pair.run(ms(100));
        while let Some((_, message)) = pair.b.receive() {
            assert!(message == payload);
            got += 1;
        }
        match step {
            4 => pair.set_link(0, LinkSpec { mtu: 1300, ..link.clone() }),
            8 => pair.set_link(0, link.clone()),
            _ => {}
        }
        if got == 40 {
            return;
        }
    }
    panic!("{got} of {sent} came");
}

#[test]
fn others_get_everything_over_a_path_that_shrinks_and_we_from_them() {
    let link = LinkSpec::bottleneck(20, ms(10), 100);
    let ours = |now| Ours::new(now, config(Algorithm::Bbr), 6);
    let dcsctp = |now| Dcsctp::new(now, &dcsctp_options(true, true));
    let (there, back) = (link.clone(), link.clone());
    shrinking(Pair::new(6, there.clone(), back.clone(), |now| (ours(now), dcsctp(now))), &link);
    shrinking(Pair::new(7, there.clone(), back.clone(), |now| (dcsctp(now), ours(now))), &link);
    shrinking(Pair::new(8, there.clone(), back.clone(), |now| (ours(now), SctpProto::new(now))), &link);
    shrinking(Pair::new(9, there, back, |now| (SctpProto::new(now), ours(now))), &link);
}
