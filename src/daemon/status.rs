//! What `systemctl status` shows: what happens while the daemon starts, what waits and who is connected while
//! it runs, why it is not well, and who is left while it drains.

use crate::config::Live;
use crate::delivery::Delivery;
use crate::http::Vitals;
use crate::intake::Intake;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::store::Store;
use sd_notify::NotifyState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a drain tells who is left.
const DRAIN_INTERVAL: Duration = Duration::from_secs(1);
/// What closing spool and store may take past a drain, before systemd loses patience.
const CLOSE_MAX: Duration = Duration::from_secs(30);
/// Longest line: a terminal shows no more of it.
const LINE_MAX: usize = 400;

/// Tells the service manager, where there is one.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(fault) = sd_notify::notify(states) {
        tracing::warn!(target: "relent::daemon", %fault, "systemd cannot be told");
    }
}

/// Says what happens, before there are parts to look at.
pub(super) fn say(what: &str) {
    tell(&[NotifyState::Status(&line(what))]);
}

/// Whether anybody hears it.
pub(super) fn is_heard() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// One line, and no longer than is shown.
fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LINE_MAX).collect()
}

/// How the daemon stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Runs,
    Drains,
}

/// Where the figures come from.
pub(super) struct Parts {
    pub(super) config: Live,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) store: Store,
    pub(super) policy: Policy,
    pub(super) intake: Arc<Intake>,
    pub(super) delivery: Arc<Delivery>,
    pub(super) vitals: Vitals,
}

/// The line as it was told last, and what it is made of.
pub(super) struct Status {
    parts: Parts,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// What does not answer, as the watchdog found it.
    unwell: Option<String>,
    /// What is said besides, until something else is.
    note: Option<String>,
    told: String,
}

/// What the line is made of.
struct Figures {
    queued: u64,
    active: u64,
    held: u64,
    connections_in: u32,
    connections_out: usize,
}

impl Status {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        let state = State { phase: Phase::Runs, unwell: None, note: None, told: String::new() };
        Arc::new(Self { parts, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how things stand now and then, until told to stop.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        if !is_heard() {
            return stop.cancelled().await;
        }
        loop {
            self.refresh().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.parts.config.process.status_interval.0) => {}
            }
        }
    }

    /// Tells that it stops, how long that may take, and, once a second, who is left; until it is dropped.
    pub(super) async fn drain(&self) {
        let longest = self.parts.config.process.drain_timeout.0.saturating_add(CLOSE_MAX);
        let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(longest)]);
        self.state().phase = Phase::Drains;
        let mut ticks = tokio::time::interval(DRAIN_INTERVAL);
        while is_heard() {
            ticks.tick().await;
            self.refresh().await;
        }
        std::future::pending::<()>().await;
    }

    /// Says what does not answer; nothing once all does.
    pub(super) async fn find(&self, unwell: Option<String>) {
        let is_well = unwell.is_none();
        let was_well = {
            let mut state = self.state();
            if let Some(why) = &unwell {
                // Each time: it is what somebody looks for.
                state.told = line(&format!("not well: {why}"));
                tell(&[NotifyState::Status(&state.told)]);
            }
            std::mem::replace(&mut state.unwell, unwell).is_none()
        };
        if is_well && !was_well {
            self.refresh().await;
        }
    }

    /// Has something said beside the figures from now on.
    pub(super) fn note(&self, note: Option<String>) {
        self.state().note = note;
    }

    /// Tells how things stand, where that has changed.
    async fn refresh(&self) {
        let summary = self.parts.queue.summary().await;
        let figures = Figures {
            queued: summary.queued,
            active: summary.active,
            held: summary.held,
            connections_in: self.parts.intake.connections(),
            connections_out: self.parts.delivery.connections(),
        };
        let fault = self.fault().await;
        let mut state = self.state();
        if state.unwell.is_some() {
            return;
        }
        let limit = self.parts.config.process.drain_timeout;
        let text = match state.phase {
            Phase::Runs => {
                self.restored() + &runs(&figures, fault.as_deref(), state.note.as_deref())
            }
            Phase::Drains => format!("draining, for {limit} at most: {}", connected(&figures)),
        };
        let text = line(&text);
        if state.told != text {
            tell(&[NotifyState::Status(&text)]);
            state.told = text;
        }
    }

    /// Whether mail is held since a restore.
    fn restored(&self) -> String {
        self.parts.policy.restore_held().map_or_else(String::new, |restored| {
            format!(
                "mail is held since the restore of {}, see `relent restore status`; ",
                restored.at
            )
        })
    }

    /// Why no mail is taken, where none is.
    async fn fault(&self) -> Option<String> {
        if let Err(fault) = self.parts.store.ready() {
            return Some(fault.to_string());
        }
        if let Err(fault) = self.parts.queue.ready() {
            return Some(fault.to_string());
        }
        self.parts.vitals.recent().await.err()
    }
}

fn connected(figures: &Figures) -> String {
    let (inward, outward) = (figures.connections_in, figures.connections_out);
    let word = if inward == 1 { "connection" } else { "connections" };
    format!("{inward} {word} in, {outward} out")
}

fn runs(figures: &Figures, fault: Option<&str>, note: Option<&str>) -> String {
    let Figures { queued, active, held, .. } = figures;
    let mut text = match fault {
        None => format!("ready: {queued} queued"),
        Some(fault) => format!("no mail is taken: {fault}; {queued} queued"),
    };
    if *active > 0 {
        text.push_str(&format!(", {active} under way"));
    }
    if *held > 0 {
        text.push_str(&format!(", {held} held"));
    }
    text = text + ", " + &connected(figures);
    match note {
        Some(note) => text + "; " + note,
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_waits_who_is_connected_and_why_no_mail_is_taken() {
        let mut figures =
            Figures { queued: 12, active: 0, held: 0, connections_in: 3, connections_out: 2 };
        assert_eq!(runs(&figures, None, None), "ready: 12 queued, 3 connections in, 2 out");
        (figures.active, figures.held) = (5, 4);
        let noted = runs(&figures, None, Some("not reloaded"));
        assert!(noted.ends_with(", 2 out; not reloaded"), "{noted}");
        let said = runs(&figures, Some("the disk is full"), None);
        let figures = "12 queued, 5 under way, 4 held, 3 connections in, 2 out";
        assert_eq!(said, format!("no mail is taken: the disk is full; {figures}"));
        let one = Figures { queued: 1, active: 0, held: 0, connections_in: 1, connections_out: 1 };
        assert_eq!(connected(&one), "1 connection in, 1 out");
        assert_eq!(line("a\nREADY=1"), "a READY=1", "one line is one word to systemd");
        assert_eq!(line(&"x".repeat(1000)).len(), LINE_MAX);
    }
}
