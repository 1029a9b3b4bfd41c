//! Certificates: ours, loaded, made and reloaded; and others', and what they must prove.

mod binding;
mod client;
mod dane;
mod handshakes;
mod server;
mod shown;
#[cfg(test)]
mod tests;
mod told;
mod verify;

pub use binding::Bindings;
pub use client::Client;
pub use dane::usable;
pub use handshakes::shaken;
pub use server::{Server, TlsFault};
pub use shown::{Shown, shown};
pub use told::{of_certificate, told};
pub use verify::{CertificateFault, Demand};
