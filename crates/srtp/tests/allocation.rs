//! After the first packet of an SSRC nothing on the way of a packet allocates.

use parlour_srtp::{MasterKey, ProtectionProfile, SrtpReceiver, SrtpSender};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    // Of this thread: the test runner allocates on its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn packets_of_known_sources_do_not_allocate() {
    for profile in ProtectionProfile::ALL {
        let key = MasterKey::new(profile, &[1; 32][..profile.key_length()], &[2; 14][..profile.salt_length()]).unwrap();
        let (mut sender, mut receiver) = (SrtpSender::new(&key), SrtpReceiver::new(&key));
        let mut buffer = [0; 1500];
        let mut exchange = |sequence: u16, forge: bool| {
            let [high, low] = sequence.to_be_bytes();
            buffer[..12].copy_from_slice(&[0x80, 96, high, low, 0, 0, 0, 0, 0, 0, 0, sequence as u8 % 3]);
            let length = sender.protect_rtp(&mut buffer, 1200).unwrap();
            buffer[length - 1] ^= u8::from(forge);
            assert_eq!(receiver.unprotect_rtp(&mut buffer[..length]).is_ok(), !forge);
            buffer[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 7]);
            let length = sender.protect_rtcp(&mut buffer, 100).unwrap();
            receiver.unprotect_rtcp(&mut buffer[..length]).unwrap();
        };
        (0..10).for_each(|sequence| exchange(sequence, false));
        let before = ALLOCATIONS.get();
        (10..1000).for_each(|sequence| exchange(sequence, sequence % 50 == 0));
        assert_eq!(ALLOCATIONS.get() - before, 0, "{profile:?}");
    }
}
