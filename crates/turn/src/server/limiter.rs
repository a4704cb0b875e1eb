//! Token buckets: for bandwidth, and for the challenges to networks that have not proved anything yet.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A bucket of tokens that fills at a steady rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    rate: u64,
    tokens: u64,
    filled: Instant,
}

impl TokenBucket {
    /// A full bucket that holds what comes in one second, and at least one large datagram.
    pub(super) fn new(now: Instant, rate: u64) -> Self {
        Self { rate, tokens: Self::capacity(rate), filled: now }
    }

    fn capacity(rate: u64) -> u64 {
        rate.max(65_536)
    }

    /// Takes `amount` tokens if they are there.
    pub(super) fn take(&mut self, now: Instant, amount: usize) -> bool {
        let elapsed = now.saturating_duration_since(self.filled);
        let gained = u64::try_from(u128::from(self.rate) * elapsed.as_micros() / 1_000_000).unwrap_or(u64::MAX);
        if gained > 0 {
            self.tokens = self.tokens.saturating_add(gained).min(Self::capacity(self.rate));
            self.filled = now;
        }
        match self.tokens.checked_sub(amount as u64) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

/// How many networks are told apart. Two that share a slot share its tokens; memory never grows.
const SLOTS: usize = 1 << 14;

/// Limits answers to unauthenticated networks with memory of a fixed size.
#[derive(Debug)]
pub(super) struct ChallengeLimiter {
    hash: foldhash::quality::SeedableRandomState,
    start: Instant,
    rate: u32,
    /// Tokens, and the time of the last fill in milliseconds since `start`.
    slots: Vec<(u32, u32)>,
}

impl ChallengeLimiter {
    pub(super) fn new(now: Instant, rate: u32, hash: foldhash::quality::SeedableRandomState) -> Self {
        Self { hash, start: now, rate, slots: vec![(rate.saturating_mul(4), 0); SLOTS] }
    }

    /// Whether one more answer may go to the network of `address`.
    pub(super) fn take(&mut self, now: Instant, address: IpAddr) -> bool {
        let network = network_of(address);
        let slot = self.hash.hash_one(network) as usize % SLOTS;
        let Some((tokens, filled)) = self.slots.get_mut(slot) else {
            return false;
        };
        let elapsed = now.saturating_duration_since(self.start).as_millis() as u32;
        let since = Duration::from_millis(u64::from(elapsed.wrapping_sub(*filled)));
        let gained = u32::try_from(u128::from(self.rate) * since.as_millis() / 1000).unwrap_or(u32::MAX);
        if gained > 0 {
            *tokens = tokens.saturating_add(gained).min(self.rate.saturating_mul(4));
            *filled = elapsed;
        }
        match tokens.checked_sub(1) {
            Some(left) => {
                *tokens = left;
                true
            }
            None => false,
        }
    }
}

/// The network that is limited as one: an IPv4 /24 or an IPv6 /48.
fn network_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits() >> 8),
        IpAddr::V6(ip) => (ip.to_bits() >> 80) as u64 | 1 << 63,
    }
}
