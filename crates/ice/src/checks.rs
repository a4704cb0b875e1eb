//! Connectivity checks: when each goes, what is in it, and what its answer means (RFC 8445 §6.1.4, §7.2).

use crate::candidate::{Address, Candidate, CandidateKind, Preference, TcpType};
use crate::checklist::{Context, Generation};
use crate::config::Role;
use crate::event::Event;
use crate::pair::{Pair, PairId, PairState, Sent};
use crate::tcp::{Purpose, Stream};
use crate::transport::{Base, Local, StreamId};
use parlour_stun::attribute::{
    ErrorCode, GoogNetworkInfo, IceControlled, IceControlling, Priority, UseCandidate, Username, XorMappedAddress,
};
use parlour_stun::{AttributeType, Class, Integrity, Message, MessageWriter, Method, TransactionId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// NOMINATION of draft-thatcher-tsvwg-renomination; the stun crate's one is libwebrtc's.
pub(crate) const NOMINATION2: AttributeType = AttributeType(0x0030);
/// How long a pair is checked before it has failed: alone, beside a nominated pair, as a backup.
const RUN: Duration = Duration::from_secs(20);
const RUN_CONNECTED: Duration = Duration::from_secs(5);
const RUN_BACKUP: Duration = Duration::from_secs(2);
/// TCP sends again by itself (RFC 8489 §6.2.2).
const STREAM_PATIENCE: Duration = Duration::from_millis(39_500);
/// Checks of a pair closer together than this see the same network.
const JUST_NOW: Duration = Duration::from_millis(10);

/// What must be understood in a response and is.
const KNOWN: &[AttributeType] = &[
    AttributeType::XOR_MAPPED_ADDRESS,
    AttributeType::MAPPED_ADDRESS,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::USERNAME,
    AttributeType::PRIORITY,
    AttributeType::USE_CANDIDATE,
];

impl Generation {
    /// Does all that is due.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        self.watch(cx);
        let checks = self.remote.is_some() && !cx.config.lite;
        if checks {
            self.began.get_or_insert(cx.now);
            self.send_again(cx);
            self.send_triggered(cx);
            self.send_ordinary(cx);
            self.nominate(cx);
        }
        self.select(cx);
        if checks {
            // Last: a pair that has just been selected may be silent already.
            self.maintain(cx);
        }
    }

    /// When [`drive`](Self::drive) has something to do.
    pub(crate) fn next_timeout(&self, now: Instant, config: &crate::Config, role: Role) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut sooner = |at: Option<Instant>| next = [next, at].into_iter().flatten().min();
        for pair in self.pairs.iter().filter(|pair| pair.valid) {
            let selected = Some(pair.id) == self.selected;
            if !config.lite {
                sooner(pair.live.due(now, selected));
                sooner(pair.live.dies_at(now));
            }
            sooner(pair.live.consent_until);
        }
        if self.remote.is_none() || config.lite {
            return next;
        }
        for pair in self.pairs.iter().filter(|pair| !pair.valid) {
            sooner(pair.next_send);
        }
        if !self.triggered.is_empty() {
            sooner(Some(self.next_triggered.unwrap_or(now)));
        }
        if self.next_ordinary_pair().is_some() {
            sooner(Some(self.next_ordinary.unwrap_or(now)));
        }
        sooner(self.nomination_due(config, role));
        if let Some(began) = self.began.filter(|_| self.selected.is_none()) {
            let waits = [config.patience, config.patience.saturating_mul(2), crate::agent::LOST];
            waits.into_iter().map(|wait| began + wait).filter(|at| *at > now).for_each(|at| sooner(Some(at)));
        }
        next
    }

    /// Sends unanswered checks again, and gives pairs up.
    fn send_again(&mut self, cx: &mut Context<'_>) {
        let connected = self.nominated().is_some_and(Pair::is_alive);
        let now = cx.now;
        let mut again = Vec::new();
        for pair in self.pairs.iter_mut().filter(|pair| !pair.valid) {
            if pair.next_send.is_none_or(|at| at > now) {
                continue;
            }
            let run = match (connected, pair.backup) {
                (true, true) => RUN_BACKUP,
                (true, false) => RUN_CONNECTED,
                _ => RUN,
            };
            let waited = pair.started.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            if waited >= run || (pair.stream.is_some() && waited >= STREAM_PATIENCE) {
                pair.fail();
            } else {
                again.push(pair.id);
            }
        }
        for id in again {
            self.send_check(cx, id);
        }
    }

    fn send_triggered(&mut self, cx: &mut Context<'_>) {
        while self.next_triggered.is_none_or(|at| at <= cx.now) {
            let Some(id) = self.triggered.pop_front() else { return };
            if let Some(pair) = self.pair_mut(id) {
                if pair.state != PairState::InProgress {
                    pair.wait();
                }
                self.send_check(cx, id);
                self.spent_slot(cx);
            }
        }
    }

    fn send_ordinary(&mut self, cx: &mut Context<'_>) {
        while self.next_ordinary.is_none_or(|at| at <= cx.now) {
            let Some(id) = self.next_ordinary_pair() else { return };
            if let Some(pair) = self.pair_mut(id) {
                pair.wait();
            }
            self.send_check(cx, id);
            self.spent_slot(cx);
        }
    }

    fn spent_slot(&mut self, cx: &Context<'_>) {
        self.next_triggered = Some(cx.now + self.triggered_pace(cx.config));
        self.next_ordinary = Some(cx.now + self.pace(cx.config));
    }

    /// The best waiting pair, or else the best frozen one (RFC 8445 §6.1.4.2).
    fn next_ordinary_pair(&self) -> Option<PairId> {
        let ready = |pair: &&Pair| {
            !pair.valid
                && !pair.parked
                && matches!(pair.state, PairState::Waiting | PairState::Frozen)
                && !self.triggered.contains(&pair.id)
        };
        self.pairs
            .iter()
            .filter(ready)
            .max_by_key(|pair| (pair.state == PairState::Waiting, pair.priority))
            .map(|pair| pair.id)
    }

    /// Checks valid pairs: for consent, because they are silent, or to keep them at hand.
    fn maintain(&mut self, cx: &mut Context<'_>) {
        let (now, selected) = (cx.now, self.selected);
        let due: Vec<PairId> = self
            .pairs
            .iter()
            .filter(|pair| pair.valid && pair.live.due(now, Some(pair.id) == selected).is_some_and(|at| at <= now))
            .map(|pair| pair.id)
            .collect();
        for id in due {
            if let Some(pair) = self.pair_mut(id) {
                pair.live.next_check = None;
            }
            self.send_check(cx, id);
        }
    }

    /// Sends a check on a pair now.
    pub(crate) fn send_check(&mut self, cx: &mut Context<'_>, id: PairId) {
        let active = self.pairs.iter().filter(|pair| pair.state == PairState::InProgress).count();
        let pace = self.pace(cx.config);
        let Some(index) = self.pairs.iter().position(|pair| pair.id == id) else { return };
        let (Some(pair), Some(remote)) = (self.pairs.get(index), &self.remote) else { return };
        let Some(local) = cx.transports.local(pair.local) else { return };
        let Some(route) = self.route(pair, cx.transports) else { return self.open_stream(cx, index) };

        let transaction = TransactionId::random(cx.rng);
        // Said again with each check: the other side may have had no room for the pair when it heard it first.
        let nomination = pair.nominating.or(pair.nominated).filter(|_| *cx.role == Role::Controlling);
        cx.scratch.clear();
        let mut writer = MessageWriter::new(cx.scratch, Class::Request, Method::BINDING, transaction);
        writer.put(&Username(&remote.username));
        writer.put(&Priority(reflexive_priority(local)));
        match cx.role {
            Role::Controlling => writer.put(&IceControlling(cx.tie_breaker)),
            Role::Controlled => writer.put(&IceControlled(cx.tie_breaker)),
        }
        if let Some(value) = nomination {
            writer.put(&UseCandidate);
            if remote.options.renomination2 && cx.config.renomination {
                writer.put_raw(NOMINATION2, &value.to_be_bytes());
            } else if remote.options.renomination && cx.config.renomination {
                writer.put(&parlour_stun::attribute::Nomination(value));
            }
        }
        if local.cost != 0 || local.network_id != 0 {
            writer.put(&GoogNetworkInfo(u32::from(local.network_id) << 16 | u32::from(local.cost)));
        }
        if remote.options.sped {
            cx.sped.attach(&mut writer);
        }
        writer.integrity(&remote.credentials.key);
        writer.fingerprint();
        // What cannot be sent counts as sent and lost, so that it has its next turn like any other.
        if writer.finish().is_ok() {
            cx.transports.send(route, cx.scratch);
        }

        let Some(pair) = self.pairs.get_mut(index) else { return };
        pair.remember(Sent { id: transaction, at: cx.now, role: *cx.role, nomination });
        if pair.valid {
            pair.counters.consent_requests_sent += 1;
        } else {
            pair.counters.requests_sent += 1;
            pair.state = PairState::InProgress;
            pair.started.get_or_insert(cx.now);
            pair.sends += 1;
            let crowd = pace.saturating_mul(u32::try_from(active).unwrap_or(u32::MAX));
            let wait = if pair.stream.is_some() { STREAM_PATIENCE } else { pair.wait_for_answer().max(crowd) };
            pair.next_send = Some(cx.now + wait);
        }
        if pair.valid {
            pair.live.checked(cx.now);
        } else {
            pair.live.last_check = Some(cx.now);
        }
    }

    /// The check of a pair over TCP begins with its connection (RFC 6544 §7.1).
    fn open_stream(&mut self, cx: &mut Context<'_>, index: usize) {
        let Some(pair) = self.pairs.get_mut(index) else { return };
        let Some(base) = cx.transports.local(pair.local).filter(|l| !l.removed).map(|l| l.base) else {
            return pair.fail();
        };
        let local = match base {
            Base::TcpActive(ip) => SocketAddr::new(ip, 0),
            Base::Tcp(local, TcpType::SimultaneousOpen) => local,
            _ => return pair.fail(),
        };
        pair.state = PairState::InProgress;
        pair.started.get_or_insert(cx.now);
        pair.next_send = Some(cx.now + STREAM_PATIENCE);
        if pair.stream.is_some() {
            return;
        }
        let remote = pair.address;
        let stream = cx.transports.add_stream(Stream::connecting(Purpose::Check { local: pair.local }, remote));
        pair.stream = Some(stream);
        cx.events.push_back(Event::OpenStream { stream, local: Some(local), remote, tls: None });
    }

    /// The connection of a pair stands: its check can go.
    pub(crate) fn stream_opened(&mut self, cx: &mut Context<'_>, stream: StreamId) {
        if let Some(id) = self.pairs.iter().find(|pair| pair.stream == Some(stream)).map(|pair| pair.id) {
            self.send_check(cx, id);
        }
    }

    /// The connection of a pair is gone, and the pair with it. Whether it was the selected one.
    pub(crate) fn stream_closed(&mut self, stream: StreamId) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.stream == Some(stream)) {
            pair.fail();
            pair.stream = None;
        }
    }

    /// Takes a response; `false` if it belongs to no check of this generation.
    pub(crate) fn handle_response(
        &mut self,
        cx: &mut Context<'_>,
        local: usize,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> bool {
        let id = message.transaction_id();
        let found = self
            .pairs
            .iter()
            .enumerate()
            .find_map(|(index, pair)| pair.sent.iter().find(|sent| sent.id == id).map(|sent| (index, *sent)));
        let (Some((index, sent)), Some(remote)) = (found, &self.remote) else { return false };
        if message.verify(&remote.credentials.key) != Integrity::Valid
            || message.unknown_attributes(KNOWN).next().is_some()
        {
            // Anybody on the way can forge this: it says nothing about the pair.
            cx.counters.spoofed += 1;
            return true;
        }
        let Some(pair) = self.pairs.get_mut(index) else { return true };
        let pair_id = pair.id;
        pair.sent.retain(|other| other.id != id);
        pair.counters.responses_received += 1;
        if let Some(packet) = cx.sped.receive(message) {
            cx.events.push_back(Event::Handshake(packet.to_vec()));
        }
        if message.class() == Class::Error {
            let code = message.get::<ErrorCode<'_>>().ok().flatten().map(|error| error.code);
            if code == Some(ErrorCode::ROLE_CONFLICT) && sent.role == *cx.role {
                self.switch_role(cx);
                self.trigger(pair_id);
            }
            return true;
        }
        if pair.local != local || pair.address != from {
            // Answers must come back the way the check went (RFC 8445 §7.2.5.2.1).
            if !pair.valid {
                pair.fail();
            }
            return true;
        }
        let mapped = message.get::<XorMappedAddress>().ok().flatten().map(|mapped| mapped.0);
        self.succeed(cx, index, &sent, mapped);
        true
    }

    /// A check was answered (RFC 8445 §7.2.5.3).
    fn succeed(&mut self, cx: &mut Context<'_>, index: usize, sent: &Sent, mapped: Option<SocketAddr>) {
        let selected = self.selected;
        let Some(pair) = self.pairs.get_mut(index) else { return };
        let id = pair.id;
        let rtt = cx.now.saturating_duration_since(sent.at);
        let fresh = !pair.valid;
        pair.live.answered(cx.now, rtt, cx.config.consent_lifetime);
        pair.state = PairState::Succeeded;
        pair.valid = true;
        pair.authenticated = true;
        pair.parked = false;
        pair.next_send = None;
        pair.sends = 0;
        pair.started = None;
        pair.mapped = mapped.and_then(|mapped| mapped_candidate(cx, pair.local, mapped));
        if Some(id) == selected {
            self.disconnected = false;
        }
        if fresh {
            pair.live.valid_since = Some(cx.now);
        }
        if fresh {
            self.first_valid.get_or_insert(cx.now);
            self.unfreeze(index, cx);
        }
        self.triggered.retain(|queued| *queued != id);
        self.schedule_next_check(cx, index);
        self.settle_nomination(cx, index, sent);
        // An earlier check was answered and not the one that nominates: that one must still be sent again.
        if let Some(pair) = self.pairs.get_mut(index).filter(|pair| pair.nominating.is_some()) {
            pair.live.probing = Some(cx.now);
        }
    }

    /// When a pair that was just answered is asked again.
    pub(crate) fn schedule_next_check(&mut self, cx: &mut Context<'_>, index: usize) {
        /// A backup is asked seldom, once its round trip is known.
        const BACKUP: Duration = Duration::from_secs(25);
        const BACKUP_FIRST: Duration = Duration::from_secs(1);
        let selected = self.selected;
        let Some(pair) = self.pairs.get_mut(index) else { return };
        let wait = if Some(pair.id) == selected || selected.is_none() {
            varied(cx.config.consent_interval, cx.rng)
        } else if pair.live.samples < 3 {
            BACKUP_FIRST
        } else {
            BACKUP.min(cx.config.consent_lifetime * 5 / 6)
        };
        pair.live.next_check = Some(cx.now + wait);
    }

    /// Pairs of the same foundation need not wait any more (RFC 8445 §7.2.5.3.3).
    fn unfreeze(&mut self, index: usize, cx: &Context<'_>) {
        let foundation = |pair: &Pair| {
            let local = cx.transports.local(pair.local)?;
            let remote = self.remotes.get(pair.remote)?;
            Some((local.candidate.foundation.clone(), remote.candidate.foundation.clone()))
        };
        let Some(of) = self.pairs.get(index).and_then(foundation) else { return };
        let like: Vec<PairId> = self
            .pairs
            .iter()
            .filter(|pair| pair.state == PairState::Frozen && !pair.parked && foundation(pair).as_ref() == Some(&of))
            .map(|pair| pair.id)
            .collect();
        for pair in self.pairs.iter_mut().filter(|pair| like.contains(&pair.id)) {
            pair.state = PairState::Waiting;
        }
    }

    /// A check came on this pair: checks it at once, unless that has just been done (RFC 8445 §7.3.1.4).
    pub(crate) fn answer_with_check(&mut self, cx: &mut Context<'_>, id: PairId) {
        let Some(pair) = self.pair_mut(id) else { return };
        if pair.valid || pair.live.last_check.is_some_and(|at| at + JUST_NOW > cx.now && pair.next_send.is_some()) {
            return;
        }
        if pair.state == PairState::Failed || pair.parked {
            pair.wait();
        }
        self.trigger(id);
    }

    /// Takes the other role after a conflict (RFC 8445 §7.3.1.1).
    pub(crate) fn switch_role(&mut self, cx: &mut Context<'_>) {
        *cx.role = cx.role.opposite();
        for pair in &mut self.pairs {
            pair.nominating = None;
            pair.nominated = None;
        }
        self.rank(*cx.role, cx.transports);
        cx.events.push_back(Event::RoleChanged(*cx.role));
    }
}

