//! Every row of the state tables (W3C webrtc-pc §4.3.1, RFC 9429 §3.2, §5.5-5.7).

use crate::support::Peer;
use parlour_peer::SignalingState::{
    Closed, HaveLocalOffer, HaveLocalPranswer, HaveRemoteOffer, HaveRemotePranswer, Stable,
};
use parlour_peer::{Description, Error, Event, OfferOptions, SdpType, SignalingState, TrackKind};

const STATES: [SignalingState; 5] = [Stable, HaveLocalOffer, HaveRemoteOffer, HaveLocalPranswer, HaveRemotePranswer];

struct Texts {
    offer: Description,
    answer: Description,
}

/// A peer in this state, with the texts that the other side would send.
fn peer_in(state: SignalingState) -> (Peer, Texts) {
    let (mut peer, mut other) = (Peer::new(1), Peer::new(2));
    for peer in [&mut peer, &mut other] {
        peer.pc.add_transceiver(TrackKind::Audio, Default::default()).unwrap();
    }
    let offer = other.create_offer().unwrap();
    let ours = peer.create_offer().unwrap();
    let answer = Peer::new(3).answer(ours.clone());
    let provisional = |description: &Description| Description { kind: SdpType::PrAnswer, ..description.clone() };
    match state {
        Stable | Closed => {}
        HaveLocalOffer => peer.set_local(Some(ours)).unwrap(),
        HaveRemoteOffer => peer.set_remote(offer.clone()).unwrap(),
        HaveLocalPranswer => {
            peer.set_remote(offer.clone()).unwrap();
            peer.set_local(Some(Description::new(SdpType::PrAnswer, ""))).unwrap();
        }
        HaveRemotePranswer => {
            peer.set_local(Some(ours)).unwrap();
            peer.set_remote(provisional(&answer)).unwrap();
        }
    }
    assert_eq!(peer.pc.signaling_state(), state);
    (peer, Texts { offer, answer })
}

fn check(
    state: SignalingState,
    what: &str,
    result: Result<(), Error>,
    after: SignalingState,
    expected: Option<SignalingState>,
) {
    match (&result, expected) {
        (Ok(()), Some(expected)) => assert_eq!(after, expected, "{what} in {state}"),
        (Err(Error::InvalidState(_)), None) => assert_eq!(after, state, "{what} in {state}"),
        _ => panic!("{what} in {state}: {result:?}, now {after}"),
    }
}

#[test]
fn local_descriptions_are_legal_only_in_their_states() {
    for state in STATES {
        for kind in [SdpType::Offer, SdpType::PrAnswer, SdpType::Answer, SdpType::Rollback] {
            let (mut peer, _) = peer_in(state);
            let result = peer.set_local(Some(Description::new(kind, "")));
            let expected = match (kind, state) {
                (SdpType::Offer, Stable | HaveLocalOffer) => Some(HaveLocalOffer),
                (SdpType::PrAnswer, HaveRemoteOffer | HaveLocalPranswer) => Some(HaveLocalPranswer),
                (SdpType::Answer, HaveRemoteOffer | HaveLocalPranswer) => Some(Stable),
                (SdpType::Rollback, HaveLocalOffer | HaveRemoteOffer) => Some(Stable),
                _ => None,
            };
            check(state, &format!("local {kind}"), result, peer.pc.signaling_state(), expected);
        }
    }
}

#[test]
fn remote_descriptions_are_legal_only_in_their_states() {
    for state in STATES {
        for kind in [SdpType::Offer, SdpType::PrAnswer, SdpType::Answer, SdpType::Rollback] {
            let (mut peer, texts) = peer_in(state);
            let text = if kind == SdpType::Offer { texts.offer.sdp } else { texts.answer.sdp };
            let text = if kind == SdpType::Rollback { String::new() } else { text };
            let result = peer.set_remote(Description::new(kind, text));
            let expected = match (kind, state) {
                // In have-local-offer by taking ours back (W3C webrtc-pc §4.4.2.2).
                (SdpType::Offer, Stable | HaveRemoteOffer | HaveLocalOffer) => Some(HaveRemoteOffer),
                (SdpType::PrAnswer, HaveLocalOffer | HaveRemotePranswer) => Some(HaveRemotePranswer),
                (SdpType::Answer, HaveLocalOffer | HaveRemotePranswer) => Some(Stable),
                (SdpType::Rollback, HaveLocalOffer | HaveRemoteOffer) => Some(Stable),
                _ => None,
            };
            check(state, &format!("remote {kind}"), result, peer.pc.signaling_state(), expected);
        }
    }
}

#[test]
fn offers_and_answers_are_made_only_in_their_states() {
    for state in STATES {
        let (mut peer, _) = peer_in(state);
        let offer = peer.create_offer().map(|_| ());
        check(
            state,
            "createOffer",
            offer,
            peer.pc.signaling_state(),
            matches!(state, Stable | HaveLocalOffer).then_some(state),
        );
        let (mut peer, _) = peer_in(state);
        let answer = peer.create_answer().map(|_| ());
        let expected = matches!(state, HaveRemoteOffer | HaveLocalPranswer).then_some(state);
        check(state, "createAnswer", answer, peer.pc.signaling_state(), expected);
    }
}

