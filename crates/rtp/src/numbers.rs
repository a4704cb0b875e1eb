//! The numbers of RTP as types: what wraps says so.

use std::fmt;

/// Names one stream of RTP packets within a session (RFC 3550 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Says which codec and parameters the payload has, 0 to 127 (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// The type with this number, if it fits into seven bits.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The type in the low seven bits of `byte`, as it stands beside the marker bit in the RTP header.
    pub const fn from_low_bits(byte: u8) -> Self {
        Self(byte & 0x7f)
    }

    /// The number, 0 to 127.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The 16-bit number that an RTP packet carries; it grows by one a packet and wraps (RFC 3550 §5.1).
///
/// It has no order of its own: ask for the [`distance_from`](Self::distance_from) another one, or unwrap it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number of the next packet.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number `packets` later.
    #[must_use]
    pub const fn add(self, packets: u16) -> Self {
        Self(self.0.wrapping_add(packets))
    }

    /// The number `packets` earlier.
    #[must_use]
    pub const fn sub(self, packets: u16) -> Self {
        Self(self.0.wrapping_sub(packets))
    }

    /// How many packets this one is after `other`, the shorter way round: -32768 to 32767.
    pub const fn distance_from(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }

    /// Whether this number is after `other`, the shorter way round. Half a circle apart counts as before.
    pub const fn is_after(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A sequence number with the turns counted, so that it has an order (RFC 3550 §A.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedSequenceNumber(pub u64);

impl ExtendedSequenceNumber {
    /// The 16 bits that go on the wire.
    pub const fn sequence_number(self) -> SequenceNumber {
        SequenceNumber(self.0 as u16)
    }

    /// The number of the next packet.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How many packets this one is after `other`; negative if before.
    pub const fn distance_from(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }

    /// The extended number nearest to `self` that has `number` in its low 16 bits.
    ///
    /// Exactly half a circle ahead counts as ahead. There is nothing before zero: a number that would lie there is
    /// taken one turn later.
    #[must_use]
    pub const fn nearest(self, number: SequenceNumber) -> Self {
        let ahead = number.0.wrapping_sub(self.0 as u16);
        if ahead <= 0x8000 {
            return Self(self.0.wrapping_add(ahead as u64));
        }
        let behind = 0x1_0000 - ahead as u64;
        Self(match self.0.checked_sub(behind) {
            Some(earlier) => earlier,
            None => self.0.wrapping_add(ahead as u64),
        })
    }
}

/// Turns the sequence numbers of one stream, as they come, into extended ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceUnwrapper {
    highest: Option<ExtendedSequenceNumber>,
}

impl SequenceUnwrapper {
    /// The extended form of `number`, and remembers it if it is the highest so far.
    ///
    /// The first number starts in turn one, so that packets which come late at the start still have a place.
    pub const fn unwrap(&mut self, number: SequenceNumber) -> ExtendedSequenceNumber {
        let Some(highest) = self.highest else {
            let first = ExtendedSequenceNumber(0x1_0000 + number.0 as u64);
            self.highest = Some(first);
            return first;
        };
        let extended = highest.nearest(number);
        if extended.0 > highest.0 {
            self.highest = Some(extended);
        }
        extended
    }

    /// The highest number so far.
    pub const fn highest(&self) -> Option<ExtendedSequenceNumber> {
        self.highest
    }
}

/// The sampling instant that an RTP packet carries, in units of the codec's clock; it wraps (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// The instant `ticks` later.
    #[must_use]
    pub const fn add(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// The instant `ticks` earlier.
    #[must_use]
    pub const fn sub(self, ticks: u32) -> Self {
        Self(self.0.wrapping_sub(ticks))
    }

    /// How many ticks this instant is after `other`, the shorter way round.
    pub const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// Whether this instant is after `other`, the shorter way round.
    pub const fn is_after(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

impl fmt::Display for RtpTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An RTP timestamp with the turns counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedTimestamp(pub u64);

impl ExtendedTimestamp {
    /// The 32 bits that go on the wire.
    pub const fn timestamp(self) -> RtpTimestamp {
        RtpTimestamp(self.0 as u32)
    }

    /// How many ticks this instant is after `other`; negative if before.
    pub const fn distance_from(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }
}

/// Turns the timestamps of one stream, as they come, into extended ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampUnwrapper {
    highest: Option<ExtendedTimestamp>,
}

impl TimestampUnwrapper {
    /// The extended form of `timestamp`, and remembers it if it is the highest so far. The first one starts in turn one.
    pub const fn unwrap(&mut self, timestamp: RtpTimestamp) -> ExtendedTimestamp {
        let Some(highest) = self.highest else {
            let first = ExtendedTimestamp(0x1_0000_0000 + timestamp.0 as u64);
            self.highest = Some(first);
            return first;
        };
        let step = timestamp.distance_from(highest.timestamp());
        let extended = ExtendedTimestamp(highest.0.wrapping_add_signed(step as i64));
        if step > 0 {
            self.highest = Some(extended);
        }
        extended
    }

    /// The highest timestamp so far.
    pub const fn highest(&self) -> Option<ExtendedTimestamp> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequence_numbers_compare_the_shorter_way_round() {
        assert!(SequenceNumber(0).is_after(SequenceNumber(65535)));
        assert!(!SequenceNumber(65535).is_after(SequenceNumber(0)));
        assert_eq!(SequenceNumber(3).distance_from(SequenceNumber(65534)), 5);
        assert_eq!(SequenceNumber(65534).distance_from(SequenceNumber(3)), -5);
        assert_eq!(SequenceNumber(65535).next(), SequenceNumber(0));
    }

    #[test]
    fn nothing_lies_before_zero() {
        assert_eq!(ExtendedSequenceNumber(2).nearest(SequenceNumber(65535)), ExtendedSequenceNumber(65535));
        assert_eq!(ExtendedSequenceNumber(0x1_0002).nearest(SequenceNumber(65535)), ExtendedSequenceNumber(65535));
    }

    proptest! {
        #[test]
        fn unwrapping_follows_steps_of_less_than_half_a_circle(start: u16, steps in prop::collection::vec(-32767i64..=32767, 1..200)) {
            let mut unwrapper = SequenceUnwrapper::default();
            let mut highest = unwrapper.unwrap(SequenceNumber(start)).0 as i64;
            for step in steps {
                let wanted = highest + step;
                if wanted < 0 { continue; }
                prop_assert_eq!(unwrapper.unwrap(SequenceNumber(wanted as u16)).0 as i64, wanted);
                highest = highest.max(wanted);
            }
        }

        #[test]
        fn timestamps_unwrap_across_turns(start: u32, steps in prop::collection::vec(0u32..0x7fff_ffff, 1..50)) {
            let mut unwrapper = TimestampUnwrapper::default();
            let mut now = unwrapper.unwrap(RtpTimestamp(start)).0;
            for step in steps {
                now += u64::from(step);
                prop_assert_eq!(unwrapper.unwrap(RtpTimestamp(now as u32)).0, now);
            }
        }
    }
}
