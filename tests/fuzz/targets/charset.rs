//! A text in any charset.

#![no_main]

#[path = "../all.rs"]
mod all;

libfuzzer_sys::fuzz_target!(|input: &[u8]| all::properties::charset(input));
