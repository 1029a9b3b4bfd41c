//! Traces for OpenTelemetry: how long a session, a message's way in, an attempt and the reading of a reply took. Only in builds
//! with the feature `otel`, and only where `log.traces` says where to; else spans are not even made.
//!
//! What belongs to one message bears one trace, however many hours lie between: its number is made of the message's id. No
//! person is named in any.

#[cfg(feature = "otel")]
use super::export;
use crate::config;
use crate::mail::MessageId;
use tracing::Span;

/// Traces that are made and wait to be sent.
#[must_use]
#[derive(Debug, Default)]
pub struct Traces {
    #[cfg(feature = "otel")]
    pub(super) outgoing: Option<export::Outgoing>,
}

/// Traces on their way. What was not sent when this is dropped is lost.
#[must_use]
#[derive(Debug)]
pub struct Sending {
    #[cfg(feature = "otel")]
    task: Option<export::Task>,
}

impl Traces {
    /// Begins to make traces, where the settings want them; or why not.
    #[cfg(feature = "otel")]
    pub(super) fn begin(settings: &config::Log) -> (Self, Option<String>) {
        let Some(endpoint) = &settings.traces else { return (Self::default(), None) };
        match export::Outgoing::new(&endpoint.0) {
            Ok(outgoing) => (Self { outgoing: Some(outgoing) }, None),
            Err(fault) => (Self::default(), Some(fault)),
        }
    }

    /// This build makes none.
    #[cfg(not(feature = "otel"))]
    pub(super) fn begin(_: &config::Log) -> (Self, Option<String>) {
        (Self::default(), None)
    }

    /// Sends them, within the runtime that this is called in.
    pub fn start(self) -> Sending {
        Sending {
            #[cfg(feature = "otel")]
            task: self.outgoing.map(export::Outgoing::start),
        }
    }
}

impl Sending {
    /// Sends what is left.
    pub async fn end(self) {
        #[cfg(feature = "otel")]
        if let Some(task) = self.task {
            task.end().await;
        }
    }
}

/// Has a span that was just made belong to the trace of a message.
#[cfg(feature = "otel")]
pub fn of_message(span: &Span, id: MessageId) {
    export::of_message(span, id);
}

/// Has a span that was just made belong to the trace of a message: in this build there is none.
#[cfg(not(feature = "otel"))]
pub fn of_message(_: &Span, _: MessageId) {}
