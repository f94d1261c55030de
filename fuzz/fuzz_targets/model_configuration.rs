#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| scorehost_fuzz::run("model_configuration", data));
