//! The dialogs of RFC 9429 §7: what we make in the place of Alice and of Bob is what stands there.
//!
//! Left aside are values that are made up (credentials, hashes, streams), candidates and addresses, formats that we do not
//! have (FlexFEC, imageattr), what we say beside it (SSRCs, mixed extensions), and the multiplexing lines, which we repeat
//! in each section because browsers want them.

use crate::support::{Peer, negotiate, parse, track};
use parlour_peer::{
    BundlePolicy, Capabilities, CodecCapability, Configuration, Description, Encoding, HeaderExtension, RtpCodec,
    SdpType, TrackKind, TransceiverDirection, TransceiverInit, uri,
};
use parlour_sdp::{Attribute, SessionDescription};

const OFFER_A1: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.1-offer-a1.sdp");
const ANSWER_A1: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.1-answer-a1.sdp");
const OFFER_B1: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.2-offer-b1.sdp");
const ANSWER_B1: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.2-answer-b1.sdp");
const OFFER_B2: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.2-offer-b2.sdp");
const ANSWER_B2: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.2-answer-b2.sdp");
const OFFER_C1: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.3-offer-c1.sdp");
const ANSWER_C1: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.3-answer-c1.sdp");
const OFFER_C2: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.3-offer-c2.sdp");
const ANSWER_C2: &str = include_str!("../../../sdp/tests/corpus/rfc9429-7.3-answer-c2.sdp");

/// A peer with the codecs and extensions of the examples.
fn example(seed: u64, bundle_policy: BundlePolicy) -> Peer {
    let codec = |codec, payload_type, rtx, feedback: &[&str]| CodecCapability {
        codec,
        payload_type,
        rtx,
        feedback: feedback.iter().map(ToString::to_string).collect(),
    };
    let extension =
        |id, uri: &str| HeaderExtension { uri: uri.to_owned(), id, direction: parlour_sdp::Direction::SendRecv };
    let h264 = RtpCodec::new("H264", 90_000).with_fmtp("packetization-mode=1;profile-level-id=42e01f");
    let audio = Capabilities {
        codecs: vec![
            codec(RtpCodec::new("opus", 48_000).with_channels(2), 96, None, &[]),
            codec(RtpCodec::new("PCMU", 8000), 0, None, &[]),
            codec(RtpCodec::new("PCMA", 8000), 8, None, &[]),
            codec(RtpCodec::new("telephone-event", 8000).with_fmtp("0-15"), 97, None, &[]),
            codec(RtpCodec::new("telephone-event", 48_000).with_fmtp("0-15"), 98, None, &[]),
        ],
        header_extensions: vec![extension(1, uri::MID), extension(2, uri::AUDIO_LEVEL)],
        max_ptime: Some(120),
    };
    let video = Capabilities {
        codecs: vec![
            codec(RtpCodec::new("VP8", 90_000), 100, Some(102), &["ccm fir", "nack", "nack pli"]),
            codec(h264, 101, Some(103), &[]),
        ],
        header_extensions: vec![extension(1, uri::MID), extension(3, uri::RTP_STREAM_ID)],
        max_ptime: None,
    };
    let configuration = Configuration {
        bundle_policy,
        audio,
        video,
        accept_simulcast: false,
        max_message_size: 65_536,
        warp: false,
        ..Configuration::default()
    };
    Peer::with(seed, configuration)
}

/// A text of the RFC with the names of its sections as `mids` has them.
fn named(text: &str, mids: &[&str]) -> Description {
    let mut sdp: SessionDescription = text.parse().unwrap();
    let old: Vec<String> = sdp.media.iter().map(|media| media.mid().unwrap().to_owned()).collect();
    let rename = |mid: &mut String| {
        let place = old.iter().position(|known| known == mid).unwrap();
        *mid = mids[place].to_owned();
    };
    for attribute in sdp.attributes.iter_mut().chain(sdp.media.iter_mut().flat_map(|media| &mut media.attributes)) {
        match attribute {
            Attribute::Group(group) => group.mids.iter_mut().for_each(rename),
            Attribute::Mid(mid) => rename(mid),
            _ => {}
        }
    }
    let kind = if text.contains("a=setup:actpass") { SdpType::Offer } else { SdpType::Answer };
    Description::new(kind, sdp.to_string())
}

