//! Peers that mean harm: whatever they send, memory stays within the configured bounds, answers are few, and nothing breaks.

use parlour_sctp::{
    Association, ChannelEvent, CloseReason, Config, DataChannels, Event, Role, SendOptions, StreamId, Tsn,
    packet::{
        self, Abort, Cause, Chunks, Control, Data, ForwardTsn, GapBlock, Header, Heartbeat, Init, InitKind, Placement,
        ReConfig, Reset, Sack, Skipped, StreamList, Support,
    },
};
use proptest::prelude::*;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::{Duration, Instant},
};

/// Counts what the thread of a test holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: all calls go to the system's allocator unchanged; counting touches only cells of the thread, which allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were held while `packets` packets were taken in, beyond those before. On average each takes at most 100 µs of the
/// thread's CPU time, which is far above what any of them takes.
fn peak(packets: u32, run: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    let start = cpu();
    run();
    let each = (cpu() - start) / packets;
    println!("{each:?} CPU a packet, {} bytes at most", PEAK.get() - before);
    assert!(each < Duration::from_micros(100), "{each:?} a packet");
    (PEAK.get() - before).max(0) as usize
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

const TAG: u32 = 0xbad;
const TSN: Tsn = Tsn(1000);

fn support(interleaving: bool) -> Support {
    Support { forward_tsn: true, reconfig: true, interleaving, zero_checksum: true }
}

fn init(kind: InitKind, interleaving: bool) -> Init<'static> {
    Init {
        kind,
        tag: TAG,
        window: 1 << 20,
        outgoing: 65535,
        incoming: 65535,
        tsn: TSN,
        support: support(interleaving),
        cookie: None,
    }
}

/// The victim, and what the attacker knows of it.
struct Scene {
    victim: Association,
    now: Instant,
    tag: u32,
    first: Tsn,
    out: Vec<u8>,
}

impl Scene {
    fn new(config: Config, interleaving: bool) -> Self {
        let now = Instant::now();
        let mut victim = Association::new(now, config, [9; 32]);
        let mut mine = Vec::new();
        init(InitKind::Init, interleaving).write(&[], &mut mine);
        let theirs = victim.local_init();
        let chunk = Chunks::new(&theirs).next().unwrap().unwrap();
        let known = Init::parse(&chunk, |_| {}).unwrap();
        let (tag, first) = (known.tag, known.tsn);
        victim.connect_with(now, &mine).unwrap();
        Scene { victim, now, tag, first, out: Vec::new() }
    }

    fn packet(&self, tag: u32, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        Header { source_port: 5000, destination_port: 5000, verification_tag: tag }.write(&mut out);
        write(&mut out);
        packet::seal(&mut out, 0);
        out
    }

    fn attack(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let packet = self.packet(self.tag, write);
        self.victim.handle_datagram(self.now, &packet);
    }

    /// What the victim sends now: packets and bytes.
    fn answers(&mut self) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        loop {
            self.out.clear();
            let Some(sent) = self.victim.poll_transmit(self.now, &mut self.out) else { return (count, bytes) };
            count += 1;
            bytes += sent.len;
            assert!(count < 10_000, "no end of answers");
        }
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.victim.poll_event()).collect()
    }

    /// Lets time pass with all timers; returns packets sent.
    fn pass(&mut self, time: Duration) -> usize {
        let until = self.now + time;
        let mut sent = self.answers().0;
        while let Some(at) = self.victim.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.victim.handle_timeout(self.now);
            sent += self.answers().0;
        }
        self.now = until;
        sent
    }
}

fn data(tsn: u32, stream: u16, placement: Placement, flags: u8, payload: &[u8]) -> Data<'_> {
    Data {
        tsn: TSN.plus(tsn),
        stream: StreamId(stream),
        placement,
        ppid: 53,
        begin: flags & 1 != 0,
        end: flags & 2 != 0,
        unordered: flags & 4 != 0,
        immediate: false,
        payload,
    }
}

fn mid(mid: u32, fsn: u32) -> Placement {
    Placement::Message { mid, fsn }
}

