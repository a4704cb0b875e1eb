//! RTP packets: a borrowed view, a writer, and changes in place (RFC 3550 §5.1, RFC 8285).

use crate::extension::{Elements, ExtensionForm, ExtensionMap, HeaderExtension, WriteExtensionError};
use crate::numbers::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
use crate::reader::Reader;
use thiserror::Error;

pub(crate) const FIXED_HEADER: usize = 12;

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PacketError {
    /// The packet ends within its header.
    #[error("the packet ends within its header, after {0} bytes")]
    Truncated(usize),
    /// The version is not 2.
    #[error("the version is {0}, not 2")]
    Version(u8),
    /// The padding is empty or longer than the payload.
    #[error("{padding} bytes of padding do not fit into {payload} bytes")]
    Padding {
        /// What the last byte says.
        padding: u8,
        /// Bytes after the header.
        payload: usize,
    },
}

/// The fixed fields of an RTP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtpHeader {
    /// What it marks is up to the codec: the end of a video frame, the start of a talkspurt.
    pub marker: bool,
    /// The codec.
    pub payload_type: PayloadType,
    /// Counts packets.
    pub sequence_number: SequenceNumber,
    /// The sampling instant.
    pub timestamp: RtpTimestamp,
    /// The stream.
    pub ssrc: Ssrc,
}

/// One RTP packet, borrowed from the datagram that carried it (RFC 3550 §5.1).
///
/// ```text
///  0                   1                   2                   3
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// |                           timestamp                           |
/// |           synchronization source (SSRC) identifier            |
/// |            contributing source (CSRC) identifiers ...         |
/// |      defined by profile       |           length              |  if X is set
/// |                        header extension ...                   |
/// |                        payload ...          |  padding, count |  if P is set
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    header: RtpHeader,
    csrcs: &'a [u8],
    extension: Option<(u16, &'a [u8])>,
    header_length: usize,
    payload: &'a [u8],
    padding: u8,
}

impl<'a> RtpPacket<'a> {
    /// Reads a packet that fills `datagram` exactly. No allocation; the header extension is looked into only when asked.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, PacketError> {
        let truncated = PacketError::Truncated(datagram.len());
        let (fixed, rest) = datagram.split_first_chunk::<FIXED_HEADER>().ok_or(truncated)?;
        let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if first >> 6 != 2 {
            return Err(PacketError::Version(first >> 6));
        }
        let mut rest = Reader::new(rest);
        let csrcs = rest.take(4 * usize::from(first & 0x0f)).ok_or(truncated)?;
        let extension = if first & 0x10 != 0 {
            let profile = rest.u16().ok_or(truncated)?;
            let words = rest.u16().ok_or(truncated)?;
            Some((profile, rest.take(4 * usize::from(words)).ok_or(truncated)?))
        } else {
            None
        };
        let body = rest.rest();
        let (payload, padding) = if first & 0x20 != 0 {
            let padding = body.last().copied().unwrap_or(0);
            let wrong = PacketError::Padding { padding, payload: body.len() };
            if padding == 0 {
                return Err(wrong);
            }
            let length = body.len().checked_sub(usize::from(padding)).ok_or(wrong)?;
            (body.get(..length).ok_or(wrong)?, padding)
        } else {
            (body, 0)
        };
        Ok(Self {
            header: RtpHeader {
                marker: second & 0x80 != 0,
                payload_type: PayloadType::from_low_bits(second),
                sequence_number: SequenceNumber(u16::from_be_bytes([s0, s1])),
                timestamp: RtpTimestamp(u32::from_be_bytes([t0, t1, t2, t3])),
                ssrc: Ssrc(u32::from_be_bytes([i0, i1, i2, i3])),
            },
            csrcs,
            extension,
            header_length: datagram.len() - body.len(),
            payload,
            padding,
        })
    }

    /// The fixed fields.
    pub fn header(&self) -> RtpHeader {
        self.header
    }

    /// What it marks is up to the codec.
    pub fn marker(&self) -> bool {
        self.header.marker
    }

    /// The codec.
    pub fn payload_type(&self) -> PayloadType {
        self.header.payload_type
    }

    /// Counts packets.
    pub fn sequence_number(&self) -> SequenceNumber {
        self.header.sequence_number
    }

    /// The sampling instant.
    pub fn timestamp(&self) -> RtpTimestamp {
        self.header.timestamp
    }

    /// The stream.
    pub fn ssrc(&self) -> Ssrc {
        self.header.ssrc
    }

    /// The sources that a mixer mixed, at most 15.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + 'a {
        self.csrcs.as_chunks::<4>().0.iter().map(|word| Ssrc(u32::from_be_bytes(*word)))
    }

    /// The elements of the header extension in the order of the packet; none if it has no RFC 8285 extension.
    pub fn extensions(&self) -> Elements<'a> {
        match self.extension {
            Some((profile, data)) => Elements::new(profile, data),
            None => Elements::none(),
        }
    }

    /// The "defined by profile" field and the bytes of the header extension, whatever they are.
    pub fn raw_extension(&self) -> Option<(u16, &'a [u8])> {
        self.extension
    }

    /// The value of one header extension; `None` if it is absent, not negotiated, or malformed.
    pub fn extension<E: HeaderExtension<'a>>(&self, map: &ExtensionMap) -> Option<E> {
        let id = map.id_of(E::KIND)?;
        self.extensions().find(|element| element.id == id).and_then(|element| E::parse(element.data))
    }

    /// Bytes before the payload.
    pub fn header_length(&self) -> usize {
        self.header_length
    }

    /// The payload without padding. Empty in packets that only probe or keep a path open.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Bytes of padding at the end, the count included.
    pub fn padding(&self) -> u8 {
        self.padding
    }
}

