//! Dead addresses: what a remote's word that an address is gone comes to. It is counted in the recipient's
//! record; with as many as the setting says it becomes a stop.

use super::change;
use super::desk::{Policy, key};
use super::leap;
use super::record::{HardBounce, RecipientRecord, Settled, Suppression};
use crate::config;
use crate::events::Author;
use crate::events::record::{Evidence, Grounds, Reason, Rule, Scope, Source, Trust};
use crate::mail::{AccountId, Address, Domain, MessageId, RecipientHash, Timestamp};
use crate::store::{StoreFault, Transaction};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::IpAddr;

/// Names below a country's that are no organisation's: `co.uk`, `com.cn`.
const SHARED: [&str; 13] =
    ["co", "com", "net", "org", "ac", "edu", "gov", "gob", "gouv", "ne", "or", "go", "nom"];

/// An address that a remote called dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Whose mail it was.
    pub account: AccountId,
    /// The recipient, under the account's key.
    pub hash: RecipientHash,
    /// The address.
    pub address: Address,
    /// What was said.
    pub evidence: Evidence,
    /// When.
    pub at: Timestamp,
    /// The message that could not be delivered.
    pub message: MessageId,
    /// Whose mail servers said so, as [`site_of`] has it.
    pub site: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buried {
    /// Counted: more are needed for a stop.
    Counted,
    /// A stop, by the number of its event.
    Stopped(u64),
    /// Kept for the operator to decide about, since its site is under alarm.
    Held,
}

impl Buried {
    /// As figures are labelled with it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Stopped(_) => "stopped",
            Self::Held => "held",
        }
    }
}

/// Whose mail servers answered: the organisation in the name of the host, so that all hosts of a provider,
/// which share its faults, are one site, whatever domains they serve; the recipient's domain where no
/// host gave its name.
#[must_use]
pub fn site_of(relay: Option<&str>, domain: &Domain) -> String {
    let host = relay.and_then(|relay| relay.split('[').next());
    let host = host.map(|host| host.trim_end_matches('.').to_ascii_lowercase());
    let host = host.filter(|host| host.contains('.') && host.parse::<IpAddr>().is_err());
    organisation(host.as_deref().unwrap_or(domain.as_str())).to_owned()
}

/// The site that an operator means: as listings name it, or one of its mail servers, whose addresses in
/// brackets or final dot are passed over.
#[must_use]
pub fn site_named(text: &str) -> String {
    let host = text.trim().split('[').next().unwrap_or_default();
    organisation(host.trim_end_matches('.').to_ascii_lowercase().as_str()).to_owned()
}

/// The last two labels of a name; three, where the last two are a country's.
fn organisation(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (Some(last), Some(second)) = (dots.next(), dots.next()) else { return host };
    let is_shared = host.len() - last - 1 == 2 && SHARED.contains(&&host[second + 1..last]);
    let start = if is_shared { dots.next() } else { Some(second) };
    start.map_or(host, |dot| &host[dot + 1..])
}

