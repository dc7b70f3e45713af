#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tfruns_rs::fuzzing::lazy(data));
