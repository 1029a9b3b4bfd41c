//! What operators watch: figures, rules that alert, a dashboard, and lines of the log.

mod fail2ban;
mod figures;
mod log;
mod prometheus;
mod scene;
#[cfg(feature = "otel")]
mod traces;
