//! A daemon whose data begins the same each time, a small load that is the same each time, and strace,
//! which breaks the n-th call of a kind.

use super::ledger::{Ledger, Verdict, judge};
use crate::support::World;
use crate::support::client::{Client, letter};
use relent::demo::receiver::Fault;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long nothing may arrive before what is missing is called lost.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Longest time that an end may take: more than the drain of the settings below.
const END_MAX: Duration = Duration::from_secs(60);
/// Longest wait for what should come at once; where it does not, the load goes on.
const SOON: Duration = Duration::from_secs(2);
/// Segments that a run may come to.
const SEGMENTS: u64 = 60;
/// Every message fills a segment, so that a run begins, shrinks and removes several.
const SETTINGS: &str = "[spool]\nsegment_size = \"4kB\"\nfree_space_min = \"1MB\"\nlive_percent_min = 80\nmark_delay = \"20ms\"\n\
     [retention]\nevents = \"1s\"\n[process]\ndrain_timeout = \"2s\"\n";
/// Waits as short as a test's patience.
const HASTE: &str = "retry_delays = [\"200ms\"]\nevents_save = \"20ms\"\nevents_delay = \"5ms\"\nevents_retry = \"100ms\"";

/// Whose calls are counted: strace counts them thread by thread, so that a thread with few calls stands
/// out only where the others' are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// All of them.
    All,
    /// Those on the spool's segments, its salt and its folder.
    Spool,
    /// Those on what takes the place of a segment that shrinks.
    Sweep,
    /// Those on the records.
    Records,
    /// Those on the log that goes to standard error.
    Log,
}

/// What strace is to do, at which call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Injection {
    pub(super) call: &'static str,
    pub(super) place: Place,
    /// In strace's words: `signal=KILL`, `error=EIO`, `retval=0`.
    pub(super) what: &'static str,
    pub(super) when: u64,
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Whether there was such a call, and it was broken.
    pub(super) is_hit: bool,
    /// Whether the daemon became ready all the same.
    pub(super) has_started: bool,
    /// How it ended; `None` where it did not within its time.
    pub(super) ended: Option<ExitStatus>,
    /// Commands that were not answered though the daemon lived.
    pub(super) mute: u32,
    pub(super) verdict: Verdict,
}

/// The world, and what its data was at the beginning.
pub(super) struct Scene {
    pub(super) world: World,
    /// What the daemon that is broken has in its environment.
    pub(super) environment: &'static [(&'static str, &'static str)],
    ledger: Ledger,
    password: String,
    /// Segments that were written anew with bodies of queued mail, in all runs.
    pub(super) rewritten: usize,
}

/// Whether strace can do its work here; if not, it is said aloud.
fn can_trace() -> bool {
    let tried = Command::new("strace")
        .args(["-D", "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=1", "true"])
        .stderr(Stdio::null())
        .status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        eprintln!("NOT TESTED: strace is missing, or may not trace here");
    }
    can
}

impl Scene {
    /// A daemon that was killed with mail in its queue, some of it stopped; `None` where strace cannot
    /// work.
    pub(super) async fn new() -> Option<Self> {
        if !can_trace() {
            return None;
        }
        Some(Self::quiet(SETTINGS).await)
    }

    /// The same without strace, with other settings.
    pub(super) async fn quiet(settings: &str) -> Self {
        let mut world = World::with(settings).await;
        assert_eq!(world.stop(), 0);
        let path = world.path("relent.toml");
        let text = std::fs::read_to_string(&path).expect("settings");
        let text = text.replace("retry_delays = [\"1s\"]", HASTE);
        assert!(text.contains(HASTE), "the settings have changed their form");
        std::fs::write(&path, text).expect("settings");
        world.launch(&[]);
        let password = world.password.clone();
        let ledger = Ledger::default();
        let mut scene =
            Self { world, environment: &[], ledger: Ledger::default(), password, rewritten: 0 };
        scene.world.receiver.misbehave(waits());
        assert_eq!(scene.load(&ledger), 0, "a command was not answered");
        scene.world.kill();
        scene.settle().await;
        copy(&scene.world.path("data"), &scene.world.path("template"));
        scene.ledger = ledger.without_what_came(&scene.world);
        scene
    }

