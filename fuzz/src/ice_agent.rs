//! Two agents, and somebody on the path who does with each packet what the input says: passes it on, drops it, changes
//! or cuts it, repeats it, makes it come from elsewhere, or forges one with the right password. Neither agent may panic
//! or remember more than it should.

use parlour_ice::{Agent, Candidate, Config, Meta, Options, Parameters, Role, Socket, Via};
use parlour_netsim::Rng;
use parlour_stun::{AttributeType, Class, IntegrityKey, MessageWriter, Method, TransactionId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

fn agent(role: Role, seed: u64) -> Agent {
    let mut rng = Rng::new(seed);
    let config = Config { role, sped: true, tcp: true, ..Config::default() };
    Agent::new(config, Box::new(move |bytes| rng.fill(bytes)))
}

fn address(n: u8) -> SocketAddr {
    ([203, 0, 113, n], 4000 + u16::from(n)).into()
}

/// A message of any class and attributes, signed as the peer would sign it.
fn forge(to: &Parameters, from: &Parameters, body: &[u8]) -> Option<Vec<u8>> {
    let (&[class, id], mut rest) = body.split_first_chunk::<2>()?;
    let class = [Class::Request, Class::Indication, Class::Success, Class::Error][usize::from(class & 3)];
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::new(&mut bytes, class, Method::BINDING, TransactionId([id; 12]));
    writer.put(&parlour_stun::attribute::Username(&format!("{}:{}", to.ufrag, from.ufrag)));
    while let Some((&[kind, length], after)) = rest.split_first_chunk::<2>() {
        let (value, after) = after.split_at(after.len().min(length.into()));
        let high = [0x0000, 0x8000, 0xC000, 0x0000][usize::from(kind >> 6)];
        writer.put_raw(AttributeType(high | u16::from(kind & 0x3F)), value);
        rest = after;
    }
    let password = if class == Class::Request { &to.pwd } else { &from.pwd };
    writer.integrity(&IntegrityKey::short_term(password).ok()?);
    writer.fingerprint();
    writer.finish().ok()?;
    Some(bytes)
}

/// Runs one input.
pub fn ice_agent(input: &[u8]) {
    let mut now = Instant::now();
    let mut agents = [agent(Role::Controlling, 1), agent(Role::Controlled, 2)];
    let parameters = [agents[0].local_parameters(), agents[1].local_parameters()];
    for side in 0..2 {
        agents[side].add_socket(now, Socket::new(address(side as u8 + 1)));
        agents[side].add_remote_candidate(now, Candidate::host(address(2 - side as u8)), None);
        let _ = agents[side].set_remote_parameters(now, &parameters[1 - side]);
    }
    let mut rest = input;
    let mut wire: Vec<(usize, Meta, Vec<u8>)> = Vec::new();
    while let Some((&[action, argument], after)) = rest.split_first_chunk::<2>() {
        rest = after;
        for (side, agent) in agents.iter_mut().enumerate() {
            let mut out = Vec::new();
            while let Some(transmit) = agent.poll_transmit(now, &mut out) {
                let bytes = std::mem::take(&mut out);
                if let (Via::Udp { local, remote }, true) = (transmit.via, wire.len() < 64) {
                    wire.push((1 - side, Meta { local: remote, remote: local }, bytes));
                }
            }
            while agent.poll_event().is_some() {}
        }
        let at = usize::from(argument) % wire.len().max(1);
        let side = usize::from(action >> 7);
        match action & 15 {
            0..=3 if !wire.is_empty() => {
                let (side, meta, mut bytes) = wire.remove(0);
                agents[side].handle_datagram(now, meta, &mut bytes);
            }
            4 if !wire.is_empty() => drop(wire.remove(at)),
            5 if !wire.is_empty() => {
                let (side, meta, bytes) = &wire[at];
                agents[*side].handle_datagram(now, *meta, &mut bytes.clone());
            }
            6 if !wire.is_empty() => {
                let bytes = &mut wire[at].2;
                let len = bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(usize::from(argument) % len) {
                    *byte ^= 1 << (action >> 4 & 7);
                }
            }
            7 if !wire.is_empty() => wire[at].2.truncate(argument.into()),
            8 if !wire.is_empty() => wire[at].1.remote = address(argument | 3),
            9 | 10 => {
                let (body, after) = rest.split_at(rest.len().min(argument.into()));
                rest = after;
                if let Some(mut bytes) = forge(&parameters[side], &parameters[1 - side], body) {
                    let meta = Meta { local: address(side as u8 + 1), remote: address(argument | 1) };
                    agents[side].handle_datagram(now, meta, &mut bytes);
                }
            }
            11 => {
                let _ = agents[side].restart(now);
            }
            12 => {
                let (body, after) = rest.split_at(rest.len().min(48));
                rest = after;
                let text = String::from_utf8_lossy(body);
                let parameters = Parameters {
                    ufrag: text[..].into(),
                    pwd: text[..].into(),
                    lite: false,
                    options: Options::default(),
                };
                let _ = agents[side].set_remote_parameters(now, &parameters);
            }
            13 => agents[side].add_remote_candidate(now, Candidate::host(address(argument)), None),
            14 => {
                let mut out = Vec::new();
                let _ = agents[side].send(now, &[0x80; 20], &mut out);
                agents[side].set_handshake_flight(now, [&input[..input.len().min(40)]]);
            }
            _ => {
                now += Duration::from_millis(u64::from(argument) * 20);
                for agent in &mut agents {
                    agent.handle_timeout(now);
                    assert!(agent.poll_timeout().is_none_or(|at| at > now), "due after it was handled");
                }
            }
        }
        for agent in &agents {
            let stats = agent.stats();
            assert!(stats.pairs.len() <= 200 && stats.remote_candidates.len() <= 96);
        }
    }
}
