//! The whole: builds every part from the settings, opens the listeners in order, says `ready`, runs
//! until it is told to stop, and drains. The only place that knows everyone.

pub mod audit;
pub mod cage;
mod check;
mod directory;
mod ground;
mod keeping;
mod listeners;
mod outgoing;
mod pulse;
mod run;
mod status;
mod tend;
mod user;
mod watchdog;

pub use check::{advice, check};
pub use ground::Ground;
pub use run::{Running, serve, start};
