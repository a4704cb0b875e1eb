//! Data channels (RFC 8831, RFC 8832) with the life that the W3C gives them.

use super::*;
use parlour_netsim::Loss;
use parlour_sctp::{
    Channel, ChannelEvent as E, ChannelOptions, CloseReason, DataChannels, Error, Payload, Priority, ReadyState,
    Reliability, Role,
};

type Channels = Pair<DataChannels, DataChannels>;

fn unconnected(seed: u64, link: LinkSpec) -> Channels {
    let s = seed as u8;
    Pair::new(seed, link.clone(), link, |now| {
        (DataChannels::new(now, Config::default(), [s; 32]), DataChannels::new(now, Config::default(), [!s; 32]))
    })
}

fn connect(pair: &mut Channels) {
    let now = pair.now();
    pair.a.connect(now, Role::Client).unwrap();
    pair.b.connect(now, Role::Server).unwrap();
    assert!(pair.run_until(seconds(30), |a, b| a.association().is_connected() && b.association().is_connected()));
    pair.run(ms(200));
    assert_eq!(events(&mut pair.a).first(), Some(&E::Connected));
}

fn pair(seed: u64) -> Channels {
    let mut pair = unconnected(seed, delay(10));
    connect(&mut pair);
    events(&mut pair.b);
    pair
}

/// What happened, but for low-water marks, which every drained channel crosses.
fn events(channels: &mut DataChannels) -> Vec<E> {
    let all = std::iter::from_fn(|| channels.poll_event());
    all.filter(|e| !matches!(e, E::BufferedAmountLow(_))).collect()
}

fn labelled(label: &str) -> ChannelOptions {
    ChannelOptions { label: label.into(), ..Default::default() }
}

fn text(s: &str) -> Payload {
    Payload::Text(s.to_owned().into())
}

/// Opens a channel from `a`; returns both handles.
fn open(pair: &mut Channels, options: ChannelOptions) -> (Channel, Channel) {
    let now = pair.now();
    let here = pair.a.open(now, options).unwrap();
    pair.run(ms(200));
    assert_eq!(events(&mut pair.a), [E::Open(here)]);
    let b = events(&mut pair.b);
    let [E::Announced(there), E::Open(same)] = b[..] else { panic!("{b:?}") };
    assert_eq!(there, same);
    (here, there)
}

/// W3C webrtc-pc §6.1: announced, open, then messages; RFC 8832 §6: the DTLS client uses even ids, the server odd ones.
#[test]
fn channels_open_on_both_sides_with_all_their_properties() {
    let mut p = pair(1);
    let options = ChannelOptions {
        label: "chat".into(),
        protocol: "proto".into(),
        ordered: false,
        reliability: Reliability::Retransmissions(3),
        priority: Priority::High,
        negotiated: None,
    };
    let (here, there) = open(&mut p, options.clone());
    assert_eq!(p.b.options(there), Some(&options));
    assert_eq!((p.a.id(here), p.b.id(there)), (Some(0), Some(0)));
    let now = p.now();
    let mine = p.b.open(now, labelled("back")).unwrap();
    assert_eq!(p.b.id(mine), Some(1));
    p.b.send(now, mine, text("with the announcement")).unwrap();
    p.run(ms(200));
    let a = events(&mut p.a);
    assert!(
        matches!(&a[..], [E::Announced(x), E::Open(y), E::Message(z, m)]
        if x == y && y == z && *m == text("with the announcement")),
        "{a:?}"
    );
}

/// RFC 8832 §6: a channel made before DTLS is done has no id yet; it gets one when the role is known, and opens when the association stands.
#[test]
fn channels_made_early_get_their_ids_from_the_role() {
    let mut p = unconnected(2, delay(10));
    let now = p.now();
    let early: Vec<Channel> = (0..3).map(|n| p.b.open(now, labelled(&n.to_string())).unwrap()).collect();
    assert_eq!(p.b.id(early[0]), None);
    assert_eq!(p.b.ready_state(early[0]), ReadyState::Connecting);
    assert_eq!(p.b.send(now, early[0], text("x")), Err(Error::ChannelNotOpen));
    connect(&mut p);
    assert_eq!(early.iter().map(|c| p.b.id(*c).unwrap()).collect::<Vec<_>>(), [1, 3, 5]);
    assert_eq!(events(&mut p.b), [E::Connected, E::Open(early[0]), E::Open(early[1]), E::Open(early[2])]);
}

