//! Codecs of a section, and when two of them match (RFC 3264 §6.1, RFC 9429 §5.3.1, and the payload formats).

pub mod av1;
pub mod h264;
pub mod h265;
pub mod opus;
pub mod vp9;

use crate::attribute::Attribute;
use crate::attribute::format::{Fmtp, RtcpFb, Rtpmap, payload_type};
use crate::description::MediaDescription;
use std::collections::HashMap;

/// One payload type with all that a section says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// 0 to 127.
    pub payload_type: u8,
    /// As `opus` or `VP8`, in the case of the description.
    pub name: String,
    /// Ticks of the RTP clock a second.
    pub clock_rate: u32,
    /// Channels of sound, if told.
    pub channels: Option<u8>,
    /// The parameters in their order, as in `a=fmtp`; several such lines are joined.
    pub parameters: Fmtp,
    /// The feedback that is welcome, with what is said of all payload types.
    pub feedback: Vec<RtcpFb>,
}

impl Codec {
    /// The codecs of a section in the order of its m-line. Payload types without a name are left out.
    pub(crate) fn of(media: &MediaDescription) -> Vec<Self> {
        let mut places = HashMap::new();
        let mut codecs: Vec<Self> = Vec::with_capacity(media.formats.len());
        let maps: HashMap<u8, &Rtpmap> = media
            .attributes
            .iter()
            .filter_map(|attribute| match attribute {
                Attribute::Rtpmap(map) => Some((map.payload_type, map)),
                _ => None,
            })
            .collect();
        for number in media.formats.iter().filter_map(|format| payload_type(format)) {
            let codec = maps.get(&number).map(|map| Self::from_map(map)).or_else(|| Self::static_type(number));
            if let Some(codec) = codec
                && !places.contains_key(&number)
            {
                places.insert(number, codecs.len());
                codecs.push(codec);
            }
        }
        for attribute in &media.attributes {
            match attribute {
                Attribute::Fmtp(fmtp) => {
                    let place = payload_type(&fmtp.format).and_then(|number| places.get(&number));
                    if let Some(codec) = place.and_then(|place| codecs.get_mut(*place)) {
                        let text = &mut codec.parameters.text;
                        if !text.is_empty() {
                            text.push(';');
                        }
                        text.push_str(&fmtp.text);
                    }
                }
                Attribute::RtcpFb(feedback) => match feedback.payload_type {
                    None => codecs.iter_mut().for_each(|codec| codec.feedback.push(feedback.clone())),
                    Some(number) => {
                        if let Some(codec) = places.get(&number).and_then(|place| codecs.get_mut(*place)) {
                            codec.feedback.push(feedback.clone());
                        }
                    }
                },
                _ => {}
            }
        }
        codecs
    }

    fn from_map(map: &Rtpmap) -> Self {
        Self {
            payload_type: map.payload_type,
            name: map.encoding.clone(),
            clock_rate: map.clock_rate,
            channels: map.channels,
            parameters: Fmtp { format: map.payload_type.to_string(), text: String::new() },
            feedback: Vec::new(),
        }
    }

    /// The payload types that mean something without `a=rtpmap` (RFC 3551 §6), as far as WebRTC uses them.
    fn static_type(number: u8) -> Option<Self> {
        let name = match number {
            0 => "PCMU",
            8 => "PCMA",
            9 => "G722",
            13 => "CN",
            _ => return None,
        };
        let map = Rtpmap { payload_type: number, encoding: name.to_owned(), clock_rate: 8000, channels: None };
        Some(Self::from_map(&map))
    }

    /// Whether it has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.parameter(name)
    }

    /// Whether this feedback is welcome, as `("nack", Some("pli"))`.
    pub fn has_feedback(&self, value: &str, parameter: Option<&str>) -> bool {
        self.feedback.iter().any(|known| known.value == value && known.parameter.as_deref() == parameter)
    }

    /// The payload type whose packets this one retransmits (RFC 4588 §8.6).
    pub fn associated_payload_type(&self) -> Option<u8> {
        if self.is("rtx") { self.parameter("apt").and_then(payload_type) } else { None }
    }

    /// The payload types that this one may hold, if it is redundant audio (RFC 2198 §5). Empty in video.
    pub fn redundant_payload_types(&self) -> Vec<u8> {
        if !self.is("red") {
            return Vec::new();
        }
        self.parameter("").map(|list| list.split('/').filter_map(payload_type).collect()).unwrap_or_default()
    }

    /// Whether the two are the same codec in the same variant, so that one side's packets are understood by the other.
    ///
    /// Compares name, clock, channels, and the parameters that tell variants apart: packetization mode and profile of
    /// H.264, profile of VP9, profile of AV1, profile and tier of H.265. Levels do not count, as they are negotiated, nor does
    /// the tier of AV1, which each side declares for itself (RTP Payload Format For AV1, §7.2.3). Of
    /// RTX and RED only the name counts here, because what they repeat is told by numbers of one's own section: use
    /// [`matching`].
    pub fn matches(&self, other: &Self) -> bool {
        let channels = |codec: &Self| codec.channels.unwrap_or(1);
        let same = self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            && channels(self) == channels(other);
        same && match self.name.to_ascii_lowercase().as_str() {
            "h264" => h264::matches(&self.parameters, &other.parameters),
            "h265" => h265::matches(&self.parameters, &other.parameters),
            "vp9" => vp9::profile(&self.parameters) == vp9::profile(&other.parameters),
            "av1" => av1::profile(&self.parameters) == av1::profile(&other.parameters),
            _ => true,
        }
    }
}

