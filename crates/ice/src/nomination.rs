//! Which pair data goes by, and how both sides come to the same one (RFC 8445 §8.1, draft-thatcher-tsvwg-renomination).
//!
//! Data flows by the best valid pair from the first answer on. The controlling agent nominates as soon as no better
//! pair can be expected; where the other side can follow, it moves on to a better pair whenever one turns up.

use crate::candidate::CandidateKind;
use crate::checklist::{Context, Generation};
use crate::config::{Config, Role};
use crate::event::Event;
use crate::pair::{Pair, PairId, PairState, Sent};
use crate::transport::{Base, Transports};
use std::time::{Duration, Instant};

/// A pair is worth a move if its round trip is shorter by so much.
const RTT_GAIN: Duration = Duration::from_millis(10);
/// How many round trips of each pair must be known for that, and how long the last move must be past.
const RTT_SAMPLES: u32 = 3;
const RTT_REST: Duration = Duration::from_secs(5);
/// How long the other side may take to follow a nomination, if round trips are short.
const FOLLOW: Duration = Duration::from_millis(500);
/// How many pairs are kept ready beside the nominated one.
const BACKUPS: usize = 3;

impl Generation {
    /// The nominated pair: the last one, or the best of those that an aggressive peer nominates at once.
    pub(crate) fn nominated(&self) -> Option<&Pair> {
        let nominated = self.pairs.iter().filter(|pair| pair.valid && pair.nominated.is_some());
        nominated.max_by_key(|pair| (pair.nominated, pair.priority))
    }

    /// Whether a nomination may be followed by another one.
    fn renominates(&self, config: &Config) -> bool {
        config.renomination && self.remote.as_ref().is_some_and(|remote| remote.options.renominates())
    }

    /// Nominates, if it is time to (controlling side).
    pub(crate) fn nominate(&mut self, cx: &mut Context<'_>) {
        if *cx.role != Role::Controlling {
            return;
        }
        let Some(best) = self.best(cx) else { return };
        let moves = self.renominates(cx.config);
        let now = cx.now;
        let target = match self.nominated().map(|pair| (pair.id, pair.is_alive())) {
            Some((id, _)) if id == best => None,
            Some((_, true)) => moves.then_some(best),
            Some((_, false)) => Some(best),
            None => self.ready_at(best, moves).filter(|at| *at <= now).map(|_| best),
        };
        let Some(target) = target else { return };
        let asked = self.pairs.iter().find(|pair| pair.nominating.is_some() && pair.is_alive());
        if asked.is_some_and(|asked| asked.id == target || !moves) {
            return;
        }
        self.nomination = self.nomination.saturating_add(1);
        let value = self.nomination;
        for pair in &mut self.pairs {
            pair.nominating = (pair.id == target).then_some(value);
        }
        self.send_check(cx, target);
    }

    /// When [`nominate`](Self::nominate) should look again although nothing has happened.
    pub(crate) fn nomination_due(&self, config: &Config, role: Role) -> Option<Instant> {
        if role != Role::Controlling || self.nominated().is_some() {
            return None;
        }
        if self.pairs.iter().any(|pair| pair.nominating.is_some() && pair.is_alive()) {
            return None;
        }
        let best = self.pairs.iter().filter(|pair| pair.is_alive()).max_by_key(|pair| pair.priority)?;
        self.ready_at(best.id, self.renominates(config))
    }

    /// From when on a valid pair may be nominated: at once if no better one can come, else after a while that its
    /// own round trip sets. Data does not wait for it.
    fn ready_at(&self, best: PairId, moves: bool) -> Option<Instant> {
        let pair = self.pair(best)?;
        let first = self.first_valid?;
        let lite = self.remote.as_ref().is_some_and(|remote| remote.lite);
        let better = |other: &&Pair| other.priority > pair.priority && !other.valid && other.is_unresolved();
        if lite || !self.pairs.iter().any(|other| better(&other)) {
            return Some(first);
        }
        let rtt = pair.live.rtt.rtt().unwrap_or_default();
        let relayed = self.remotes.get(pair.remote).is_some_and(|r| r.candidate.kind == CandidateKind::Relayed)
            || pair.priority >> 56 < 16;
        let ms = Duration::from_millis;
        let settle = match (relayed, moves) {
            (false, true) => (rtt * 2).clamp(ms(20), ms(200)),
            (false, false) => (rtt * 2).clamp(ms(100), ms(400)),
            (true, true) => (rtt * 3).clamp(ms(100), ms(600)),
            (true, false) => (rtt * 3 + ms(500)).clamp(ms(500), ms(1_500)),
        };
        Some(first + settle)
    }

