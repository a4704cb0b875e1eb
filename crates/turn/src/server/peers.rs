//! Whom clients may reach: one rule for every path (RFC 8656 §21.1.3).

use super::Server;
use super::allocation::RelayTransport;
use crate::address::canonical;
use std::net::{IpAddr, SocketAddr};

impl Server {
    /// Whether a permission may be given for `ip`.
    pub(super) fn may_permit(&self, ip: IpAddr) -> bool {
        let plain = canonical(ip);
        // A relay's socket of one family must not be talked into the other by an IPv4-mapped address.
        plain == ip && !self.config.peers.denies(ip) && (self.ports.is_relay_ip(ip) || self.config.peers.permits(ip))
    }

    /// Whether packets may go to, and connections may come from, `peer`.
    pub(super) fn may_reach(&self, peer: SocketAddr, transport: RelayTransport) -> bool {
        if peer.port() == 0
            || self.config.peers.denies(peer.ip())
            || self.config.listeners.iter().any(|own| is_listener(own, &peer, self))
        {
            return false;
        }
        if transport == RelayTransport::Tcp && peer.port() < 1024 && !self.config.tcp_low_ports {
            return false;
        }
        if self.ports.is_relay_ip(peer.ip()) {
            // On our own addresses only relays may be reached, never another service of this host, unless the
            // operator has named them.
            return self.ports.is_relay_port(peer.port()) || self.config.peers.names(peer.ip());
        }
        self.may_permit(peer.ip())
    }
}

fn is_listener(own: &SocketAddr, peer: &SocketAddr, server: &Server) -> bool {
    own.port() == peer.port()
        && (own.ip() == peer.ip() || (own.ip().is_unspecified() && server.ports.is_relay_ip(peer.ip())))
}
