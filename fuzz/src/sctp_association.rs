//! Data channels under arbitrary packets from a peer that is connected, calls of the program, and time passing.

use parlour_sctp::{
    ChannelEvent, ChannelOptions, Config, DataChannels, Payload, Reliability, Role, Tsn,
    packet::{Chunks, Header, Init, InitKind, Support},
};
use std::time::{Duration, Instant};

/// Runs one input.
pub fn sctp_association(input: &[u8]) {
    let Some((&[choice], mut rest)) = input.split_first_chunk::<1>() else { return };
    let mut now = Instant::now();
    let config = Config {
        receive_buffer: 100_000,
        max_message_size: 200_000,
        max_retransmissions: Some(6),
        ..Config::default()
    };
    let mut channels = DataChannels::new(now, config, [choice; 32]);
    let ours = channels.local_init();
    let chunk = Chunks::new(&ours).next().unwrap().unwrap();
    let tag = Init::parse(&chunk, |_| {}).unwrap().tag;
    let support = Support {
        forward_tsn: choice & 1 == 0,
        reconfig: choice & 2 == 0,
        interleaving: choice & 4 == 0,
        zero_checksum: choice & 8 == 0,
    };
    let mut theirs = Vec::new();
    let init = Init {
        kind: InitKind::Init,
        tag: 7,
        window: 50_000,
        outgoing: 99,
        incoming: 99,
        tsn: Tsn(1),
        support,
        cookie: None,
    };
    init.write(&[], &mut theirs);
    channels.connect_with(now, if choice & 16 == 0 { Role::Client } else { Role::Server }, &theirs).unwrap();
    let mut known = Vec::new();
    let mut out = Vec::new();
    while let Some((&[action, length], after)) = rest.split_first_chunk::<2>() {
        let (body, after) = after.split_at(after.len().min(length.into()));
        rest = after;
        match action % 8 {
            // Chunks as they come, in a packet with the right tag; a checksum of zero passes.
            0..=3 => {
                let mut packet = Vec::new();
                Header { source_port: 5000, destination_port: 5000, verification_tag: tag }.write(&mut packet);
                packet.extend_from_slice(body);
                channels.handle_datagram(now, &packet);
            }
            4 => channels.handle_datagram(now, body),
            5 => {
                let reliability = match length % 3 {
                    0 => Reliability::Reliable,
                    1 => Reliability::Retransmissions(u16::from(length)),
                    _ => Reliability::Lifetime(Duration::from_millis(length.into())),
                };
                let options = ChannelOptions { reliability, ordered: action & 64 == 0, ..ChannelOptions::default() };
                known.extend(channels.open(now, options));
            }
            6 => {
                if let Some(channel) = known.get(usize::from(length) % known.len().max(1)) {
                    if action & 64 == 0 {
                        let _ = channels.send(now, *channel, Payload::Binary(vec![1; usize::from(length) * 50].into()));
                    } else {
                        let _ = channels.close(*channel);
                    }
                }
            }
            _ => {
                now += Duration::from_millis(u64::from(length) * 3);
                channels.handle_timeout(now);
            }
        }
        let mut packets = 0;
        loop {
            out.clear();
            if channels.poll_transmit(now, &mut out).is_none() {
                break;
            }
            packets += 1;
            assert!(packets < 10_000, "it sends without end");
        }
        while let Some(event) = channels.poll_event() {
            if let ChannelEvent::Announced(channel) = event {
                known.push(channel);
            }
        }
    }
}