/// The priority that a peer-reflexive candidate found by this check would have (RFC 8445 §7.1.1). One that stands for
/// a relay is rated as the relay that it is, or the other side would prefer it to a direct path.
fn reflexive_priority(local: &Local) -> u32 {
    if matches!(local.base, Base::Relay(..)) {
        return local.candidate.priority;
    }
    let protocol = local.base.protocol();
    Preference { kind: CandidateKind::PeerReflexive, protocol, relay: None, local: local.preference }.priority()
}

/// The local candidate that the other agent saw (RFC 8445 §7.2.5.3.1): a known one, or a new peer-reflexive one.
fn mapped_candidate(cx: &mut Context<'_>, local: usize, mapped: SocketAddr) -> Option<usize> {
    let paired = cx.transports.local(local)?;
    let own = paired.candidate.address.socket() == Some(mapped) || paired.base == Base::Udp(mapped);
    if own || !matches!(paired.base, Base::Udp(_)) {
        return None;
    }
    let base = paired.base;
    let known = |l: &Local| l.base == base && l.candidate.address.socket() == Some(mapped);
    if let Some(index) = cx.transports.locals.iter().position(known) {
        return Some(index);
    }
    if cx.transports.locals.len() >= 256 {
        return None;
    }
    let related = match base {
        Base::Udp(address) => Some(address),
        _ => None,
    };
    let candidate = Candidate {
        foundation: format!("p{}", paired.candidate.foundation),
        protocol: paired.candidate.protocol,
        priority: reflexive_priority(paired),
        address: Address::Socket(mapped),
        kind: CandidateKind::PeerReflexive,
        related,
        relay_transport: None,
        server: None,
    };
    let found = Local { candidate, pairs: false, ..paired.clone() };
    cx.transports.locals.push(found);
    Some(cx.transports.locals.len() - 1)
}

/// A duration varied by up to a fifth either way, so that many agents do not speak in step (RFC 7675 §5.1).
pub(crate) fn varied(mean: Duration, rng: &mut parlour_turn::Rng) -> Duration {
    let mut bytes = [0; 2];
    rng(&mut bytes);
    let share = u32::from(u16::from_be_bytes(bytes));
    mean * 4 / 5 + (mean * 2 / 5) * share / 65_535
}
