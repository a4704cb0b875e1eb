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
