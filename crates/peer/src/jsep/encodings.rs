//! How a sender encodes its track: one encoding, or several of a simulcast (W3C webrtc-pc §5.2.2).

use crate::error::Error;
use crate::jsep::codecs::RtpCodec;
use crate::jsep::transceiver::TrackKind;
use parlour_sdp::codec::Codec;

/// The most encodings of a simulcast.
pub(crate) const MAX_ENCODINGS: usize = 6;

/// `RTCRtpEncodingParameters`.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoding {
    /// Names it in a simulcast. Cannot be changed later.
    pub rid: Option<String>,
    /// Whether it is sent.
    pub active: bool,
    /// The codec to send, one of the negotiated; the first of those if not told.
    pub codec: Option<RtpCodec>,
    /// At most so many bits a second.
    pub max_bitrate: Option<u64>,
    /// At most so many frames a second. Video only.
    pub max_framerate: Option<f64>,
    /// Width and height are divided by this; at least 1. Video only.
    pub scale_resolution_down_by: Option<f64>,
}

impl Default for Encoding {
    fn default() -> Self {
        Self {
            rid: None,
            active: true,
            codec: None,
            max_bitrate: None,
            max_framerate: None,
            scale_resolution_down_by: None,
        }
    }
}

impl Encoding {
    /// An encoding of a simulcast with this name.
    pub fn with_rid(rid: impl Into<String>) -> Self {
        Self { rid: Some(rid.into()), ..Self::default() }
    }

    /// The encoding that a sender has if nothing is said.
    pub(crate) fn single(kind: TrackKind) -> Self {
        Self { scale_resolution_down_by: (kind == TrackKind::Video).then_some(1.0), ..Self::default() }
    }
}

/// `RTCRtpSendParameters`: what [`set_parameters`](crate::PeerConnection::set_parameters) takes back.
#[derive(Clone, Debug, PartialEq)]
pub struct SendParameters {
    /// Tells whether the parameters are the ones last read. Read only.
    pub transaction_id: String,
    /// The encodings; their number, order and rids are read only.
    pub encodings: Vec<Encoding>,
    /// The codecs that may be sent. Read only.
    pub codecs: Vec<Codec>,
    /// Header extensions as number and URI. Read only.
    pub header_extensions: Vec<(u16, String)>,
    /// The name that ties our streams together in RTCP. Read only.
    pub cname: String,
    /// Whether reduced-size RTCP was negotiated (RFC 5506). Read only.
    pub reduced_size_rtcp: bool,
}

