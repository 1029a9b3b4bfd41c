//! When to come back, as a web server has it.

use crate::mail::Timestamp;
use hyper::header::HeaderValue;
use std::time::Duration;

/// The pause that a Retry-After field asks for: seconds, or a moment (RFC 9110 §10.2.3).
#[must_use]
pub fn pause(field: Option<&HeaderValue>, now: Timestamp) -> Option<Duration> {
    let text = field?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Timestamp::of_rfc5322(text).map(|at| at.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_or_a_moment() {
        let now = Timestamp(1_764_158_400_000); // 2025-11-26T12:00:00Z
        let pause_of = |text, now| pause(Some(&HeaderValue::from_static(text)), now);
        assert_eq!(pause_of("120", now), Some(Duration::from_secs(120)));
        assert_eq!(pause_of(" 120 ", now), Some(Duration::from_secs(120)));
        let later = pause_of("Wed, 26 Nov 2025 12:05:00 GMT", now);
        assert_eq!(later, Some(Duration::from_secs(300)));
        assert_eq!(pause_of("Wed, 26 Nov 2025 11:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(pause_of("-5", now), None);
        assert_eq!(pause_of("soon", now), None);
        let moment = Timestamp(1_794_700_800_000);
        assert_eq!(
            pause_of("Sun, 15 Nov 2026 00:00:00 GMT", Timestamp(0)),
            Some(moment.since(Timestamp(0)))
        );
        assert_eq!(pause(None, now), None);
    }
}
