//! What the operator is shown of sites: how each stands, what applies to it, and why.

use super::Delivery;
use super::kept::SuspensionFault;
use super::standing::Standing;
use crate::dns::Route;
use crate::mail::{Domain, Timestamp};
use crate::queue::{Site, SiteView, Suspension};
use crate::store::StoreFault;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// Most sites in one answer.
const SITES_MAX: usize = 1000;
/// Most domains named of a site.
const DOMAINS_MAX: usize = 20;

/// A value that applies, and by whose word.
#[derive(Debug, Clone, Serialize)]
pub struct Applies {
    /// The key of the shaping file.
    pub key: &'static str,
    /// Its value, as the file writes it.
    pub value: String,
    /// The file and table that it comes from.
    pub source: String,
}

/// An answer that was no yes.
#[derive(Debug, Clone, Serialize)]
pub struct Heard {
    /// When.
    pub at: Timestamp,
    /// In whose words.
    pub text: String,
}

/// How a site stands.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// Its servers.
    pub hosts: Vec<String>,
    /// Some of the domains that mail waits for, the busiest first.
    pub domains: Vec<String>,
    /// Recipients that wait or are under attempt.
    pub waiting: u64,
    /// Of them under attempt.
    pub active: u32,
    /// Connections that stand.
    pub connections: u32,
    /// Most connections now.
    pub connections_max: u32,
    /// The pace now: messages a minute; none without a limit.
    pub messages_per_minute: Option<f64>,
    /// Whether none of its servers has been reached yet, or not since: one connection finds out.
    pub on_trial: bool,
    /// Times that pace and connections are halved, since the site said that it is too much.
    pub slowed: u32,
    /// Attempts in a row that reached none of its servers.
    pub failures: u32,
    /// Why nothing goes there now.
    pub stopped: Option<String>,
    /// What it said last, newest first, where that was no yes.
    pub answers: Vec<Heard>,
}

/// A domain's site, what applies to it and how it stands.
#[derive(Debug, Clone, Serialize)]
pub struct SiteReport {
    /// The domain.
    pub domain: String,
    /// Its servers by preference; empty where it has none.
    pub mx: Vec<String>,
    /// Why it has none, or why that is not known.
    pub route: Option<String>,
    /// Its site: the names of the servers in order, or the domain, where it is a site by itself.
    pub site: String,
    /// Whether it is a site by itself because the shaping file has a table for it.
    pub apart: bool,
    /// All that applies.
    pub applies: Vec<Applies>,
    /// What the operator has suspended of it.
    pub suspensions: Vec<Suspension>,
    /// How the site stands.
    pub state: Waiting,
}

fn waiting(
    site: &Site,
    view: Option<&SiteView>,
    standing: Option<&Standing>,
    share: u32,
    connections: u32,
    suspensions: &[Suspension],
) -> Waiting {
    let limits = standing.map(|standing| standing.limits(share)).or(view.map(|view| view.limits));
    let heard = |(at, text): &(Timestamp, String)| Heard { at: *at, text: text.clone() };
    let interval = limits.and_then(|limits| limits.interval);
    let per_minute = |interval: Duration| {
        let exact = 60.0 / interval.as_secs_f64().max(1e-6);
        (exact * 100.0).round() / 100.0
    };
    let domains = view.map(|view| &view.domains[..]).unwrap_or_default();
    let hosts: Vec<String> = match standing {
        Some(standing) => standing.hosts.clone(),
        None => site.hosts().map(str::to_owned).collect(),
    };
    let servers = Site::among(hosts.iter().map(String::as_str));
    let named = |word: &&Suspension| domains.iter().any(|(domain, _)| domain.as_str() == word.name);
    let of_all = suspensions.iter().find(|word| word.holds(site) || word.holds(&servers));
    let word = of_all.or_else(|| suspensions.iter().find(named)).map(Suspension::said);
    Waiting {
        hosts,
        domains: domains.iter().map(|(domain, _)| domain.to_string()).collect(),
        waiting: view.map_or(0, |view| view.waiting),
        active: view.map_or(0, |view| view.active),
        connections,
        connections_max: limits.map_or(1, |limits| limits.connections),
        on_trial: limits.is_none_or(|limits| !limits.proven),
        messages_per_minute: interval.map(per_minute),
        slowed: standing.map_or(0, Standing::level),
        failures: standing.map_or(0, Standing::failures),
        stopped: word.or_else(|| view.and_then(|view| view.stopped.clone())),
        answers: standing.map(|s| s.answers.iter().map(heard).collect()).unwrap_or_default(),
    }
}

