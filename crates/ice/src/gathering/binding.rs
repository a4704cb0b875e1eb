//! Server-reflexive candidates: asking a STUN server how it sees a socket (RFC 8445 §5.1.1.2).

use crate::agent::Agent;
use crate::event::Event;
use crate::pair::Pair;
use parlour_stun::attribute::{MappedAddress, XorMappedAddress};
use parlour_stun::{Class, Message, MessageWriter, Method, TransactionId};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Sends before a server counts as silent: about five seconds.
const SENDS: u32 = 14;
/// Keeps the mapping alive until a pair is selected (RFC 8445 §5.1.1.4).
const KEEPALIVE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asking,
    Known,
    Silent,
}

/// One socket's question to one server.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) local: SocketAddr,
    server: SocketAddr,
    ids: VecDeque<TransactionId>,
    sends: u32,
    next: Option<Instant>,
    /// When it was asked last.
    asked: Instant,
    state: State,
}

impl Binding {
    pub(super) fn new(now: Instant, local: SocketAddr, server: SocketAddr) -> Self {
        Self { local, server, ids: VecDeque::new(), sends: 0, next: Some(now), asked: now, state: State::Asking }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.state == State::Asking
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.next
    }
}

impl Agent {
    /// Sends the questions that are due.
    pub(crate) fn drive_bindings(&mut self, now: Instant) {
        let connected = self.generations.iter().any(|g| g.selected.is_some() && !g.disconnected);
        for binding in &mut self.gathering.bindings {
            if binding.next.is_none_or(|at| at > now) {
                continue;
            }
            if binding.state == State::Known && connected {
                binding.next = None;
                continue;
            }
            if binding.sends >= SENDS {
                binding.next = None;
                if binding.state == State::Asking {
                    binding.state = State::Silent;
                    let reason = "the STUN server did not answer".to_owned();
                    self.events.push_back(Event::GatheringError { server: binding.server, code: 701, reason });
                }
                continue;
            }
            let id = TransactionId::random(&mut self.rng);
            self.scratch.clear();
            let mut writer = MessageWriter::new(&mut self.scratch, Class::Request, Method::BINDING, id);
            writer.fingerprint();
            if writer.finish().is_err() {
                continue;
            }
            let route = crate::transport::Route::Udp { local: binding.local, remote: binding.server };
            self.transports.send(route, &self.scratch);
            if binding.ids.len() == SENDS as usize {
                binding.ids.pop_front();
            }
            binding.ids.push_back(id);
            binding.sends += 1;
            binding.asked = now;
            binding.next = Some(now + Pair::patience(binding.sends));
        }
    }

    /// Looks again how the servers see this host: a NAT that has lost its mappings shows another address.
    pub(crate) fn ask_again(&mut self) {
        for binding in self.gathering.bindings.iter_mut().filter(|binding| binding.state == State::Known) {
            binding.sends = 0;
            binding.next = Some(binding.asked);
        }
    }

    /// Servers that did not answer get another chance.
    pub(crate) fn ask_silent_servers(&mut self, now: Instant) {
        for binding in self.gathering.bindings.iter_mut().filter(|binding| binding.state == State::Silent) {
            *binding = Binding::new(now, binding.local, binding.server);
        }
    }

    /// Takes a server's answer; `false` if the message is none.
    pub(crate) fn handle_binding(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> bool {
        if message.method() != Method::BINDING || !matches!(message.class(), Class::Success | Class::Error) {
            return false;
        }
        let id = message.transaction_id();
        let asked = |b: &&mut Binding| b.local == local && b.server == from && b.ids.contains(&id);
        let Some(binding) = self.gathering.bindings.iter_mut().find(asked) else { return false };
        binding.ids.clear();
        binding.sends = 0;
        binding.next = Some(now + KEEPALIVE);
        if message.class() == Class::Error {
            binding.state = State::Silent;
            binding.next = None;
            return true;
        }
        binding.state = State::Known;
        let xored = message.get::<XorMappedAddress>().ok().flatten().map(|mapped| mapped.0);
        let mapped = xored.or_else(|| message.get::<MappedAddress>().ok().flatten().map(|mapped| mapped.0));
        if let Some(mapped) = mapped.filter(|mapped| mapped.port() != 0 && !mapped.ip().is_unspecified()) {
            self.add_reflexive(now, local, mapped, from);
        }
        true
    }
}
