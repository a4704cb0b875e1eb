//! Binding, and NAT behaviour discovery where two addresses exist (RFC 8489 §3, RFC 5780 §6).

use super::reply::send;
use super::{NatDiscovery, Server, Via};
use crate::{FiveTuple, Outbox};
use parlour_stun::attribute::{
    ChangeRequest, ErrorCode, OtherAddress, ResponseOrigin, UnknownAttributes, XorMappedAddress,
};
use parlour_stun::{AttributeType, Class, Message, MessageWriter};
use std::net::SocketAddr;

/// PADDING and RESPONSE-PORT are not among these: they serve amplification more than discovery.
const KNOWN: &[AttributeType] = &[
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::USERHASH,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::PRIORITY,
    AttributeType::USE_CANDIDATE,
];

impl NatDiscovery {
    /// The server's address with the other IP address, the other port, or both; `None` for a foreign one.
    fn other(&self, server: SocketAddr, change_ip: bool, change_port: bool) -> Option<SocketAddr> {
        let pick = |change: bool, is_primary: bool| is_primary != change;
        let primary_ip = match server.ip() {
            ip if ip == self.primary.ip() => true,
            ip if ip == self.alternate.ip() => false,
            _ => return None,
        };
        let primary_port = match server.port() {
            port if port == self.primary.port() => true,
            port if port == self.alternate.port() => false,
            _ => return None,
        };
        let ip = if pick(change_ip, primary_ip) { self.primary.ip() } else { self.alternate.ip() };
        let port = if pick(change_port, primary_port) { self.primary.port() } else { self.alternate.port() };
        Some(SocketAddr::new(ip, port))
    }
}

impl Server {
    /// Answers a Binding request; needs no state and no authentication.
    pub(super) fn binding(&mut self, tuple: FiveTuple, request: &Message<'_>, out: &mut Outbox<Via>) {
        let discovery = self.config.nat_discovery.filter(|d| d.other(tuple.server, false, false).is_some());
        let change = request.get::<ChangeRequest>();
        let is_known = |kind: &AttributeType| {
            KNOWN.contains(kind) || (discovery.is_some() && *kind == AttributeType::CHANGE_REQUEST)
        };
        let unknown: Vec<_> = request.unknown_attributes(&[]).filter(|kind| !is_known(kind)).collect();
        let fingerprint = request.fingerprint().is_some();
        let mut reply = |tuple: FiveTuple, class: Class, fill: &dyn Fn(&mut MessageWriter<'_>)| {
            send(out, tuple, |buffer| {
                let mut writer = MessageWriter::response(buffer, class, request);
                fill(&mut writer);
                if fingerprint {
                    writer.fingerprint();
                }
                writer.finish().is_ok()
            });
        };
        if !unknown.is_empty() {
            self.counters.refused += 1;
            let list = UnknownAttributes::value_of(unknown.into_iter());
            return reply(tuple, Class::Error, &|writer| {
                writer.put(&ErrorCode { code: ErrorCode::UNKNOWN_ATTRIBUTE, reason: "" });
                writer.put_raw(AttributeType::UNKNOWN_ATTRIBUTES, &list);
            });
        }
        self.counters.bindings += 1;
        let (Some(discovery), Ok(change)) = (discovery, change) else {
            return reply(tuple, Class::Success, &|writer| writer.put(&XorMappedAddress(tuple.client)));
        };
        let (change_ip, change_port) = change.map_or((false, false), |c| (c.change_ip, c.change_port));
        // Over a stream the answer can only come back on the stream (RFC 5780 §6.1).
        let moved = !tuple.transport.is_stream() && (change_ip || change_port);
        let origin = if moved { discovery.other(tuple.server, change_ip, change_port) } else { None };
        let origin = origin.unwrap_or(tuple.server);
        let other = discovery.other(tuple.server, true, true).unwrap_or(discovery.alternate);
        let reply_tuple = FiveTuple { server: origin, ..tuple };
        reply(reply_tuple, Class::Success, &|writer| {
            writer.put(&XorMappedAddress(tuple.client));
            writer.put(&OtherAddress(other));
            // The IPv6 answer to a bare request would more than double it.
            if tuple.client.is_ipv4() || moved {
                writer.put(&ResponseOrigin(origin));
            }
        });
    }
}
