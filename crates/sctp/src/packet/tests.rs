//! Each chunk survives writing and reading, and nothing that is cut short or garbled does harm.

use super::cuts::causes;
use super::*;
use crate::{StreamId, Tsn};
use proptest::prelude::*;

fn packet(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    let start = out.len();
    Header { source_port: 5000, destination_port: 5000, verification_tag: 0x1234_5678 }.write(&mut out);
    write(&mut out);
    seal(&mut out, start);
    out.split_off(start)
}

/// Writes one chunk into a packet, checks its frame, and hands the chunk to `check`.
fn one(write: impl FnOnce(&mut Vec<u8>), check: impl FnOnce(&RawChunk<'_>)) {
    let bytes = packet(write);
    assert_eq!(bytes.len() % 4, 0, "RFC 9260 §3.2: padded");
    let packet = Packet::parse(&bytes, false).unwrap();
    assert_eq!(packet.header.verification_tag, 0x1234_5678);
    let chunks: Vec<_> = packet.chunks().collect::<Result<_, _>>().unwrap();
    assert_eq!(chunks.len(), 1);
    check(&chunks[0]);
}

/// Reads everything in a packet, however garbled.
fn read_all(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes, true) else { return };
    for chunk in packet.chunks().flatten() {
        let _ = (Data::parse(&chunk), Data::tsn_of(&chunk), chunk.unknown_action());
        let _ = Init::parse(&chunk, |p| {
            let _ = Cause::parse(p);
        });
        if let Ok(sack) = Sack::parse(&chunk) {
            let _ = (sack.blocks().count(), sack.double_tsns().count());
        }
        let _ = (Control::parse(&chunk), Heartbeat::parse(&chunk));
        let _ = (Abort::parse(&chunk).causes().count(), ErrorChunk::parse(&chunk).causes().count());
        if let Ok(forward) = ForwardTsn::parse(&chunk) {
            let _ = forward.skipped().count();
        }
        for reset in ReConfig::parse(&chunk).parameters().flatten() {
            if let Reset::Outgoing { streams, .. } = reset {
                let _ = streams.iter().count();
            }
        }
    }
}

/// RFC 3720 §B.4: 32 zero bytes, and 32 bytes of ones.
#[test]
fn the_checksum_is_crc32c() {
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
}

/// RFC 9260 §6.8, RFC 9653 §5.3.
#[test]
fn a_wrong_checksum_is_refused_and_zero_only_where_agreed() {
    let mut bytes = packet(|out| Control::CookieAck.write(out));
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert_eq!(Packet::parse(&bytes, true).err(), Some(ParseError::Checksum), "byte {at}");
        bytes[at] ^= 1;
    }
    bytes[8..12].fill(0);
    assert!(Packet::parse(&bytes, true).unwrap().zero_checksum);
    assert_eq!(Packet::parse(&bytes, false).err(), Some(ParseError::Checksum));
}

#[test]
fn inits_survive_with_all_that_they_support() {
    for bits in 0..16 {
        let support = Support {
            forward_tsn: bits & 1 != 0,
            reconfig: bits & 2 != 0,
            interleaving: bits & 4 != 0,
            zero_checksum: bits & 8 != 0,
        };
        for (kind, cookie) in [(InitKind::Init, None), (InitKind::Ack, Some(&b"cookie!"[..]))] {
            let init = Init {
                kind,
                tag: 7,
                window: 1 << 20,
                outgoing: 3,
                incoming: 65535,
                tsn: Tsn(u32::MAX),
                support,
                cookie,
            };
            one(|out| init.write(&[], out), |chunk| assert_eq!(Init::parse(chunk, |_| panic!()), Ok(init)));
        }
    }
}

/// RFC 9260 §3.3.2: none of these may be zero.
#[test]
fn inits_with_a_zero_are_refused() {
    let good = Init {
        kind: InitKind::Init,
        tag: 7,
        window: 9,
        outgoing: 3,
        incoming: 4,
        tsn: Tsn(0),
        support: Support::default(),
        cookie: None,
    };
    for bad in [Init { tag: 0, ..good }, Init { outgoing: 0, ..good }, Init { incoming: 0, ..good }] {
        one(
            |out| bad.write(&[], out),
            |chunk| assert!(matches!(Init::parse(chunk, |_| {}), Err(ParseError::Value(_, 0)))),
        );
    }
}

