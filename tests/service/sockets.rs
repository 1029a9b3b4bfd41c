//! Sockets that systemd opens (`relent.socket`): each is taken by its port, for the daemon has no right to open
//! them; what fits no setting is told.

use super::field;
use crate::journeys::delivered;
use crate::support::World;
use crate::support::client::{Client, letter};
use std::io::{Read, Write};
use std::net::TcpStream;

/// The launcher that does what systemd does, and what it is to do beside that.
fn launcher(world: &World, more: &str) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/sockets.py");
    let settings = world.path("relent.toml").display().to_string();
    ["python3", script, &settings, more].map(str::to_owned).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_socket_of_systemd_is_taken_and_no_right_is_needed() {
    let mut world = World::with("").await;
    assert_eq!(world.stop(), 0);
    assert!(world.try_launch(&launcher(&world, "-"), &[]), "{}", world.log());
    let ports = world.ports.clone();
    if rustix::process::geteuid().is_root() {
        let all = [&ports.submission, &ports.submissions, &ports.inbound, &ports.http];
        assert!(all.iter().all(|ports| ports.len() == 1 && ports[0] < 1024), "{ports:?}");
        for thread in world.threads() {
            for rights in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                let found = field(&thread, rights);
                assert!(found.bytes().all(|byte| byte == b'0'), "{rights}: {found}");
            }
        }
    }
    let mut app = Client::login(ports.submission[0], "app/receipts", &world.password);
    let reply = app.submit("news@acme.example", &["ann@reader.example"], &letter("Receipt"));
    assert!(reply.starts_with("250"), "{reply}");
    delivered(&world, "ann@reader.example").await;
    let mut inbound = Client::connect(ports.inbound[0]);
    assert!(inbound.say("EHLO mx.reader.example").starts_with("250"));
    assert!(world.http("GET /livez HTTP/1.1", "").ends_with("alive\n"));
    // A handshake is begun before a word is said: what is no TLS ends it.
    let mut implicit = TcpStream::connect(("127.0.0.1", ports.submissions[0])).expect("it answers");
    implicit.write_all(b"EHLO client.example\r\n").expect("written");
    let mut answer = Vec::new();
    let _ = implicit.read_to_end(&mut answer);
    assert_ne!(answer.first(), Some(&b'2'), "no greeting without TLS");
    assert!(!world.log().contains("systemd handed over"), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_no_setting_names_is_told_and_closed() {
    let mut world = World::bare("", "").await;
    assert_eq!(world.stop(), 0);
    assert!(world.try_launch(&launcher(&world, "stray"), &[]), "{}", world.log());
    let log = world.log();
    let told = "(other.socket) that no address in [listen] names";
    assert!(log.contains(told) && log.contains("take the line out of the .socket unit"), "{log}");
    // At an address of its own, where nobody else comes to listen.
    let (_, after) = log.split_once("handed over a socket on 127.0.0.77:").expect("its address");
    let port = after.split(' ').next().and_then(|port| port.parse::<u16>().ok()).expect("its port");
    assert!(TcpStream::connect(("127.0.0.77", port)).is_err(), "nobody waits in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_takes_no_connections_is_refused_by_name() {
    let mut world = World::bare("", "").await;
    assert_eq!(world.stop(), 0);
    assert!(!world.try_launch(&launcher(&world, "udp"), &[]));
    assert!(!world.end(crate::support::PATIENCE).expect("an end").success());
    let log = world.log();
    assert!(
        log.contains("the socket 4 (other.socket) that systemd handed over takes no TCP"),
        "{log}"
    );
    assert!(log.contains("ListenStream="), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_systemd_does_not_open_is_opened_here_where_that_is_allowed() {
    let mut world = World::bare("", "").await;
    assert_eq!(world.stop(), 0);
    let started = world.try_launch(&launcher(&world, "short"), &[]);
    if rustix::process::geteuid().is_root() {
        // The launcher takes all rights away, and the port is below 1024.
        assert!(!started, "{}", world.log());
        let _ = world.end(crate::support::PATIENCE);
        let log = world.log();
        assert!(log.contains("listen.http: cannot listen on 127.0.0.1:"), "{log}");
        assert!(log.contains("relent.socket"), "{log}");
    } else {
        assert!(started, "{}", world.log());
    }
}