/// Writes one RTP packet to the end of a buffer.
///
/// Header, then extensions, then payload: each step returns what can come next.
///
/// ```
/// use parlour_rtp::{extension::{ExtensionForm, ExtensionKind, ExtensionMap, Mid}, RtpHeader, RtpPacket, RtpWriter};
///
/// let mut map = ExtensionMap::default();
/// map.insert(4, ExtensionKind::Mid);
/// let mut out = Vec::new();
/// let mut writer = RtpWriter::new(&mut out, &RtpHeader::default(), &[], ExtensionForm::OneByte);
/// writer.extension(&map, &Mid("0"))?;
/// writer.payload(b"hello");
///
/// let packet = RtpPacket::parse(&out)?;
/// assert_eq!(packet.extension::<Mid>(&map), Some(Mid("0")));
/// assert_eq!(packet.payload(), b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RtpWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    form: ExtensionForm,
    /// Where the extension header stands, once there is one.
    extension: Option<usize>,
}

impl<'a> RtpWriter<'a> {
    /// Appends the fixed header and the CSRCs; of more than 15 CSRCs the first 15.
    pub fn new(out: &'a mut Vec<u8>, header: &RtpHeader, csrcs: &[Ssrc], form: ExtensionForm) -> Self {
        let start = out.len();
        let csrcs = csrcs.get(..15).unwrap_or(csrcs);
        let [s0, s1] = header.sequence_number.0.to_be_bytes();
        let second = u8::from(header.marker) << 7 | header.payload_type.get();
        out.extend_from_slice(&[0x80 | csrcs.len() as u8, second, s0, s1]);
        out.extend_from_slice(&header.timestamp.0.to_be_bytes());
        out.extend_from_slice(&header.ssrc.0.to_be_bytes());
        for csrc in csrcs {
            out.extend_from_slice(&csrc.0.to_be_bytes());
        }
        Self { out, start, form, extension: None }
    }

    /// Appends a header extension if it was negotiated; says whether it was.
    pub fn extension<'e, E: HeaderExtension<'e>>(
        &mut self,
        map: &ExtensionMap,
        value: &E,
    ) -> Result<bool, WriteExtensionError> {
        let Some(id) = map.id_of(E::KIND) else { return Ok(false) };
        let mut data = [0; 255];
        let length = value.write(&mut data).ok_or(WriteExtensionError::TooLong)?;
        self.raw_extension(id, data.get(..length).unwrap_or_default())?;
        Ok(true)
    }

    /// Appends a header extension element with bytes of your own.
    pub fn raw_extension(&mut self, id: u8, data: &[u8]) -> Result<(), WriteExtensionError> {
        let head = self.form.element_header(id, data.len())?;
        if self.extension.is_none() {
            self.extension = Some(self.out.len());
            if let Some(first) = self.out.get_mut(self.start) {
                *first |= 0x10;
            }
            self.out.extend_from_slice(&self.form.profile().to_be_bytes());
            self.out.extend_from_slice(&[0, 0]);
        }
        self.out.extend_from_slice(head.as_slice());
        self.out.extend_from_slice(data);
        Ok(())
    }

