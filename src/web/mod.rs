//! Web servers that others name: a domain's policy is fetched, a report is handed in, an account's program
//! is called. Names and addresses that strangers publish must not lead us into our own network.

mod client;
mod destination;
mod pause;

pub use client::{Asked, Page, Stream, Web, WebFault};
pub use destination::{Refused, permitted};
pub use pause::pause;
