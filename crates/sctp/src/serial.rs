//! Numbers that wrap, and names that must not be mixed up.

use std::fmt;

/// A transmission sequence number (RFC 9260 §1.3), compared by serial number arithmetic (RFC 1982, RFC 9260 §1.6).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tsn(pub u32);

impl Tsn {
    /// The number `n` behind this one.
    #[must_use]
    pub fn plus(self, n: u32) -> Tsn {
        Tsn(self.0.wrapping_add(n))
    }

    /// The number `n` before this one.
    #[must_use]
    pub fn minus(self, n: u32) -> Tsn {
        Tsn(self.0.wrapping_sub(n))
    }

    /// How far this number lies behind `other`: negative if it lies before.
    pub fn since(self, other: Tsn) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// Whether this number comes after `other`.
    pub fn after(self, other: Tsn) -> bool {
        self.since(other) > 0
    }
}

impl fmt::Debug for Tsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A stream in one direction of an association (RFC 9260 §1.3); also the id of a data channel (RFC 8831 §6.4). 65,535 is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u16);

/// Where counting of TSNs without wrapping starts: high enough that numbers before the first one exist.
const FIRST_TURN: u64 = 1 << 32;

impl Tsn {
    /// The number without wrapping, for the first TSN of an association.
    pub(crate) fn first(self) -> u64 {
        FIRST_TURN + u64::from(self.0)
    }

    /// The number without wrapping that lies nearest to `near`.
    pub(crate) fn near(self, near: u64) -> u64 {
        near.wrapping_add_signed(i64::from(self.0.wrapping_sub(near as u32) as i32))
    }

    /// The number as it goes on the wire.
    pub(crate) fn wire(unwrapped: u64) -> Tsn {
        Tsn(unwrapped as u32)
    }
}

/// The message number without wrapping that lies nearest to `near`, of numbers with `bits` bits.
pub(crate) fn near(near: u64, low: u32, bits: u32) -> u64 {
    let shift = 32 - bits;
    let ahead = (low.wrapping_sub(near as u32) << shift) as i32 >> shift;
    near.wrapping_add_signed(i64::from(ahead))
}
