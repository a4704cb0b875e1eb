//! What a datagram on a WebRTC port is, by its first byte (RFC 7983 §7, RFC 9443 §3).

/// A kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// 0 to 3.
    Stun,
    /// 16 to 19. Nobody speaks it any more; drop it.
    Zrtp,
    /// 20 to 63.
    Dtls,
    /// 64 to 79. Only from a TURN server that we use, else drop it.
    TurnChannel,
    /// 80 to 127 and 192 to 255.
    Quic,
    /// 128 to 191.
    Rtp,
}

/// The kind of `datagram`, or `None` for one that is empty or in a range that nobody owns.
pub fn classify(datagram: &[u8]) -> Option<PacketKind> {
    Some(match datagram.first()? {
        0..=3 => PacketKind::Stun,
        4..=15 => return None,
        16..=19 => PacketKind::Zrtp,
        20..=63 => PacketKind::Dtls,
        64..=79 => PacketKind::TurnChannel,
        80..=127 | 192..=255 => PacketKind::Quic,
        128..=191 => PacketKind::Rtp,
    })
}