impl Delivery {
    /// The sites that mail waits for, or that are slowed, or that nobody reaches, those first for which most
    /// waits; and what the operator has suspended.
    ///
    /// # Errors
    /// The store.
    pub fn list(&self) -> Result<(Vec<Waiting>, Vec<Suspension>), StoreFault> {
        let suspensions = self.suspensions()?;
        let views = self.parts.queue.sites(DOMAINS_MAX);
        let share = self.slots.share();
        let all = self.sites.all();
        let mut shown: Vec<Waiting> = Vec::new();
        let known: HashMap<&Site, &SiteView> = views.iter().map(|v| (&v.site, v)).collect();
        for view in &views {
            let standing = all.get(&view.site);
            let is_worth_it =
                view.waiting > 0 || standing.is_some_and(|standing| !standing.is_at_rest());
            if is_worth_it && shown.len() < SITES_MAX {
                let connections = self.pool.connected(&view.site);
                let (site, words) = (&view.site, &suspensions);
                shown.push(waiting(site, Some(view), standing, share, connections, words));
            }
        }
        for (site, standing) in all.iter().filter(|(site, _)| !known.contains_key(site)) {
            if !standing.is_at_rest() && shown.len() < SITES_MAX {
                let connections = self.pool.connected(site);
                let words = &suspensions;
                shown.push(waiting(site, None, Some(standing), share, connections, words));
            }
        }
        Ok((shown, suspensions))
    }

    /// A domain's site as it is now, what applies to it, and how it stands.
    ///
    /// # Errors
    /// The store.
    pub async fn site(&self, domain: &Domain) -> Result<SiteReport, SuspensionFault> {
        let longest = self.parts.config.dns.lookups_timeout.0;
        let mut hosts = Vec::new();
        let route = match timeout(longest, self.parts.resolver.route(domain)).await {
            Ok(Ok(Route::Hosts(found))) => {
                hosts = found;
                hosts.sort_by(|a, b| (a.preference, &a.name).cmp(&(b.preference, &b.name)));
                None
            }
            Ok(Ok(Route::NullMx)) => Some(format!("{domain} takes no mail (null MX)")),
            Ok(Ok(Route::NoSuchDomain)) => {
                Some(format!("{domain} does not exist or has no mail server"))
            }
            Ok(Err(fault)) => Some(fault.to_string()),
            Err(_) => Some("no answer within dns.lookups_timeout".into()),
        };
        let names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
        let (site, shaping) = (self.site_of(domain, &names), self.sites.shaping());
        let servers = Site::among(names.iter().map(String::as_str));
        let seen = if names.is_empty() { vec![domain.as_str().to_owned()] } else { names };
        let apart = shaping.is_apart(domain);
        let (shape, sources) =
            shaping.of(Some(domain).filter(|_| apart), &seen.iter().map(String::as_str));
        let suspensions = self.suspensions()?;
        let concerns = |word: &Suspension| {
            word.name == domain.as_str() || word.holds(&site) || word.holds(&servers)
        };
        let views = self.parts.queue.sites(DOMAINS_MAX);
        let view = views.iter().find(|view| view.site == site);
        let all = self.sites.all();
        let connections = self.pool.connected(&site);
        let suspensions: Vec<_> = suspensions.into_iter().filter(concerns).collect();
        let (standing, share) = (all.get(&site), self.slots.share());
        let mut state = waiting(&site, view, standing, share, connections, &suspensions);
        if let Some(word) = suspensions.first() {
            state.stopped = Some(word.said());
        }
        let values = shape.values(&sources).into_iter();
        Ok(SiteReport {
            domain: domain.to_string(),
            mx: hosts.iter().map(|host| format!("{} {}", host.preference, host.name)).collect(),
            route,
            site: site.to_string(),
            apart,
            applies: values.map(|(key, value, source)| Applies { key, value, source }).collect(),
            suspensions,
            state,
        })
    }
}
