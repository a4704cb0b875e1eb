//! Offers of real programs, answered.

use crate::support::{Peer, parse, track};
use parlour_peer::{Configuration, Description, Event, SdpType, SignalingState, TrackKind, TransceiverDirection};
use parlour_sdp::{Attribute, MediaKind, RidDirection, SessionDescription};
use std::collections::{HashMap, HashSet};
use std::path::Path;

fn corpus() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdp/tests/corpus");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sdp"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    all.sort();
    all
}

fn offers() -> Vec<(String, String)> {
    let offers: Vec<_> = corpus().into_iter().filter(|(name, _)| name.contains("offer")).collect();
    assert!(offers.len() >= 20, "the corpus is there");
    offers
}

/// What every answer must hold, whatever the offer (RFC 9429 §5.3.1, RFC 3264 §6, RFC 9143 §7.3).
fn check_answer(name: &str, offer: &SessionDescription, answer: &SessionDescription) {
    assert_eq!(offer.media.len(), answer.media.len(), "{name}");
    let bundles: HashSet<&String> =
        offer.groups().filter(|group| group.semantics == "BUNDLE").flat_map(|group| &group.mids).collect();
    assert!(answer.bundle().iter().all(|mid| bundles.contains(mid)), "{name}");
    for (index, (their, our)) in offer.media.iter().zip(&answer.media).enumerate() {
        let name = format!("{name}, section {index}");
        assert_eq!((&their.kind, &their.protocol, their.mid()), (&our.kind, &our.protocol, our.mid()), "{name}");
        assert_eq!(our.is_rejected(), their.is_rejected(), "{name}: everything in the corpus can be answered");
        if our.is_rejected() {
            continue;
        }
        assert!(!our.has(&Attribute::BundleOnly), "{name}");
        let speaks = answer.bundle().first().map(String::as_str) == our.mid()
            || !answer.bundle().iter().any(|mid| our.mid() == Some(mid));
        let tells_identity = our.attributes.iter().any(|line| matches!(line, Attribute::TlsId(_)));
        assert_eq!(tells_identity, speaks, "{name}");
        assert!(our.ice_credentials(answer).is_some(), "{name}: Firefox needs it in every section");
        assert!(!our.fingerprints(answer).is_empty(), "{name}: Firefox needs it in every section");
        if our.kind == MediaKind::Application {
            assert!(our.sctp_port().is_some(), "{name}");
            continue;
        }
        let offered: HashMap<u8, _> = their.codecs().into_iter().map(|codec| (codec.payload_type, codec)).collect();
        for codec in our.codecs() {
            let known = offered.get(&codec.payload_type).unwrap_or_else(|| panic!("{name}: {codec:?}"));
            assert!(known.matches(&codec), "{name}: {known:?} {codec:?}");
            assert_eq!(known.associated_payload_type(), codec.associated_payload_type(), "{name}");
            for feedback in &codec.feedback {
                assert!(known.has_feedback(&feedback.value, feedback.parameter.as_deref()), "{name}");
            }
        }
        for extmap in our.extmaps() {
            assert!(their.extmaps().any(|known| known.id == extmap.id && known.uri == extmap.uri), "{name}");
        }
        let (theirs, ours) = (their.direction(offer).reversed(), our.direction(answer));
        assert!(!ours.sends() || theirs.sends(), "{name}");
        assert!(!ours.receives() || theirs.receives(), "{name}");
        for rid in our.rids() {
            let other = if rid.direction == RidDirection::Send { RidDirection::Recv } else { RidDirection::Send };
            assert!(their.rids().any(|known| known.id == rid.id && known.direction == other), "{name}");
        }
    }
}

