//! Mail that waits: items, schedule, lease, permit, retry, reports. A trait; the embedded form lives in
//! memory and is rebuilt from the spool.

mod alike;
mod blot;
mod embedded;
mod ending;
mod hands;
mod history;
mod lanes;
mod outage;
mod rebuild;
mod report;
mod report_words;
mod schedule;
mod select;
mod shelf;
mod site;
mod state;
mod stop;
mod tally;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use blot::blot;
pub use embedded::Embedded;
pub(crate) use report::redacted;
pub use site::{Limits, Outage, Site, SiteView, Suspension};
pub use stop::{Stop, bounced, stop};

use crate::accounts::QuietHours;
use crate::events::message::{Accepted, MessageEvent};
use crate::mail::{
    AccountId, Address, Domain, MessageId, RecipientHash, RecipientNumber, RefusalClass, Status,
    StreamId, Timestamp,
};
use crate::policy::{Judgement, Permit};
use crate::spool::{Body, BodyWriter, SpoolFault};
use crate::store::StoreFault;
use crate::telemetry::AGES;
use async_trait::async_trait;
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// One recipient of a message, leased for one attempt. Dropped unfinished, it is due again.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The message.
    pub message: Arc<Accepted>,
    /// Which recipient.
    pub recipient: RecipientNumber,
    /// Attempts made before this one.
    pub attempts: u32,
    /// Distinguishes this lease from a later one of the same item.
    pub generation: u64,
    /// Leases of further recipients of the message in the same domain, where all get the same copy: one
    /// transaction takes all. They end with this lease, in its way, unless they are taken out of it.
    pub along: Vec<Lease>,
    /// Gives the item back when the last copy of the lease is gone.
    #[expect(dead_code, reason = "it acts when it is dropped")]
    pub(crate) guard: Arc<embedded::Guard>,
}

impl Lease {
    /// The domain that the copy goes to.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        let recipient = self.message.recipients.get(self.recipient.0 as usize)?;
        Some(recipient.address.domain())
    }

    fn key(&self) -> state::Key {
        (self.message.id, self.recipient.0)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Attempt {
    /// Taken by the remote.
    Delivered(Said),
    /// Worth another try: the queue sets the time, or gives up at expiry.
    Deferred(Said),
    /// Refused for good.
    Failed {
        /// What was said.
        said: Said,
        /// The address does not exist (a suppression follows).
        dead_address: bool,
    },
    /// Policy stopped it.
    Stopped(Judgement),
    /// It could not be judged, so that it was not sent: due after the first of `queue.retry_delays`, where
    /// listings say so.
    /// No attempt is counted, and nothing expires by it.
    Held(Said),
    /// It may not be tried before this moment: no attempt is counted, and nothing expires by it.
    Waits {
        /// Why, as listings show it.
        said: Said,
        /// When it is due again.
        until: Timestamp,
    },
    /// Nothing was tried (the connection was needed elsewhere, the daemon stops): due at once, and no
    /// attempt is counted.
    Untried,
}

/// Who said what.
#[derive(Debug, Clone)]
pub struct Said {
    /// `name[address]:port`, where a host answered.
    pub relay: Option<String>,
    /// The enhanced status, the remote's or ours.
    pub status: Status,
    /// The remote's reply on one line, or our reason.
    pub text: String,
    /// What a refusal is about, where that is known.
    pub class: Option<RefusalClass>,
}

impl Said {
    /// Whether it says that TLS is not what mail demands: a failure of cryptography, encryption needed, or
    /// REQUIRETLS (RFC 3463 §3.8, RFC 8689 §7).
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.status.subject == 7 && matches!(self.status.detail, 5 | 10 | 30)
    }
}

