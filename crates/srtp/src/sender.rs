use crate::Cryptex;
use crate::cipher::Cipher;
use crate::error::ProtectError;
use crate::key::MasterKey;
use crate::packet::{EXTENSION_HEADER, Layout, mark_cryptex};
use crate::profile::ProtectionProfile;
use crate::replay::{ReplayWindow, Seen};
use crate::sources::Sources;
use parlour_rtp::{ExtendedSequenceNumber, Ssrc};

/// What a sender may do.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// Whether header extensions and CSRCs are encrypted.
    pub cryptex: Cryptex,
    /// The most SSRCs, each about 200 bytes. One more is an error.
    pub max_sources: usize,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self { cryptex: Cryptex::Off, max_sources: 4096 }
    }
}

/// Protects the packets that go out on one transport.
pub struct SrtpSender {
    profile: ProtectionProfile,
    config: SenderConfig,
    rtp: Cipher,
    rtcp: Cipher,
    streams: Sources<ReplayWindow>,
    /// The next SRTCP index of each SSRC (RFC 3711 §3.4).
    reports: Sources<u32>,
}

impl SrtpSender {
    /// A sender with the default limits.
    pub fn new(key: &MasterKey) -> Self {
        Self::with_config(key, SenderConfig::default())
    }

    /// A sender with limits of your own.
    pub fn with_config(key: &MasterKey, config: SenderConfig) -> Self {
        Self {
            profile: key.profile(),
            config,
            rtp: Cipher::for_rtp(key),
            rtcp: Cipher::for_rtcp(key),
            streams: Sources::new(config.max_sources),
            reports: Sources::new(config.max_sources),
        }
    }

    /// The profile of the key.
    pub fn profile(&self) -> ProtectionProfile {
        self.profile
    }

    /// Says from now on whether header extensions and CSRCs are encrypted.
    pub fn set_cryptex(&mut self, cryptex: Cryptex) {
        self.config.cryptex = cryptex;
    }

    /// Protects the RTP packet in the first `length` bytes of `buffer` and returns how many bytes it then has.
    ///
    /// The buffer needs room for [`ProtectionProfile::rtp_tag_length`] more bytes, and with cryptex for four on top of
    /// that if the packet has CSRCs and no extension. Packets of one SSRC may come in any order within 1024 of the
    /// highest; the rollover counter is worked out from the sequence numbers (RFC 3711 §3.3.1).
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, ProtectError> {
        let packet = buffer.get(..length).ok_or(ProtectError::Malformed)?;
        let mut layout = Layout::read(packet).ok_or(ProtectError::Malformed)?;
        let cryptex = self.config.cryptex != Cryptex::Off && layout.is_hideable();
        let growth = if cryptex && layout.extension.is_none() { EXTENSION_HEADER } else { 0 };
        let needed = length + growth + self.profile.rtp_tag_length();
        if buffer.len() < needed {
            return Err(ProtectError::BufferTooSmall { needed });
        }

        let ssrc = layout.ssrc;
        let stream = match self.streams.get_mut(ssrc) {
            Some(stream) => stream,
            None => self
                .streams
                .get_or_insert_with(ssrc, ReplayWindow::default)
                .ok_or(ProtectError::TooManySources { ssrc })?,
        };
        let index = match stream.highest() {
            Some(highest) => ExtendedSequenceNumber(highest).nearest(layout.sequence_number).0,
            None => u64::from(layout.sequence_number.0),
        };
        if index >> 48 != 0 {
            return Err(ProtectError::KeyExhausted { ssrc });
        }
        if stream.seen(index) != Seen::No {
            return Err(ProtectError::IndexReused { ssrc, sequence_number: layout.sequence_number.0 });
        }
        stream.insert(index);

        if cryptex {
            (layout, _) = mark_cryptex(buffer, layout, length).ok_or(ProtectError::Malformed)?;
        }
        let packet = buffer.get_mut(..needed).ok_or(ProtectError::Malformed)?;
        self.rtp.seal_rtp(packet, layout, cryptex, index).ok_or(ProtectError::Malformed)?;
        Ok(needed)
    }

    /// Protects the RTCP packet, compound or reduced-size, in the first `length` bytes of `buffer` and returns how many
    /// bytes it then has.
    ///
    /// The buffer needs room for [`ProtectionProfile::rtcp_overhead`] more bytes.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, ProtectError> {
        let packet = buffer.get(..length).ok_or(ProtectError::Malformed)?;
        let ssrc = rtcp_sender(packet).ok_or(ProtectError::Malformed)?;
        let needed = length + self.profile.rtcp_overhead();
        if buffer.len() < needed {
            return Err(ProtectError::BufferTooSmall { needed });
        }
        let next = match self.reports.get_mut(ssrc) {
            Some(next) => next,
            None => self.reports.get_or_insert_with(ssrc, || 0).ok_or(ProtectError::TooManySources { ssrc })?,
        };
        let index = *next;
        if index >> 31 != 0 {
            return Err(ProtectError::KeyExhausted { ssrc });
        }
        *next += 1;
        let packet = buffer.get_mut(..needed).ok_or(ProtectError::Malformed)?;
        self.rtcp.seal_rtcp(packet, ssrc, index).ok_or(ProtectError::Malformed)?;
        Ok(needed)
    }

    /// How often the sequence number of `ssrc` has wrapped, for receivers that join later.
    pub fn rollover_counter(&self, ssrc: Ssrc) -> Option<u32> {
        self.streams.get(ssrc)?.highest().map(|index| (index >> 16) as u32)
    }

    /// Starts `ssrc` with this rollover counter, when a stream moves here from another sender with the same key.
    ///
    /// Does nothing and returns false if `ssrc` has sent here already or there is no room for it.
    pub fn set_rollover_counter(&mut self, ssrc: Ssrc, rollover_counter: u32, sequence_number: u16) -> bool {
        if self.streams.get(ssrc).is_some() {
            return false;
        }
        let index = u64::from(rollover_counter) << 16 | u64::from(sequence_number);
        self.streams
            .get_or_insert_with(ssrc, || {
                let mut window = ReplayWindow::default();
                window.restart_at(index);
                window
            })
            .is_some()
    }
}

/// The SSRC of the first packet of a compound RTCP packet.
pub(crate) fn rtcp_sender(packet: &[u8]) -> Option<Ssrc> {
    let [first, _, _, _, s0, s1, s2, s3] = *packet.first_chunk()?;
    if first >> 6 != 2 {
        return None;
    }
    Some(Ssrc(u32::from_be_bytes([s0, s1, s2, s3])))
}
