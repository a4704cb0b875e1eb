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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn opens_survive(label: String, protocol: String, ordered: bool, kind in 0..3, parameter: u16, priority in 0..4) {
            let reliability = match kind {
                0 => Reliability::Reliable,
                1 => Reliability::Retransmissions(parameter),
                _ => Reliability::Lifetime(Duration::from_millis(parameter.into())),
            };
            let priority = [Priority::VeryLow, Priority::Low, Priority::Medium, Priority::High][priority as usize];
            let open = Dcep::Open(ChannelOptions { label, protocol, ordered, reliability, priority, negotiated: None });
            let bytes = open.write();
            prop_assert_eq!(Dcep::parse(&bytes), Some(open));
            for len in 0..bytes.len() {
                prop_assert_eq!(Dcep::parse(&bytes[..len]), None);
            }
        }

        #[test]
        fn random_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = Dcep::parse(&bytes);
        }
    }

    /// RFC 8832 §5.1, byte by byte.
    #[test]
    fn an_open_looks_as_the_rfc_draws_it() {
        let options = ChannelOptions {
            label: "ab".into(),
            protocol: "c".into(),
            ordered: false,
            reliability: Reliability::Retransmissions(5),
            priority: Priority::High,
            negotiated: None,
        };
        let expected = [3, 0x81, 4, 0, 0, 0, 0, 5, 0, 2, 0, 1, b'a', b'b', b'c'];
        assert_eq!(Dcep::Open(options).write(), expected);
        assert_eq!(Dcep::Ack.write(), [2]);
    }
}
