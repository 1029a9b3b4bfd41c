//! The properties, as the targets have them.

#![allow(dead_code, reason = "each target has one door")]

#[path = "properties.rs"]
pub mod properties;
#[path = "spool.rs"]
pub mod spool;
#[path = "session.rs"]
pub mod session;
