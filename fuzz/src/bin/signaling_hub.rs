//! libFuzzer runs `parlour_fuzz::signaling_hub`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::signaling_hub(input));
