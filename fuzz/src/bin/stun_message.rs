//! libFuzzer runs `parlour_fuzz::stun_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::stun_message(input));
