//! The section about events that go out to programs.

use super::section::sections;
use super::unit::{Size, Span};
use serde::{Deserialize, Serialize};

sections! {
    /// `[webhooks]`: events that go out to programs.
    Webhooks {
        /// Lets endpoints be loopback or private addresses: tests, labs.
        allow_private: bool = false,
        /// Lets endpoints be http://, without TLS: tests, labs.
        allow_plaintext: bool = false,
        /// Ports that endpoints may have; empty, or with allow_private: any, and then the sandbox lets connections go to every port.
        ports: Vec<u16> = vec![443, 8443],
        /// Most webhooks in all.
        webhooks_max: u32 = 1000,
        /// Longest time for one call, from the connection to the answer.
        timeout: Span = Span::seconds(15),
        /// Most bytes of an answer that are read.
        answer_size_max: Size = Size(16 << 10),
        /// Most calls at a time in all; a quarter of as many more are for endpoints whose last call failed.
        calls_max: u32 = 64,
        /// Most calls at a time to one endpoint; fewer until it has answered some, and one while it fails.
        calls_per_webhook_max: u32 = 8,
        /// How long a connection without work is kept.
        connection_idle: Span = Span::seconds(10),
        /// Failures in a row past which an endpoint is called once a pause, and its events wait in the log.
        failures_max: u32 = 5,
        /// Pauses before a call that failed is made again, the last for all later ones; each is varied by a fifth.
        retry_delays: Vec<Span> = vec![
            Span::seconds(5),
            Span::seconds(30),
            Span::minutes(2),
            Span::minutes(10),
            Span::minutes(30),
            Span::minutes(60),
            Span::minutes(120),
            Span::minutes(240),
        ],
        /// How long a call is made again; past that it is put with the failed ones.
        retries_max: Span = Span::minutes(3 * 24 * 60),
        /// Longest pause that an endpoint may ask for.
        retry_after_max: Span = Span::minutes(240),
        /// How long an endpoint may fail without one success; past that it is called no more until it is resumed.
        disable_after: Span = Span::minutes(5 * 24 * 60),
        /// Most calls of one webhook that are under way or wait to be made again; with as many, the log is read no further for it.
        waiting_max: u32 = 1000,
        /// Most failed calls kept for one webhook; past it the oldest goes.
        failed_max: u32 = 10_000,
        /// How long failed calls are kept.
        failed_kept: Span = Span::minutes(30 * 24 * 60),
        /// Most events read at a time.
        events_batch_max: u32 = 500,
        /// How long events are gathered, so that one sync serves all that happens in this time.
        events_delay: Span = Span(std::time::Duration::from_millis(50)),
        /// How often changes of stops and consents are looked for.
        changes_interval: Span = Span(std::time::Duration::from_millis(500)),
        /// How often it is written down how far a webhook has come; after a crash, what was called since is called again.
        save_interval: Span = Span(std::time::Duration::from_millis(500)),
        /// Pause before the log or the records are read again after a fault.
        read_retry: Span = Span::seconds(1),
        /// How long a stop waits for calls under way.
        drain_timeout: Span = Span::seconds(5),
        /// How long an old secret signs beside the new one.
        secret_overlap: Span = Span::minutes(24 * 60),
    }
}

impl Webhooks {
    /// The ports that endpoints may have; none: any. Labs have theirs wherever there is room.
    #[must_use]
    pub fn ports(&self) -> Option<&[u16]> {
        (!self.allow_private && !self.ports.is_empty()).then_some(&self.ports)
    }
}
