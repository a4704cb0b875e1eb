//! libFuzzer runs `parlour_fuzz::turn_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::turn_client(input));
