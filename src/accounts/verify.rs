//! A sending domain's records looked up: which are right, what was found in place of those that are not,
//! and what follows.

use super::account::Accounts;
use super::domain::unknown;
use super::publish::{DnsRecord, Ours, Purpose, Wanted};
use super::record::AccountFault;
use super::sending_domain::{DomainHosts, HostUse, KeyStage, SendingDomain};
use super::spf;
use crate::dns::{MailHost, Resolver, Route};
use crate::mail::{AccountId, Domain, Timestamp};
use serde::Serialize;
use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use utoipa::ToSchema;

/// Longest text that is shown of what was found, in characters.
const SEEN_MAX: usize = 500;
/// Longest look at our own names, and at one record after that: together less than a request may take.
const OURS_MAX: Duration = Duration::from_secs(8);
const LOOK_MAX: Duration = Duration::from_secs(15);
/// Domains that are looked at at a time.
const TOGETHER: usize = 8;
/// Most records that are shown of what was found at one name.
const SEEN_RECORDS_MAX: usize = 10;

/// A record looked up.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = CheckedRecord)]
pub struct Checked {
    /// The record.
    #[serde(flatten)]
    pub wanted: Wanted,
    /// Whether it is right.
    pub found: bool,
    /// What was found at its name.
    pub seen: Vec<String>,
    /// What is wrong, in words.
    pub problem: Option<String>,
}

/// A domain looked up.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Its records.
    pub records: Vec<Checked>,
    /// Whether mail may be sent: the proof and every key that signs are right.
    pub verified: bool,
    /// Whether every record that is required is right.
    pub complete: bool,
    /// Whether new keys sign from now on.
    pub rotated: bool,
}

/// Where our own names lead.
struct Here {
    names: HashSet<String>,
    addresses: HashSet<IpAddr>,
    pages: HashSet<IpAddr>,
    sources: Vec<IpAddr>,
}

impl Here {
    async fn of(resolver: &dyn Resolver, ours: &Ours) -> Self {
        let known = tokio::time::timeout(OURS_MAX, Self::look(resolver, ours)).await;
        known.unwrap_or_else(|_| Self {
            names: HashSet::from([ours.hostname.to_ascii_lowercase()]),
            addresses: HashSet::new(),
            pages: HashSet::new(),
            sources: ours.sources.clone(),
        })
    }

    async fn look(resolver: &dyn Resolver, ours: &Ours) -> Self {
        let mut names = HashSet::from([ours.hostname.to_ascii_lowercase()]);
        if let Ok(domain) = Domain::parse(&ours.reply_domain)
            && let Ok(Route::Hosts(hosts)) = resolver.route(&domain).await
        {
            names.extend(hosts.into_iter().map(|host| host.name));
        }
        let mut addresses = HashSet::new();
        for name in &names {
            addresses.extend(resolver.addresses(name).await.unwrap_or_default());
        }
        let pages = resolver.addresses(&ours.page_host).await.unwrap_or_default();
        let (any, mut sources): (Vec<_>, Vec<_>) =
            ours.sources.iter().copied().partition(IpAddr::is_unspecified);
        if sources.is_empty() || !any.is_empty() {
            sources.extend(resolver.addresses(&ours.hostname).await.unwrap_or_default());
        }
        Self { names, addresses, pages: pages.into_iter().collect(), sources }
    }

    async fn is_ours(&self, resolver: &dyn Resolver, host: &MailHost) -> bool {
        if self.names.contains(&host.name) {
            return true;
        }
        let found = resolver.addresses(&host.name).await.unwrap_or_default();
        found.iter().any(|address| self.addresses.contains(address))
    }
}

/// What one lookup found.
struct Look {
    seen: Vec<String>,
    problem: Option<String>,
}

impl Look {
    fn right(seen: Vec<String>) -> Self {
        Self { seen, problem: None }
    }

    fn wrong(seen: Vec<String>, problem: impl Into<String>) -> Self {
        Self { seen, problem: Some(problem.into()) }
    }
}

/// One look at all records of a domain.
struct Lookup<'a> {
    resolver: &'a dyn Resolver,
    here: &'a Here,
    domain: &'a SendingDomain,
}

