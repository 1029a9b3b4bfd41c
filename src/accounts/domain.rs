//! Sending domains: adding them, their hosts and keys, and finding them.

use super::account::{Accounts, PAGE};
use super::key;
use super::limit::{Thing, count, room};
use super::record::AccountFault;
use super::sending_domain::{
    DkimChoice, DomainHosts, Host, HostUse, KeyStage, KnownHost, SendingDomain,
};
use super::verify::Seen;
use crate::events::Act;
use crate::mail::{AccountId, Domain, Timestamp};
use crate::store::{StoreFault, Transaction};
use std::sync::Arc;

fn place(account: AccountId, name: &Domain) -> Vec<u8> {
    [&account.0.to_be_bytes()[..], name.as_str().as_bytes()].concat()
}

fn host_place(name: &Domain) -> Vec<u8> {
    [b"host ", name.as_str().as_bytes()].concat()
}

pub(super) fn unknown(name: &Domain) -> AccountFault {
    AccountFault::Unknown(format!(
        "there is no domain `{name}` in this account: `relent domain list ACCOUNT` shows them, \
         `relent domain add ACCOUNT {name}` adds it"
    ))
}

fn no_key(fault: &str) -> AccountFault {
    AccountFault::Refused(format!("no DKIM key could be made: {fault}"))
}

/// Hosts lie below the domain: at the domain itself its people's own mail would come to us. Pages are
/// reached by an alias, which may not stand beside records for mail.
fn fit(domain: &Domain, hosts: &DomainHosts) -> Result<(), AccountFault> {
    for host_use in HostUse::ALL {
        let Some(host) = hosts.of(host_use) else { continue };
        if host.name == *domain || !host.name.is_within(domain) {
            return Err(AccountFault::Refused(format!(
                "`{}` does not lie below {domain}: name a host such as bounce.{domain}, \
                 reply.{domain} or link.{domain}",
                host.name
            )));
        }
    }
    let links = hosts.links.as_ref().map(|host| &host.name);
    let mail = [&hosts.return_path, &hosts.replies];
    if mail.into_iter().flatten().any(|host| Some(&host.name) == links) {
        return Err(AccountFault::Refused(format!(
            "the host of links takes mail too, which an alias cannot: name another, such as \
             link.{domain}"
        )));
    }
    Ok(())
}

/// A host that is new, not found yet; none: there is none any more.
#[derive(Debug, Clone)]
pub struct NewHost(pub HostUse, pub Option<Domain>);

impl SendingDomain {
    fn set_hosts(&mut self, changes: &[NewHost]) -> Result<(), AccountFault> {
        for NewHost(host_use, name) in changes {
            let place = self.hosts.place(*host_use);
            if place.as_ref().map(|host| &host.name) != name.as_ref() {
                *place = name.clone().map(|name| Host { name, found: None });
            }
        }
        fit(&self.name, &self.hosts)
    }
}

/// A domain as its entries in the audit chain show it: of its keys the selectors and stages alone.
fn described(kind: &'static str, domain: &SendingDomain) -> Act {
    let keys = domain.keys.iter().map(|key| format!("{} {}", key.selector, key.stage.name()));
    let told = |host: &Host| match host.found {
        Some(_) => format!("{}, found", host.name),
        None => format!("{}, not found yet", host.name),
    };
    let host = |host: &Option<Host>| host.as_ref().map(told);
    Act::new(domain.account, kind)
        .about(domain.name.as_str())
        .with("trusted", domain.trusted)
        .with("verified", domain.verified.is_some())
        .with("keys", keys.collect::<Vec<_>>())
        .with("return_path", host(&domain.hosts.return_path))
        .with("replies", host(&domain.hosts.replies))
        .with("links", host(&domain.hosts.links))
}

impl Accounts {
    /// Adds a sending domain with fresh DKIM keys.
    ///
    /// # Errors
    /// The account has it already; a host does not lie below it; the keys could not be made; the store.
    pub async fn add_domain(
        &self,
        account: AccountId,
        name: &Domain,
        trusted: bool,
        dkim: DkimChoice,
        hosts: &[NewHost],
    ) -> Result<SendingDomain, AccountFault> {
        let (now, world) = (self.world.clock.now(), self.world.clone());
        let settings = self.settings.clone();
        let mut proof = [0; 16];
        world.chance.fill(&mut proof);
        let mut domain = SendingDomain {
            account,
            name: name.clone(),
            trusted,
            verified: None,
            challenge: format!("relent={}", crate::mail::id::BASE32.encode(&proof)),
            keys: Vec::new(),
            created: now,
            hosts: DomainHosts::default(),
        };
        domain.set_hosts(hosts)?;
        // Nothing is sent before the keys are found published, unless the operator vouches.
        let make = move || key::make(dkim, KeyStage::Signing, now, &world);
        let keys = tokio::task::spawn_blocking(make).await;
        let keys = keys.map_err(|fault| fault.to_string()).flatten();
        domain.keys = keys.map_err(|fault| no_key(&fault))?;
        let author = self.author.clone();
        self.store
            .transact(move |t| {
                let place = place(account, &domain.name);
                if t.get::<SendingDomain>(&place)?.is_some() {
                    return Ok(Err(AccountFault::Refused(format!(
                        "the account has the domain `{}` already",
                        domain.name
                    ))));
                }
                let present = count::<SendingDomain>(t, account)?;
                if let Err(fault) = room(t, &settings.accounts, (account, Thing::Domain, present))?
                {
                    return Ok(Err(fault));
                }
                t.put(&place, &domain);
                author.write(t, described("domain.added", &domain))?;
                Ok(Ok(domain))
            })
            .await?
    }

