//! What an association may use and how it behaves.

use crate::congestion::Algorithm;
use std::time::Duration;

/// Sizes of SCTP packets in bytes, which are the plaintexts of DTLS records (RFC 8261 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketSizes {
    /// What every path carries: used until a larger size has been proved, and again when large packets vanish. At least 512.
    pub base: usize,
    /// The largest size that is probed for (RFC 8899). The same as `base` switches probing off.
    pub max: usize,
}

impl Default for PacketSizes {
    /// An IPv6 path of 1280 bytes at least, and one of 1500 at most, less UDP, TURN channel and DTLS.
    fn default() -> Self {
        PacketSizes { base: 1188, max: 1408 }
    }
}

/// Settings of an association. The default suits data channels.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our SCTP port (`a=sctp-port`), 5000 in WebRTC.
    pub local_port: u16,
    /// The peer's SCTP port.
    pub remote_port: u16,
    /// Bytes that may wait here until the program or the order of messages lets them go; the receiver window that the peer sees.
    pub receive_buffer: usize,
    /// The largest message that may arrive, in bytes (`a=max-message-size` of our description). A larger one ends the association.
    pub max_message_size: usize,
    /// Bytes of messages that may wait for being sent. A message that does not fit is refused.
    pub send_buffer: usize,
    /// Streams that we want to send on; the peer may allow fewer.
    pub outgoing_streams: u16,
    /// Streams that the peer may send on.
    pub incoming_streams: u16,
    /// Offer to interleave messages (RFC 8260).
    pub interleaving: bool,
    /// Offer partial reliability (RFC 3758).
    pub partial_reliability: bool,
    /// Offer packets without checksum (RFC 9653). Right only if DTLS protects each packet.
    pub zero_checksum: bool,
    /// Sizes of packets.
    pub packet_sizes: PacketSizes,
    /// How the send rate is found.
    pub congestion: Algorithm,
    /// How long the acknowledgement of a single packet may wait for company (RFC 9260 §6.2: at most 500 ms).
    pub sack_delay: Duration,
    /// Pause between heartbeats while nothing else is sent; zero switches them off (RFC 9260 §8.3).
    pub heartbeat_interval: Duration,
    /// First retransmission time-out, before a round trip is known (RFC 9260 §6.3.1).
    pub rto_initial: Duration,
    /// Smallest retransmission time-out.
    pub rto_min: Duration,
    /// Largest retransmission time-out. Short enough that a path that comes back is noticed soon.
    pub rto_max: Duration,
    /// Time-outs in a row after which the peer counts as gone; `None` leaves that to ICE, which watches the path anyway (RFC 7675).
    pub max_retransmissions: Option<u32>,
    /// Repetitions of INIT and COOKIE ECHO after which the attempt is given up; `None` for no limit.
    pub max_init_retransmissions: Option<u32>,
    /// How long a cookie is good (RFC 9260 §5.1.3).
    pub cookie_life: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            local_port: 5000,
            remote_port: 5000,
            receive_buffer: 8 << 20,
            max_message_size: 256 << 20,
            send_buffer: 16 << 20,
            outgoing_streams: 65535,
            incoming_streams: 65535,
            interleaving: true,
            partial_reliability: true,
            zero_checksum: true,
            packet_sizes: PacketSizes::default(),
            congestion: Algorithm::default(),
            sack_delay: Duration::from_millis(20),
            heartbeat_interval: Duration::from_secs(30),
            rto_initial: Duration::from_millis(500),
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(3),
            max_retransmissions: None,
            max_init_retransmissions: Some(12),
            cookie_life: Duration::from_secs(60),
        }
    }
}
