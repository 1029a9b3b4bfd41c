//! The whole: builds every part from the settings, opens the listeners in order, says `ready`, runs
//! until it is told to stop, and drains. The only place that knows everyone.

pub mod audit;
pub mod cage;
mod check;
mod clock;
mod directory;
mod doors;
mod ground;
mod held;
mod keeping;
mod listeners;
mod outgoing;
mod premises;
mod pulse;
mod reload;
mod run;
mod status;
mod tend;
mod user;
mod watchdog;

pub use check::{advice, check, foresee};
pub use ground::Ground;
pub use premises::needs_a_mend;
pub use run::{Running, serve, start};