impl Lookup<'_> {
    async fn check_in_time(&self, wanted: Wanted) -> Checked {
        let late = wanted.clone();
        let checked = tokio::time::timeout(LOOK_MAX, self.check(wanted)).await;
        checked.unwrap_or_else(|_| Checked {
            wanted: late,
            found: false,
            seen: Vec::new(),
            problem: Some(format!("no answer in {} s", LOOK_MAX.as_secs())),
        })
    }

    async fn check(&self, wanted: Wanted) -> Checked {
        let record = &wanted.record;
        let look = match (&wanted.purpose, record.kind.as_str()) {
            (Purpose::Proof, _) => {
                self.text(record, |text| squeezed(text) == squeezed(&record.value)).await
            }
            (Purpose::Key, _) => self.text(record, |text| is_key(text, &record.value)).await,
            (Purpose::Spf, _) | (Purpose::ReturnPath, "TXT") => self.spf(&record.name).await,
            (Purpose::Dmarc, _) => self.dmarc().await,
            (Purpose::ReturnPath, "CNAME") => {
                let mut look = self.leads_here(&record.name).await;
                let spf = self.spf(&record.name).await;
                look.seen.extend(spf.seen);
                look.problem = look.problem.or(spf.problem);
                self.by_its_alias(record, look).await
            }
            (Purpose::ReturnPath | Purpose::Replies, _) => self.leads_here(&record.name).await,
            (Purpose::Links, _) => self.links(&record.name).await,
        };
        let seen = look.seen.iter().take(SEEN_RECORDS_MAX);
        let seen = seen.map(|text| text.chars().take(SEEN_MAX).collect()).collect();
        Checked { found: look.problem.is_none(), seen, problem: look.problem, wanted }
    }

    /// What is wrong with a host that should be an alias, told by where that leads: its MX and SPF are
    /// those of another.
    async fn by_its_alias(&self, record: &DnsRecord, mut look: Look) -> Look {
        let alias = self.resolver.alias(&record.name).await.ok().flatten();
        let seen = alias.as_ref().map(|name| format!("CNAME {name}"));
        if let Some(problem) = look.problem.take() {
            let wanted = record.value.trim_end_matches('.');
            look.problem = Some(match &alias {
                Some(name) if !name.eq_ignore_ascii_case(wanted) => {
                    format!("its CNAME leads to {name}, not to {wanted}")
                }
                None if look.seen.is_empty() => {
                    format!("there is no CNAME record, nor MX and SPF in its place: {problem}")
                }
                None => format!("it is no CNAME, and as it stands {problem}"),
                // It leads where it should: the lack is there.
                Some(name) => format!("its CNAME is right, but of {name}: {problem}"),
            });
        }
        look.seen.splice(0..0, seen);
        look
    }

    async fn texts(&self, name: &str) -> Result<Vec<String>, Look> {
        let texts = self.resolver.texts(name).await;
        texts.map_err(|fault| Look::wrong(Vec::new(), format!("no answer: {fault}")))
    }

    async fn text(&self, record: &DnsRecord, is_right: impl Fn(&str) -> bool) -> Look {
        let texts = match self.texts(&record.name).await {
            Ok(texts) => texts,
            Err(look) => return look,
        };
        if texts.is_empty() {
            return Look::wrong(texts, "there is no TXT record");
        }
        if !texts.iter().any(|text| is_right(text)) {
            return Look::wrong(texts, "its TXT record says something else");
        }
        // A verifier takes whichever key record comes first.
        if texts.len() > 1 && record.name.contains("._domainkey.") {
            return Look::wrong(texts, "several TXT records stand there: only one may");
        }
        Look::right(texts)
    }

    async fn spf(&self, name: &str) -> Look {
        let texts = match self.texts(name).await {
            Ok(texts) => texts,
            Err(look) => return look,
        };
        let is_spf = |text: &String| text.to_ascii_lowercase().starts_with("v=spf1");
        let seen: Vec<String> = texts.into_iter().filter(is_spf).collect();
        match spf::covers(self.resolver, name, &self.here.sources).await {
            Ok(()) => Look::right(seen),
            Err(problem) => Look::wrong(seen, problem),
        }
    }

    /// The policy of the domain, or of one above it (RFC 7489 §6.6.3, RFC 9989: as far as two labels).
    async fn dmarc(&self) -> Look {
        let mut name = self.domain.name.as_str();
        loop {
            let texts = match self.texts(&format!("_dmarc.{name}")).await {
                Ok(texts) => texts,
                Err(look) => return look,
            };
            let is_policy = |text: &String| {
                squeezed(text).to_ascii_lowercase().split(';').next() == Some("v=dmarc1")
            };
            let seen: Vec<String> = texts.into_iter().filter(is_policy).collect();
            match seen.len() {
                0 => {}
                1 => return Look::right(seen),
                _ => return Look::wrong(seen, "several DMARC records stand there: only one may"),
            }
            match name.split_once('.') {
                Some((_, above)) if above.contains('.') => name = above,
                _ => break,
            }
        }
        let text = "there is no DMARC record: large providers want one of who sends much";
        Look::wrong(Vec::new(), text)
    }

    /// Whether mail for a host comes to us first.
    async fn leads_here(&self, name: &str) -> Look {
        let Ok(domain) = Domain::parse(name) else {
            return Look::wrong(Vec::new(), "it is no name");
        };
        let hosts = match self.resolver.route(&domain).await {
            Ok(Route::Hosts(hosts)) => hosts,
            Ok(Route::NullMx) => {
                return Look::wrong(vec!["MX 0 .".into()], "it takes no mail (null MX)");
            }
            Ok(Route::NoSuchDomain) => {
                return Look::wrong(Vec::new(), "it has neither MX nor address");
            }
            Err(fault) => return Look::wrong(Vec::new(), format!("no answer: {fault}")),
        };
        let seen =
            hosts.iter().map(|host| format!("MX {} {}", host.preference, host.name)).collect();
        let best = hosts.iter().map(|host| host.preference).min();
        for host in hosts.iter().filter(|host| Some(host.preference) == best) {
            if !self.here.is_ours(self.resolver, host).await {
                return Look::wrong(
                    seen,
                    format!("its mail goes to {}, which is not this relay", host.name),
                );
            }
        }
        Look::right(seen)
    }

    /// Whether a host has the addresses of our pages, and no other.
    async fn links(&self, name: &str) -> Look {
        let found = match self.resolver.addresses(name).await {
            Ok(found) => found,
            Err(fault) => return Look::wrong(Vec::new(), format!("no answer: {fault}")),
        };
        let seen = found.iter().map(ToString::to_string).collect();
        match found.iter().find(|address| !self.here.pages.contains(address)) {
            _ if found.is_empty() => Look::wrong(seen, "it has no address"),
            Some(other) => Look::wrong(seen, format!("{other} is not where our pages are")),
            None => Look::right(seen),
        }
    }
}

