//! Logs: lines to standard error, or to the journal that reads it.

use super::addresses::{Addresses, Lines};
use crate::config::{self, LogAddresses};
use std::io::{IsTerminal, stderr};
use std::path::Path;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format;

/// Sends what is logged to standard error, from `log.level` upwards, with addresses as `log.addresses` has
/// them. Where a process has done so already, nothing changes; a level that cannot be read counts as
/// `info`, and is complained of.
pub fn init_logs(settings: &config::Log, data_dir: &Path) {
    let filter = EnvFilter::try_new(&settings.level);
    let fault = filter.as_ref().err().map(ToString::to_string);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let (addresses, key_fault) = Addresses::new(settings.addresses, data_dir);
    let is_full = settings.addresses == LogAddresses::Full;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_full && stderr().is_terminal());
    let begun = if settings.json {
        lines.with_writer(Lines(addresses)).json().flatten_event(true).try_init()
    } else if is_full {
        lines.with_writer(stderr).try_init()
    } else {
        // Field by field: in `recipient=ann@reader.example` the name is no part of the address.
        let fields = format::debug_fn(move |writer, field, value| {
            let value = format!("{value:?}");
            match field.name() {
                "message" => write!(writer, "{}", addresses.masked(&value)),
                name => write!(writer, "{name}={}", addresses.masked(&value)),
            }
        });
        lines.with_writer(stderr).fmt_fields(fields.delimited(" ")).try_init()
    };
    if let (Ok(()), Some(fault)) = (&begun, fault) {
        tracing::warn!(target: "relent::telemetry", level = settings.level,
            "log.level cannot be read, `info` is used: {fault}");
    }
    if let (Ok(()), Some(fault)) = (&begun, key_fault) {
        tracing::warn!(target: "relent::telemetry", %fault,
            "the key under which addresses are hashed cannot be kept in data_dir: hashes of this run \
             fit those of no other");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_can_be_asked_for_twice() {
        let home = tempfile::tempdir().expect("a folder");
        let settings =
            config::Log { level: "warn,relent=info".into(), json: true, ..config::Log::default() };
        init_logs(&settings, home.path());
        init_logs(&config::Log::default(), home.path());
    }
}