/// RFC 9260 §6.2: TSNs out of nowhere are neither kept nor acknowledged, and those with gaps fill the window at most.
#[test]
fn bogus_tsns_do_not_fill_the_memory() {
    let config = Config { receive_buffer: 1 << 20, ..Config::default() };
    let mut scene = Scene::new(config, true);
    let most = peak(400_000, || {
        for n in 0..200_000u32 {
            let tsn = n.wrapping_mul(2_654_435_761);
            scene.attack(|out| data(tsn, n as u16, mid(n, n % 7), (n % 8) as u8, &[1; 1000]).write(out));
            if n % 16 == 0 {
                scene.answers();
            }
        }
        for n in 0..200_000u32 {
            scene.attack(|out| data(2 + 2 * (n % 30_000), 1, mid(n, 1), 0, &[1; 100]).write(out));
            if n % 16 == 0 {
                scene.answers();
            }
        }
    });
    assert!(most < 8 << 20, "{most} bytes");
    assert!(scene.victim.stats().refused > 100_000);
}

/// One-byte pieces cost more than a byte: that counts too.
#[test]
fn tiny_pieces_do_not_cost_more_than_the_window() {
    let config = Config { receive_buffer: 1 << 20, ..Config::default() };
    for interleaving in [true, false] {
        let mut scene = Scene::new(config.clone(), interleaving);
        let place = |n: u32| if interleaving { mid(n + 1, 0) } else { Placement::Stream { ssn: n as u16 + 1 } };
        let most = peak(60_000, || {
            // In order of TSN, complete, but the first message of the stream never comes.
            for n in 0..60_000u32 {
                scene.attack(|out| data(n, 1, place(n % 30_000), 3, &[1]).write(out));
                scene.answers();
            }
        });
        assert!(most < 16 << 20, "{most} bytes");
    }
}

/// Beginnings of messages that never end: too many end the association.
#[test]
fn unfinished_messages_without_end_are_cut_off() {
    let mut scene = Scene::new(Config::default(), true);
    let most = peak(200_000, || {
        for n in 0..200_000u32 {
            scene.attack(|out| data(n, n as u16, mid(n >> 16, 0), 5, &[1; 10]).write(out));
            scene.answers();
        }
    });
    assert_eq!(scene.events().last(), Some(&Event::Closed(CloseReason::OutOfResource)));
    assert!(most < 16 << 20, "{most} bytes");
    let mut scene =
        Scene::new(Config { max_message_size: 1 << 20, receive_buffer: 1 << 20, ..Config::default() }, true);
    let most = peak(20_000, || {
        for n in 0..20_000u32 {
            scene.attack(|out| data(n, (n % 50) as u16, mid(0, n / 50), u8::from(n < 50), &[1; 1000]).write(out));
            scene.answers();
        }
    });
    assert_eq!(scene.events().last(), Some(&Event::Closed(CloseReason::OutOfResource)));
    assert!(most < 16 << 20, "{most} bytes");
}

/// A program that never reads is no reason to grow either.
#[test]
fn unread_messages_are_bounded() {
    let mut scene = Scene::new(Config { receive_buffer: 1 << 20, ..Config::default() }, true);
    let most = peak(50_000, || {
        for n in 0..50_000u32 {
            scene.attack(|out| data(n, 1, mid(n, 0), 3, &[1; 1000]).write(out));
            scene.answers();
        }
    });
    assert!(most < 6 << 20, "{most} bytes");
    assert!(!scene.victim.is_closed());
}

/// All 65,535 streams, reset and used again.
#[test]
fn stream_bombs_cost_little() {
    let mut scene = Scene::new(Config::default(), true);
    let most = peak(66_534, || {
        for n in 0..65_534u32 {
            scene.attack(|out| data(n, n as u16, mid(0, 0), 3, &[1; 4]).write(out));
            scene.answers();
            scene.victim.poll_event();
            scene.victim.poll_event();
        }
        let all = StreamList::new(&[]);
        for n in 0..1000 {
            let reset =
                Reset::Outgoing { request: TSN.plus(n).0, response: 0, last_tsn: TSN.plus(65_533), streams: all };
            scene.attack(|out| ReConfig::write(&[reset], out));
            scene.answers();
            scene.events();
        }
    });
    assert!(most < 24 << 20, "{most} bytes");
}

