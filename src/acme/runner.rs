//! Who looks after the certificates, under settings that do not change meanwhile: what is kept is served from the
//! start on, what is due is asked for, one host after the other, and what fails is tried again later, never sooner
//! than the authority likes.

use super::handle::{Parts, Standing};
use super::keeper::{self, Keeper, Pem};
use super::line::Line;
use super::order::{OrderFault, Proofs, order};
use super::schedule::{State, due};
use crate::config::{self, Config, Section};
use crate::mail::Timestamp;
use crate::tls::{self, Issued};
use crate::web::Web;
use crate::world::{Own, World};
use instant_acme::{Account, ExternalAccountKey, NewAccount};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Longest sleep, since the wall clock may jump meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// What the settings want of an authority, as it was when they were asked.
pub(super) struct Wanted {
    settings: Section<config::Acme>,
    /// Hosts of the settings, which are always wanted.
    own: Vec<String>,
}

impl Wanted {
    /// None without `acme.enabled`.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let acme = config.acme.clone();
        acme.enabled.then(|| Self { settings: acme.into(), own: config.acme_hosts() })
    }
}

impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        *self.settings == *other.settings && self.own == other.own
    }
}

pub(super) struct Runner {
    pub(super) wanted: Wanted,
    tls: Arc<tls::Server>,
    world: World,
    keeper: Keeper,
    line: Line,
    proofs: Proofs,
    hosts: Mutex<BTreeMap<String, Host>>,
    asked: Notify,
}

#[derive(Default, Clone)]
struct Host {
    state: State,
    issued: Option<Issued>,
    is_asked_for: bool,
    /// How it stood before the try that is under way.
    before: Option<State>,
}

impl Runner {
    /// Serves what is kept of the hosts of the settings and of these link hosts.
    pub(super) fn new(parts: &Parts, wanted: Wanted, links: &[String]) -> Self {
        let web = Web {
            resolver: parts.resolver.clone(),
            network: parts.world.network.clone(),
            tls: parts.client.clone(),
            // The operator names the authority, which may be one of the own network.
            allow_private: true.into(),
            own: Own::default(),
        };
        let runner = Self {
            line: Line::new(web, &wanted.settings),
            wanted,
            tls: parts.tls.clone(),
            world: parts.world.clone(),
            keeper: Keeper::new(&parts.config.data_dir),
            proofs: Proofs::new(parts.tls.clone()),
            hosts: Mutex::default(),
            asked: Notify::new(),
        };
        runner.take_up(&runner.wanted.own);
        runner.want(links);
        runner
    }

    /// The same under other settings: what is known of a host goes on to hold where the authority is the same.
    pub(super) fn after(&self, parts: &Parts, wanted: Wanted, links: &[String]) -> Self {
        let next = Self::new(parts, wanted, links);
        for (name, old) in self.hosts().iter() {
            match next.hosts().get_mut(name) {
                Some(host) => {
                    host.issued = host.issued.or(old.issued);
                    if host.state.directory == old.state.directory {
                        host.state = old.state.clone();
                        host.is_asked_for = old.is_asked_for;
                    }
                }
                None => self.tls.withdraw(name),
            }
        }
        tell(&next.hosts());
        next
    }

    /// Looks after these link hosts too, `acme.link_hosts_max` at most, and no longer after those that were
    /// named before and are not now.
    pub(super) fn want(&self, hosts: &[String]) {
        if !self.wanted.settings.link_hosts {
            return;
        }
        let most = self.wanted.settings.link_hosts_max as usize;
        let hosts = &hosts[..hosts.len().min(most)];
        self.drop_all_but(hosts);
        self.take_up(hosts);
        self.asked.notify_one();
    }

    /// The page that proves to the authority that a host is ours.
    pub(super) fn page(&self, token: &str) -> Option<String> {
        self.proofs.page(token)
    }

    /// How each host stands.
    pub(super) fn standing(&self) -> Vec<Standing> {
        let moment = |at: Timestamp| at.to_string();
        let now = self.world.clock.now();
        let told = |(name, host): (&String, &Host)| Standing {
            host: name.clone(),
            directory: host.state.directory.clone(),
            until: host.issued.map(|issued| moment(issued.until)),
            next_try: moment(self.due(host).max(now)),
            failures: host.state.failures,
            fault: host.state.fault.clone(),
            failed_at: host.state.failed_at.map(moment),
        };
        self.hosts().iter().map(told).collect()
    }

