//! What operators watch: figures, rules that alert, a dashboard, and lines of the log.

mod figures;
mod prometheus;
mod scene;
