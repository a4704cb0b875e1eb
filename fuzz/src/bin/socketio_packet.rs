//! libFuzzer runs `parlour_fuzz::socketio_packet`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| parlour_fuzz::socketio_packet(input));
