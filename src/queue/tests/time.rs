//! The queue over days: schedules, long stops, quiet hours, what servers ask for; and how many writes the
//! end of many items takes.

use super::*;
use crate::mail::RefusalClass;
use crate::queue::Outage;
use crate::world::{Disk, DiskFile, SystemDisk};
use std::io;

const HOUR: Duration = Duration::from_secs(3600);

fn later() -> Attempt {
    Attempt::Deferred(said("451 later"))
}

#[tokio::test]
async fn what_lay_for_ten_days_gets_its_tries_first() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "", &["old@a.example"]).await;
    for _ in 0..22 {
        rig.end("a.example", later()).await;
        rig.turn(HOUR * 4);
    }
    rig.accept(&stream, 2, "", &["new@b.example"]).await;
    rig.turn(HOUR * 24 * 10);
    let rig = rig.restart().await;
    // The network comes up later than the daemon does.
    for domain in ["a.example", "b.example"] {
        rig.end(domain, later()).await;
    }
    assert_eq!(rig.waiting().await, 2, "nothing is given up at once");
    rig.turn(HOUR * 4);
    rig.end("a.example", later()).await;
    assert_eq!(rig.waiting().await, 1, "it was tried for half of its time before, and again now");
    let mut tries = 1;
    while rig.waiting().await > 0 {
        rig.end("b.example", later()).await;
        rig.turn(HOUR * 4);
        tries += 1;
    }
    assert_eq!(tries, 19, "four days by the clock were over; half of its waits were not");
}

#[tokio::test]
async fn marketing_mail_is_given_up_sooner() {
    let home = tempfile::tempdir().expect("a folder");
    let mut config = settings();
    config.queue.marketing_expiry.0 = HOUR * 24;
    config.queue.marketing_retry_delays = vec![crate::config::Span(HOUR * 6)];
    let rig = open_with(home.path(), clock(), config);
    let (account, news) = rig.stream().await;
    let receipts = rig.another(&account, "receipts", StreamKind::Transactional, None).await;
    rig.accept(&news, 1, "", &["one@a.example"]).await;
    rig.accept(&receipts, 2, "", &["two@b.example"]).await;
    rig.end("a.example", later()).await;
    rig.turn(HOUR * 6 - Duration::from_millis(1));
    assert!(rig.lease("a.example").await.is_empty(), "its own waits");
    rig.turn(Duration::from_millis(1));
    for _ in 0..4 {
        rig.end("a.example", later()).await;
        rig.end("b.example", later()).await;
        rig.turn(HOUR * 6);
    }
    rig.end("a.example", later()).await;
    let left = rig.queue.list(Selector::All, 9).await;
    assert_eq!(left.len(), 1, "a day was enough for one");
    assert_eq!(left[0].recipient, "two@b.example");
}

#[tokio::test]
async fn a_server_that_names_a_time_is_left_alone_until_then() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "", &["one@a.example"]).await;
    let grey = |text: &str| {
        let class = Some(RefusalClass::Greylisting);
        Attempt::Deferred(Said { class, ..said(text) })
    };
    rig.end("a.example", grey("450 4.7.1 Greylisted, please try again in 5 minutes")).await;
    rig.turn(Duration::from_secs(299));
    assert!(rig.lease("a.example").await.is_empty());
    rig.turn(Duration::from_secs(1));
    let items = rig.queue.list(Selector::All, 9).await;
    assert_eq!(items[0].class, Some(RefusalClass::Greylisting));
    // No server keeps mail for a year; and one that names less than the schedule has changes nothing.
    rig.end("a.example", grey("450 try again in 9999 hours")).await;
    rig.turn(rig.config.queue.asked_wait_max.0 - Duration::from_secs(1));
    assert!(rig.lease("a.example").await.is_empty());
    rig.turn(Duration::from_secs(1));
    rig.end("a.example", grey("450 try again in 1 second")).await;
    rig.turn(Duration::from_secs(60));
    assert!(rig.lease("a.example").await.is_empty());
    let rig = rig.restart().await;
    let items = rig.queue.list(Selector::All, 9).await;
    assert_eq!(items[0].class, Some(RefusalClass::Greylisting), "it is known after a restart");
    assert_eq!(items[0].why, "waits for its next attempt");
}

