//! Certificates: ours, loaded, made and reloaded; and how we speak TLS to other mail servers.

mod client;
mod server;

pub use client::opportunistic_connector;
pub use server::{Server, TlsFault};
