//! The hot path: packets between clients and peers (RFC 8656 §11, §12). No allocation here, one hash look-up a packet.

use super::allocation::{RelayOwner, RelayTransport};
use super::{Event, RelayId, Server, Via};
use crate::{Ecn, FiveTuple, Outbox};
use parlour_stun::attribute::{AddressFamily, Data, DontFragment, Icmp, XorPeerAddress};
use parlour_stun::{AttributeType, ChannelData, Class, Message, MessageWriter, Method, TransactionId};
use std::net::SocketAddr;
use std::time::Instant;

/// Which way a packet goes.
#[derive(Clone, Copy)]
enum Way {
    ToPeer,
    ToClient,
}

impl Server {
    /// ChannelData from a client (RFC 8656 §12.6).
    pub(super) fn relay_channel(
        &mut self,
        now: Instant,
        tuple: FiveTuple,
        ecn: Ecn,
        bytes: &[u8],
        out: &mut Outbox<Via>,
    ) {
        let parse = if self.config.legacy_channels { ChannelData::parse_legacy } else { ChannelData::parse };
        let Some(message) = parse(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        let found = self.clients.get(&tuple).and_then(|slot| {
            let allocation = self.allocations.get(*slot as usize)?;
            let channel = allocation.channels.get(&message.channel).filter(|channel| channel.expires > now)?;
            Some((*slot, channel.peer, allocation.tuple != tuple))
        });
        let Some((slot, peer, moved)) = found else {
            self.counters.dropped_unpermitted += 1;
            return;
        };
        if moved {
            self.complete_move(slot, tuple);
        }
        self.forward(now, slot, peer, ecn, false, message.data, out);
    }

    /// A Send indication from a client (RFC 8656 §11.2).
    pub(super) fn relay_send(
        &mut self,
        now: Instant,
        tuple: FiveTuple,
        ecn: Ecn,
        message: &Message<'_>,
        out: &mut Outbox<Via>,
    ) {
        const KNOWN: &[AttributeType] =
            &[AttributeType::XOR_PEER_ADDRESS, AttributeType::DATA, AttributeType::DONT_FRAGMENT];
        let (Ok(Some(XorPeerAddress(peer))), Some(data), Ok(dont_fragment)) =
            (message.get::<XorPeerAddress>(), message.value(AttributeType::DATA), message.get::<DontFragment>())
        else {
            self.counters.malformed += 1;
            return;
        };
        let understood = message.unknown_attributes(KNOWN).next().is_none()
            && (dont_fragment.is_none() || self.config.dont_fragment);
        if !understood {
            self.counters.malformed += 1;
            return;
        }
        let found = self.clients.get(&tuple).and_then(|slot| {
            let allocation = self.allocations.get(*slot as usize)?;
            (allocation.is_live() && allocation.permits(now, peer.ip())).then_some((*slot, allocation.tuple != tuple))
        });
        let Some((slot, moved)) = found else {
            self.counters.dropped_unpermitted += 1;
            return;
        };
        if !self.may_reach(peer, RelayTransport::Udp) {
            self.counters.dropped_denied += 1;
            return;
        }
        if moved {
            self.complete_move(slot, tuple);
        }
        self.forward(now, slot, peer, ecn, dont_fragment.is_some(), data, out);
    }

    /// Sends data of a client to a peer: by the relay's socket, or in memory if the peer is a relay of ours.
    #[allow(clippy::too_many_arguments)]
    fn forward(
        &mut self,
        now: Instant,
        slot: u32,
        peer: SocketAddr,
        ecn: Ecn,
        dont_fragment: bool,
        data: &[u8],
        out: &mut Outbox<Via>,
    ) {
        let Some(relay) = self.relay_for(slot, peer) else {
            self.counters.dropped_unpermitted += 1;
            return;
        };
        if !self.admit(now, slot, Way::ToPeer, data.len()) {
            return;
        }
        if let Some(target) = self.ports.find(peer) {
            let from = self.relays.get(relay.0 as usize).map(|relay| self.ports.advertised(relay.address));
            if let Some(from) = from {
                self.counters.short_cuts += 1;
                return self.deliver(now, target, from, ecn, data, out);
            }
        }
        out.push(Via::Relay(relay), peer, ecn, dont_fragment, |buffer| {
            buffer.extend_from_slice(data);
            true
        });
    }

    /// The relay of an allocation that can reach `peer`.
    fn relay_for(&self, slot: u32, peer: SocketAddr) -> Option<RelayId> {
        let allocation = self.allocations.get(slot as usize)?;
        if allocation.transport != RelayTransport::Udp {
            return None;
        }
        let [first, second] = allocation.relays;
        match (first, second) {
            (Some(only), None) | (None, Some(only)) if self.family_of(only) == Some(AddressFamily::of(peer.ip())) => {
                Some(only)
            }
            (Some(first), Some(second)) => {
                [first, second].into_iter().find(|relay| self.family_of(*relay) == Some(AddressFamily::of(peer.ip())))
            }
            _ => None,
        }
    }

    fn family_of(&self, relay: RelayId) -> Option<AddressFamily> {
        self.relays.get(relay.0 as usize).map(|relay| AddressFamily::of(relay.address.ip()))
    }

    /// Counts a packet against the limits, and counts it if it may go.
    fn admit(&mut self, now: Instant, slot: u32, way: Way, length: usize) -> bool {
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return false;
        };
        let mut admitted = true;
        if let Some(buckets) = &mut allocation.bandwidth {
            let [to_peer, to_client] = &mut **buckets;
            let bucket = match way {
                Way::ToPeer => to_peer,
                Way::ToClient => to_client,
            };
            admitted = bucket.take(now, length);
        }
        admitted = admitted && allocation.account.pay(now, length);
        if !admitted {
            self.counters.dropped_bandwidth += 1;
            return false;
        }
        let bytes = length as u64;
        match way {
            Way::ToPeer => {
                allocation.traffic.packets_to_peers += 1;
                allocation.traffic.bytes_to_peers += bytes;
                self.counters.packets_to_peers += 1;
                self.counters.bytes_to_peers += bytes;
            }
            Way::ToClient => {
                allocation.traffic.packets_to_client += 1;
                allocation.traffic.bytes_to_client += bytes;
                self.counters.packets_to_clients += 1;
                self.counters.bytes_to_clients += bytes;
            }
        }
        true
    }

