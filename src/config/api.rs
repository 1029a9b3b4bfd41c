//! The section of the API that programs speak: how much each may ask, and what is kept for them.

use super::section::sections;
use super::unit::{Size, Span};
use serde::{Deserialize, Serialize};

sections! {
    /// `[api]`: the API that programs speak, `/api/v1` on the listeners of `http`.
    Api {
        /// Most requests a minute of one credential; as many may come at once.
        requests_per_minute_max: u32 = 600,
        /// Most requests a minute from one address (IPv6: one /64), whoever asks; as many may come at once.
        requests_per_minute_per_address_max: u32 = 1200,
        /// Most addresses and credentials whose requests are counted; past it those are forgotten that asked longest ago.
        askers_max: u32 = 100_000,
        /// Most wrong tokens for one credential from one address before ten minutes of 429.
        auth_failures_max: u32 = 10,
        /// How often it is written down when each credential was used last.
        last_use_save: Span = Span::minutes(1),
        /// Most items in one page of a listing.
        page_max: u32 = 1000,
        /// Most rows of a batch in one request: they are one transaction.
        batch_max: u32 = 10_000,
        /// Most events looked at for one page of them; past it the page ends early and says where to go on.
        events_read_max: u32 = 100_000,
        /// Most programs that follow events at a time.
        followers_max: u32 = 100,
        /// Most of them that one account has.
        followers_per_account_max: u32 = 10,
        /// Pause after which a program that follows events is told that there are none.
        heartbeat: Span = Span::seconds(15),
        /// How long the answer to a request with an Idempotency-Key is kept.
        idempotency_age_max: Span = Span::minutes(24 * 60),
        /// Most such answers kept for one credential; past it a request with a new key is refused.
        idempotency_keys_max: u32 = 10_000,
        /// Largest such answer kept; a larger one is done and not repeated.
        idempotency_answer_size_max: Size = Size(2 << 20),
        /// Most operators who look on at SMTP sessions at a time (`relent trace`).
        traces_max: u32 = 4,
        /// Most lines of sessions that wait for one of them; past it lines are lost, and it is told how many.
        trace_lines_max: u32 = 2000,
    }
}
