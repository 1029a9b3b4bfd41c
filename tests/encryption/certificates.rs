//! Certificates that are not in order, each a named row: refused where one must be in order, by MTA-STS and by
//! the operator's word, at a retry too; taken where nobody asked for one.

use super::{Lab, enforce, took, until};

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_bad_certificates_are_refused_where_one_must_be_good() {
    let count = super::Authority::new("Count").bad("mx.example").len();
    assert_eq!(count, 16);
    let words: Vec<String> =
        (0..=count).map(|n| format!("\"v{n}.example\" = \"verify\"")).collect();
    let mut lab = Lab::start(&format!("tls_policies = {{ {} }}", words.join(", ")), "").await;
    let mut servers = Vec::new();
    for place in 0..=count {
        let host = format!("mx.h{place}.example");
        let (name, identity, told) = match place.checked_sub(1) {
            None => ("good", lab.authority.issue(&[&host]), ""),
            Some(row) => lab.authority.bad(&host).swap_remove(row),
        };
        let domains = ["s", "v", "o"].map(|kind| format!("{kind}{place}.example"));
        let named: Vec<&str> = domains.iter().map(String::as_str).collect();
        let server = lab.server(&host, &named, &identity).await;
        lab.policy(&domains[0], "1", &enforce(&host));
        let people = domains.map(|domain| format!("ann@{domain}"));
        servers.push((name, told, server, people));
    }
    let all: Vec<&str> =
        servers.iter().flat_map(|(_, _, _, people)| people.iter().map(String::as_str)).collect();
    lab.send(&all);
    for (name, told, server, [sts, verify, open]) in &servers {
        for to in [sts, verify] {
            let fate = lab.fate(to).await;
            if *name == "good" {
                assert!(fate.starts_with("delivered"), "{name}: {fate}");
                assert_eq!(took(server, to), Some(true), "{name}");
                continue;
            }
            assert!(fate.starts_with("deferred 4.7.5 not sent: "), "{name}: {fate}");
            assert!(fate.contains(told), "{name}: {fate}");
        }
        // Nobody asked who it is: such a certificate is better than none.
        assert!(lab.fate(open).await.starts_with("delivered"), "{name}");
        assert_eq!(took(server, open), Some(true), "{name}");
    }
    // Nor is it sent at a retry, encrypted or in the clear.
    for (name, _, server, [sts, verify, _]) in &servers[1..] {
        for to in [sts, verify] {
            until(&format!("{name}: a retry"), || lab.fates(to).len() > 1).await;
            assert!(lab.fates(to)[1].starts_with("deferred 4.7.5 "), "{name}: {:?}", lab.fates(to));
            assert_eq!(took(server, to), None, "{name}");
        }
    }
}
