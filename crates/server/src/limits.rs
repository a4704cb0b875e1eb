//! What one client address may use: connections at a time, joins a minute. And which address a client has, behind proxies.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;

use crate::config::Cidr;
use crate::lock;

/// What is counted as one client: an IPv4 address, or the /64 network that an IPv6 customer gets as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey(IpAddr);

impl ClientKey {
    pub(crate) fn of(addr: IpAddr) -> Self {
        Self(match addr.to_canonical() {
            IpAddr::V6(addr) => IpAddr::V6(Ipv6Addr::from_bits(addr.to_bits() & !u128::from(u64::MAX))),
            v4 => v4,
        })
    }
}

/// The proxies whose word about a client's address counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<Cidr>);

impl TrustedProxies {
    pub(crate) fn new(blocks: &[Cidr]) -> Self {
        Self(blocks.to_vec())
    }

    pub(crate) fn contains(&self, addr: IpAddr) -> bool {
        self.0.iter().any(|block| block.contains(addr))
    }

    /// The address of the client that sent a request, which came over a connection from `peer`.
    ///
    /// `X-Forwarded-For` is read from its end, where the proxy nearest to us wrote, and only as far as the proxies are trusted:
    /// what stands before the first untrusted address may have been made up by the client.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !self.contains(client) {
                break;
            }
            match hop_addr(hop.trim()) {
                Some(addr) => client = addr.to_canonical(),
                None => break,
            }
        }
        client
    }
}

/// Reads an address as proxies write it: bare, with a port, or in brackets.
fn hop_addr(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .ok()
        .or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|addr| addr.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6))
}

/// Counts what each client address holds. A limit of 0 means none.
#[derive(Debug)]
pub(crate) struct Limits {
    connections: Counter,
    sockets: Counter,
    joins_per_min: u32,
    joins: Mutex<HashMap<ClientKey, Joins>>,
}

/// TCP connections that one address may have, for each signaling connection: a browser opens six and a page may be open in some tabs.
const SOCKETS_PER_CONNECTION: u32 = 4;

impl Limits {
    pub(crate) fn new(connections_per_ip: u32, joins_per_min_per_ip: u32) -> Self {
        Self {
            connections: Counter::new(connections_per_ip),
            sockets: Counter::new(connections_per_ip.saturating_mul(SOCKETS_PER_CONNECTION)),
            joins_per_min: joins_per_min_per_ip,
            joins: Mutex::default(),
        }
    }

    /// Takes one of `client`'s signaling connections, until the result is dropped. `None` if it has too many.
    pub(crate) fn connection(&self, client: IpAddr) -> Option<Slot> {
        self.connections.take(client)
    }

    /// Takes one of `peer`'s TCP connections, until the result is dropped. `None` if it has too many.
    pub(crate) fn socket(&self, peer: IpAddr) -> Option<Slot> {
        self.sockets.take(peer)
    }

    /// Counts a join. `Err` with the time to wait if there were too many.
    pub(crate) fn join(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.joins_per_min == 0 {
            return Ok(());
        }
        let limit = f64::from(self.joins_per_min);
        let mut joins = lock(&self.joins);
        // Forget those who have their whole allowance back, before the map grows without end.
        if joins.len() >= 4096 && joins.len().is_power_of_two() {
            joins.retain(|_, joins| joins.left(limit, now) < limit);
        }
        let entry = joins.entry(ClientKey::of(client)).or_insert(Joins { left: limit, at: now });
        let left = entry.left(limit, now);
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) * 60.0 / limit));
        }
        *entry = Joins { left: left - 1.0, at: now };
        Ok(())
    }

    /// Gives a join back: it turned out to take up a session that had joined before.
    pub(crate) fn unjoin(&self, client: IpAddr) {
        if let Some(joins) = lock(&self.joins).get_mut(&ClientKey::of(client)) {
            joins.left = (joins.left + 1.0).min(f64::from(self.joins_per_min));
        }
    }
}

/// Joins that are left to an address, as of a time. They grow back evenly over a minute.
#[derive(Debug)]
struct Joins {
    left: f64,
    at: Instant,
}

impl Joins {
    fn left(&self, limit: f64, now: Instant) -> f64 {
        (self.left + now.saturating_duration_since(self.at).as_secs_f64() * limit / 60.0).min(limit)
    }
}

