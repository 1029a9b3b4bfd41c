//! The recipients of one transaction. Where all get the same copy several go together; each keeps a fate
//! of its own.

use super::Delivery;
use super::outcome::{Relay, Stage, attempt};
use crate::events::message::Accepted;
use crate::mail::{Domain, MessageId, RecipientNumber, Reply};
use crate::queue::{Attempt, Lease};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Most messages of which it is remembered that their recipients go one by one.
const SINGLY_MAX: usize = 1000;

/// Messages whose recipients go one by one from now on.
#[derive(Default)]
pub(super) struct Singly(Mutex<VecDeque<MessageId>>);

impl Singly {
    fn note(&self, message: MessageId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&message) {
            all.push_back(message);
        }
        if all.len() > SINGLY_MAX {
            all.pop_front();
        }
    }

    fn holds(&self, message: MessageId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&message)
    }
}

/// The recipients of a transaction.
pub(super) struct Batch {
    /// Whose fate is open; those first whom the server has taken.
    open: Vec<Lease>,
    /// How many of these it has taken.
    taken: usize,
    /// Whom it refused, and the ends that this is once it is certain whose replies they were.
    refused: Vec<(Lease, Attempt)>,
    /// Whose fate is known.
    ended: Vec<(Lease, Attempt)>,
    /// The number that the return path names.
    pub(super) number: RecipientNumber,
    /// Whether those who are open must be asked about one by one.
    is_split: bool,
}

/// What the server says of one recipient.
pub(super) enum Answer {
    /// It is taken.
    Taken,
    /// There are too many for this transaction.
    Next,
    /// It is not, for now or for good.
    Refused(Reply),
}

impl Batch {
    /// These, of one message; at least one.
    pub(super) fn new(open: Vec<Lease>) -> Self {
        let number = match &open[..] {
            [first, _, ..] => first.recipient.shared(),
            [only] => only.recipient,
            [] => RecipientNumber(0),
        };
        Self { open, taken: 0, refused: Vec::new(), ended: Vec::new(), number, is_split: false }
    }

    /// Whose fate is open.
    pub(super) fn open(&self) -> &[Lease] {
        &self.open
    }

    /// Who has been taken.
    pub(super) fn taken(&self) -> &[Lease] {
        &self.open[..self.taken]
    }

    /// The one whose lease began it, or who stands first now; none once all have ended.
    pub(super) fn first(&self) -> Option<&Lease> {
        self.open.first()
    }

    /// Their message.
    pub(super) fn message(&self) -> Option<&Accepted> {
        self.first().map(|lease| &*lease.message)
    }

    /// Whether the copy is for several, so that reports must name whom they are about.
    pub(super) fn is_shared(&self) -> bool {
        self.number.of_shared().is_some()
    }

    /// Notes what the server said of each, in their order.
    pub(super) fn answered(&mut self, relay: &Relay, answers: Vec<Answer>) {
        let (mut taken, mut next) = (Vec::new(), Vec::new());
        for (lease, answer) in std::mem::take(&mut self.open).into_iter().zip(answers) {
            match answer {
                Answer::Taken => taken.push(lease),
                Answer::Next => next.push(lease),
                Answer::Refused(reply) => {
                    let end = attempt(relay, Stage::Recipient, &reply);
                    self.refused.push((lease, end));
                }
            }
        }
        self.taken = taken.len();
        self.open = taken;
        self.open.append(&mut next);
    }

    /// The server answers as it is asked: refusals count.
    pub(super) fn settle(&mut self) {
        self.ended.append(&mut self.refused);
    }

    /// The answers are those to other questions, perhaps: nobody was taken, or refused.
    pub(super) fn forget(&mut self) {
        let refused = std::mem::take(&mut self.refused);
        self.open.extend(refused.into_iter().map(|(lease, _)| lease));
        self.taken = 0;
    }

    /// Whom it is for go one by one from now on: nobody was taken, or refused.
    pub(super) fn split(&mut self) {
        self.forget();
        self.is_split = true;
    }

