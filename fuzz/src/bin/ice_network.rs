//! libFuzzer runs `parlour_fuzz::ice_network`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::ice_network(input));
