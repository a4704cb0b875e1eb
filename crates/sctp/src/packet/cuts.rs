//! Chunks, parameters and causes that end too early, at every byte: with a length that does not fit what is there, and with one that does.

use super::*;
use crate::{StreamId, Tsn};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

fn data(placement: Placement) -> Vec<u8> {
    let data = Data {
        tsn: Tsn(4),
        stream: StreamId(7),
        placement,
        ppid: 51,
        begin: true,
        end: true,
        unordered: false,
        immediate: false,
        payload: b"hello",
    };
    written(|out| data.write(out))
}

fn init(kind: InitKind) -> Vec<u8> {
    let support = Support { forward_tsn: true, reconfig: true, interleaving: true, zero_checksum: true };
    let cookie = (kind == InitKind::Ack).then_some(&[9u8; 10][..]);
    let init = Init { kind, tag: 7, window: 9, outgoing: 3, incoming: 4, tsn: Tsn(1), support, cookie };
    written(|out| init.write(&[Parameter { kind: 0xc123, value: &[1, 2, 3] }], out))
}

fn sack() -> Vec<u8> {
    let block = GapBlock { start: 2, end: 5 };
    written(|out| Sack::write(out, Tsn(1), 5, [block, block].into_iter(), &[Tsn(8)]))
}

fn forward(interleaved: bool) -> Vec<u8> {
    let stream = StreamId(1);
    let entry = match interleaved {
        true => Skipped::Message { stream, unordered: true, mid: 4 },
        false => Skipped::Stream { stream, ssn: 4 },
    };
    written(|out| ForwardTsn::write(interleaved, Tsn(4), &[entry, entry], out))
}

fn resets() -> Vec<Reset<'static>> {
    let streams = StreamList::new(&[0, 1, 0, 3]);
    vec![
        Reset::Outgoing { request: 1, response: 2, last_tsn: Tsn(3), streams },
        Reset::Incoming { request: 1, streams },
        Reset::All { request: 4 },
        Reset::Response { response: 2, result: ResetResult::Performed },
        Reset::AddStreams { request: 9, count: 12, incoming: true },
        Reset::AddStreams { request: 9, count: 12, incoming: false },
    ]
}

/// One of each cause.
pub(super) fn causes() -> Vec<Cause<'static>> {
    vec![
        Cause::InvalidStream(StreamId(9)),
        Cause::MissingParameters(&[0, 0, 0, 1, 0, 7]),
        Cause::StaleCookie(12),
        Cause::OutOfResource,
        Cause::UnresolvableAddress(&[1, 2, 3, 4]),
        Cause::UnrecognizedChunk(&[0x77, 0, 0, 4]),
        Cause::InvalidParameter,
        Cause::UnrecognizedParameters(&[0xc1, 0, 0, 4]),
        Cause::NoUserData(Tsn(3)),
        Cause::CookieWhileShuttingDown,
        Cause::RestartWithNewAddresses(&[5; 8]),
        Cause::UserInitiated(b"bye"),
        Cause::ProtocolViolation(b"why?"),
        Cause::Unknown(Parameter { kind: 99, value: &[1] }),
    ]
}

/// One of each chunk of a data channel association.
fn chunks() -> Vec<Vec<u8>> {
    let mut all = vec![
        data(Placement::Stream { ssn: 3 }),
        data(Placement::Message { mid: 3, fsn: 0 }),
        init(InitKind::Init),
        init(InitKind::Ack),
        sack(),
        forward(false),
        forward(true),
        written(|out| ReConfig::write(&resets()[..2], out)),
        written(|out| ErrorChunk::write(&causes(), out)),
        written(|out| Abort::write(true, &causes(), out)),
    ];
    for ack in [false, true] {
        all.push(written(|out| Heartbeat { ack, info: b"12345" }.write(out)));
    }
    let controls = [
        Control::CookieEcho(b"a cookie"),
        Control::CookieAck,
        Control::Shutdown(Tsn(5)),
        Control::ShutdownAck,
        Control::ShutdownComplete { reflected: true },
        Control::Pad(10),
    ];
    all.extend(controls.map(|control| written(|out| control.write(out))));
    all
}