/// W3C webrtc-pc §6.2: negotiated channels are not announced.
#[test]
fn negotiated_channels_meet_by_their_id() {
    let mut p = unconnected(3, delay(10));
    let now = p.now();
    let options = ChannelOptions { negotiated: Some(42), ..labelled("both know") };
    let (a, b) = (p.a.open(now, options.clone()).unwrap(), p.b.open(now, options.clone()).unwrap());
    assert_eq!(p.a.open(now, options), Err(Error::ChannelId(42)));
    assert_eq!(p.a.open(now, ChannelOptions { negotiated: Some(65535), ..labelled("") }), Err(Error::ChannelId(65535)));
    connect(&mut p);
    assert_eq!(events(&mut p.b), [E::Connected, E::Open(b)]);
    let now = p.now();
    p.a.send(now, a, text("hi")).unwrap();
    p.run(ms(100));
    assert_eq!(events(&mut p.b), [E::Message(b, text("hi"))]);
}

/// RFC 8831 §6.6: text and bytes are told apart, and both may be empty.
#[test]
fn texts_and_bytes_and_nothing_arrive_as_sent() {
    let mut p = pair(4);
    let (here, there) = open(&mut p, labelled(""));
    let all = [text("grüße"), Payload::Binary(vec![1, 2, 3].into()), text(""), Payload::Binary(vec![].into())];
    let now = p.now();
    for payload in &all {
        p.a.send(now, here, payload.clone()).unwrap();
    }
    assert_eq!(p.a.buffered_amount(here), 10, "empty messages count nothing (W3C webrtc-pc §6.2)");
    p.run(ms(200));
    let expected: Vec<E> = all.iter().map(|m| E::Message(there, m.clone())).collect();
    assert_eq!(events(&mut p.b), expected);
}

/// RFC 8831 §6.7: what was given is sent, both sides reset, and the id is free again.
#[test]
fn closing_drains_resets_and_frees_the_id() {
    for loss in [0.0, 0.2] {
        let mut p = unconnected(5, delay(10).with_loss(Loss::Random(loss)));
        connect(&mut p);
        events(&mut p.b);
        for round in 0..4 {
            let now = p.now();
            let here = p.a.open(now, labelled("again")).unwrap();
            assert_eq!(p.a.id(here), Some(0), "round {round}");
            for _ in 0..20 {
                p.a.send(now, here, Payload::Binary(pattern(round, 10_000).into())).unwrap();
            }
            p.a.close(here).unwrap();
            assert_eq!(p.a.ready_state(here), ReadyState::Closing);
            assert_eq!(p.a.send(now, here, text("x")), Err(Error::ChannelNotOpen));
            assert!(p.run_until(seconds(60), |a, _| a.ready_state(here) == ReadyState::Closed), "round {round}");
            assert_eq!(events(&mut p.a), [E::Open(here), E::Closed(here)]);
            p.run(seconds(3));
            let b = events(&mut p.b);
            let there = match b[0] {
                E::Announced(there) => there,
                _ => panic!("{b:?}"),
            };
            assert_eq!(b.iter().filter(|e| matches!(e, E::Message(..))).count(), 20);
            assert_eq!(b[b.len() - 2..], [E::Closing(there), E::Closed(there)]);
        }
    }
}

/// RFC 8831 §6.7: both may close at once.
#[test]
fn both_sides_may_close_at_once() {
    let mut p = pair(6);
    let (here, there) = open(&mut p, labelled(""));
    p.a.close(here).unwrap();
    p.b.close(there).unwrap();
    p.run(seconds(2));
    assert_eq!(events(&mut p.a), [E::Closed(here)]);
    assert_eq!(events(&mut p.b), [E::Closed(there)]);
}