/// Which queued items a command means.
#[derive(Debug, Clone)]
pub enum Selector {
    /// Everything.
    All,
    /// One message.
    Message(MessageId),
    /// One recipient of one account.
    Recipient(AccountId, RecipientHash),
    /// An address, whoever sends.
    Address(Address),
    /// Addresses, in their normal form, whoever sends, and destinations: found in one walk.
    Among(Arc<HashSet<String>>, Arc<HashSet<Domain>>),
    /// A destination.
    Domain(Domain),
    /// An account's mail to destinations.
    Domains(AccountId, Arc<HashSet<Domain>>),
    /// An account's mail.
    Account(AccountId),
    /// A stream's mail.
    Stream(StreamId),
    /// A message's copy for an address.
    Copy(MessageId, Address),
    /// Mail that was accepted before a moment: an account's, or everybody's.
    AcceptedBefore(Option<AccountId>, Timestamp),
}

/// How a queued item waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = QueueState)]
pub enum ItemState {
    /// For its time.
    Queued,
    /// For the end of an attempt.
    Active,
    /// To be let go.
    Held,
}

/// A queued item as listings show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = KeptQueueItem)]
pub struct ItemView {
    /// The message.
    pub message: String,
    /// Which recipient.
    pub number: u32,
    /// The sender, empty for the null path.
    pub sender: String,
    /// The recipient.
    pub recipient: String,
    /// The account's number.
    #[schema(value_type = u32)]
    pub account: AccountId,
    /// The stream's number.
    #[schema(value_type = Option<u32>)]
    pub stream: Option<StreamId>,
    /// Whether an application submitted it.
    #[serde(skip)]
    pub is_submission: bool,
    /// Bytes.
    pub size: u64,
    /// How it waits.
    pub state: ItemState,
    /// Attempts made.
    pub attempts: u32,
    /// When it was accepted; written in milliseconds since 1970.
    #[schema(value_type = u64)]
    pub accepted: Timestamp,
    /// When it falls due, whatever keeps it then.
    #[serde(skip)]
    pub due_at: Timestamp,
    /// When it may be tried next, written so too; none while nobody can say: it is held, or suspended
    /// without an end.
    #[schema(value_type = Option<u64>)]
    pub next_at: Option<Timestamp>,
    /// Why it waits, or is held.
    pub why: String,
    /// What was said last.
    pub last: Option<String>,
    /// What that was about, where it was a refusal.
    pub class: Option<RefusalClass>,
    /// Why nothing goes to its site now, where that is so: the operator suspended it, or nobody can reach it.
    pub stopped: Option<String>,
}

/// What mail waits for while nothing is tried.
pub enum Waits<'a> {
    /// For what was said of it last, in these words.
    Said(&'a str),
    /// For mail to be let go that is held since a restore.
    Restore,
    /// For the end of quiet hours that its stream had.
    QuietHours(StreamId, &'a QuietHours),
}

/// Figures of the queue.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// Recipients that wait.
    pub queued: u64,
    /// Under attempt now.
    pub active: u64,
    /// Held by the operator.
    pub held: u64,
    /// The busiest destinations and what waits for each, at most 50.
    pub domains: Vec<(String, u64)>,
    /// How many have which age ([`Summary::AGES`]): of those queued, active, held.
    #[serde(skip)]
    pub ages: [[u64; 6]; 3],
    /// For how long the item has been due that has been due for longest, of those that something but the operator
    /// or an outage keeps.
    #[serde(skip)]
    pub oldest_due: Duration,
}

impl Summary {
    /// The ages by which what waits is counted: the most seconds, and their word.
    pub const AGES: [(u64, &str); 6] = AGES;
}

/// A message to accept: all but its id, body and time.
pub type Draft = Accepted;

