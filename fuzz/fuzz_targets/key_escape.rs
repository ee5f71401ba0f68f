#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oss_append_fuzz::key_escape::run(data));
