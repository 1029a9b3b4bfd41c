//! Name servers that lie, fail, or tell of strange things. What a domain's server may mend is tried
//! again; what it says for good goes back to the sender.

use super::names::{
    A, AAAA, MX, NXDOMAIN, Query, REFUSED, Record, Reply, SERVFAIL, Says, address, alias, mx, name,
    question,
};
use super::row::{Hosts, Place, Row, Seen, named, untrapped};
use super::rows;
use super::scene::OURSELVES;
use std::time::Duration;

const LATER: &str = "deferred 4.4.3, delivered";
/// Hosts of a domain that an attempt looks at (`dns.mx_hosts_max`).
const HOSTS_MAX: usize = 20;

/// The usual servers of a place.
fn usual(place: &Place) -> Vec<Record> {
    vec![mx(&place.domain, 10, &place.host), address(&place.host, place.first)]
}

fn honestly(query: &Query, records: &[Record]) -> Reply {
    Reply::honest(query, records)
}

/// A lie about one kind of record alone.
fn about(query: &Query, kind: u16, says: Says) -> Option<Says> {
    (query.kind == kind).then_some(says)
}

/// A domain whose records are others than usual, and always so.
fn zone(records: fn(&Place) -> Vec<Record>) -> Row {
    Row::honest().records(records)
}

fn raw(bytes: &[u8]) -> Says {
    Says::Raw(vec![bytes.to_vec()])
}

/// A message that answers the question, after its id, as these bytes have it.
fn raw_answer(query: &Query, answers: u16, after: &[u8]) -> Says {
    let head = [&[0x85, 0x80, 0, 1][..], &answers.to_be_bytes(), &[0, 0, 0, 0]].concat();
    raw(&[head, question(&query.name, query.kind), after.to_vec()].concat())
}

/// At most so many hosts of a domain are looked at, whatever it publishes.
fn few_questions(seen: &Seen<'_>) -> Result<(), String> {
    let mut hosts: Vec<&str> = Vec::new();
    let asked = seen.questions.iter().filter(|(_, kind)| matches!(*kind, A | AAAA));
    hosts.extend(asked.map(|(name, _)| name.as_str()));
    hosts.sort_unstable();
    hosts.dedup();
    let few = hosts.len() <= HOSTS_MAX;
    few.then_some(()).ok_or_else(|| format!("{} hosts were looked up", hosts.len()))
}

/// Names looked up in one attempt are not without end.
fn short_chain(seen: &Seen<'_>) -> Result<(), String> {
    let count = seen.questions.len();
    (count <= 150).then_some(()).ok_or_else(|| format!("{count} questions"))
}

fn trap(owner: &str, place: &Place) -> Record {
    address(owner, place.trap)
}

