//! Life of an association: handshake, restart, shutdown, abort, resets, windows.

use super::*;
use parlour_netsim::Loss;
use parlour_sctp::{CloseReason, Error};

/// What happened, but for low-water marks, which every drained stream crosses.
fn events(association: &mut Association) -> Vec<Event> {
    let all = std::iter::from_fn(|| association.poll_event());
    all.filter(|e| !matches!(e, Event::BufferedAmountLow(_))).collect()
}

/// RFC 9260 §5.1: two round trips, and messages that were given before go along with the second.
#[test]
fn connects_in_two_round_trips_and_data_goes_along() {
    let mut pair = both(1, delay(50));
    pair.a.connect(pair.now()).unwrap();
    send(&mut pair, 0, b"early");
    assert!(pair.run_until(seconds(1), |_, b| b.is_connected()));
    assert_eq!(pair.net.elapsed(), ms(150));
    assert_eq!(messages(&mut pair.b)[0].payload, &b"early"[..]);
    assert!(pair.run_until(seconds(1), |a, _| a.is_connected()));
    assert_eq!(pair.net.elapsed(), ms(200));
}

/// RFC 9260 §5.2.1.
#[test]
fn both_sides_may_connect_at_once() {
    let mut pair = both(2, delay(50));
    pair.a.connect(pair.now()).unwrap();
    pair.b.connect(pair.now()).unwrap();
    assert!(pair.run_until(seconds(5), |a, b| a.is_connected() && b.is_connected()));
    pair.run(seconds(1));
    assert_eq!(events(&mut pair.a), [Event::Connected]);
    assert_eq!(events(&mut pair.b), [Event::Connected]);
    send(&mut pair, 3, b"hello");
    pair.run(seconds(1));
    assert_eq!(messages(&mut pair.b).len(), 1);
}

/// RFC 9260 §5.1.3, §8.3: each packet of the handshake may get lost.
#[test]
fn the_handshake_survives_loss() {
    for seed in 0..30 {
        let link = delay(20).with_loss(Loss::Random(0.4));
        let mut pair = both(seed, link);
        pair.a.connect(pair.now()).unwrap();
        if seed % 2 == 0 {
            pair.b.connect(pair.now()).unwrap();
        }
        assert!(pair.run_until(seconds(60), |a, b| a.is_connected() && b.is_connected()), "seed {seed}");
    }
}

/// RFC 9260 §5.1.6: an attempt ends when nobody answers.
#[test]
fn an_unanswered_attempt_ends() {
    let mut pair = both(3, delay(20));
    pair.set_up(false);
    pair.a.connect(pair.now()).unwrap();
    pair.run_until(seconds(300), |a, _| a.is_closed());
    assert_eq!(events(&mut pair.a), [Event::Closed(CloseReason::TimedOut)]);
    assert_eq!(pair.a.poll_timeout(), None, "nothing is left to do");
}

/// draft-hancke-tsvwg-snap: with parameters in the descriptions, no packet is needed.
#[test]
fn parameters_in_descriptions_make_the_handshake_unnecessary() {
    let mut pair = both(4, delay(50));
    let (a, b) = (pair.a.local_init(), pair.b.local_init());
    assert_eq!(a, pair.a.local_init(), "the same each time");
    let now = pair.now();
    pair.a.connect_with(now, &b).unwrap();
    pair.b.connect_with(now, &a).unwrap();
    assert_eq!(events(&mut pair.a), [Event::Connected]);
    send(&mut pair, 0, b"at once");
    assert!(pair.run_until(seconds(1), |_, b| !messages(b).is_empty()));
    assert_eq!(pair.net.elapsed(), ms(50));
    assert!(pair.a.interleaves());
    assert_eq!(pair.a.connect_with(now, &b), Err(Error::Started));
    let mut fresh = both(5, delay(1));
    for cut in 0..20 {
        assert!(matches!(fresh.a.connect_with(now, &b[..cut]), Err(Error::BadInit(_))), "{cut}");
    }
}

