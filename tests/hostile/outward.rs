//! Where `delivery.allow_private` is off, names that strangers publish lead nowhere but to the public
//! internet. At every address here that can be listened on somebody listens, and must never be called.

use super::names::{A, AAAA, MX, Query, Record, Reply, Says, address, mx};
use super::row::{Place, Row, untrapped};
use super::rows;
use super::scene::OURSELVES;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

const REFUSED: &str = "not an address of the public internet";
/// An address of the public internet by every rule, and one that nobody has had since 2006.
const NOBODY: Ipv6Addr = Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 1);

fn at(place: &Place, to: impl Into<IpAddr>) -> Vec<Record> {
    vec![mx(&place.domain, 10, &place.host), address(&place.host, to)]
}

fn refused(records: fn(&Place) -> Vec<Record>) -> Row {
    Row::honest().records(records).says(REFUSED).check(untouched).ends("deferred 4.4.1")
}

fn four(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

fn six(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

/// No server of this scene was connected to.
fn untouched(seen: &super::row::Seen<'_>) -> Result<(), String> {
    untrapped(seen)?;
    let count = seen.connections[0] + seen.connections[1];
    (count == 0).then_some(()).ok_or_else(|| format!("{count} connections"))
}

/// How often each name was asked for, so that the answer changes between one look and the next.
fn times(query: &Query) -> u32 {
    static ASKED: Mutex<Option<HashMap<(String, u16), u32>>> = Mutex::new(None);
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = asked.get_or_insert_default();
    let count = asked.entry((query.name.clone(), query.kind)).or_default();
    *count += 1;
    *count
}

/// The public address to the first look, this machine's to every later one.
fn rebinding(place: &Place, query: &Query) -> Option<Says> {
    if query.kind == MX {
        return None;
    }
    let first = times(query) == 1;
    let to: IpAddr = match query.kind {
        AAAA if first => NOBODY.into(),
        AAAA => place.trap.to_ipv6_mapped().into(),
        A if !first => place.trap.into(),
        _ => return Some(Says::Message(Reply::default())),
    };
    Some(Says::Message(Reply::answers(vec![address(&query.name, to).ttl(0)])))
}

rows! {
    an_mx_at_loopback => refused(|place| at(place, place.trap));
    an_mx_at_127_0_0_1 => refused(|place| at(place, Ipv4Addr::LOCALHOST));
    an_mx_at_a_private_address => refused(|place| at(place, four("10.0.0.1")));
    an_mx_at_another_private_address => refused(|place| at(place, four("192.168.0.1")));
    an_mx_at_a_third_private_address => refused(|place| at(place, four("172.16.0.1")));
    an_mx_behind_a_carriers_nat => refused(|place| at(place, four("100.64.0.1")));
    an_mx_at_the_metadata_service => refused(|place| at(place, four("169.254.169.254")));
    an_mx_at_0_0_0_0 => refused(|place| at(place, Ipv4Addr::UNSPECIFIED));
    an_mx_at_0_0_0_1 => refused(|place| at(place, four("0.0.0.1")));
    an_mx_at_a_multicast_address => refused(|place| at(place, four("224.0.0.1")));
    an_mx_at_the_broadcast_address => refused(|place| at(place, Ipv4Addr::BROADCAST));
    an_mx_at_an_address_of_benchmarks => refused(|place| at(place, four("198.18.0.1")));
    an_mx_at_the_loopback_of_ipv6 => refused(|place| at(place, Ipv6Addr::LOCALHOST));
    an_mx_at_no_address_of_ipv6 => refused(|place| at(place, Ipv6Addr::UNSPECIFIED));
    an_mx_at_mapped_loopback => refused(|place| at(place, place.trap.to_ipv6_mapped()));
    an_mx_at_mapped_127_0_0_1 => refused(|place| at(place, six("::ffff:127.0.0.1")));
    an_mx_at_loopback_in_the_old_form => refused(|place| at(place, six("::127.0.0.1")));
    an_mx_at_loopback_through_nat64 => refused(|place| at(place, six("64:ff9b::7f00:1")));
    an_mx_at_loopback_through_a_local_nat64 => refused(|place| at(place, six("64:ff9b:1::7f00:1")));
    an_mx_at_loopback_through_6to4 => refused(|place| at(place, six("2002:7f00:1::1")));
    an_mx_at_loopback_through_teredo => refused(|place| at(place, six("2001:0:7f00:1::1")));
    an_mx_at_a_link_local_address_of_ipv6 => refused(|place| at(place, six("fe80::1")));
    an_mx_at_a_local_address_of_ipv6 => refused(|place| at(place, six("fc00::1")));
    an_mx_at_a_multicast_address_of_ipv6 => refused(|place| at(place, six("ff02::1")));
    no_mx_and_loopback => refused(|place| vec![address(&place.domain, place.trap)]);
    many_mx_and_all_of_them_private => refused(|place| {
        let host = |n: u8| format!("mx{n}.{}", place.domain);
        let each = |n: u8| {
            [mx(&place.domain, u16::from(n), &host(n)), address(&host(n), [127, 0, 0, n + 1])]
        };
        (0..15).flat_map(each).collect()
    });
    an_alias_that_leads_to_loopback => refused(|place| {
        let other = format!("alias.{}", place.domain);
        let lead = super::names::alias(&other, &place.host);
        vec![mx(&place.domain, 10, &other), lead, address(&place.host, place.trap)]
    });
    ourselves_where_nothing_is_private =>
        Row::honest().records(|place| at(place, OURSELVES)).check(untouched).ends("failed 5.4.6");
    a_public_address_at_the_first_look_and_loopback_at_the_next =>
        Row { lie: Some(rebinding), ..Row::honest().attempts(3) }
            .records(|place| at(place, place.trap))
            .check(|seen| {
                untouched(seen)?;
                let looks = seen.questions.iter().filter(|(_, kind)| *kind == AAAA).count();
                (looks > 1).then_some(()).ok_or_else(|| "there was no second look".into())
            })
            .ends("deferred 4.4.1");
    a_public_address_and_loopback_in_one_answer => Row::honest()
        .records(|place| [at(place, NOBODY), at(place, place.trap)].concat())
        .check(untouched)
        .ends("deferred 4.4.1");
}
