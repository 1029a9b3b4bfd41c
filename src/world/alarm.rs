//! An alarm that is set before some work and rings at its time, however long the work took. A timer of tokio
//! begins when the worker comes to rest, rounded to milliseconds: who times the answers would see how much
//! longer one took.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// Rings once.
pub struct Alarm {
    due: Instant,
    /// None where the machine had none to give.
    timer: Option<AsyncFd<OwnedFd>>,
}

#[expect(
    deprecated,
    reason = "what replaces it is unsafe code; an OwnedFd is open for as long as it is there"
)]
fn timer(span: Duration) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Nothing at all would never ring.
    let it_value =
        Timespec::try_from(span.max(Duration::from_nanos(1))).map_err(io::Error::other)?;
    let once = Itimerspec { it_interval: never, it_value };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
    AsyncFd::with_interest(timer, Interest::READABLE)
}

impl Alarm {
    /// Rings in `span`. Where the machine has no timer to give, tokio's rings, which is less punctual.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        let due = Instant::now() + span;
        match timer(span) {
            Ok(timer) => Self { due, timer: Some(timer) },
            Err(error) => {
                tracing::warn!(target: "relent::world", %error, "no timer is left: answers are less punctual");
                Self { due, timer: None }
            }
        }
    }

    /// Waits until it rings.
    pub async fn ring(self) {
        let rung = match &self.timer {
            Some(timer) => timer.readable().await.is_ok(),
            None => false,
        };
        if !rung {
            tokio::time::sleep_until(self.due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_at_its_time_whatever_was_done_before() {
        for busy in [0, 500, 1500, 2500] {
            let begun = std::time::Instant::now();
            let alarm = Alarm::after(Duration::from_millis(2));
            std::thread::sleep(Duration::from_micros(busy));
            alarm.ring().await;
            assert!(begun.elapsed() >= Duration::from_millis(2), "{busy}");
            assert!(begun.elapsed() < Duration::from_secs(60), "{busy}");
        }
        Alarm::after(Duration::ZERO).ring().await;
    }
}
