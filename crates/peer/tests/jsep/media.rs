//! Sound and pictures between two peers on a network in virtual time: frames, repair, key frames, layers, reports.

use crate::connect::{DELAY, World};
use crate::support::track;
use parlour_netsim::{LinkSpec, Loss};
use parlour_peer::{
    AudioLevel, Capabilities, Configuration, EncodedFrame, Encoding, Error, Event, FrameType, InboundCounters,
    MediaFeedback, Meta, TrackKind, TransceiverDirection, TransceiverId, TransceiverInit,
};
use std::time::Duration;

const STEP: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(20);

/// A frame of VP8 as far as RFC 6386 §9.1 is looked at: the first bit says whether it is a key frame.
fn picture(number: u32, key: bool, size: usize) -> EncodedFrame {
    let mut data = vec![number as u8; size];
    data[0] = u8::from(!key);
    EncodedFrame::new(data, number * 3000)
}

fn sound(number: u32) -> EncodedFrame {
    let mut frame = EncodedFrame::new(vec![0x78, number as u8, (number >> 8) as u8, 7], number * 960);
    frame.metadata.audio_level = Some(AudioLevel { voice: true, level: 30 });
    frame
}

/// The path loses this share, half of it on each of its two links.
fn lossy(loss: f64) -> LinkSpec {
    LinkSpec { loss: Loss::Random(1.0 - (1.0 - loss).sqrt()), ..LinkSpec::delay(DELAY) }
}

/// The transceivers of one side: sound, then pictures.
fn ids(world: &World, nth: usize) -> [TransceiverId; 2] {
    [world.ends[nth].1.id(0), world.ends[nth].1.id(1)]
}

/// Two peers that send sound and pictures to each other and read frames.
fn call(seed: u64, link: LinkSpec, configuration: &Configuration) -> World {
    let mut world = World::new(seed, link, [configuration.clone(), configuration.clone()]);
    for nth in [0, 1] {
        for (kind, name) in [(TrackKind::Audio, "a"), (TrackKind::Video, "v")] {
            world.peer(nth).pc.add_track(track(kind, name), &["s"]).unwrap();
        }
    }
    world.negotiate(|_| ());
    assert!(world.run(PATIENCE, World::connected));
    read_frames(&mut world);
    world
}

fn read_frames(world: &mut World) {
    let now = world.net.now();
    for nth in [0, 1] {
        let all: Vec<TransceiverId> = world.ends[nth].1.pc.transceivers().map(|known| known.id()).collect();
        all.into_iter().for_each(|id| world.peer(nth).pc.read_frames(now, id, []).unwrap());
    }
}

fn send(world: &mut World, nth: usize, id: TransceiverId, frame: &EncodedFrame) {
    let now = world.net.now();
    world.peer(nth).pc.send_frame(now, id, frame).unwrap();
}

fn frames(world: &mut World, nth: usize) -> Vec<(TransceiverId, EncodedFrame)> {
    std::iter::from_fn(|| world.peer(nth).pc.poll_frame()).collect()
}

fn wants_key_frame(world: &mut World, nth: usize) -> bool {
    let told = &mut world.peer(nth).told;
    let before = told.len();
    told.retain(|event| !matches!(event, Event::KeyFrameRequested { .. }));
    told.len() < before
}

