//! Two agents on a simulated network, with NATs and a TURN server, and an attacker on the path who changes, cuts, drops
//! and repeats packets as the input says. Neither agent may panic, wake for nothing, or remember more than it should;
//! and when the attacker is gone, a restart must bring them together.

#[path = "../../crates/ice/tests/world/mod.rs"]
mod world;

use parlour_ice::Config;
use parlour_netsim::NatSpec;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use world::{Access, MS, Servers, Topology, World, configs};

/// Things done between the packets, at most.
const DEEDS: usize = 48;
/// Packets that the attacker keeps to repeat them.
const KEPT: usize = 16;

/// The attacker: what is to be done with packets, one after the other. When that ends, all pass.
struct Attacker {
    script: VecDeque<u8>,
    kept: VecDeque<Vec<u8>>,
}

impl Attacker {
    /// Meddles with a packet. `false` if it is to vanish.
    fn meddle(&mut self, bytes: &mut Vec<u8>) -> bool {
        let Some(action) = self.script.pop_front() else { return true };
        let mut next = || self.script.pop_front().unwrap_or(0);
        let original = bytes.clone();
        let place = |value: u8, bytes: &[u8]| usize::from(value) % bytes.len().max(1);
        match action & 15 {
            // Most packets pass, or nothing would ever get far.
            0..=8 => {}
            9 => {
                let at = place(next(), bytes);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (action >> 5);
                }
            }
            10 => {
                let at = place(next(), bytes);
                let value = next();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            11 => bytes.truncate(place(next(), bytes)),
            12 => bytes.push(next()),
            13 => {
                let which = usize::from(next()) % self.kept.len().max(1);
                if let Some(old) = self.kept.get(which) {
                    bytes.clone_from(old);
                }
            }
            14 => {
                let at = place(next(), bytes);
                let tail = bytes.split_off(at);
                bytes.extend_from_slice(&tail);
                bytes.extend_from_slice(&tail);
            }
            _ => return false,
        }
        self.kept.push_back(original);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        true
    }
}

fn access(choice: u8) -> Access {
    match choice & 7 {
        0 => Access::Open,
        1 => Access::Stateful,
        2 => Access::Nat(NatSpec::full_cone()),
        3 => Access::Nat(NatSpec::restricted()),
        4 => Access::Nat(NatSpec::port_restricted()),
        5 => Access::Nat(NatSpec::symmetric()),
        6 => Access::Ipv6Only,
        _ => Access::Double(NatSpec::port_restricted(), NatSpec::full_cone()),
    }
}

/// Runs one input.
pub fn ice_network(input: &[u8]) {
    let Some((&[places, network, split], rest)) = input.split_first_chunk::<3>() else { return };
    let topology = Topology {
        rtt: [20, 60, 100, 300][usize::from(network & 3)] * MS,
        loss: [0.0, 0.05, 0.2, 0.0][usize::from(network >> 2 & 3)],
        ..Topology::new(access(places), access(places >> 4))
    };
    let sped = network & 16 != 0;
    let tcp = network & 32 != 0;
    let configs = configs(Servers::TurnUdp).map(|config| Config { sped, tcp, ..config });
    let mut world = World::new(u64::from(network), &topology, configs);
    // The input is two scripts: the attacker's, and that of what is done between the packets.
    let (deeds, script) = rest.split_at(rest.len().min(usize::from(split)).min(DEEDS));
    let attacker = Arc::new(Mutex::new(Attacker { script: script.iter().copied().collect(), kept: VecDeque::new() }));
    let hands = attacker.clone();
    world.attacker = Some(Box::new(move |_, bytes| hands.lock().is_ok_and(|mut attacker| attacker.meddle(bytes))));
    world.start(0);
    world.start(1);
    for deed in deeds {
        let side = usize::from(deed >> 7);
        match deed & 7 {
            0 => world.run_for(5 * MS),
            1 => world.run_for(50 * MS),
            2 => world.run_for(500 * MS),
            3 => world.run_for(Duration::from_secs(6)),
            4 => {
                world.restart(side);
                // Signaling settles one restart before the next.
                world.run_for(MS);
            }
            5 => {
                for _ in 0..10 {
                    world.send_data(0, &[0x80; 40]);
                    world.send_data(1, &[0x80; 40]);
                    world.run_for(20 * MS);
                }
            }
            6 => {
                let now = world.now();
                let agent = &mut world.peers[side].agent;
                agent.set_handshake_flight(now, [&input[..input.len().min(200)]]);
                world.flush(side);
            }
            _ => {
                // The interface goes and comes back.
                let now = world.now();
                for socket in std::mem::take(&mut world.peers[side].sockets) {
                    world.peers[side].agent.remove_socket(now, socket);
                    world.bind(now, side, socket.ip());
                }
                world.flush(side);
            }
        }
        bounded(&world);
    }
    world.attacker = None;
    world.run_for(Duration::from_secs(1));
    world.restart(0);
    let until = world.now() + Duration::from_secs(40);
    // From this restart on nobody meddles: both sides must come to a nominated pair of the new generation.
    let connected = world.run_until(until, World::both_nominated);
    assert!(
        connected,
        "not connected again: {:?}",
        world.peers.iter().map(|peer| peer.agent.state()).collect::<Vec<_>>()
    );
    bounded(&world);
}

fn bounded(world: &World) {
    for peer in &world.peers {
        let stats = peer.agent.stats();
        assert!(stats.pairs.len() <= 200 && stats.remote_candidates.len() <= 96, "{} pairs", stats.pairs.len());
        assert!(stats.local_candidates.len() <= 300, "{} local candidates", stats.local_candidates.len());
    }
}
