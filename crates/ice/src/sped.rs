//! DTLS in STUN: packets of a handshake ride on checks and their responses, so that keys are there when a path is.
//!
//! The handshake itself is opaque here. Each message carries one packet of the current flight, in turn, and the hashes
//! of the packets that came; a packet whose hash comes back is not sent again. The attributes and their meaning are
//! those of libwebrtc (META-DTLS-IN-STUN 0xC070, its acknowledgement 0xC071).

use parlour_stun::attribute::{DtlsInStun, DtlsInStunAcknowledgement};
use parlour_stun::{AttributeType, Message, MessageWriter};
use std::collections::VecDeque;

/// How many hashes of received packets are told.
const MAX_ACKNOWLEDGED: usize = 4;
/// A larger packet would not fit beside a check in one datagram of the usual path.
const MAX_PACKET: usize = 1_100;
/// A flight of more packets than this goes by the path itself.
const MAX_FLIGHT: usize = 16;

/// ```text
/// Tentative ──an attribute came──▶ Confirmed ──handshake done──▶ Pending ──all confirmed──▶ Over
///     └────────── a message without any ──────────────────────────────────────────────────▶ Over
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Tentative,
    Confirmed,
    Pending,
    Over,
}

/// What rides on the checks of one agent.
#[derive(Debug)]
pub(crate) struct Sped {
    state: State,
    flight: VecDeque<(u32, Vec<u8>)>,
    received: VecDeque<u32>,
}

impl Sped {
    pub(crate) fn new(enabled: bool) -> Self {
        let state = if enabled { State::Tentative } else { State::Over };
        Self { state, flight: VecDeque::new(), received: VecDeque::new() }
    }

    /// Whether anything may ride at all.
    pub(crate) fn is_active(&self) -> bool {
        self.state != State::Over
    }

    /// Whether the other agent reads what rides.
    pub(crate) fn is_confirmed(&self) -> bool {
        matches!(self.state, State::Confirmed | State::Pending)
    }

    /// A new flight replaces the old one. `false` if it must go by the path.
    pub(crate) fn set_flight<'p>(&mut self, packets: impl IntoIterator<Item = &'p [u8]>) -> bool {
        self.flight.clear();
        if !self.is_active() {
            return false;
        }
        for packet in packets {
            if packet.len() > MAX_PACKET || self.flight.len() == MAX_FLIGHT {
                self.flight.clear();
                return false;
            }
            self.flight.push_back((crc32fast::hash(packet), packet.to_vec()));
        }
        true
    }

    /// The handshake is done on this side.
    pub(crate) fn handshake_done(&mut self) {
        self.state = match self.state {
            State::Confirmed => State::Pending,
            _ => State::Over,
        };
    }

    /// Adds what rides on a message that is being written.
    pub(crate) fn attach(&mut self, writer: &mut MessageWriter<'_>) {
        if !self.is_active() {
            return;
        }
        if let Some(next) = self.flight.pop_front() {
            writer.put(&DtlsInStun(&next.1));
            self.flight.push_back(next);
        }
        let mut hashes = [0; 4 * MAX_ACKNOWLEDGED];
        for (to, hash) in hashes.chunks_exact_mut(4).zip(&self.received) {
            to.copy_from_slice(&hash.to_be_bytes());
        }
        let told = hashes.get(..4 * self.received.len().min(MAX_ACKNOWLEDGED)).unwrap_or_default();
        writer.put(&DtlsInStunAcknowledgement(told));
    }

    /// Takes what rides on an authenticated message; gives a packet that has not come before.
    pub(crate) fn receive<'m>(&mut self, message: &Message<'m>) -> Option<&'m [u8]> {
        let data = message.value(AttributeType::DTLS_IN_STUN);
        let acknowledged = message.value(AttributeType::DTLS_IN_STUN_ACKNOWLEDGEMENT);
        self.state = match (self.state, data, acknowledged) {
            (State::Over, ..) => return None,
            (State::Tentative | State::Pending, None, None) => {
                self.flight.clear();
                State::Over
            }
            (State::Tentative, ..) => State::Confirmed,
            (state, ..) => state,
        };
        for hash in acknowledged.unwrap_or_default().chunks_exact(4).take(MAX_ACKNOWLEDGED) {
            self.flight.retain(|(known, _)| known.to_be_bytes() != hash);
        }
        if self.state == State::Pending && self.flight.is_empty() && data.is_none() {
            self.state = State::Over;
        }
        let data = data.filter(|data| !data.is_empty() && data.len() <= MAX_PACKET)?;
        let hash = crc32fast::hash(data);
        if self.received.contains(&hash) {
            return None;
        }
        if self.received.len() == MAX_ACKNOWLEDGED {
            self.received.pop_front();
        }
        self.received.push_back(hash);
        Some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlour_stun::{Class, Method, TransactionId};

    /// Carries one message from `a` to `b`; what arrived.
    fn carry(a: &mut Sped, b: &mut Sped) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut writer = MessageWriter::new(&mut bytes, Class::Request, Method::BINDING, TransactionId([1; 12]));
        a.attach(&mut writer);
        writer.finish().unwrap();
        b.receive(&Message::parse(&bytes).unwrap()).map(<[u8]>::to_vec)
    }

    #[test]
    fn a_flight_is_carried_packet_by_packet_until_it_is_acknowledged() {
        let (mut a, mut b) = (Sped::new(true), Sped::new(true));
        assert!(a.set_flight([&b"one"[..], b"two"]));
        assert_eq!(carry(&mut a, &mut b).as_deref(), Some(&b"one"[..]));
        assert_eq!(carry(&mut a, &mut b).as_deref(), Some(&b"two"[..]));
        assert_eq!(carry(&mut a, &mut b), None, "a repeated packet is not delivered again");
        assert_eq!(carry(&mut b, &mut a), None);
        assert!(a.flight.is_empty() && a.is_confirmed());
    }

    #[test]
    fn a_peer_that_knows_nothing_of_it_switches_it_off() {
        let (mut a, mut b) = (Sped::new(true), Sped::new(false));
        assert!(a.set_flight([&b"one"[..]]));
        assert_eq!(carry(&mut a, &mut b), None);
        assert_eq!(carry(&mut b, &mut a), None);
        assert!(!a.is_active() && !a.set_flight([&b"one"[..]]));
    }

    #[test]
    fn it_ends_on_both_sides_once_the_handshake_is_done_and_confirmed() {
        let (mut a, mut b) = (Sped::new(true), Sped::new(true));
        a.set_flight([&b"last"[..]]);
        carry(&mut a, &mut b);
        carry(&mut b, &mut a);
        a.handshake_done();
        b.handshake_done();
        carry(&mut a, &mut b);
        carry(&mut b, &mut a);
        assert!(!b.is_active() && !a.is_active());
    }

    #[test]
    fn packets_too_large_for_a_check_are_left_to_the_path() {
        let mut a = Sped::new(true);
        assert!(!a.set_flight([&[0; MAX_PACKET + 1][..]]));
        assert!(a.flight.is_empty());
    }
}
