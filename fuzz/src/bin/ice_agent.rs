//! libFuzzer runs `parlour_fuzz::ice_agent`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::ice_agent(input));
