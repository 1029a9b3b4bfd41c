//! When a host's certificate is asked for: at once where there is none, after its share of its life where there
//! is one, and later than that where the authority has just refused. Pure.

use crate::config;
use crate::mail::Timestamp;
use crate::tls::Issued;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest wait that an authority may ask for.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How a host stands with the authority; kept on disk, so that a restart begins no waits anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The directory of the authority that gave the certificate, or did not.
    pub(super) directory: String,
    /// Whether a certificate of that authority is kept.
    pub(super) is_issued: bool,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Why the last try failed.
    pub(super) fault: Option<String>,
    /// When it did.
    pub(super) failed_at: Option<Timestamp>,
    /// Before then nothing is tried again.
    pub(super) not_before: Option<Timestamp>,
}

impl State {
    /// Notes that a try failed. The authority's own word on when to come back is kept to.
    pub(super) fn fail(
        &mut self,
        settings: &config::Acme,
        why: String,
        now: Timestamp,
        asked: Option<Duration>,
    ) {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let wait = settings.retry_delay.0.saturating_mul(doubled);
        let wait = wait.min(settings.retry_delay_max.0);
        let wait = wait.max(asked.unwrap_or_default().min(ASKED_WAIT_MAX));
        self.failures = self.failures.saturating_add(1);
        self.fault = Some(why);
        self.failed_at = Some(now);
        self.not_before = Some(now.after(wait));
    }

    /// Notes that there is a new certificate.
    pub(super) fn succeed(&mut self) {
        let directory = std::mem::take(&mut self.directory);
        *self = Self { directory, is_issued: true, ..Self::default() };
    }
}

/// When the next certificate of a host is asked for.
pub(super) fn due(state: &State, issued: Option<Issued>, settings: &config::Acme) -> Timestamp {
    let renewal = match issued.filter(|_| state.is_issued) {
        None => Timestamp(0),
        Some(Issued { from, until }) => {
            let life = Duration::from_millis(until.0.saturating_sub(from.0));
            from.after(life * settings.renew_percent / 100)
        }
    };
    renewal.max(state.not_before.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn issued() -> Issued {
        Issued { from: NOW, until: NOW.after(DAY * 90) }
    }

    #[test]
    fn the_first_is_asked_for_at_once_and_the_next_in_time() {
        let settings = config::Acme::default();
        let mut state = State::default();
        assert_eq!(due(&state, None, &settings), Timestamp(0));
        assert_eq!(due(&state, Some(issued()), &settings), Timestamp(0), "of another authority");
        state.succeed();
        assert_eq!(due(&state, Some(issued()), &settings), NOW.after(DAY * 90 * 66 / 100));
        assert_eq!(due(&state, None, &settings), Timestamp(0), "it was lost");
    }

    #[test]
    fn failures_are_waited_for_longer_and_longer() {
        let settings = config::Acme::default();
        let mut state = State::default();
        let mut waits = Vec::new();
        for _ in 0..40 {
            state.fail(&settings, "refused".into(), NOW, None);
            waits.push(due(&state, None, &settings).since(NOW).as_secs() / 60);
        }
        assert_eq!(waits[..7], [10, 20, 40, 80, 160, 320, 360]);
        assert_eq!(waits.last(), Some(&360));
        state.succeed();
        assert_eq!(state, State { is_issued: true, ..State::default() });
    }

    #[test]
    fn the_authoritys_word_on_when_to_come_back_is_kept_to() {
        let settings = config::Acme::default();
        let wait = |asked: Duration| {
            let mut state = State::default();
            state.fail(&settings, "too many".into(), NOW, Some(asked));
            due(&state, None, &settings).since(NOW)
        };
        assert_eq!(wait(DAY), DAY);
        assert_eq!(wait(Duration::from_secs(1)), settings.retry_delay.0);
        assert_eq!(wait(DAY * 1000), ASKED_WAIT_MAX);
    }
}
