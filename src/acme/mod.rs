//! Certificates that an authority gives us by itself (RFC 8555): asked for, proven to be ours, kept in the
//! data folder, renewed in time, and served from the moment they are there.

mod schedule;

mod keeper;

mod line;
mod order;

mod runner;
#[cfg(test)]
mod tests;

pub use keeper::advice;
pub use runner::{Acme, Parts, Standing};
