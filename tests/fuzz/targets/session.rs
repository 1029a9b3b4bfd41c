//! A whole session of a client.

#![no_main]

#[path = "../all.rs"]
mod all;

libfuzzer_sys::fuzz_target!(|input: &[u8]| all::session::session(input));