#[test]
fn every_offer_of_the_corpus_is_answered() {
    for (name, text) in offers() {
        for with_tracks in [false, true] {
            let mut peer = Peer::new(7);
            if with_tracks {
                peer.pc.add_track(track(TrackKind::Audio, "a"), &["s"]).unwrap();
                peer.pc.add_track(track(TrackKind::Video, "v"), &["s"]).unwrap();
            }
            let offer = Description::new(SdpType::Offer, text.clone());
            peer.set_remote(offer.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
            let answer = peer.create_answer().unwrap();
            check_answer(&name, &parse(&offer), &parse(&answer));
            peer.set_local(Some(answer)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(peer.pc.signaling_state(), SignalingState::Stable);
            let told = peer.run();
            let unmatched = peer.pc.transceivers().any(|known| known.mid().is_none());
            assert_eq!(told.contains(&Event::NegotiationNeeded), unmatched, "{name}: {told:?}");
        }
    }
}

/// RFC 9429 §5.2.2: an offer of ours after that keeps names, places, payload types and extension numbers.
#[test]
fn our_next_offer_speaks_in_their_numbers() {
    for (name, text) in offers() {
        let mut peer = Peer::new(7);
        let first = peer.answer(Description::new(SdpType::Offer, text));
        let second = peer.create_offer().unwrap();
        let (first, second) = (parse(&first), parse(&second));
        assert_eq!(first.media.len(), second.media.len(), "{name}");
        assert_eq!(second.origin.session_id, first.origin.session_id);
        assert!(second.origin.session_version > first.origin.session_version);
        for (before, now) in first.media.iter().zip(&second.media) {
            if before.is_rejected() {
                continue;
            }
            assert_eq!((before.mid(), &before.kind), (now.mid(), &now.kind), "{name}");
            let offered = now.codecs();
            for (codec, same) in before.codecs().iter().zip(&offered) {
                assert_eq!(codec.payload_type, same.payload_type, "{name}: the order of the answer is kept");
                assert!(codec.matches(same), "{name}");
            }
            let unique: HashSet<u8> = offered.iter().map(|codec| codec.payload_type).collect();
            assert_eq!(unique.len(), offered.len(), "{name}");
            for extmap in before.extmaps() {
                assert!(now.extmaps().any(|known| known.id == extmap.id && known.uri == extmap.uri), "{name}");
            }
        }
    }
}

fn text(name: &str) -> Description {
    let (_, text) = corpus().into_iter().find(|(known, _)| known == name).unwrap();
    Description::new(SdpType::Offer, text)
}

/// RFC 8853 §5.3: the layers that a browser offers are taken in its order, or the whole track if layers are not wanted.
#[test]
fn simulcast_of_browsers_is_taken_or_left() {
    for name in ["chromium-156-simulcast-offer.sdp", "firefox-esr-153-simulcast-offer.sdp"] {
        let mut peer = Peer::new(1);
        let answer = parse(&peer.answer(text(name)));
        let video = answer.media.iter().find(|media| media.kind == MediaKind::Video).unwrap();
        assert_eq!(video.simulcast().unwrap().to_string(), "recv q;h;f", "{name}");
        let receiver = peer.pc.transceivers().find(|known| known.kind() == TrackKind::Video).unwrap().receiver();
        assert_eq!(receiver.rids, ["q", "h", "f"]);
        let mut plain = Peer::with(1, Configuration { accept_simulcast: false, ..Configuration::default() });
        let answer = parse(&plain.answer(text(name)));
        assert!(answer.media.iter().all(|media| media.simulcast().is_none() && media.rids().next().is_none()));
    }
}

/// W3C webrtc-pc §5.1.3: each remote track is told once, with the streams of its `a=msid`, and starts muted.
#[test]
fn tracks_of_browsers_are_told_with_their_streams() {
    let mut peer = Peer::new(1);
    peer.set_remote(text("chromium-156-call-offer.sdp")).unwrap();
    let stream = "70ab813c-1a37-4ca0-bbb7-e3366b553e78".to_owned();
    let tracks: Vec<_> = peer.run().into_iter().filter(|event| matches!(event, Event::Track { .. })).collect();
    let expected: Vec<_> =
        (0..2).map(|nth| Event::Track { transceiver: peer.id(nth), streams: vec![stream.clone()] }).collect();
    assert_eq!(tracks, expected);
    for transceiver in peer.pc.transceivers() {
        assert_eq!(transceiver.direction(), TransceiverDirection::RecvOnly);
        assert_eq!(transceiver.current_direction(), None);
        assert!(transceiver.receiver().muted);
        assert_eq!(transceiver.receiver().streams, std::slice::from_ref(&stream));
    }
}