#[derive(Debug)]
struct Counter {
    limit: u32,
    held: Held,
}

/// How many each client holds.
type Held = Arc<Mutex<HashMap<ClientKey, u32>>>;

impl Counter {
    fn new(limit: u32) -> Self {
        Self { limit, held: Arc::default() }
    }

    fn take(&self, addr: IpAddr) -> Option<Slot> {
        if self.limit == 0 {
            return Some(Slot(None));
        }
        let key = ClientKey::of(addr);
        let mut held = lock(&self.held);
        let count = held.entry(key).or_insert(0);
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Slot(Some((Arc::clone(&self.held), key))))
    }
}

/// One of an address's connections. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Slot(Option<(Held, ClientKey)>);

impl Slot {
    /// One that counts for nobody.
    pub(crate) fn free() -> Self {
        Self(None)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some((held, key)) = self.0.take() else { return };
        if let Entry::Occupied(mut entry) = lock(&held).entry(key) {
            if *entry.get() <= 1 {
                entry.remove();
            } else {
                *entry.get_mut() -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Value;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn forwarded(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| ("x-forwarded-for".parse().unwrap(), line.parse().unwrap())).collect()
    }

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        assert_eq!(ClientKey::of(ip("2001:db8::1")), ClientKey::of(ip("2001:db8::ffff:1")));
        assert_ne!(ClientKey::of(ip("2001:db8::1")), ClientKey::of(ip("2001:db8:0:1::1")));
        assert_ne!(ClientKey::of(ip("192.0.2.1")), ClientKey::of(ip("192.0.2.2")));
        assert_eq!(ClientKey::of(ip("::ffff:192.0.2.1")), ClientKey::of(ip("192.0.2.1")));
    }

    #[test]
    fn forwarded_addresses_count_only_from_trusted_proxies() {
        let none = TrustedProxies::default();
        assert_eq!(none.client(ip("203.0.113.7"), &forwarded(&["192.0.2.1"])), ip("203.0.113.7"));

        let trusted = TrustedProxies::new(&[Cidr::from_text("10.0.0.0/8").unwrap()]);
        assert_eq!(trusted.client(ip("10.0.0.1"), &forwarded(&["192.0.2.1"])), ip("192.0.2.1"));
        assert_eq!(
            trusted.client(ip("10.0.0.1"), &forwarded(&["6.6.6.6, 192.0.2.1, 10.0.0.2"])),
            ip("192.0.2.1"),
            "the client's own word"
        );
        assert_eq!(trusted.client(ip("10.0.0.1"), &forwarded(&["6.6.6.6", "192.0.2.1"])), ip("192.0.2.1"), "two lines");
        assert_eq!(trusted.client(ip("10.0.0.1"), &forwarded(&["[2001:db8::1]:443"])), ip("2001:db8::1"));
        assert_eq!(trusted.client(ip("10.0.0.1"), &forwarded(&["unknown"])), ip("10.0.0.1"));
        assert_eq!(trusted.client(ip("10.0.0.1"), &HeaderMap::new()), ip("10.0.0.1"));
    }

    #[test]
    fn connections_are_given_back_when_dropped() {
        let limits = Limits::new(2, 0);
        let first = limits.connection(ip("192.0.2.1")).unwrap();
        let _second = limits.connection(ip("192.0.2.1")).unwrap();
        assert!(limits.connection(ip("192.0.2.1")).is_none());
        assert!(limits.connection(ip("192.0.2.2")).is_some(), "another address");
        drop(first);
        assert!(limits.connection(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn joins_grow_back_over_a_minute() {
        let limits = Limits::new(0, 6);
        let start = Instant::now();
        for _ in 0..6 {
            limits.join(ip("192.0.2.1"), start).unwrap();
        }
        let wait = limits.join(ip("192.0.2.1"), start).unwrap_err();
        assert!((wait.as_secs_f64() - 10.0).abs() < 0.01, "{wait:?}");
        assert!(limits.join(ip("192.0.2.2"), start).is_ok(), "another address");
        limits.join(ip("192.0.2.1"), start + Duration::from_secs(10)).unwrap();
        assert!(limits.join(ip("192.0.2.1"), start + Duration::from_secs(10)).is_err());
        limits.unjoin(ip("192.0.2.1"));
        limits.join(ip("192.0.2.1"), start + Duration::from_secs(10)).unwrap();
    }
}
