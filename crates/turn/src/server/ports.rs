//! Which port of which relay address is whose.

use super::RelayId;
use super::config::RelayAddress;
use parlour_stun::attribute::AddressFamily;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// The ports of one relay address: one word each, so that a relayed address is found by an index.
#[derive(Debug)]
struct PortTable {
    address: RelayAddress,
    first: u16,
    free: usize,
    /// Relay id plus one; zero is free.
    owners: Vec<u32>,
}

/// The ports of all relay addresses.
#[derive(Debug)]
pub(super) struct Ports {
    /// Of all servers at these addresses.
    range: RangeInclusive<u16>,
    tables: Vec<PortTable>,
}

impl Ports {
    pub(super) fn new(
        addresses: &[RelayAddress],
        range: RangeInclusive<u16>,
        all: Option<RangeInclusive<u16>>,
    ) -> Self {
        let tables = [AddressFamily::Ipv4, AddressFamily::Ipv6]
            .into_iter()
            .filter_map(|family| addresses.iter().find(|a| AddressFamily::of(a.local) == family))
            .map(|address| PortTable {
                address: *address,
                first: *range.start(),
                free: range.len(),
                owners: vec![0; range.len()],
            })
            .collect();
        Self { range: all.unwrap_or(range), tables }
    }

    /// Whether relays of that family can be had.
    pub(super) fn has_family(&self, family: AddressFamily) -> bool {
        self.table(family).is_some()
    }

    fn table(&self, family: AddressFamily) -> Option<&PortTable> {
        self.tables.iter().find(|table| AddressFamily::of(table.address.local) == family)
    }

    fn table_mut(&mut self, family: AddressFamily) -> Option<&mut PortTable> {
        self.tables.iter_mut().find(|table| AddressFamily::of(table.address.local) == family)
    }

    /// Whether `ip` is one of ours, as we or as peers see it.
    pub(super) fn is_relay_ip(&self, ip: IpAddr) -> bool {
        self.tables.iter().any(|table| table.address.local == ip || table.address.advertised() == ip)
    }

    /// Whether `port` could be a relay's, of this server or of another one at the same addresses.
    pub(super) fn is_relay_port(&self, port: u16) -> bool {
        self.range.contains(&port)
    }

    /// The relay at `address`, local or external.
    pub(super) fn find(&self, address: SocketAddr) -> Option<RelayId> {
        let ip = address.ip();
        let table = self.tables.iter().find(|t| t.address.local == ip || t.address.advertised() == ip)?;
        let owner = table.owners.get(usize::from(address.port().checked_sub(table.first)?))?;
        owner.checked_sub(1).map(RelayId)
    }

    /// The address that peers see of a relay bound to `local`.
    pub(super) fn advertised(&self, local: SocketAddr) -> SocketAddr {
        let table = self.table(AddressFamily::of(local.ip()));
        SocketAddr::new(table.map_or(local.ip(), |table| table.address.advertised()), local.port())
    }

    /// Chooses a free port at random, an even one if `even`, with the next one free too if `pair` (RFC 6056 §3.3.1).
    pub(super) fn choose(&self, family: AddressFamily, random: u32, even: bool, pair: bool) -> Option<SocketAddr> {
        let table = self.table(family)?;
        if table.free == 0 {
            return None;
        }
        let count = table.owners.len();
        let start = random as usize % count;
        (0..count)
            .map(|step| (start + step) % count)
            .find(|&slot| {
                let is_free = |slot: usize| table.owners.get(slot) == Some(&0);
                let is_even = (usize::from(table.first) + slot).is_multiple_of(2);
                is_free(slot) && (!(even || pair) || is_even) && (!pair || is_free(slot + 1))
            })
            .and_then(|slot| u16::try_from(usize::from(table.first) + slot).ok())
            .map(|port| SocketAddr::new(table.address.local, port))
    }

    /// Notes that `relay` has `address`.
    pub(super) fn take(&mut self, address: SocketAddr, relay: RelayId) {
        self.set(address, relay.0 + 1);
    }

    /// Gives `address` back.
    pub(super) fn release(&mut self, address: SocketAddr) {
        self.set(address, 0);
    }

    fn set(&mut self, address: SocketAddr, owner: u32) {
        let Some(table) = self.table_mut(AddressFamily::of(address.ip())) else {
            return;
        };
        let slot = usize::from(address.port().wrapping_sub(table.first));
        if let Some(entry) = table.owners.get_mut(slot) {
            match (*entry, owner) {
                (0, 1..) => table.free -= 1,
                (1.., 0) => table.free += 1,
                _ => {}
            }
            *entry = owner;
        }
    }
}
