//! Network address translation with each behaviour that RFC 4787 and RFC 5382 tell apart.

use crate::{
    packet::{Packet, Protocol},
    rng::Rng,
};
use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// What a mapping, or a filter, depends on (RFC 4787 §4.1, §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Behaviour {
    /// On the inner endpoint alone.
    EndpointIndependent,
    /// On the address of the other side too.
    AddressDependent,
    /// On the address and the port of the other side.
    AddressAndPortDependent,
}

impl Behaviour {
    /// All three.
    pub const ALL: [Behaviour; 3] =
        [Behaviour::EndpointIndependent, Behaviour::AddressDependent, Behaviour::AddressAndPortDependent];

    /// The part of `remote` that counts.
    fn key(self, remote: SocketAddr) -> Option<SocketAddr> {
        match self {
            Behaviour::EndpointIndependent => None,
            Behaviour::AddressDependent => Some(SocketAddr::new(remote.ip(), 0)),
            Behaviour::AddressAndPortDependent => Some(remote),
        }
    }
}

/// How the outer port is chosen (RFC 4787 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PortPolicy {
    /// The inner port if it is free, else a random one.
    Preserve,
    /// Any.
    Random,
    /// The next one up.
    Sequential,
    /// Any of the same parity.
    Parity,
}

/// What becomes of packets from inside to an outer address of the same NAT (RFC 4787 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hairpin {
    /// They are dropped.
    Off,
    /// They come back in with the outer source address, as the RFC requires.
    ExternalSource,
    /// They come back in with the inner source address.
    InternalSource,
}

/// What a NAT is like.
#[derive(Clone, Debug, PartialEq)]
pub struct NatSpec {
    /// When an inner endpoint keeps its outer one.
    pub mapping: Behaviour,
    /// Who may answer to an outer endpoint.
    pub filtering: Behaviour,
    /// How outer ports are chosen.
    pub ports: PortPolicy,
    /// Hairpinning.
    pub hairpin: Hairpin,
    /// With several outer addresses: an inner host always gets the same (RFC 4787 §4.1, "paired"), or any.
    pub paired: bool,
    /// How long an unused UDP mapping lives; 2 minutes at least by RFC 4787 §4.3, 30 s in many homes.
    pub udp_timeout: Duration,
    /// How long an unused TCP mapping lives (RFC 5382 §5).
    pub tcp_timeout: Duration,
    /// Whether packets from outside keep a mapping alive too.
    pub inbound_refresh: bool,
    /// When a preserved port is taken by another inner host, that inner endpoint is mapped address- and port-dependently: a NAT that tests as
    /// friendly until two people use it.
    pub conflict_trap: bool,
    /// How many mappings fit.
    pub max_mappings: usize,
    /// A meddling gateway that replaces the inner address inside payloads by the outer one. XORed addresses (RFC 8489 §14.2) escape it.
    pub rewrites_payload: bool,
    /// Passes ICMP errors inwards and sends its own.
    pub icmp: bool,
    /// Translates from IPv6 inside, under this /96, to IPv4 outside (RFC 6146, RFC 6052).
    pub nat64: Option<Ipv6Addr>,
}

impl NatSpec {
    /// A NAT with this mapping and filtering, random ports and hairpinning; mappings live 2 minutes.
    pub fn new(mapping: Behaviour, filtering: Behaviour) -> Self {
        NatSpec {
            mapping,
            filtering,
            ports: PortPolicy::Random,
            hairpin: Hairpin::ExternalSource,
            paired: true,
            udp_timeout: Duration::from_secs(120),
            tcp_timeout: Duration::from_secs(7440),
            inbound_refresh: true,
            conflict_trap: false,
            max_mappings: 16_384,
            rewrites_payload: false,
            icmp: true,
            nat64: None,
        }
    }

    /// "Full cone": whoever knows the outer endpoint may send to it.
    pub fn full_cone() -> Self {
        Self::new(Behaviour::EndpointIndependent, Behaviour::EndpointIndependent)
    }

    /// "Restricted cone".
    pub fn restricted() -> Self {
        Self::new(Behaviour::EndpointIndependent, Behaviour::AddressDependent)
    }

    /// "Port restricted cone": most homes.
    pub fn port_restricted() -> Self {
        Self::new(Behaviour::EndpointIndependent, Behaviour::AddressAndPortDependent)
    }

    /// "Symmetric": many companies and mobile networks.
    pub fn symmetric() -> Self {
        Self::new(Behaviour::AddressAndPortDependent, Behaviour::AddressAndPortDependent)
    }

    /// From IPv6-only clients to IPv4 servers, under the well-known prefix 64:ff9b::/96.
    pub fn nat64() -> Self {
        NatSpec { nat64: Some(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)), ..Self::port_restricted() }
    }
}

