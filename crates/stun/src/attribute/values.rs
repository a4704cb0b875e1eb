//! The remaining attributes of TURN, ICE and NAT behaviour discovery.

use super::{Attribute, AttributeType, flag, integer, opaque};
use crate::channel_data::ChannelNumber;
use crate::message::TransactionId;

integer! {
    /// LIFETIME in seconds (RFC 8656 §18.2).
    Lifetime(u32) = LIFETIME;
    /// RESERVATION-TOKEN: names a port that waits for a second Allocate (RFC 8656 §18.10).
    ReservationToken(u64) = RESERVATION_TOKEN;
    /// CONNECTION-ID: names a TCP connection to a peer (RFC 6062 §6.2.1).
    ConnectionId(u32) = CONNECTION_ID;
    /// PRIORITY of the candidate that a check would find (RFC 8445 §7.1.1).
    Priority(u32) = PRIORITY;
    /// ICE-CONTROLLED with its tie-breaker (RFC 8445 §7.1.3).
    IceControlled(u64) = ICE_CONTROLLED;
    /// ICE-CONTROLLING with its tie-breaker (RFC 8445 §7.1.3).
    IceControlling(u64) = ICE_CONTROLLING;
    /// NOMINATION: the number of a renomination, the greatest one wins (draft-thatcher-ice-renomination).
    Nomination(u32) = NOMINATION;
    /// GOOG-NETWORK-INFO: network id and cost, 16 bits each, as libwebrtc sends them.
    GoogNetworkInfo(u32) = GOOG_NETWORK_INFO;
}

opaque! {
    /// DATA: what a Send or Data indication carries (RFC 8656 §18.4).
    Data = DATA;
    /// MOBILITY-TICKET: empty to ask for mobility, else the ticket (RFC 8016 §3.1).
    MobilityTicket = MOBILITY_TICKET;
    /// PADDING (RFC 5780 §7.6).
    Padding = PADDING;
    /// ACCESS-TOKEN (RFC 7635 §6.2).
    AccessToken = ACCESS_TOKEN;
    /// GOOG-LAST-ICE-CHECK-RECEIVED: the transaction of the last check seen.
    GoogLastIceCheckReceived = GOOG_LAST_ICE_CHECK_RECEIVED;
    /// GOOG-MISC-INFO: a list of 16-bit numbers.
    GoogMiscInfo = GOOG_MISC_INFO;
    /// GOOG-DELTA.
    GoogDelta = GOOG_DELTA;
    /// GOOG-DELTA-ACK.
    GoogDeltaAck = GOOG_DELTA_ACK;
    /// A DTLS packet carried by a connectivity check.
    DtlsInStun = DTLS_IN_STUN;
    /// The hashes of the DTLS packets that arrived in connectivity checks.
    DtlsInStunAcknowledgement = DTLS_IN_STUN_ACKNOWLEDGEMENT;
}

flag! {
    /// DONT-FRAGMENT: set DF on the way to the peer (RFC 8656 §18.9).
    DontFragment = DONT_FRAGMENT;
    /// USE-CANDIDATE: nominates (RFC 8445 §7.1.2).
    UseCandidate = USE_CANDIDATE;
}

/// REQUESTED-TRANSPORT: the IP protocol between server and peer (RFC 8656 §18.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedTransport(pub u8);

impl RequestedTransport {
    /// UDP, protocol 17.
    pub const UDP: Self = Self(17);
    /// TCP, protocol 6 (RFC 6062 §5.1).
    pub const TCP: Self = Self(6);
}

impl Attribute<'_> for RequestedTransport {
    const KIND: AttributeType = AttributeType::REQUESTED_TRANSPORT;

    fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
        let &[protocol, _, _, _] = <&[u8; 4]>::try_from(value).ok()?;
        Some(Self(protocol))
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        buffer.extend_from_slice(&[self.0, 0, 0, 0]);
    }
}

/// EVEN-PORT: an even port please, and with `reserve_next` the one above it kept back (RFC 8656 §18.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvenPort {
    /// The R bit.
    pub reserve_next: bool,
}

impl Attribute<'_> for EvenPort {
    const KIND: AttributeType = AttributeType::EVEN_PORT;

    fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
        let &[flags] = <&[u8; 1]>::try_from(value).ok()?;
        Some(Self { reserve_next: flags & 0x80 != 0 })
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        buffer.push(u8::from(self.reserve_next) << 7);
    }
}

/// CHANNEL-NUMBER as it stands on the wire; a server answers 400 to one out of range (RFC 8656 §18.1, §12.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelNumberAttribute(pub u16);

impl From<ChannelNumber> for ChannelNumberAttribute {
    fn from(number: ChannelNumber) -> Self {
        Self(number.get())
    }
}

impl Attribute<'_> for ChannelNumberAttribute {
    const KIND: AttributeType = AttributeType::CHANNEL_NUMBER;

    fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
        let &[high, low, _, _] = <&[u8; 4]>::try_from(value).ok()?;
        Some(Self(u16::from_be_bytes([high, low])))
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        let [high, low] = self.0.to_be_bytes();
        buffer.extend_from_slice(&[high, low, 0, 0]);
    }
}

/// RESPONSE-PORT: answer to another port of the sender (RFC 5780 §7.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponsePort(pub u16);

impl Attribute<'_> for ResponsePort {
    const KIND: AttributeType = AttributeType::RESPONSE_PORT;

    fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
        match *value {
            [high, low] | [high, low, _, _] => Some(Self(u16::from_be_bytes([high, low]))),
            _ => None,
        }
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        buffer.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// CHANGE-REQUEST: answer from the other address, the other port, or both (RFC 5780 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeRequest {
    /// From the other IP address.
    pub change_ip: bool,
    /// From the other port.
    pub change_port: bool,
}

impl Attribute<'_> for ChangeRequest {
    const KIND: AttributeType = AttributeType::CHANGE_REQUEST;

    fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
        let &[_, _, _, flags] = <&[u8; 4]>::try_from(value).ok()?;
        Some(Self { change_ip: flags & 0x04 != 0, change_port: flags & 0x02 != 0 })
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        let flags = u8::from(self.change_ip) << 2 | u8::from(self.change_port) << 1;
        buffer.extend_from_slice(&[0, 0, 0, flags]);
    }
}

/// ICMP: what came back instead of an answer (RFC 8656 §18.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// ICMP or ICMPv6 type, as the family of the peer says.
    pub icmp_type: u8,
    /// ICMP or ICMPv6 code.
    pub icmp_code: u8,
    /// The next hop's MTU for "packet too big", else zero.
    pub error_data: u32,
}

impl Attribute<'_> for Icmp {
    const KIND: AttributeType = AttributeType::ICMP;

    fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
        let &[_, _, icmp_type, icmp_code, a, b, c, d] = <&[u8; 8]>::try_from(value).ok()?;
        Some(Self { icmp_type, icmp_code, error_data: u32::from_be_bytes([a, b, c, d]) })
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        buffer.extend_from_slice(&[0, 0, self.icmp_type, self.icmp_code]);
        buffer.extend_from_slice(&self.error_data.to_be_bytes());
    }
}
