//! The data channel establishment protocol (RFC 8832 §5).

use super::{ChannelOptions, Priority, Reliability};
use std::time::Duration;

const OPEN: u8 = 3;
const ACK: u8 = 2;

/// A message of the protocol.
///
/// ```text
/// |  type = 3   | channel type |        priority          |   DATA_CHANNEL_OPEN
/// |         reliability parameter (32)                    |
/// |   length of label          |   length of protocol     |
/// |  label … | protocol …                                 |
///
/// |  type = 2   |                                             DATA_CHANNEL_ACK
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dcep {
    Open(ChannelOptions),
    Ack,
}

impl Dcep {
    /// Reads a message; `None` if it is not one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        match kind {
            ACK => return Some(Dcep::Ack),
            OPEN => {}
            _ => return None,
        }
        let (&channel, rest) = rest.split_first()?;
        let (priority, rest) = rest.split_first_chunk()?;
        let (parameter, rest) = rest.split_first_chunk()?;
        let (label, rest) = rest.split_first_chunk()?;
        let (protocol, rest) = rest.split_first_chunk()?;
        let (label, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*label)))?;
        let protocol = rest.get(..usize::from(u16::from_be_bytes(*protocol)))?;
        let parameter = u32::from_be_bytes(*parameter);
        let reliability = match channel & 0x7f {
            0 => Reliability::Reliable,
            1 => Reliability::Retransmissions(u16::try_from(parameter).unwrap_or(u16::MAX)),
            2 => Reliability::Lifetime(Duration::from_millis(u64::from(parameter))),
            _ => return None,
        };
        Some(Dcep::Open(ChannelOptions {
            label: String::from_utf8(label.to_vec()).ok()?,
            protocol: String::from_utf8(protocol.to_vec()).ok()?,
            ordered: channel & 0x80 == 0,
            reliability,
            priority: Priority::from_wire(u16::from_be_bytes(*priority)),
            negotiated: None,
        }))
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let Dcep::Open(options) = self else { return vec![ACK] };
        let (kind, parameter) = match options.reliability {
            Reliability::Reliable => (0, 0),
            Reliability::Retransmissions(most) => (1, u32::from(most)),
            Reliability::Lifetime(time) => (2, u32::try_from(time.as_millis()).unwrap_or(u32::MAX)),
        };
        let mut out = vec![OPEN, if options.ordered { kind } else { kind | 0x80 }];
        out.extend_from_slice(&options.priority.weight().to_be_bytes());
        out.extend_from_slice(&parameter.to_be_bytes());
        out.extend_from_slice(&(options.label.len() as u16).to_be_bytes());
        out.extend_from_slice(&(options.protocol.len() as u16).to_be_bytes());
        out.extend_from_slice(options.label.as_bytes());
        out.extend_from_slice(options.protocol.as_bytes());
        out
    }
}
