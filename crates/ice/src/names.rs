//! Candidates of the other agent: by address, by name, in time or early (RFC 8838 §11, draft-ietf-mmusic-mdns-ice-candidates).

use crate::agent::Agent;
use crate::candidate::{Address, Candidate, Protocol, TcpType, Unusable, usable};
use crate::event::Event;
use crate::transport::RelayId;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Names that are being looked up at a time.
const MAX_NAMES: usize = 16;
/// Candidates that wait for a description that names their generation.
const MAX_EARLY: usize = 64;

/// Candidates that cannot be paired yet.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Candidates whose name is being looked up, with the fragment of their generation.
    waiting: Vec<(String, Candidate, Option<String>)>,
    /// Candidates and ends of candidates of generations that are not known yet.
    early: Vec<(String, Option<Candidate>)>,
}

impl Agent {
    /// Takes a candidate of the other agent. `ufrag` is the user name fragment of its generation, if it was told; a
    /// candidate that comes before the parameters of its generation waits for them.
    pub fn add_remote_candidate(&mut self, now: Instant, candidate: Candidate, ufrag: Option<&str>) {
        match self.generation_of(ufrag) {
            Whose::Current => self.take_candidate(now, candidate, ufrag),
            Whose::Later(ufrag) if self.names.early.len() < MAX_EARLY => {
                self.names.early.push((ufrag.to_owned(), Some(candidate)));
            }
            Whose::Later(_) => self.refuse_candidate(Unusable::TooMany),
            Whose::Earlier => self.refuse_candidate(Unusable::Generation),
        }
        self.advance(now);
    }

    /// Tells that the other agent has no more candidates in this generation (RFC 8838 §13).
    pub fn end_of_remote_candidates(&mut self, now: Instant, ufrag: Option<&str>) {
        match self.generation_of(ufrag) {
            Whose::Current => {
                if let Some(generation) = self.generations.first_mut() {
                    generation.end_of_candidates = true;
                }
            }
            Whose::Later(ufrag) if self.names.early.len() < MAX_EARLY => {
                self.names.early.push((ufrag.to_owned(), None));
            }
            Whose::Later(_) | Whose::Earlier => {}
        }
        self.advance(now);
    }

    /// Tells the addresses of a name that [`Event::Resolve`] asked for; none if it could not be found.
    pub fn handle_resolved(&mut self, now: Instant, name: &str, addresses: &[IpAddr]) {
        if name == crate::gathering::nat64::NAME {
            self.nat64_resolved(now, addresses);
        }
        self.server_resolved(now, name, addresses);
        let found: Vec<_> = self.names.waiting.extract_if(.., |(known, ..)| known == name).collect();
        for (_, mut candidate, ufrag) in found {
            let family =
                |ip: &&IpAddr| self.transports.locals.iter().any(|l| !l.removed && l.base.is_ipv4() == ip.is_ipv4());
            let Some(ip) = addresses.iter().find(family) else { continue };
            candidate.address = Address::Socket(SocketAddr::new(*ip, candidate.address.port()));
            if matches!(self.generation_of(ufrag.as_deref()), Whose::Current) {
                self.take_candidate(now, candidate, ufrag.as_deref());
            }
        }
        self.advance(now);
    }

    /// The parameters of a generation came: so did these candidates, before.
    pub(crate) fn release_early_candidates(&mut self, now: Instant, ufrag: &str) {
        let early: Vec<_> = self.names.early.extract_if(.., |(whose, _)| whose == ufrag).collect();
        for (_, candidate) in early {
            match candidate {
                Some(candidate) => self.take_candidate(now, candidate, Some(ufrag)),
                None => {
                    if let Some(generation) = self.generations.first_mut() {
                        generation.end_of_candidates = true;
                    }
                }
            }
        }
        let relays: Vec<RelayId> = self.transports.relays.keys().copied().collect();
        relays.into_iter().for_each(|id| self.permit(now, id));
        self.flush_relays();
    }

    fn take_candidate(&mut self, now: Instant, candidate: Candidate, ufrag: Option<&str>) {
        let taken = self.generations.first().map_or(0, |generation| generation.remotes.len());
        if taken + self.names.waiting.len() >= self.config.max_remote_candidates {
            return self.refuse_candidate(Unusable::TooMany);
        }
        let address = match &candidate.address {
            Address::Socket(address) => *address,
            Address::Name(name, port) => {
                let (name, port) = (name.clone(), *port);
                return self.look_up(name, port, candidate, ufrag);
            }
        };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        if let Err(why) = usable(address, candidate.protocol, self.gathering.has_loopback()) {
            return self.refuse_candidate(why);
        }
        if self.gathering.is_server(address) {
            return self.refuse_candidate(Unusable::Server);
        }
        // Permissions first: the checks follow them on the same way, and are let through (RFC 8656 §9).
        self.permit_peer(now, address, candidate.protocol);
        let (generations, mut cx) = self.split(now);
        if let Some(generation) = generations.first_mut() {
            generation.add_remote(&mut cx, candidate, address);
        }
    }

    fn permit_peer(&mut self, now: Instant, address: SocketAddr, protocol: Protocol) {
        if protocol != Protocol::Udp {
            return;
        }
        for relay in self.transports.relays.values_mut() {
            if relay.client.relayed().iter().any(|own| crate::gathering::serves(*own, address)) {
                relay.client.create_permission(now, &[address.ip()]);
            }
        }
        self.flush_relays();
    }

    /// A name: of mDNS always, of DNS if the application wants it. Each is asked for once at a time.
    fn look_up(&mut self, name: String, port: u16, candidate: Candidate, ufrag: Option<&str>) {
        let local = crate::mdns::is_local_name(&name);
        let fine = name.len() <= 253 && (local || self.config.resolve_names);
        let active = candidate.protocol == Protocol::Tcp(TcpType::Active);
        if !fine || (!active && matches!(port, 0 | 9)) {
            return self.refuse_candidate(if fine { Unusable::Port } else { Unusable::Name });
        }
        if self.names.waiting.len() >= MAX_NAMES {
            return self.refuse_candidate(Unusable::TooMany);
        }
        if !self.names.waiting.iter().any(|(known, ..)| *known == name) {
            self.events.push_back(Event::Resolve(name.clone()));
        }
        self.names.waiting.push((name, candidate, ufrag.map(str::to_owned)));
    }

    fn generation_of<'u>(&self, ufrag: Option<&'u str>) -> Whose<'u> {
        let known = |index: usize| {
            let generation = self.generations.get(index)?;
            generation.remote.as_ref().map(|remote| remote.credentials.ufrag.as_str())
        };
        match ufrag {
            None => Whose::Current,
            Some(ufrag) if known(0) == Some(ufrag) => Whose::Current,
            Some(ufrag) if known(1) == Some(ufrag) => Whose::Earlier,
            Some(ufrag) => Whose::Later(ufrag),
        }
    }

    /// Forgets what waits for the generation that a restart ends.
    pub(crate) fn forget_names(&mut self) {
        self.names.waiting.clear();
    }
}

/// Which generation a fragment names.
enum Whose<'u> {
    Current,
    Earlier,
    /// One that is not known yet.
    Later(&'u str),
}
