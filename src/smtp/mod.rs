//! The SMTP protocol without a network or a clock: lines, commands, replies, the server's session, the
//! client's dialog, message data, SASL.

pub mod client;
pub mod command;
pub mod data;
pub mod line;
pub mod sasl;
pub mod scram;
pub mod session;

pub use client::{Capabilities, DotStuffer, ReplyFault, ReplyParser, chunks};
