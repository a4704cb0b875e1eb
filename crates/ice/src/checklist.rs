//! One generation of a session: the two sides' credentials, the remote candidates, and the pairs made of them
//! (RFC 8445 §6.1.2, RFC 8838).

use crate::candidate::{Address, Candidate, CandidateKind, Protocol, TcpType, pair_priority};
use crate::config::{Config, Role};
use crate::credentials::{Credentials, Options};
use crate::event::Event;
use crate::pair::{Pair, PairId, PairState};
use crate::sped::Sped;
use crate::stats::Counters;
use crate::transport::{Base, Local, Route, StreamId, Transports};
use parlour_turn::Rng;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What a generation needs of the agent around it.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Config,
    pub(crate) role: &'a mut Role,
    pub(crate) tie_breaker: u64,
    pub(crate) transports: &'a mut Transports,
    pub(crate) rng: &'a mut Rng,
    pub(crate) sped: &'a mut Sped,
    pub(crate) events: &'a mut VecDeque<Event>,
    pub(crate) scratch: &'a mut Vec<u8>,
    pub(crate) counters: &'a mut Counters,
    pub(crate) nat64: Option<Ipv6Addr>,
    pub(crate) next_pair: &'a mut u32,
}

/// A candidate of the other agent.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) candidate: Candidate,
    pub(crate) address: SocketAddr,
}

/// The other agent, once it is known.
pub(crate) struct RemoteSide {
    pub(crate) credentials: Credentials,
    /// USERNAME of the checks that are sent to it.
    pub(crate) username: String,
    pub(crate) lite: bool,
    pub(crate) options: Options,
}

/// One generation.
pub(crate) struct Generation {
    pub(crate) local: Credentials,
    pub(crate) remote: Option<RemoteSide>,
    pub(crate) remotes: Vec<Remote>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) triggered: VecDeque<PairId>,
    pub(crate) end_of_candidates: bool,
    /// What data is sent by.
    pub(crate) selected: Option<PairId>,
    pub(crate) selected_at: Option<Instant>,
    /// The selected pair was chosen for its round trip.
    pub(crate) chosen_by_rtt: bool,
    pub(crate) first_valid: Option<Instant>,
    /// The greatest nomination that was asked for, or accepted.
    pub(crate) nomination: u32,
    /// When checks could begin: the patience of RFC 8863 counts from here.
    pub(crate) began: Option<Instant>,
    /// The selected pair has died, and none has been proved since.
    pub(crate) disconnected: bool,
    /// It had a selected pair.
    pub(crate) was_connected: bool,
    /// When the next ordinary, and the next triggered check may go (Ta).
    pub(crate) next_ordinary: Option<Instant>,
    pub(crate) next_triggered: Option<Instant>,
}

/// Below this many pairs Ta is 5 ms, else 50 ms (RFC 8445 §14.2).
const FEW_PAIRS: usize = 20;
const TA_FEW: Duration = Duration::from_millis(5);
const TA: Duration = Duration::from_millis(50);
/// Peer-reflexive candidates that one generation learns.
const MAX_PEER_REFLEXIVE: usize = 32;

impl Generation {
    pub(crate) fn new(local: Credentials) -> Self {
        Self {
            local,
            remote: None,
            remotes: Vec::new(),
            pairs: Vec::new(),
            triggered: VecDeque::new(),
            end_of_candidates: false,
            selected: None,
            selected_at: None,
            chosen_by_rtt: false,
            first_valid: None,
            nomination: 0,
            began: None,
            disconnected: false,
            was_connected: false,
            next_ordinary: None,
            next_triggered: None,
        }
    }

