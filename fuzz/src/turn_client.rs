//! A TURN client whose server is hostile: answers carry the right transaction, and anything else.

use parlour_stun::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};
use parlour_turn::client::{Client, Config};
use std::time::{Duration, Instant};

/// Runs one input.
pub fn turn_client(input: &[u8]) {
    let mut now = Instant::now();
    let mut state = 1u8;
    let rng = Box::new(move |bytes: &mut [u8]| {
        for byte in bytes {
            state = state.wrapping_mul(37).wrapping_add(11);
            *byte = state;
        }
    });
    let mut config = Config::new(([198, 51, 100, 1], 3478).into(), "u", "p");
    config.mobility = true;
    let mut client = Client::new(now, config, rng);
    let mut last: Option<(Method, TransactionId)> = None;
    let mut rest = input;
    while let Some((&[action, length], after)) = rest.split_first_chunk::<2>() {
        let (body, after) = after.split_at(after.len().min(length.into()));
        rest = after;
        let mut out = Vec::new();
        while client.poll_transmit(&mut out) {
            if let Ok(request) = Message::parse(&out) {
                last = Some((request.method(), request.transaction_id()));
            }
            out.clear();
        }
        let peer = ([203, 0, 113, action & 3], 4000).into();
        match (action >> 2 & 7, last) {
            (0, _) => drop(client.handle_message(now, body)),
            (1..=4, Some((method, id))) => {
                let class = if action & 1 == 0 { Class::Success } else { Class::Error };
                let mut bytes = Vec::new();
                let mut writer = MessageWriter::new(&mut bytes, class, method, id);
                let mut attributes = body;
                while let Some((&[kind, length], after)) = attributes.split_first_chunk::<2>() {
                    let (value, after) = after.split_at(after.len().min(length.into()));
                    writer.put_raw(AttributeType(u16::from(kind & 0x7F) | u16::from(kind & 0x80) << 8), value);
                    attributes = after;
                }
                if writer.finish().is_ok() {
                    let _ = client.handle_message(now, &bytes);
                }
            }
            (5, _) => client.bind_channel(now, peer),
            (6, _) => {
                let _ = client.send(peer, body, &mut out);
                client.network_changed(now);
            }
            _ => {
                now += Duration::from_millis(u64::from(action) * 100);
                client.handle_timeout(now);
            }
        }
        while client.poll_event().is_some() {}
    }
}