/// The lines that count, with made-up values hidden.
fn essence(description: &Description) -> Vec<String> {
    let sdp = parse(description);
    let lines = |attributes: &[Attribute]| -> Vec<String> {
        // Ours repeat these in bundled sections, for Firefox.
        let speaks = attributes.iter().any(|attribute| matches!(attribute, Attribute::TlsId(_)));
        let shown = attributes.iter().filter_map(|attribute| match attribute {
            Attribute::IceUfrag(_) | Attribute::IcePwd(_) | Attribute::Setup(_) if !speaks => None,
            Attribute::IceUfrag(_) => Some("ice-ufrag".into()),
            Attribute::IcePwd(_) => Some("ice-pwd".into()),
            Attribute::Fingerprint(_) if !speaks => None,
            Attribute::Fingerprint(fingerprint) => Some(format!("fingerprint:{}", fingerprint.function.as_str())),
            Attribute::TlsId(_) => Some("tls-id".into()),
            Attribute::Msid(msid) => Some(format!("msid with appdata: {}", msid.track.is_some())),
            Attribute::Candidate(_) | Attribute::EndOfCandidates | Attribute::Rtcp(_) => None,
            Attribute::RtcpMux | Attribute::RtcpMuxOnly | Attribute::RtcpRsize => None,
            Attribute::Ssrc(_) | Attribute::SsrcGroup(_) | Attribute::ExtmapAllowMixed => None,
            Attribute::Other { name, .. } if name == "imageattr" => None,
            Attribute::Rtpmap(map) if map.encoding == "flexfec" => None,
            other => Some(other.to_string()),
        });
        // RFC 9429 has a=fmtp after its a=rtpmap in video and after all of them in audio. It makes no difference.
        let (parameters, mut shown): (Vec<String>, Vec<String>) = shown.partition(|line| line.starts_with("fmtp:"));
        let place = shown.iter().rposition(|line| line.starts_with("rtpmap:")).map_or(0, |last| last + 1);
        shown.splice(place..place, parameters);
        shown
    };
    let mut all = vec![format!("version {}", sdp.origin.session_version)];
    all.extend(lines(&sdp.attributes));
    for media in &sdp.media {
        let formats: Vec<_> = media.formats.iter().filter(|format| *format != "104").map(String::as_str).collect();
        all.push(format!("m={} {} {} {}", media.kind.as_str(), media.port != 0, media.protocol, formats.join(" ")));
        all.extend(lines(&media.attributes));
    }
    all
}

fn assert_same(ours: &Description, theirs: &Description) {
    let (ours, theirs) = (essence(ours), essence(theirs));
    assert_eq!(ours, theirs, "\nours:\n{}\n\nRFC 9429:\n{}", ours.join("\n"), theirs.join("\n"));
}

fn add_both(peer: &mut Peer) {
    peer.pc.add_track(track(TrackKind::Audio, "a"), &["s"]).unwrap();
    peer.pc.add_track(track(TrackKind::Video, "v"), &["s"]).unwrap();
}

/// §7.1, where both sides add sound and pictures.
#[test]
fn simple_example() {
    let (mut alice, mut bob) = (example(1, BundlePolicy::Balanced), example(2, BundlePolicy::Balanced));
    add_both(&mut alice);
    let offer = alice.offer();
    assert_same(&offer, &named(OFFER_A1, &["0", "1"]));
    bob.set_remote(named(OFFER_A1, &["a1", "v1"])).unwrap();
    add_both(&mut bob);
    let answer = bob.create_answer().unwrap();
    assert_same(&answer, &named(ANSWER_A1, &["a1", "v1"]));
    bob.set_local(Some(answer)).unwrap();
    alice.set_remote(named(ANSWER_A1, &["0", "1"])).unwrap();
    assert_eq!(alice.transceiver(1).current_direction(), Some(TransceiverDirection::SendRecv));
    assert_eq!(alice.pc.transports().count(), 1, "the second transport is bundled away");
}

