//! No allocation per packet on the path of media, once buffers have grown.

use parlour_peer::{
    Certificate, Configuration, EncodedFrame, Event, LocalTrack, Meta, PeerConnection, Socket, TrackKind, Via,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is left to the system's allocator; the counter neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted<T>(count: &mut usize, run: impl FnOnce() -> T) -> T {
    let before = ALLOCATIONS.with(Cell::get);
    let result = run();
    *count += ALLOCATIONS.with(Cell::get) - before;
    result
}

const UNIX: Duration = Duration::from_secs(1_800_000_000);

fn peer(now: Instant, nth: u8) -> PeerConnection {
    let mut state = u64::from(nth) + 1;
    let rng = Box::new(move |bytes: &mut [u8]| {
        bytes.fill_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as u8
        })
    });
    let certificates = vec![Certificate::generate(UNIX).unwrap()];
    let mut pc = PeerConnection::new(Configuration { certificates, ..Configuration::default() }, UNIX, rng).unwrap();
    pc.add_socket(now, Socket::new(format!("192.0.2.{}:4000", nth + 1).parse().unwrap()));
    pc
}

fn settle(pc: &mut PeerConnection) {
    while let Some(event) = pc.poll_event() {
        assert!(!matches!(event, Event::Settled { result: Err(_), .. }), "{event:?}");
    }
}

/// Carries what one has to send to the other; what sending and what receiving allocated, and how many packets it were.
struct Carried {
    sending: usize,
    receiving: usize,
    packets: usize,
}

fn carry(now: Instant, from: &mut PeerConnection, to: &mut PeerConnection, buffer: &mut Vec<u8>) -> Carried {
    let mut carried = Carried { sending: 0, receiving: 0, packets: 0 };
    loop {
        buffer.clear();
        let Some(transmit) = counted(&mut carried.sending, || from.poll_transmit(now, buffer)) else { break };
        let Via::Udp { local, remote } = transmit.via else { panic!("UDP only") };
        counted(&mut carried.receiving, || to.handle_datagram(now, Meta { local: remote, remote: local }, buffer));
        carried.packets += 1;
    }
    carried
}

#[test]
fn frames_cost_no_allocation_for_each_packet() {
    let mut now = Instant::now();
    let mut ends = [peer(now, 0), peer(now, 1)];
    let [a, b] = &mut ends;
    let sender = a.add_track(LocalTrack::new(TrackKind::Video, "v"), &["s"]).unwrap();
    let exchange = |from: &mut PeerConnection, to: &mut PeerConnection, buffer: &mut Vec<u8>| {
        from.set_local_description(None).unwrap();
        settle(from);
        from.poll_transmit(now, buffer);
        settle(from);
        to.set_remote_description(from.local_description().unwrap()).unwrap();
        settle(to);
    };
    let mut buffer = Vec::new();
    exchange(a, b, &mut buffer);
    exchange(b, a, &mut buffer);
    let receiver = b.transceivers().next().unwrap().id();
    b.read_frames(now, receiver, []).unwrap();
    let frame = |number: u32| {
        let mut data = vec![7; 22_000];
        data[0] = u8::from(number > 0);
        EncodedFrame::new(data, number * 3000)
    };
    let mut sent = 0;
    let (mut sending, mut receiving, mut packets) = (0, 0, 0);
    const WARM: u32 = 150;
    for step in 0..3000 {
        now += Duration::from_millis(10);
        for end in [&mut *a, &mut *b] {
            if end.poll_timeout().is_some_and(|due| due <= now) {
                end.handle_timeout(now);
            }
        }
        let mut in_frame = 0;
        if step % 4 == 0 && sent < 300 {
            let next = frame(sent);
            let result = counted(&mut in_frame, || a.send_frame(now, sender, &next));
            sent += u32::from(result.is_ok());
        }
        let there = carry(now, a, b, &mut buffer);
        let mut reading = 0;
        let came = counted(&mut reading, || b.poll_frame());
        carry(now, b, a, &mut buffer);
        settle(a);
        settle(b);
        // Frames only: checks, handshakes and reports come now and then.
        if came.is_some() && sent > WARM && there.packets >= 19 {
            sending += in_frame + there.sending;
            receiving += there.receiving + reading;
            packets += there.packets;
        }
    }
    assert_eq!(sent, 300);
    assert!(packets > 2500, "{packets}");
    eprintln!("{packets} packets: {sending} allocations in sending, {receiving} in receiving");
    assert!(sending * 50 < packets, "{sending} allocations in sending {packets} packets");
    assert!(receiving * 5 < packets, "{receiving} allocations in receiving {packets} packets");
}
