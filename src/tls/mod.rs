//! Certificates: ours, read from files and watched, or given by an authority, one for each name; and others',
//! and what they must prove.

mod binding;
mod chain;
mod client;
mod dane;
mod doubts;
mod expiry;
mod files;
mod handshakes;
mod identity;
mod server;
mod shown;
#[cfg(test)]
mod tests;
mod told;
mod verify;

pub use binding::Bindings;
pub use client::Client;
pub use dane::usable;
pub use doubts::Asked;
pub use expiry::{Held, Holds};
pub use files::TlsFault;
pub use handshakes::shaken;
pub use server::{Issued, Server};
pub use shown::{Shown, shown};
pub use told::{of_certificate, told};
pub use verify::{CertificateFault, Demand};
