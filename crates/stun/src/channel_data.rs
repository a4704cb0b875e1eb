//! ChannelData: four bytes of header instead of an indication (RFC 8656 §12.4).

use thiserror::Error;

/// A channel number that clients may bind, 0x4000 to 0x4FFF (RFC 8656 §12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(u16);

/// A number outside 0x4000 to 0x4FFF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("channel number {0:#06x} is outside 0x4000 to 0x4fff")]
pub struct ChannelOutOfRange(pub u16);

impl ChannelNumber {
    /// The first one.
    pub const MIN: Self = Self(0x4000);
    /// The last one.
    pub const MAX: Self = Self(0x4FFF);

    /// A number in the wider range of RFC 5766 §11, 0x4000 to 0x7FFF, which old clients still use.
    pub fn legacy(number: u16) -> Option<Self> {
        (0x4000..=0x7FFF).contains(&number).then_some(Self(number))
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for ChannelNumber {
    type Error = ChannelOutOfRange;

    fn try_from(number: u16) -> Result<Self, ChannelOutOfRange> {
        if (Self::MIN.0..=Self::MAX.0).contains(&number) { Ok(Self(number)) } else { Err(ChannelOutOfRange(number)) }
    }
}

/// A ChannelData message, borrowed (RFC 8656 §12.4).
///
/// ```text
/// |         channel number        |            length             |
/// |                       application data …                      |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelData<'a> {
    /// The channel.
    pub channel: ChannelNumber,
    /// What it carries.
    pub data: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Bytes of the header.
    pub const HEADER_LEN: usize = 4;

    /// Reads a message; bytes behind its stated length are padding. `None` if the channel is out of range or the
    /// length reaches over the end (RFC 8656 §12.6).
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        Self::parse_legacy(bytes).filter(|message| message.channel <= ChannelNumber::MAX)
    }

    /// The same with the channels of RFC 5766 ([`ChannelNumber::legacy`]).
    pub fn parse_legacy(bytes: &'a [u8]) -> Option<Self> {
        let (&[a, b, c, d], rest) = bytes.split_first_chunk::<4>()?;
        let channel = ChannelNumber::legacy(u16::from_be_bytes([a, b]))?;
        let data = rest.get(..usize::from(u16::from_be_bytes([c, d])))?;
        Some(Self { channel, data })
    }

    /// Appends the message, padded with zeros to a multiple of four if `padded`: TCP and TLS need that (RFC 8656
    /// §12.5). Data beyond 65535 bytes cannot be said and gives `false`, with nothing written.
    pub fn write(&self, padded: bool, buffer: &mut Vec<u8>) -> bool {
        let Ok(length) = u16::try_from(self.data.len()) else {
            return false;
        };
        let [a, b] = self.channel.0.to_be_bytes();
        let [c, d] = length.to_be_bytes();
        buffer.extend_from_slice(&[a, b, c, d]);
        buffer.extend_from_slice(self.data);
        if padded {
            let padding = self.data.len().next_multiple_of(4) - self.data.len();
            buffer.extend_from_slice([0u8; 3].get(..padding).unwrap_or_default());
        }
        true
    }
}