    /// Takes one datagram that a peer sent to a relay (RFC 8656 §11.3).
    pub fn handle_peer(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        ecn: Ecn,
        data: &[u8],
        out: &mut Outbox<Via>,
    ) {
        self.deliver(now, relay, peer, ecn, data, out);
    }

    fn deliver(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        ecn: Ecn,
        data: &[u8],
        out: &mut Outbox<Via>,
    ) {
        let Some((slot, tuple, channel)) = self.receiver(now, relay, peer) else {
            self.counters.dropped_unpermitted += 1;
            return;
        };
        if !self.admit(now, slot, Way::ToClient, data.len()) {
            return;
        }
        let id = if channel.is_some() { None } else { Some(self.indication_id()) };
        out.push(Via::Client(tuple), tuple.client, ecn, false, |buffer| match (channel, id) {
            (Some(channel), _) => ChannelData { channel, data }.write(tuple.transport.is_stream(), buffer),
            (None, Some(id)) => {
                let mut writer = MessageWriter::new(buffer, Class::Indication, Method::DATA, id);
                writer.put(&XorPeerAddress(peer));
                writer.put(&Data(data));
                writer.finish().is_ok()
            }
            (None, None) => false,
        });
    }

    /// Who gets what `peer` sends to `relay`: only with a permission, by a channel if one is bound.
    fn receiver(
        &self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
    ) -> Option<(u32, FiveTuple, Option<parlour_stun::ChannelNumber>)> {
        let relay = self.relays.get(relay.0 as usize).filter(|relay| relay.bound)?;
        let RelayOwner::Allocation(id) = relay.owner else {
            return None;
        };
        let allocation = self.allocations.get(id.slot as usize)?;
        if !allocation.is_live() || relay.transport != RelayTransport::Udp || !allocation.permits(now, peer.ip()) {
            return None;
        }
        let channel = allocation.by_peer.get(&peer).copied().filter(|number| {
            allocation.channels.get(number).is_some_and(|channel| channel.expires > now && channel.peer == peer)
        });
        Some((id.slot, allocation.tuple, channel))
    }

    /// An id for an indication. Nobody answers it, so it need only differ; the generator need not be asked per packet.
    fn indication_id(&mut self) -> TransactionId {
        self.indications = self.indications.wrapping_add(1);
        let mut id = [0; 12];
        id[..4].copy_from_slice(b"data");
        id[4..].copy_from_slice(&self.indications.to_be_bytes());
        TransactionId(id)
    }

    /// An ICMP error, or a failed send, for a packet of a relay to `peer`. Told to the client if it has a permission
    /// for that peer (RFC 8656 §11.5); nothing else changes, and nobody else notices. `icmp` is what arrived, if
    /// anything did.
    pub fn handle_peer_error(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        icmp: Option<Icmp>,
        out: &mut Outbox<Via>,
    ) {
        self.counters.peer_errors += 1;
        let (Some(icmp), Some((_, tuple, _))) = (icmp, self.receiver(now, relay, peer)) else {
            return;
        };
        let id = self.indication_id();
        out.push(Via::Client(tuple), tuple.client, Ecn::NotCapable, false, |buffer| {
            let mut writer = MessageWriter::new(buffer, Class::Indication, Method::DATA, id);
            writer.put(&XorPeerAddress(peer));
            writer.put(&icmp);
            writer.finish().is_ok()
        });
    }

    /// The client uses the 5-tuple that it has moved to: from now on it is the only one (RFC 8016 §3.2.2).
    fn complete_move(&mut self, slot: u32, tuple: FiveTuple) {
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return;
        };
        let Some(mobility) = allocation.mobility.as_mut().filter(|mobility| mobility.pending == Some(tuple)) else {
            return;
        };
        mobility.pending = None;
        mobility.previous_until = None;
        self.clients.remove(&std::mem::replace(&mut allocation.tuple, tuple));
        self.events.push_back(Event::Moved { allocation: allocation.id, client: tuple });
    }
}
