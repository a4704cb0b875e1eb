//! libFuzzer runs `parlour_fuzz::rtcp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::rtcp(input));
