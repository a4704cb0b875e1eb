use crate::Cryptex;
use crate::cipher::Cipher;
use crate::error::UnprotectError;
use crate::key::MasterKey;
use crate::packet::{Layout, unmark_cryptex};
use crate::profile::ProtectionProfile;
use crate::replay::{ReplayWindow, Seen};
use crate::sender::rtcp_sender;
use crate::sources::Sources;
use parlour_rtp::{ExtendedSequenceNumber, Ssrc};

/// What a receiver accepts.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverConfig {
    /// Whether header extensions and CSRCs may or must come encrypted.
    pub cryptex: Cryptex,
    /// The most SSRCs, each about 250 bytes. Packets of one more are dropped.
    pub max_sources: usize,
    /// How many rollovers a receiver may have missed and still find its place: at the first packet of an SSRC, and after
    /// an interruption. Each costs one attempt at decryption.
    pub max_missed_rollovers: u32,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self { cryptex: Cryptex::Off, max_sources: 4096, max_missed_rollovers: 2 }
    }
}

/// What a receiver dropped, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Wrong lengths.
    pub malformed: u64,
    /// Wrong authentication tags.
    pub unauthentic: u64,
    /// Packets that came twice.
    pub replayed: u64,
    /// Packets older than the replay window.
    pub too_old: u64,
    /// Packets of SSRCs that found no room.
    pub too_many_sources: u64,
    /// Packets without cryptex where it is required.
    pub cryptex_required: u64,
}

/// After this many packets of one SSRC in a row that were not authentic, missed rollovers are looked for.
const FAILURES_BEFORE_SEARCH: u8 = 4;

#[derive(Clone, Default)]
struct Stream {
    window: ReplayWindow,
    /// Unauthentic packets since the last authentic one.
    failures: u8,
}

/// Unprotects the packets that come in on one transport.
///
/// The index of a packet is guessed as RFC 3711 §3.3.1 says. Two cases go beyond that guess: a receiver that joins late,
/// when the sequence number has wrapped before the first packet arrived, and one that missed half a turn or more.
/// In both the next few rollover counters are tried too, and the one under which the packet is authentic is kept.
pub struct SrtpReceiver {
    profile: ProtectionProfile,
    config: ReceiverConfig,
    rtp: Cipher,
    rtcp: Cipher,
    streams: Sources<Stream>,
    reports: Sources<ReplayWindow>,
    /// A copy of the packet for further attempts, because GCM destroys what it fails to open.
    copy: Vec<u8>,
    stats: ReceiverStats,
}

impl SrtpReceiver {
    /// A receiver with the default limits.
    pub fn new(key: &MasterKey) -> Self {
        Self::with_config(key, ReceiverConfig::default())
    }

    /// A receiver with limits of your own.
    pub fn with_config(key: &MasterKey, config: ReceiverConfig) -> Self {
        Self {
            profile: key.profile(),
            config,
            rtp: Cipher::for_rtp(key),
            rtcp: Cipher::for_rtcp(key),
            streams: Sources::new(config.max_sources),
            reports: Sources::new(config.max_sources),
            copy: Vec::new(),
            stats: ReceiverStats::default(),
        }
    }

    /// The profile of the key.
    pub fn profile(&self) -> ProtectionProfile {
        self.profile
    }

    /// What was dropped so far.
    pub fn stats(&self) -> ReceiverStats {
        self.stats
    }

    /// Says from now on whether header extensions and CSRCs may or must come encrypted.
    pub fn set_cryptex(&mut self, cryptex: Cryptex) {
        self.config.cryptex = cryptex;
    }

