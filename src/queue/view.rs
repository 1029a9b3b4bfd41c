//! What listings and figures show of the queue.

use super::state::{Key, Stand, State};
use super::{ItemView, Selector, Summary};

/// Most destinations that a summary names.
const DOMAINS_MAX: usize = 50;

impl State {
    /// Items that match, at most `limit`.
    pub(super) fn list(&self, selector: &Selector, limit: usize) -> Vec<ItemView> {
        let keys = self.select(selector, limit);
        keys.into_iter().filter_map(|key| self.view(key)).collect()
    }

    fn view(&self, key: Key) -> Option<ItemView> {
        let (item, message) = (self.item(key)?, self.message(key.0)?);
        Some(ItemView {
            message: message.id.to_string(),
            number: key.1,
            sender: message.sender.to_string(),
            recipient: message.recipients.get(key.1 as usize)?.address.to_string(),
            account: message.origin.account(),
            stream: message.origin.stream(),
            size: message.body.length,
            state: match item.stand {
                Stand::Queued => "queued",
                Stand::Active(_) => "active",
                Stand::Held => "held",
            },
            attempts: item.attempts,
            accepted: message.at,
            next_at: item.next_at,
            last: item.last.as_deref().map(str::to_owned),
            class: item.class,
        })
    }

    /// Figures.
    pub(super) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for (_, item) in self.items() {
            match item.stand {
                Stand::Queued => summary.queued += 1,
                Stand::Active(_) => summary.active += 1,
                Stand::Held => summary.held += 1,
            }
        }
        let mut domains: Vec<_> = self.destinations().map(|(d, n)| (d.to_string(), n)).collect();
        domains.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        domains.truncate(DOMAINS_MAX);
        summary.domains = domains;
        summary
    }
}