    pub(crate) fn pair(&self, id: PairId) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.id == id)
    }

    pub(crate) fn pair_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.id == id)
    }

    pub(crate) fn selected_pair(&self) -> Option<&Pair> {
        self.selected.and_then(|id| self.pair(id))
    }

    /// Time between two new checks.
    pub(crate) fn pace(&self, config: &Config) -> Duration {
        if self.is_few() && !config.strict_pacing { TA_FEW } else { TA }
    }

    pub(crate) fn triggered_pace(&self, config: &Config) -> Duration {
        if config.strict_pacing { TA } else { TA_FEW }
    }

    fn is_few(&self) -> bool {
        self.pairs.iter().filter(|pair| pair.is_unresolved()).count() <= FEW_PAIRS
    }

    /// Takes a candidate whose address is known, and pairs it (RFC 8838 §11).
    pub(crate) fn add_remote(&mut self, cx: &mut Context<'_>, candidate: Candidate, address: SocketAddr) {
        let same = |r: &Remote| r.address == address && r.candidate.protocol == candidate.protocol;
        if let Some(index) = self.remotes.iter().position(same) {
            return self.better_known(cx, index, candidate);
        }
        self.remotes.push(Remote { candidate, address });
        let remote = self.remotes.len() - 1;
        for local in 0..cx.transports.locals.len() {
            self.form(cx, local, remote);
        }
        self.prune(cx.config.max_pairs);
    }

    /// A candidate that was learned from a check, or told twice: what is told counts (RFC 8838 §11.4).
    fn better_known(&mut self, cx: &mut Context<'_>, index: usize, candidate: Candidate) {
        let Some(known) = self.remotes.get_mut(index) else { return };
        if known.candidate.kind != CandidateKind::PeerReflexive {
            return;
        }
        known.candidate = candidate;
        self.rank(*cx.role, cx.transports);
        let waiting: Vec<usize> = (0..cx.transports.locals.len())
            .filter(|local| !self.pairs.iter().any(|p| p.local == *local && p.remote == index))
            .collect();
        for local in waiting {
            self.form(cx, local, index);
        }
    }

    /// Pairs a new local candidate with all remote ones.
    pub(crate) fn add_local(&mut self, cx: &mut Context<'_>, local: usize) {
        for remote in 0..self.remotes.len() {
            self.form(cx, local, remote);
        }
        self.prune(cx.config.max_pairs);
    }

    /// Pairs a local candidate with remote ones that it could not reach before.
    pub(crate) fn add_translated(&mut self, cx: &mut Context<'_>, local: usize) {
        for remote in 0..self.remotes.len() {
            if !self.pairs.iter().any(|pair| pair.local == local && pair.remote == remote) {
                self.form(cx, local, remote);
            }
        }
        self.prune(cx.config.max_pairs);
    }

    fn form(&mut self, cx: &mut Context<'_>, local: usize, remote: usize) {
        let (Some(l), Some(r)) = (cx.transports.local(local), self.remotes.get(remote)) else { return };
        let passive = matches!(l.base, Base::Tcp(_, TcpType::Passive));
        let Some(address) = compatible(l, r, cx.nat64).filter(|_| !passive) else { return };
        let priority = priority_of(*cx.role, l, r);
        let foundation = (l.candidate.foundation.clone(), r.candidate.foundation.clone());
        self.insert(cx, local, remote, address, priority);
        // One pair of each foundation is checked before its like (RFC 8445 §6.1.2.6).
        let like = |pair: &Pair, this: &Self| {
            let foundations = cx.transports.local(pair.local).zip(this.remotes.get(pair.remote));
            foundations
                .is_some_and(|(l, r)| l.candidate.foundation == foundation.0 && r.candidate.foundation == foundation.1)
        };
        let others = self.pairs.len().saturating_sub(1);
        let busy = self
            .pairs
            .iter()
            .take(others)
            .any(|pair| matches!(pair.state, PairState::Waiting | PairState::InProgress) && like(pair, self));
        if let (true, Some(pair)) = (busy, self.pairs.last_mut()) {
            pair.state = PairState::Frozen;
        }
    }

    fn insert(
        &mut self,
        cx: &mut Context<'_>,
        local: usize,
        remote: usize,
        address: SocketAddr,
        priority: u64,
    ) -> PairId {
        *cx.next_pair = cx.next_pair.wrapping_add(1);
        let id = PairId(*cx.next_pair);
        let mut pair = Pair::new(id, local, remote, address, priority);
        // Beside a better nominated pair a new one is checked for a short while only: it may be where the other side
        // is moving to.
        pair.backup = self.nominated().is_some_and(|n| n.priority > priority && n.is_alive());
        self.pairs.push(pair);
        id
    }

    /// The pair by which a message came, made if there is none: from `address` to the local candidate `local`
    /// (RFC 8445 §7.3.1.3, §7.3.1.4). `None` if there are too many.
    pub(crate) fn pair_of_request(
        &mut self,
        cx: &mut Context<'_>,
        local: usize,
        address: SocketAddr,
        stream: Option<StreamId>,
        priority: u32,
    ) -> Option<PairId> {
        let known = |pair: &&mut Pair| pair.local == local && pair.address == address && pair.stream == stream;
        if let Some(pair) = self.pairs.iter_mut().find(known) {
            return Some(pair.id);
        }
        let l = cx.transports.local(local)?;
        let protocol = match l.base.protocol() {
            Protocol::Udp => Protocol::Udp,
            Protocol::Tcp(kind) => Protocol::Tcp(kind.opposite()),
        };
        let nat64 = cx.nat64;
        let speaks = |r: &Remote| r.candidate.protocol == protocol && compatible(l, r, nat64) == Some(address);
        let remote = match self.remotes.iter().position(speaks) {
            Some(index) => index,
            None => self.learn(cx, address, protocol, priority)?,
        };
        let priority = priority_of(*cx.role, cx.transports.local(local)?, self.remotes.get(remote)?);
        let id = self.insert(cx, local, remote, address, priority);
        if let Some(pair) = self.pair_mut(id) {
            pair.stream = stream;
        }
        self.prune(cx.config.max_pairs);
        self.pair(id).map(|pair| pair.id)
    }

    /// A peer-reflexive remote candidate (RFC 8445 §7.3.1.3).
    fn learn(&mut self, cx: &mut Context<'_>, address: SocketAddr, protocol: Protocol, priority: u32) -> Option<usize> {
        let learned = self.remotes.iter().filter(|r| r.candidate.kind == CandidateKind::PeerReflexive).count();
        if learned >= MAX_PEER_REFLEXIVE {
            // A peer that moves through many addresses lives on; what it has left behind makes room.
            let unused = |(i, r): &(usize, &Remote)| {
                r.candidate.kind == CandidateKind::PeerReflexive
                    && !self.pairs.iter().any(|p| p.remote == *i && (p.valid || p.nominating.is_some()))
            };
            let Some((index, _)) = self.remotes.iter().enumerate().find(unused) else {
                cx.counters.refused_candidates += 1;
                return None;
            };
            self.pairs.retain(|pair| pair.remote != index);
            let remote = self.remotes.get_mut(index)?;
            remote.address = address;
            remote.candidate.address = Address::Socket(address);
            remote.candidate.priority = priority;
            remote.candidate.protocol = protocol;
            return Some(index);
        }
        let candidate = Candidate {
            foundation: format!("prflx{learned}"),
            protocol,
            priority,
            address: Address::Socket(address),
            kind: CandidateKind::PeerReflexive,
            related: None,
            relay_transport: None,
            server: None,
        };
        self.remotes.push(Remote { candidate, address });
        Some(self.remotes.len() - 1)
    }

    /// Keeps the best pairs; those that work, or that the other side uses, stay (RFC 8445 §6.1.2.5).
    fn prune(&mut self, most: usize) {
        while self.pairs.len() > most {
            let selected = self.selected;
            let worst = self
                .pairs
                .iter()
                .enumerate()
                .filter(|(_, pair)| !pair.valid && Some(pair.id) != selected && pair.nominating.is_none())
                .min_by_key(|(_, pair)| (pair.authenticated, pair.priority));
            match worst.map(|(index, pair)| (index, pair.id)) {
                Some((index, id)) => {
                    self.pairs.swap_remove(index);
                    self.triggered.retain(|queued| *queued != id);
                }
                None => return,
            }
        }
    }

    /// Computes all priorities anew, after a change of role or of candidates.
    pub(crate) fn rank(&mut self, role: Role, transports: &Transports) {
        for pair in &mut self.pairs {
            if let (Some(l), Some(r)) = (transports.local(pair.local), self.remotes.get(pair.remote)) {
                pair.priority = priority_of(role, l, r);
            }
        }
    }

    /// Forgets all pairs of a local candidate that is gone. Whether the selected one was among them.
    pub(crate) fn remove_local(&mut self, local: usize) -> bool {
        self.remove_pairs(|pair| pair.local == local)
    }

    pub(crate) fn remove_pairs(&mut self, gone: impl Fn(&Pair) -> bool) -> bool {
        let lost = self.selected_pair().is_some_and(&gone);
        self.pairs.retain(|pair| !gone(pair));
        let pairs = &self.pairs;
        self.triggered.retain(|id| pairs.iter().any(|pair| pair.id == *id));
        if lost {
            self.selected = None;
        }
        lost
    }

    /// Queues a check that goes before the ordinary ones (RFC 8445 §6.1.4.1).
    pub(crate) fn trigger(&mut self, id: PairId) {
        if !self.triggered.contains(&id) {
            self.triggered.push_back(id);
        }
    }

    /// How a pair's messages travel; `None` while its connection is not there.
    pub(crate) fn route(&self, pair: &Pair, transports: &Transports) -> Option<Route> {
        match transports.local(pair.local).filter(|local| !local.removed)?.base {
            Base::Udp(local) => Some(Route::Udp { local, remote: pair.address }),
            Base::Relay(relay, _) => Some(Route::Relay { relay, peer: pair.address }),
            Base::TcpActive(_) | Base::Tcp(..) => {
                let open = |id: &StreamId| transports.streams.get(id).is_some_and(crate::tcp::Stream::is_open);
                pair.stream.filter(open).map(Route::Stream)
            }
        }
    }
}

