//! libFuzzer runs `parlour_fuzz::srtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::srtp(input));
