//! What this peer can send and receive, and the payload types that stand for it.

use parlour_sdp::codec::{Codec, h264, matching};
use parlour_sdp::{Fmtp, RtcpFb};

/// `RTCRtpCodec`: a codec as preferences name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpCodec {
    /// As `opus`, `VP8` or `rtx`; case does not count.
    pub name: String,
    /// Ticks of the RTP clock a second.
    pub clock_rate: u32,
    /// Channels of sound, if told.
    pub channels: Option<u8>,
    /// Parameters as in `a=fmtp`; empty for none.
    pub fmtp: String,
}

impl RtpCodec {
    /// A codec without channels and parameters.
    pub fn new(name: &str, clock_rate: u32) -> Self {
        Self { name: name.to_owned(), clock_rate, channels: None, fmtp: String::new() }
    }

    /// With parameters.
    #[must_use]
    pub fn with_fmtp(mut self, fmtp: &str) -> Self {
        fmtp.clone_into(&mut self.fmtp);
        self
    }

    /// With so many channels.
    #[must_use]
    pub fn with_channels(mut self, channels: u8) -> Self {
        self.channels = Some(channels);
        self
    }

    fn numbered(&self, payload_type: u8) -> Codec {
        Codec {
            payload_type,
            name: self.name.clone(),
            clock_rate: self.clock_rate,
            channels: self.channels,
            parameters: Fmtp { format: payload_type.to_string(), text: self.fmtp.clone() },
            feedback: Vec::new(),
        }
    }

    /// The "codec dictionary match" of W3C webrtc-pc §5.4.2: same name, clock and channels, and parameters that fit.
    pub fn matches(&self, other: &Self) -> bool {
        self.channels.is_some() == other.channels.is_some() && self.numbered(0).matches(&other.numbered(0))
    }

    /// Whether it stands for this negotiated codec.
    pub(crate) fn is(&self, codec: &Codec) -> bool {
        self.numbered(0).matches(codec)
    }

    /// RTX, redundancy, error correction and comfort noise carry nothing of their own.
    pub(crate) fn is_auxiliary(&self) -> bool {
        is_auxiliary(&self.name)
    }
}