/// SACKs full of blocks, in any order, about what was sent and what was not.
#[test]
fn gap_block_bombs_are_harmless() {
    let mut scene = Scene::new(Config::default(), true);
    for _ in 0..2000 {
        scene.victim.send(scene.now, StreamId(1), 53, vec![1; 1000].into(), SendOptions::default()).unwrap();
    }
    scene.answers();
    let most = peak(2000, || {
        for round in 0..2000u16 {
            let blocks: Vec<GapBlock> = (0..350u16)
                .map(|n| {
                    let start = n.wrapping_mul(round | 1).wrapping_mul(7919);
                    GapBlock { start, end: start.wrapping_add(round % 5) }
                })
                .collect();
            let cumulative = scene.first.minus(1).plus(u32::from(round) / 100);
            let doubles = [scene.first.plus(u32::from(round)); 20];
            scene.attack(|out| Sack::write(out, cumulative, u32::MAX, blocks.into_iter(), &doubles));
            scene.answers();
            scene.now += Duration::from_millis(1);
            scene.victim.handle_timeout(scene.now);
        }
    });
    assert!(most < 16 << 20, "{most} bytes");
    // What was never sent cannot be acknowledged.
    let before = scene.victim.stats().in_flight;
    let far = scene.first.plus(1 << 20);
    scene.attack(|out| Sack::write(out, far, 1 << 20, std::iter::empty(), &[]));
    assert_eq!(scene.victim.stats().in_flight, before);
}

/// RFC 9260 §6.1: a window of zero for ever. The association lives, and costs next to nothing.
#[test]
fn a_window_that_never_opens_costs_next_to_nothing() {
    let mut scene = Scene::new(Config { send_buffer: 1 << 20, ..Config::default() }, true);
    let mut accepted = 0;
    while scene.victim.send(scene.now, StreamId(1), 53, vec![1; 1000].into(), SendOptions::default()).is_ok() {
        accepted += 1;
    }
    assert!(accepted <= 1 << 10 | 64);
    let mut sent = 0;
    for _ in 0..3600 {
        let nothing = scene.first.minus(1);
        scene.attack(|out| Sack::write(out, nothing, 0, std::iter::empty(), &[]));
        sent += scene.pass(Duration::from_secs(1));
    }
    assert!(!scene.victim.is_closed());
    assert!(sent < 6000, "{sent} packets in an hour");
}

/// RFC 9260 §5.1.3, §5.2.4: a cookie that comes again and again, too late, or with changes, changes nothing.
#[test]
fn replayed_cookies_change_nothing() {
    let now = Instant::now();
    let mut scene = Scene::new(Config::default(), true);
    let mut server = Association::new(now, Config::default(), [3; 32]);
    let hello = scene.packet(0, |out| init(InitKind::Init, true).write(&[], out));
    server.handle_datagram(now, &hello);
    let mut answer = Vec::new();
    server.poll_transmit(now, &mut answer).unwrap();
    let parsed = packet::Packet::parse(&answer, false).unwrap();
    let chunk = parsed.chunks().next().unwrap().unwrap();
    let ack = Init::parse(&chunk, |_| {}).unwrap();
    let echo = scene.packet(ack.tag, |out| Control::CookieEcho(ack.cookie.unwrap()).write(out));
    let late = now + Duration::from_secs(61);
    let mut idle = Association::new(now, Config::default(), [4; 32]);
    idle.handle_datagram(now, &echo);
    assert!(!idle.is_connected(), "another side's cookie");
    let mut out = Vec::new();
    for _ in 0..10_000 {
        server.handle_datagram(now, &echo);
        out.clear();
        while server.poll_transmit(now, &mut out).is_some() {}
        assert!(out.len() < 2000, "one answer each");
    }
    assert_eq!(std::iter::from_fn(|| server.poll_event()).collect::<Vec<_>>(), [Event::Connected]);
    // The same after the association has moved on.
    server.abort("done");
    server.handle_datagram(late, &echo);
    assert!(server.is_closed());
    scene.answers();
}

