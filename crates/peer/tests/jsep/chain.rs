//! The operations chain, negotiation-needed and candidates (W3C webrtc-pc §4.4, §4.7).

use crate::support::{Peer, negotiate, parse};
use parlour_peer::{
    Description, Error, Event, IceCandidateInit, OfferOptions, Outcome, SdpType, SignalingState, TrackKind,
    TransceiverDirection,
};

const CANDIDATE: &str = "candidate:1 1 udp 2113937151 192.0.2.7 5000 typ host";

fn candidate(mid: Option<&str>, index: Option<u16>) -> IceCandidateInit {
    IceCandidateInit {
        candidate: CANDIDATE.into(),
        sdp_mid: mid.map(str::to_owned),
        sdp_mline_index: index,
        username_fragment: None,
    }
}

fn audio(seed: u64) -> Peer {
    let mut peer = Peer::new(seed);
    peer.pc.add_transceiver(TrackKind::Audio, Default::default()).unwrap();
    peer
}

/// W3C webrtc-pc §4.4.1.2: one after the other, and results in the order of the calls.
#[test]
fn operations_run_one_after_the_other() {
    let mut peer = audio(1);
    let offer = peer.pc.create_offer(OfferOptions::default()).unwrap();
    let local = peer.pc.set_local_description(None).unwrap();
    let rollback = peer.pc.set_local_description(Some(Description::rollback())).unwrap();
    let bad = peer.pc.create_answer().unwrap();
    let mut ends = Vec::new();
    let mut states = Vec::new();
    while let Some(event) = peer.pc.poll_event() {
        match event {
            Event::Settled { operation, result } => ends.push((operation, result.is_ok())),
            Event::SignalingStateChange(state) => states.push(state),
            _ => {}
        }
    }
    assert_eq!(ends, [(offer, true), (local, true), (rollback, true), (bad, false)]);
    assert_eq!(states, [SignalingState::HaveLocalOffer, SignalingState::Stable]);
}

/// W3C webrtc-pc §4.4.1.4: the state has changed when the first event comes, and the promise settles last.
#[test]
fn a_description_is_told_in_order() {
    let (mut a, mut b) = (audio(1), Peer::new(2));
    let offer = a.offer();
    let operation = b.pc.set_remote_description(offer).unwrap();
    assert_eq!(b.pc.poll_event(), Some(Event::SignalingStateChange(SignalingState::HaveRemoteOffer)));
    assert_eq!(b.pc.transceivers().count(), 1, "all slots change before the first event");
    assert!(matches!(b.pc.poll_event(), Some(Event::Track { .. })));
    assert_eq!(b.pc.poll_event(), Some(Event::Settled { operation, result: Ok(Outcome::Done) }));
    assert_eq!(b.pc.poll_event(), None);
}

/// W3C webrtc-pc §4.7.3: once until cleared, however much changes.
#[test]
fn negotiation_needed_comes_once() {
    let mut peer = Peer::new(1);
    for _ in 0..3 {
        peer.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    }
    peer.pc.create_data_channel("", Default::default()).unwrap();
    assert_eq!(peer.run(), [Event::NegotiationNeeded]);
    peer.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    assert_eq!(peer.run(), []);
    let mut other = Peer::new(2);
    negotiate(&mut peer, &mut other);
    assert!(!peer.run().contains(&Event::NegotiationNeeded));
    assert!(!other.run().contains(&Event::NegotiationNeeded));
    let id = peer.id(0);
    peer.pc.set_direction(id, TransceiverDirection::Inactive).unwrap();
    assert_eq!(peer.run(), [Event::NegotiationNeeded]);
}

/// W3C webrtc-pc §4.7.3: never while an operation runs or an offer is out; what changed meanwhile comes after it.
#[test]
fn negotiation_needed_waits_for_stable() {
    let (mut a, mut b) = (audio(1), Peer::new(2));
    a.run();
    let offer = a.offer();
    a.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    assert!(!a.run().contains(&Event::NegotiationNeeded));
    a.set_remote(b.answer(offer)).unwrap();
    assert!(a.run().contains(&Event::NegotiationNeeded));
}

/// W3C webrtc-pc §4.7.3: it is checked again when it comes, so that what was undone is not told.
#[test]
fn negotiation_needed_is_checked_again() {
    let (mut a, mut b) = (audio(1), Peer::new(2));
    negotiate(&mut a, &mut b);
    a.run();
    let id = a.id(0);
    a.pc.set_direction(id, TransceiverDirection::Inactive).unwrap();
    a.pc.set_direction(id, TransceiverDirection::SendRecv).unwrap();
    assert_eq!(a.run(), []);
}

