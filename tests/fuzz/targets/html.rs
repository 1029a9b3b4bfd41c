//! A page of HTML.

#![no_main]

#[path = "../all.rs"]
mod all;

libfuzzer_sys::fuzz_target!(|input: &[u8]| all::properties::html(input));