/// W3C webrtc-pc §4.4.2: without a description, the state says which one; from the pranswer of theirs on it is an offer,
/// which fails.
#[test]
fn the_implicit_description_follows_the_state() {
    for (state, expected) in [
        (Stable, Some(HaveLocalOffer)),
        (HaveLocalOffer, Some(HaveLocalOffer)),
        (HaveRemoteOffer, Some(Stable)),
        (HaveLocalPranswer, Some(Stable)),
        (HaveRemotePranswer, None),
    ] {
        let (mut peer, _) = peer_in(state);
        let result = peer.set_local(None);
        check(state, "setLocalDescription()", result, peer.pc.signaling_state(), expected);
    }
}

/// W3C webrtc-pc §4.4.1.4: pending and current descriptions.
#[test]
fn descriptions_become_current_with_the_answer() {
    let (mut a, mut b) = (Peer::new(1), Peer::new(2));
    a.pc.add_transceiver(TrackKind::Audio, Default::default()).unwrap();
    let offer = a.offer();
    assert_eq!((a.pc.pending_local_description(), a.pc.current_local_description()), (Some(offer.clone()), None));
    b.set_remote(offer.clone()).unwrap();
    assert_eq!(b.pc.pending_remote_description(), Some(offer.clone()));
    b.set_local(Some(Description::new(SdpType::PrAnswer, ""))).unwrap();
    let provisional = b.pc.pending_local_description().unwrap();
    assert_eq!(provisional.kind, SdpType::PrAnswer);
    assert_eq!(b.pc.current_local_description(), None);
    b.set_local(None).unwrap();
    let answer = b.pc.current_local_description().unwrap();
    assert_eq!((b.pc.pending_local_description(), b.pc.pending_remote_description()), (None, None));
    assert_eq!(b.pc.current_remote_description(), Some(offer.clone()));
    a.set_remote(provisional).unwrap();
    assert_eq!((a.pc.pending_local_description(), a.pc.current_local_description()), (Some(offer.clone()), None));
    a.set_remote(answer.clone()).unwrap();
    assert_eq!((a.pc.current_local_description(), a.pc.current_remote_description()), (Some(offer), Some(answer)));
}

/// W3C webrtc-pc §4.4.2.2: both states can be seen.
#[test]
fn an_offer_that_meets_ours_takes_ours_back_first() {
    let (mut peer, texts) = peer_in(HaveLocalOffer);
    peer.run();
    peer.set_remote(texts.offer).unwrap();
    let states: Vec<_> = peer
        .told
        .iter()
        .filter_map(|event| if let Event::SignalingStateChange(state) = event { Some(*state) } else { None })
        .collect();
    assert_eq!(states, [Stable, HaveRemoteOffer]);
    assert_eq!(peer.pc.pending_local_description(), None);
}

/// W3C webrtc-pc §4.4.2: a failed call leaves every slot untouched, but a rollback that was done stays done.
#[test]
fn a_failed_offer_leaves_the_rollback_done() {
    let (mut peer, _) = peer_in(HaveLocalOffer);
    let result = peer.set_remote(Description::new(SdpType::Offer, "v=0\r\nnonsense"));
    assert!(matches!(result, Err(Error::Rtc { sdp_line_number: Some(2), .. })), "{result:?}");
    assert_eq!(peer.pc.signaling_state(), Stable);
    assert_eq!(peer.transceiver(0).mid(), None);
}

#[test]
fn a_description_that_fails_changes_nothing() {
    let (mut peer, texts) = peer_in(Stable);
    let without_mux = texts.offer.sdp.replace("a=rtcp-mux\r\n", "");
    let result = peer.set_remote(Description::new(SdpType::Offer, without_mux));
    assert!(matches!(result, Err(Error::InvalidAccess(_))), "{result:?}");
    assert_eq!(peer.pc.transceivers().count(), 1);
    assert_eq!((peer.pc.signaling_state(), peer.pc.remote_description()), (Stable, None));
}

/// W3C webrtc-pc §4.4.2: the text must be the one that was made last.
#[test]
fn a_local_description_must_not_be_changed() {
    let (mut peer, _) = peer_in(Stable);
    let mut offer = peer.create_offer().unwrap();
    offer.sdp.push_str("a=foo\r\n");
    assert!(matches!(peer.set_local(Some(offer)), Err(Error::InvalidModification(_))));
    let old = peer.create_offer().unwrap();
    peer.create_offer().unwrap();
    assert!(matches!(peer.set_local(Some(old)), Err(Error::InvalidModification(_))));
}

/// W3C webrtc-pc §4.4.1.2, §4.4.2.2.
#[test]
fn a_closed_connection_refuses_and_tells_nothing() {
    let (mut peer, texts) = peer_in(HaveLocalOffer);
    let pending = peer.pc.set_remote_description(texts.answer).unwrap();
    peer.pc.close();
    assert_eq!(peer.pc.signaling_state(), Closed);
    let mut told = Vec::new();
    while let Some(event) = peer.pc.poll_event() {
        assert!(!matches!(&event, Event::Settled { operation, .. } if *operation == pending));
        told.push(event);
    }
    // The track of the receiver ends, which is no event of the connection.
    assert_eq!(told, [Event::TrackEnded(peer.id(0))]);
    assert!(matches!(peer.pc.create_offer(OfferOptions::default()), Err(Error::InvalidState(_))));
    assert!(matches!(peer.pc.set_local_description(None), Err(Error::InvalidState(_))));
    assert!(matches!(peer.pc.add_transceiver(TrackKind::Audio, Default::default()), Err(Error::InvalidState(_))));
    peer.pc.close();
    assert_eq!(peer.pc.poll_event(), None);
}
