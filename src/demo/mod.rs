//! The story of the README, told over the real daemon: submission, consent, delivery, a reply of "R",
//! a stop that binds queued mail, a refusal with its reason. Every step is checked; the demo ends well
//! only if all held.

mod lab;
pub mod receiver;
mod story;

pub use story::run;