fn is_auxiliary(name: &str) -> bool {
    ["rtx", "red", "ulpfec", "flexfec", "flexfec-03", "CN"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A codec that this peer has, and what it wants with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecCapability {
    /// The codec.
    pub codec: RtpCodec,
    /// The payload type to take if it is free.
    pub payload_type: u8,
    /// The payload type of its retransmissions to take if it is free; none for no retransmission (RFC 4588).
    pub rtx: Option<u8>,
    /// Feedback that is welcome, as `nack` or `nack pli`.
    pub feedback: Vec<String>,
}

/// What a peer can do with one kind of media.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The codecs, the best first.
    pub codecs: Vec<CodecCapability>,
    /// The header extensions.
    pub header_extensions: Vec<super::extensions::HeaderExtension>,
    /// At most so many milliseconds of sound in a packet, if that is to be told.
    pub max_ptime: Option<u32>,
}

impl Capabilities {
    /// Opus first, then what telephones speak (RFC 7874 §3).
    pub fn audio() -> Self {
        let capability = |codec, payload_type, feedback: &[&str]| CodecCapability {
            codec,
            payload_type,
            rtx: None,
            feedback: feedback.iter().map(ToString::to_string).collect(),
        };
        let opus = RtpCodec::new("opus", 48_000).with_channels(2).with_fmtp("minptime=10;useinbandfec=1");
        Self {
            codecs: vec![
                capability(opus, 111, &["transport-cc", "nack"]),
                capability(RtpCodec::new("G722", 8000), 9, &[]),
                capability(RtpCodec::new("PCMU", 8000), 0, &[]),
                capability(RtpCodec::new("PCMA", 8000), 8, &[]),
                capability(RtpCodec::new("CN", 8000), 13, &[]),
                capability(RtpCodec::new("telephone-event", 48_000).with_fmtp("0-15"), 110, &[]),
                capability(RtpCodec::new("telephone-event", 8000).with_fmtp("0-15"), 126, &[]),
            ],
            header_extensions: super::extensions::audio(),
            max_ptime: None,
        }
    }

    /// VP8 and H.264 constrained baseline (RFC 7742 §5), VP9, AV1.
    pub fn video() -> Self {
        let feedback = ["transport-cc", "ccm fir", "nack", "nack pli"];
        let capability = |codec, payload_type| CodecCapability {
            codec,
            payload_type,
            rtx: Some(payload_type + 1),
            feedback: feedback.iter().map(ToString::to_string).collect(),
        };
        let h264 = |profile: &str, mode| {
            RtpCodec::new("H264", 90_000)
                .with_fmtp(&format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"))
        };
        Self {
            codecs: vec![
                capability(RtpCodec::new("VP8", 90_000), 96),
                capability(h264("42e01f", 1), 108),
                capability(h264("42e01f", 0), 114),
                capability(h264("42001f", 1), 102),
                capability(RtpCodec::new("AV1", 90_000).with_fmtp("level-idx=5;profile=0;tier=0"), 45),
                capability(RtpCodec::new("VP9", 90_000).with_fmtp("profile-id=0"), 98),
            ],
            header_extensions: super::extensions::video(),
            max_ptime: None,
        }
    }

    /// Whether the codec is one that this peer has, or retransmission.
    pub(crate) fn has(&self, codec: &RtpCodec) -> bool {
        self.codecs.iter().any(|known| known.codec.matches(codec))
            || (codec.name.eq_ignore_ascii_case("rtx") && self.codecs.iter().any(|known| known.rtx.is_some()))
    }

    /// The codecs to offer with their payload types, in the order of `preferred` or else our own. Codecs first, then their
    /// retransmissions.
    pub(crate) fn offered(&self, preferred: &[RtpCodec], numbers: &mut PayloadTypes) -> Vec<Codec> {
        let wanted: Vec<&CodecCapability> = if preferred.is_empty() {
            self.codecs.iter().collect()
        } else {
            preferred.iter().filter_map(|codec| self.codecs.iter().find(|known| known.codec.matches(codec))).collect()
        };
        let rtx = preferred.is_empty() || preferred.iter().any(|codec| codec.name.eq_ignore_ascii_case("rtx"));
        let mut offered = Vec::with_capacity(2 * wanted.len());
        let mut repeats = Vec::new();
        for capability in wanted {
            let Some(mut codec) = numbers.assign(capability.codec.numbered(capability.payload_type)) else { continue };
            if let Some(number) = capability.rtx.filter(|_| rtx) {
                let rtx = RtpCodec::new("rtx", codec.clock_rate).with_fmtp(&format!("apt={}", codec.payload_type));
                repeats.extend(numbers.assign(rtx.numbered(number)));
            }
            let number = codec.payload_type;
            codec.feedback = capability.feedback.iter().map(|feedback| feedback_line(number, feedback)).collect();
            offered.push(codec);
        }
        offered.append(&mut repeats);
        offered
    }
}

fn feedback_line(payload_type: u8, feedback: &str) -> RtcpFb {
    let (value, parameter) = match feedback.split_once(' ') {
        Some((value, parameter)) => (value, Some(parameter.to_owned())),
        None => (feedback, None),
    };
    RtcpFb { payload_type: Some(payload_type), value: value.to_owned(), parameter }
}

/// Moves what was agreed on before to the front, in the order of then (RFC 9429 §5.2.2).
pub(crate) fn in_order_of(mut codecs: Vec<Codec>, before: &[Codec]) -> Vec<Codec> {
    let place =
        |codec: &Codec| before.iter().position(|known| known.payload_type == codec.payload_type).unwrap_or(usize::MAX);
    codecs.sort_by_key(place);
    codecs
}

/// The codecs of an answer: what both sides have, with the offer's numbers, in the offer's order or else in ours.
pub(crate) fn answered(ours: &[Codec], theirs: &[Codec], our_order: bool) -> Vec<Codec> {
    let mut pairs = matching(ours, theirs);
    if our_order {
        let place = |codec: &Codec| ours.iter().position(|known| known.payload_type == codec.payload_type);
        pairs.sort_by_key(|(our, _)| place(our));
    }
    let mut codecs: Vec<Codec> = Vec::with_capacity(pairs.len());
    for (our, their) in pairs {
        if codecs.iter().any(|known| known.payload_type == their.payload_type) {
            continue;
        }
        let text = match their.associated_payload_type() {
            Some(repeated) => format!("apt={repeated}"),
            None => agreed_parameters(our, their),
        };
        codecs.push(Codec {
            payload_type: their.payload_type,
            name: our.name.clone(),
            clock_rate: our.clock_rate,
            channels: our.channels,
            parameters: Fmtp { format: their.payload_type.to_string(), text },
            feedback: shared_feedback(our, their),
        });
    }
    codecs
}

/// Our parameters, with the level of H.264 that both sides can do (RFC 6184 §8.2.2).
fn agreed_parameters(our: &Codec, their: &Codec) -> String {
    let level = our.is("H264").then(|| h264::answer(&our.parameters, &their.parameters)).flatten();
    let Some(level) = level else { return our.parameters.text.clone() };
    let hex = level.to_hex();
    let parts = our.parameters.parameters().map(|(name, value)| {
        let value = if name.eq_ignore_ascii_case("profile-level-id") { &hex } else { value };
        format!("{name}={value}")
    });
    parts.collect::<Vec<_>>().join(";")
}

fn shared_feedback(our: &Codec, their: &Codec) -> Vec<RtcpFb> {
    let shared = our.feedback.iter().filter(|line| their.has_feedback(&line.value, line.parameter.as_deref()));
    shared.map(|line| RtcpFb { payload_type: Some(their.payload_type), ..line.clone() }).collect()
}

/// What may be sent: the other side's codecs that ours match, in its order, with its numbers and parameters.
pub(crate) fn sendable(ours: &[Codec], theirs: &[Codec]) -> Vec<Codec> {
    let pairs = matching(ours, theirs);
    pairs.into_iter().map(|(our, their)| Codec { feedback: shared_feedback(our, their), ..their.clone() }).collect()
}

/// What may come: our codecs that the other side has too, with our numbers.
pub(crate) fn receivable(ours: &[Codec], theirs: &[Codec]) -> Vec<Codec> {
    ours.iter()
        .filter_map(|our| {
            let (_, their) = matching(std::slice::from_ref(our), theirs).into_iter().next().or_else(|| {
                // RTX is told by what it repeats, which `our` alone does not say.
                matching(ours, theirs).into_iter().find(|(known, _)| known.payload_type == our.payload_type)
            })?;
            let feedback = shared_feedback(their, our);
            Some(Codec { feedback, ..our.clone() })
        })
        .collect()
}

/// Whether there is a codec that carries media of its own.
pub(crate) fn carries_media(codecs: &[Codec]) -> bool {
    codecs.iter().any(|codec| !is_auxiliary(&codec.name) && !codec.is("telephone-event"))
}

/// Which payload type stands for which codec. A number once applied keeps its meaning (RFC 9429 §5.2.2, RFC 3264
/// §8.3.2), over all sections, as they may share a transport (RFC 9143 §9.1).
#[derive(Clone, Debug, Default)]
pub(crate) struct PayloadTypes {
    known: Vec<Codec>,
}

impl PayloadTypes {
    /// Gives the codec its number: the one that it has, or its own if free, or the next free one. `None` when no number is
    /// left.
    fn assign(&mut self, mut codec: Codec) -> Option<Codec> {
        let same = |known: &&Codec| {
            known.matches(&codec) && known.associated_payload_type() == codec.associated_payload_type()
        };
        if let Some(known) = self.known.iter().find(same) {
            codec.payload_type = known.payload_type;
        } else {
            let free = |number: &u8| self.known.iter().all(|known| known.payload_type != *number);
            codec.payload_type =
                Some(codec.payload_type).filter(free).or_else(|| (96..128).chain(35..64).find(free))?;
            self.known.push(codec.clone());
        }
        codec.parameters.format = codec.payload_type.to_string();
        Some(codec)
    }

    /// Notes what an applied description says. The latest numbers are the ones to offer again.
    pub(crate) fn learn(&mut self, codecs: &[Codec]) {
        for codec in codecs.iter().rev() {
            match self.known.iter().position(|known| known.payload_type == codec.payload_type) {
                Some(place) => {
                    if self.known.get(place).is_some_and(|known| known.matches(codec)) {
                        self.known.remove(place);
                        self.known.insert(0, codec.clone());
                    }
                }
                None => self.known.insert(0, codec.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(codecs: &[Codec]) -> Vec<u8> {
        codecs.iter().map(|codec| codec.payload_type).collect()
    }

    /// RFC 3264 §8.3.2: a number does not change its meaning; W3C setCodecPreferences: without rtx in it, none is offered.
    #[test]
    fn numbers_keep_their_meaning_when_the_other_side_chose_them() {
        let video = Capabilities::video();
        let mut table = PayloadTypes::default();
        table.learn(&[RtpCodec::new("opus", 48_000).with_channels(2).numbered(96)]);
        table.learn(&[RtpCodec::new("VP8", 90_000).numbered(120)]);
        let offered = video.offered(&[RtpCodec::new("VP9", 90_000), RtpCodec::new("VP8", 90_000)], &mut table);
        assert_eq!(numbers(&offered), [98, 120]);
        let all = video.offered(&[], &mut table);
        let mut unique = numbers(&all);
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), all.len());
        assert!(!unique.contains(&96), "96 is opus");
    }

    /// RFC 3264 §6.1: the answer uses the offer's numbers; RFC 4588 §8.6: RTX names them too.
    #[test]
    fn an_answer_speaks_in_the_numbers_of_the_offer() {
        let ours = Capabilities::video().offered(&[], &mut PayloadTypes::default());
        let theirs = vec![
            RtpCodec::new("VP9", 90_000).numbered(100),
            RtpCodec::new("VP8", 90_000).numbered(120),
            RtpCodec::new("rtx", 90_000).with_fmtp("apt=120").numbered(124),
        ];
        let answer = answered(&ours, &theirs, false);
        assert_eq!(numbers(&answer), [100, 120, 124]);
        assert_eq!(answer[2].parameter("apt"), Some("120"));
        assert_eq!(numbers(&answered(&ours, &theirs, true)), [120, 100, 124]);
        assert!(carries_media(&answer) && !carries_media(&answer[2..]));
    }

    #[test]
    fn what_may_come_includes_retransmission() {
        let ours = Capabilities::video()
            .offered(&[RtpCodec::new("VP8", 90_000), RtpCodec::new("rtx", 90_000)], &mut PayloadTypes::default());
        assert_eq!(numbers(&receivable(&ours, &ours)), numbers(&ours));
        assert_eq!(numbers(&receivable(&ours, &ours[..1])), [96]);
    }
}