/// A name of one letter or more, of letters and digits (RFC 8851 §10 as corrected by erratum 7132).
pub(crate) fn is_rid(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The checks and defaults of `addTransceiver` (W3C webrtc-pc §5.1.2).
pub(crate) fn for_new_transceiver(
    kind: TrackKind,
    mut encodings: Vec<Encoding>,
    capable: impl Fn(&RtpCodec) -> bool,
) -> Result<Vec<Encoding>, Error> {
    let named = encodings.iter().filter(|encoding| encoding.rid.is_some()).count();
    for (at, encoding) in encodings.iter().enumerate() {
        let Some(rid) = &encoding.rid else { continue };
        if !is_rid(rid) {
            return Err(Error::Type(format!("rid {rid:?} must be letters and digits")));
        }
        if encodings.iter().take(at).any(|earlier| earlier.rid.as_ref() == Some(rid)) {
            return Err(Error::Type(format!("rid {rid:?} is given twice")));
        }
    }
    if named != 0 && named != encodings.len() {
        return Err(Error::Type("give all encodings a rid, or none".into()));
    }
    if let Some(codec) = encodings.iter().filter_map(|encoding| encoding.codec.as_ref()).find(|codec| !capable(codec)) {
        return Err(Error::Operation(format!("codec {} cannot be sent", codec.name)));
    }
    check_ranges(kind, &mut encodings, false)?;
    if encodings.iter().any(|encoding| encoding.scale_resolution_down_by.is_some()) {
        scale_the_rest(&mut encodings);
    }
    encodings.truncate(MAX_ENCODINGS);
    if kind == TrackKind::Video && encodings.iter().all(|encoding| encoding.scale_resolution_down_by.is_none()) {
        scale_by_halves(&mut encodings);
    }
    if let [only] = encodings.as_mut_slice() {
        only.rid = None;
    } else {
        // Layers need names in descriptions (RFC 9429 §5.2.1).
        encodings.iter_mut().enumerate().for_each(|(at, encoding)| {
            encoding.rid.get_or_insert_with(|| at.to_string());
        });
    }
    if encodings.is_empty() {
        encodings.push(Encoding::single(kind));
    }
    Ok(encodings)
}

/// The checks and defaults of `setParameters` on the encodings (W3C webrtc-pc §5.2.2).
pub(crate) fn for_new_parameters(
    kind: TrackKind,
    mut encodings: Vec<Encoding>,
    before: &[Encoding],
    choosable: impl Fn(&RtpCodec) -> bool,
) -> Result<Vec<Encoding>, Error> {
    let same = encodings.len() == before.len() && encodings.iter().zip(before).all(|(new, old)| new.rid == old.rid);
    if !same {
        return Err(Error::InvalidModification("the number, order and rids of the encodings".into()));
    }
    if let Some(codec) = encodings.iter().filter_map(|new| new.codec.as_ref()).find(|codec| !choosable(codec)) {
        return Err(Error::InvalidModification(format!("codec {} is not among the negotiated ones", codec.name)));
    }
    check_ranges(kind, &mut encodings, true)?;
    if kind == TrackKind::Video {
        scale_the_rest(&mut encodings);
    }
    Ok(encodings)
}

fn check_ranges(kind: TrackKind, encodings: &mut [Encoding], zero_framerate: bool) -> Result<(), Error> {
    for encoding in encodings {
        if kind == TrackKind::Audio {
            (encoding.scale_resolution_down_by, encoding.max_framerate) = (None, None);
        }
        if let Some(scale) = encoding.scale_resolution_down_by
            && (scale < 1.0 || !scale.is_finite())
        {
            return Err(Error::Range(format!("scale_resolution_down_by is {scale}, but must be 1 or more")));
        }
        if let Some(rate) = encoding.max_framerate
            && (rate < 0.0 || !rate.is_finite() || (rate == 0.0 && !zero_framerate))
        {
            return Err(Error::Range(format!("max_framerate is {rate}, but must be positive")));
        }
    }
    Ok(())
}

fn scale_the_rest(encodings: &mut [Encoding]) {
    for encoding in encodings {
        encoding.scale_resolution_down_by.get_or_insert(1.0);
    }
}

/// 4:2:1 for three, and so on.
pub(crate) fn scale_by_halves(encodings: &mut [Encoding]) {
    let mut scale = 1.0;
    for encoding in encodings.iter_mut().rev() {
        encoding.scale_resolution_down_by = Some(scale);
        scale *= 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(kind: TrackKind, encodings: Vec<Encoding>) -> Result<Vec<Encoding>, Error> {
        for_new_transceiver(kind, encodings, |_| true)
    }

    /// W3C webrtc-pc §5.1.2, addTransceiver sendEncodings validation steps.
    #[test]
    fn encodings_of_a_new_transceiver_are_checked() {
        let rids = |rids: &[&str]| rids.iter().map(|rid| Encoding::with_rid(*rid)).collect::<Vec<_>>();
        for bad in [rids(&["a", "a"]), rids(&["a-b"]), rids(&[""]), vec![Encoding::with_rid("a"), Encoding::default()]]
        {
            assert!(matches!(add(TrackKind::Video, bad), Err(Error::Type(_))));
        }
        let scaled = |scale| vec![Encoding { scale_resolution_down_by: Some(scale), ..Encoding::default() }];
        assert!(matches!(add(TrackKind::Video, scaled(0.5)), Err(Error::Range(_))));
        assert_eq!(add(TrackKind::Audio, scaled(0.5)).unwrap()[0].scale_resolution_down_by, None);
        let framerate = |rate| vec![Encoding { max_framerate: Some(rate), ..Encoding::default() }];
        assert!(matches!(add(TrackKind::Video, framerate(0.0)), Err(Error::Range(_))));
    }

    /// W3C webrtc-pc §5.1.2: 4:2:1 unless told, and a lone encoding loses its rid.
    #[test]
    fn layers_halve_towards_the_first() {
        let scales = |encodings: Vec<Encoding>| {
            encodings.iter().map(|encoding| encoding.scale_resolution_down_by.unwrap()).collect::<Vec<_>>()
        };
        let three = vec![Encoding::with_rid("q"), Encoding::with_rid("h"), Encoding::with_rid("f")];
        assert_eq!(scales(add(TrackKind::Video, three.clone()).unwrap()), [4.0, 2.0, 1.0]);
        let mut told = three;
        told[1].scale_resolution_down_by = Some(3.0);
        assert_eq!(scales(add(TrackKind::Video, told).unwrap()), [1.0, 3.0, 1.0]);
        assert_eq!(add(TrackKind::Video, vec![Encoding::with_rid("x")]).unwrap()[0].rid, None);
    }
}
