//! A message that comes back, taken apart and understood.

#![no_main]

#[path = "../all.rs"]
mod all;

libfuzzer_sys::fuzz_target!(|input: &[u8]| all::properties::message(input));