rows! {
    // Servers that fail.
    the_name_server_fails => named(|_, _| Some(Reply::code(SERVFAIL))).ends(LATER);
    the_name_server_refuses => named(|_, _| Some(Reply::code(REFUSED))).ends(LATER);
    the_name_server_knows_no_such_operation => named(|_, _| Some(Reply::code(4))).ends(LATER);
    the_name_server_says_that_we_ask_wrongly => named(|_, _| Some(Reply::code(1))).ends(LATER);
    the_name_server_is_silent => named(|_, _| Some(Says::Nothing)).ends(LATER);
    the_name_server_is_slow_but_in_time => named(|place, query| {
        Some(Says::Late(Duration::from_millis(300), honestly(query, &usual(place))))
    })
    .ends("delivered");
    the_name_server_fails_for_addresses_alone =>
        named(|_, query| (query.kind != MX).then(|| Reply::code(SERVFAIL))).ends(LATER);
    the_name_server_is_silent_for_addresses_alone =>
        named(|_, query| (query.kind != MX).then_some(Says::Nothing)).ends(LATER);
    the_name_server_fails_for_ipv6_alone =>
        named(|_, query| about(query, AAAA, Reply::code(SERVFAIL))).ends("delivered");
    the_name_server_is_silent_for_ipv6_alone =>
        named(|_, query| about(query, AAAA, Says::Nothing)).ends("delivered");

    // Messages that are none.
    an_answer_cut_short_and_no_tcp => named(|_, query| {
        if query.tcp {
            return Some(Says::Nothing);
        }
        Some(Says::Message(Reply { truncated: true, bare: true, ..Reply::default() }))
    })
    .ends(LATER);
    an_answer_cut_short_and_whole_over_tcp => named(|place, query| {
        let cut = Reply { truncated: true, bare: true, ..Reply::default() };
        Some(Says::Message(if query.tcp { honestly(query, &usual(place)) } else { cut }))
    })
    .ends("delivered");
    an_answer_cut_short_over_tcp_too => named(|_, _| {
        Some(Says::Message(Reply { truncated: true, bare: true, ..Reply::default() }))
    })
    .ends(LATER);
    an_answer_of_another_id => named(|place, query| {
        let lie = honestly(query, &[mx(&place.domain, 10, &place.host), trap(&place.host, place)]);
        Some(Says::Message(Reply { id: Some(!query.id), ..lie }))
    })
    .check(untrapped)
    .ends(LATER);
    an_answer_to_another_question => named(|place, query| {
        let lie = honestly(query, &[mx(&place.domain, 10, &place.host), trap(&place.host, place)]);
        Some(Says::Message(Reply { question: Some(question("other.example", query.kind)), ..lie }))
    })
    .check(untrapped)
    .ends(LATER);
    /// What is cut short is asked again over TCP, where no port and no id need be guessed.
    an_answer_over_tcp_to_another_question => named(|_, query| {
        let asked = query.tcp.then(|| question("other.example", query.kind));
        let reply = Reply { truncated: !query.tcp, bare: true, ..Reply::default() };
        Some(Says::Message(Reply { question: asked, ..reply }))
    })
    .ends(LATER);
    an_answer_of_random_bytes => named(|_, _| Some(raw(&[0xff; 60]))).ends(LATER);
    an_answer_of_its_id_alone => named(|_, _| Some(raw(&[]))).ends(LATER);
    an_answer_that_promises_more_records => named(|_, query| Some(raw_answer(query, 9, &[]))).ends(LATER);
    an_answer_whose_record_is_longer_than_it => named(|_, query| {
        let record = [&[0xc0, 12][..], &query.kind.to_be_bytes(), &[0, 1, 0, 0, 0, 9, 0xff, 0xff]];
        Some(raw_answer(query, 1, &record.concat()))
    })
    .ends(LATER);
    an_answer_whose_name_points_at_itself => named(|_, query| {
        let at = 12 + u8::try_from(question(&query.name, query.kind).len()).unwrap_or(0);
        Some(raw_answer(query, 1, &[0xc0, at, 0, 15, 0, 1, 0, 0, 0, 9, 0, 0]))
    })
    .ends(LATER);
    an_answer_of_another_kind_of_record => named(|place, query| {
        let records = vec![address(&query.name, place.trap)];
        about(query, MX, Says::Message(Reply::answers(records)))
    })
    .check(untrapped)
    .ends("failed 5.1.2");
    an_answer_about_another_name => named(|place, query| {
        let records = vec![mx("other.example", 10, &format!("trap.{}", place.domain))];
        about(query, MX, Says::Message(Reply::answers(records)))
    })
    .check(untrapped)
    .ends("failed 5.1.2");
    no_answer_to_questions_with_edns =>
        named(|_, query| query.edns.then_some(Says::Nothing)).ends(LATER);
    a_format_error_to_questions_with_edns =>
        named(|_, query| query.edns.then(|| Reply::code(1))).ends(LATER);

    // Domains that take no mail.
    no_such_domain => zone(|_| Vec::new()).ends("failed 5.1.2");
    no_such_domain_without_a_word_of_its_zone =>
        named(|_, _| Some(Reply::code(NXDOMAIN))).ends("failed 5.1.2");
    a_domain_with_neither_server_nor_address =>
        zone(|place| vec![Record::new(&place.domain, 16, vec![1, b'x'])]).ends("failed 5.1.2");
    a_null_mx => zone(|place| vec![mx(&place.domain, 0, ".")]).ends("failed 5.1.10");
    a_null_mx_with_a_preference => zone(|place| vec![mx(&place.domain, 10, ".")]).ends("failed 5.1.10");
    a_null_mx_with_an_address_beside_it =>
        zone(|place| vec![mx(&place.domain, 0, "."), trap(&place.domain, place)])
            .check(untrapped)
            .ends("failed 5.1.10");
    a_null_mx_among_others => zone(|place| [vec![mx(&place.domain, 0, ".")], usual(place)].concat())
        .ends("delivered");

    // Where the mail goes.
    no_mx_and_an_address => zone(|place| vec![address(&place.domain, place.first)]).ends("delivered");
    no_mx_and_a_wrong_address_of_ipv6 => zone(|place| {
        vec![
            address(&place.domain, std::net::Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 1)),
            address(&place.domain, place.first),
        ]
    })
    .ends("delivered");
    an_mx_that_is_an_alias => zone(|place| {
        let alias_of = format!("alias.{}", place.domain);
        vec![
            mx(&place.domain, 10, &alias_of),
            alias(&alias_of, &place.host),
            address(&place.host, place.first),
        ]
    })
    .ends("delivered");
    a_domain_that_is_an_alias => zone(|place| {
        let real = format!("real.{}", place.domain);
        vec![alias(&place.domain, &real), mx(&real, 10, &place.host), address(&place.host, place.first)]
    })
    .ends("delivered");
    an_alias_of_itself => named(|place, query| {
        Some(Says::Message(Reply::answers(vec![alias(&query.name, &place.domain)])))
    })
    .check(short_chain)
    .ends(LATER);
    aliases_in_a_circle => named(|place, query| {
        let [one, two] = ["one", "two"].map(|label| format!("{label}.{}", place.domain));
        let next = if query.name == one { &two } else { &one };
        Some(Says::Message(Reply::answers(vec![alias(&query.name, next)])))
    })
    .check(short_chain)
    .ends(LATER);
    aliases_without_end => named(|place, query| {
        let deep = query.name.split('.').next().and_then(|label| label.strip_prefix('c'));
        let deep = deep.and_then(|deep| deep.parse::<u32>().ok()).unwrap_or(0) + 1;
        let next = format!("c{deep}.{}", place.domain);
        Some(Says::Message(Reply::answers(vec![alias(&query.name, &next)])))
    })
    .check(short_chain)
    .ends(LATER);
    an_mx_without_an_address => named(|_, query| {
        (query.kind != MX).then(|| Says::Message(Reply::default()))
    })
    .ends("deferred 4.4.1, delivered");
    an_mx_that_does_not_exist =>
        named(|_, query| (query.kind != MX).then(|| Reply::code(NXDOMAIN))).ends("deferred 4.4.1, delivered");
    an_mx_without_an_address_and_one_with => zone(|place| {
        let empty = mx(&place.domain, 5, &format!("empty.{}", place.domain));
        [vec![empty], usual(place)].concat()
    })
    .ends("delivered");
    an_mx_named_by_an_address => named(|place, query| {
        let host = place.trap.to_string();
        about(query, MX, Says::Message(Reply::answers(vec![mx(&query.name, 10, &host)])))
    })
    .check(untrapped)
    .ends("deferred 4.4, delivered");
    an_mx_whose_name_holds_a_command => named(|_, query| {
        let host = b"\x14x\r\nRCPT TO:<a@b.c>\r\n\x00";
        let data = [&[0, 10][..], &host[..]].concat();
        let record = Record::new(&query.name, MX, data);
        about(query, MX, Says::Message(Reply::answers(vec![record])))
    })
    .ends("deferred 4.4, delivered");
    an_mx_of_a_name_that_is_too_long => named(|_, query| {
        let host = format!("{}example", "a-label-of-thirty-octets-here.".repeat(9));
        let data = [vec![0, 10], name(&host)].concat();
        let record = Record::new(&query.name, MX, data);
        about(query, MX, Says::Message(Reply::answers(vec![record])))
    })
    .ends("deferred 4.4, delivered");
    three_mx_of_one_preference_and_two_of_them_dead => zone(|place| {
        let host = |n: u8| format!("mx{n}.{}", place.domain);
        let each = |n: u8| {
            let to = if n == 2 { place.first } else { place.closed };
            [mx(&place.domain, 10, &host(n)), address(&host(n), to)]
        };
        (1..=3).flat_map(each).collect()
    })
    .ends("delivered");
    // A message of 64 KiB holds no more than this; 5,000 would not fit.
    three_thousand_mx => zone(|place| {
        let host = |n: usize| format!("{n:x}");
        let many = (0..3000).map(|n| mx(&place.domain, 20, &host(n)));
        many.chain(usual(place)).collect()
    })
    .check(few_questions)
    .ends("delivered");
    three_thousand_mx_and_none_of_them_lives => named(|_, query| {
        let many = (0..3000).map(|n| mx(&query.name, 20, &format!("{n:x}"))).collect();
        about(query, MX, Says::Message(Reply::answers(many)))
    })
    .check(few_questions)
    .ends("deferred 4.4, delivered");
    a_host_of_a_hundred_dead_addresses => zone(|place| {
        let many = (0..100_u8).map(|n| address(&place.host, std::net::Ipv4Addr::new(127, 19, 9, n)));
        [vec![mx(&place.domain, 10, &place.host)], many.collect()].concat()
    })
    .ends("deferred 4.4.1");

    // How long, and in whose name.
    an_answer_that_lives_for_no_time =>
        zone(|place| usual(place).into_iter().map(|record| record.ttl(0)).collect()).ends("delivered");
    a_wrong_answer_that_would_live_for_136_years => named(|place, query| {
        let dead = [mx(&place.domain, 10, &place.host), address(&place.host, place.closed)];
        let mut reply = honestly(query, &dead);
        reply.answers.iter_mut().for_each(|record| record.ttl = u32::MAX);
        Some(Says::Message(reply))
    })
    .ends("deferred 4.4.1, delivered");
    a_wrong_answer_that_would_live_for_68_years => named(|place, query| {
        let dead = [mx(&place.domain, 10, &place.host), address(&place.host, place.closed)];
        let mut reply = honestly(query, &dead);
        reply.answers.iter_mut().for_each(|record| record.ttl = i32::MAX.unsigned_abs());
        Some(Says::Message(reply))
    })
    .ends("deferred 4.4.1, delivered");
    names_in_another_case => zone(|place| {
        let upper = place.host.to_ascii_uppercase();
        vec![mx(&place.domain, 10, &upper), address(&place.host, place.first)]
    })
    .ends("delivered");
    an_additional_record_that_leads_astray => named(|place, query| {
        let mut reply = honestly(query, &usual(place));
        reply.additional = vec![trap(&place.host, place)];
        Some(Says::Message(reply))
    })
    .check(untrapped)
    .ends("delivered");
    an_additional_record_that_leads_another_domain_astray => named(|place, query| {
        let mut reply = honestly(query, &usual(place));
        reply.additional = vec![trap("mx.acme.example", place), mx("acme.example", 1, &place.host)];
        Some(Says::Message(reply))
    })
    .check(untrapped)
    .ends("delivered");
    an_answer_with_a_stranger_in_it => named(|place, query| {
        let mut reply = honestly(query, &usual(place));
        reply.answers.push(trap("mx.acme.example", place));
        Some(Says::Message(reply))
    })
    .check(untrapped)
    .ends("delivered");

    // Ourselves.
    an_mx_that_is_ourselves =>
        zone(|place| vec![mx(&place.domain, 10, &place.host), address(&place.host, OURSELVES)])
            .ends("failed 5.4.6");
    an_mx_that_is_ourselves_as_mapped_ipv6 => zone(|place| {
        vec![mx(&place.domain, 10, &place.host), address(&place.host, OURSELVES.to_ipv6_mapped())]
    })
    .ends("failed 5.4.6");
    an_address_without_mx_that_is_ourselves =>
        zone(|place| vec![address(&place.domain, OURSELVES)]).ends("failed 5.4.6");
    ourselves_behind_a_server_that_is_down => zone(|place| {
        let ours = format!("backup.{}", place.domain);
        vec![
            mx(&place.domain, 10, &place.host),
            address(&place.host, place.closed),
            mx(&place.domain, 20, &ours),
            address(&ours, OURSELVES),
        ]
    })
    .ends("deferred 4.4.1");
    ourselves_before_another_server => zone(|place| {
        let ours = format!("first.{}", place.domain);
        [vec![mx(&place.domain, 5, &ours), address(&ours, OURSELVES)], usual(place)].concat()
    })
    .ends("failed 5.4.6");
    a_server_whose_port_is_closed_by_name =>
        Row::honest().at(Hosts::Closed).says("refused").ends("deferred 4.4.1");
}
