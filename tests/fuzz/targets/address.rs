//! Addresses, domains and lists of mailboxes.

#![no_main]

#[path = "../all.rs"]
mod all;

libfuzzer_sys::fuzz_target!(|input: &[u8]| all::properties::address(input));