/// The IPv6 address that stands for `v4` under the /96 `prefix` (RFC 6052 §2.2).
pub fn embed(prefix: Ipv6Addr, v4: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(prefix) | u128::from(u32::from(v4)))
}

/// The IPv4 address that `v6` stands for under the /96 `prefix`.
pub fn extract(prefix: Ipv6Addr, v6: Ipv6Addr) -> Option<Ipv4Addr> {
    (u128::from(v6) >> 32 == u128::from(prefix) >> 32).then(|| Ipv4Addr::from(u128::from(v6) as u32))
}

#[derive(Debug)]
struct Mapping {
    inner: SocketAddr,
    outer: SocketAddr,
    key: Key,
    used: Duration,
    /// To whom the inner endpoint has sent by this mapping, as far as the filter looks.
    permitted: HashMap<SocketAddr, Duration>,
}

type Key = (Protocol, SocketAddr, Option<SocketAddr>);

/// A NAT and its mappings.
#[derive(Debug)]
pub(crate) struct Nat {
    pub(crate) spec: NatSpec,
    pool: Vec<IpAddr>,
    by_inner: HashMap<Key, u64>,
    by_outer: HashMap<(Protocol, SocketAddr), u64>,
    // Ordered, so that a search through it does not depend on a hasher.
    mappings: BTreeMap<u64, Mapping>,
    next_id: u64,
    next_port: u16,
    trapped: HashMap<SocketAddr, ()>,
    rng: Rng,
}

impl Nat {
    pub(crate) fn new(spec: NatSpec, pool: Vec<IpAddr>, mut rng: Rng) -> Self {
        let next_port = 20_000 + rng.below(20_000) as u16;
        Nat {
            spec,
            pool,
            by_inner: HashMap::new(),
            by_outer: HashMap::new(),
            mappings: BTreeMap::new(),
            next_id: 0,
            next_port,
            trapped: HashMap::new(),
            rng,
        }
    }

    /// Forgets all mappings, as after a power cut; `pool` may bring other addresses.
    pub(crate) fn reboot(&mut self, pool: Option<Vec<IpAddr>>) {
        self.by_inner.clear();
        self.by_outer.clear();
        self.mappings.clear();
        self.trapped.clear();
        self.next_port = self.next_port.wrapping_add(997).max(1024);
        if let Some(pool) = pool {
            self.pool = pool;
        }
    }

    pub(crate) fn owns(&self, ip: IpAddr) -> bool {
        self.pool.contains(&ip)
    }

    pub(crate) fn mappings(&self) -> usize {
        self.mappings.len()
    }

    /// From inside to outside.
    pub(crate) fn outbound(&mut self, now: Duration, mut packet: Packet) -> Option<Packet> {
        let inner = packet.src;
        if let Some(prefix) = self.spec.nat64 {
            let IpAddr::V6(dst) = packet.dst.ip() else { return None };
            packet.dst.set_ip(IpAddr::V4(extract(prefix, dst)?));
        }
        let behaviour =
            if self.trapped.contains_key(&inner) { Behaviour::AddressAndPortDependent } else { self.spec.mapping };
        let key = (packet.protocol, inner, behaviour.key(packet.dst));
        let id = match self.live(now, self.by_inner.get(&key).copied()) {
            Some(id) => id,
            None => self.map(now, key, packet.dst)?,
        };
        let filter = self.spec.filtering;
        let mapping = self.mappings.get_mut(&id)?;
        mapping.used = now;
        // An error does not open the door to whoever caused it.
        if packet.error.is_none() {
            mapping.permitted.insert(filter.key(packet.dst).unwrap_or(packet.dst), now);
        }
        packet.src = mapping.outer;
        if self.spec.rewrites_payload {
            rewrite(&mut packet.payload, inner, packet.src);
        }
        Some(packet)
    }

    /// From outside to inside; `None` if nobody is meant or the filter objects.
    pub(crate) fn inbound(&mut self, now: Duration, mut packet: Packet) -> Option<Packet> {
        let id = self.live(now, self.by_outer.get(&(packet.protocol, packet.dst)).copied())?;
        let timeout = self.timeout(packet.protocol);
        let (filter, refresh, icmp, nat64) =
            (self.spec.filtering, self.spec.inbound_refresh, self.spec.icmp, self.spec.nat64);
        let mapping = self.mappings.get_mut(&id)?;
        if packet.error.is_some() {
            if !icmp {
                return None;
            }
        } else {
            if let Some(key) = filter.key(packet.src) {
                let since = mapping.permitted.get_mut(&key).filter(|since| now - **since <= timeout)?;
                if refresh {
                    *since = now;
                }
            }
            if refresh {
                mapping.used = now;
            }
        }
        packet.dst = mapping.inner;
        if let Some(prefix) = nat64 {
            packet.src.set_ip(synthesise(prefix, packet.src.ip()));
            if let Some(error) = &mut packet.error {
                error.to.set_ip(synthesise(prefix, error.to.ip()));
            }
        }
        Some(packet)
    }