/// W3C webrtc-pc §4.4.2.2, §4.7.3: restartIce survives rollback, and ends when the credentials have changed.
#[test]
fn ice_restarts_once_and_for_both() {
    let (mut a, mut b) = (audio(1), Peer::new(2));
    a.pc.restart_ice();
    a.run();
    negotiate(&mut a, &mut b);
    assert!(!a.run().contains(&Event::NegotiationNeeded), "before the first negotiation it means nothing");
    let fragments = |peer: &Peer| {
        let local = parse(&peer.pc.local_description().unwrap());
        local.media[0].ice_credentials(&local).unwrap().ufrag.to_owned()
    };
    let before = (fragments(&a), fragments(&b));
    a.pc.restart_ice();
    assert_eq!(a.run(), [Event::NegotiationNeeded]);
    a.offer();
    assert_ne!(fragments(&a), before.0);
    a.set_local(Some(Description::rollback())).unwrap();
    assert_eq!(fragments(&a), before.0);
    assert!(a.run().contains(&Event::NegotiationNeeded));
    negotiate(&mut a, &mut b);
    assert!(fragments(&a) != before.0 && fragments(&b) != before.1);
    assert!(!a.run().contains(&Event::NegotiationNeeded));
    let after = (fragments(&a), fragments(&b));
    negotiate(&mut a, &mut b);
    assert_eq!((fragments(&a), fragments(&b)), after);
}

/// RFC 9429 §5.10: an answer restarts ICE exactly if the offer does.
#[test]
fn a_restart_on_one_side_only_is_refused() {
    let (mut a, mut b) = (audio(1), Peer::new(2));
    let offer = a.offer();
    let answer = b.answer(offer);
    a.set_remote(answer.clone()).unwrap();
    let operation = a.pc.create_offer(OfferOptions { ice_restart: true });
    a.finish(operation).unwrap();
    a.set_local(None).unwrap();
    assert!(matches!(a.set_remote(answer.clone()), Err(Error::InvalidAccess(_))));
    a.set_local(Some(Description::rollback())).unwrap();
    a.offer();
    let old = parse(&answer).media[0].ice_credentials(&parse(&answer)).unwrap().ufrag.to_owned();
    let changed = Description::new(SdpType::Answer, answer.sdp.replace(&old, "abcdefgh"));
    assert!(matches!(a.set_remote(changed), Err(Error::InvalidAccess(_))));
}

/// W3C webrtc-pc §4.4.2, addIceCandidate.
#[test]
fn candidates_find_their_section() {
    let (mut a, mut b) = (audio(1), Peer::new(2));
    let neither = b.pc.add_ice_candidate(candidate(None, None));
    assert!(matches!(neither, Err(Error::Type(_))));
    let early = b.pc.add_ice_candidate(candidate(Some("0"), None));
    assert!(matches!(b.finish(early), Err(Error::InvalidState(_))));
    let offer = a.offer();
    b.set_remote(offer).unwrap();
    for (bad, name) in [
        (candidate(Some("7"), None), "unknown name"),
        (candidate(None, Some(1)), "unknown place"),
        (IceCandidateInit { candidate: "candidate:nonsense".into(), ..candidate(Some("0"), None) }, "malformed"),
        (IceCandidateInit { username_fragment: Some("nobody".into()), ..candidate(Some("0"), None) }, "generation"),
    ] {
        let operation = b.pc.add_ice_candidate(bad);
        assert!(matches!(b.finish(operation), Err(Error::Operation(_))), "{name}");
    }
    let good = b.pc.add_ice_candidate(candidate(Some("0"), None));
    b.finish(good).unwrap();
    assert!(b.pc.remote_description().unwrap().sdp.contains(&format!("a={CANDIDATE}\r\n")));
    let end = b.pc.add_ice_candidate(IceCandidateInit::default());
    b.finish(end).unwrap();
    let transport = b.pc.transports().next().unwrap().remote().unwrap();
    assert_eq!((transport.candidates.len(), transport.end_of_candidates), (1, true));
    b.set_local(None).unwrap();
    assert!(b.pc.current_remote_description().unwrap().sdp.contains("a=end-of-candidates\r\n"));
}

/// W3C webrtc-pc §4.4.2: without a rollback of its own, the candidates of an offer go with it.
#[test]
fn candidates_go_with_the_offer_that_is_taken_back() {
    let (mut a, mut b) = (audio(1), Peer::new(2));
    let offer = a.offer();
    b.set_remote(offer).unwrap();
    let good = b.pc.add_ice_candidate(candidate(Some("0"), None));
    b.finish(good).unwrap();
    b.set_remote(Description::rollback()).unwrap();
    assert_eq!(b.pc.remote_description(), None);
    assert_eq!(b.pc.transports().count(), 0);
    assert_eq!(b.pc.transceivers().count(), 0, "the offer made the transceiver");
}
