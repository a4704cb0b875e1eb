//! What a machine wants sent, in the caller's buffer.

use std::net::SocketAddr;
use std::ops::Range;

/// Explicit congestion notification, the two low bits of the traffic class (RFC 3168 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ecn {
    /// 00.
    #[default]
    NotCapable,
    /// 01.
    Ect1,
    /// 10.
    Ect0,
    /// 11: the network is congested.
    CongestionExperienced,
}

/// One send: one destination, one or more segments of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit<V> {
    /// The socket or stream to send by.
    pub via: V,
    /// Where to, on a datagram socket.
    pub to: SocketAddr,
    /// Where the bytes are in [`Outbox::bytes`].
    pub range: Range<usize>,
    /// The size of every segment but the last, which may be shorter.
    pub segment_size: usize,
    /// What to mark the packets with.
    pub ecn: Ecn,
    /// Whether to set DF (RFC 8656 §15).
    pub dont_fragment: bool,
}

impl<V> Transmit<V> {
    /// How many datagrams this is.
    pub fn segments(&self) -> usize {
        self.range.len().div_ceil(self.segment_size.max(1)).max(1)
    }
}

/// The most segments and bytes that Linux takes as one GSO train.
const MAX_SEGMENTS: usize = 64;
const MAX_TRAIN: usize = 65_000;

/// A buffer of outgoing datagrams. The caller owns it, sends what is in it and calls [`clear`](Self::clear); its
/// memory is used again.
#[derive(Debug)]
pub struct Outbox<V> {
    bytes: Vec<u8>,
    transmits: Vec<Transmit<V>>,
}

impl<V> Default for Outbox<V> {
    fn default() -> Self {
        Self { bytes: Vec::new(), transmits: Vec::new() }
    }
}

impl<V: Copy + PartialEq> Outbox<V> {
    /// The bytes of all transmits.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The transmits in the order in which they were made.
    pub fn transmits(&self) -> &[Transmit<V>] {
        &self.transmits
    }

    /// Each datagram or stream message by itself, trains taken apart.
    pub fn datagrams(&self) -> impl Iterator<Item = (&Transmit<V>, &[u8])> {
        self.transmits.iter().flat_map(|transmit| {
            let bytes = self.bytes.get(transmit.range.clone()).unwrap_or_default();
            let whole = bytes.is_empty().then_some((transmit, bytes));
            whole.into_iter().chain(bytes.chunks(transmit.segment_size.max(1)).map(move |segment| (transmit, segment)))
        })
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.transmits.is_empty()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.transmits.clear();
    }

    /// Appends one datagram that `write` appends to the buffer; nothing is sent if it says `false`.
    pub(crate) fn push(
        &mut self,
        via: V,
        to: SocketAddr,
        ecn: Ecn,
        dont_fragment: bool,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Option<usize> {
        let start = self.bytes.len();
        if !write(&mut self.bytes) {
            self.bytes.truncate(start);
            return None;
        }
        let length = self.bytes.len() - start;
        if let Some(last) = self.transmits.last_mut() {
            let room = last.range.len().is_multiple_of(last.segment_size.max(1))
                && length <= last.segment_size
                && length > 0
                && last.segments() < MAX_SEGMENTS
                && last.range.len() + length <= MAX_TRAIN;
            if room && last.via == via && last.to == to && last.ecn == ecn && last.dont_fragment == dont_fragment {
                last.range.end = self.bytes.len();
                return Some(length);
            }
        }
        let range = start..self.bytes.len();
        self.transmits.push(Transmit { via, to, range, segment_size: length, ecn, dont_fragment });
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outbox: &mut Outbox<u8>, via: u8, length: usize) {
        outbox.push(via, "192.0.2.1:1".parse().unwrap(), Ecn::NotCapable, false, |bytes| {
            bytes.resize(bytes.len() + length, via);
            true
        });
    }

    #[test]
    fn equal_datagrams_to_one_destination_become_one_train_with_a_shorter_last_one() {
        let mut outbox = Outbox::default();
        [100, 100, 100, 40, 100].into_iter().for_each(|length| push(&mut outbox, 1, length));
        push(&mut outbox, 2, 100);
        let shape: Vec<_> = outbox.transmits().iter().map(|t| (t.via, t.segment_size, t.segments())).collect();
        assert_eq!(shape, [(1, 100, 4), (1, 100, 1), (2, 100, 1)]);
        assert_eq!(outbox.datagrams().map(|(_, bytes)| bytes.len()).collect::<Vec<_>>(), [100, 100, 100, 40, 100, 100]);
    }

    #[test]
    fn trains_end_at_64_segments_and_at_65000_bytes() {
        let mut outbox = Outbox::default();
        (0..70).for_each(|_| push(&mut outbox, 1, 10));
        assert_eq!(outbox.transmits().iter().map(Transmit::segments).collect::<Vec<_>>(), [64, 6]);
        outbox.clear();
        (0..60).for_each(|_| push(&mut outbox, 1, 1400));
        assert!(outbox.transmits().iter().all(|t| t.range.len() <= 65_000));
    }

    #[test]
    fn empty_datagrams_are_sent_too() {
        let mut outbox = Outbox::default();
        push(&mut outbox, 1, 0);
        push(&mut outbox, 1, 0);
        assert_eq!(outbox.datagrams().count(), 2);
    }
}