fn nights() -> QuietHours {
    // The clock begins at midnight in UTC: one in the morning in Berlin.
    QuietHours { from: 22 * 60, until: 8 * 60, zone: "Europe/Berlin".into() }
}

#[tokio::test]
async fn in_quiet_hours_a_streams_mail_waits_and_others_go() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (account, news) = rig.stream().await;
    let receipts =
        rig.another(&account, "receipts", StreamKind::Transactional, Some(nights())).await;
    let to: Vec<String> = (0..30).map(|number| format!("a{number}@a.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    rig.accept(&receipts, 1, "", &to).await;
    rig.accept(&news, 2, "", &["two@a.example"]).await;
    // However many wait, the next that may go is found at once.
    assert_eq!(rig.one("a.example").await.message.id, MessageId([2; 12]));
    let rig = rig.restart().await;
    rig.end("a.example", later()).await;
    assert_eq!(rig.queue.retry(Selector::All).await, 31, "the operator's word wakes nobody");
    rig.end("a.example", later()).await;
    let items = rig.queue.list(Selector::Message(MessageId([1; 12])), 99).await;
    assert_eq!(items[0].due_at.to_string(), "2026-11-24T07:00:00Z");
    assert_eq!(items[0].why, "its stream has quiet hours until 2026-11-24T07:00:00Z");
    assert_eq!(items[0].attempts, 0);
    rig.turn(HOUR * 7 - Duration::from_millis(1));
    assert!(rig.lease("a.example").await.iter().all(|lease| lease.message.id.0 == [2; 12]));
    rig.turn(Duration::from_millis(1));
    let leases = rig.lease("a.example").await;
    assert!(leases.iter().any(|lease| lease.message.id.0 == [1; 12]));
}

#[tokio::test]
async fn what_is_not_tried_takes_no_place_in_its_sites_pace() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (account, news) = rig.stream().await;
    let asleep = rig.another(&account, "asleep", StreamKind::Transactional, Some(nights())).await;
    let to: Vec<String> = (0..30).map(|number| format!("a{number}@a.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    rig.accept(&asleep, 1, "", &to).await;
    rig.accept(&news, 2, "", &["two@a.example"]).await;
    rig.accept(&news, 3, "", &["three@a.example"]).await;
    let slow = site("a.example");
    let interval = Some(Duration::from_secs(60));
    rig.queue.shape(&slow, Limits { connections: 10, interval, proven: true });
    for attempt in [Attempt::Untried, Attempt::Delivered(said("250 ok"))] {
        let mut leases = rig.queue.lease(&slow, 10).await;
        assert_eq!(leases.len(), 1);
        let lease = leases.remove(0);
        assert_eq!(lease.message.id, MessageId([2; 12]));
        rig.queue.finish(lease, attempt).await.expect("finished");
    }
    assert!(rig.queue.lease(&slow, 10).await.is_empty(), "what left did so in its place");
    rig.turn(Duration::from_secs(60));
    let leases = rig.queue.lease(&slow, 10).await;
    assert_eq!(leases[0].message.id, MessageId([3; 12]));
}

#[tokio::test]
async fn quiet_hours_move_the_next_attempt_and_the_end_of_trying() {
    let home = tempfile::tempdir().expect("a folder");
    let mut config = settings();
    config.queue.marketing_expiry.0 = HOUR * 14;
    config.queue.retry_delays = vec![crate::config::Span(HOUR)];
    config.queue.quiet_spread.0 = Duration::from_secs(600);
    let rig = open_with(home.path(), clock(), config);
    let account = rig.accounts.add_account("acme").await.expect("account");
    let news = rig.another(&account, "news", StreamKind::Marketing, Some(nights())).await;
    rig.turn(HOUR * 7); // eight in Berlin
    rig.accept(&news, 1, "", &["one@a.example"]).await;
    for _ in 0..14 {
        rig.end("a.example", later()).await;
        rig.turn(HOUR);
    }
    // Ten in the evening: what the last attempt put off is due in the morning.
    let items = rig.queue.list(Selector::All, 9).await;
    let (due, attempts) = (items[0].due_at, items[0].attempts);
    assert_eq!(attempts, 14);
    let (first, last) = ("2026-11-25T07:00:00Z", "2026-11-25T07:10:00Z");
    let within = first.parse().expect("a time")..last.parse().expect("a time");
    assert!(within.contains(&due), "{due}");
    assert!(items[0].why.contains("quiet hours until 2026-11-25T07:00:00Z"), "{}", items[0].why);
    let rig = rig.restart().await;
    rig.turn(HOUR * 10 - Duration::from_millis(1));
    assert!(rig.lease("a.example").await.is_empty(), "after a restart too");
    rig.turn(Duration::from_millis(600_001));
    // The daemon runs for so long that age counts again; the night does not count.
    rig.end("a.example", later()).await;
    let failed = Outcome::Failed { dead_address: false };
    assert_eq!(rig.outcomes().last(), Some(&failed), "fourteen hours of day and ten minutes");
    assert_ne!(rig.outcomes()[13], failed);
}

/// A disk that counts how often it is told to make what was written durable, and takes so long for that.
struct Counting(Arc<AtomicU64>, Duration);

struct CountingFile(Arc<dyn DiskFile>, Arc<AtomicU64>, Duration);

impl Counting {
    fn file(&self, file: io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(CountingFile(file?, self.0.clone(), self.1)))
    }
}

impl Disk for Counting {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.file(SystemDisk.create(path))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.file(SystemDisk.open(path))
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_directory(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        SystemDisk.list(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        SystemDisk.sync_directory(directory)
    }
    fn free(&self, path: &Path) -> io::Result<u64> {
        SystemDisk.free(path)
    }
}

impl DiskFile for CountingFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(bytes, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.1.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(self.2);
        self.0.sync_data()
    }
    fn modified(&self) -> io::Result<Timestamp> {
        self.0.modified()
    }
    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        self.0.set_modified(at)
    }
}