/// Pairs of codecs that match, ours and theirs: for each codec of theirs in their order, the first one of
/// ours that matches it.
///
/// RTX matches if what it retransmits matches; redundant audio if all that it may hold matches, or one side does not say.
pub fn matching<'a>(ours: &'a [Codec], theirs: &'a [Codec]) -> Vec<(&'a Codec, &'a Codec)> {
    let by_type =
        |codecs: &'a [Codec]| codecs.iter().map(|codec| (codec.payload_type, codec)).collect::<HashMap<_, _>>();
    let (our_types, their_types) = (by_type(ours), by_type(theirs));
    let same = |our: Option<u8>, their: Option<u8>| match (our, their) {
        (Some(our), Some(their)) => match (our_types.get(&our), their_types.get(&their)) {
            (Some(our), Some(their)) => our.matches(their) && !our.is("rtx"),
            _ => false,
        },
        (our, their) => our == their,
    };
    let matches = |our: &Codec, their: &Codec| {
        if !our.matches(their) {
            return false;
        }
        if our.is("rtx") {
            return same(our.associated_payload_type(), their.associated_payload_type());
        }
        let (our, their) = (our.redundant_payload_types(), their.redundant_payload_types());
        our.is_empty()
            || their.is_empty()
            || (our.len() == their.len() && our.iter().zip(&their).all(|(our, their)| same(Some(*our), Some(*their))))
    };
    theirs.iter().filter_map(|their| Some((ours.iter().find(|our| matches(our, their))?, their))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::SessionDescription;

    fn codecs(lines: &str) -> Vec<Codec> {
        let formats: Vec<_> = lines
            .lines()
            .filter_map(|line| line.trim().strip_prefix("a=rtpmap:")?.split(' ').next())
            .chain(["0", "9", "55"])
            .collect();
        let text = format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF {}\r\n{}",
            formats.join(" "),
            lines.lines().map(|line| format!("{}\r\n", line.trim())).collect::<String>()
        );
        text.parse::<SessionDescription>().unwrap().media[0].codecs()
    }

    #[test]
    fn a_codec_has_all_that_is_said_of_it() {
        let all = codecs(
            "a=rtpmap:96 VP8/90000
             a=rtcp-fb:* transport-cc
             a=rtcp-fb:96 nack pli
             a=fmtp:96 max-fr=30
             a=fmtp:96 max-fs=3600",
        );
        assert_eq!(all.iter().map(|codec| codec.name.as_str()).collect::<Vec<_>>(), ["VP8", "PCMU", "G722"]);
        let vp8 = &all[0];
        assert!(vp8.is("vp8") && vp8.has_feedback("nack", Some("pli")) && vp8.has_feedback("transport-cc", None));
        assert!(!vp8.has_feedback("nack", None));
        assert_eq!((vp8.parameter("max-fs"), vp8.parameter("max-fr")), (Some("3600"), Some("30")));
        assert_eq!(all[2].clock_rate, 8000);
    }

    #[test]
    fn retransmission_matches_by_what_it_retransmits() {
        let ours = codecs(
            "a=rtpmap:96 VP8/90000
             a=rtpmap:97 rtx/90000
             a=fmtp:97 apt=96
             a=rtpmap:98 VP9/90000
             a=rtpmap:99 rtx/90000
             a=fmtp:99 apt=98",
        );
        let theirs = codecs(
            "a=rtpmap:120 vp9/90000
             a=fmtp:120 profile-id=0
             a=rtpmap:121 rtx/90000
             a=fmtp:121 apt=120
             a=rtpmap:122 rtx/90000
             a=fmtp:122 apt=77
             a=rtpmap:123 VP8/90000",
        );
        let pairs: Vec<_> =
            matching(&ours, &theirs).iter().map(|(our, their)| (our.payload_type, their.payload_type)).collect();
        assert_eq!(pairs, [(98, 120), (99, 121), (96, 123), (0, 0), (9, 9)]);
    }

    #[test]
    fn redundant_audio_matches_by_what_it_holds() {
        let ours = codecs(
            "a=rtpmap:111 opus/48000/2
             a=rtpmap:63 red/48000/2
             a=fmtp:63 111/111",
        );
        let same = codecs(
            "a=rtpmap:109 opus/48000/2
             a=rtpmap:64 red/48000/2
             a=fmtp:64 109/109",
        );
        let other = codecs(
            "a=rtpmap:109 G722/8000
             a=rtpmap:64 red/48000/2
             a=fmtp:64 109/109",
        );
        let has_red = |theirs: &[Codec]| matching(&ours, theirs).iter().any(|(our, _)| our.is("red"));
        assert!(has_red(&same));
        assert!(!has_red(&other));
    }

    #[test]
    fn clock_and_channels_count() {
        let stereo = codecs("a=rtpmap:111 opus/48000/2");
        let mono = codecs("a=rtpmap:111 opus/48000");
        let one = codecs("a=rtpmap:111 opus/48000/1");
        assert!(!stereo[0].matches(&mono[0]));
        assert!(mono[0].matches(&one[0]));
    }
}