    /// Has a new certificate asked for now, for one host or for all, whatever waits were agreed on; for how many.
    pub(super) fn renew(&self, name: Option<&str>) -> usize {
        let mut count = 0;
        for (host, about) in self.hosts().iter_mut() {
            if name.is_none_or(|name| name.eq_ignore_ascii_case(host)) {
                about.is_asked_for = true;
                count += 1;
            }
        }
        self.asked.notify_one();
        count
    }

    /// Gets what is due, without end.
    pub(super) async fn run(&self) {
        loop {
            match self.next(self.world.clock.now()) {
                Ok(host) => self.get(&host).await,
                Err(wait) => {
                    tokio::select! {
                        () = self.asked.notified() => {}
                        () = sleep(wait) => {}
                    }
                }
            }
        }
    }

    /// Begins to look after hosts: what is kept of them is served.
    fn take_up(&self, hosts: &[String]) {
        let mut states = None;
        for host in hosts {
            if self.hosts().contains_key(host) {
                continue;
            }
            let states = states.get_or_insert_with(|| self.keeper.states());
            let mut state = states.remove(host).unwrap_or_default();
            if state.directory != self.wanted.settings.directory {
                // What another authority said is nothing to this one.
                let directory = self.wanted.settings.directory.clone();
                state = State { directory, ..State::default() };
            }
            let kept = self.keeper.certificate(host);
            let issued = kept.map(|(_, pair)| self.tls.issue(host, pair));
            self.hosts().insert(host.clone(), Host { state, issued, ..Host::default() });
        }
        tell(&self.hosts());
    }

    fn drop_all_but(&self, hosts: &[String]) {
        self.hosts().retain(|host, about| {
            let is_wanted =
                self.wanted.own.contains(host) || hosts.contains(host) || about.before.is_some();
            if !is_wanted {
                self.tls.withdraw(host);
            }
            is_wanted
        });
    }

    /// A try that a stop in good order breaks off is no failure.
    pub(super) fn give_up(&self) {
        let under_way: Vec<_> = {
            let mut hosts = self.hosts();
            let tries = hosts
                .iter_mut()
                .filter_map(|(name, host)| Some((name.clone(), host.before.take()?)));
            tries.collect()
        };
        for (name, before) in under_way {
            self.note(&name, |host| host.state = before);
        }
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self, host: &Host) -> Timestamp {
        if host.is_asked_for {
            return Timestamp(0);
        }
        due(&host.state, host.issued, &self.wanted.settings)
    }

    /// The host that has been due longest, or how long there is nothing to do.
    fn next(&self, now: Timestamp) -> Result<String, Duration> {
        let hosts = self.hosts();
        let first = hosts.iter().map(|(name, host)| (self.due(host), name)).min();
        match first {
            Some((at, name)) if at <= now => Ok(name.clone()),
            Some((at, _)) => Err(at.since(now).min(SLEEP_MAX)),
            None => Err(SLEEP_MAX),
        }
    }

    /// Changes a host's state, and keeps that.
    fn note(&self, name: &str, change: impl FnOnce(&mut Host)) {
        let mut hosts = self.hosts();
        if let Some(host) = hosts.get_mut(name) {
            change(host);
        }
        let states = hosts.iter().map(|(name, host)| (name.clone(), host.state.clone())).collect();
        tell(&hosts);
        drop(hosts);
        if let Err(fault) = self.keeper.keep_states(&states) {
            tracing::warn!(target: "relent::acme", %fault,
                "how the hosts stand with the authority cannot be written down");
        }
    }

    async fn get(&self, host: &str) {
        // A daemon that ends meanwhile, again and again, is not to ask again and again.
        let begun = "the daemon ended while the certificate was asked for";
        let before = self.hosts().get(host).map(|host| host.state.clone()).unwrap_or_default();
        let now = self.world.clock.now();
        self.note(host, |host| {
            host.is_asked_for = false;
            host.before = Some(host.state.clone());
            host.state.fail(&self.wanted.settings, begun.into(), now, None);
        });
        tracing::info!(target: "relent::acme", host, directory = self.wanted.settings.directory,
            "a certificate is asked for");
        let _ = self.line.asked_wait(now);
        let longest = self.wanted.settings.order_timeout.0;
        let got = timeout(longest, self.ask(host)).await.unwrap_or_else(|_| {
            Err(OrderFault::Other(format!("it took longer than acme.order_timeout ({longest:?})")))
        });
        let got = got.and_then(|pem| match pem.pair() {
            Ok(pair) => Ok((pem, pair)),
            Err(why) => {
                Err(OrderFault::Other(format!("the authority's certificate is none: {why}")))
            }
        });
        match got {
            Ok((pem, pair)) => {
                if let Err(fault) = self.keeper.keep_certificate(host, &pem) {
                    tracing::error!(target: "relent::acme", %fault, host,
                        "the new certificate cannot be kept: it serves until the daemon ends");
                }
                let issued = self.tls.issue(host, pair);
                self.note(host, |host| {
                    host.before = None;
                    host.state.succeed();
                    host.issued = Some(issued);
                });
                metrics::counter!("relent_acme_orders_total", "outcome" => "issued").increment(1);
                tracing::info!(target: "relent::acme", host, until = %issued.until,
                    "a new certificate is served");
            }
            Err(why) => self.failed(host, before, &why),
        }
    }

