#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oss_append_fuzz::crc_join::run(data));
