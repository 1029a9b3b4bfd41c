//! Logs and metrics: set up once by the daemon, with the list of all figures. Everyone else speaks to `tracing` and `metrics`.
//! And sessions as they are spoken, for who looks on.

mod addresses;
mod entry;
#[cfg(feature = "otel")]
mod export;
mod figures;
mod journal;
mod level;
mod lines;
mod list;
mod log;
mod meter;
mod text;
mod trace;
mod traces;

pub(crate) use figures::AGES;
pub use level::{Amount, Level};
pub use list::{Kind, Label, Metric, Values, metric_named, metrics_listed, metrics_page};
pub use log::{LogLevel, init_logs};
pub use meter::metrics;
pub use text::{OPEN_METRICS, TEXT_METRICS, open_metrics};
pub use trace::{Crowded, Look, SessionKind, Sight, Speaker, SpokenLine, Told, Tracer, Voice};
pub use traces::{Sending, Traces, of_message};
