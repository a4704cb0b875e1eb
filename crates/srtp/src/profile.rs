/// How packets are encrypted and authenticated (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtectionProfile {
    /// AEAD_AES_128_GCM: 16-byte tags.
    AeadAes128Gcm,
    /// AEAD_AES_256_GCM: 16-byte tags.
    AeadAes256Gcm,
    /// AES-128 in counter mode, HMAC-SHA1 with 10-byte tags.
    Aes128CmHmacSha1_80,
    /// As [`Aes128CmHmacSha1_80`](Self::Aes128CmHmacSha1_80) with 4-byte tags on RTP; RTCP keeps 10 bytes. Weak: accept it, do not offer it.
    Aes128CmHmacSha1_32,
}

impl ProtectionProfile {
    /// All profiles, the best first.
    pub const ALL: [Self; 4] =
        [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::Aes128CmHmacSha1_80, Self::Aes128CmHmacSha1_32];

    /// The number in the use_srtp extension of DTLS.
    pub const fn dtls_id(self) -> u16 {
        match self {
            Self::Aes128CmHmacSha1_80 => 0x0001,
            Self::Aes128CmHmacSha1_32 => 0x0002,
            Self::AeadAes128Gcm => 0x0007,
            Self::AeadAes256Gcm => 0x0008,
        }
    }

    /// The profile with this number in the use_srtp extension of DTLS.
    pub const fn from_dtls_id(id: u16) -> Option<Self> {
        match id {
            0x0001 => Some(Self::Aes128CmHmacSha1_80),
            0x0002 => Some(Self::Aes128CmHmacSha1_32),
            0x0007 => Some(Self::AeadAes128Gcm),
            0x0008 => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// The name in IANA's registry, which `getStats()` reports as `srtpCipher`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
            Self::Aes128CmHmacSha1_32 => "SRTP_AES128_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
        }
    }

    /// Bytes of a master key.
    pub const fn key_length(self) -> usize {
        match self {
            Self::AeadAes256Gcm => 32,
            _ => 16,
        }
    }

    /// Bytes of a master salt.
    pub const fn salt_length(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 => 14,
        }
    }

    /// Bytes of keying material to export from DTLS: two keys and two salts.
    pub const fn keying_material_length(self) -> usize {
        2 * (self.key_length() + self.salt_length())
    }

    /// Bytes that protection adds to an RTP packet. Cryptex adds four more to a packet with CSRCs and no extension.
    pub const fn rtp_tag_length(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
            Self::Aes128CmHmacSha1_32 => 4,
        }
    }

    /// Bytes that protection adds to a compound RTCP packet: the tag and the SRTCP index.
    pub const fn rtcp_overhead(self) -> usize {
        4 + self.rtcp_tag_length()
    }

    pub(crate) const fn rtcp_tag_length(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 => 10,
        }
    }
}
