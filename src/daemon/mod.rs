//! The whole: builds every part from the settings, opens the listeners in order, says `ready`, runs
//! until it is told to stop, and drains. The only place that knows everyone.

mod listeners;
mod run;

pub use run::{Running, serve, start};
