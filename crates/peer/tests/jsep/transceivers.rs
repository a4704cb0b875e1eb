//! Transceivers, senders and receivers (W3C webrtc-pc §5).

use crate::support::{Peer, negotiate, parse, track};
use parlour_peer::{
    Description, Encoding, Error, Event, RtpCodec, SdpType, TrackKind, TransceiverDirection, TransceiverInit,
};
use parlour_sdp::{Direction, MediaKind};

fn pair() -> (Peer, Peer) {
    (Peer::new(1), Peer::new(2))
}

/// W3C webrtc-pc §5.1: a track only once; a sender that never sent is used again.
#[test]
fn add_track_takes_a_sender_that_never_sent() {
    let (mut a, mut b) = pair();
    let one = track(TrackKind::Audio, "one");
    let first = a.pc.add_track(one.clone(), &["s", "s"]).unwrap();
    assert_eq!(a.transceiver(0).sender().streams, ["s"]);
    assert!(matches!(a.pc.add_track(one.clone(), &[]), Err(Error::InvalidAccess(_))));
    a.pc.remove_track(first).unwrap();
    assert_eq!(a.transceiver(0).direction(), TransceiverDirection::RecvOnly);
    assert_eq!(a.pc.add_track(track(TrackKind::Audio, "two"), &[]), Ok(first));
    assert_eq!(a.transceiver(0).direction(), TransceiverDirection::SendRecv);
    negotiate(&mut a, &mut b);
    a.pc.remove_track(first).unwrap();
    assert_ne!(a.pc.add_track(one, &[]).unwrap(), first, "it has been allowed to send");
}

/// RFC 9429 §5.10: a remote offer takes what addTrack made, and nothing that addTransceiver made.
#[test]
fn remote_sections_take_what_add_track_made() {
    let (mut a, mut b) = pair();
    a.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    b.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    let tracked = b.pc.add_track(track(TrackKind::Video, "v"), &[]).unwrap();
    assert_eq!(tracked, b.id(0), "addTrack takes the sender of addTransceiver");
    let own = b.pc.add_track(track(TrackKind::Video, "w"), &[]).unwrap();
    let offer = a.offer();
    b.set_remote(offer).unwrap();
    assert_eq!(b.pc.transceiver(own).unwrap().mid(), Some("0"));
    assert_eq!(b.pc.transceiver(tracked).unwrap().mid(), None);
}

/// W3C webrtc-pc §5.1.3: directions meet, and what one side does not want is muted on the other.
#[test]
fn directions_meet_in_the_middle() {
    let (mut a, mut b) = pair();
    a.pc.add_track(track(TrackKind::Audio, "a"), &["s"]).unwrap();
    b.pc.add_track(track(TrackKind::Audio, "b"), &["t"]).unwrap();
    negotiate(&mut a, &mut b);
    for peer in [&a, &b] {
        assert_eq!(peer.transceiver(0).current_direction(), Some(TransceiverDirection::SendRecv));
    }
    a.run();
    b.run();
    let id = a.id(0);
    a.pc.set_direction(id, TransceiverDirection::RecvOnly).unwrap();
    negotiate(&mut a, &mut b);
    assert_eq!(b.transceiver(0).current_direction(), Some(TransceiverDirection::SendOnly));
    let removed = Event::StreamRemovedTrack { stream: "s".into(), transceiver: b.id(0) };
    assert!(b.run().contains(&removed));
    assert!(b.transceiver(0).receiver().streams.is_empty());
    a.pc.set_direction(id, TransceiverDirection::SendRecv).unwrap();
    negotiate(&mut a, &mut b);
    let again = Event::Track { transceiver: b.id(0), streams: vec!["s".into()] };
    assert!(b.run().contains(&again), "a track that comes back is told again");
}