    /// Appends the payload and ends the packet. Returns its length.
    pub fn payload(self, payload: &[u8]) -> usize {
        self.payload_with(|out| out.extend_from_slice(payload))
    }

    /// Lets `write` append the payload and ends the packet. Returns its length.
    pub fn payload_with(mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.end_header();
        write(self.out);
        self.out.len() - self.start
    }

    /// Appends the payload and `padding` bytes of padding, and ends the packet. Returns its length.
    pub fn padded_payload(mut self, payload: &[u8], padding: u8) -> usize {
        self.end_header();
        self.out.extend_from_slice(payload);
        if padding > 0 {
            if let Some(first) = self.out.get_mut(self.start) {
                *first |= 0x20;
            }
            self.out.resize(self.out.len() + usize::from(padding) - 1, 0);
            self.out.push(padding);
        }
        self.out.len() - self.start
    }

    fn end_header(&mut self) {
        let Some(at) = self.extension.take() else { return };
        let data = self.out.len() - at - 4;
        self.out.resize(self.out.len() + data.next_multiple_of(4) - data, 0);
        let words = (data.div_ceil(4) as u16).to_be_bytes();
        if let Some(place) = self.out.get_mut(at + 2..at + 4) {
            place.copy_from_slice(&words);
        }
    }
}

/// Changes the fixed fields of an RTP packet in place, as forwarding needs.
#[derive(Debug)]
pub struct RtpHeaderMut<'a> {
    fixed: &'a mut [u8; FIXED_HEADER],
}

impl<'a> RtpHeaderMut<'a> {
    /// The header of `packet`; `None` if it is too short.
    pub fn new(packet: &'a mut [u8]) -> Option<Self> {
        packet.first_chunk_mut().map(|fixed| Self { fixed })
    }

    /// Sets or clears the marker.
    pub fn set_marker(&mut self, marker: bool) {
        self.fixed[1] = self.fixed[1] & 0x7f | u8::from(marker) << 7;
    }

    /// Sets the payload type.
    pub fn set_payload_type(&mut self, payload_type: PayloadType) {
        self.fixed[1] = self.fixed[1] & 0x80 | payload_type.get();
    }

    /// Sets the sequence number.
    pub fn set_sequence_number(&mut self, sequence_number: SequenceNumber) {
        let [_, _, s0, s1, ..] = &mut *self.fixed;
        [*s0, *s1] = sequence_number.0.to_be_bytes();
    }

    /// Sets the timestamp.
    pub fn set_timestamp(&mut self, timestamp: RtpTimestamp) {
        let [_, _, _, _, t0, t1, t2, t3, ..] = &mut *self.fixed;
        [*t0, *t1, *t2, *t3] = timestamp.0.to_be_bytes();
    }

    /// Sets the SSRC.
    pub fn set_ssrc(&mut self, ssrc: Ssrc) {
        let [_, _, _, _, _, _, _, _, i0, i1, i2, i3] = &mut *self.fixed;
        [*i0, *i1, *i2, *i3] = ssrc.0.to_be_bytes();
    }
}

/// What the first bytes of a datagram on a port with `rtcp-mux` say it is (RFC 5761 §4, RFC 7983 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtpOrRtcp {
    /// An RTP packet.
    Rtp,
    /// An RTCP packet.
    Rtcp,
}

