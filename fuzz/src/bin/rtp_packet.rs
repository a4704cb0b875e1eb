//! libFuzzer runs `parlour_fuzz::rtp_packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::rtp_packet(input));
