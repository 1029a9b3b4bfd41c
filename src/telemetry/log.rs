//! Logs: lines to standard error, or to the journal that reads it.

use crate::config;
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Sends what is logged to standard error, from `log.level` upwards. Where a process has done so
/// already, nothing changes; a level that cannot be read counts as `info`, and is complained of.
pub fn init_logs(settings: &config::Log) {
    let filter = EnvFilter::try_new(&settings.level);
    let fault = filter.as_ref().err().map(ToString::to_string);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    let begun =
        if settings.json { lines.json().flatten_event(true).try_init() } else { lines.try_init() };
    if let (Ok(()), Some(fault)) = (begun, fault) {
        tracing::warn!(target: "relent::telemetry", level = settings.level,
            "log.level cannot be read, `info` is used: {fault}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_can_be_asked_for_twice() {
        let settings = config::Log { level: "warn,relent=info".into(), json: true };
        init_logs(&settings);
        init_logs(&config::Log::default());
    }
}
