//! Certificates that an authority gives us by itself (RFC 8555): asked for, proven to be ours, kept in the
//! data folder, renewed in time, and served from the moment they are there.

mod handle;
mod keeper;
mod line;
mod order;
mod runner;
mod schedule;
#[cfg(test)]
mod tests;

pub use handle::{Acme, Parts, Standing};
pub use keeper::advice;