/// W3C webrtc-pc §5.4: stopping at once, stopped and gone with the answer, on both sides; the place is taken again.
#[test]
fn a_stopped_transceiver_leaves_and_its_place_is_taken() {
    let (mut a, mut b) = pair();
    for kind in [TrackKind::Audio, TrackKind::Video] {
        a.pc.add_transceiver(kind, Default::default()).unwrap();
    }
    a.pc.create_data_channel("", Default::default()).unwrap();
    negotiate(&mut a, &mut b);
    a.run();
    b.run();
    let (stopping, theirs) = (a.id(0), b.id(0));
    a.pc.stop_transceiver(stopping).unwrap();
    assert_eq!(a.transceiver(0).direction(), TransceiverDirection::Stopped);
    assert_ne!(a.transceiver(0).current_direction(), Some(TransceiverDirection::Stopped));
    assert!(matches!(a.pc.set_direction(stopping, TransceiverDirection::SendRecv), Err(Error::InvalidState(_))));
    assert_eq!(a.run(), [Event::TrackEnded(stopping), Event::NegotiationNeeded]);
    let offer = a.offer();
    assert!(parse(&offer).media[0].is_rejected());
    b.set_remote(offer).unwrap();
    assert_eq!(b.transceiver(0).current_direction(), Some(TransceiverDirection::Stopped));
    b.set_local(None).unwrap();
    assert!(b.run().contains(&Event::TrackEnded(theirs)));
    a.set_remote(b.pc.local_description().unwrap()).unwrap();
    for peer in [&a, &b] {
        assert_eq!(peer.pc.transceivers().count(), 1);
        assert_eq!(peer.transceiver(0).kind(), TrackKind::Video);
        assert_eq!(peer.pc.transports().count(), 1, "the bundle goes on without its first section");
    }
    // RFC 9429 §5.2.2: of another kind, under a new name, in the same place.
    b.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    let offer = parse(&b.offer());
    assert_eq!(offer.media.len(), 3);
    assert_eq!((&offer.media[0].kind, offer.media[0].mid()), (&MediaKind::Video, Some("3")));
    a.set_remote(b.pc.local_description().unwrap()).unwrap();
    a.set_local(None).unwrap();
    b.set_remote(a.pc.local_description().unwrap()).unwrap();
    assert_eq!(a.pc.transceivers().filter(|known| known.mid() == Some("3")).count(), 1);
}

/// RFC 9429 §5.7: what a remote offer made goes with it, unless addTrack has touched it.
#[test]
fn rollback_takes_away_what_the_offer_made() {
    for touched in [false, true] {
        let (mut a, mut b) = pair();
        a.pc.add_track(track(TrackKind::Audio, "a"), &["s"]).unwrap();
        let offer = a.offer();
        b.set_remote(offer).unwrap();
        let made = b.id(0);
        if touched {
            assert_eq!(b.pc.add_track(track(TrackKind::Audio, "b"), &[]), Ok(made));
        }
        b.run();
        b.set_remote(Description::rollback()).unwrap();
        let told = b.run();
        assert!(told.contains(&Event::StreamRemovedTrack { stream: "s".into(), transceiver: made }));
        assert_eq!(b.pc.transceivers().count(), usize::from(touched));
        assert_eq!(told.contains(&Event::TrackEnded(made)), !touched);
        if touched {
            assert_eq!((b.transceiver(0).mid(), told.contains(&Event::NegotiationNeeded)), (None, true));
        }
    }
}