/// A flood of INITs, heartbeats, unknown chunks and aborts: answers are bounded, strangers' aborts do nothing, ours ends it once.
#[test]
fn storms_are_answered_sparingly() {
    let mut scene = Scene::new(Config::default(), true);
    scene.answers();
    let most = peak(80_000, || {
        for n in 0..20_000u32 {
            let init = scene.packet(0, |out| init(InitKind::Init, true).write(&[], out));
            scene.victim.handle_datagram(scene.now, &init);
            scene.attack(|out| Heartbeat { ack: false, info: &[7; 1000] }.write(out));
            scene.attack(|out| packet::write_chunk(out, 0xc7, 0, |out| out.extend_from_slice(&[1; 1000])));
            let stranger = scene.packet(n, |out| Abort::write(false, &[Cause::OutOfResource], out));
            scene.victim.handle_datagram(scene.now, &stranger);
        }
    });
    assert!(most < 1 << 20, "{most} bytes");
    let (count, bytes) = scene.answers();
    assert!(count <= 40 && bytes < 40_000, "{count} packets, {bytes} bytes");
    assert_eq!(scene.events(), [Event::Connected]);
    for _ in 0..1000 {
        scene.attack(|out| Abort::write(false, &[Cause::UserInitiated(b"die")], out));
    }
    assert_eq!(scene.events(), [Event::Closed(CloseReason::AbortedByPeer("die".into()))]);
    assert_eq!(scene.answers().0, 0);
}

/// RFC 3758 §3.6: a FORWARD TSN can skip what has not come, not the future.
#[test]
fn forward_tsns_out_of_nowhere_are_ignored() {
    let mut scene = Scene::new(Config::default(), true);
    for jump in [70_000u32, 1 << 20, 1 << 30, u32::MAX / 2 - 1] {
        let entries: Vec<Skipped> = (0..100)
            .map(|n| Skipped::Message { stream: StreamId(n), unordered: n % 2 == 0, mid: u32::MAX / 2 })
            .collect();
        scene.attack(|out| ForwardTsn::write(true, TSN.plus(jump), &entries, out));
        scene.answers();
    }
    scene.attack(|out| data(0, 1, mid(0, 0), 3, b"still fine").write(out));
    assert!(scene.events().iter().any(|e| matches!(e, Event::Message(m) if m.payload == b"still fine"[..])));
}

/// RFC 8832: channels by the thousand with the longest names there are.
#[test]
fn announcements_without_end_are_refused() {
    let now = Instant::now();
    let mut victim = DataChannels::new(now, Config::default(), [5; 32]);
    let theirs = victim.local_init();
    let chunk = Chunks::new(&theirs).next().unwrap().unwrap();
    let tag = Init::parse(&chunk, |_| {}).unwrap().tag;
    let mut mine = Vec::new();
    init(InitKind::Init, true).write(&[], &mut mine);
    victim.connect_with(now, Role::Client, &mine).unwrap();
    let mut open = vec![3, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0];
    open.resize(12 + 65535, b'x');
    let most = peak(120_000, || {
        let mut tsn = 0;
        for stream in 0..2000u16 {
            let pieces: Vec<&[u8]> = open.chunks(1100).collect();
            for (n, piece) in pieces.iter().enumerate() {
                let flags = u8::from(n == 0) | u8::from(n + 1 == pieces.len()) << 1;
                let mut packet = Vec::new();
                Header { source_port: 5000, destination_port: 5000, verification_tag: tag }.write(&mut packet);
                Data { ppid: 50, ..data(tsn, stream, mid(0, n as u32), flags, piece) }.write(&mut packet);
                packet::seal(&mut packet, 0);
                victim.handle_datagram(now, &packet);
                tsn += 1;
                let mut out = Vec::new();
                while victim.poll_transmit(now, &mut out).is_some() {}
            }
        }
    });
    assert!(most < 16 << 20, "{most} bytes");
    let announced =
        std::iter::from_fn(|| victim.poll_event()).filter(|e| matches!(e, ChannelEvent::Announced(_))).count();
    assert!((1..100).contains(&announced), "{announced}");
}