    /// Adds so many messages that wait, of whose recipients every fourth is stopped, and ends the daemon
    /// in peace: the data is then what each run begins with.
    pub(super) async fn fill(&mut self, count: u32) {
        let ledger = self.reset(false).await;
        self.world.launch(&[]);
        for number in 0..count {
            let to = ledger.recipient("waits");
            let reply = self.submit(&to);
            assert!(reply.starts_with("250"), "{reply}");
            ledger.note(&to, &reply);
            assert!(number % 4 > 0 || ledger.stop(&self.world, &to), "{to} could not be stopped");
        }
        assert_eq!(self.world.stop(), 0);
        self.settle().await;
        let template = self.world.path("template");
        std::fs::remove_dir_all(&template).expect("the old template goes");
        copy(&self.world.path("data"), &template);
        self.ledger = ledger.without_what_came(&self.world);
    }

    /// Puts the data back to what it was, or to nothing; a ledger of what was acknowledged then.
    pub(super) async fn reset(&mut self, empty: bool) -> Ledger {
        self.world.kill();
        self.settle().await;
        let data = self.world.path("data");
        let _ = std::fs::remove_dir_all(&data);
        let _ = std::fs::remove_file(self.world.path("relent.log"));
        self.world.receiver.misbehave(waits());
        let since = self.world.receiver.mailbox().len();
        if empty {
            return Ledger::since(since, 0);
        }
        copy(&self.world.path("template"), &data);
        self.world.password.clone_from(&self.password);
        self.ledger.again(since)
    }

    /// Waits until nothing that a daemon sent before its end is still under way to the receiver.
    async fn settle(&self) {
        let deadline = Instant::now() + END_MAX;
        while self.world.receiver.open() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(self.world.receiver.open(), 0, "a connection outlived its daemon");
    }

    fn strace(&self, injection: &Injection) -> Vec<String> {
        let Injection { call, place, what, when } = injection;
        let mut words: Vec<String> = ["strace", "-D", "-f", "-o"].map(String::from).to_vec();
        words.push(self.world.path("strace.log").display().to_string());
        let mut paths = Vec::new();
        match place {
            Place::All => {}
            Place::Spool => {
                let spool = self.world.path("data/spool");
                paths.push(spool.clone());
                paths.extend(["salt", "salt.tmp"].map(|name| spool.join(name)));
                paths.extend((1..=SEGMENTS).map(|n| spool.join(format!("{n:016x}.seg"))));
            }
            Place::Sweep => {
                let spool = self.world.path("data/spool");
                for ending in ["tmp", "idx.tmp", "idx"] {
                    paths.extend((1..=SEGMENTS).map(|n| spool.join(format!("{n:016x}.{ending}"))));
                }
            }
            Place::Records => {
                let names = ["records.redb", "records.redb.fresh", "records.created"];
                paths.extend(names.map(|name| self.world.path("data").join(name)));
            }
            Place::Log => paths.push(self.world.path("relent.log")),
        }
        for path in paths {
            words.extend(["-P".into(), path.display().to_string()]);
        }
        words.extend(["-e".into(), format!("trace={call}")]);
        words.extend(["-e".into(), format!("inject={call}:{what}:when={when}")]);
        words
    }