    /// The same end for all whom the server has taken. A refusal of several that says that an address is
    /// gone does not say whose: each is asked about alone.
    pub(super) fn end_taken(&mut self, end: &Attempt) {
        if self.taken > 1 && matches!(end, Attempt::Failed { dead_address: true, .. }) {
            (self.taken, self.is_split) = (0, true);
            return;
        }
        let taken = self.open.drain(..self.taken);
        self.ended.extend(taken.map(|lease| (lease, end.clone())));
        self.taken = 0;
    }

    /// The same end for all whom the transaction was for: those who were taken, or everybody before
    /// anybody was. Refusals that nothing contradicts count.
    pub(super) fn end(&mut self, end: &Attempt) {
        self.settle();
        if self.taken == 0 {
            self.taken = self.open.len();
        }
        self.end_taken(end);
    }

    /// An end for some of those whom the server has taken; the others are sent again.
    pub(super) fn end_some(&mut self, mut ends: Vec<Option<Attempt>>) {
        ends.resize(self.open.len(), None);
        let mut left = Vec::new();
        for (lease, end) in std::mem::take(&mut self.open).into_iter().zip(ends) {
            match end {
                Some(end) => self.ended.push((lease, end)),
                None => left.push(lease),
            }
        }
        self.open = left;
        self.taken = 0;
    }

    /// Keeps the first few; the others are due again at once.
    pub(super) fn keep(&mut self, count: usize) {
        self.open.truncate(count.max(1));
    }

    /// The domains of those whose fate is open, each once; the first one's first.
    pub(super) fn domains(&self) -> Vec<Domain> {
        let mut domains: Vec<Domain> = Vec::new();
        for lease in &self.open {
            let to = lease.message.recipients.get(lease.recipient.0 as usize);
            if let Some(domain) = to.map(|to| to.address.domain())
                && !domains.contains(domain)
            {
                domains.push(domain.clone());
            }
        }
        domains
    }

    /// Leaves out those of a domain; they are due again at once.
    pub(super) fn leave_out(&mut self, domain: &Domain) {
        self.open.retain(|lease| {
            let to = lease.message.recipients.get(lease.recipient.0 as usize);
            to.is_none_or(|to| to.address.domain() != domain)
        });
    }

    /// How those ended whose fate is known and not yet written down.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Attempt> {
        self.ended.iter().map(|(_, attempt)| attempt)
    }

    /// The ends that are not yet written down.
    pub(super) fn ends(&mut self) -> Vec<(Lease, Attempt)> {
        std::mem::take(&mut self.ended)
    }
}

impl Delivery {
    /// The lease and those that go along, as far as policy lets them now.
    pub(super) async fn batch(&self, mut lease: Lease) -> Batch {
        let along = std::mem::take(&mut lease.along);
        let mut open = vec![lease];
        // The copy has the last word; who is not sent it with this one is due again at once.
        let may_share = !along.is_empty() && !self.singly.holds(open[0].message.id);
        if may_share && self.is_shared(&open[0]) {
            for other in along {
                open.extend(self.judged(other).await);
            }
        }
        Batch::new(open)
    }

    /// Lets whom a batch leaves open go one by one, where that is to be; they are due again at once.
    pub(super) fn scatter(&self, batch: &mut Batch) {
        if batch.is_split
            && let Some(message) = batch.first().map(|lease| lease.message.id)
        {
            self.singly.note(message);
            batch.open.clear();
        }
    }

    /// Writes down how recipients ended; says whether that could be recorded.
    pub(super) async fn finish_ended(&self, batch: &mut Batch) -> bool {
        let mut ends = batch.ends();
        if ends.len() < 2 {
            return match ends.pop() {
                Some((lease, attempt)) => self.finish(lease, attempt).await,
                None => true,
            };
        }
        let (message, count) = (ends[0].0.message.id, ends.len());
        match self.parts.queue.finish_together(ends).await {
            Ok(()) => true,
            Err(fault) => {
                tracing::error!(%fault, %message, count, "the end of a transaction was not recorded");
                false
            }
        }
    }
}
