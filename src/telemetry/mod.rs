//! Logs and metrics: set up once by the daemon. Everyone else speaks to `tracing` and `metrics`.

mod addresses;
mod level;
mod log;
mod meter;
mod text;

pub use level::{Amount, Level};
pub use log::init_logs;
pub use meter::metrics;
pub use text::{OPEN_METRICS, open_metrics};
