#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| autod_core::fuzzing::json(bytes));
