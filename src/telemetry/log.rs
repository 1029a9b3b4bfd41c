//! Logs: lines to standard error, or fields to the journal.

use super::addresses::Addresses;
use super::entry::Entry;
use super::journal::{self, Journal};
use super::lines;
use crate::config::{self, LogFormat};
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, reload};

/// How what is logged is written.
enum Form {
    /// For people, in colours or without.
    Text(bool),
    Json,
    Line,
    Journal(Journal),
}

/// Writes what is logged.
struct Log {
    form: Form,
    addresses: Addresses,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let entry = Entry::of(event, &self.addresses);
        let written = match &self.form {
            Form::Text(colours) => lines::text(&entry, *colours),
            Form::Json => lines::json(&entry),
            Form::Line => lines::line(&entry),
            Form::Journal(journal) => match journal.send(&entry) {
                Ok(()) => return,
                // Rather twice than lost.
                Err(_) => lines::text(&entry, false),
            },
        };
        // Where standard error is closed there is nobody to complain to.
        let _ = stderr().write_all(written.as_bytes());
    }
}

/// The form that the settings mean, and why it is not the one that they name.
fn form(settings: &config::Log) -> (Form, Option<String>) {
    let format = match settings.format {
        LogFormat::Auto if settings.json => LogFormat::Json,
        LogFormat::Auto if journal::is_ours() => LogFormat::Journal,
        format => format,
    };
    match format {
        LogFormat::Json => (Form::Json, None),
        LogFormat::Line => (Form::Line, None),
        LogFormat::Journal => match Journal::open(&settings.journal) {
            Ok(journal) => (Form::Journal(journal), None),
            Err(fault) => {
                let path = settings.journal.display();
                let why = format!("{path}: {fault}: lines of text are written in place of it");
                (Form::Text(false), Some(why))
            }
        },
        LogFormat::Text | LogFormat::Auto => (Form::Text(stderr().is_terminal()), None),
    }
}

/// Writes what is logged as `log.format` has it, from `log.level` upwards, with addresses as `log.addresses` has
/// them. Where a process has done so already, nothing changes; a level that cannot be read counts as
/// `info`, and is complained of. What is handed back changes the level later.
pub fn init_logs(settings: &config::Log, data_dir: &Path) -> Option<LogLevel> {
    let filter = EnvFilter::try_new(&settings.level);
    let fault = filter.as_ref().err().map(ToString::to_string);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let (addresses, key_fault) = Addresses::new(settings.addresses, data_dir);
    let (form, form_fault) = form(settings);
    let (filter, handle) = reload::Layer::new(filter);
    let log = Log { form, addresses }.with_filter(filter);
    if tracing_subscriber::registry().with(log).try_init().is_err() {
        return None;
    }
    if let Some(fault) = fault {
        tracing::warn!(target: "relent::telemetry", level = settings.level,
            "log.level cannot be read, `info` is used: {fault}");
    }
    if let Some(fault) = form_fault {
        tracing::warn!(target: "relent::telemetry", "log.journal: {fault}");
    }
    if let Some(fault) = key_fault {
        tracing::warn!(target: "relent::telemetry", %fault,
            "the key under which addresses are hashed cannot be kept in data_dir: hashes of this run \
             fit those of no other");
    }
    Some(LogLevel(Box::new(move |filter| {
        if let Err(fault) = handle.reload(filter) {
            tracing::warn!(target: "relent::telemetry", %fault, "log.level stays as it was");
        }
    })))
}

/// The level of a log that is being written.
pub struct LogLevel(Box<dyn Fn(EnvFilter) + Send + Sync>);

impl LogLevel {
    /// Has lines of another level written from now on, as `log.level` writes it.
    pub fn set(&self, level: &str) {
        if let Ok(filter) = EnvFilter::try_new(level) {
            (self.0)(filter);
        }
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
        let _level = init_logs(&settings, home.path());
        assert!(init_logs(&config::Log::default(), home.path()).is_none());
    }

    #[test]
    fn a_journal_that_is_not_there_is_complained_of_and_text_is_written() {
        let home = tempfile::tempdir().expect("a folder");
        let (format, path) = (LogFormat::Journal, home.path().join("socket"));
        let settings = config::Log { format, journal: path.clone(), ..config::Log::default() };
        let (found, fault) = form(&settings);
        assert!(matches!(found, Form::Text(false)));
        assert!(fault.is_some_and(|fault| fault.contains("socket")));
        let _listener = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
        assert!(matches!(form(&settings), (Form::Journal(_), None)));
        let json = config::Log { json: true, ..config::Log::default() };
        assert!(matches!(form(&json), (Form::Json, None)));
        let line = config::Log { json: true, format: LogFormat::Line, ..config::Log::default() };
        assert!(matches!(form(&line), (Form::Line, None)), "format has the last word");
    }
}
