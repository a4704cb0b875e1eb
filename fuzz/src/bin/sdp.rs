//! libFuzzer runs `parlour_fuzz::sdp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::sdp(input));