/// RFC 9260 §3.2.1: the two highest bits say what to do with an unknown parameter.
#[test]
fn unknown_parameters_are_skipped_stopped_at_and_reported_as_they_ask() {
    let init = |kinds: &[u16]| {
        let mut value = vec![0, 0, 0, 7, 0, 0, 4, 0, 0, 1, 0, 1, 0, 0, 0, 9];
        for kind in kinds {
            Parameter::write(&mut value, *kind, |out| out.push(1));
        }
        Parameter::write(&mut value, 0xc000, |_| {});
        let mut reported = Vec::new();
        let chunk = RawChunk { kind: Init::INIT, flags: 0, value: &value };
        let init = Init::parse(&chunk, |p| reported.push(p.kind)).unwrap();
        (init.support.forward_tsn, reported)
    };
    assert_eq!(init(&[0x8123]), (true, vec![]), "skip");
    assert_eq!(init(&[0xc123]), (true, vec![0xc123]), "skip and report");
    assert_eq!(init(&[0x0123]), (false, vec![]), "stop");
    assert_eq!(init(&[0x4123, 0xc123]), (false, vec![0x4123]), "stop and report");
}

/// The value of `a=sctp-init` that Chromium 156 offers (an INIT chunk, base64 `AQAAHmzPtB8AUAAA/////7T7bBDAAAAEgAgABoLA`).
#[test]
fn chromiums_init_is_understood() {
    let bytes = [
        1, 0, 0, 0x1e, 0x6c, 0xcf, 0xb4, 0x1f, 0, 0x50, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xb4, 0xfb, 0x6c, 0x10, 0xc0, 0,
        0, 4, 0x80, 8, 0, 6, 0x82, 0xc0,
    ];
    let chunk = Chunks { rest: &bytes }.next().unwrap().unwrap();
    let init = Init::parse(&chunk, |_| panic!()).unwrap();
    assert_eq!((init.tag, init.window, init.outgoing, init.incoming), (0x6ccf_b41f, 5 << 20, 65535, 65535));
    let expected = Support { forward_tsn: true, reconfig: true, interleaving: false, zero_checksum: false };
    assert_eq!(init.support, expected);
}

#[test]
fn every_cause_survives_in_errors_and_aborts() {
    let causes = causes();
    one(
        |out| ErrorChunk::write(&causes, out),
        |chunk| assert_eq!(ErrorChunk::parse(chunk).causes().collect::<Result<Vec<_>, _>>().unwrap(), causes),
    );
    for reflected in [false, true] {
        one(
            |out| Abort::write(reflected, &causes, out),
            |chunk| {
                let abort = Abort::parse(chunk);
                assert_eq!(abort.reflected, reflected);
                assert_eq!(abort.causes().collect::<Result<Vec<_>, _>>().unwrap(), causes);
            },
        );
    }
}

#[test]
fn control_chunks_survive() {
    let all = [
        Control::CookieEcho(b"a cookie"),
        Control::CookieAck,
        Control::Shutdown(Tsn(5)),
        Control::ShutdownAck,
        Control::ShutdownComplete { reflected: true },
        Control::ShutdownComplete { reflected: false },
        Control::Pad(100),
    ];
    for control in all {
        one(|out| control.write(out), |chunk| assert_eq!(Control::parse(chunk), Some(Ok(control))));
    }
    for ack in [false, true] {
        let heartbeat = Heartbeat { ack, info: b"12345" };
        one(|out| heartbeat.write(out), |chunk| assert_eq!(Heartbeat::parse(chunk), Ok(heartbeat)));
    }
}

#[test]
fn resets_survive() {
    let streams = StreamList::new(&[0, 1, 0, 3]);
    let all = [
        Reset::Outgoing { request: 1, response: 2, last_tsn: Tsn(3), streams },
        Reset::Incoming { request: 1, streams: StreamList::new(&[]) },
        Reset::All { request: 4 },
        Reset::Response { response: 2, result: ResetResult::InProgress },
        Reset::AddStreams { request: 9, count: 12, incoming: true },
        Reset::AddStreams { request: 9, count: 12, incoming: false },
    ];
    for pair in all.windows(2) {
        one(
            |out| ReConfig::write(pair, out),
            |chunk| assert_eq!(ReConfig::parse(chunk).parameters().collect::<Result<Vec<_>, _>>().unwrap(), pair),
        );
    }
    assert_eq!(streams.iter().collect::<Vec<_>>(), [StreamId(1), StreamId(3)]);
}

/// RFC 9260 §3.2: the last chunk's padding may be missing, a wrong length spoils only what follows.
#[test]
fn chunk_lengths_are_held_against_the_packet() {
    let walk = |bytes: &[u8]| Chunks { rest: bytes }.map(|c| c.map(|c| c.value.len())).collect::<Vec<_>>();
    assert_eq!(walk(&[11, 0, 0, 4, 10, 0, 0, 5, 1]), [Ok(0), Ok(1)]);
    assert_eq!(walk(&[11, 0, 0, 4, 10, 0, 0, 3, 1]), [Ok(0), Err(ParseError::Length("a chunk", 3))]);
    assert_eq!(walk(&[10, 0, 0, 9, 1, 2, 3, 4]), [Err(ParseError::Length("a chunk", 9))]);
    assert_eq!(walk(&[10, 0, 0]), [Err(ParseError::Truncated("a chunk header"))]);
}

