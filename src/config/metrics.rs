//! Who may read the figures, and how many accounts they name.

use super::network::Network;
use super::section::sections;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// This machine.
fn here() -> Vec<Network> {
    ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect()
}

impl Metrics {
    /// Whether the figures are shown to whoever asks from this address; the operator has none.
    #[must_use]
    pub fn may_read(&self, asker: Option<IpAddr>) -> bool {
        asker.is_none_or(|ip| self.readers.iter().any(|network| network.contains(ip)))
    }
}

sections! {
    /// `[metrics]`: the figures at /metrics.
    Metrics {
        /// The networks that /metrics is shown to, as in "192.0.2.0/24": a proxy on this machine says in X-Forwarded-For for whom it asks.
        readers: Vec<Network> = here(),
        /// Most accounts that are named in figures; the further ones are "other".
        accounts_max: u32 = 200,
    }
}
