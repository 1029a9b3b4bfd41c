//! Logs and metrics: set up once by the daemon. Everyone else speaks to `tracing` and `metrics`. And sessions as
//! they are spoken, for who looks on.

mod addresses;
mod level;
mod log;
mod meter;
mod text;
mod trace;

pub use level::{Amount, Level};
pub use log::init_logs;
pub use meter::metrics;
pub use text::{OPEN_METRICS, open_metrics};
pub use trace::{Crowded, Look, SessionKind, Sight, Speaker, SpokenLine, Told, Tracer, Voice};