fn a_full_packet() -> Vec<u8> {
    packet(|out| {
        let support = Support { forward_tsn: true, reconfig: true, interleaving: true, zero_checksum: true };
        let cookie = Some(&[9u8; 40][..]);
        Init { kind: InitKind::Ack, tag: 7, window: 9, outgoing: 3, incoming: 4, tsn: Tsn(1), support, cookie }
            .write(&[], out);
        let block = GapBlock { start: 2, end: 5 };
        Sack::write(out, Tsn(1), 5, [block, block].into_iter(), &[Tsn(8)]);
        Heartbeat { ack: true, info: b"123" }.write(out);
        ErrorChunk::write(&[Cause::StaleCookie(1), Cause::ProtocolViolation(b"x")], out);
        let skipped = [Skipped::Message { stream: StreamId(1), unordered: true, mid: 4 }];
        ForwardTsn::write(true, Tsn(4), &skipped, out);
        ReConfig::write(&[Reset::Incoming { request: 1, streams: StreamList::new(&[0, 1]) }], out);
        data(Placement::Message { mid: 1, fsn: 2 }, b"hello", true).write(out);
        Abort::write(true, &[Cause::UserInitiated(b"x")], out);
    })
}

fn data(placement: Placement, payload: &[u8], begin: bool) -> Data<'_> {
    Data {
        tsn: Tsn(4),
        stream: StreamId(7),
        placement,
        ppid: 51,
        begin,
        end: true,
        unordered: false,
        immediate: true,
        payload,
    }
}

/// Cut at every byte, and with every byte changed: read without harm. The checksum is left out, as behind DTLS.
#[test]
fn garbled_packets_do_no_harm() {
    let mut bytes = a_full_packet();
    bytes[8..12].fill(0);
    for len in 0..bytes.len() {
        read_all(&bytes[..len]);
    }
    for at in 12..bytes.len() {
        for value in [0, 1, 3, 0x7f, 0x80, 0xff] {
            let old = std::mem::replace(&mut bytes[at], value);
            read_all(&bytes);
            bytes[at] = old;
        }
    }
}

proptest! {
    #[test]
    fn data_survives(
        tsn: u32, stream: u16, ppid: u32, flags in 0u8..16, interleaved: bool, ssn: u16, mid: u32, fsn: u32,
        payload in proptest::collection::vec(any::<u8>(), 1..100),
    ) {
        let begin = flags & 1 != 0;
        let placement = if interleaved {
            Placement::Message { mid, fsn: if begin { 0 } else { fsn } }
        } else {
            Placement::Stream { ssn }
        };
        let data = Data {
            tsn: Tsn(tsn),
            stream: StreamId(stream),
            placement,
            ppid: if interleaved && !begin { 0 } else { ppid },
            begin,
            end: flags & 2 != 0,
            unordered: flags & 4 != 0,
            immediate: flags & 8 != 0,
            payload: &payload,
        };
        one(|out| data.write(out), |chunk| assert_eq!(Data::parse(chunk), Ok(data)));
    }

    #[test]
    fn sacks_survive(tsn: u32, window: u32, blocks in proptest::collection::vec((1u16.., 1u16..), 0..50), doubles in proptest::collection::vec(any::<u32>(), 0..20)) {
        let blocks: Vec<GapBlock> = blocks.into_iter().map(|(start, end)| GapBlock { start, end }).collect();
        let doubles: Vec<Tsn> = doubles.into_iter().map(Tsn).collect();
        one(|out| Sack::write(out, Tsn(tsn), window, blocks.iter().copied(), &doubles), |chunk| {
            let sack = Sack::parse(chunk).unwrap();
            assert_eq!((sack.cumulative, sack.window), (Tsn(tsn), window));
            assert_eq!(sack.blocks().collect::<Vec<_>>(), blocks);
            assert_eq!(sack.double_tsns().collect::<Vec<_>>(), doubles);
        });
    }

    #[test]
    fn forward_tsns_survive(tsn: u32, entries in proptest::collection::vec((any::<u16>(), any::<u16>(), any::<u32>(), any::<bool>()), 0..20), interleaved: bool) {
        let skipped: Vec<Skipped> = entries.into_iter().map(|(stream, ssn, mid, unordered)| {
            let stream = StreamId(stream);
            if interleaved { Skipped::Message { stream, unordered, mid } } else { Skipped::Stream { stream, ssn } }
        }).collect();
        one(|out| ForwardTsn::write(interleaved, Tsn(tsn), &skipped, out), |chunk| {
            let forward = ForwardTsn::parse(chunk).unwrap();
            assert_eq!(forward.cumulative, Tsn(tsn));
            assert_eq!(forward.skipped().collect::<Vec<_>>(), skipped);
        });
    }

    #[test]
    fn random_bytes_do_no_harm(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(field) = bytes.get_mut(8..12) {
            field.fill(0);
        }
        read_all(&bytes);
    }
}
