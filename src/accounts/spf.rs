//! Whether an SPF record lets our addresses send (RFC 7208), as the servers that take our mail will judge
//! it: its mechanisms, and the limits past which they give up.

use crate::dns::Resolver;
use crate::mail::Domain;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

//= https://www.rfc-editor.org/rfc/rfc7208#section-4.6.4
//# SPF implementations MUST limit the total number of those terms to 10
//# during SPF evaluation
/// Most terms that ask DNS.
const LOOKUPS_MAX: u32 = 10;

/// What a record says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Pass,
    Neutral,
    SoftFail,
    Fail,
    Nothing,
}

/// Asks for the SPF record of `domain` and judges all of `addresses`.
///
/// # Errors
/// In words: why mail from one of the addresses does not pass.
pub(super) async fn covers(
    resolver: &dyn Resolver,
    domain: &str,
    addresses: &[IpAddr],
) -> Result<(), String> {
    if addresses.is_empty() {
        return Err("the relay's hostname has no address, so that nothing can be covered".into());
    }
    for address in addresses {
        let mut judge = Judge { resolver, address: *address, lookups: 0 };
        let said = match judge.judge(domain.to_owned()).await? {
            Says::Pass => continue,
            Says::Nothing => return Err("there is no SPF record (v=spf1)".into()),
            Says::Neutral => "neither allows nor forbids",
            Says::SoftFail => "marks as suspect (softfail)",
            Says::Fail => "forbids",
        };
        return Err(format!("the SPF record {said} {address}, which our mail comes from"));
    }
    Ok(())
}

struct Judge<'a> {
    resolver: &'a dyn Resolver,
    address: IpAddr,
    lookups: u32,
}

type Judged<'a> = Pin<Box<dyn Future<Output = Result<Says, String>> + Send + 'a>>;

impl Judge<'_> {
    /// As deep as there are lookups left.
    fn judge(&mut self, domain: String) -> Judged<'_> {
        Box::pin(async move {
            let Some(record) = self.record(&domain).await? else {
                return Ok(Says::Nothing);
            };
            let mut redirect = None;
            for term in record.split_ascii_whitespace().skip(1) {
                if let Some((name, value)) = term.split_once('=')
                    && !name.contains([':', '/'])
                {
                    if name.eq_ignore_ascii_case("redirect") {
                        redirect = Some(value.to_owned());
                    }
                    continue;
                }
                let (says, term) = match term.as_bytes().first() {
                    Some(b'-') => (Says::Fail, &term[1..]),
                    Some(b'~') => (Says::SoftFail, &term[1..]),
                    Some(b'?') => (Says::Neutral, &term[1..]),
                    Some(b'+') => (Says::Pass, &term[1..]),
                    _ => (Says::Pass, term),
                };
                if self.matches(term, &domain).await? {
                    return Ok(says);
                }
            }
            match redirect {
                Some(other) => {
                    self.count()?;
                    match self.judge(other.clone()).await? {
                        Says::Nothing => Err(format!("redirect={other} leads to no SPF record")),
                        says => Ok(says),
                    }
                }
                None => Ok(Says::Neutral),
            }
        })
    }

    async fn record(&self, domain: &str) -> Result<Option<String>, String> {
        let texts = self.resolver.texts(domain).await.map_err(|fault| fault.to_string())?;
        let is_spf = |text: &String| {
            let version = text.split(' ').next().unwrap_or_default();
            version.eq_ignore_ascii_case("v=spf1")
        };
        let mut found: Vec<String> = texts.into_iter().filter(is_spf).collect();
        //= https://www.rfc-editor.org/rfc/rfc7208#section-4.5
        //# If the resultant record set includes more than one record, check_host()
        //# produces the "permerror" result.
        if found.len() > 1 {
            return Err(format!("{domain} has {} SPF records: only one may stand", found.len()));
        }
        Ok(found.pop())
    }

    fn count(&mut self) -> Result<(), String> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            return Err(format!(
                "the SPF record needs more than {LOOKUPS_MAX} lookups, so that nobody reads it to its end"
            ));
        }
        Ok(())
    }

    /// Whether a mechanism matches the address. What depends on the sender (macros) does not match here.
    async fn matches(&mut self, term: &str, domain: &str) -> Result<bool, String> {
        let (term, length) = match term.split_once('/') {
            Some((term, length)) => (term, length),
            None => (term, ""),
        };
        let (name, target) = match term.split_once(':') {
            // The address of ip6 has colons of its own.
            Some((name, target)) => (name, Some(target)),
            None => (term, None),
        };
        let unreadable = || format!("the SPF record has a term that cannot be read: {term}");
        let within = target.unwrap_or(domain).to_owned();
        let varies = within.contains('%');
        match name.to_ascii_lowercase().as_str() {
            "all" => Ok(true),
            "ip4" | "ip6" => {
                let network = target.and_then(|text| text.parse::<IpAddr>().ok());
                let network = network.ok_or_else(unreadable)?;
                Ok(is_within(self.address, network, length))
            }
            "include" => {
                self.count()?;
                if varies || target.is_none() {
                    return if varies { Ok(false) } else { Err(unreadable()) };
                }
                match self.judge(within.clone()).await? {
                    Says::Nothing => Err(format!("include:{within} leads to no SPF record")),
                    says => Ok(says == Says::Pass),
                }
            }
            "a" => {
                self.count()?;
                Ok(!varies && self.is_host(&within, length).await?)
            }
            "mx" => {
                self.count()?;
                if varies {
                    return Ok(false);
                }
                let domain = Domain::parse(&within).map_err(|_| unreadable())?;
                let route = self.resolver.route(&domain).await.map_err(|f| f.to_string())?;
                if let crate::dns::Route::Hosts(hosts) = route {
                    for host in hosts {
                        if self.is_host(&host.name, length).await? {
                            return Ok(true);
                        }
                    }
                }
                Ok(false)
            }
            "exists" => {
                self.count()?;
                let found = self.resolver.addresses(&within);
                Ok(!varies && !found.await.map_err(|f| f.to_string())?.is_empty())
            }
            "ptr" => self.count().map(|()| false),
            _ => Err(unreadable()),
        }
    }

    async fn is_host(&self, host: &str, length: &str) -> Result<bool, String> {
        let found = self.resolver.addresses(host).await.map_err(|fault| fault.to_string())?;
        Ok(found.iter().any(|network| is_within(self.address, *network, length)))
    }
}