    /// The pair that the controlling side wants.
    fn best(&mut self, cx: &Context<'_>) -> Option<PairId> {
        let alive = || self.pairs.iter().filter(|pair| pair.is_alive());
        let first = alive().max_by_key(|pair| pair.priority)?;
        let Some(current) = self.nominated().filter(|pair| pair.is_alive()) else {
            return Some(first.id);
        };
        // The other side has moved on: media is missing here, and has come by another pair since, or a pair has become
        // valid that was not there before. It must have had time to follow our own last move.
        let follow = FOLLOW.max(current.live.rtt.rtt().unwrap_or_default() * 3);
        let followed = self.selected_at.is_none_or(|at| at + follow <= cx.now);
        let ahead = |pair: &&Pair| {
            let like = self.class(pair, cx) >= self.class(current, cx);
            let fresh = like && pair.live.valid_since > current.live.received_at;
            let heard = if fresh { pair.live.received_at } else { pair.live.data_received_at };
            followed && heard.is_some_and(|at| current.live.is_left_behind(at))
        };
        if let Some(pair) = alive().filter(ahead).max_by_key(|pair| pair.live.received_at) {
            let (next, left) = (pair.id, current.id);
            if let Some(left) = self.pair_mut(left) {
                left.live.dead = true;
            }
            return Some(next);
        }
        if self.class(first, cx) > self.class(current, cx) || (first.priority > current.priority && !self.chosen_by_rtt)
        {
            self.chosen_by_rtt = false;
            return Some(first.id);
        }
        let class = self.class(current, cx);
        let rested = self.selected_at.is_none_or(|at| at + RTT_REST <= cx.now);
        let rtt = |pair: &Pair| pair.live.rtt.rtt().filter(|_| pair.live.samples >= RTT_SAMPLES);
        let quickest =
            alive().filter(|pair| self.class(pair, cx) == class && rtt(pair).is_some()).min_by_key(|p| rtt(p));
        let quicker = quickest.filter(|quickest| match (rtt(quickest), rtt(current)) {
            (Some(a), Some(b)) => rested && a + RTT_GAIN <= b,
            _ => false,
        });
        let (id, by_rtt) = quicker.map_or((current.id, self.chosen_by_rtt), |pair| (pair.id, true));
        self.chosen_by_rtt = by_rtt;
        Some(id)
    }

    /// What counts more than a round trip: direct before relayed, UDP before TCP.
    fn class(&self, pair: &Pair, cx: &Context<'_>) -> (bool, bool) {
        let relayed = |kind: CandidateKind| kind == CandidateKind::Relayed;
        let local = cx.transports.local(pair.local);
        let remote = self.remotes.get(pair.remote);
        let direct =
            !local.is_some_and(|l| relayed(l.candidate.kind)) && !remote.is_some_and(|r| relayed(r.candidate.kind));
        (direct, pair.stream.is_none())
    }

    /// What an answered check means for nomination, on both sides (RFC 8445 §7.2.5.3.4).
    pub(crate) fn settle_nomination(&mut self, cx: &mut Context<'_>, index: usize, sent: &Sent) {
        let Some(pair) = self.pairs.get_mut(index) else { return };
        let Some(value) = pair.nominating else { return };
        let done = match *cx.role {
            Role::Controlling => sent.nomination == Some(value),
            Role::Controlled => true,
        };
        if done {
            let id = pair.id;
            pair.nominating = None;
            self.confirm(cx, id, value);
        }
    }

    /// Takes the other side's nomination (RFC 8445 §7.3.1.5).
    pub(crate) fn accept_nomination(&mut self, cx: &mut Context<'_>, id: PairId, value: Option<u32>) {
        if let Some(value) = value {
            let repeated =
                self.pair(id).is_some_and(|pair| pair.nominated == Some(value) || pair.nominating == Some(value));
            if value <= self.nomination && !repeated {
                return;
            }
            self.nomination = self.nomination.max(value);
            // An older one that still waits for its pair is overtaken.
            for pair in self.pairs.iter_mut().filter(|pair| pair.id != id) {
                pair.nominating = None;
            }
        }
        let value = value.unwrap_or(0);
        let lite = cx.config.lite;
        let Some(pair) = self.pair_mut(id) else { return };
        if lite && !pair.valid {
            pair.valid = true;
            pair.state = PairState::Succeeded;
        }
        if !pair.valid {
            pair.nominating = Some(value);
        } else if pair.nominated != Some(value) {
            self.confirm(cx, id, value);
        }
    }