/// Counts a dead address in its record, or makes it a stop. One message counts once.
pub(super) fn bury(
    (t, author): (&mut Transaction<'_>, &Author),
    death: &Death,
    settings: &config::Queue,
) -> Result<Buried, StoreFault> {
    if death.hash == RecipientHash([0; 16]) {
        // Of a recipient who was forgotten nothing is recorded.
        return Ok(Buried::Counted);
    }
    let place = (death.account, death.hash);
    let mut kept = t.get::<RecipientRecord>(&key(death.account, death.hash))?.unwrap_or_default();
    kept.address.get_or_insert(death.address.clone());
    let (scope, reason) = (Scope::Account, Reason::HardBounce);
    let stands = kept.suppressions.iter().any(|s| s.scope == scope && s.reason == reason);
    if !stands {
        let is_known = |known: &HardBounce| known.message == death.message;
        if kept.hard_bounces.iter().any(is_known) {
            return Ok(Buried::Counted);
        }
        let window = settings.hard_bounces_window.0;
        kept.hard_bounces.retain(|known| death.at.since(known.at) <= window);
        kept.hard_bounces.push(HardBounce {
            at: death.at,
            message: death.message,
            is_late: death.evidence.source == Source::Bounce,
        });
        if kept.hard_bounces.len() < settings.hard_bounces_to_suppress as usize {
            t.put(&key(death.account, death.hash), &kept);
            return Ok(Buried::Counted);
        }
        kept.hard_bounces.clear();
    }
    let stop = Suppression {
        scope,
        reason,
        evidence: death.evidence.clone(),
        at: death.at,
        sequence: 0,
        site: Some(death.site.clone()),
    };
    let grounds = grounds(&stop.evidence);
    Ok(Buried::Stopped(change::stop_on((t, author), place, (kept, stop), grounds)?))
}

/// Of a bounce that came by mail: it is believed for the signed path along which it came.
fn grounds(evidence: &Evidence) -> Option<Grounds> {
    (evidence.source == Source::Bounce).then_some(Grounds {
        rule: Rule::ReturnPath,
        trust: Trust::Token,
        wish: None,
        message_id: None,
        authentication: None,
    })
}

impl Policy {
    /// Takes note of a bounce that came later by mail: counted, made a stop that dots under way were waited
    /// for, or held, where the address's site is under alarm.
    ///
    /// # Errors
    /// The store.
    pub async fn bounced(&self, death: Death) -> Result<(Buried, Settled), StoreFault> {
        let (owner, hash, settings) = (death.account, death.hash, self.settings.clone());
        let author = self.author_of(death.evidence.source);
        let done = self.store.transact(move |t| {
            Ok(Ok::<_, Infallible>(leap::settle_uncounted((t, &author), &death, &settings)?))
        });
        let Ok(buried) = done.await?;
        metrics::counter!("relent_hard_bounces_total", "outcome" => buried.name()).increment(1);
        let settled = match buried {
            Buried::Stopped(_) => self.settle(owner, hash).await,
            Buried::Counted | Buried::Held => Settled::Fully,
        };
        Ok((buried, settled))
    }

    /// Whether a delivery has something to forget: refusals that were counted. Where one is enough for a
    /// stop none are, and nothing is read.
    pub(super) fn has_counted(
        &self,
        account: AccountId,
        hash: RecipientHash,
    ) -> Result<bool, StoreFault> {
        if self.settings.hard_bounces_to_suppress <= 1 {
            return Ok(false);
        }
        let kept = self.store.get::<RecipientRecord>(&key(account, hash))?;
        Ok(kept.is_some_and(|kept| kept.hard_bounces.iter().any(|known| !known.is_late)))
    }
}

/// Forgets what was counted, or is held, since mail was taken at this site. Bounces that came by mail stay:
/// their servers take everything first.
pub(super) fn revive(
    t: &mut Transaction<'_>,
    (account, hash): (AccountId, RecipientHash),
    site: &str,
) -> Result<(), StoreFault> {
    leap::let_go(t, site, (account, hash))?;
    if let Some(mut kept) = t.get::<RecipientRecord>(&key(account, hash))? {
        kept.hard_bounces.retain(|known| known.is_late);
        t.put(&key(account, hash), &kept);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_the_organisation_of_the_host_that_answered() {
        let domain = Domain::parse("reader.example").expect("a domain");
        for (relay, site) in [
            (Some("gmail-smtp-in.l.google.com[192.0.2.1]:25"), "google.com"),
            (Some("alt1.gmail-smtp-in.l.google.com.[192.0.2.1]:25"), "google.com"),
            (Some("acme-com.mail.protection.Outlook.com[192.0.2.1]:25"), "outlook.com"),
            (Some("mx.sfr.fr[192.0.2.1]:25"), "sfr.fr"),
            (Some("mx1.mail.acme.co.uk[192.0.2.1]:25"), "acme.co.uk"),
            (Some("acme.com.cn[192.0.2.1]:25"), "acme.com.cn"),
            (Some("mx[192.0.2.1]:25"), "reader.example"),
            (Some("192.0.2.1[192.0.2.1]:25"), "reader.example"),
            (Some("[192.0.2.1]"), "reader.example"),
            (None, "reader.example"),
        ] {
            assert_eq!(site_of(relay, &domain), site, "{relay:?}");
        }
    }
}
