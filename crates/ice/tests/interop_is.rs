//! Against `is`, the ICE agent of str0m, through a network in memory.

mod world;

use is::stun::{StunMessage, StunPacket};
use is::{IceAgent, IceAgentEvent, IceCreds};
use parlour_ice::*;
use parlour_netsim::Rng as SimRng;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use world::MS;

const OURS: &str = "203.0.113.1:4000";
const THEIRS: &str = "203.0.113.2:5000";

struct Pair {
    now: Instant,
    ours: Agent,
    theirs: IceAgent,
    /// What is under way: when it arrives, at which side, what.
    wire: Vec<(Instant, bool, Vec<u8>)>,
    rng: SimRng,
    loss: f64,
    rtt: Duration,
    nominated: Option<(SocketAddr, SocketAddr)>,
}

impl Pair {
    fn new(seed: u64, our_role: Role, their_control: bool, lite: bool) -> Self {
        let now = Instant::now();
        let mut rng = SimRng::new(seed);
        let mut ours = Agent::new(Config { role: our_role, ..Config::default() }, world::secure(&mut rng));
        let mut theirs = IceAgent::new(IceCreds::new());
        theirs.set_controlling(their_control);
        theirs.set_ice_lite(lite);
        let (a, b): (SocketAddr, SocketAddr) = (OURS.parse().unwrap(), THEIRS.parse().unwrap());
        ours.add_socket(now, Socket::new(a));
        theirs.add_local_candidate(is::Candidate::host(b, "udp").unwrap());
        theirs.add_remote_candidate(is::Candidate::host(a, "udp").unwrap());
        let local = ours.local_parameters();
        theirs.set_remote_credentials(IceCreds { ufrag: local.ufrag, pass: local.pwd });
        let creds = theirs.local_credentials().clone();
        let options = Options::default();
        ours.set_remote_parameters(now, &Parameters { ufrag: creds.ufrag, pwd: creds.pass, lite, options }).unwrap();
        ours.add_remote_candidate(now, Candidate::host(b), None);
        Pair { now, ours, theirs, wire: Vec::new(), rng, loss: 0.0, rtt: 40 * MS, nominated: None }
    }

    fn send(&mut self, to_us: bool, bytes: Vec<u8>) {
        if !self.rng.chance(self.loss) {
            self.wire.push((self.now + self.rtt / 2, to_us, bytes));
        }
    }

    fn flush(&mut self) {
        let mut buffer = Vec::new();
        while self.ours.poll_transmit(self.now, &mut buffer).is_some() {
            let bytes = std::mem::take(&mut buffer);
            self.send(false, bytes);
        }
        while let Some(transmit) = self.theirs.poll_transmit() {
            self.send(true, transmit.contents.to_vec());
        }
        while let Some(event) = self.theirs.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                self.nominated = Some((source, destination));
            }
        }
    }

    /// Runs for `time`, or until both have a nominated pair.
    fn run(&mut self, time: Duration) -> bool {
        let end = self.now + time;
        let (a, b): (SocketAddr, SocketAddr) = (OURS.parse().unwrap(), THEIRS.parse().unwrap());
        self.theirs.handle_timeout(self.now);
        while self.now < end {
            self.flush();
            let selected = self.ours.stats().pairs.iter().any(|pair| pair.selected && pair.nominated);
            if selected && self.nominated == Some((b, a)) {
                return true;
            }
            let arrival = self.wire.iter().map(|(at, ..)| *at).min();
            let timers = [self.ours.poll_timeout(), self.theirs.poll_timeout(), arrival];
            self.now = timers.into_iter().flatten().min().unwrap_or(end).clamp(self.now, end);
            let now = self.now;
            for (_, to_us, mut bytes) in self.wire.extract_if(.., |(at, ..)| *at <= now).collect::<Vec<_>>() {
                if to_us {
                    self.ours.handle_datagram(now, Meta { local: a, remote: b }, &mut bytes);
                } else if let Ok(message) = StunMessage::parse(&bytes) {
                    let proto = is::Protocol::Udp;
                    self.theirs.handle_packet(now, StunPacket { proto, source: a, destination: b, message });
                }
            }
            if self.ours.poll_timeout().is_some_and(|at| at <= now) {
                self.ours.handle_timeout(now);
            }
            if self.theirs.poll_timeout().is_some_and(|at| at <= now) {
                self.theirs.handle_timeout(now);
            }
        }
        false
    }
}

#[test]
fn both_nominate_the_same_pair_whoever_controls() {
    for seed in 0..20 {
        for role in [Role::Controlling, Role::Controlled] {
            let mut pair = Pair::new(seed, role, role == Role::Controlled, false);
            assert!(pair.run(Duration::from_secs(5)), "seed {seed}, {role:?}");
        }
    }
}

#[test]
fn role_conflicts_are_solved_whichever_way_they_are() {
    for seed in 0..20 {
        for role in [Role::Controlling, Role::Controlled] {
            let mut pair = Pair::new(seed, role, role == Role::Controlling, false);
            assert!(pair.run(Duration::from_secs(5)), "seed {seed}, {role:?}");
            assert_eq!(pair.ours.role() == Role::Controlling, !pair.theirs.controlling());
        }
    }
}

#[test]
fn their_lite_agent_is_served() {
    let mut pair = Pair::new(1, Role::Controlling, false, true);
    assert!(pair.run(Duration::from_secs(5)));
}

#[test]
fn loss_delays_and_does_not_prevent() {
    for seed in 0..50 {
        let role = if seed % 2 == 0 { Role::Controlling } else { Role::Controlled };
        let mut pair = Pair::new(seed, role, role == Role::Controlled, false);
        pair.loss = 0.2;
        assert!(pair.run(Duration::from_secs(20)), "seed {seed}");
    }
}

#[test]
fn consent_is_kept_both_ways_for_minutes() {
    let mut pair = Pair::new(3, Role::Controlling, false, false);
    assert!(pair.run(Duration::from_secs(5)));
    // It never ends, so `run` would return at once: let time pass piece by piece.
    for _ in 0..1_200 {
        pair.nominated = None;
        pair.run(250 * MS);
    }
    assert!(matches!(pair.ours.state(), ConnectionState::Connected | ConnectionState::Completed));
    assert!(pair.theirs.state().is_connected());
}