impl RtpOrRtcp {
    /// Tells RTP from RTCP; `None` if the datagram is neither.
    pub fn of(datagram: &[u8]) -> Option<Self> {
        match datagram {
            [128..=191, 192..=223, ..] => Some(Self::Rtcp),
            [128..=191, _, ..] => Some(Self::Rtp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::{AudioLevel, ExtensionKind, Mid, TransportSequenceNumber};
    use proptest::prelude::*;

    fn map() -> ExtensionMap {
        let mut map = ExtensionMap::default();
        map.insert(1, ExtensionKind::AudioLevel);
        map.insert(3, ExtensionKind::TransportSequenceNumber);
        map.insert(14, ExtensionKind::Mid);
        map
    }

    fn sample(form: ExtensionForm, padding: u8) -> Vec<u8> {
        let mut out = Vec::new();
        let header = RtpHeader {
            marker: true,
            payload_type: PayloadType::new(111).unwrap(),
            sequence_number: SequenceNumber(65_000),
            timestamp: RtpTimestamp(0x89ab_cdef),
            ssrc: Ssrc(0xcafe_babe),
        };
        let mut writer = RtpWriter::new(&mut out, &header, &[Ssrc(1), Ssrc(2)], form);
        writer.extension(&map(), &AudioLevel { voice: true, level: 17 }).unwrap();
        writer.extension(&map(), &TransportSequenceNumber(513)).unwrap();
        writer.extension(&map(), &Mid("audio")).unwrap();
        writer.padded_payload(b"payload", padding);
        out
    }

    #[test]
    fn what_is_written_is_read() {
        for form in [ExtensionForm::OneByte, ExtensionForm::TwoByte] {
            for padding in [0, 1, 255] {
                let bytes = sample(form, padding);
                let packet = RtpPacket::parse(&bytes).unwrap();
                assert!(packet.marker());
                assert_eq!(packet.payload_type().get(), 111);
                assert_eq!(packet.sequence_number(), SequenceNumber(65_000));
                assert_eq!(packet.timestamp(), RtpTimestamp(0x89ab_cdef));
                assert_eq!(packet.ssrc(), Ssrc(0xcafe_babe));
                assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
                assert_eq!(packet.extension(&map()), Some(AudioLevel { voice: true, level: 17 }));
                assert_eq!(packet.extension(&map()), Some(TransportSequenceNumber(513)));
                assert_eq!(packet.extension(&map()), Some(Mid("audio")));
                assert_eq!((packet.payload(), packet.padding()), (&b"payload"[..], padding));
                assert_eq!(bytes.len() - packet.header_length(), 7 + usize::from(padding));
            }
        }
    }

    #[test]
    fn no_truncation_shows_bytes_that_are_not_there() {
        let bytes = sample(ExtensionForm::OneByte, 0);
        let whole = RtpPacket::parse(&bytes).unwrap().header_length();
        for length in 0..bytes.len() {
            let packet = RtpPacket::parse(&bytes[..length]);
            assert_eq!(packet.is_ok(), length >= whole, "{length} bytes");
        }
    }

    #[test]
    fn padding_must_fit_and_must_not_be_empty() {
        let bytes = sample(ExtensionForm::OneByte, 9);
        for (last, fits) in [(0, false), (1, true), (16, true), (17, false), (255, false)] {
            let mut bytes = bytes.clone();
            *bytes.last_mut().unwrap() = last;
            assert_eq!(RtpPacket::parse(&bytes).is_ok(), fits, "padding {last}");
        }
        let mut bare = vec![0xa0; 12];
        bare[1] = 96;
        assert!(RtpPacket::parse(&bare).is_err(), "no byte to hold the count");
    }

    #[test]
    fn fields_change_in_place() {
        let mut bytes = sample(ExtensionForm::OneByte, 0);
        let mut header = RtpHeaderMut::new(&mut bytes).unwrap();
        header.set_marker(false);
        header.set_payload_type(PayloadType::new(5).unwrap());
        header.set_sequence_number(SequenceNumber(7));
        header.set_timestamp(RtpTimestamp(8));
        header.set_ssrc(Ssrc(9));
        let packet = RtpPacket::parse(&bytes).unwrap();
        let wanted = RtpHeader {
            marker: false,
            payload_type: PayloadType::new(5).unwrap(),
            sequence_number: SequenceNumber(7),
            timestamp: RtpTimestamp(8),
            ssrc: Ssrc(9),
        };
        assert_eq!(packet.header(), wanted);
        assert_eq!(packet.payload(), b"payload");
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_rfc_5761() {
        assert_eq!(RtpOrRtcp::of(&[0x80, 200]), Some(RtpOrRtcp::Rtcp));
        assert_eq!(RtpOrRtcp::of(&[0x80, 0x80 | 96]), Some(RtpOrRtcp::Rtp));
        assert_eq!(RtpOrRtcp::of(&[22, 254]), None);
        assert_eq!(RtpOrRtcp::of(&[0x80]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), rtp: bool) {
            if rtp && let Some(first) = bytes.first_mut() { *first = *first & 0x3f | 0x80; }
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                prop_assert!(packet.header_length() + packet.payload().len() + usize::from(packet.padding()) == bytes.len());
                packet.extensions().for_each(drop);
                packet.csrcs().for_each(drop);
            }
        }
    }
}