/// Whether an address lies in a network; `length` is `24`, `24//64` or `/64`, empty: all bits.
fn is_within(address: IpAddr, network: IpAddr, length: &str) -> bool {
    let (four, six) = match length.split_once('/') {
        // `a/24//64` has been cut at its first slash: `24//64`.
        Some((four, six)) => (four, six.trim_start_matches('/')),
        None => (length, length),
    };
    let bits = |text: &str, all: u32| match text {
        "" => Some(all),
        text => text.parse::<u32>().ok().filter(|bits| *bits <= all),
    };
    match (address.to_canonical(), network.to_canonical()) {
        (IpAddr::V4(address), IpAddr::V4(network)) => bits(four, 32).is_some_and(|bits| {
            let differ = u32::from(address) ^ u32::from(network);
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }),
        (IpAddr::V6(address), IpAddr::V6(network)) => bits(six, 128).is_some_and(|bits| {
            let differ = u128::from(address) ^ u128::from(network);
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{HickoryResolver, NameServer, Rdata};

    async fn judged(record: &str, address: &str) -> Result<(), String> {
        let mut records = vec![
            ("a.example".to_owned(), Rdata::Txt(record.into())),
            ("host.example".to_owned(), Rdata::A([192, 0, 2, 7].into())),
            ("a.example".to_owned(), Rdata::Mx(10, "host.example".into())),
            ("good.example".to_owned(), Rdata::Txt("v=spf1 ip4:192.0.2.0/24 -all".into())),
            ("loop.example".to_owned(), Rdata::Txt("v=spf1 include:loop.example -all".into())),
            ("two.example".to_owned(), Rdata::Txt("v=spf1 -all".into())),
            ("two.example".to_owned(), Rdata::Txt("v=spf1 +all".into())),
        ];
        records.push(("a.example".to_owned(), Rdata::Txt("v=spf10 is another".into())));
        let server = NameServer::start(([127, 0, 0, 1], 0).into(), &records).expect("a port");
        let settings = server.settings();
        let resolver = HickoryResolver::new(&settings).expect("a resolver");
        covers(&*resolver, "a.example", &[address.parse().expect("an address")]).await
    }

    #[tokio::test]
    async fn a_record_that_names_our_address_covers_it() {
        for record in [
            "v=spf1 ip4:192.0.2.7 -all",
            "V=SPF1 IP4:192.0.2.0/29 -all",
            "v=spf1 a:host.example -all",
            "v=spf1 -ip4:192.0.2.8 mx -all",
            "v=spf1 mx/24//64 ~all",
            "v=spf1 include:good.example -all",
            "v=spf1 exists:%{i}.list.example redirect=good.example",
            "v=spf1 ip6:::ffff:192.0.2.7 -all",
            "v=spf1 +all",
        ] {
            assert_eq!(judged(record, "192.0.2.7").await, Ok(()), "{record}");
        }
        assert_eq!(judged("v=spf1 ip6:2001:db8::/32 -all", "2001:db8::9").await, Ok(()));
    }

    #[tokio::test]
    async fn what_does_not_cover_it_is_said_in_words() {
        for (record, said) in [
            ("v=spf1 ip4:192.0.2.8 -all", "forbids 192.0.2.7"),
            ("v=spf1 ip4:192.0.2.8/99 ~all", "softfail"),
            ("v=spf1 ?all", "neither allows"),
            ("v=spf1", "neither allows"),
            ("no record", "no SPF record"),
            ("v=spf1 include:loop.example", "more than 10 lookups"),
            ("v=spf1 include:two.example", "2 SPF records"),
            ("v=spf1 include:none.example", "leads to no SPF record"),
            ("v=spf1 ipv4:192.0.2.7", "cannot be read"),
            ("v=spf1 ip4:192.0.2 -all", "cannot be read"),
        ] {
            let fault = judged(record, "192.0.2.7").await.expect_err(record);
            assert!(fault.contains(said), "{record}: {fault}");
        }
    }
}
