//! Two connections of this machine, over real sockets on loopback.

use futures_util::{SinkExt, StreamExt};
use parlour_rtc::{
    ChannelState, Configuration, ConnectionState, DataChannel, DataChannelInit, EncodedFrame, Error, Event, Events,
    FrameType, LocalTrack, Message, OfferOptions, PeerConnection, TrackKind,
};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

/// Nothing here takes that long; what hangs shall fail.
const PATIENCE: Duration = Duration::from_secs(60);

struct Pair {
    ends: [PeerConnection; 2],
    events: [Events; 2],
}

fn pair() -> Pair {
    let (a, a_events) = PeerConnection::new(Configuration::loopback()).unwrap();
    let (b, b_events) = PeerConnection::new(Configuration::loopback()).unwrap();
    Pair { ends: [a, b], events: [a_events, b_events] }
}

async fn negotiate([a, b]: &[PeerConnection; 2]) -> Result<(), Error> {
    a.set_local_description(None).await?;
    b.set_remote_description(a.gathered_description().await?).await?;
    b.set_local_description(None).await?;
    a.set_remote_description(b.gathered_description().await?).await
}

async fn with_channel(init: DataChannelInit) -> (Pair, [DataChannel; 2]) {
    let mut pair = pair();
    let ours = pair.ends[0].create_data_channel("test", init).unwrap();
    negotiate(&pair.ends).await.unwrap();
    ours.opened().await.unwrap();
    let theirs = pair.events[1].data_channel().await.unwrap();
    (pair, [ours, theirs])
}

async fn within<T>(task: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, task).await.expect("it takes too long")
}

#[tokio::test]
async fn messages_go_both_ways() {
    within(async {
        let (pair, [ours, theirs]) = with_channel(DataChannelInit::default()).await;
        ours.send("ping").await.unwrap();
        assert_eq!(theirs.recv().await, Some(Message::Text("ping".into())));
        theirs.send(vec![7; 200_000]).await.unwrap();
        assert_eq!(ours.recv().await, Some(Message::Binary(vec![7; 200_000].into())));
        assert_eq!((theirs.label(), theirs.id(), ours.id()), ("test", Some(1), Some(1)));
        pair.ends[1].connected().await.unwrap();
        assert!(matches!(ours.try_send(vec![0; 300_000]), Err(Error::Type(_))), "the other side takes 256 KiB");
    })
    .await;
}

/// The same on a runtime with threads, where driver and program run at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_the_writer_down() {
    within(async {
        let (_pair, [ours, theirs]) = with_channel(DataChannelInit::default()).await;
        const MESSAGES: usize = 1_000;
        let full = Arc::new(Notify::new());
        let waits = Arc::clone(&full);
        let writer = tokio::spawn(async move {
            for nth in 0..MESSAGES {
                {
                    let mut send = pin!(ours.send(vec![nth as u8; 40_000]));
                    match poll_fn(|cx| Poll::Ready(send.as_mut().poll(cx))).await {
                        Poll::Ready(sent) => sent.unwrap(),
                        Poll::Pending => {
                            waits.notify_one();
                            send.await.unwrap();
                        }
                    }
                }
                assert!(ours.buffered_amount() < 2 << 20);
            }
            ours
        });
        // 40 MB cannot all be under way while nobody reads: the writer has to wait.
        full.notified().await;
        for nth in 0..MESSAGES {
            let message = theirs.recv().await.unwrap();
            assert_eq!((message.len(), message.as_bytes()[0]), (40_000, nth as u8));
        }
        writer.await.unwrap();
    })
    .await;
}