/// Whether a chunk with the first `len` bytes of the value of `chunk`, and a length that says so, passes `good`, for each `len` that is too short.
fn shorter(chunk: &[u8], good: impl Fn(&RawChunk<'_>) -> bool) -> Vec<bool> {
    let whole = Chunks::new(chunk).next().unwrap().unwrap();
    assert!(good(&whole));
    (0..whole.value.len()).map(|len| good(&RawChunk { value: &whole.value[..len], ..whole })).collect()
}

/// The lengths at which [`shorter`] passes.
fn passes(chunk: &[u8], good: impl Fn(&RawChunk<'_>) -> bool) -> Vec<usize> {
    shorter(chunk, good).iter().enumerate().filter(|(_, good)| **good).map(|(len, _)| len).collect()
}

/// RFC 9260 §3.2: a chunk that ends before its length is none.
#[test]
fn chunks_that_end_before_their_length_are_refused() {
    for chunk in chunks() {
        let length = usize::from(u16::from_be_bytes([chunk[2], chunk[3]]));
        for cut in 1..length {
            assert!(matches!(Chunks::new(&chunk[..cut]).next(), Some(Err(_))), "{chunk:?} cut at {cut}");
        }
        assert!(Chunks::new(&chunk[..length]).next().unwrap().is_ok(), "the padding may be missing");
    }
}

/// RFC 9260 §3.3.1, RFC 8260 §2.1: at least one byte of user data.
#[test]
fn data_needs_its_header_and_a_byte() {
    let good = |chunk: &RawChunk<'_>| Data::parse(chunk).is_ok();
    assert_eq!(passes(&data(Placement::Stream { ssn: 3 }), good), [13, 14, 15, 16]);
    assert_eq!(passes(&data(Placement::Message { mid: 3, fsn: 0 }), good), [17, 18, 19, 20]);
}

/// RFC 9260 §3.3.2: the fixed part, then whole parameters.
#[test]
fn inits_end_where_a_parameter_ends() {
    for kind in [InitKind::Init, InitKind::Ack] {
        let bytes = init(kind);
        let whole = Chunks::new(&bytes).next().unwrap().unwrap();
        let mut ends = vec![16];
        let mut at = 16;
        while at < whole.value.len() {
            let length = usize::from(u16::from_be_bytes([whole.value[at + 2], whole.value[at + 3]]));
            // With or without its padding.
            ends.extend(at + length..=(at + padded(length)).min(whole.value.len()));
            at += padded(length);
        }
        ends.retain(|end| *end < whole.value.len());
        assert_eq!(passes(&bytes, |chunk| Init::parse(chunk, |_| {}).is_ok()), ends);
    }
}

/// RFC 9260 §3.3.4: as many blocks and doubles as it says.
#[test]
fn sacks_have_all_that_they_announce() {
    assert_eq!(passes(&sack(), |chunk| Sack::parse(chunk).is_ok()), []);
}

/// RFC 3758 §3.2, RFC 8260 §2.3.1: whole entries.
#[test]
fn forward_tsns_have_whole_entries() {
    let good = |chunk: &RawChunk<'_>| ForwardTsn::parse(chunk).is_ok();
    assert_eq!(passes(&forward(false), good), [4, 8]);
    assert_eq!(passes(&forward(true), good), [4, 12]);
}

/// RFC 9260 §3.3.5, §3.3.8: heartbeats and SHUTDOWN have one field, all of it. The others have none, or bytes that only their sender knows.
#[test]
fn control_chunks_have_their_fields() {
    for ack in [false, true] {
        let heartbeat = written(|out| Heartbeat { ack, info: b"12345" }.write(out));
        assert_eq!(passes(&heartbeat, |chunk| Heartbeat::parse(chunk).is_ok()), [9, 10, 11], "without padding");
    }
    let good = |chunk: &RawChunk<'_>| matches!(Control::parse(chunk), Some(Ok(_)));
    assert_eq!(passes(&written(|out| Control::Shutdown(Tsn(5)).write(out)), good), []);
    for control in [Control::CookieEcho(b"a cookie"), Control::Pad(10)] {
        assert!(shorter(&written(|out| control.write(out)), good).iter().all(|good| *good));
    }
}

/// RFC 6525 §4: no parameter shorter than its fields, whatever its length says. Lists of streams may be empty.
#[test]
fn reset_parameters_have_their_fields() {
    let fields = [12, 4, 4, 8, 6, 6];
    for (reset, fields) in resets().into_iter().zip(fields) {
        let bytes = written(|out| ReConfig::write(&[reset], out));
        let good = |chunk: &RawChunk<'_>| ReConfig::parse(chunk).parameters().all(|p| p.is_ok());
        let passes = passes(&bytes, good);
        let length = usize::from(u16::from_be_bytes([bytes[6], bytes[7]]));
        assert!(passes.iter().all(|len| *len == 0 || *len >= length), "{reset:?}: {passes:?}");
        for len in 0..length - 4 {
            let mut bytes = bytes[4..].to_vec();
            bytes[2..4].copy_from_slice(&(len as u16 + 4).to_be_bytes());
            let chunk = RawChunk { kind: ReConfig::KIND, flags: 0, value: &bytes[..4 + len] };
            assert_eq!(good(&chunk), len >= fields, "{reset:?} with {len} bytes");
        }
    }
}

/// RFC 9260 §3.3.10: the same of causes, in ERROR and ABORT.
#[test]
fn causes_have_their_fields() {
    for cause in causes() {
        let fields = match cause {
            Cause::InvalidStream(_) => 2,
            Cause::StaleCookie(_) | Cause::NoUserData(_) => 4,
            _ => 0,
        };
        let bytes = written(|out| cause.write(out));
        let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let good = |value: &[u8]| {
            let error = RawChunk { kind: ErrorChunk::KIND, flags: 0, value };
            let abort = RawChunk { kind: Abort::KIND, ..error };
            let both = [ErrorChunk::parse(&error).causes(), Abort::parse(&abort).causes()];
            let both = both.map(|mut causes| causes.all(|cause| cause.is_ok()));
            assert_eq!(both[0], both[1]);
            both[0]
        };
        for cut in 1..length {
            assert!(!good(&bytes[..cut]), "{cause:?} cut at {cut}");
        }
        for len in 0..length - 4 {
            let mut bytes = bytes.clone();
            bytes[2..4].copy_from_slice(&(len as u16 + 4).to_be_bytes());
            assert_eq!(good(&bytes[..4 + len]), len >= fields, "{cause:?} with {len} bytes");
        }
    }
}
