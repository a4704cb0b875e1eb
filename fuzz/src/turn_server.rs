//! A TURN server under arbitrary input: some of it authenticated, some of it from peers, some of it time passing.

use parlour_stun::attribute::{Nonce, Realm, Username};
use parlour_stun::{
    AttributeType, Class, IntegrityKey, LongTermKey, MessageWriter, Method, PasswordAlgorithm, TransactionId,
};
use parlour_turn::server::{Config, Connection, Credentials, IoRequest, Nonces, RelayAddress, RelayId, Server};
use parlour_turn::{Ecn, FiveTuple, Outbox, Transport};
use std::time::{Duration, Instant};

/// Runs one input.
pub fn turn_server(input: &[u8]) {
    let mut config = Config {
        relays: vec![
            RelayAddress { local: "198.51.100.1".parse().unwrap(), external: None },
            RelayAddress { local: "2001:db8::1".parse().unwrap(), external: None },
        ],
        ports: 50_000..=50_007,
        tcp_relay: true,
        mobility: true,
        ..Config::default()
    };
    config.peers.allow = vec!["203.0.113.0/24".parse().unwrap()];
    let mut now = Instant::now();
    let nonces = Nonces::new(&[1; 32], Duration::from_secs(3600));
    let mut state = 1u8;
    let rng = Box::new(move |bytes: &mut [u8]| {
        for byte in bytes {
            state = state.wrapping_mul(37).wrapping_add(11);
            *byte = state;
        }
    });
    let credentials = Credentials::new().user("u", "p");
    let unix = Duration::from_secs(1_000_000);
    let mut server = Server::new(now, unix, config, credentials, nonces, rng).unwrap();
    let raw = LongTermKey::new(PasswordAlgorithm::Md5, "u", "parlour", "p");
    let key = IntegrityKey::sha1(raw.as_bytes());
    let nonce = server.nonces().for_user("u", 1_000_000);
    let mut out = Outbox::default();

    let mut rest = input;
    while let Some((&[action, who, length], after)) = rest.split_first_chunk::<3>() {
        let (body, after) = after.split_at(after.len().min(length.into()));
        rest = after;
        let tuple = FiveTuple {
            transport: if who & 1 == 0 { Transport::Udp } else { Transport::Tcp },
            client: ([192, 0, 2, who & 3], 1000 + u16::from(who & 7)).into(),
            server: ([198, 51, 100, 1], 3478).into(),
        };
        match action % 8 {
            0 => server.handle_client(now, tuple, Ecn::NotCapable, body, &mut out),
            1..=4 => {
                let mut bytes = Vec::new();
                let id = TransactionId([who; 12]);
                let method = Method(u16::from(action >> 4));
                let mut writer = MessageWriter::new(&mut bytes, Class::Request, method, id);
                let mut attributes = body;
                while let Some((&[kind, length], after)) = attributes.split_first_chunk::<2>() {
                    let (value, after) = after.split_at(after.len().min(length.into()));
                    writer.put_raw(AttributeType(u16::from(kind & 0x7F) | u16::from(kind & 0x80) << 8), value);
                    attributes = after;
                }
                writer.put(&Username("u"));
                writer.put(&Realm("parlour"));
                writer.put(&Nonce(&nonce));
                writer.integrity(&key);
                if writer.finish().is_ok() {
                    server.handle_client(now, tuple, Ecn::NotCapable, &bytes, &mut out);
                }
            }
            5 => {
                let peer = ([203, 0, 113, who & 3], 4000).into();
                server.handle_peer(now, RelayId(u32::from(who >> 4)), peer, Ecn::NotCapable, body, &mut out);
                server.handle_peer_accepted(now, RelayId(u32::from(who >> 4)), peer, &mut out);
            }
            6 => {
                now += Duration::from_secs(u64::from(who) * 4);
                server.handle_timeout(now, &mut out);
            }
            _ => {
                server.handle_client_closed(tuple);
                server.handle_peer_connected(now, Connection(u32::from(who)), who & 1 == 0, &mut out);
            }
        }
        while let Some(request) = server.poll_request() {
            match request {
                IoRequest::BindRelay { relay, .. } => server.handle_relay_bound(now, relay, who & 8 == 0, &mut out),
                IoRequest::ConnectPeer { connection, .. } => {
                    server.handle_peer_connected(now, connection, who & 8 == 0, &mut out);
                }
                _ => {}
            }
        }
        out.clear();
    }
    now += Duration::from_secs(10_000);
    server.handle_timeout(now, &mut out);
    assert!(server.is_empty() && server.poll_timeout().is_none());
}
