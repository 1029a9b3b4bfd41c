//! The daily round: at a moment of chance after midnight UTC, so that not all the world reports at once, the
//! days that are over are told to the domains that ask, by mail or over HTTPS.

use super::super::Delivery;
use super::super::sign::signatures;
use super::report::{Destination, Report, Reporter, destinations};
use super::tally::{Day, Key};
use crate::accounts::SendingDomain;
use crate::events::message::{Accepted, Origin, Recipient};
use crate::mail::{AccountId, Address, Domain, MessageId, ReversePath, Timestamp, TlsDemand};
use crate::web::{Asked, WebFault};
use ring::digest::{SHA256, digest};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A day.
const DAY: Duration = Duration::from_secs(86_400);
/// How long a report may wait for the destination's name servers, or ours.
const PATIENCE: Duration = Duration::from_secs(3 * 86_400);
/// Pause between two tries at what could not be reported.
const AGAIN: Duration = Duration::from_secs(3600);
/// Longest time for handing in one report over HTTPS.
const POST: Duration = Duration::from_secs(60);
/// Most bytes of an answer to that.
const ANSWER_MAX: usize = 64 << 10;
/// Domains that are reported to at a time.
const AT_ONCE: usize = 8;

impl Delivery {
    /// Saves what is counted, and reports what is over, until told to stop.
    pub async fn report(self: Arc<Self>, shutdown: CancellationToken) {
        let mut changes = self.parts.config.changes();
        let mut due = self.round(self.parts.world.clock.now());
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return self.tally.save().await,
                // Looked at anew each time: the settings may change.
                () = tokio::time::sleep(self.parts.config.tls_reports.save_delay.0) => {}
                _ = changes.changed() => continue,
            }
            if !self.parts.config.tls_reports.enabled {
                continue;
            }
            self.tally.save().await;
            let now = self.parts.world.clock.now();
            if now >= due {
                let Some(is_done) = self.report_and_save(&shutdown).await else {
                    return self.tally.save().await;
                };
                let next = self.round(now.after(DAY));
                due = if is_done { next } else { now.after(AGAIN).min(next) };
            }
        }
    }

    /// Reports what is over, and goes on saving what is counted, since a round may take long; none where it
    /// is told to stop.
    async fn report_and_save(self: &Arc<Self>, shutdown: &CancellationToken) -> Option<bool> {
        let delay = self.parts.config.tls_reports.save_delay.0;
        let round = self.report_past();
        tokio::pin!(round);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return None,
                is_done = &mut round => return Some(is_done),
                () = tokio::time::sleep(delay) => self.tally.save().await,
            }
        }
    }

    /// When the day of a moment has its round.
    fn round(&self, day: Timestamp) -> Timestamp {
        let spread = self.parts.config.tls_reports.spread.0.as_millis();
        let chance = self.parts.world.chance.below(u64::try_from(spread).unwrap_or(u64::MAX));
        let length = u64::try_from(DAY.as_millis()).unwrap_or(u64::MAX);
        Timestamp(day.0 - day.0 % length).after(Duration::from_millis(chance))
    }

    /// Reports the days that are over; whether none of them is left.
    pub(in crate::delivery) async fn report_past(self: &Arc<Self>) -> bool {
        let (mut after, mut is_done) = (None, true);
        loop {
            let page = match self.tally.past(after.as_ref()) {
                Ok(page) => page,
                Err(fault) => {
                    tracing::warn!(target: "relent::delivery", %fault, "no TLS report can be made");
                    return false;
                }
            };
            let Some((last, _)) = page.last() else { return is_done };
            after = Some(last.clone());
            let mut tasks = JoinSet::new();
            for (key, day) in page {
                if tasks.len() >= AT_ONCE {
                    is_done &= tasks.join_next().await.is_none_or(|ended| ended.unwrap_or(false));
                }
                let all = self.clone();
                tasks.spawn(async move { all.report_key(key, day).await });
            }
            while let Some(ended) = tasks.join_next().await {
                is_done &= ended.unwrap_or(false);
            }
        }
    }

    /// Reports a domain's day and forgets it, or keeps for another try who has been told; whether that is over.
    async fn report_key(&self, key: Key, mut day: Day) -> bool {
        let mut told = Vec::new();
        let is_over = self.report_day(&key, &day, &mut told).await;
        if is_over {
            self.tally.forget(key).await;
        } else if !told.is_empty() {
            day.told.extend(told);
            self.tally.keep(key, day).await;
        }
        is_over
    }

    /// Reports a domain's day to those who have not been told, and notes who has; false where it is worth
    /// another try.
    async fn report_day(&self, key: &Key, day: &Day, told: &mut Vec<String>) -> bool {
        let Some((date, name)) = key.split_once('/') else { return true };
        let Ok(domain) = Domain::parse(name) else { return true };
        let now = self.parts.world.clock.now();
        let begun = format!("{date}T00:00:00Z").parse::<Timestamp>();
        let is_late = begun.is_ok_and(|begun| now.since(begun) > PATIENCE);
        let records = self.parts.resolver.texts(&format!("_smtp._tls.{domain}")).await;
        let Ok(records) = records else { return is_late };
        let config = &self.parts.config;
        let settings = &config.tls_reports;
        let own = format!("tls-reports@{}", config.hostname);
        let Ok(sender) = Address::parse(settings.sender.as_deref().unwrap_or(&own)) else {
            return true;
        };
        let contact = sender.to_string();
        let by = Reporter {
            sender: &sender,
            contact: settings.contact.as_deref().unwrap_or(&contact),
            organization: settings.organization.as_deref().unwrap_or(&config.hostname),
        };
        let report = Report { by, domain: &domain, date, day };
        let packed = report.packed();
        let mut is_done = true;
        for to in destinations(&records).into_iter().take(settings.addresses_max as usize) {
            let where_to = to.to_string();
            if day.told.contains(&where_to) {
                continue;
            }
            let sent = match &to {
                Destination::Mail(address) => self.mail_report(&report, &packed, address).await,
                Destination::Web(host, port, path) => {
                    self.post_report(&packed, (host, *port, path)).await
                }
            };
            match sent {
                Ok(()) => {
                    tracing::info!(target: "relent::delivery", %domain, date, to = where_to,
                        "TLS report sent");
                    told.push(where_to);
                }
                Err(fault) => {
                    tracing::info!(target: "relent::delivery", %domain, date, to = where_to, fault,
                        "TLS report not sent");
                    is_done = false;
                }
            }
        }
        is_done || is_late
    }

    /// Puts a report into our own queue; one that waits there already is not doubled.
    async fn mail_report(
        &self,
        report: &Report<'_>,
        packed: &[u8],
        to: &Address,
    ) -> Result<(), String> {
        let parts = &self.parts;
        let now = parts.world.clock.now();
        let mut message = report.message(packed, to, now);
        if let Some(domain) = self.signer(report.by.sender.domain())? {
            let signed = signatures(&self.keys, &domain, &mut message)?;
            message.splice(0..0, signed.into_bytes());
        }
        let account = AccountId::INSTALLATION;
        let hash = parts.accounts.hash(account, to).map_err(|fault| fault.to_string())?;
        let name = digest(&SHA256, format!("{} {to}", report.id()).as_bytes());
        let draft = Accepted {
            from: Some(report.by.sender.clone()),
            smtputf8: to.needs_smtputf8(),
            eight_bit: !message.is_ascii(),
            // A report about TLS that fails goes on though it fails, and is not counted (RFC 8460 §3).
            tls: TlsDemand::Optional,
            ..Accepted::new(
                MessageId(name.as_ref()[..12].try_into().expect("32 bytes")),
                Origin::Letter { account, stream: None },
                ReversePath::Null,
                vec![Recipient { address: to.clone(), hash }],
                now,
            )
        };
        let mut body = parts.queue.body();
        body.write(&message).await.map_err(|fault| fault.to_string())?;
        parts.queue.enqueue(draft, body).await.map(drop).map_err(|fault| fault.to_string())
    }

    /// The domain of ours that signs for a name, where some account has it.
    fn signer(&self, name: &Domain) -> Result<Option<Arc<SendingDomain>>, String> {
        let accounts = &self.parts.accounts;
        for account in accounts.accounts().map_err(|fault| fault.to_string())? {
            let found = accounts.domain(account.id, name).map_err(|fault| fault.to_string())?;
            if let Some(domain) = found.filter(|domain| domain.may_send()) {
                return Ok(Some(domain));
            }
        }
        Ok(None)
    }

    async fn post_report(
        &self,
        packed: &[u8],
        (host, port, path): (&str, u16, &str),
    ) -> Result<(), String> {
        let sent = Some((packed.to_vec(), "application/tlsrpt+gzip", None));
        let asked = Asked { host, port, path, sent, size_max: ANSWER_MAX };
        let late = |_| Err(WebFault::Lost(format!("no answer within {POST:?}")));
        let page = timeout(POST, self.web.ask(asked)).await.unwrap_or_else(late);
        match page.map_err(|fault| fault.to_string())?.status {
            200..300 => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }
}