/// RFC 9260 §5.2.4.1: one side lost its memory; the other notices, and messages flow again.
#[test]
fn a_restarted_peer_is_taken_in() {
    let mut pair = connected(both(6, delay(10)));
    send(&mut pair, 1, b"before");
    pair.run(seconds(1));
    assert_eq!(messages(&mut pair.b).len(), 1);
    pair.b = Association::new(pair.now(), Config::default(), [77; 32]);
    pair.b.connect(pair.now()).unwrap();
    assert!(pair.run_until(seconds(5), |_, b| b.is_connected()));
    pair.run(ms(100));
    assert_eq!(events(&mut pair.a), [Event::Restarted]);
    send(&mut pair, 1, b"after");
    pair.run(seconds(1));
    assert_eq!(messages(&mut pair.b)[0].payload, &b"after"[..]);
}

/// RFC 9260 §5.2.4.1: what waits in the queue goes to the restarted peer.
#[test]
fn messages_that_waited_survive_a_restart() {
    let mut pair = connected(both(7, delay(10)));
    pair.set_up(false);
    for n in 0..200 {
        send(&mut pair, 1, &pattern(n, 1000));
    }
    pair.run(ms(500));
    pair.set_up(true);
    pair.b = Association::new(pair.now(), Config::default(), [78; 32]);
    pair.b.connect(pair.now()).unwrap();
    let mut got = 0;
    assert!(pair.run_until(seconds(20), |_, b| {
        got += messages(b).len();
        got > 150
    }));
}

/// RFC 9260 §9.2: all messages arrive, then both sides end.
#[test]
fn shutdown_waits_for_all_messages() {
    for seed in 0..10 {
        let mut pair = connected(both(seed, delay(20).with_loss(Loss::Random(0.1))));
        for n in 0..50 {
            send(&mut pair, 1, &pattern(n, 5000));
        }
        pair.a.shutdown(pair.now()).unwrap();
        let now = pair.now();
        assert_eq!(pair.a.send(now, StreamId(1), 53, b"x".to_vec().into(), SendOptions::default()), Err(Error::Closed));
        assert!(pair.run_until(seconds(60), |a, b| a.is_closed() && b.is_closed()), "seed {seed}");
        let b = events(&mut pair.b);
        assert_eq!(b.iter().filter(|e| matches!(e, Event::Message(_))).count(), 50);
        assert!(b.contains(&Event::ShuttingDown));
        assert_eq!(b.last(), Some(&Event::Closed(CloseReason::Shutdown)));
        assert_eq!(events(&mut pair.a).last(), Some(&Event::Closed(CloseReason::Shutdown)));
    }
}

/// RFC 9260 §9.2.
#[test]
fn both_sides_may_shut_down_at_once() {
    let mut pair = connected(both(8, delay(20)));
    pair.a.shutdown(pair.now()).unwrap();
    pair.b.shutdown(pair.now()).unwrap();
    assert!(pair.run_until(seconds(10), |a, b| a.is_closed() && b.is_closed()));
    assert_eq!(events(&mut pair.a), [Event::Closed(CloseReason::Shutdown)]);
    assert_eq!(events(&mut pair.b), [Event::Closed(CloseReason::Shutdown)]);
}

/// RFC 9260 §9.1: the peer hears why.
#[test]
fn an_abort_ends_both_sides_and_says_why() {
    let mut pair = connected(both(9, delay(20)));
    pair.a.abort("out of coffee");
    pair.run(seconds(1));
    assert_eq!(events(&mut pair.a), [Event::Closed(CloseReason::Aborted)]);
    assert_eq!(events(&mut pair.b), [Event::Closed(CloseReason::AbortedByPeer("out of coffee".into()))]);
    assert!(pair.a.poll_timeout().is_none() && pair.b.poll_timeout().is_none());
}

