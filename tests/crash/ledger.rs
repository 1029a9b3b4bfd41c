//! The clients' ledger, the load that fills it, and the judgement: ledger against mailbox.

use crate::support::World;
use crate::support::client::{Client, letter};
use relent::demo::receiver::Received;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Whose mail waits in the queue until the faults are over and may be stopped meanwhile, whose may be
/// stopped at once, and who is let alone.
const KINDS: [&str; 4] = ["waits", "stops", "ready", "ready"];
/// How many messages must arrive before the ledgers are compared again.
const CHUNK: usize = 200;

/// How many recipients a failure names.
const NAMED: usize = 10;

/// How long the receiving server may take, on a busy machine, to read a dot that its kernel had before
/// the stop was acknowledged. What a lost stop brings is later than that, or comes from a later daemon; what a
/// missing last look brings, the race of `policy` measures.
const READING_MAX: Duration = Duration::from_secs(10);

/// What the clients saw, outside the daemon.
#[derive(Default)]
pub(super) struct Ledger {
    /// Recipients of messages whose `250` arrived.
    pub(super) accepted: Mutex<Vec<String>>,
    /// Recipients of messages that were answered 4xx or 5xx.
    pub(super) refused: Mutex<Vec<String>>,
    /// Recipients that are to be stopped; with the moment of the acknowledgement where one arrived.
    pub(super) stops: Mutex<HashMap<String, Option<Instant>>>,
    /// Moments at which nothing was under way that a daemon had sent before its end: whoever had been stopped
    /// gets nothing after the next such moment, not by a hair.
    ends: Mutex<Vec<Instant>>,
    next: AtomicU64,
    /// How much of the mailbox is older than this ledger.
    since: usize,
    /// Entries taken over from another: messages and stops.
    old: (usize, usize),
}

/// What the two ledgers say against each other.
#[derive(Default, Debug)]
pub(super) struct Verdict {
    /// Messages acknowledged.
    pub(super) accepted: usize,
    /// Opt-outs acknowledged.
    pub(super) stopped: usize,
    /// Messages received, those of an earlier ledger included.
    pub(super) received: usize,
    /// Acknowledged, and never received.
    pub(super) lost: Vec<String>,
    /// Received after the acknowledgement of the recipient's stop.
    pub(super) late: Vec<String>,
    /// Refused, and received all the same.
    pub(super) refused_and_sent: Vec<String>,
    /// Received more than once.
    pub(super) twice: Vec<String>,
}

impl Ledger {
    /// A ledger that begins with so much in the mailbox, and counts recipients up from `next`.
    pub(super) fn since(since: usize, next: u64) -> Self {
        Self { next: next.into(), since, ..Self::default() }
    }

    /// The same without the messages that have come.
    pub(super) fn without_what_came(self, world: &World) -> Self {
        let mailbox = world.receiver.mailbox();
        let came: HashSet<_> =
            mailbox.iter().skip(self.since).flat_map(|mail| &mail.recipients).collect();
        self.accepted.lock().expect("ledger").retain(|to| !came.contains(to));
        self
    }

    /// The same entries, to be compared with what comes from now on.
    pub(super) fn again(&self, since: usize) -> Self {
        let list = |entries: &Mutex<Vec<String>>| entries.lock().expect("ledger").clone();
        let (accepted, stops) = (list(&self.accepted), self.stops.lock().expect("ledger").clone());
        Self {
            old: (accepted.len(), stops.values().flatten().count()),
            accepted: Mutex::new(accepted),
            refused: Mutex::new(list(&self.refused)),
            stops: Mutex::new(stops),
            ends: Mutex::new(vec![Instant::now()]),
            ..Self::since(since, self.next.load(Ordering::Relaxed))
        }
    }

    /// Notes that nothing is under way to the receiver.
    pub(super) fn note_end(&self) {
        self.ends.lock().expect("ledger").push(Instant::now());
    }

    /// How many messages and how many stops were acknowledged so far.
    pub(super) fn counts(&self) -> (usize, usize) {
        let accepted = self.accepted.lock().expect("ledger").len();
        (accepted, self.stops.lock().expect("ledger").values().flatten().count())
    }

