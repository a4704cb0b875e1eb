//! The agent: what it holds, and the verbs that move it.

use crate::candidate::{Candidate, Unusable};
use crate::checklist::{Context, Generation, RemoteSide};
use crate::config::{Config, Role};
use crate::credentials::{Credentials, Options, ParameterError, Parameters};
use crate::data::Received;
use crate::event::{ConnectionState, Event, GatheringState};
use crate::gathering::Gathering;
use crate::names::Names;
use crate::pair::{Pair, PairId, PairState};
use crate::requests::{Arrival, refuse, ufrags};
use crate::sped::Sped;
use crate::stats::{Counters, PairStats, Stats};
use crate::transport::{Base, Route, Transmit, Transports};
use parlour_stun::{Class, ErrorCode, Message, Method, PacketKind, classify};
use parlour_turn::Rng;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How a datagram came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The local address that it was sent to.
    pub local: SocketAddr,
    /// Where it came from.
    pub remote: SocketAddr,
}

/// The old generation is listened to for so long once the new one works: the other side may still send by it.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// A session that has lost all its pairs has failed after so long. It may still come back.
pub(crate) const LOST: Duration = Duration::from_secs(5);

/// One ICE agent: one component of one stream, as WebRTC's bundles need it.
pub struct Agent {
    pub(crate) config: Config,
    pub(crate) role: Role,
    tie_breaker: u64,
    pub(crate) rng: Rng,
    pub(crate) transports: Transports,
    pub(crate) gathering: Gathering,
    pub(crate) names: Names,
    /// The current generation, and behind it the one that still carries data during a restart.
    pub(crate) generations: Vec<Generation>,
    /// Until when the old generation is kept.
    pub(crate) farewell: Option<Instant>,
    pub(crate) sped: Sped,
    pub(crate) events: VecDeque<Event>,
    pub(crate) scratch: Vec<u8>,
    pub(crate) counters: Counters,
    /// Local candidates that the other agent is told of.
    pub(crate) shown: Vec<usize>,
    next_pair: u32,
    state: ConnectionState,
    /// The pair that was told last, and whether as nominated.
    told: Option<(PairId, bool)>,
    closed: bool,
    pub(crate) wake: Option<Instant>,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("role", &self.role).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Agent {
    /// Makes an agent. `rng` must be a cryptographic generator: passwords and transaction ids come from it.
    pub fn new(config: Config, mut rng: Rng) -> Self {
        let mut tie_breaker = [0; 8];
        rng(&mut tie_breaker);
        let local = Credentials::random(&mut rng);
        Self {
            role: if config.lite { Role::Controlled } else { config.role },
            tie_breaker: u64::from_be_bytes(tie_breaker),
            sped: Sped::new(config.sped),
            rng,
            transports: Transports::default(),
            gathering: Gathering::default(),
            names: Names::default(),
            generations: vec![Generation::new(local)],
            farewell: None,
            events: VecDeque::new(),
            scratch: Vec::new(),
            counters: Counters::default(),
            shown: Vec::new(),
            next_pair: 0,
            state: ConnectionState::New,
            told: None,
            closed: false,
            wake: None,
            config,
        }
    }

    /// What to tell the other agent.
    pub fn local_parameters(&self) -> Parameters {
        let (ufrag, pwd) = self
            .generations
            .first()
            .map(|generation| (generation.local.ufrag.clone(), generation.local.pwd.clone()))
            .unwrap_or_default();
        let options = Options {
            trickle: true,
            ice2: true,
            renomination: self.config.renomination,
            renomination2: self.config.renomination,
            sped: self.config.sped,
        };
        Parameters { ufrag, pwd, lite: self.config.lite, options }
    }

    /// Takes credentials that the caller has drawn from a cryptographic generator, in place of the agent's own: before
    /// the other agent is told any.
    ///
    /// # Errors
    /// They break the rules of RFC 8839 §5.4; nothing has changed.
    pub fn set_local_credentials(&mut self, ufrag: &str, pwd: &str) -> Result<(), ParameterError> {
        let credentials = Credentials::new(ufrag, pwd)?;
        if let Some(generation) = self.generations.first_mut() {
            generation.local = credentials;
        }
        Ok(())
    }

    /// Takes the other agent's parameters; checks begin.
    ///
    /// # Errors
    /// They break the rules of RFC 8839 §5.4, or belong to a restart for which [`restart`](Self::restart) must be
    /// called first.
    pub fn set_remote_parameters(&mut self, now: Instant, parameters: &Parameters) -> Result<(), ParameterError> {
        let credentials = Credentials::remote(parameters)?;
        let Some(generation) = self.generations.first_mut() else { return Ok(()) };
        if let Some(remote) = &generation.remote {
            let same = remote.credentials.ufrag == credentials.ufrag && remote.credentials.pwd == credentials.pwd;
            return if same { Ok(()) } else { Err(ParameterError::RestartNeeded) };
        }
        let username = format!("{}:{}", credentials.ufrag, generation.local.ufrag);
        let (lite, options) = (parameters.lite, parameters.options);
        let ufrag = credentials.ufrag.clone();
        generation.remote = Some(RemoteSide { credentials, username, lite, options });
        if lite && !self.config.lite && self.role == Role::Controlled {
            self.set_role(Role::Controlling);
        }
        self.release_early_candidates(now, &ufrag);
        self.advance(now);
        Ok(())
    }

    /// The role, which a conflict may have changed.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Sets the role, as when the other agent turns out to be a lite one.
    pub fn set_role(&mut self, role: Role) {
        if role == self.role || self.config.lite {
            return;
        }
        self.role = role;
        for generation in &mut self.generations {
            generation.rank(role, &self.transports);
        }
    }

    /// The state of the connection.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// The state of gathering.
    pub fn gathering_state(&self) -> GatheringState {
        self.gathering.state
    }

    /// This side's candidates, as they were told.
    pub fn local_candidates(&self) -> impl Iterator<Item = &Candidate> {
        let locals = &self.transports.locals;
        self.shown.iter().filter_map(|index| locals.get(*index)).filter(|l| !l.removed).map(|l| &l.candidate)
    }

    /// Takes a datagram. If it carries data of the application, that is returned.
    pub fn handle_datagram<'d>(&mut self, now: Instant, meta: Meta, datagram: &'d mut [u8]) -> Option<Received<'d>> {
        if self.closed {
            return None;
        }
        let datagram: &'d [u8] = datagram;
        if let Some(relay) = self.relay_by_socket(meta.local, meta.remote) {
            if matches!(classify(datagram), Some(PacketKind::Stun))
                && let Ok(message) = Message::parse(datagram)
                && self.handle_binding(now, meta.local, meta.remote, &message)
            {
                self.advance(now);
                return None;
            }
            return self.handle_relayed(now, relay, datagram);
        }
        let Some(local) = self.transports.find_base(Base::Udp(meta.local)) else {
            // A socket that only gathers (relays are wanted alone) still hears its servers.
            if let Ok(message) = Message::parse(datagram)
                && self.handle_binding(now, meta.local, meta.remote, &message)
            {
                self.advance(now);
            }
            return None;
        };
        let route = Route::Udp { local: meta.local, remote: meta.remote };
        self.handle_packet(now, Arrival { local, from: meta.remote, stream: None, route }, datagram)
    }

    /// A message of a TURN server: control, or what a peer has sent to the relayed address.
    pub(crate) fn handle_relayed<'d>(
        &mut self,
        now: Instant,
        id: crate::transport::RelayId,
        bytes: &'d [u8],
    ) -> Option<Received<'d>> {
        let relay = self.transports.relays.get_mut(&id)?;
        let Some(received) = relay.client.handle_message(now, bytes) else {
            self.advance(now);
            return None;
        };
        let locals = &self.transports.locals;
        let local = locals.iter().position(|l| {
            !l.removed
                && matches!(l.base, Base::Relay(relay, own) if relay == id && own.is_ipv4() == received.peer.is_ipv4())
        })?;
        let route = Route::Relay { relay: id, peer: received.peer };
        self.handle_packet(now, Arrival { local, from: received.peer, stream: None, route }, received.data)
    }

    /// Takes one packet of the other agent, or of somebody who pretends to be it.
    pub(crate) fn handle_packet<'d>(
        &mut self,
        now: Instant,
        arrival: Arrival,
        bytes: &'d [u8],
    ) -> Option<Received<'d>> {
        match classify(bytes) {
            Some(PacketKind::Stun) => {
                self.handle_stun(now, arrival, bytes);
                self.advance(now);
                None
            }
            Some(PacketKind::TurnChannel | PacketKind::Zrtp) | None => {
                self.counters.malformed += 1;
                None
            }
            Some(_) => self.receive(now, arrival, bytes),
        }
    }

    fn handle_stun(&mut self, now: Instant, arrival: Arrival, bytes: &[u8]) {
        let message = match Message::parse(bytes) {
            Ok(message) if message.fingerprint() == Some(true) || is_answer(&message) => message,
            _ => {
                self.counters.malformed += 1;
                return;
            }
        };
        if message.method() != Method::BINDING {
            return;
        }
        if let Route::Udp { local, remote } = arrival.route
            && self.handle_binding(now, local, remote, &message)
        {
            return;
        }
        let ufrag = ufrags(&message).map(|(ours, _)| ours);
        let (generations, mut cx) = self.split(now);
        match message.class() {
            Class::Request => {
                match generations.iter_mut().find(|generation| Some(generation.local.ufrag.as_str()) == ufrag) {
                    Some(generation) => generation.handle_request(&mut cx, arrival, &message),
                    None if ufrag.is_none() => refuse(&mut cx, arrival, &message, ErrorCode::BAD_REQUEST, None),
                    None => refuse(&mut cx, arrival, &message, ErrorCode::UNAUTHENTICATED, None),
                }
            }
            Class::Success | Class::Error => {
                let known = generations
                    .iter_mut()
                    .any(|generation| generation.handle_response(&mut cx, arrival.local, arrival.from, &message));
                if !known {
                    cx.counters.spoofed += 1;
                }
            }
            Class::Indication => {}
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// Appends the next message to send to `out`; `None` if there is none.
    pub fn poll_transmit(&mut self, _now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        self.transports.outbox.pop(out)
    }

    /// What has happened, and what to do.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout). Stands until anything else is called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// Tells that a packet came back as an ICMP error, or that the system refused to send it. It is counted and changes
    /// nothing: one peer, or anybody who forges such an error, must not end what works.
    pub fn handle_unreachable(&mut self, _remote: SocketAddr) {
        self.counters.unreachable += 1;
    }

    /// Ends the session: relays are given back, nothing else is sent.
    pub fn close(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        let relays: Vec<_> = self.transports.relays.keys().copied().collect();
        relays.into_iter().for_each(|id| self.drop_relay(now, id));
        let streams: Vec<_> = self.transports.streams.keys().copied().collect();
        self.transports.streams.clear();
        self.events.extend(streams.into_iter().map(Event::CloseStream));
        self.generations.truncate(1);
        for generation in &mut self.generations {
            generation.pairs.clear();
            generation.triggered.clear();
            generation.selected = None;
        }
        self.closed = true;
        self.wake = None;
        self.set_state(ConnectionState::Closed);
    }

    /// All that getStats wants.
    pub fn stats(&self) -> Stats {
        let locals = &self.transports.locals;
        let mut pairs = Vec::new();
        for generation in &self.generations {
            for pair in &generation.pairs {
                let local = locals.get(pair.mapped.unwrap_or(pair.local)).map(|l| l.candidate.clone());
                let remote = generation.remotes.get(pair.remote).map(|r| r.candidate.clone());
                let (Some(local), Some(remote)) = (local, remote) else { continue };
                pairs.push(PairStats {
                    pair: pair.id,
                    local,
                    remote,
                    state: pair.state,
                    priority: pair.priority,
                    nominated: pair.nominated.is_some(),
                    selected: generation.selected == Some(pair.id),
                    current_round_trip_time: pair.live.last_rtt,
                    total_round_trip_time: pair.live.total_rtt,
                    counters: pair.counters,
                });
            }
        }
        Stats {
            role: self.role,
            state: self.state,
            local_ufrag: self.local_parameters().ufrag,
            local_candidates: locals.iter().filter(|l| !l.removed).map(|l| l.candidate.clone()).collect(),
            remote_candidates: self
                .generations
                .first()
                .map(|generation| generation.remotes.iter().map(|r| r.candidate.clone()).collect())
                .unwrap_or_default(),
            pairs,
            counters: self.counters,
        }
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Gives the handshake's current flight, one DTLS packet each, to ride on checks. `false` if it must go by the path
    /// alone: the other side cannot read it, or it does not fit.
    pub fn set_handshake_flight<'p>(&mut self, now: Instant, packets: impl IntoIterator<Item = &'p [u8]>) -> bool {
        let rides = self.sped.set_flight(packets);
        if rides {
            self.push_flight(now);
        }
        rides
    }

    /// Whether the other side has shown that it reads what rides on checks.
    pub fn handshake_rides(&self) -> bool {
        self.sped.is_confirmed()
    }

    /// Tells that the handshake is done on this side.
    pub fn handshake_done(&mut self) {
        self.sped.handshake_done();
    }

    /// A new flight does not wait for the next check that is due.
    fn push_flight(&mut self, now: Instant) {
        let (generations, mut cx) = self.split(now);
        for generation in generations {
            let proved = generation.pairs.iter().filter(|pair| pair.authenticated && pair.state != PairState::Failed);
            let best = proved.max_by_key(|pair| (pair.is_alive(), pair.priority));
            if let Some(id) = best.map(|pair| pair.id) {
                generation.send_check(&mut cx, id);
            }
        }
        self.advance(now);
    }

    /// The generations, and all that they need beside them.
    pub(crate) fn split(&mut self, now: Instant) -> (&mut Vec<Generation>, Context<'_>) {
        let cx = Context {
            now,
            config: &self.config,
            role: &mut self.role,
            tie_breaker: self.tie_breaker,
            transports: &mut self.transports,
            rng: &mut self.rng,
            sped: &mut self.sped,
            events: &mut self.events,
            scratch: &mut self.scratch,
            counters: &mut self.counters,
            nat64: self.gathering.prefix(),
            next_pair: &mut self.next_pair,
        };
        (&mut self.generations, cx)
    }

    /// Does all that is due, and finds out when something will be.
    pub(crate) fn advance(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.drive_relays(now);
        self.flush_relays();
        self.drive_bindings(now);
        let (generations, mut cx) = self.split(now);
        generations.iter_mut().for_each(|generation| generation.drive(&mut cx));
        self.retire(now);
        self.flush_relays();
        self.update_gathering();
        self.tell_selection();
        let before = self.state;
        self.set_state(self.connection_state(now));
        if self.state == ConnectionState::Disconnected && before != self.state {
            self.ask_again();
            self.drive_bindings(now);
            self.verify_relays(now);
        }
        self.wake = self.next_timeout(now);
    }

    /// Looks again when something will be due, after data has begun to flow.
    pub(crate) fn wake_by(&mut self, now: Instant) {
        self.wake = self.next_timeout(now);
    }

    fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let generations = self.generations.iter().filter_map(|g| g.next_timeout(now, &self.config, self.role));
        let bindings = self.gathering.bindings.iter().filter_map(|binding| binding.due());
        let relays = self.transports.relays.values().filter_map(|relay| relay.poll_timeout());
        generations.chain(bindings).chain(relays).chain(self.farewell).min()
    }

    /// Tells which pair data goes by, if that has changed.
    fn tell_selection(&mut self) {
        let active = self.active().and_then(|index| self.generations.get(index));
        let selected = active.and_then(|generation| generation.selected_pair());
        let selected = selected.map(|pair| (pair.id, pair.nominated.is_some()));
        if selected != self.told {
            self.told = selected;
            self.events.extend(active.and_then(|generation| generation.selection(&self.transports)));
        }
    }

    /// The generation that carries data.
    pub(crate) fn active(&self) -> Option<usize> {
        self.generations.iter().position(|generation| generation.selected.is_some())
    }

    fn connection_state(&self, now: Instant) -> ConnectionState {
        let Some(current) = self.generations.first() else { return ConnectionState::New };
        let active = self.active().and_then(|index| self.generations.get(index));
        if let Some((generation, selected)) = active.and_then(|g| g.selected_pair().map(|pair| (g, pair))) {
            let better = |pair: &&Pair| pair.priority > selected.priority && pair.is_unresolved() && !pair.valid;
            return if generation.disconnected || !selected.is_alive() {
                ConnectionState::Disconnected
            } else if selected.nominated.is_some()
                && !generation.pairs.iter().any(|pair| better(&pair))
                && self.gathering.state == GatheringState::Complete
            {
                ConnectionState::Completed
            } else {
                ConnectionState::Connected
            };
        }
        if current.remote.is_none() && !current.was_connected {
            return ConnectionState::New;
        }
        let unresolved = current.pairs.iter().any(Pair::is_unresolved);
        let waited = current.began.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        // Without word that no candidate will follow, one may (RFC 8838 §8.1); but not for ever.
        let patience =
            if current.end_of_candidates { self.config.patience } else { self.config.patience.saturating_mul(2) };
        if current.was_connected {
            return if waited >= LOST { ConnectionState::Failed } else { ConnectionState::Disconnected };
        }
        if !self.config.lite && !unresolved && waited >= patience {
            return ConnectionState::Failed;
        }
        ConnectionState::Checking
    }

    fn set_state(&mut self, state: ConnectionState) {
        if state != self.state {
            self.state = state;
            self.events.push_back(Event::State(state));
        }
    }

    /// A candidate that cannot be used.
    pub(crate) fn refuse_candidate(&mut self, why: Unusable) {
        self.counters.refused_candidates += 1;
        // One word about a flood is enough.
        if self.counters.refused_candidates <= 16 {
            self.events.push_back(Event::CandidateRefused(why));
        }
    }
}

/// Answers are tied to a check by their transaction and password; old servers leave FINGERPRINT out.
fn is_answer(message: &Message<'_>) -> bool {
    matches!(message.class(), Class::Success | Class::Error) && message.fingerprint().is_none()
}