/// §7.2 up to the first answer: sound and a data channel, the second bundle-only.
fn detailed() -> (Peer, Peer) {
    let (mut alice, mut bob) = (example(1, BundlePolicy::MaxBundle), example(2, BundlePolicy::MaxBundle));
    alice.pc.add_track(track(TrackKind::Audio, "a"), &["alice"]).unwrap();
    alice.pc.create_data_channel("chat", Default::default()).unwrap();
    assert_same(&alice.offer(), &named(OFFER_B1, &["0", "1"]));
    bob.set_remote(named(OFFER_B1, &["a1", "d1"])).unwrap();
    bob.pc.add_track(track(TrackKind::Audio, "b"), &["bob"]).unwrap();
    bob.pc.create_data_channel("chat", Default::default()).unwrap();
    bob.set_local(None).unwrap();
    assert_same(&bob.pc.local_description().unwrap(), &named(ANSWER_B1, &["a1", "d1"]));
    alice.set_remote(named(ANSWER_B1, &["0", "1"])).unwrap();
    (alice, bob)
}

/// §7.2, the second exchange: Bob adds two videos, one of them with three layers.
#[test]
fn detailed_example() {
    let (mut alice, mut bob) = detailed();
    let layers = ["1", "2", "3"].map(Encoding::with_rid).to_vec();
    for (stream, send_encodings) in [("bob", layers), ("screen", Vec::new())] {
        let track = Some(track(TrackKind::Video, stream));
        let streams = vec![stream.to_owned()];
        let init = TransceiverInit { track, streams, send_encodings, ..Default::default() };
        bob.pc.add_transceiver(TrackKind::Video, init).unwrap();
    }
    let offer = bob.offer();
    assert_same(&offer, &named(OFFER_B2, &["a1", "d1", "0", "1"]));
    alice.set_remote(named(OFFER_B2, &["0", "1", "v1", "v2"])).unwrap();
    let answer = alice.create_answer().unwrap();
    assert_same(&answer, &named(ANSWER_B2, &["0", "1", "v1", "v2"]));
    alice.set_local(Some(answer)).unwrap();
    assert_eq!(alice.pc.transports().count(), 1);
}

/// §7.3: Bob answers at once that he will send, and lets Alice send later.
#[test]
fn early_transport_warmup() {
    let (mut alice, mut bob) = (example(1, BundlePolicy::MaxBundle), example(2, BundlePolicy::MaxBundle));
    add_both(&mut alice);
    assert_same(&alice.offer(), &named(OFFER_C1, &["0", "1"]));
    bob.set_remote(named(OFFER_C1, &["a1", "v1"])).unwrap();
    for nth in 0..2 {
        let id = bob.id(nth);
        bob.pc.set_direction(id, TransceiverDirection::SendOnly).unwrap();
        bob.pc.set_streams(id, &["bob"]).unwrap();
    }
    bob.set_local(None).unwrap();
    assert_same(&bob.pc.local_description().unwrap(), &named(ANSWER_C1, &["a1", "v1"]));
    for nth in 0..2 {
        let id = bob.id(nth);
        bob.pc.set_direction(id, TransceiverDirection::SendRecv).unwrap();
    }
    assert_same(&bob.offer(), &named(OFFER_C2, &["a1", "v1"]));
    alice.set_remote(named(ANSWER_C1, &["0", "1"])).unwrap();
    alice.set_remote(named(OFFER_C2, &["0", "1"])).unwrap();
    alice.set_local(None).unwrap();
    assert_same(&alice.pc.local_description().unwrap(), &named(ANSWER_C2, &["0", "1"]));
}

/// The examples' parties understand each other, too.
#[test]
fn the_parties_of_the_examples_agree() {
    let (mut alice, mut bob) = (example(1, BundlePolicy::Balanced), example(2, BundlePolicy::MaxBundle));
    add_both(&mut alice);
    add_both(&mut bob);
    negotiate(&mut alice, &mut bob);
    negotiate(&mut bob, &mut alice);
    for peer in [&alice, &bob] {
        assert!(peer.pc.transceivers().all(|known| known.current_direction() == Some(TransceiverDirection::SendRecv)));
    }
}
