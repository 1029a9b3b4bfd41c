//! Certificates: ours, loaded, made and reloaded; and how we speak TLS to other mail servers.

mod binding;
mod client;
mod server;

pub use binding::Bindings;
pub use client::opportunistic_connector;
pub use server::{Server, TlsFault};