/// W3C webrtc-pc §6.2.5: a connection that dies fails its channels: error, then close.
#[test]
fn an_abort_fails_the_channels_of_the_peer() {
    let mut p = pair(7);
    let (_, there) = open(&mut p, labelled(""));
    p.a.abort("closed");
    p.run(ms(100));
    assert_eq!(events(&mut p.a), [], "no events after close (W3C webrtc-pc §4.4.2.2)");
    assert_eq!(
        events(&mut p.b),
        [E::Error(there), E::Closed(there), E::Ended(CloseReason::AbortedByPeer("closed".into()))]
    );
}

/// W3C webrtc-pc §6.2: the event fires once per crossing from above; DCEP counts nothing.
#[test]
fn the_buffered_amount_falls_and_tells_once() {
    let mut p = pair(8);
    let (here, _) = open(&mut p, labelled(""));
    p.a.set_buffered_amount_low_threshold(here, 100_000).unwrap();
    let now = p.now();
    for _ in 0..100 {
        p.a.send(now, here, Payload::Binary(vec![7; 10_000].into())).unwrap();
    }
    assert_eq!(p.a.buffered_amount(here), 1_000_000);
    p.run(seconds(5));
    assert_eq!(std::iter::from_fn(|| p.a.poll_event()).collect::<Vec<_>>(), [E::BufferedAmountLow(here)]);
    assert_eq!(p.a.buffered_amount(here), 0);
}

#[test]
fn messages_larger_than_the_peer_takes_are_refused() {
    let mut p = pair(9);
    let (here, _) = open(&mut p, labelled(""));
    let now = p.now();
    let large = Payload::Binary(vec![0; 65537].into());
    assert_eq!(p.a.send(now, here, large.clone()), Err(Error::MessageTooLarge { size: 65537, limit: 65536 }));
    p.a.set_max_message_size(0);
    p.a.send(now, here, large).unwrap();
}

/// RFC 8832 §6: until the peer has confirmed an unordered channel, its messages keep their order, so that none comes before the announcement.
#[test]
fn the_first_messages_of_an_unordered_channel_do_not_pass_its_announcement() {
    for seed in 10..30 {
        let link = LinkSpec { reorder: 0.3, reorder_by: ms(30), ..delay(10).with_loss(Loss::Random(0.1)) };
        let mut p = unconnected(seed, link);
        connect(&mut p);
        events(&mut p.b);
        let now = p.now();
        let here = p.a.open(now, ChannelOptions { ordered: false, ..labelled("") }).unwrap();
        for n in 0..20 {
            p.a.send(now, here, Payload::Binary(pattern(n, 2000).into())).unwrap();
        }
        p.run(seconds(20));
        let got = events(&mut p.b).iter().filter(|e| matches!(e, E::Message(..))).count();
        assert_eq!(got, 20, "seed {seed}");
    }
}

/// SNAP: open in the time of one way.
#[test]
fn channels_open_at_once_with_parameters_from_the_descriptions() {
    let mut p = unconnected(31, delay(50));
    let now = p.now();
    let here = p.a.open(now, labelled("fast")).unwrap();
    let (a, b) = (p.a.local_init(), p.b.local_init());
    p.a.connect_with(now, Role::Client, &b).unwrap();
    p.b.connect_with(now, Role::Server, &a).unwrap();
    assert_eq!(events(&mut p.a), [E::Connected, E::Open(here)]);
    p.a.send(now, here, text("first")).unwrap();
    let mut got = Vec::new();
    assert!(p.run_until(seconds(1), |_, b| {
        got.extend(events(b));
        matches!(got.last(), Some(E::Message(..)))
    }));
    assert_eq!(p.net.elapsed(), ms(50));
}

#[test]
fn names_have_a_limit_and_unknown_channels_are_refused() {
    let mut p = pair(32);
    let now = p.now();
    assert_eq!(p.a.open(now, labelled(&"x".repeat(65536))), Err(Error::NameTooLong(65536)));
    let (here, there) = open(&mut p, labelled(&"y".repeat(65535)));
    assert_eq!(p.b.options(there).unwrap().label.len(), 65535);
    p.a.close(here).unwrap();
    p.run(seconds(1));
    assert_eq!(p.a.close(here), Err(Error::NoSuchChannel));
    assert_eq!(p.a.send(now, here, text("x")), Err(Error::NoSuchChannel));
}