/// One look among others.
type Looking<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Awaits all at once, so that name servers that do not answer cost their time once.
async fn all<T>(mut looks: Vec<Looking<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = looks.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (look, done) in looks.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(found) = look.as_mut().poll(context) {
                *done = Some(found);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// The tags of a DKIM key record (RFC 6376 §3.6.1).
fn tag(record: &str, name: &str) -> Option<String> {
    let mut tags = record.split(';').filter_map(|tag| tag.split_once('='));
    tags.find(|(found, _)| found.trim() == name).map(|(_, value)| squeezed(value))
}

/// Whether a published key record holds the key that is wanted, in whatever order its tags stand.
fn is_key(published: &str, wanted: &str) -> bool {
    let kind = |record| tag(record, "k").unwrap_or_else(|| "rsa".into());
    let allows = |name: &str, value: &str| {
        let list = tag(published, name);
        list.is_none_or(|list| list.split(':').any(|one| one == "*" || one == value))
    };
    tag(published, "v").is_none_or(|version| version == "DKIM1")
        && tag(published, "p") == tag(wanted, "p")
        && kind(published) == kind(wanted)
        && allows("h", "sha256")
        && allows("s", "email")
}

impl Accounts {
    /// Asks DNS for a domain's records, says which are right, and makes what follows hold: the domain is
    /// verified, its own hosts are used, new keys sign in place of the old.
    ///
    /// # Errors
    /// There is no such domain; the store. A DNS fault is a record not found.
    pub async fn verify_domain(
        &self,
        resolver: &dyn Resolver,
        ours: &Ours,
        kept: Duration,
        account: AccountId,
        name: &Domain,
    ) -> Result<Verified, AccountFault> {
        let here = Here::of(resolver, ours).await;
        self.verify_from(&here, (resolver, ours, kept), account, name).await
    }

    async fn verify_from(
        &self,
        here: &Here,
        (resolver, ours, kept): (&dyn Resolver, &Ours, Duration),
        account: AccountId,
        name: &Domain,
    ) -> Result<Verified, AccountFault> {
        let domain = self.domain(account, name)?.ok_or_else(|| unknown(name))?;
        let lookup = Lookup { resolver, here, domain: &domain };
        let looks = domain
            .records(ours)
            .into_iter()
            .map(|wanted| -> Looking<'_, _> { Box::pin(lookup.check_in_time(wanted)) });
        let records = all(looks.collect()).await;
        let found = |purpose: Purpose, name: &str| {
            let mut of = records.iter().filter(|checked| checked.wanted.purpose == purpose);
            of.any(|checked| checked.wanted.record.name == name && checked.found)
        };
        let key_found =
            |selector: &str| found(Purpose::Key, &format!("{selector}._domainkey.{}", domain.name));
        let proof = found(Purpose::Proof, &format!("_relent.{}", domain.name));
        let verified = proof && domain.signing_keys().all(|key| key_found(&key.selector));
        let waiting = domain.keys.iter().filter(|key| key.stage == KeyStage::Waiting);
        let waiting: Vec<String> = waiting.map(|key| key.selector.clone()).collect();
        let rotated = !waiting.is_empty() && waiting.iter().all(|selector| key_found(selector));
        let is_right = |host_use: HostUse| {
            let purpose = match host_use {
                HostUse::ReturnPath => Purpose::ReturnPath,
                HostUse::Replies => Purpose::Replies,
                HostUse::Links => Purpose::Links,
            };
            let mut of = records.iter().filter(|checked| checked.wanted.purpose == purpose);
            domain.hosts.of(host_use).is_some() && of.all(|checked| checked.found)
        };
        // A host below a domain that nobody has proved is nobody's.
        let may_send = verified || domain.may_send();
        let right = HostUse::ALL.into_iter().filter(|host_use| may_send && is_right(*host_use));
        let hosts = right.filter_map(|host_use| {
            domain.hosts.of(host_use).map(|host| (host_use, host.name.clone()))
        });
        let seen =
            Seen { verified, hosts: hosts.collect(), signs: rotated.then_some(waiting), kept };
        self.note(account, name, seen).await?;
        let complete = records.iter().all(|checked| checked.found || !checked.wanted.required);
        Ok(Verified { records, verified, complete, rotated })
    }

    /// Looks at every domain that waits for something to be published, or has hosts of its own; how many
    /// came to something. A domain that nobody has proved is left to its owner's `domain verify`. A host in
    /// use that leads elsewhere now is told of and stays in use: its name servers may only be mended. Those
    /// that wait come first, a few at a time; where one cannot be looked at the others are.
    ///
    /// # Errors
    /// The store.
    pub async fn look_after_domains(
        &self,
        resolver: &dyn Resolver,
        ours: &Ours,
        kept: Duration,
    ) -> Result<u64, AccountFault> {
        let mut meant = Vec::new();
        for account in self.accounts()? {
            for domain in self.domains(account.id)? {
                let has_hosts = domain.hosts != DomainHosts::default();
                if domain.may_send() && (domain.waits() || has_hosts) {
                    meant.push((account.id, account.name.clone(), domain));
                }
            }
        }
        meant.sort_by_key(|(_, _, domain)| !domain.waits());
        let here = Here::of(resolver, ours).await;
        let asked = (resolver, ours, kept);
        let mut count = 0;
        for together in meant.chunks(TOGETHER) {
            let looks = together.iter().map(|(account, name, domain)| -> Looking<'_, _> {
                Box::pin(self.look_after(&here, asked, (*account, name), domain))
            });
            for (looked, (_, account, domain)) in
                all(looks.collect()).await.into_iter().zip(together)
            {
                match looked {
                    Ok(came) => count += u64::from(came),
                    Err(AccountFault::Store(fault)) => return Err(fault.into()),
                    // It was removed or changed meanwhile.
                    Err(fault) => tracing::warn!(
                        target: "relent::accounts", account, domain = %domain.name, %fault,
                        "a sending domain was not looked up"
                    ),
                }
            }
        }
        Ok(count)
    }

    /// The link hosts of sending domains that lead here, in the order of their names.
    ///
    /// # Errors
    /// The store.
    pub fn link_hosts(&self) -> Result<Vec<String>, AccountFault> {
        let mut found = Vec::new();
        for account in self.accounts()? {
            let domains = self.domains(account.id)?;
            let links = domains.iter().filter(|domain| domain.may_send());
            let links = links.filter_map(|domain| domain.hosts.links.as_ref());
            found.extend(
                links.filter(|host| host.found.is_some()).map(|host| host.name.to_string()),
            );
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Looks at one domain; whether it came to something.
    async fn look_after(
        &self,
        here: &Here,
        asked: (&dyn Resolver, &Ours, Duration),
        (account, account_name): (AccountId, &str),
        domain: &SendingDomain,
    ) -> Result<bool, AccountFault> {
        let looked = self.verify_from(here, asked, account, &domain.name).await?;
        let is_used = |name: &str| {
            let hosts = HostUse::ALL.iter().filter_map(|host_use| domain.host(*host_use));
            hosts.into_iter().any(|host| host.as_str() == name)
        };
        for checked in looked.records.iter().filter(|checked| !checked.found) {
            if let Some(problem) = &checked.problem
                && is_used(&checked.wanted.record.name)
            {
                tracing::warn!(
                    target: "relent::accounts", account = account_name,
                    domain = %domain.name, host = checked.wanted.record.name, problem,
                    "a host that is in use may not lead here any more"
                );
            }
        }
        let now = self.domain(account, &domain.name)?;
        let came = now.is_some_and(|now| now.keys != domain.keys || now.hosts != domain.hosts);
        if came {
            tracing::info!(
                target: "relent::accounts", account = account_name, domain = %domain.name,
                "what was waited for is published: its new keys or hosts are used"
            );
        }
        Ok(came)
    }
}

/// What a look at a domain found right.
pub(super) struct Seen {
    pub(super) verified: bool,
    pub(super) hosts: Vec<(HostUse, Domain)>,
    /// The selectors that sign from now on, in place of all others.
    pub(super) signs: Option<Vec<String>>,
    /// How long the others stay published.
    pub(super) kept: Duration,
}

impl Seen {
    /// Changes a domain by what was seen of it. It may have changed since: what it no longer has
    /// is passed over.
    pub(super) fn apply(&self, domain: &mut SendingDomain, now: Timestamp) {
        if self.verified {
            domain.verified = Some(now);
        }
        for (host_use, name) in &self.hosts {
            if let Some(host) = domain.hosts.place(*host_use)
                && host.name == *name
            {
                host.found = Some(now);
            }
        }
        let Some(selectors) = &self.signs else { return };
        let all = |domain: &SendingDomain| {
            let waits = |s: &String| {
                domain.keys.iter().any(|k| k.selector == *s && k.stage == KeyStage::Waiting)
            };
            selectors.iter().all(waits)
        };
        if !all(domain) {
            return;
        }
        for key in &mut domain.keys {
            if selectors.contains(&key.selector) {
                key.stage = KeyStage::Signing;
            } else if key.stage == KeyStage::Signing {
                key.stage = KeyStage::Retired { until: now.after(self.kept) };
                key.private = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_in_whatever_order_its_tags_stand() {
        let wanted = "v=DKIM1; k=ed25519; p=abc+/=";
        for published in [
            wanted,
            "v=DKIM1;k=ed25519;p=ab c+/=",
            "k=ed25519; p=abc+/=; v=DKIM1; n=note",
            "v=DKIM1; h=sha1:sha256; s=email:other; t=y; k = ed25519 ; p=abc+/=",
        ] {
            assert!(is_key(published, wanted), "{published}");
        }
        for published in [
            "v=DKIM1; k=rsa; p=abc+/=",
            "v=DKIM1; p=abc+/=",
            "v=DKIM1; k=ed25519; p=",
            "v=DKIM1; k=ed25519; p=abd+/=",
            "v=DKIM2; k=ed25519; p=abc+/=",
            "v=DKIM1; k=ed25519; h=sha1; p=abc+/=",
            "v=DKIM1; k=ed25519; s=tlsrpt; p=abc+/=",
            "",
        ] {
            assert!(!is_key(published, wanted), "{published}");
        }
        assert!(is_key("p=abc", "v=DKIM1; k=rsa; p=abc"), "what is not said is rsa");
    }
}