/// W3C webrtc-pc §4.4.1.4: a request for layers replaces a plain encoding, and a rollback brings it back.
#[test]
fn a_request_for_layers_is_answered_and_can_be_taken_back() {
    let (mut a, mut b) = pair();
    b.pc.add_track(track(TrackKind::Video, "v"), &[]).unwrap();
    a.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    let mut offer = a.offer();
    let request = "a=rid:l recv\r\na=rid:m recv\r\na=rid:h recv\r\na=simulcast:recv l;m,x;h\r\na=rid:x recv\r\n";
    offer.sdp.push_str(request);
    b.set_remote(offer.clone()).unwrap();
    let layers = |peer: &Peer| {
        let encodings = &peer.transceiver(0).sender().encodings;
        encodings.iter().map(|encoding| (encoding.rid.clone(), encoding.scale_resolution_down_by)).collect::<Vec<_>>()
    };
    let rid = |rid: &str, scale| (Some(rid.to_owned()), Some(scale));
    assert_eq!(layers(&b), [rid("l", 4.0), rid("m", 2.0), rid("h", 1.0)]);
    b.set_remote(Description::rollback()).unwrap();
    assert_eq!(layers(&b), [(None, Some(1.0))]);
    b.set_remote(offer).unwrap();
    b.set_local(None).unwrap();
    let answer = parse(&b.pc.local_description().unwrap());
    assert_eq!(answer.media[0].simulcast().unwrap().to_string(), "send l;m;h");
    assert_eq!(b.transceiver(0).sender().ssrcs.len(), 3);
}

/// W3C webrtc-pc §4.4.1.4: layers that the answer leaves out are given up; without any, the first goes on alone.
#[test]
fn layers_that_are_not_wanted_are_given_up() {
    for (wanted, left) in [("q;f", vec!["q", "f"]), ("", vec!["q"])] {
        let (mut a, mut b) = pair();
        let send_encodings = ["q", "h", "f"].map(Encoding::with_rid).to_vec();
        a.pc.add_transceiver(TrackKind::Video, TransceiverInit { send_encodings, ..Default::default() }).unwrap();
        let mut answer = b.answer(a.offer());
        assert!(answer.sdp.contains("a=simulcast:recv q;h;f\r\n"));
        let replaced = if wanted.is_empty() { String::new() } else { format!("a=simulcast:recv {wanted}\r\n") };
        answer.sdp = answer.sdp.replace("a=simulcast:recv q;h;f\r\n", &replaced);
        a.set_remote(answer).unwrap();
        let rids: Vec<_> = a.transceiver(0).sender().encodings.iter().filter_map(|known| known.rid.clone()).collect();
        assert_eq!(rids, left);
        assert_eq!(a.transceiver(0).sender().ssrcs.len(), left.len());
    }
}

/// W3C webrtc-pc §5.4.2.
#[test]
fn codec_preferences_decide_offers_and_answers() {
    let (mut a, mut b) = pair();
    let id = a.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    let vp8 = RtpCodec::new("VP8", 90_000);
    let vp9 = RtpCodec::new("vp9", 90_000).with_fmtp("profile-id=0");
    let rtx = RtpCodec::new("rtx", 90_000);
    for bad in [vec![RtpCodec::new("foo", 90_000)], vec![rtx.clone()]] {
        assert!(matches!(a.pc.set_codec_preferences(id, &bad), Err(Error::InvalidModification(_))));
    }
    a.pc.set_codec_preferences(id, &[vp9.clone(), vp8.clone(), vp9.clone()]).unwrap();
    let offer = a.offer();
    let names = |description: &Description| {
        parse(description).media[0].codecs().iter().map(|codec| codec.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&offer), ["VP9", "VP8"]);
    b.set_remote(offer).unwrap();
    let theirs = b.id(0);
    b.pc.set_codec_preferences(theirs, &[vp8, rtx]).unwrap();
    b.set_local(None).unwrap();
    let answer = b.pc.local_description().unwrap();
    assert_eq!(names(&answer), ["VP8"], "retransmission was not offered");
    a.set_remote(answer).unwrap();
    assert_eq!(a.transceiver(0).sender().codecs.len(), 1);
    a.pc.set_codec_preferences(id, &[]).unwrap();
    assert_eq!(names(&a.offer())[0], "VP8", "what was agreed on comes first");
}