    /// The next recipient of this kind.
    pub(super) fn recipient(&self, kind: &str) -> String {
        format!("{kind}{}@reader.example", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes how a message was answered. Silence is neither.
    pub(super) fn note(&self, to: &str, reply: &str) {
        let list = match reply.as_bytes().first() {
            Some(b'2') => &self.accepted,
            Some(b'4' | b'5') => &self.refused,
            _ => return,
        };
        list.lock().expect("ledger").push(to.to_owned());
    }

    /// Whether every accepted message to this kind has been received.
    pub(super) fn has_come(&self, world: &World, kind: &str) -> bool {
        let mailbox = world.receiver.mailbox();
        let came: HashSet<_> =
            mailbox.iter().skip(self.since).flat_map(|mail| &mail.recipients).collect();
        let accepted = self.accepted.lock().expect("ledger");
        accepted.iter().filter(|to| to.starts_with(kind)).all(|to| came.contains(to))
    }

    /// Asks for a stop, and notes when it was acknowledged; false where it was not.
    pub(super) fn stop(&self, world: &World, to: &str) -> bool {
        self.stops.lock().expect("ledger").insert(to.to_owned(), None);
        let is_done = world.relent(&["suppression", "add", "acme", to]).code == 0;
        if is_done {
            self.stops.lock().expect("ledger").insert(to.to_owned(), Some(Instant::now()));
        }
        is_done
    }

    /// Submits to a fresh recipient each time until told to end or the daemon is gone.
    pub(super) fn send_until(&self, port: u16, password: &str, end: &AtomicBool) {
        let Ok(mut client) = Client::try_connect(port) else { return };
        client.say("EHLO load.example");
        let secret = data_encoding::BASE64.encode(format!("\0app/receipts\0{password}").as_bytes());
        if !client.say(&format!("AUTH PLAIN {secret}")).starts_with("235") {
            return;
        }
        while !end.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let kind = KINDS[(number % 4) as usize];
            let to = format!("{kind}{number}@reader.example");
            let reply = client.submit("news@acme.example", &[&to], &letter("Load"));
            self.note(&to, &reply);
            if reply.is_empty() {
                return;
            }
        }
    }

    /// Stops recipients that were accepted, one after the other, until told to end.
    pub(super) fn stop_until(&self, world: &World, end: &AtomicBool) {
        while !end.load(Ordering::Relaxed) {
            let next = {
                let (accepted, stops) = (self.accepted.lock(), self.stops.lock());
                let (accepted, stops) = (accepted.expect("ledger"), stops.expect("ledger"));
                let may_be = |to: &&String| !to.starts_with("ready") && !stops.contains_key(*to);
                accepted.iter().rev().find(may_be).cloned()
            };
            match next {
                Some(to) => {
                    self.stop(world, &to);
                }
                None => std::thread::yield_now(),
            }
        }
    }
}

/// Waits until all that must come has come, or nothing has for `silence`, and compares.
pub(super) async fn judge(world: &World, ledger: &Ledger, silence: Duration) -> Verdict {
    let accepted = ledger.accepted.lock().expect("ledger").clone();
    let refused = ledger.refused.lock().expect("ledger").clone();
    let stops = ledger.stops.lock().expect("ledger").clone();
    // A stop whose acknowledgement was cut off may have been recorded, and then holds.
    let expected: HashSet<_> =
        accepted.iter().filter(|to| !stops.contains_key(*to)).cloned().collect();
    let received = |mail: &[Received]| -> HashSet<String> {
        mail.iter().skip(ledger.since).flat_map(|mail| mail.recipients.clone()).collect()
    };
    let mut arrived = world.receiver.mailbox().len();
    while !expected.is_subset(&received(&world.receiver.mailbox())) {
        let more = world.receiver.wait(silence, |mail| {
            mail.len() > arrived + CHUNK || expected.is_subset(&received(mail))
        });
        let more = more.await;
        let now = world.receiver.mailbox().len();
        if more.is_none() && now == arrived {
            break;
        }
        arrived = now;
    }
    let came = received(&world.receiver.mailbox());
    let mailbox = world.receiver.mailbox().split_off(ledger.since);
    let ends = ledger.ends.lock().expect("ledger").clone();
    let is_late = |stopped: Instant, came: Instant| {
        came > stopped + READING_MAX || ends.iter().any(|end| stopped <= *end && *end < came)
    };
    // Whom a dot reached after their stop was acknowledged, and by how much.
    let late = |mail: &Received| {
        let stopped =
            mail.recipients.iter().filter_map(|to| Some((to.clone(), (*stops.get(to)?)?)));
        let after = stopped.filter(|(_, at)| is_late(*at, mail.at));
        after.map(|(to, at)| format!("{to} (by {:?})", mail.at - at)).collect::<Vec<_>>()
    };
    let mut times: HashMap<&String, u32> = HashMap::new();
    for to in mailbox.iter().flat_map(|mail| &mail.recipients) {
        *times.entry(to).or_default() += 1;
    }
    let ours = |to: &&String| accepted.contains(to) || refused.contains(to);
    Verdict {
        accepted: accepted.len() - ledger.old.0,
        stopped: stops.values().flatten().count() - ledger.old.1,
        received: mailbox.len(),
        lost: expected.difference(&came).cloned().collect(),
        late: mailbox.iter().flat_map(late).collect(),
        refused_and_sent: refused.iter().filter(|to| came.contains(*to)).cloned().collect(),
        twice: times
            .iter()
            .filter(|(_, n)| **n > 1)
            .map(|(to, _)| *to)
            .filter(ours)
            .cloned()
            .collect(),
    }
}

impl Verdict {
    /// Nothing acknowledged was lost, and nothing followed an acknowledged stop.
    pub(super) fn must_hold(&self, when: &str) {
        let some = |list: &[String]| list.iter().take(NAMED).cloned().collect::<Vec<_>>().join(" ");
        let told = self.told();
        assert!(self.lost.is_empty(), "{when}: lost, among others {}: {told}", some(&self.lost));
        assert!(self.late.is_empty(), "{when}: late, among others {}: {told}", some(&self.late));
    }

    /// Adds another's figures.
    pub(super) fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.stopped += other.stopped;
        self.received += other.received;
        self.lost.extend(other.lost);
        self.late.extend(other.late);
        self.refused_and_sent.extend(other.refused_and_sent);
        self.twice.extend(other.twice);
    }

    /// The figures in a line.
    pub(super) fn told(&self) -> String {
        format!(
            "{} messages acknowledged, {} received, {} opt-outs acknowledged; lost {}, late dots {}, \
             received twice {}, refused and yet sent {}",
            self.accepted,
            self.received,
            self.stopped,
            self.lost.len(),
            self.late.len(),
            self.twice.len(),
            self.refused_and_sent.len(),
        )
    }
}
