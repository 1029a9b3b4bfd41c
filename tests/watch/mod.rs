//! What operators watch: figures, rules that alert, a dashboard, and lines of the log.

mod figures;
mod log;
mod prometheus;
mod scene;