/// The queue.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Whether mail may be accepted: spool ready, room in the queue.
    fn ready(&self) -> Result<(), SpoolFault>;
    /// Whether what becomes of mail can be recorded: only a disk that failed keeps it from being sent.
    fn can_record(&self) -> Result<(), SpoolFault>;
    /// Begins a body.
    fn body(&self) -> BodyWriter;
    /// Accepts a message: durable when this returns. `draft.body` is filled in from `body`.
    async fn enqueue(&self, draft: Draft, body: BodyWriter) -> Result<MessageId, SpoolFault>;
    /// Waits until some site has due items and room for a lease, and returns that site. A domain is a site of
    /// its own until [`Queue::join`] says otherwise.
    async fn due(&self) -> Site;
    /// Leases up to `max` due items of a site, without waiting, as far as its limits let that be: of its
    /// accounts in turn, each with those that go along.
    async fn lease(&self, site: &Site, max: usize) -> Vec<Lease>;
    /// Lets all that goes to a domain wait in the queue of a site from now on; whether it waited elsewhere.
    fn join(&self, domain: &Domain, site: &Site) -> bool;
    /// The site in whose queue a domain's mail waits, while that is known.
    fn site(&self, domain: &Domain) -> Option<Site>;
    /// Says how fast a site is served.
    fn shape(&self, site: &Site, limits: Limits);
    /// Says that nobody can reach a site, so that what waits for it, however much, waits until the end of
    /// a pause, or that it was reached.
    fn pause(&self, site: &Site, outage: Option<Outage>);
    /// What the operator has suspended, all of it.
    fn suspend(&self, all: Vec<Suspension>);
    /// The sites that are known, those first for which most waits, each with `domains_max` domains at most.
    fn sites(&self, domains_max: usize) -> Vec<SiteView>;
    /// Ends what has waited for too long for sites that nobody can reach, and warns the senders of what is
    /// late there; how many ended.
    async fn expire(&self) -> u64;
    /// Takes the permit for a leased item's final dot, then looks once more. `Err`: no dot.
    async fn permit(&self, lease: &Lease) -> Result<Result<Permit, Judgement>, StoreFault>;
    /// Ends a lease. Spools the event; on final failure the report to the sender is enqueued too.
    async fn finish(&self, lease: Lease, attempt: Attempt) -> Result<(), SpoolFault>;
    /// Ends the leases of one transaction, each in its own way, with one write for all that it can.
    async fn finish_together(&self, ended: Vec<(Lease, Attempt)>) -> Result<(), SpoolFault>;
    /// Ends queued items that policy now stops: each is judged anew, and stopped with an event.
    async fn cancel(&self, selector: Selector) -> u64;
    /// Takes items out of the queue by the operator's word. One under attempt gets no permit any more
    /// and goes when its attempt ends; how many went within `queue.permit_wait_max` is answered.
    async fn remove(&self, selector: Selector, reason: &str) -> Result<u64, SpoolFault>;
    /// Makes items due now, and those under attempt when that ends; how many. What is held stays held.
    async fn retry(&self, selector: Selector) -> u64;
    /// Makes items due now whose waiting has come to its end before its time; how many. What falls into
    /// other quiet hours then waits for the end of these.
    async fn wake(&self, waits: Waits<'_>) -> u64;
    /// Holds items back, or lets them go, durably; how many that changes. One under attempt is held
    /// when that ends.
    async fn hold(&self, selector: Selector, held: bool) -> Result<u64, SpoolFault>;
    /// Items that match, at most `limit`.
    async fn list(&self, selector: Selector, limit: usize) -> Vec<ItemView>;
    /// Figures.
    async fn summary(&self) -> Summary;
    /// Notes that somebody's complaint about an account's mail made a stop.
    fn complained(&self, account: AccountId);
    /// The message that a bounce token names, while it is known, and the recipient of it, who may be one
    /// of several ([`RecipientNumber::shared`]).
    async fn find(
        &self,
        message: MessageId,
        recipient: RecipientNumber,
    ) -> Option<(Arc<Accepted>, RecipientNumber)>;
    /// How a message's recipients ended that have: of each, the event that says so, by their numbers.
    async fn ended(&self, message: MessageId) -> Vec<MessageEvent>;
    /// Notes that mail which a remote had taken came back later, and tells its sender.
    async fn returned(
        &self,
        message: Arc<Accepted>,
        recipient: RecipientNumber,
        said: Said,
        dead_address: bool,
    ) -> Result<(), SpoolFault>;
    /// What happened to an account's mail to a recipient, newest last, at most `limit`.
    async fn events_for(
        &self,
        account: AccountId,
        hash: RecipientHash,
        limit: usize,
    ) -> Vec<MessageEvent>;
    /// Reads a body back.
    fn read(&self, body: &Body) -> crate::spool::BodyReader;
}
