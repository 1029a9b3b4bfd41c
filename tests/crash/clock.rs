//! Clocks that jump, by hours and by years, while the daemon runs and while it is down: queued mail is
//! delivered, none is given up at once, ids stay apart, stops hold.

use super::scene::Scene;
use crate::support::World;
use crate::support::client::{Client, letter};
use relent::demo::receiver::Fault;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// How soon what waits must go once nothing is in its way; retries wait 0.2 s here, a clock that holds mail back an
/// hour at least.
const SOON: Duration = Duration::from_secs(20);
/// Where the wall clock stands against the real one, and by how many days where the year must be seen. A year is 365
/// days to the library.
const JUMPS: [(&str, Option<i64>); 7] = [
    ("+0", None),
    ("+1h", None),
    ("+10y", Some(3650)),
    ("+0", None),
    ("-1h", None),
    ("-10y", Some(-3650)),
    ("+0", None),
];

/// The year in so many days.
fn year(days: i64) -> String {
    let then = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
    then.to_string().split('-').next().expect("a year").to_owned()
}

/// The library that moves a process's wall clock, where it is installed.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}

/// The relay with a clock that can be moved.
struct Moved {
    world: World,
    library: String,
}

impl Moved {
    fn set(&self, jump: &str) {
        let (file, fresh) = (self.world.path("clock"), self.world.path("clock.new"));
        std::fs::write(&fresh, format!("{jump}\n")).expect("the clock is written");
        std::fs::rename(&fresh, &file).expect("the clock is moved");
    }

    fn launch(&mut self) {
        let clock = self.world.path("clock").display().to_string();
        let library = self.library.clone();
        self.world.launch(&[
            ("LD_PRELOAD", &library),
            ("FAKETIME_TIMESTAMP_FILE", &clock),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ]);
    }

    /// Submits; the id that the reply names.
    fn submit(&self, to: &str) -> String {
        let port = self.world.ports.submission[0];
        let mut client = Client::login(port, "app/receipts", &self.world.password);
        let reply = client.submit("news@acme.example", &[to], &letter("Clock"));
        assert!(reply.starts_with("250"), "{to}: {reply}");
        let id = reply.split_whitespace().nth(2).unwrap_or_default().to_owned();
        assert!(id.len() > 15, "no id in {reply}");
        id
    }

    async fn must_come(&self, to: &str, when: &str) -> String {
        let mail = self.world.receiver.message_to(to, SOON).await;
        let mail = mail.unwrap_or_else(|| panic!("{when}: mail to {to} does not come"));
        String::from_utf8_lossy(&mail.message).into_owned()
    }
}

async fn time_jumps(with_restart: bool) {
    let Some(library) = library() else {
        eprintln!("NOT TESTED: libfaketime is not installed");
        return;
    };
    let mut scene = Scene::quiet("").await;
    scene.reset(false).await;
    let mut moved = Moved { world: scene.world, library: library.display().to_string() };
    moved.set("+0");
    moved.launch();
    let refuse = |part: &str| Fault::Recipient(part.into(), "451 4.2.0 later".into());
    let mut ids = HashSet::new();
    for (number, (jump, days)) in JUMPS.into_iter().enumerate() {
        let when = format!("{jump} at step {number}, restart {with_restart}");
        let name = |kind: &str| format!("{kind}-{number}@reader.example");
        // Deferred before the jump, twice or more.
        moved.world.receiver.misbehave(vec![refuse("-waits"), refuse("stopped")]);
        for kind in ["early-waits", "early-stopped"] {
            assert!(ids.insert(moved.submit(&name(kind))), "{when}: an id came twice");
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
        moved.world.done(&["suppression", "add", "acme", &name("early-stopped")]);
        if with_restart {
            moved.world.stop();
            moved.set(jump);
            moved.launch();
        } else {
            moved.set(jump);
        }
        // A second server's no after the jump: nothing may be given up for it.
        assert!(ids.insert(moved.submit(&name("late-waits"))), "{when}: an id came twice");
        assert!(ids.insert(moved.submit(&name("ready"))), "{when}: an id came twice");
        let ready = moved.must_come(&name("ready"), &when).await;
        if let Some(days) = days {
            assert!(ready.contains(&year(days)), "{when}: the clock was not moved:\n{ready}");
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
        moved.world.receiver.misbehave(Vec::new());
        for kind in ["early-waits", "late-waits"] {
            moved.must_come(&name(kind), &when).await;
        }
        let mut client =
            Client::login(moved.world.ports.submission[0], "app/receipts", &moved.world.password);
        let reply = client.submit("news@acme.example", &[&name("early-stopped")], &letter("No"));
        assert!(reply.starts_with("550"), "{when}: to who was stopped: {reply}");
    }
    for mail in moved.world.receiver.mailbox() {
        let to = mail.recipients.join(" ");
        assert!(!to.contains("stopped"), "mail to who was stopped: {to}");
        assert!(!to.contains("acme.example"), "mail was given up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_while_mail_waits_gives_nothing_up_and_holds_nothing_back() {
    time_jumps(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumped_while_the_daemon_was_down_does_no_harm_either() {
    time_jumps(true).await;
}
