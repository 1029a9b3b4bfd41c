//! A notice of a mail server in words.

#![no_main]

#[path = "../all.rs"]
mod all;

libfuzzer_sys::fuzz_target!(|input: &[u8]| all::properties::notice(input));
