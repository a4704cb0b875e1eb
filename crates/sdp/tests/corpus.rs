//! Descriptions of real programs parse, print stably, and say what their programs meant.

use parlour_sdp::{
    Attribute, Candidate, CandidateType, Direction, MediaKind, SessionDescription, Setup, SimulcastStream, codec,
};
use std::path::Path;

fn all() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sdp"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    all.sort();
    assert!(all.len() >= 44, "{} descriptions", all.len());
    all
}

fn text(name: &str) -> String {
    all().into_iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn read(name: &str) -> SessionDescription {
    text(name).parse().unwrap()
}

/// Lines in an order that does not matter, without what is written in more than one way.
fn normalized(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text
        .lines()
        .map(|line| {
            if line.starts_with("a=candidate") {
                line.replace(" UDP ", " udp ").replace(" TCP ", " tcp ")
            } else {
                line.to_owned()
            }
        })
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_description_prints_stably_and_loses_no_line() {
    for (name, text) in all() {
        let description: SessionDescription = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let printed = description.to_string();
        let again: SessionDescription = printed.parse().unwrap();
        assert_eq!(again, description, "{name}");
        assert_eq!(again.to_string(), printed, "{name}");
        assert_eq!(normalized(&printed), normalized(&text), "{name}");
    }
}

#[test]
fn the_dialogs_of_rfc_9429_are_printed_as_they_stand() {
    let dialogs: Vec<_> = all().into_iter().filter(|(name, _)| name.starts_with("rfc9429")).collect();
    assert_eq!(dialogs.len(), 10, "§7.1 has one offer and answer, §7.2 and §7.3 have two each");
    for (name, text) in dialogs {
        assert_eq!(text.parse::<SessionDescription>().unwrap().to_string(), text, "{name}");
    }
}

#[test]
fn every_section_of_every_description_has_what_a_transport_needs() {
    for (name, text) in all() {
        let description: SessionDescription = text.parse().unwrap();
        for media in &description.media {
            if media.is_rejected() {
                continue;
            }
            let mid = media.mid().unwrap_or_else(|| panic!("{name}: no mid"));
            let bundled = description.bundle().iter().any(|known| known == mid);
            // In a bundle the first section may speak for all (RFC 9143 §9).
            let carrier = if bundled {
                description
                    .media_by_mid(&description.bundle()[0])
                    .unwrap_or_else(|| panic!("{name}: {:?}", description.bundle()))
            } else {
                media
            };
            assert!(carrier.ice_credentials(&description).is_some(), "{name} {mid}");
            assert!(!carrier.fingerprints(&description).is_empty(), "{name} {mid}");
            assert!(carrier.setup(&description).is_some(), "{name} {mid}");
            if media.is_data_channel() {
                assert_eq!(media.sctp_port(), Some(5000), "{name} {mid}");
            } else {
                let codecs = media.codecs();
                assert_eq!(codecs.len(), media.formats.len(), "{name} {mid}");
                for apt in codecs.iter().filter_map(codec::Codec::associated_payload_type) {
                    assert!(codecs.iter().any(|codec| codec.payload_type == apt), "{name} {mid} apt={apt}");
                }
            }
        }
        for attribute in
            description.attributes.iter().chain(description.media.iter().flat_map(|media| &media.attributes))
        {
            if let Attribute::Other { name: attribute, .. } = attribute {
                let known = ["msid-semantic", "rtcp-xr", "framerate", "imageattr"];
                assert!(known.contains(&attribute.as_str()), "{name}: a={attribute} was not understood");
            }
        }
    }
}

#[test]
fn answers_share_codecs_with_their_offers() {
    let chains = [
        ("chromium-156-call-offer", "firefox-esr-153-call-answer"),
        ("firefox-esr-153-call-offer", "chromium-156-call-answer"),
        ("chromium-156-simulcast-offer", "chromium-156-simulcast-answer"),
        ("firefox-esr-153-simulcast-offer", "firefox-esr-153-simulcast-answer"),
        ("chromium-156-simulcast-offer", "pion-4.1-answer-to-chromium-156-simulcast"),
        ("firefox-esr-153-call-offer", "pion-4.1-answer-to-firefox-esr-153-call"),
        ("chromium-156-call-offer", "gstreamer-1.22-webrtcbin-answer-to-chromium"),
        ("chromium-156-simulcast-offer", "janus-1.1-videoroom-answer-to-chromium-simulcast"),
        ("firefox-esr-153-call-offer", "janus-1.1-echotest-answer-to-firefox"),
        ("rfc9429-7.1-offer-a1", "rfc9429-7.1-answer-a1"),
        ("rfc9429-7.2-offer-b2", "rfc9429-7.2-answer-b2"),
    ];
    for (offer, answer) in chains {
        let (offer, answer) = (read(offer), read(answer));
        assert_eq!(offer.media.len(), answer.media.len());
        for (offered, answered) in offer.media.iter().zip(&answer.media) {
            if answered.is_rejected() || answered.is_data_channel() {
                continue;
            }
            let (ours, theirs) = (offered.codecs(), answered.codecs());
            let pairs = codec::matching(&ours, &theirs);
            assert_eq!(pairs.len(), theirs.len(), "every answered codec was offered: {:?}", answered.mid());
        }
    }
}

#[test]
fn simulcast_offers_tell_their_layers() {
    let browser = read("chromium-156-simulcast-offer");
    let video = &browser.media[1];
    let stream = |rid: &str, paused| vec![SimulcastStream { rid: rid.to_owned(), paused }];
    assert_eq!(video.rids().map(|rid| rid.id.as_str()).collect::<Vec<_>>(), ["q", "h", "f"]);
    let layers = &video.simulcast().unwrap().send;
    assert_eq!(layers[1..], [stream("h", false), stream("f", false)]);
    assert_eq!(video.direction(&browser), Direction::SendOnly);

    let janus = read("janus-videoroom-answer");
    assert_eq!(janus.media[1].simulcast().unwrap().recv.len(), 3);
    assert_eq!(read("obs-whip-simulcast-offer").media[1].simulcast().unwrap().send.len(), 3);
}

#[test]
fn what_stands_at_session_level_holds_for_sections() {
    let obs = read("obs-whip-simulcast-offer");
    let credentials = obs.media[1].ice_credentials(&obs).unwrap();
    assert_eq!(credentials.ufrag, "Xk2p");
    assert_eq!(obs.media[0].setup(&obs), Some(Setup::ActPass));
    let livekit = read("livekit-subscriber-offer");
    assert!(livekit.ice_lite() && livekit.media[1].extmap_allow_mixed(&livekit));
    assert_eq!(livekit.media[0].max_message_size(), 65_535);
}

#[test]
fn rejected_and_bundled_sections_are_told_apart() {
    let pion = read("pion-answer");
    assert!(pion.media[0].is_rejected());
    assert_eq!(pion.media[0].mid(), None);
    let gstreamer = read("gstreamer-webrtcbin-offer");
    assert!(gstreamer.media[1].port == 0 && !gstreamer.media[1].is_rejected());
    assert!(gstreamer.media[1].codecs()[0].is("opus"));
    assert_eq!(gstreamer.media[2].kind, MediaKind::Application);
}

#[test]
fn the_candidates_of_rfc_9429_are_understood() {
    for (text, kind, related) in [
        ("candidate:1 1 udp 2113929471 203.0.113.100 10100 typ host", CandidateType::Host, None),
        (
            "candidate:1 1 udp 1845494015 198.51.100.100 11100 typ srflx raddr 203.0.113.100 rport 10100",
            CandidateType::ServerReflexive,
            Some(("203.0.113.100", 10100)),
        ),
        (
            "candidate:1 1 udp 255 192.0.2.100 12100 typ relay raddr 198.51.100.100 rport 11100",
            CandidateType::Relay,
            Some(("198.51.100.100", 11100)),
        ),
        (
            "candidate:1 1 udp 255 192.0.2.200 12200 typ relay raddr 0.0.0.0 rport 0",
            CandidateType::Relay,
            Some(("0.0.0.0", 0)),
        ),
    ] {
        let candidate = Candidate::parse(text).unwrap();
        assert_eq!(candidate.candidate_type, kind);
        assert_eq!(candidate.related.as_ref().map(|(address, port)| (address.as_str(), *port)), related);
        assert_eq!(format!("candidate:{candidate}"), text);
    }
    let mdns = read("firefox-esr-153-data-offer");
    assert!(mdns.media[0].candidates().all(|candidate| candidate.address.ends_with(".local")));
}

#[test]
fn every_truncation_ends_in_a_description_or_an_error() {
    let text = text("chromium-156-data-offer");
    for length in 0..text.len() {
        if let Ok(description) = SessionDescription::parse(&text.as_bytes()[..length]) {
            let printed = description.to_string();
            assert_eq!(printed.parse::<SessionDescription>().unwrap(), description, "{length} bytes");
        }
    }
}
