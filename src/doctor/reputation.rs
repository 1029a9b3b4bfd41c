//! What others think of the addresses that mail leaves from, and whether they can reach who is responsible.

use super::Case;
use super::conversation::{Conversation, first};
use super::finding::Finding;
use super::names::{is_public, sources};
use super::ports::{addresses, connect};
use crate::dns::{Resolver, reversed, servers};
use crate::world::World;
use std::net::{IpAddr, Ipv4Addr};

const AREA: &str = "reputation";
/// Most addresses of ours that are asked about.
const ADDRESSES_MAX: usize = 16;
/// Name servers that anybody may use: block lists answer them nothing, or nonsense.
const PUBLIC: [&str; 18] = [
    "1.0.0.1",
    "1.1.1.1",
    "8.8.4.4",
    "8.8.8.8",
    "9.9.9.9",
    "114.114.114.114",
    "119.29.29.29",
    "149.112.112.112",
    "208.67.220.220",
    "208.67.222.222",
    "223.5.5.5",
    "223.6.6.6",
    "2001:4860:4860::8844",
    "2001:4860:4860::8888",
    "2606:4700:4700::1001",
    "2606:4700:4700::1111",
    "2620:fe::9",
    "2620:fe::fe",
];

/// Whether the addresses that mail leaves from stand on a list.
pub(super) async fn listings(case: Case<'_>, resolver: &dyn Resolver) -> Vec<Finding> {
    let asked = servers(&case.config.dns).unwrap_or_default();
    let is_known = |ip: &IpAddr| PUBLIC.iter().any(|one| one.parse() == Ok(*ip));
    if let Some(public) = asked.iter().map(IpAddr::to_canonical).find(is_known) {
        let lists = case.block_lists.join(", ");
        return vec![Finding::warn(
            AREA,
            lists,
            format!(
                "not asked: {public} is a name server for everybody, which block lists do not answer"
            ),
            "run a name server of your own that asks for itself (unbound, say), and set dns.nameservers; mail \
             needs one anyway",
        )];
    }
    let own = sources(case.config, resolver).await;
    let own: Vec<IpAddr> =
        own.into_iter().filter(|ip| is_public(*ip)).take(ADDRESSES_MAX).collect();
    let mut found = Vec::new();
    for list in case.block_lists {
        for ip in &own {
            let subject = format!("{ip} on {list}");
            let answer = resolver.addresses(&format!("{}.{list}", reversed(*ip))).await;
            found.push(match answer {
                Err(fault) => {
                    let advice = "try again later, or leave the list out with --block-list";
                    Finding::warn(AREA, subject, format!("it cannot be asked: {fault}"), advice)
                }
                Ok(codes) => judged(subject, (*ip, list), &codes),
            });
        }
    }
    found
}

/// What a list's answer means (RFC 5782 §2.3 has 127.0.0.2 and up for what is listed).
fn judged(subject: String, (ip, list): (IpAddr, &str), codes: &[IpAddr]) -> Finding {
    let v4 = |code: &IpAddr| match code {
        IpAddr::V4(code) if code.is_loopback() => Some(*code),
        _ => None,
    };
    let codes: Vec<Ipv4Addr> = codes.iter().filter_map(v4).collect();
    if codes.iter().any(|code| code.octets()[1] == 255) {
        return Finding::warn(
            AREA,
            subject,
            format!("{list} does not answer this name server ({})", codes[0]),
            "ask through a name server of your own, and see the terms of the list",
        );
    }
    if codes.is_empty() {
        return Finding::ok(AREA, subject, "is not listed");
    }
    let told: Vec<_> = codes.iter().map(ToString::to_string).collect();
    let is_policy = list.ends_with("spamhaus.org")
        && codes.iter().all(|code| matches!(code.octets()[3], 10 | 11));
    let advice = if is_policy {
        "its network is said to send no mail of its own: ask who gave it to you, or take it off the list at \
         https://check.spamhaus.org/"
            .to_owned()
    } else {
        format!(
            "find out what was sent from {ip} (`relent queue summary`, complaints), mend that, and then ask \
             {list} to take it off"
        )
    };
    Finding::bad(AREA, subject, format!("it is listed ({})", told.join(", ")), advice)
}

/// Whether mail to who is responsible is taken (RFC 2142, RFC 5321 §4.5.1): asked of our own listener, which
/// sends nothing for that.
pub(super) async fn roles(case: Case<'_>, world: &World) -> Vec<Finding> {
    let listed = &case.config.listen.inbound;
    let Some(to) = addresses(case.config, "inbound", listed).first().copied() else {
        return Vec::new();
    };
    // That nobody is there is said elsewhere.
    let Ok(stream) = connect(world, to, None).await else { return Vec::new() };
    let mut talk = Conversation::new(stream);
    let begun = async {
        talk.hear().await?;
        talk.ask("EHLO doctor.invalid").await?;
        talk.ask("MAIL FROM:<>").await
    };
    if let Err(why) = begun.await {
        let advice = "see the log of the daemon";
        return vec![Finding::bad(AREA, "postmaster, abuse", why, advice)];
    }
    let mut found = Vec::new();
    for name in ["postmaster", "abuse"] {
        let address = format!("{name}@{}", case.config.hostname);
        let answer = talk.ask(&format!("RCPT TO:<{address}>")).await;
        found.push(match answer {
            Ok(reply) if reply.starts_with('2') => {
                Finding::ok(AREA, address, "mail to it is taken")
            }
            Ok(reply) => Finding::bad(
                AREA,
                address,
                format!("mail to it is answered `{}`", first(&reply)),
                "whoever complains writes there: set replies.postmaster to a mailbox that somebody reads",
            ),
            Err(why) => Finding::bad(AREA, address, why, "see the log of the daemon"),
        });
    }
    let _ = talk.ask("QUIT").await;
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn an_address_is_asked_about_backwards() {
        assert_eq!(reversed("192.0.2.99".parse().expect("an address")), "99.2.0.192");
        let six = reversed("2001:db8::567:89ab".parse().expect("an address"));
        assert_eq!(six, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2");
    }

    #[test]
    fn what_a_list_says_of_the_asker_is_no_listing() {
        let ip = "198.51.100.7".parse().expect("an address");
        let say = |codes: &[&str]| {
            let codes: Vec<IpAddr> = codes.iter().map(|c| c.parse().expect("an address")).collect();
            judged("x".into(), (ip, "zen.spamhaus.org"), &codes)
        };
        assert_eq!(say(&[]).level, Level::Ok);
        assert_eq!(say(&["192.0.2.1"]).level, Level::Ok, "a parked list lists nobody");
        assert_eq!(say(&["127.255.255.254"]).level, Level::Warn);
        let policy = say(&["127.0.0.10"]);
        assert!(
            policy.level == Level::Bad && policy.advice.expect("some").contains("send no mail")
        );
        assert_eq!(say(&["127.0.0.2"]).found, "it is listed (127.0.0.2)");
    }
}