/// RFC 9260 §8.1: with a limit, a silent peer ends the association.
#[test]
fn a_peer_that_falls_silent_is_given_up_if_a_limit_is_set() {
    let config = Config { max_retransmissions: Some(5), ..Config::default() };
    let mut pair = connected(both_with(10, delay(20), config, Config::default()));
    pair.set_up(false);
    send(&mut pair, 1, b"anybody?");
    assert!(pair.run_until(seconds(60), |a, _| a.is_closed()));
    assert_eq!(events(&mut pair.a), [Event::Closed(CloseReason::TimedOut)]);
}

/// RFC 9260 §8.3: an idle association keeps an eye on the peer, and on the round trip.
#[test]
fn heartbeats_go_out_while_nothing_else_does() {
    let mut pair = connected(both(11, delay(20)));
    pair.run(seconds(5));
    let before = pair.sent;
    pair.run(seconds(120));
    assert!((4..=12).contains(&(pair.sent[0] - before[0])), "{:?} {before:?}", pair.sent);
    assert!(pair.a.stats().rtt.is_some_and(|rtt| rtt.abs_diff(ms(40)) < ms(1)));
}

/// RFC 9260 §6.9: messages of all sizes, whole.
#[test]
fn messages_of_any_size_arrive_whole() {
    for interleaving in [true, false] {
        let config = Config { interleaving, ..Config::default() };
        let mut pair = connected(both_with(12, delay(5), config.clone(), config));
        let sizes = [1, 2, 3, 1150, 1168, 1169, 1200, 2400, 65536, 262_144, 5_000_000];
        for (n, len) in sizes.iter().enumerate() {
            send(&mut pair, 5, &pattern(n, *len));
        }
        let mut got = Vec::new();
        assert!(pair.run_until(seconds(60), |_, b| {
            got.extend(messages(b));
            got.len() == sizes.len()
        }));
        for (n, (message, len)) in got.iter().zip(sizes).enumerate() {
            assert!(message.payload == pattern(n, len), "message {n}");
            assert_eq!((message.stream, message.ppid, message.unordered), (StreamId(5), 53, false));
        }
        assert_eq!(pair.a.interleaves(), interleaving);
    }
}

/// A message larger than the receive buffer: only its rest can let it go, so it must not close the window.
#[test]
fn a_message_larger_than_the_window_arrives() {
    let small = Config { receive_buffer: 100_000, ..Config::default() };
    let mut pair = connected(both_with(13, delay(5), Config::default(), small));
    let payload = pattern(0, 3_000_000);
    send(&mut pair, 0, &payload);
    let mut got = Vec::new();
    assert!(pair.run_until(seconds(60), |_, b| {
        got.extend(messages(b));
        !got.is_empty()
    }));
    assert!(got[0].payload == payload);
}

#[test]
fn a_message_beyond_the_limit_ends_the_association() {
    let small = Config { max_message_size: 50_000, ..Config::default() };
    let mut pair = connected(both_with(14, delay(5), Config::default(), small));
    send(&mut pair, 0, &pattern(0, 60_000));
    pair.run(seconds(5));
    assert_eq!(events(&mut pair.b), [Event::Closed(CloseReason::OutOfResource)]);
    assert_eq!(events(&mut pair.a), [Event::Closed(CloseReason::AbortedByPeer("the peer is out of resources".into()))]);
}

/// RFC 9260 §6.2: a program that does not read stops its peer, and memory stays within the window.
#[test]
fn a_program_that_does_not_read_closes_the_window() {
    let small = Config { receive_buffer: 200_000, ..Config::default() };
    let mut pair = connected(both_with(15, delay(10), Config::default(), small));
    for n in 0..1000 {
        send(&mut pair, 1, &pattern(n, 1000));
    }
    pair.run(seconds(20));
    let stuck = pair.a.total_buffered_amount();
    assert!(stuck > 700_000, "{stuck} bytes wait at the sender");
    assert!(!pair.a.is_closed(), "a peer without room is alive (RFC 9260 §6.1)");
    let mut got = Vec::new();
    assert!(pair.run_until(seconds(20), |_, b| {
        got.extend(messages(b));
        got.len() == 1000
    }));
    assert!(got.iter().enumerate().all(|(n, m)| m.payload == pattern(n, 1000)));
}