#[tokio::test]
async fn many_items_end_in_few_writes() {
    let home = tempfile::tempdir().expect("a folder");
    let (clock, syncs) = (clock(), Arc::new(AtomicU64::new(0)));
    let disk = Arc::new(Counting(syncs.clone(), Duration::ZERO));
    let world = World { clock: clock.clone(), disk, ..World::real() };
    let rig = open_in(world, home.path(), clock, settings());
    let (account, stream) = rig.stream().await;
    let to: Vec<String> = (0..1500).map(|number| format!("a{number}@a.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    for number in [1, 2] {
        rig.accept(&stream, number, "", &to).await;
    }
    let before = syncs.load(Ordering::SeqCst);
    let one = Selector::Message(MessageId([1; 12]));
    assert_eq!(rig.queue.remove(one, "enough").await.expect("removed"), 1500);
    let after = syncs.load(Ordering::SeqCst);
    assert!(after - before <= 4, "{} syncs for a cancel", after - before);
    let subject = Subject::Domain(Domain::parse("a.example").expect("a domain"));
    let text = "by hand".into();
    let evidence = Evidence { source: Source::Operator, text, ip: None, message: None };
    let stopped =
        rig.policy.suppress(account.id, subject, Scope::Account, Reason::Manual, evidence);
    stopped.await.expect("store");
    assert_eq!(rig.queue.cancel(Selector::All).await, 1500);
    let last = syncs.load(Ordering::SeqCst);
    assert!(last - after <= 4, "{} syncs for a stop of a domain", last - after);
    assert_eq!(rig.waiting().await, 0);
    let rig = rig.restart().await;
    assert_eq!(rig.waiting().await, 0);
}

#[tokio::test]
async fn many_items_expire_in_few_writes_and_leave_nothing_in_line() {
    let home = tempfile::tempdir().expect("a folder");
    let (clock, syncs) = (clock(), Arc::new(AtomicU64::new(0)));
    // Slow, so that what is written meanwhile waits for the next sync, however busy the machine is.
    let disk = Arc::new(Counting(syncs.clone(), Duration::from_millis(50)));
    let world = World { clock: clock.clone(), disk, ..World::real() };
    let rig = open_in(world, home.path(), clock, settings());
    let (_, stream) = rig.stream().await;
    let to: Vec<String> = (0..600).map(|number| format!("a{number}@a.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let began = rig.clock.now();
    rig.accept(&stream, 1, "", &to).await;
    let long = rig.config.queue.expiry.0 * 2;
    rig.turn(long);
    let now = rig.clock.now();
    let waits = vec![(began, Duration::ZERO), (now, long)];
    let outage = Outage { until: now.after(HOUR), said: said("no answer"), failures: 99, waits };
    rig.queue.pause(&site("a.example"), Some(outage));
    let before = syncs.load(Ordering::SeqCst);
    assert_eq!(rig.queue.expire().await, 600);
    let count = syncs.load(Ordering::SeqCst) - before;
    assert!(count < 150, "{count} syncs");
    assert_eq!((rig.waiting().await, rig.queue.expire().await), (0, 0));
    let lines = rig.queue.state().lanes.waiting_out();
    assert!(lines.iter().all(|(_, _, count)| *count <= 1), "{lines:?}");
}

#[tokio::test]
async fn an_end_that_is_being_written_is_no_hold() {
    use crate::queue::state::{Stand, State};
    use crate::queue::{Limits, Site};
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let limits = Limits { connections: 1, interval: None, proven: false };
    let (mut state, now) = (State::new(limits, 1), rig.clock.now());
    let draft = rig.draft(&stream, 1, "", &["one@a.example"]);
    let key = (draft.id, 0);
    assert!(state.add(draft, None, Sequence(1), now));
    let (stood, attempts) = state.claim(key).expect("nobody has it");
    assert_eq!((stood, attempts), (Stand::Queued, 0));
    assert!(state.claim(key).is_none(), "two ends at once claim it once");
    state.release(key, now);
    state.promote(now);
    let domain = Domain::parse("a.example").expect("a domain");
    assert!(state.take(&Site::of(&domain), now).is_none(), "a release does not let it go");
    assert!(!state.is_held(key));
    // A hold said meanwhile binds it where its end could not be written.
    assert!(state.hold(key));
    state.unclaim(key, stood);
    assert!(state.is_held(key));
    state.release(key, now);
    let (stood, _) = state.claim(key).expect("nobody has it");
    state.unclaim(key, stood);
    state.promote(now);
    assert!(
        state.take(&Site::of(&domain), now).is_some(),
        "it goes on where its end was not written"
    );
}

#[tokio::test]
async fn a_message_shows_how_its_recipients_ended() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let to = ["one@a.example", "two@b.example", "three@c.example"];
    let id = rig.accept(&stream, 1, "", &to).await;
    rig.end("b.example", later()).await;
    rig.end("a.example", Attempt::Delivered(said("250 ok"))).await;
    rig.turn(Duration::from_secs(60));
    rig.end("b.example", failed(false)).await;
    let ended = rig.queue.ended(id).await;
    let told: Vec<_> = ended
        .iter()
        .filter_map(|event| match event {
            MessageEvent::Recipient { recipient, outcome, .. } => {
                Some((recipient.0, outcome.name()))
            }
            MessageEvent::Accepted(_) => None,
        })
        .collect();
    assert_eq!(told, [(0, "delivered"), (1, "failed")]);
}