    fn failed(&self, host: &str, before: State, why: &OrderFault) {
        if *why == OrderFault::NoAccount {
            self.keeper.forget_account(&self.wanted.settings);
        }
        let now = self.world.clock.now();
        let asked = self.line.asked_wait(now);
        let mut state = before;
        state.fail(&self.wanted.settings, why.to_string(), now, asked);
        metrics::counter!("relent_acme_orders_total", "outcome" => "failed").increment(1);
        let (failures, next) = (state.failures, state.not_before.unwrap_or_default());
        tracing::warn!(target: "relent::acme", host, %why, failures, next_try = %next,
            "no certificate was given; what is there stays in use");
        self.note(host, |host| {
            host.before = None;
            host.state = state;
        });
    }

    async fn ask(&self, host: &str) -> Result<Pem, OrderFault> {
        let account = self.account().await?;
        let kept = self.wanted.settings.keep_keys.then(|| self.keeper.certificate(host)).flatten();
        let kept = kept.as_ref().map(|(pem, _)| pem.key.as_str());
        order(&account, host, kept, &self.proofs, &self.wanted.settings).await
    }

    /// The account that is kept, or a new one, which is kept before anything is ordered under it.
    async fn account(&self) -> Result<Account, OrderFault> {
        let settings = &self.wanted.settings;
        let builder = Account::builder_with_http(Box::new(self.line.clone()));
        let contact = settings.contact.as_ref().map(|address| format!("mailto:{address}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        if let Some(kept) = self.keeper.account(settings) {
            let account = builder.from_credentials(kept.credentials).await?;
            // Its secret cannot be copied: it is read once more, to be written.
            if kept.contact != settings.contact
                && let Some(mut kept) = self.keeper.account(settings)
            {
                account.update_contacts(&contact).await?;
                kept.contact.clone_from(&settings.contact);
                self.keep(&kept)?;
            }
            return Ok(account);
        }
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: settings.agree_to_terms,
            only_return_existing: false,
        };
        let external = external(settings)?;
        let made = builder.create(&new, settings.directory.clone(), external.as_ref()).await?;
        let (account, credentials) = made;
        self.keep(&keeper::Account { contact: settings.contact.clone(), credentials })?;
        Ok(account)
    }

    fn keep(&self, account: &keeper::Account) -> Result<(), OrderFault> {
        self.keeper.keep_account(&self.wanted.settings, account).map_err(|fault| {
            OrderFault::Other(format!("the account cannot be kept in data_dir/acme: {fault}"))
        })
    }
}

/// The account that the authority knows us by already.
fn external(settings: &config::Acme) -> Result<Option<ExternalAccountKey>, OrderFault> {
    let (Some(id), Some(path)) = (&settings.external_account, &settings.external_account_key_file)
    else {
        return Ok(None);
    };
    let told = |why: String| {
        OrderFault::Other(format!("acme.external_account_key_file: {}: {why}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|fault| told(fault.to_string()))?;
    let text = text.trim().trim_end_matches('=');
    let key = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes());
    let key = key.map_err(|_| told("it is no base64url".into()))?;
    Ok(Some(ExternalAccountKey::new(id.clone(), &key)))
}

/// Looks after no host any longer.
pub(super) fn close(runner: Option<&Runner>) {
    if let Some(runner) = runner {
        for host in std::mem::take(&mut *runner.hosts()).keys() {
            runner.tls.withdraw(host);
        }
    }
    tell(&BTreeMap::new());
}

/// Sets the figure of those whose last try failed.
fn tell(hosts: &BTreeMap<String, Host>) {
    let is_failing = |host: &&Host| host.before.as_ref().unwrap_or(&host.state).failures > 0;
    let count = u32::try_from(hosts.values().filter(is_failing).count()).unwrap_or(u32::MAX);
    metrics::gauge!("relent_acme_hosts_failing").set(f64::from(count));
}