/// RFC 9260 §6.2: messages in both directions acknowledge each other; an idle pair is silent.
#[test]
fn an_idle_association_sends_nothing() {
    let mut pair = connected(both(16, delay(10)));
    send(&mut pair, 1, b"x");
    pair.run(seconds(2));
    let before = pair.sent;
    pair.run(seconds(20));
    assert_eq!(pair.sent, before);
}

/// RFC 6525 §5.1, §5.2.2: both directions start anew, one after the other, and the numbers with them.
#[test]
fn streams_are_reset_and_used_again() {
    for (seed, interleaving, loss) in [(17, true, 0.0), (18, false, 0.0), (19, true, 0.2), (20, false, 0.2)] {
        let config = Config { interleaving, ..Config::default() };
        let link = delay(10).with_loss(Loss::Random(loss));
        let mut pair = connected(both_with(seed, link, config.clone(), config));
        for round in 0..5u8 {
            send(&mut pair, 7, &pattern(usize::from(round), 30_000));
            pair.a.reset_streams(&[StreamId(7)]).unwrap();
            let now = pair.now();
            let refused = pair.a.send(now, StreamId(7), 53, b"x".to_vec().into(), SendOptions::default());
            assert_eq!(refused, Err(Error::StreamResetting(StreamId(7))));
            assert!(
                pair.run_until(seconds(60), |a, _| {
                    events(a).contains(&Event::OutgoingReset { streams: vec![StreamId(7)], done: true })
                }),
                "seed {seed} round {round}"
            );
            pair.run(seconds(5));
            let b = events(&mut pair.b);
            let is = |e: &Event| matches!(e, Event::Message(m) if m.payload == pattern(usize::from(round), 30_000));
            assert_eq!(b.iter().filter(|e| is(e)).count(), 1, "seed {seed} round {round}");
            assert_eq!(b.last(), Some(&Event::IncomingReset(vec![StreamId(7)])));
        }
    }
}

/// RFC 6525 §5.1.1: one request at a time; streams that come later wait for the next.
#[test]
fn many_streams_are_reset_in_few_requests() {
    let mut pair = connected(both(21, delay(10)));
    for id in 0..100 {
        send(&mut pair, id, b"x");
        pair.a.reset_streams(&[StreamId(id)]).unwrap();
    }
    let mut done = 0;
    assert!(pair.run_until(seconds(5), |a, _| {
        for event in events(a) {
            if let Event::OutgoingReset { streams, done: true } = event {
                done += streams.len();
            }
        }
        done == 100
    }));
}

#[test]
fn the_low_water_mark_is_told_once_per_crossing() {
    let mut pair = connected(both(22, delay(10)));
    pair.a.set_low_water(StreamId(1), 50_000);
    for n in 0..100 {
        send(&mut pair, 1, &pattern(n, 10_000));
    }
    assert_eq!(pair.a.buffered_amount(StreamId(1)), 1_000_000);
    pair.run(seconds(10));
    let low: Vec<Event> = std::iter::from_fn(|| pair.a.poll_event()).collect();
    assert_eq!(low, [Event::BufferedAmountLow(StreamId(1))]);
    assert_eq!(pair.a.buffered_amount(StreamId(1)), 0);
}

