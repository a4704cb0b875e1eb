//! Every reader of SCTP packets and chunks, on arbitrary bytes.

use parlour_sctp::packet::{
    Abort, Cause, Chunks, Control, Data, ErrorChunk, ForwardTsn, Heartbeat, Init, Packet, RawChunk, ReConfig, Reset,
    Sack,
};

fn read(chunk: &RawChunk<'_>) {
    let _ = (Data::parse(chunk), Data::tsn_of(chunk), Control::parse(chunk), chunk.unknown_action());
    let _ = Init::parse(chunk, |p| _ = Cause::parse(p));
    if let Ok(sack) = Sack::parse(chunk) {
        let _ = (sack.blocks().count(), sack.double_tsns().count());
    }
    if let Ok(heartbeat) = Heartbeat::parse(chunk) {
        let mut out = Vec::new();
        heartbeat.write(&mut out);
    }
    let _ = (Abort::parse(chunk).causes().count(), ErrorChunk::parse(chunk).causes().count());
    if let Ok(forward) = ForwardTsn::parse(chunk) {
        let _ = forward.skipped().count();
    }
    for reset in ReConfig::parse(chunk).parameters().flatten() {
        if let Reset::Outgoing { streams, .. } = reset {
            let _ = streams.iter().count();
        }
    }
    if let (0 | 64, Ok(data)) = (chunk.kind, Data::parse(chunk)) {
        let mut out = Vec::new();
        data.write(&mut out);
        let again = Chunks::new(&out).next().unwrap().unwrap();
        assert_eq!(Data::parse(&again), Ok(data));
    }
}

/// Runs one input.
pub fn sctp_packet(input: &[u8]) {
    if let Ok(packet) = Packet::parse(input, true) {
        packet.chunks().flatten().for_each(|chunk| read(&chunk));
    }
    Chunks::new(input).flatten().for_each(|chunk| read(&chunk));
}
