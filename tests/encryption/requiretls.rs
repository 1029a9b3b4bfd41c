//! REQUIRETLS and TLS-Required (RFC 8689): mail that goes on encrypted or not at all, and mail that goes on
//! whatever becomes of TLS.

use super::{BRIEF, Lab, enforce, idle, took, until};
use crate::support::PATIENCE;
use crate::support::client::{Client, letter};
use mail_send::SmtpClientBuilder;
use relent::demo::receiver::{Fault, Step};
use relent::dns::Rdata;

/// What a server says to EHLO over TLS that demands the same of the next.
fn offers_it() -> Fault {
    Fault::Answer(Step::SecureHello, "250-mx\r\n250-PIPELINING\r\n250 REQUIRETLS".into())
}

/// Submits over TLS, with REQUIRETLS; the replies to MAIL, RCPT and the message.
async fn submit(lab: &Lab, parameters: &str, to: &str, message: &str) -> String {
    let builder = SmtpClientBuilder::new("127.0.0.1", lab.world.ports.submissions[0]);
    let builder = builder.expect("a builder").implicit_tls(true).allow_invalid_certs();
    let builder = builder.credentials(("app/receipts", lab.world.password.as_str()));
    let mut client = builder.connect().await.expect("a connection");
    let mut said = String::new();
    for line in [
        format!("MAIL FROM:<news@acme.example>{parameters}"),
        format!("RCPT TO:<{to}>"),
        "DATA".into(),
    ] {
        let reply = client.cmd(format!("{line}\r\n").as_bytes()).await.expect("a reply");
        said = format!("{} {}", reply.code, reply.message);
        if reply.code >= 400 {
            return said;
        }
    }
    let reply = client.cmd(format!("{message}\r\n.\r\n").as_bytes()).await.expect("a reply");
    assert!(said.starts_with("354"));
    format!("{} {}", reply.code, reply.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_must_be_encrypted_goes_to_servers_that_demand_it_too_and_no_others() {
    let mut lab = Lab::start("", "").await;
    let mut servers = Vec::new();
    for (name, is_good, has_policy, is_offered, expected) in [
        ("fit", true, true, true, "delivered"),
        ("mute", true, true, false, "failed 5.7.30 "),
        ("unvouched", true, false, true, "failed 5.7.10 "),
        ("clear", true, false, true, "failed 5.7.10 "),
        ("stranger", false, false, true, "failed 5.7.10 "),
    ] {
        let (host, domain) = (format!("mx.{name}.example"), format!("{name}.example"));
        let unknown = super::Authority::new("Unknown");
        let authority = if is_good { &lab.authority } else { &unknown };
        let identity = authority.issue(&[&host]);
        let server = lab.server(&host, &[&domain], &identity).await;
        if has_policy {
            lab.policy(&domain, "1", &enforce(&host));
        }
        let mut faults = if is_offered { vec![offers_it()] } else { Vec::new() };
        if name == "clear" {
            faults = vec![Fault::Answer(Step::Hello, "250-mx\r\n250 8BITMIME".into())];
        }
        server.misbehave(faults);
        servers.push((name, server, format!("ann@{domain}"), expected));
    }
    for (name, server, to, expected) in &servers {
        // That its header asks for the contrary changes nothing.
        let message = format!("TLS-Required: No\r\n{}", letter(name));
        let said = submit(&lab, " REQUIRETLS", to, message.trim_end()).await;
        assert!(said.starts_with("250"), "{name}: {said}");
        let fate = lab.fate(to).await;
        assert!(fate.starts_with(expected), "{name}: {fate}");
        if *expected != "delivered" {
            assert_eq!(took(server, to), None, "{name}");
            continue;
        }
        let mail = server.message_to(to, PATIENCE).await.expect("it was taken");
        assert!(mail.tls && mail.parameters[0].contains("REQUIRETLS"), "{:?}", mail.parameters);
    }
    // Other mail to the same servers is as it always was.
    for (name, server, _, _) in &servers {
        let to = format!("bob@{name}.example");
        lab.send(&[&to]);
        let fate = lab.fate(&to).await;
        assert!(fate.starts_with("delivered"), "{name}: {fate}");
        let mail = server.message_to(&to, PATIENCE).await.expect("it was taken");
        assert!(!mail.parameters[0].contains("REQUIRETLS"), "{name}: {:?}", mail.parameters);
    }
    // The reports to its sender had to be encrypted too, and acme.example's server does not demand that.
    let reports = || {
        let log = lab.world.log();
        let lines =
            log.lines().filter(|line| line.contains("news@acme.example") && line.contains("5.7."));
        lines.filter(|line| line.contains("REQUIRETLS")).count()
    };
    until("reports to fail as well", || reports() >= 4).await;
    assert!(lab.world.receiver.mailbox().is_empty(), "a report left in the open");
}

#[tokio::test(flavor = "multi_thread")]
async fn requiretls_is_for_those_who_come_encrypted_themselves() {
    let lab = Lab::start("", "").await;
    for port in [lab.world.ports.submission[0], lab.world.ports.inbound[0]] {
        let mut client = Client::connect(port);
        let hello = client.say("EHLO client.example");
        assert!(hello.contains("STARTTLS") && !hello.contains("REQUIRETLS"), "{hello}");
    }
    let mut app = Client::login(lab.world.ports.submission[0], "app/receipts", &lab.world.password);
    let said = app.say("MAIL FROM:<news@acme.example> REQUIRETLS");
    assert!(said.starts_with("530 5.7.10"), "{said}");
    let said = submit(&lab, " REQUIRETLS=yes", "ann@reader.example", &letter("x")).await;
    assert!(said.starts_with("501"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_need_not_be_encrypted_goes_on_whatever_the_policy() {
    let mut lab = Lab::start(BRIEF, "").await;
    let identity = super::Authority::new("Unknown").issue(&["mx.strict.example"]);
    let server = lab.server("mx.strict.example", &["strict.example"], &identity).await;
    lab.policy("strict.example", "1", &enforce("mail.elsewhere.example"));
    let open = "From: news@acme.example\r\nSubject: x\r\nTLS-Required: No\r\n\r\nHello.\r\n";
    lab.send_as("", &["ann@strict.example"], open);
    assert!(lab.fate("ann@strict.example").await.starts_with("delivered"));
    assert_eq!(took(&server, "ann@strict.example"), Some(true));
    idle(&server).await;
    server.misbehave(vec![Fault::Answer(Step::StartTls, "454 4.7.0 not now".into())]);
    lab.send_as("", &["bob@strict.example"], open);
    assert!(lab.fate("bob@strict.example").await.starts_with("delivered"));
    let mail = server.message_to("bob@strict.example", PATIENCE).await.expect("it was taken");
    assert!(!mail.tls && String::from_utf8_lossy(&mail.message).contains("TLS-Required: No"));
    lab.send(&["carol@strict.example"]);
    assert!(lab.fate("carol@strict.example").await.starts_with("deferred 4.7.5 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_must_be_encrypted_waits_while_starttls_fails() {
    let mut lab = Lab::start(BRIEF, "").await;
    let identity = lab.authority.issue(&["mx.busy.example"]);
    let server = lab.server("mx.busy.example", &["busy.example"], &identity).await;
    // DNSSEC vouches for the server, and no policy demands TLS of it.
    lab.publish("busy.example", Rdata::Proven);
    server.misbehave(vec![Fault::Answer(Step::StartTls, "454 4.7.0 not now".into())]);
    let to = "ann@busy.example";
    let said = submit(&lab, " REQUIRETLS", to, letter("Wait").trim_end()).await;
    assert!(said.starts_with("250"), "{said}");
    let fate = lab.fate(to).await;
    assert!(fate.starts_with("deferred 4.7.10 "), "{fate}");
    server.misbehave(vec![offers_it()]);
    assert!(server.message_to(to, PATIENCE).await.is_some_and(|mail| mail.tls));
}