    fn confirm(&mut self, cx: &mut Context<'_>, id: PairId, value: u32) {
        let role = *cx.role;
        for pair in &mut self.pairs {
            if pair.id == id {
                pair.nominated = Some(value);
            } else if role == Role::Controlling || value > 0 {
                pair.nominated = None;
            }
        }
        self.park_others(cx, id);
    }

    /// With a pair nominated, worse ones need no checks any more (RFC 8445 §8.1.2), but for a few that stand ready in
    /// case it dies: of another base or another kind of path.
    fn park_others(&mut self, cx: &mut Context<'_>, id: PairId) {
        let moves = self.renominates(cx.config) || *cx.role == Role::Controlled;
        let Some(chosen) = self.pair(id) else { return };
        let (priority, local, class) = (chosen.priority, chosen.local, self.class(chosen, cx));
        let mut backups: Vec<(PairId, u64)> = self
            .pairs
            .iter()
            .filter(|pair| pair.id != id && !pair.valid && pair.state != PairState::Failed)
            .filter(|pair| pair.priority < priority || !moves)
            .filter(|pair| pair.local != local || self.class(pair, cx) != class)
            .map(|pair| (pair.id, pair.priority))
            .collect();
        backups.sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
        let ready = self.pairs.iter().filter(|pair| pair.id != id && pair.is_alive()).count();
        backups.truncate(BACKUPS.saturating_sub(ready));
        let keep = |id: PairId| backups.iter().any(|(backup, _)| *backup == id);
        for pair in self.pairs.iter_mut().filter(|pair| pair.id != id && !pair.valid) {
            if keep(pair.id) {
                pair.backup = true;
            } else if pair.priority < priority || !moves {
                pair.park();
            }
        }
        let pairs = &self.pairs;
        self.triggered.retain(|queued| pairs.iter().any(|pair| pair.id == *queued && !pair.parked));
    }

    /// Chooses what data goes by.
    pub(crate) fn select(&mut self, cx: &mut Context<'_>) {
        let lite = cx.config.lite;
        let rank =
            |pair: &&Pair| (pair.is_alive(), pair.nominated.map_or(0, |value| u64::from(value) + 1), pair.priority);
        let chosen =
            self.pairs.iter().filter(|pair| pair.valid && (!lite || pair.nominated.is_some())).max_by_key(rank);
        let Some(chosen) = chosen.map(|pair| pair.id) else {
            if self.selected.take().is_some() {
                self.disconnected = true;
                self.began = Some(cx.now);
            }
            return;
        };
        if self.pair(chosen).is_some_and(|pair| pair.is_alive() && pair.live.probing.is_none()) {
            self.disconnected = false;
        }
        if self.selected == Some(chosen) {
            return;
        }
        self.selected = Some(chosen);
        self.selected_at = Some(cx.now);
        self.was_connected = true;
        cx.counters.pair_changes = cx.counters.pair_changes.saturating_add(1);
        if let Some(index) = self.pairs.iter().position(|pair| pair.id == chosen) {
            self.schedule_next_check(cx, index);
        }
        let Some(pair) = self.pair(chosen) else { return };
        if let Some(Base::Relay(relay, _)) = cx.transports.local(pair.local).map(|local| local.base)
            && let Some(relay) = cx.transports.relays.get_mut(&relay)
        {
            relay.client.bind_channel(cx.now, pair.address);
        }
    }

    /// Which pair data goes by, to be told.
    pub(crate) fn selection(&self, transports: &Transports) -> Option<Event> {
        let pair = self.selected_pair()?;
        let local = transports.local(pair.mapped.unwrap_or(pair.local))?.candidate.clone();
        let remote = self.remotes.get(pair.remote)?.candidate.clone();
        Some(Event::SelectedPair { pair: pair.id, local, remote, nominated: pair.nominated.is_some() })
    }
}
