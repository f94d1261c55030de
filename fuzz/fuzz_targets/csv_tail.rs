#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scorehost_fuzz::run("csv_tail", data));