/// Everything comes back: both directions are full at the same time, whichever side made the channel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_of_much_is_complete() {
    within(async {
        for echoes in [1, 0] {
            let (_pair, channels) = with_channel(DataChannelInit::default()).await;
            let (far, near) = (channels[echoes].clone(), channels[1 - echoes].clone());
            drop(channels);
            tokio::spawn(async move {
                while let Some(message) = far.recv().await {
                    if far.send(message).await.is_err() {
                        return;
                    }
                }
            });
            const MESSAGES: usize = 256;
            let writer = near.clone();
            tokio::spawn(async move {
                for _ in 0..MESSAGES {
                    writer.send(vec![1; 65_536]).await.unwrap();
                }
            });
            for nth in 0..MESSAGES {
                let message = tokio::time::timeout(PATIENCE / 4, near.recv()).await;
                let message =
                    message.unwrap_or_else(|_| panic!("{nth} messages came, {} bytes wait", near.buffered_amount()));
                assert_eq!(message.unwrap().len(), 65_536);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_channel_is_a_stream_and_a_sink() {
    within(async {
        let (_pair, [mut ours, mut theirs]) = with_channel(DataChannelInit::default()).await;
        for text in ["one", "two", "three"] {
            SinkExt::send(&mut ours, Message::from(text)).await.unwrap();
        }
        SinkExt::close(&mut ours).await.unwrap();
        let all: Vec<Message> = StreamExt::collect(&mut theirs).await;
        assert_eq!(all, ["one", "two", "three"].map(Message::from));
        assert_eq!(theirs.ready_state(), ChannelState::Closed);
    })
    .await;
}

#[tokio::test]
async fn a_channel_is_a_stream_of_bytes() {
    within(async {
        let (_pair, [ours, theirs]) = with_channel(DataChannelInit::default()).await;
        let bytes: Vec<u8> = (0..3_000_000u32).map(|nth| (nth / 7) as u8).collect();
        let copy = bytes.clone();
        let writer = tokio::spawn(async move {
            let mut stream = ours.byte_stream();
            stream.write_all(&copy).await.unwrap();
            stream.flush().await.unwrap();
            assert_eq!(ours.buffered_amount(), 0);
            stream.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        theirs.byte_stream().read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), bytes.len());
        assert!(got == bytes);
        writer.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    within(async {
        let (mut pair, [ours, theirs]) = with_channel(DataChannelInit::default()).await;
        ours.try_send("last words").unwrap();
        let again = ours.clone();
        drop(ours);
        assert_eq!(theirs.recv().await, Some("last words".into()));
        assert_eq!(theirs.ready_state(), ChannelState::Open, "there is another handle");
        drop(again);
        assert_eq!(theirs.recv().await, None);
        theirs.closed().await.unwrap();
        // And the connection itself: the other side learns of it.
        let other = pair.ends[1].create_data_channel("other", DataChannelInit::default()).unwrap();
        other.opened().await.unwrap();
        let [first, second] = pair.ends;
        drop(first);
        assert!(other.closed().await.is_err(), "nobody closed the channel itself");
        drop(second);
        while pair.events[1].recv().await.is_some() {}
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_by_a_future_that_is_dropped() {
    within(async {
        let (pair, [ours, theirs]) = with_channel(DataChannelInit::default()).await;
        for nth in 0..50u8 {
            let cancelled = tokio::time::timeout(Duration::from_micros(nth.into()), theirs.recv()).await;
            let sent = tokio::time::timeout(Duration::ZERO, ours.send(vec![nth])).await;
            let message = match cancelled {
                Ok(message) => message,
                Err(_) => theirs.recv().await,
            };
            assert!(sent.is_ok());
            assert_eq!(message.unwrap().as_bytes(), [nth]);
        }
        // An operation goes on without whoever asked for it, and the next one comes after it.
        drop(pair.ends[0].create_offer(OfferOptions::default()));
        let offer = pair.ends[0].set_local_description(None);
        let _ = tokio::time::timeout(Duration::ZERO, offer).await;
        assert!(pair.ends[0].create_answer().await.is_err());
    })
    .await;
}

#[tokio::test]
async fn closing_wakes_whoever_waits() {
    within(async {
        let pair = pair();
        let channel = pair.ends[0].create_data_channel("", DataChannelInit::default()).unwrap();
        let waiting = channel.clone();
        let opened = tokio::spawn(async move { waiting.opened().await });
        let waiting = channel.clone();
        let received = tokio::spawn(async move { waiting.recv().await });
        let waiting = pair.ends[0].clone();
        let connected = tokio::spawn(async move { waiting.connected().await });
        tokio::task::yield_now().await;
        pair.ends[0].close();
        assert!(matches!(opened.await.unwrap(), Err(Error::InvalidState(_))));
        assert_eq!(received.await.unwrap(), None);
        assert!(connected.await.unwrap().is_err());
        assert_eq!(pair.ends[0].connection_state(), ConnectionState::Closed);
        assert!(matches!(
            pair.ends[0].create_data_channel("", DataChannelInit::default()),
            Err(Error::InvalidState(_))
        ));
    })
    .await;
}

#[tokio::test]
async fn packets_of_media_go_both_ways() {
    within(async {
        let mut pair = pair();
        for end in &pair.ends {
            end.add_track(LocalTrack::new(TrackKind::Audio, "voice"), &["stream"]).unwrap();
        }
        negotiate(&pair.ends).await.unwrap();
        let received = loop {
            if let Event::Track { transceiver, streams } = pair.events[1].recv().await.unwrap() {
                assert_eq!(streams, ["stream"]);
                break transceiver;
            }
        };
        for end in &pair.ends {
            end.connected().await.unwrap();
        }
        let sender = &pair.ends[0].transceivers()[0];
        let payload_type = sender.sender().unwrap().codecs[0].payload_type;
        let packet = [0x80, payload_type, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3];
        sender.send_rtp(&packet).unwrap();
        let got = received.recv_rtp().await.unwrap().bytes;
        assert_eq!((&got[1..8], &got[got.len() - 3..]), (&packet[1..8], &packet[12..]));
        assert_eq!(got[8..12], sender.sender().unwrap().ssrcs[0].media.to_be_bytes());
        assert_eq!(received, pair.ends[1].transceivers()[0]);
        assert!(matches!(sender.send_rtp(&packet), Err(Error::Operation(_))), "each number once");
    })
    .await;
}

/// A frame of VP8 as far as RFC 6386 §9.1 is looked at: the first bit says whether it is a key frame.
fn picture(number: u32, key: bool, size: usize) -> EncodedFrame {
    let mut data = vec![number as u8; size];
    data[0] = u8::from(!key);
    EncodedFrame::new(data, number * 3000)
}

/// Frames wait until they can be sent, come whole, and a key frame that is asked for is asked of the program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_media_go_both_ways() {
    within(async {
        let pair = pair();
        for (end, kind) in pair.ends.iter().flat_map(|end| [(end, TrackKind::Audio), (end, TrackKind::Video)]) {
            end.add_track(LocalTrack::new(kind, "track"), &["stream"]).unwrap();
        }
        let mut tasks = Vec::new();
        for end in &pair.ends {
            let video = end.transceivers().remove(1);
            tasks.push(tokio::spawn(async move {
                for number in 0..100 {
                    video.send_frame(&picture(number, number == 0, 10_000)).await.unwrap();
                    tokio::task::yield_now().await;
                }
                assert_eq!(video.key_frame_requested().await, Some(None));
                video.send_frame(&picture(100, true, 100_000)).await.unwrap();
                assert_eq!(video.key_frame_requested().await, None, "the connection was closed");
            }));
        }
        negotiate(&pair.ends).await.unwrap();
        for (end, other) in pair.ends.iter().zip(pair.ends.iter().rev()) {
            let [audio, video] = &end.transceivers()[..] else { panic!() };
            let mut frames = 0;
            while frames < 100 {
                // What is dropped before it is ready takes nothing with it.
                let frame = tokio::time::timeout(Duration::from_micros(50), video.recv_frame()).await;
                let frame = match frame {
                    Ok(frame) => frame.unwrap(),
                    Err(_) => continue,
                };
                assert_eq!(frame.data, picture(frames, frames == 0, 10_000).data);
                assert_eq!(frame.frame_type == FrameType::Key, frames == 0);
                frames += 1;
            }
            assert!(video.request_key_frame(None));
            let frame = video.recv_frame().await.unwrap();
            assert_eq!((frame.frame_type, frame.data.len()), (FrameType::Key, 100_000));
            let spoken = EncodedFrame::new(vec![0x78, 1, 2, 3], 960);
            let sender = other.transceivers().remove(0);
            sender.send_frame(&spoken).await.unwrap();
            assert_eq!(audio.recv_frame().await.unwrap().data, spoken.data);
            assert_eq!(sender.outbound_counters()[0].frames_sent, 1);
            let counters = &video.inbound_counters()[0];
            assert_eq!((counters.frames_received, counters.key_frames_received), (101, 2));
        }
        pair.ends.iter().for_each(PeerConnection::close);
        for task in tasks {
            task.await.unwrap();
        }
        let ended = pair.ends[0].transceivers();
        assert!(ended.iter().all(|transceiver| transceiver.try_send_frame(&picture(0, true, 10)).is_err()));
    })
    .await;
}

/// Candidates one by one, as they come, in place of descriptions that wait for them.
#[tokio::test]
async fn candidates_trickle() {
    within(async {
        let Pair { ends: [a, b], events } = pair();
        let channel = a.create_data_channel("", DataChannelInit::default()).unwrap();
        a.set_local_description(None).await.unwrap();
        let without = |description: parlour_rtc::Description| {
            let lines = description.sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate"));
            parlour_rtc::Description { sdp: lines.collect(), ..description }
        };
        b.set_remote_description(without(a.local_description().unwrap())).await.unwrap();
        b.set_local_description(None).await.unwrap();
        a.set_remote_description(without(b.local_description().unwrap())).await.unwrap();
        let [mut a_events, mut b_events] = events;
        let carry = async |events: &mut Events, to: &PeerConnection| {
            while let Some(event) = events.recv().await {
                match event {
                    Event::IceCandidate(Some(candidate)) => to.add_ice_candidate(candidate).await.unwrap(),
                    Event::ConnectionStateChange(ConnectionState::Connected) => break,
                    _ => {}
                }
            }
        };
        tokio::join!(carry(&mut a_events, &b), carry(&mut b_events, &a));
        channel.opened().await.unwrap();
    })
    .await;
}

/// Of a connection that was dropped no task is left, whether it was used or not.
#[tokio::test]
async fn nothing_is_left_of_closed_connections() {
    within(async {
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        for _ in 0..10 {
            let (_pair, [ours, theirs]) = with_channel(DataChannelInit::default()).await;
            ours.send("hello").await.unwrap();
            theirs.recv().await.unwrap();
            drop(pair());
        }
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[test]
fn without_a_runtime_there_is_no_connection() {
    assert!(matches!(PeerConnection::new(Configuration::loopback()), Err(Error::Operation(_))));
}
