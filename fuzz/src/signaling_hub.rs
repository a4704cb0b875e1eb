//! Three clients do whatever the input says: lines of text that begin with what to do and for whom. The hub must not panic, must number events without a gap,
//! and must forget everything when all are gone.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use parlour_signaling::{ConnId, Frame, Hub, HubConfig, Now};

/// Runs one input.
pub fn signaling_hub(data: &[u8]) {
    let mut seed = 1u8;
    let mut hub = Hub::new(
        HubConfig { ring_events: 8, burst: 20, max_peers: 3, ..HubConfig::default() },
        Box::new(move |bytes| {
            for byte in bytes {
                seed = seed.wrapping_mul(5).wrapping_add(3);
                *byte = seed >> 3;
            }
        }),
    );
    let start = Instant::now();
    let mut elapsed = Duration::ZERO;
    let mut conns = [ConnId(0), ConnId(1), ConnId(2)];
    let mut next_conn = 3;
    let mut last_seq: HashMap<ConnId, u64> = HashMap::new();
    let now =
        |elapsed: Duration| Now { instant: start + elapsed, unix_ms: 1_800_000_000_000 + elapsed.as_millis() as u64 };
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for conn in conns {
        hub.open(now(elapsed), conn, local);
        hub.handle_message(now(elapsed), conn, r#"{"t":"hello","v":1,"room":"r"}"#);
    }
    for line in data.split(|byte| *byte == b'\n') {
        let Some((verb, rest)) = line.split_first() else { continue };
        let who = usize::from(verb & 3) % conns.len();
        match (verb >> 2) & 7 {
            0 => hub.handle_close(now(elapsed), conns[who]),
            1 => {
                conns[who] = ConnId(next_conn);
                next_conn += 1;
                hub.open(now(elapsed), conns[who], local);
            }
            2 => {
                elapsed += Duration::from_millis(u64::from(rest.first().copied().unwrap_or(0)) * 200);
                hub.handle_timeout(now(elapsed));
            }
            3 => hub.overflowed(now(elapsed), conns[who]),
            _ => {
                if let Ok(text) = std::str::from_utf8(rest) {
                    hub.handle_message(now(elapsed), conns[who], text);
                }
            }
        }
        while let Some(transmit) = hub.poll_transmit() {
            let Frame::Text(text) = transmit.frame else { continue };
            let Some(seq) = text.seq() else {
                // A welcome may start the numbers of this connection elsewhere.
                last_seq.remove(&transmit.conn);
                continue;
            };
            let last = last_seq.insert(transmit.conn, seq);
            assert!(last.is_none_or(|last| seq == last + 1), "a gap between {last:?} and {seq}");
        }
        while hub.poll_event().is_some() {}
    }
    let state = hub.snapshot();
    let mut again = Hub::new(HubConfig::default(), Box::new(|bytes| bytes.fill(0)));
    again.restore(now(elapsed), state);
    elapsed += Duration::from_secs(60);
    hub.handle_timeout(now(elapsed));
    elapsed += Duration::from_secs(60);
    hub.handle_timeout(now(elapsed));
    elapsed += Duration::from_secs(600);
    hub.handle_timeout(now(elapsed));
    assert_eq!((hub.room_count(), hub.session_count(), hub.connection_count()), (0, 0, 0));
}