fn inbound(world: &World, nth: usize, id: TransceiverId) -> InboundCounters {
    let mut all = world.ends[nth].1.pc.inbound_counters(id);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Both sides send for so long: sound each 20 ms, pictures each 40 ms, a key frame when one is wanted. What came, by side.
fn talk(world: &mut World, from: u32, time: Duration) -> [Vec<(TransceiverId, EncodedFrame)>; 2] {
    let mut came = [Vec::new(), Vec::new()];
    let steps = (time.as_millis() / STEP.as_millis()) as u32;
    for step in 0..steps {
        for nth in [0, 1] {
            let [audio, video] = ids(world, nth);
            if step % 2 == 0 {
                send(world, nth, audio, &sound(from + step / 2));
            }
            if step % 4 == 0 {
                let number = from + step / 4;
                let key = step == 0 || wants_key_frame(world, nth);
                send(world, nth, video, &picture(number, key, if key { 20_000 } else { 4_000 }));
            }
        }
        world.run(STEP, |_| false);
        for nth in [0, 1] {
            came[nth].extend(frames(world, nth));
        }
    }
    world.run(Duration::from_secs(1), |_| false);
    for nth in [0, 1] {
        came[nth].extend(frames(world, nth));
    }
    came
}

/// The numbers of the frames of one transceiver, as their timestamps tell them.
fn numbers(came: &[(TransceiverId, EncodedFrame)], id: TransceiverId, ticks: u32) -> Vec<u32> {
    came.iter().filter(|(of, _)| *of == id).map(|(_, frame)| frame.metadata.rtp_timestamp / ticks).collect()
}

/// RFC 4585 §6.2.1, RFC 4588: at 5 % loss every frame arrives, whole and in order, both ways.
#[test]
fn all_frames_arrive_in_spite_of_loss() {
    let time = Duration::from_secs(20);
    for seed in 1..6 {
        let mut world = call(seed, lossy(0.05), &Configuration::default());
        let came = talk(&mut world, 0, time);
        for nth in [0, 1] {
            let [audio, video] = ids(&world, nth);
            let (heard, seen) = (numbers(&came[nth], audio, 960), numbers(&came[nth], video, 3000));
            // Of the first and the last packet nobody knows when they are lost.
            assert!(heard[0] <= 1 && seen[0] <= 10, "seed {seed}: {} {}", heard[0], seen[0]);
            assert!(heard.len() >= 998 && seen.len() >= 489, "seed {seed}: {} {}", heard.len(), seen.len());
            assert!(heard.windows(2).all(|pair| pair[0] + 1 == pair[1]), "seed {seed}: {heard:?}");
            assert!(seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "seed {seed}: {seen:?}");
            for (id, frame) in &came[nth] {
                let number = frame.metadata.rtp_timestamp / if *id == audio { 960 } else { 3000 };
                let wanted = if *id == audio {
                    sound(number)
                } else {
                    picture(number, frame.frame_type == FrameType::Key, frame.data.len())
                };
                assert_eq!(frame.data, wanted.data, "seed {seed}");
                assert_eq!(frame.metadata.audio_level, wanted.metadata.audio_level);
                let mime = if *id == audio { "audio/opus" } else { "video/VP8" };
                assert_eq!(frame.metadata.mime_type.as_deref(), Some(mime));
            }
            let counters = inbound(&world, nth, video);
            assert!(counters.retransmitted_packets_received > 30 && counters.packets_lost > 30, "{counters:?}");
            assert_eq!(counters.key_frames_received, 1, "{counters:?}");
            let sent = &world.ends[1 - nth].1.pc.outbound_counters(ids(&world, 1 - nth)[1])[0];
            assert_eq!(counters.rtx_ssrc.is_some(), sent.retransmitted_packets_sent > 0);
            assert!(sent.nack_count > 30 && sent.frames_sent == 500, "{sent:?}");
        }
    }
}

/// RFC 3550 §6.4, §A.3, §A.8: reports tell loss, jitter and the round trip, and the time of the sender.
#[test]
fn reports_tell_how_the_path_is() {
    let mut world = call(7, lossy(0.1), &Configuration::default());
    talk(&mut world, 0, Duration::from_secs(10));
    for nth in [0, 1] {
        let [_, video] = ids(&world, nth);
        let sent = world.ends[nth].1.pc.outbound_counters(video).remove(0);
        let remote = sent.remote.unwrap();
        let round_trip = remote.round_trip_time.unwrap();
        assert!(round_trip.abs_diff(4 * DELAY) < Duration::from_millis(2), "{round_trip:?}");
        assert!(remote.round_trip_time_measurements > 3);
        let share = f64::from(remote.packets_lost) / sent.packets_sent as f64;
        assert!((0.06..0.14).contains(&share), "{share}");
        let received = inbound(&world, 1 - nth, ids(&world, 1 - nth)[1]);
        let report = received.remote.unwrap();
        assert!(report.packets_sent > 1000 && report.reports_sent > 3, "{report:?}");
        assert!(received.jitter < 0.1);
        // A moment in both times (RFC 3550 §6.4.1): each 40 ms of wall clock a picture of 3000 ticks.
        assert!(report.rtp_timestamp.abs_diff(250 * 3000) < 60 * 3000, "{report:?}");
    }
}

/// draft-holmer-rmcat-transport-wide-cc-extensions-01: what became of each packet.
#[test]
fn feedback_tells_of_every_packet() {
    let mut world = call(3, lossy(0.05), &Configuration::default());
    let (mut told, mut lost) = (0, 0);
    for second in 0..5 {
        talk(&mut world, second * 50, Duration::from_secs(1));
        while let Some(feedback) = world.peer(0).pc.poll_media_feedback() {
            let MediaFeedback::Transport { results, .. } = feedback else { panic!("{feedback:?}") };
            told += results.len();
            lost += results.iter().filter(|result| result.received.is_none()).count();
            assert!(results.windows(2).all(|pair| pair[0].sent <= pair[1].sent));
        }
    }
    let sent: u64 = ids(&world, 0)
        .into_iter()
        .flat_map(|id| world.ends[0].1.pc.outbound_counters(id))
        .map(|counters| counters.packets_sent)
        .sum();
    assert!(told as u64 > sent * 85 / 100, "{told} of {sent}");
    assert!((told / 40..told / 10).contains(&lost), "{lost} of {told}");
}

/// RFC 4585 §6.3.1: after a loss that cannot be repaired a key frame is asked for, and pictures go on with it.
#[test]
fn a_lost_picture_asks_for_a_key_frame() {
    let mut world = call(1, LinkSpec::delay(DELAY), &Configuration::default());
    let video = ids(&world, 0)[1];
    send(&mut world, 0, video, &picture(0, true, 3000));
    world.run(STEP, |_| false);
    // Longer than a sender remembers.
    world.cut = true;
    for number in 1..60 {
        send(&mut world, 0, video, &picture(number, false, 3000));
        world.run(4 * STEP, |_| false);
    }
    world.cut = false;
    let mut asked = 0;
    for number in 60..120 {
        let key = wants_key_frame(&mut world, 0);
        asked += u32::from(key);
        send(&mut world, 0, video, &picture(number, key, 3000));
        world.run(4 * STEP, |_| false);
    }
    assert_eq!(asked, 1);
    let seen: Vec<(u32, FrameType)> = frames(&mut world, 1)
        .into_iter()
        .map(|(_, frame)| (frame.metadata.rtp_timestamp / 3000, frame.frame_type))
        .collect();
    assert_eq!(seen[0], (0, FrameType::Key));
    let (first, kind) = seen[1];
    assert_eq!(kind, FrameType::Key);
    assert!((70..90).contains(&first), "half a second is waited for repair: {first}");
    assert!(seen[1..].iter().map(|(number, _)| *number).eq(first..119));
    let counters = inbound(&world, 1, ids(&world, 1)[1]);
    assert_eq!((counters.pli_count, counters.fir_count), (1, 0));
    assert!(counters.frames_dropped > 0);
}

/// RFC 4585 §6.3.1, RFC 5104 §4.3.1: who asks is asked for again until the key frame comes, and not for each call.
#[test]
fn a_program_asks_for_a_key_frame() {
    let mut world = call(1, LinkSpec::delay(DELAY), &Configuration::default());
    let [ours, theirs] = [ids(&world, 0)[1], ids(&world, 1)[1]];
    let now = world.net.now();
    assert!(!world.peer(1).pc.request_key_frame(now, theirs, None), "nothing came yet");
    send(&mut world, 0, ours, &picture(0, true, 100));
    world.run(10 * STEP, |_| false);
    for _ in 0..5 {
        let now = world.net.now();
        assert!(world.peer(1).pc.request_key_frame(now, theirs, None));
    }
    world.run(Duration::from_millis(1700), |_| false);
    let requests =
        world.ends[0].1.told.iter().filter(
            |event| matches!(event, Event::KeyFrameRequested { transceiver, rid: None } if *transceiver == ours),
        );
    assert_eq!(requests.count(), 4, "each 300 ms and two round trips");
    send(&mut world, 0, ours, &picture(1, true, 100));
    world.run(Duration::from_secs(2), |_| false);
    assert_eq!(inbound(&world, 1, theirs).pli_count, 4);
    assert_eq!(world.ends[0].1.pc.outbound_counters(ours)[0].pli_count, 4);
}

/// A peer that does not know RTX, and one that knows no repair at all.
fn without(feedback: Option<&str>) -> Configuration {
    let mut video = Capabilities::video();
    for codec in &mut video.codecs {
        codec.rtx = None;
        codec.feedback.retain(|known| Some(known.as_str()) != feedback);
    }
    Configuration { video, ..Configuration::default() }
}

/// RFC 4585 §6.2.1: without RFC 4588 packets are sent again as they were; SRTP takes each once (RFC 3711 §3.3.2).
#[test]
fn packets_are_repaired_without_a_stream_for_it() {
    let mut world = call(5, lossy(0.05), &without(None));
    let came = talk(&mut world, 0, Duration::from_secs(10));
    let [_, video] = ids(&world, 0);
    let seen = numbers(&came[0], video, 3000);
    assert!(seen.len() > 240 && seen.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{seen:?}");
    let counters = inbound(&world, 0, video);
    assert_eq!((counters.rtx_ssrc, counters.retransmitted_packets_received), (None, 0));
}

/// With FIR only, which has a number (RFC 5104 §4.3.1.1), and with no repair, pictures go on by key frames.
#[test]
fn without_repair_key_frames_carry_on() {
    let mut configuration = without(Some("nack"));
    configuration.video.codecs.iter_mut().for_each(|codec| codec.feedback.retain(|known| known != "nack pli"));
    let mut world = call(5, lossy(0.02), &configuration);
    let came = talk(&mut world, 0, Duration::from_secs(10));
    let [_, video] = ids(&world, 0);
    let seen = numbers(&came[0], video, 3000);
    assert!(seen.is_sorted() && seen.len() > 30 && seen.len() < 240, "{}", seen.len());
    let counters = inbound(&world, 0, video);
    assert!(counters.fir_count > 2 && counters.pli_count == 0 && counters.key_frames_received > 2, "{counters:?}");
}

/// RFC 8853, RFC 8852: three layers by their names, each repaired on its own; one is switched off.
#[test]
fn layers_of_a_simulcast_arrive_by_name() {
    let mut world = World::new(2, lossy(0.05), [Configuration::default(), Configuration::default()]);
    let init = TransceiverInit {
        direction: TransceiverDirection::SendOnly,
        send_encodings: ["q", "h", "f"].map(Encoding::with_rid).to_vec(),
        ..TransceiverInit::default()
    };
    let ours = world.peer(0).pc.add_transceiver(TrackKind::Video, init).unwrap();
    world.negotiate(|_| ());
    assert!(world.run(PATIENCE, World::connected));
    read_frames(&mut world);
    let layered = |number: u32, rid: &str, size: usize| {
        let mut frame = picture(number, number.is_multiple_of(50), size);
        frame.metadata.rid = Some(rid.into());
        frame
    };
    for number in 0..200 {
        for (rid, size) in [("q", 500), ("h", 2000), ("f", 6000)] {
            send(&mut world, 0, ours, &layered(number, rid, size));
        }
        world.run(4 * STEP, |_| false);
    }
    world.run(Duration::from_secs(1), |_| false);
    let came = frames(&mut world, 1);
    for (rid, size) in [("q", 500), ("h", 2000), ("f", 6000)] {
        let of: Vec<&EncodedFrame> =
            came.iter().map(|(_, frame)| frame).filter(|frame| frame.metadata.rid.as_deref() == Some(rid)).collect();
        assert!(of.iter().all(|frame| frame.data.len() == size));
        let first = of[0].metadata.rtp_timestamp / 3000;
        assert!(first == 0 || first == 50, "{first}");
        assert!(of.iter().map(|frame| frame.metadata.rtp_timestamp / 3000).eq(first..200), "{rid}: {}", of.len());
    }
    let theirs = world.ends[1].1.id(0);
    let mut counters = world.ends[1].1.pc.inbound_counters(theirs);
    counters.sort_by(|a, b| a.rid.cmp(&b.rid));
    let rids: Vec<&str> = counters.iter().filter_map(|stream| stream.rid.as_deref()).collect();
    assert_eq!(rids, ["f", "h", "q"]);
    assert!(counters.iter().all(|stream| stream.rtx_ssrc.is_some()), "each was repaired");
    // A key frame of one layer.
    let now = world.net.now();
    assert!(world.peer(1).pc.request_key_frame(now, theirs, Some("h")));
    world.run(Duration::from_millis(100), |_| false);
    let asked = Event::KeyFrameRequested { transceiver: ours, rid: Some("h".into()) };
    assert!(world.ends[0].1.told.contains(&asked));
    // W3C webrtc-pc §5.2.2: a layer that is not active is not sent, and nobody says goodbye for it.
    let mut parameters = world.peer(0).pc.get_parameters(ours).unwrap();
    parameters.encodings[2].active = false;
    let operation = world.peer(0).pc.set_parameters(ours, parameters);
    world.peer(0).finish(operation).unwrap();
    let now = world.net.now();
    let sent = world.peer(0).pc.send_frame(now, ours, &layered(200, "f", 10));
    assert!(matches!(sent, Err(Error::InvalidState(_))), "{sent:?}");
    world.peer(0).pc.send_frame(now, ours, &layered(200, "h", 10)).unwrap();
    let unknown = world.peer(0).pc.send_frame(now, ours, &layered(200, "x", 10));
    assert!(matches!(unknown, Err(Error::InvalidAccess(_))), "{unknown:?}");
}

/// RFC 9429 §5.2.2, RFC 3550 §6.6, W3C webrtc-pc §9.3: pictures come to a call and go, with a goodbye; sound goes on.
#[test]
fn media_comes_and_goes_in_a_call() {
    let mut world = World::new(4, lossy(0.05), [Configuration::default(), Configuration::default()]);
    let sends = |world: &mut World, kind| world.peer(0).pc.add_track(track(kind, "t"), &["s"]).unwrap();
    let audio = sends(&mut world, TrackKind::Audio);
    world.negotiate(|_| ());
    assert!(world.run(PATIENCE, World::connected));
    read_frames(&mut world);
    let speak = |world: &mut World, from: u32| {
        for number in from..from + 50 {
            send(world, 0, audio, &sound(number));
            world.run(2 * STEP, |_| false);
        }
        world.run(Duration::from_millis(600), |_| false);
    };
    speak(&mut world, 0);
    let video = sends(&mut world, TrackKind::Video);
    let now = world.net.now();
    let early = world.peer(0).pc.send_frame(now, video, &picture(0, true, 10));
    assert!(matches!(early, Err(Error::InvalidState(_))), "it is not negotiated: {early:?}");
    world.negotiate(|_| ());
    assert_eq!(world.ends[0].1.pc.transports().count(), 1, "all go by one bundle");
    read_frames(&mut world);
    for number in 0..10 {
        send(&mut world, 0, video, &picture(number, number == 0, 3000));
    }
    speak(&mut world, 50);
    let theirs = ids(&world, 1);
    assert!(!world.ends[1].1.transceiver(1).receiver().muted);
    world.peer(0).pc.stop_transceiver(video).unwrap();
    world.peer(1).told.clear();
    world.run(Duration::from_millis(300), |_| false);
    assert!(world.ends[1].1.told.contains(&Event::TrackMuted(theirs[1])), "the goodbye came before the description");
    world.negotiate(|_| ());
    speak(&mut world, 100);
    let came = frames(&mut world, 1);
    let heard = numbers(&came, theirs[0], 960);
    assert!(heard.iter().copied().eq(heard[0]..150) && heard[0] < 2, "{heard:?}");
    assert_eq!(numbers(&came, theirs[1], 3000), (0..10).collect::<Vec<_>>());
    assert_eq!(world.ends[1].1.pc.transceivers().count(), 1);
    let late = world.peer(0).pc.send_frame(now, video, &picture(10, true, 10));
    assert!(matches!(late, Err(Error::InvalidState(_))), "{late:?}");
}

/// RFC 3550 §6.6: who closes says goodbye for its sources.
#[test]
fn a_call_that_ends_mutes_its_tracks() {
    let mut world = call(1, LinkSpec::delay(DELAY), &Configuration::default());
    talk(&mut world, 0, Duration::from_millis(200));
    let theirs = ids(&world, 1);
    world.peer(0).pc.close();
    world.run(Duration::from_secs(1), |_| false);
    for id in theirs {
        assert!(world.ends[1].1.told.contains(&Event::TrackMuted(id)));
    }
}

/// RFC 3711 §3.3.2, RFC 9143 §9.2: what is sent again by a stranger, and sources that nobody told of, change nothing.
#[test]
fn replays_and_foreign_sources_are_harmless() {
    let mut world = call(1, LinkSpec::delay(DELAY), &Configuration::default());
    let before = world.sent.len();
    let came = talk(&mut world, 0, Duration::from_secs(1));
    let [_, video] = ids(&world, 1);
    assert_eq!(numbers(&came[1], video, 3000), (0..25).collect::<Vec<_>>());
    let counters = inbound(&world, 1, video);
    let replays: Vec<_> =
        world.sent[before..].iter().filter(|(from, _)| *from == 0).map(|(_, packet)| packet.clone()).collect();
    for packet in replays {
        let (now, mut bytes) = (world.net.now(), packet.payload.clone());
        world.peer(1).pc.handle_datagram(now, Meta { local: packet.dst, remote: packet.src }, &mut bytes);
    }
    assert!(frames(&mut world, 1).is_empty());
    assert_eq!(inbound(&world, 1, video), counters);
    // Sources without a name, in great number; a payload type that only one section has makes them that section's.
    let transport = world.transport(0);
    for source in 0..5000_u32 {
        let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0x10, 0x01, 0];
        packet[8..12].copy_from_slice(&(source + 1_000_000).to_be_bytes());
        if source % 100 == 0 {
            assert!(world.peer(0).pc.send_media(transport, &packet, false));
        }
        // Reports of sources that are nobody's, and requests for packets of them.
        let mut nack = vec![0x81, 205, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
        nack[8..12].copy_from_slice(&source.to_be_bytes());
        if source % 100 == 50 {
            assert!(world.peer(0).pc.send_media(transport, &nack, true));
        }
        if source % 100 == 99 {
            world.run(STEP, |_| false);
        }
    }
    assert!(world.ends[1].1.pc.inbound_counters(video).len() <= 32);
    let came = talk(&mut world, 100, Duration::from_secs(1));
    assert_eq!(numbers(&came[1], video, 3000), (100..125).collect::<Vec<_>>());
}

/// Programs that have packets: numbers, timestamps and payload stay, the source is the sender's; repair is done for them.
#[test]
fn packets_pass_as_they_are() {
    let mut world = World::new(6, lossy(0.05), [Configuration::default(), Configuration::default()]);
    let ours = world.peer(0).pc.add_track(track(TrackKind::Video, "v"), &["s"]).unwrap();
    world.negotiate(|_| ());
    assert!(world.run(PATIENCE, World::connected));
    let mut wanted = Vec::new();
    for number in 65_000..66_000_u32 {
        let [n0, n1] = (number as u16).to_be_bytes();
        // With the orientation of the camera, which was negotiated as 13, and something else that was not.
        let packet =
            [&[0x90, 0x80 | 96, n0, n1, 0, 0, 0, 7, 0, 0, 0, 5, 0xbe, 0xde, 0, 1, 0xd0, 1, 0xf0, 0][..], &[1; 800]]
                .concat();
        let now = world.net.now();
        world.peer(0).pc.send_rtp(now, ours, &packet).unwrap();
        wanted.push(number as u16);
        world.run(Duration::from_millis(2), |_| false);
    }
    world.run(Duration::from_secs(1), |_| false);
    let ssrc = world.ends[0].1.transceiver(0).sender().ssrcs[0].media;
    let (mut got, mut packets) = (Vec::new(), Vec::new());
    while let Some(packet) = world.peer(1).pc.poll_media() {
        let bytes = &packet.bytes;
        assert_eq!((bytes[1], &bytes[4..8], &bytes[8..12]), (0x80 | 96, &[0, 0, 0, 7][..], &ssrc.to_be_bytes()[..]));
        assert_eq!(bytes[bytes.len() - 800..], [1; 800]);
        assert!(bytes[12..bytes.len() - 800].windows(2).any(|pair| pair == [0xd0, 1]));
        got.push(u16::from_be_bytes([bytes[2], bytes[3]]));
        packets.push(packet.bytes);
    }
    let first = got[0];
    assert!(first.wrapping_sub(65_000) < 3);
    wanted.retain(|number| number.wrapping_sub(first) < 2000);
    got.sort_by_key(|number| number.wrapping_sub(first));
    assert_eq!(got, wanted);
    let now = world.net.now();
    let twice = [0x80, 96, 0xfd, 0xe8, 0, 0, 0, 7, 0, 0, 0, 5, 1];
    assert!(matches!(world.peer(0).pc.send_rtp(now, ours, &twice), Err(Error::Operation(_))), "a number is sent once");
    let other = [0x80, 77, 0, 0, 0, 0, 0, 7, 0, 0, 0, 5, 1];
    assert!(matches!(world.peer(0).pc.send_rtp(now, ours, &other), Err(Error::InvalidAccess(_))));
    assert!(matches!(world.peer(0).pc.send_rtp(now, ours, &[1, 2, 3]), Err(Error::Type(_))));
}

/// Whoever decides late to read frames loses none of what came before.
#[test]
fn packets_that_were_given_become_frames() {
    let mut world = World::new(6, LinkSpec::delay(DELAY), [Configuration::default(), Configuration::default()]);
    let ours = world.peer(0).pc.add_track(track(TrackKind::Video, "v"), &["s"]).unwrap();
    world.negotiate(|_| ());
    assert!(world.run(PATIENCE, World::connected));
    for number in 0..20 {
        send(&mut world, 0, ours, &picture(number, number == 0, 3000));
        world.run(STEP, |_| false);
    }
    let given: Vec<Vec<u8>> = (0..20).filter_map(|_| Some(world.peer(1).pc.poll_media()?.bytes)).collect();
    let (now, theirs) = (world.net.now(), world.ends[1].1.id(0));
    world.peer(1).pc.read_frames(now, theirs, given).unwrap();
    world.run(PATIENCE, |_| false);
    let came = frames(&mut world, 1);
    assert_eq!(numbers(&came, theirs, 3000), (0..20).collect::<Vec<_>>());
    assert_eq!(inbound(&world, 1, theirs).pli_count, 0);
}