#[test]
fn the_send_buffer_is_bounded() {
    let config = Config { send_buffer: 100_000, ..Config::default() };
    let mut pair = connected(both_with(23, delay(10), config, Config::default()));
    let mut accepted = 0;
    let error = loop {
        let now = pair.now();
        match pair.a.send(now, StreamId(0), 53, vec![0; 9000].into(), SendOptions::default()) {
            Ok(()) => accepted += 9000,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::BufferFull { buffered: accepted });
    assert!(accepted <= 100_000);
}

/// RFC 3758 §3.5, RFC 7496: a message may be given up after a number of retransmissions, or a time; the ones after it pass.
#[test]
fn messages_are_given_up_as_asked() {
    for (seed, interleaving, options) in [
        (30, true, SendOptions { max_retransmissions: Some(0), ..Default::default() }),
        (31, false, SendOptions { max_retransmissions: Some(0), ..Default::default() }),
        (32, true, SendOptions { lifetime: Some(ms(60)), ..Default::default() }),
        (33, false, SendOptions { lifetime: Some(ms(60)), ..Default::default() }),
        (34, true, SendOptions { max_retransmissions: Some(0), unordered: true, ..Default::default() }),
        (35, false, SendOptions { max_retransmissions: Some(0), unordered: true, ..Default::default() }),
    ] {
        let config = Config { interleaving, ..Config::default() };
        let link = delay(20).with_loss(Loss::Random(0.15));
        let mut pair = connected(both_with(seed, link, config.clone(), config));
        let mut got = Vec::new();
        for n in 0..200 {
            send_with(&mut pair, 1, &pattern(n, 3000), options);
            pair.run(ms(10));
            got.extend(messages(&mut pair.b));
        }
        pair.run(seconds(10));
        // The last one is reliable: it comes only if nothing before it is waited for.
        send(&mut pair, 1, b"the end");
        assert!(
            pair.run_until(seconds(30), |_, b| {
                got.extend(messages(b));
                got.last().is_some_and(|m| m.payload == b"the end"[..])
            }),
            "seed {seed}"
        );
        pair.run(seconds(1));
        let count = got.len() - 1;
        assert!((60..195).contains(&count), "seed {seed}: {count} of 200 arrived");
        assert!(got[..count].iter().all(|m| (0..200).any(|n| m.payload == pattern(n, 3000))));
        assert_eq!(pair.a.stats().in_flight, 0);
    }
}

/// RFC 3758 §3.5: also when the path is cut for longer than the messages live, in the queue and on their way.
#[test]
fn expired_messages_do_not_hold_up_the_stream() {
    let mut pair = connected(both(36, delay(20)));
    pair.set_up(false);
    let brief = SendOptions { lifetime: Some(ms(100)), ..Default::default() };
    for n in 0..500 {
        send_with(&mut pair, 1, &pattern(n, 1000), brief);
    }
    pair.run(seconds(2));
    assert_eq!(pair.a.total_buffered_amount(), 0, "what expired before it was sent is gone");
    pair.set_up(true);
    send(&mut pair, 1, b"still here");
    assert!(pair.run_until(seconds(5), |_, b| messages(b).iter().any(|m| m.payload == b"still here"[..])));
}

/// RFC 9653 §5: no checksum once both sides have agreed, and always one before.
#[test]
fn checksums_are_left_out_where_agreed() {
    for (a, b) in [(true, true), (true, false), (false, true)] {
        let config = |zero_checksum| Config { zero_checksum, ..Config::default() };
        let mut pair = connected(both_with(40, delay(10), config(a), config(b)));
        // The path's size is probed first.
        pair.run(ms(500));
        send(&mut pair, 1, b"x");
        let mut out = Vec::new();
        let now = pair.now();
        assert!(pair.a.poll_transmit(now, &mut out).is_some());
        assert_eq!(out[8..12] == [0; 4], a && b);
        pair.inject(1, &out);
        assert_eq!(messages(&mut pair.b).len(), 1);
    }
}

/// The same seeds and the same network: the same packets.
#[test]
fn runs_repeat_exactly() {
    let run = || {
        let mut pair = connected(both(50, delay(20).with_loss(Loss::Random(0.05))));
        for n in 0..100 {
            send(&mut pair, n as u16 % 4, &pattern(n, 10_000));
        }
        pair.run(seconds(10));
        (pair.sent, pair.a.stats(), pair.b.stats())
    };
    assert_eq!(run(), run());
}