    /// Verifies and decrypts the SRTP packet that fills `packet`; the RTP packet is then in the returned number of bytes.
    ///
    /// On an error the packet is to be dropped; what `packet` holds is then unspecified.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        self.open_rtp(packet).inspect_err(|error| self.stats.count(*error))
    }

    fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        let length = packet.len().checked_sub(self.profile.rtp_tag_length()).ok_or(UnprotectError::Malformed)?;
        let layout = packet.get(..length).and_then(Layout::read).ok_or(UnprotectError::Malformed)?;
        let cryptex = self.config.cryptex != Cryptex::Off && layout.has_cryptex();
        if self.config.cryptex == Cryptex::Required && layout.is_hideable() {
            return Err(UnprotectError::CryptexRequired);
        }

        if let Some(stream) = self.streams.get_mut(layout.ssrc) {
            let highest = ExtendedSequenceNumber(stream.window.highest().unwrap_or_default());
            let index = highest.nearest(layout.sequence_number).0;
            if stream.failures >= FAILURES_BEFORE_SEARCH {
                return self.open_rtp_searching(packet, layout, cryptex, index);
            }
            check(&stream.window, index)?;
            if self.rtp.open_rtp(packet, layout, cryptex, index).is_err() {
                stream.failures += 1;
                return Err(UnprotectError::Unauthentic);
            }
            stream.failures = 0;
            stream.window.insert(index);
        } else {
            if self.streams.is_full() {
                return Err(UnprotectError::TooManySources);
            }
            return self.open_rtp_searching(packet, layout, cryptex, u64::from(layout.sequence_number.0));
        }
        if cryptex {
            unmark_cryptex(packet, layout);
        }
        Ok(length)
    }

    /// Tries the index `first` and the same sequence number in the next turns.
    #[cold]
    fn open_rtp_searching(
        &mut self,
        packet: &mut [u8],
        layout: Layout,
        cryptex: bool,
        first: u64,
    ) -> Result<usize, UnprotectError> {
        let keeps = self.rtp.spares_the_unauthentic();
        if !keeps {
            self.copy.clear();
            self.copy.extend_from_slice(packet);
        }
        let mut error = UnprotectError::Unauthentic;
        for turn in 0..=u64::from(self.config.max_missed_rollovers) {
            let index = first + (turn << 16);
            if index >> 48 != 0 {
                break;
            }
            if let Some(stream) = self.streams.get(layout.ssrc)
                && let Err(refused) = check(&stream.window, index)
            {
                error = refused;
                continue;
            }
            if turn > 0 && !keeps {
                packet.copy_from_slice(&self.copy);
            }
            if self.rtp.open_rtp(packet, layout, cryptex, index).is_err() {
                continue;
            }
            let stream =
                self.streams.get_or_insert_with(layout.ssrc, Stream::default).ok_or(UnprotectError::TooManySources)?;
            stream.window.insert(index);
            stream.failures = 0;
            if cryptex {
                unmark_cryptex(packet, layout);
            }
            return Ok(packet.len() - self.profile.rtp_tag_length());
        }
        Err(error)
    }

    /// Verifies and decrypts the SRTCP packet that fills `packet`; the RTCP packet is then in the returned number of
    /// bytes.
    ///
    /// On an error the packet is to be dropped; what `packet` holds is then unspecified.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        self.open_rtcp(packet).inspect_err(|error| self.stats.count(*error))
    }

    fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, UnprotectError> {
        let length = packet.len().checked_sub(self.profile.rtcp_overhead()).ok_or(UnprotectError::Malformed)?;
        let ssrc = packet.get(..length).and_then(rtcp_sender).ok_or(UnprotectError::Malformed)?;
        let index_word = self.rtcp.rtcp_index_word(packet).ok_or(UnprotectError::Malformed)?;
        let index = u64::from(index_word & !crate::cipher::ENCRYPTED);
        if let Some(window) = self.reports.get_mut(ssrc) {
            check(window, index)?;
        } else if self.reports.is_full() {
            return Err(UnprotectError::TooManySources);
        }
        self.rtcp.open_rtcp(packet, ssrc, index_word).map_err(|_| UnprotectError::Unauthentic)?;
        self.reports
            .get_or_insert_with(ssrc, ReplayWindow::default)
            .ok_or(UnprotectError::TooManySources)?
            .insert(index);
        Ok(length)
    }

    /// How often the sequence number of `ssrc` has wrapped, as far as authentic packets have shown.
    pub fn rollover_counter(&self, ssrc: Ssrc) -> Option<u32> {
        self.streams.get(ssrc)?.window.highest().map(|index| (index >> 16) as u32)
    }

    /// Tells the rollover counter of a stream that was joined late, with a sequence number near which it now is.
    ///
    /// Does nothing and returns false if packets of `ssrc` were accepted before, because that would let them be replayed,
    /// or if there is no room for it.
    pub fn set_rollover_counter(&mut self, ssrc: Ssrc, rollover_counter: u32, sequence_number: u16) -> bool {
        if self.streams.get(ssrc).is_some() {
            return false;
        }
        let index = u64::from(rollover_counter) << 16 | u64::from(sequence_number);
        self.streams
            .get_or_insert_with(ssrc, || {
                let mut stream = Stream::default();
                stream.window.restart_at(index);
                stream
            })
            .is_some()
    }
}

fn check(window: &ReplayWindow, index: u64) -> Result<(), UnprotectError> {
    match window.seen(index) {
        Seen::No => Ok(()),
        Seen::Yes => Err(UnprotectError::Replayed),
        Seen::Unknown => Err(UnprotectError::TooOld),
    }
}

impl ReceiverStats {
    fn count(&mut self, error: UnprotectError) {
        *match error {
            UnprotectError::Malformed => &mut self.malformed,
            UnprotectError::Unauthentic => &mut self.unauthentic,
            UnprotectError::Replayed => &mut self.replayed,
            UnprotectError::TooOld => &mut self.too_old,
            UnprotectError::TooManySources => &mut self.too_many_sources,
            UnprotectError::CryptexRequired => &mut self.cryptex_required,
        } += 1;
    }
}