    /// Changes a domain in one transaction; what it changes to be seen is an entry of that kind in the
    /// audit chain.
    async fn change_domain(
        &self,
        account: AccountId,
        (kind, name): (&'static str, &Domain),
        change: impl FnOnce(&mut SendingDomain) -> Result<(), AccountFault> + Send + 'static,
    ) -> Result<SendingDomain, AccountFault> {
        let (name, author) = (name.clone(), self.author.clone());
        self.store
            .transact(move |t| {
                let place = place(account, &name);
                let Some(mut domain) = t.get::<SendingDomain>(&place)? else {
                    return Ok(Err(unknown(&name)));
                };
                let before = described(kind, &domain);
                if let Err(fault) = change(&mut domain) {
                    return Ok(Err(fault));
                }
                t.put(&place, &domain);
                know(t, &domain)?;
                let after = described(kind, &domain);
                if after != before {
                    author.write(t, after)?;
                }
                Ok(Ok(domain))
            })
            .await?
    }

    /// Gives a domain other hosts, which are used once their records are found.
    ///
    /// # Errors
    /// There is no such domain; a host does not lie below it; the store.
    pub async fn set_hosts(
        &self,
        account: AccountId,
        name: &Domain,
        hosts: Vec<NewHost>,
    ) -> Result<SendingDomain, AccountFault> {
        let change = move |domain: &mut SendingDomain| domain.set_hosts(&hosts);
        self.change_domain(account, ("domain.changed", name), change).await
    }

    /// Makes new keys, which sign once their records are found. Keys that wait already give way to
    /// them, and those whose time in DNS is over are dropped.
    ///
    /// # Errors
    /// There is no such domain; the keys could not be made; the store.
    pub async fn rotate_keys(
        &self,
        account: AccountId,
        name: &Domain,
        dkim: DkimChoice,
    ) -> Result<SendingDomain, AccountFault> {
        self.domain(account, name)?.ok_or_else(|| unknown(name))?;
        let (now, world) = (self.world.clock.now(), self.world.clone());
        let make = move || key::make(dkim, KeyStage::Waiting, now, &world);
        let keys = tokio::task::spawn_blocking(make).await;
        let keys = keys.map_err(|fault| fault.to_string()).flatten();
        let keys = keys.map_err(|fault| no_key(&fault))?;
        if keys.is_empty() {
            let text = "no keys are no rotation: choose both, ed25519 or rsa";
            return Err(AccountFault::Refused(text.into()));
        }
        let change = move |domain: &mut SendingDomain| {
            domain.keys.retain(|key| match key.stage {
                KeyStage::Signing => true,
                KeyStage::Waiting => false,
                KeyStage::Retired { until } => until > now,
            });
            if keys.iter().any(|new| domain.keys.iter().any(|key| key.selector == new.selector)) {
                let text = "a selector was made twice: run it again";
                return Err(AccountFault::Refused(text.into()));
            }
            domain.keys.extend(keys);
            Ok(())
        };
        self.change_domain(account, ("domain.keys_made", name), change).await
    }

    /// Notes what a look at its records found.
    pub(super) async fn note(
        &self,
        account: AccountId,
        name: &Domain,
        seen: Seen,
    ) -> Result<(), AccountFault> {
        if !seen.verified && seen.hosts.is_empty() && seen.signs.is_none() {
            return Ok(());
        }
        let now = self.world.clock.now();
        let change = move |domain: &mut SendingDomain| {
            seen.apply(domain, now);
            Ok(())
        };
        self.change_domain(account, ("domain.looked_up", name), change).await.map(|_| ())
    }

    /// The account's domains by name.
    ///
    /// # Errors
    /// The store.
    pub fn domains(&self, account: AccountId) -> Result<Vec<SendingDomain>, AccountFault> {
        let prefix = account.0.to_be_bytes();
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan::<SendingDomain>(&prefix, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            found.extend(page.into_iter().map(|(_, domain)| domain));
        }
        Ok(found)
    }

    /// A domain of an account.
    ///
    /// # Errors
    /// The store.
    pub fn domain(
        &self,
        account: AccountId,
        name: &Domain,
    ) -> Result<Option<Arc<SendingDomain>>, StoreFault> {
        let found = self.store.get::<SendingDomain>(&place(account, name))?;
        Ok(found.map(Arc::new))
    }

    /// Since when a name has been known as a host of some sending domain, where it was ever found to lead
    /// to us. It stays known when the domain goes: people answer mail that they have.
    ///
    /// # Errors
    /// The store.
    pub fn known_host(&self, name: &Domain) -> Result<Option<Timestamp>, StoreFault> {
        let known = self.store.get::<KnownHost>(&host_place(name))?;
        Ok(known.map(|known| known.since))
    }

    /// Removes a domain and its keys.
    ///
    /// # Errors
    /// There is no such domain; the store.
    pub async fn remove_domain(
        &self,
        account: AccountId,
        name: &Domain,
    ) -> Result<(), AccountFault> {
        let (name, author) = (name.clone(), self.author.clone());
        self.store
            .transact(move |t| {
                let place = place(account, &name);
                if t.get::<SendingDomain>(&place)?.is_none() {
                    return Ok(Err(unknown(&name)));
                }
                t.remove::<SendingDomain>(&place);
                author.write(t, Act::new(account, "domain.removed").about(name.as_str()))?;
                Ok(Ok(()))
            })
            .await?
    }
}

/// Notes the hosts for mail that lead to us.
fn know(t: &mut Transaction<'_>, domain: &SendingDomain) -> Result<(), StoreFault> {
    for host in [&domain.hosts.return_path, &domain.hosts.replies].into_iter().flatten() {
        let place = host_place(&host.name);
        if let Some(since) = host.found
            && t.get::<KnownHost>(&place)?.is_none()
        {
            t.put(&place, &KnownHost { since });
        }
    }
    Ok(())
}