    fn timeout(&self, protocol: Protocol) -> Duration {
        match protocol {
            Protocol::Udp => self.spec.udp_timeout,
            Protocol::Tcp => self.spec.tcp_timeout,
        }
    }

    /// The mapping, if it has not expired.
    fn live(&mut self, now: Duration, id: Option<u64>) -> Option<u64> {
        let id = id?;
        let mapping = self.mappings.get(&id)?;
        if now - mapping.used <= self.timeout(mapping.key.0) {
            return Some(id);
        }
        self.remove(id);
        None
    }

    fn remove(&mut self, id: u64) {
        if let Some(mapping) = self.mappings.remove(&id) {
            self.by_inner.remove(&mapping.key);
            self.by_outer.remove(&(mapping.key.0, mapping.outer));
        }
    }

    fn map(&mut self, now: Duration, mut key: Key, remote: SocketAddr) -> Option<u64> {
        if self.mappings.len() >= self.spec.max_mappings {
            let stale: Vec<u64> =
                self.mappings.iter().filter(|(_, m)| now - m.used > self.timeout(m.key.0)).map(|(id, _)| *id).collect();
            stale.into_iter().for_each(|id| self.remove(id));
            if self.mappings.len() >= self.spec.max_mappings {
                return None;
            }
        }
        let (protocol, inner, _) = key;
        let ip = self.outer_ip(inner)?;
        let preserved = SocketAddr::new(ip, inner.port());
        if self.spec.conflict_trap && self.taken_by_another(now, protocol, preserved, inner) {
            self.trapped.insert(inner, ());
            key.2 = Some(remote);
        }
        let outer = self.free_endpoint(now, protocol, ip, inner.port())?;
        let id = self.next_id;
        self.next_id += 1;
        self.by_inner.insert(key, id);
        self.by_outer.insert((protocol, outer), id);
        self.mappings.insert(id, Mapping { inner, outer, key, used: now, permitted: HashMap::new() });
        Some(id)
    }

    fn taken_by_another(&mut self, now: Duration, protocol: Protocol, outer: SocketAddr, inner: SocketAddr) -> bool {
        let id = self.by_outer.get(&(protocol, outer)).copied();
        self.live(now, id).and_then(|id| self.mappings.get(&id)).is_some_and(|m| m.inner.ip() != inner.ip())
    }

    fn outer_ip(&mut self, inner: SocketAddr) -> Option<IpAddr> {
        let pool: Vec<IpAddr> = self
            .pool
            .iter()
            .copied()
            .filter(|ip| self.spec.nat64.is_some() || ip.is_ipv4() == inner.is_ipv4())
            .collect();
        if pool.is_empty() {
            return None;
        }
        let mapped = self.mappings.values().find(|m| m.inner.ip() == inner.ip() && pool.contains(&m.outer.ip()));
        match mapped.filter(|_| self.spec.paired) {
            Some(mapping) => Some(mapping.outer.ip()),
            None => pool.get(self.rng.below(pool.len() as u64) as usize).copied(),
        }
    }

    fn free_endpoint(&mut self, now: Duration, protocol: Protocol, ip: IpAddr, inner_port: u16) -> Option<SocketAddr> {
        for attempt in 0..1000 {
            let port = match self.spec.ports {
                PortPolicy::Preserve if attempt == 0 => inner_port,
                PortPolicy::Preserve | PortPolicy::Random => 1024 + self.rng.below(64_512) as u16,
                PortPolicy::Sequential => {
                    self.next_port = self.next_port.checked_add(1).unwrap_or(1024);
                    self.next_port
                }
                PortPolicy::Parity => (1024 + self.rng.below(64_510) as u16) & !1 | (inner_port & 1),
            };
            let outer = SocketAddr::new(ip, port);
            let id = self.by_outer.get(&(protocol, outer)).copied();
            if self.live(now, id).is_none() {
                return Some(outer);
            }
        }
        None
    }
}

fn synthesise(prefix: Ipv6Addr, ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) => IpAddr::V6(embed(prefix, v4)),
        v6 => v6,
    }
}

fn rewrite(payload: &mut [u8], inner: SocketAddr, outer: SocketAddr) {
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (inner.ip(), outer.ip()) {
        let from = from.octets();
        for at in 0..payload.len().saturating_sub(3) {
            if payload[at..at + 4] == from {
                payload[at..at + 4].copy_from_slice(&to.octets());
            }
        }
    }
}