/// W3C webrtc-pc §5.2.2.
#[test]
fn parameters_are_read_changed_and_set() {
    let (mut a, _) = pair();
    let id = a.pc.add_transceiver(TrackKind::Video, Default::default()).unwrap();
    a.run();
    let parameters = a.pc.get_parameters(id).unwrap();
    assert_eq!(a.pc.get_parameters(id).unwrap(), parameters, "the same until the next task");
    a.run();
    assert!(matches!(a.pc.set_parameters(id, parameters), Err(Error::InvalidState(_))));
    let mut parameters = a.pc.get_parameters(id).unwrap();
    let mut wrong = parameters.clone();
    wrong.cname.push('x');
    assert!(matches!(a.pc.set_parameters(id, wrong), Err(Error::InvalidModification(_))));
    let mut more = parameters.clone();
    more.encodings.push(Encoding::default());
    assert!(matches!(a.pc.set_parameters(id, more), Err(Error::InvalidModification(_))));
    let mut scaled = parameters.clone();
    scaled.encodings[0].scale_resolution_down_by = Some(0.1);
    assert!(matches!(a.pc.set_parameters(id, scaled), Err(Error::Range(_))));
    parameters.encodings[0].max_bitrate = Some(500_000);
    let operation = a.pc.set_parameters(id, parameters);
    a.finish(operation).unwrap();
    assert_eq!(a.transceiver(0).sender().encodings[0].max_bitrate, Some(500_000));
}

/// W3C webrtc-pc §5.2.2, replaceTrack: another track of the same kind, or none, without negotiation.
#[test]
fn tracks_are_replaced_without_negotiation() {
    let (mut a, _) = pair();
    let id = a.pc.add_track(track(TrackKind::Audio, "a"), &[]).unwrap();
    a.run();
    let wrong = a.pc.replace_track(id, Some(track(TrackKind::Video, "v")));
    assert!(matches!(wrong, Err(Error::Type(_))));
    let operation = a.pc.replace_track(id, None);
    a.finish(operation).unwrap();
    assert_eq!(a.transceiver(0).sender().track, None);
    assert_eq!(a.run(), []);
}

/// RFC 9429 §5.3.1: a section without a codec in common is rejected, and nobody asks for it again.
#[test]
fn a_section_without_common_codecs_is_rejected_for_good() {
    let (mut a, mut b) = pair();
    a.pc.add_track(track(TrackKind::Audio, "a"), &[]).unwrap();
    a.pc.create_data_channel("", Default::default()).unwrap();
    let offer = a.offer();
    let strange = offer.sdp.replace("opus/", "strange/").replace("G722/", "odd/").replace("PCM", "XYZ");
    let answer = b.answer(Description::new(SdpType::Offer, strange));
    assert!(parse(&answer).media[0].is_rejected() && !parse(&answer).media[1].is_rejected());
    assert_eq!(b.pc.transceivers().count(), 0);
    assert!(!b.run().contains(&Event::NegotiationNeeded));
    a.set_remote(answer).unwrap();
    assert_eq!(a.pc.transceivers().count(), 0, "stopped and rejected");
    assert!(!a.run().contains(&Event::NegotiationNeeded));
}

/// RFC 9429 §5.3.1: the offered direction and ours are intersected; the streams are told all the same.
#[test]
fn an_answer_tells_its_streams_even_if_it_may_not_send() {
    let (mut a, mut b) = pair();
    let id = a.pc.add_track(track(TrackKind::Audio, "a"), &["s"]).unwrap();
    a.pc.set_direction(id, TransceiverDirection::SendOnly).unwrap();
    let offer = a.offer();
    b.set_remote(offer).unwrap();
    b.pc.add_track(track(TrackKind::Audio, "b"), &["t"]).unwrap();
    b.set_local(None).unwrap();
    let answer = parse(&b.pc.local_description().unwrap());
    assert_eq!(answer.media[0].direction(&answer), Direction::RecvOnly);
    assert!(answer.media[0].msids().any(|msid| msid.stream == "t"));
    assert!(!b.run().contains(&Event::NegotiationNeeded));
}
