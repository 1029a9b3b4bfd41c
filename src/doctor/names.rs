//! The names of this machine in DNS: its own, those of the addresses that mail leaves from, and the hosts
//! that answers come back to.

use super::finding::Finding;
use crate::config::Config;
use crate::dns::{DnsFault, Resolver, Route};
use crate::mail::Domain;
use std::net::IpAddr;

const AREA: &str = "DNS";
/// Most names of an address that are looked at.
const NAMES_MAX: usize = 5;

/// Whether the whole network can reach an address.
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || is_shared)
        }
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            !(ip.is_loopback() || ip.is_unspecified() || is_local)
        }
    }
}

/// The addresses that mail leaves from, by the settings; where those leave it open, the host's own.
pub(super) async fn sources(config: &Config, resolver: &dyn Resolver) -> Vec<IpAddr> {
    let delivery = &config.delivery;
    let pools = delivery.pools.iter().flatten().flat_map(|(_, pool)| &pool.sources);
    let mut all: Vec<IpAddr> = delivery.source_addresses.clone();
    all.extend(pools.map(|source| source.address));
    let is_open = all.is_empty() || all.iter().any(IpAddr::is_unspecified);
    all.retain(|address| !address.is_unspecified());
    if is_open {
        all.extend(resolver.addresses(&config.hostname).await.unwrap_or_default());
    }
    all.sort();
    all.dedup();
    all
}

/// Looks all of them up.
pub(super) async fn names(config: &Config, resolver: &dyn Resolver) -> Vec<Finding> {
    let mut found = Vec::new();
    let hostname = config.hostname.as_str();
    if !hostname.contains('.') || hostname == "localhost.localdomain" {
        found.push(Finding::bad(
            AREA,
            hostname,
            "hostname is no full name, and is what other mail servers are greeted with",
            "set hostname to a name that leads to this machine, as in relay.example.com",
        ));
        return found;
    }
    let own = match resolver.addresses(hostname).await {
        Err(fault) => return vec![unasked(hostname, &fault)],
        Ok(own) if own.is_empty() => {
            found.push(Finding::bad(
                AREA,
                hostname,
                "it has no address",
                format!("publish an A record for {hostname} (and AAAA where there is IPv6) with the public \
                         address of this machine"),
            ));
            own
        }
        Ok(own) => {
            found.push(Finding::ok(AREA, hostname, format!("leads to {}", joined(&own))));
            own
        }
    };
    for address in sources(config, resolver).await {
        found.push(reverse(hostname, address, resolver).await);
    }
    found.push(answers(config, &own, resolver).await);
    found.extend(pages(config, resolver).await);
    found
}

fn joined<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn unasked(subject: &str, fault: &DnsFault) -> Finding {
    let advice = "see that this machine reaches its name servers: dns.nameservers, or those of \
                  /etc/resolv.conf";
    Finding::bad(AREA, subject, format!("it cannot be looked up: {fault}"), advice)
}

/// The name of an address that mail leaves from, confirmed by looking that name up.
async fn reverse(hostname: &str, address: IpAddr, resolver: &dyn Resolver) -> Finding {
    let subject = address.to_string();
    if !is_public(address) {
        return Finding::warn(
            AREA,
            subject,
            "it is no public address: others see the one of the router before it",
            "see that the router's public address has a PTR record with this host's name",
        );
    }
    let names = match resolver.names(address).await {
        Err(fault) => return unasked(&subject, &fault),
        Ok(names) => names,
    };
    let ask = format!(
        "ask whoever gave you {address} for a PTR record that says {hostname}: large mailbox providers \
         refuse mail from addresses without one"
    );
    if names.is_empty() {
        return Finding::bad(AREA, subject, "it has no name (PTR)", ask);
    }
    let mut confirmed = None;
    for name in names.iter().take(NAMES_MAX) {
        let back = resolver.addresses(name).await.unwrap_or_default();
        if back.contains(&address) {
            let is_own = name.eq_ignore_ascii_case(hostname);
            confirmed = if is_own { Some(name) } else { confirmed.or(Some(name)) };
        }
    }
    match confirmed {
        None => Finding::bad(
            AREA,
            subject,
            format!("its name {} does not lead back to it", joined(&names)),
            format!("publish an address record for that name, or {ask}"),
        ),
        Some(name) if !name.eq_ignore_ascii_case(hostname) => Finding::warn(
            AREA,
            subject,
            format!("its name is {name}, and other servers are greeted as {hostname}"),
            format!("have the PTR record say {hostname}, or set hostname to {name}"),
        ),
        Some(name) => Finding::ok(AREA, subject, format!("is {name}, which leads back to it")),
    }
}

/// Where replies and bounces go.
async fn answers(config: &Config, own: &[IpAddr], resolver: &dyn Resolver) -> Finding {
    let (domain, hostname) = (config.reply_domain(), config.hostname.as_str());
    let publish = format!("publish `{domain}. MX 10 {hostname}.`");
    let lost = "replies, stops and bounces do not come back";
    let Ok(parsed) = Domain::parse(domain) else {
        let advice = "set replies.domain to a host name of your own";
        return Finding::bad(AREA, domain, "replies.domain is no domain", advice);
    };
    let hosts = match resolver.route(&parsed).await {
        Err(fault) => return unasked(domain, &fault),
        Ok(Route::NullMx) => {
            return Finding::bad(AREA, domain, format!("it takes no mail: {lost}"), publish);
        }
        Ok(Route::NoSuchDomain) => {
            return Finding::bad(AREA, domain, format!("it has no mail server: {lost}"), publish);
        }
        Ok(Route::Hosts(hosts)) => hosts,
    };
    let names: Vec<&str> = hosts.iter().map(|host| host.name.trim_end_matches('.')).collect();
    for name in &names {
        let found = resolver.addresses(name).await.unwrap_or_default();
        if name.eq_ignore_ascii_case(hostname) || found.iter().any(|one| own.contains(one)) {
            return Finding::ok(AREA, domain, format!("its mail comes here, to {name}"));
        }
    }
    let text = format!("its mail goes to {}: {lost}", joined(&names));
    Finding::bad(AREA, domain, text, format!("{publish}, or set replies.domain"))
}

/// The host of recipients' pages.
async fn pages(config: &Config, resolver: &dyn Resolver) -> Option<Finding> {
    let host = &*config.pages_host();
    if host.is_empty() || host == config.hostname || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    Some(match resolver.addresses(host).await {
        Err(fault) => unasked(host, &fault),
        Ok(found) if found.is_empty() => Finding::bad(
            AREA,
            host,
            "the host of http.public_url has no address: nobody can unsubscribe on the page",
            format!("publish an A record for {host}, or set http.public_url"),
        ),
        Ok(found) => Finding::ok(AREA, host, format!("leads to {}", joined(&found))),
    })
}
