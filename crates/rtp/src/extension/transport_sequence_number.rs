use super::{ExtensionKind, HeaderExtension, put};
use crate::numbers::SequenceNumber;
use crate::reader::Reader;

/// Counts the packets of the whole transport, for congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSequenceNumber(
    /// Grows by one a packet, over all streams, and wraps.
    pub u16,
);

impl TransportSequenceNumber {
    /// As a number that can be compared and unwrapped.
    pub const fn sequence_number(self) -> SequenceNumber {
        SequenceNumber(self.0)
    }
}

impl HeaderExtension<'_> for TransportSequenceNumber {
    const KIND: ExtensionKind = ExtensionKind::TransportSequenceNumber;

    fn parse(data: &[u8]) -> Option<Self> {
        Reader::new(data).u16().map(Self)
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        put(out, &self.0.to_be_bytes())
    }
}

/// Asks for feedback on packets up to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedbackRequest {
    /// Whether the feedback is to tell arrival times, not only which packets arrived.
    pub include_timestamps: bool,
    /// How many packets, this one included; below 2^15.
    pub sequence_count: u16,
}

/// The second version of the transport sequence number: feedback comes only when asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSequenceNumberV2 {
    /// Grows by one a packet, over all streams, and wraps.
    pub sequence_number: SequenceNumber,
    /// The request, if there is one.
    pub request: Option<FeedbackRequest>,
}

impl HeaderExtension<'_> for TransportSequenceNumberV2 {
    const KIND: ExtensionKind = ExtensionKind::TransportSequenceNumberV2;

    fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let sequence_number = SequenceNumber(reader.u16()?);
        let request = if reader.is_empty() {
            None
        } else {
            let word = reader.u16()?;
            let request = FeedbackRequest { include_timestamps: word & 0x8000 != 0, sequence_count: word & 0x7fff };
            (request.sequence_count != 0).then_some(request)
        };
        Some(Self { sequence_number, request })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        let length = put(out, &self.sequence_number.0.to_be_bytes())?;
        match self.request {
            Some(request) => {
                let word = u16::from(request.include_timestamps) << 15 | request.sequence_count & 0x7fff;
                Some(length + put(out.get_mut(length..)?, &word.to_be_bytes())?)
            }
            None => Some(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn both_versions() {
        round_trip(TransportSequenceNumber(0x0102), &[1, 2]);
        let sequence_number = SequenceNumber(0x0102);
        round_trip(TransportSequenceNumberV2 { sequence_number, request: None }, &[1, 2]);
        let request = Some(FeedbackRequest { include_timestamps: true, sequence_count: 3 });
        round_trip(TransportSequenceNumberV2 { sequence_number, request }, &[1, 2, 0x80, 3]);
        assert_eq!(TransportSequenceNumberV2::parse(&[1, 2, 3]), None);
    }
}