#[derive(Clone, Debug)]
enum Step {
    Data { tsn: u32, stream: u16, mid: u32, fsn: u32, flags: u8, len: usize },
    Sack { cumulative: u32, window: u32, blocks: Vec<(u16, u16)> },
    Forward { tsn: u32, mid: u32 },
    Raw(u8, u8, Vec<u8>),
    Send(usize, Option<u16>),
    Reset(u16),
    Time(u64),
    Read,
    Shutdown,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u32..40, 0u16..4, 0u32..5, 0u32..5, 0u8..8, 1usize..300)
            .prop_map(|(tsn, stream, mid, fsn, flags, len)| Step::Data { tsn, stream, mid, fsn, flags, len }),
        4 => (0u32..50, any::<u32>(), proptest::collection::vec((0u16..60, 0u16..60), 0..5))
            .prop_map(|(cumulative, window, blocks)| Step::Sack { cumulative, window, blocks }),
        1 => (0u32..60, 0u32..6).prop_map(|(tsn, mid)| Step::Forward { tsn, mid }),
        2 => (any::<u8>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60)).prop_map(|(k, f, v)| Step::Raw(k, f, v)),
        4 => (1usize..5000, proptest::option::of(0u16..3)).prop_map(|(n, r)| Step::Send(n, r)),
        1 => (0u16..4).prop_map(Step::Reset),
        2 => (0u64..2_000_000).prop_map(Step::Time),
        2 => Just(Step::Read),
        1 => Just(Step::Shutdown),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any sequence of good and bad chunks, calls and time: no panic, and the association comes to rest.
    #[test]
    fn no_sequence_of_packets_and_calls_breaks_an_association(
        all in proptest::collection::vec(steps(), 1..80),
        interleaving: bool,
    ) {
        let config = Config { receive_buffer: 20_000, max_retransmissions: Some(8), ..Config::default() };
        let mut scene = Scene::new(config, interleaving);
        for step in all {
            match step {
                Step::Data { tsn, stream, mid, fsn, flags, len } => {
                    let payload = vec![flags; len];
                    let place = if interleaving { Placement::Message { mid, fsn } } else { Placement::Stream { ssn: mid as u16 } };
                    scene.attack(|out| data(tsn, stream, place, flags, &payload).write(out));
                }
                Step::Sack { cumulative, window, blocks } => {
                    let base = scene.first.minus(1).plus(cumulative);
                    let blocks = blocks.into_iter().map(|(start, end)| GapBlock { start, end }).collect::<Vec<_>>();
                    scene.attack(|out| Sack::write(out, base, window, blocks.into_iter(), &[base]));
                }
                Step::Forward { tsn, mid } => {
                    let entry = if interleaving {
                        Skipped::Message { stream: StreamId(1), unordered: tsn % 2 == 0, mid }
                    } else {
                        Skipped::Stream { stream: StreamId(1), ssn: mid as u16 }
                    };
                    scene.attack(|out| ForwardTsn::write(interleaving, TSN.plus(tsn), &[entry], out));
                }
                Step::Raw(kind, flags, value) => {
                    scene.attack(|out| packet::write_chunk(out, kind, flags, |out| out.extend_from_slice(&value)));
                }
                Step::Send(len, max_retransmissions) => {
                    let options = SendOptions { max_retransmissions, ..SendOptions::default() };
                    let _ = scene.victim.send(scene.now, StreamId(len as u16 % 4), 53, vec![1; len].into(), options);
                }
                Step::Reset(stream) => {
                    let _ = scene.victim.reset_streams(&[StreamId(stream)]);
                }
                Step::Time(micros) => {
                    scene.pass(Duration::from_micros(micros));
                }
                Step::Read => drop(scene.events()),
                Step::Shutdown => drop(scene.victim.shutdown(scene.now)),
            }
            scene.answers();
        }
        prop_assert!(scene.pass(Duration::from_secs(60)) < 3000, "it babbles");
    }
}
