//! The wall clock held against the steady one, and against what was written down before: a jump is said
//! once, with what to do.

use crate::mail::Timestamp;
use crate::world::World;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How far the two clocks may part between two looks.
const LEAP: Duration = Duration::from_secs(60);
/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Looks at the clocks until `stop`.
pub(super) async fn tend(world: World, stop: CancellationToken) {
    let read = || (world.clock.now(), world.clock.steady());
    let mut before = read();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let after = read();
        if let Some(said) = leap(before, after) {
            metrics::counter!("relent_clock_jumps_total").increment(1);
            tracing::warn!(target: "relent::daemon", "{said}");
        }
        before = after;
    }
}

/// What is to be said where the wall clock went another way than the steady one.
fn leap(before: (Timestamp, Duration), after: (Timestamp, Duration)) -> Option<String> {
    let steady = after.1.saturating_sub(before.1);
    let expected = before.0.after(steady);
    let (by, whither) = match after.0 < expected {
        true => (expected.since(after.0), "back"),
        false => (after.0.since(expected), "ahead"),
    };
    (by > LEAP).then(|| {
        format!(
            "the clock jumped {whither} by {} s, to {}: see that one program alone sets it, as \
             `timedatectl` shows; no mail is given up for it",
            by.as_secs(),
            after.0
        )
    })
}

/// What is to be said at the start where the clock stands behind what was written down last.
pub(super) fn behind(last: Timestamp, now: Timestamp) -> Option<String> {
    (now.after(LEAP) < last).then(|| {
        format!(
            "the clock says {now}, and what this installation wrote last is of {last}: it stands behind by \
             {} s; set it, as `timedatectl` shows, for mail that waits is drawn near and days count anew",
            last.since(now).as_secs()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp(1_793_534_400_000);

    #[test]
    fn a_clock_that_jumps_is_said_with_its_way_and_by_how_much() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let before = (NOON, hour);
        assert_eq!(leap(before, (NOON.after(second * 10), hour + second * 10)), None);
        assert_eq!(
            leap(before, (NOON.after(second * 69), hour + second * 10)),
            None,
            "a slow look"
        );
        let ahead = leap(before, (NOON.after(hour), hour + second)).expect("said");
        assert!(
            ahead.contains("jumped ahead by 3599 s") && ahead.contains("timedatectl"),
            "{ahead}"
        );
        let back = leap((NOON.after(hour), hour), (NOON, hour + second)).expect("said");
        assert!(back.contains("jumped back by 3601 s"), "{back}");
    }

    #[test]
    fn a_clock_behind_what_was_written_is_said_at_the_start() {
        assert_eq!(behind(NOON, NOON), None);
        assert_eq!(behind(NOON.after(LEAP), NOON), None);
        let said = behind(NOON.after(Duration::from_secs(86_400)), NOON).expect("said");
        assert!(said.contains("behind by 86400 s"), "{said}");
    }
}