/// Where a pair of these two sends to, if they can be paired at all (RFC 8445 §6.1.2.2, RFC 6544 §6.2).
fn compatible(local: &Local, remote: &Remote, nat64: Option<Ipv6Addr>) -> Option<SocketAddr> {
    if !local.pairs || local.removed {
        return None;
    }
    match (local.base.protocol(), remote.candidate.protocol) {
        (Protocol::Udp, Protocol::Udp) => {}
        (Protocol::Tcp(ours), Protocol::Tcp(theirs)) if ours == theirs.opposite() => {}
        _ => return None,
    }
    let address = remote.address;
    match (local.base, address.ip()) {
        (Base::Relay(_, relayed), _) => crate::gathering::serves(relayed, address).then_some(address),
        (base, IpAddr::V4(v4)) if !base.is_ipv4() => {
            let mapped = crate::gathering::nat64::embed(nat64?, v4);
            Some(SocketAddr::new(mapped.into(), address.port()))
        }
        (base, ip) if base.is_ipv4() == ip.is_ipv4() => {
            let own = match base {
                Base::Udp(own) | Base::Tcp(own, _) => own.ip(),
                Base::TcpActive(ip) => ip,
                Base::Relay(_, own) => own.ip(),
            };
            (is_link_local(own) == is_link_local(ip) && own.is_loopback() == ip.is_loopback()).then_some(address)
        }
        _ => None,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Whether an address is worth a packet from outside its own network.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private() || v4.is_link_local() || v4.is_loopback() || (a == 100 && b & 0xC0 == 64))
        }
        IpAddr::V6(v6) => !(v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback()),
    }
}

fn priority_of(role: Role, local: &Local, remote: &Remote) -> u64 {
    match role {
        Role::Controlling => pair_priority(local.candidate.priority, remote.candidate.priority),
        Role::Controlled => pair_priority(remote.candidate.priority, local.candidate.priority),
    }
}
