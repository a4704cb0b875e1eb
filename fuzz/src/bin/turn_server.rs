//! libFuzzer runs `parlour_fuzz::turn_server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::turn_server(input));
