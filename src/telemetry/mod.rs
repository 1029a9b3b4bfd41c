//! Logs and metrics: set up once by the daemon. Everyone else speaks to `tracing` and `metrics`.

mod log;
mod meter;

pub use log::init_logs;
pub use meter::metrics;
