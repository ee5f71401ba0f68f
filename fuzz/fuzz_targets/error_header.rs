#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oss_append_fuzz::error_header::run(data));