    /// One run: the daemon under strace and under load, its end, and a start without either, after which
    /// everything that was acknowledged must come.
    pub(super) async fn run(&mut self, injection: &Injection, empty: bool) -> Outcome {
        let ledger = self.reset(empty).await;
        let _ = std::fs::remove_file(self.world.path("strace.log"));
        let has_started = self.world.try_launch(&self.strace(injection), self.environment);
        let id = self.world.id();
        let mute = if has_started && !empty { self.load(&ledger) } else { 0 };
        let ended = self.world.end(END_MAX);
        let is_killed = ended.is_some_and(|status| status.signal() == Some(9));
        let is_hit = is_killed || self.traced(id).await.contains("(INJECTED)");
        self.settle().await;
        ledger.note_end();
        self.world.receiver.misbehave(Vec::new());
        self.world.launch(&[]);
        if empty {
            self.world.furnish();
        }
        // It works again, and not only runs.
        let to = ledger.recipient("ready");
        let reply = self.submit(&to);
        assert!(reply.starts_with("250"), "{injection:?}: after a new start: {reply}");
        ledger.note(&to, &reply);
        let verdict = judge(&self.world, &ledger, SILENCE_MAX).await;
        let log = self.world.log();
        let is_rewriting =
            |line: &&str| line.contains("written anew") && !line.contains("bodies=0");
        self.rewritten += log.lines().filter(is_rewriting).count();
        Outcome { is_hit, has_started, ended, mute, verdict }
    }

    /// What strace wrote, once it has ended.
    async fn traced(&self, id: u32) -> String {
        let path = self.world.path("strace.log");
        let deadline = Instant::now() + END_MAX;
        loop {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let ends = |line: &str| {
                line.starts_with(&id.to_string())
                    && (line.contains("+++ exited") || line.contains("+++ killed"))
            };
            if text.lines().any(ends) || Instant::now() > deadline {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Submits a message; empty where nobody may log in.
    pub(super) fn submit(&self, to: &str) -> String {
        let Some(mut client) = login(&self.world) else { return String::new() };
        client.submit("news@acme.example", &[to], &long_letter())
    }

    /// The load: mail that is delivered, mail that waits, people who are stopped, twice over. How many
    /// commands were not answered though the daemon lived.
    pub(super) fn load(&mut self, ledger: &Ledger) -> u32 {
        let mut mute = 0;
        for _ in 0..2 {
            let mut client = login(&self.world);
            let (mut waiting, mut is_silent) = (Vec::new(), false);
            for kind in ["ready", "waits", "stops", "waits", "ready"] {
                let Some(open) = client.as_mut() else { break };
                let to = ledger.recipient(kind);
                let reply = open.submit("news@acme.example", &[&to], &long_letter());
                ledger.note(&to, &reply);
                if reply.is_empty() {
                    (client, is_silent) = (None, true);
                } else if reply.starts_with("250") && kind != "ready" {
                    waiting.push(to);
                }
            }
            // Who leaves a command unanswered is about to end.
            if is_silent && !self.world.ends_within(END_MAX) {
                mute += 1;
            }
            for to in waiting.iter().take(2) {
                ledger.stop(&self.world, to);
            }
            let deadline = Instant::now() + SOON;
            while !ledger.has_come(&self.world, "ready")
                && Instant::now() < deadline
                && self.world.ended().is_none()
            {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        mute
    }
}

fn waits() -> Vec<Fault> {
    vec![Fault::Recipient("waits".into(), "451 4.2.0 later".into())]
}

fn login(world: &World) -> Option<Client> {
    let mut client = Client::try_connect(world.ports.submission[0]).ok()?;
    let secret = format!("\0app/receipts\0{}", world.password);
    let secret = data_encoding::BASE64.encode(secret.as_bytes());
    let is_in = client.say("EHLO load.example").starts_with("250")
        && client.say(&format!("AUTH PLAIN {secret}")).starts_with("235");
    is_in.then_some(client)
}

fn long_letter() -> String {
    letter("Fault") + &"A line that fills the segment of the spool.\r\n".repeat(70)
}

/// A folder and all that is in it, under another name.
pub(super) fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(done.success(), "{} could not be copied", from.display());
}
