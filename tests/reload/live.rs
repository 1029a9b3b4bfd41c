//! A reload: what changes holds at once, connections stay open, and what is wrong changes nothing.

use super::{edit, until};
use crate::journeys::field;
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World, free_port};
use relent::demo::receiver::Fault;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixDatagram;

const ANN: &str = "ann@reader.example";

/// What the relay says to EHLO on a new connection, but for the moment until which mail may be held, which goes on.
fn hello(port: u16) -> String {
    let said = Client::connect(port).say("EHLO client.example");
    let lines = said.lines().filter(|line| !line.contains("FUTURERELEASE"));
    lines.collect::<Vec<_>>().join("\n")
}

fn metric(world: &World, name: &str) -> String {
    let answer = world.http("GET /metrics HTTP/1.1", "");
    answer.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_hold_at_once_and_no_connection_is_dropped() {
    let world = World::start().await;
    let port = world.ports.submission[0];
    let mut open = Client::login(port, "app/receipts", &world.password);
    assert!(open.say("MAIL FROM:<news@acme.example>").starts_with("250"));
    assert!(open.say(&format!("RCPT TO:<{ANN}>")).starts_with("250"));
    assert!(open.say("DATA").starts_with("354"));
    open.send(b"From: Acme <news@acme.example>\r\nSubject: Half");

    edit(&world, "relay.relent.example", "other.relent.example");
    edit(
        &world,
        "[submission]\n",
        "[submission]\nmessage_size_max = \"3MB\"\nconnections_max = 77\n",
    );
    edit(&world, "[replies]\n", "[replies]\nwords = { unsubscribe = [\"tschau\"] }\n");
    let said = world.done(&["reload"]).out;
    for key in [
        "hostname",
        "submission.message_size_max",
        "submission.connections_max",
        "replies.words.unsubscribe",
    ] {
        assert!(said.contains(&format!("{key} holds from now on")), "{said}");
    }
    let greeted = hello(port);
    assert!(greeted.starts_with("250-other.relent.example"), "{greeted}");
    assert!(greeted.contains("SIZE 3145728"), "{greeted}");
    let limit = "relent_limit{setting=\"submission.connections_max\"}";
    assert!(metric(&world, limit).ends_with(" 77"), "{}", metric(&world, limit));

    // The message that was half-way is taken, and so is another on the same connection.
    open.send(b"-way\r\n\r\nHello.\r\n");
    assert!(open.say(".").starts_with("250"));
    let again = open.submit("news@acme.example", &["bob@reader.example"], &letter("Again"));
    assert!(again.starts_with("250"), "{again}");
    let came = world.receiver.message_to(ANN, PATIENCE).await.expect("it comes");
    assert_eq!(came.hello, "other.relent.example", "attempts say the new name");
    assert_eq!(field(&came, "Subject").as_deref(), Some("Half-way"));

    assert_eq!(world.done(&["reload"]).out, "nothing has changed\n");
    // A keyword of the file holds for the next reply.
    world.agree("cat@reader.example");
    let mut app = Client::login(port, "app/newsletter", &world.password);
    let sent = app.submit("news@acme.example", &["cat@reader.example"], &letter("One"));
    assert!(sent.starts_with("250"), "{sent}");
    let copy = world.receiver.message_to("cat@reader.example", PATIENCE).await.expect("it comes");
    let to = crate::journeys::reply_address(&copy);
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    let answer =
        format!("From: <cat@reader.example>\r\nTo: <{to}>\r\nSubject: Re: One\r\n\r\nTschau\r\n");
    assert!(mx.submit("cat@reader.example", &[&to], &answer).starts_with("250"));
    let next = app.submit("news@acme.example", &["cat@reader.example"], &letter("Two"));
    assert!(next.starts_with("550 5.7.1"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_changes_nothing_and_says_why() {
    let world = World::with("[process]\nsandbox = \"off\"").await;
    let port = world.ports.submission[0];
    let before = hello(port);
    let right = std::fs::read_to_string(world.path("relent.toml")).expect("settings");
    edit(&world, "[submission]\n", "[submission]\nmessage_size_max = \"3MB\"\n");
    edit(&world, "retry_delays = [\"1s\"]", "retry_delays = [\"soon\"]");
    let text = std::fs::read_to_string(world.path("relent.toml")).expect("settings");
    let line = 1 + text.lines().position(|line| line.contains("soon")).expect("the line");
    let named =
        format!("relent.toml:{line}: queue.retry_delays: `[\"soon\"]`: `soon` is not a duration");
    let said = world.relent(&["reload"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains(&named) && said.err.lines().count() == 1, "{}", said.err);
    world.hang_up();
    until("the log says it", || world.log().contains("not reloaded: "));
    let log = world.log();
    assert!(log.contains(&named) && log.contains("settings before go on to hold"), "{log}");
    assert_eq!(hello(port), before, "nothing of it holds");

    // What only the daemon can find out: a port that another program has.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let wrong = right
        .replace("[submission]\n", "[submission]\nmessage_size_max = \"3MB\"\n")
        .replace("http = [\"127.0.0.1:0\"]", &format!("http = [\"127.0.0.1:0\", \"{address}\"]"));
    std::fs::write(world.path("relent.toml"), wrong).expect("settings");
    let said = world.relent(&["reload"]);
    let words = ["listen.http: cannot listen on", "another program listens there", "ss -ltnp"];
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(words.iter().all(|word| said.err.contains(word)), "{}", said.err);
    assert_eq!(hello(port), before, "nothing of it holds");
    std::fs::write(world.path("relent.toml"), right).expect("settings");
    assert_eq!(world.done(&["reload"]).out, "nothing has changed\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_is_opened_and_another_closed_while_its_session_goes_on() {
    let second = free_port(Ipv4Addr::LOCALHOST);
    let cage = format!("[process]\nsandbox_listen = [{second}]");
    let mut world = World::with(&cage).await;
    let first = world.ports.submission[0];
    let mut open = Client::login(first, "app/receipts", &world.password);
    let key = "\nsubmission = [\"127.0.0.1:0\"]";
    edit(&world, key, &format!("\nsubmission = [\"127.0.0.1:{second}\"]"));
    let said = world.done(&["reload"]).out;
    assert_eq!(said, "listen.submission holds from now on\n");
    assert!(hello(second).starts_with("250"));
    until("the old one is closed", || TcpStream::connect(("127.0.0.1", first)).is_err());
    let reply = open.submit("news@acme.example", &[ANN], &letter("Still here"));
    assert!(reply.starts_with("250"), "{reply}");
    assert!(world.receiver.message_to(ANN, PATIENCE).await.is_some());
    let ports = std::fs::read_to_string(world.path("data/ports.json")).expect("ports");
    assert!(ports.contains(&format!("\"submission\":[{second}]")), "{ports}");
    // The same address for another purpose: it is never closed in between.
    edit(&world, &format!("submission = [\"127.0.0.1:{second}\"]"), "submission = []");
    edit(&world, "inbound = [\"127.0.0.1:0\"]", &format!("inbound = [\"127.0.0.1:{second}\"]"));
    world.done(&["reload"]);
    until("port 25's answers", || !hello(second).contains("AUTH"));
    assert_eq!(world.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_and_the_rest_holds() {
    let world = World::start().await;
    edit(&world, "[store]\n", "[store]\ncache = \"20MB\"\n");
    edit(&world, "[submission]\n", "[submission]\nmessage_size_max = \"3MB\"\n");
    edit(&world, "/data\"", "/elsewhere\"");
    let done = world.done(&["reload", "--json"]).json();
    assert_eq!(done["applied"], serde_json::json!(["submission.message_size_max"]));
    let keys: Vec<_> =
        done["restart"].as_array().expect("a list").iter().map(|one| &one["key"]).collect();
    assert_eq!(keys, ["data_dir", "store.cache"]);
    assert!(hello(world.ports.submission[0]).contains("SIZE 3145728"));
    assert!(!world.path("elsewhere").exists());
    assert!(world.log().contains("data_dir has changed and needs a restart"), "{}", world.log());
    let audit = world.done(&["audit", "list", "--json"]).out;
    assert!(audit.contains("settings.reloaded"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sandbox_keeps_out_of_reach_is_refused_at_once() {
    let world = World::start().await;
    edit(&world, "[delivery]\n", "[delivery]\nshaping = \"/srv/elsewhere/shaping.toml\"\n");
    let said = world.relent(&["reload"]);
    assert_eq!(said.code, 1, "{}", said.out);
    for word in
        ["/srv/elsewhere cannot be read (delivery.shaping)", "restart", "process.sandbox_read"]
    {
        assert!(said.err.contains(word), "{}", said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_when_a_reload_begins_and_how_it_ended() {
    let mut world = World::start().await;
    assert_eq!(world.stop(), 0);
    let path = world.path("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let hear = |word: &str| loop {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap_or_else(|_| panic!("`{word}` was not said"));
        let said = String::from_utf8_lossy(&bytes[..length]).into_owned();
        if said.contains(word) {
            return said;
        }
    };
    let name = path.display().to_string();
    world.launch_under(&[("NOTIFY_SOCKET", &name)], || {
        hear("READY=1");
    });
    edit(&world, "[submission]\n", "[submission]\nmessage_size_max = \"3MB\"\n");
    world.hang_up();
    assert!(hear("RELOADING=1").contains("MONOTONIC_USEC="));
    let said = hear("READY=1");
    assert!(said.contains("STATUS=reloaded: taken: submission.message_size_max"), "{said}");
    edit(&world, "message_size_max = \"3MB\"", "message_size_max = 3");
    world.hang_up();
    hear("RELOADING=1");
    let said = hear("READY=1");
    assert!(said.contains("STATUS=not reloaded") && said.contains("message_size_max"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_signal_lets_what_is_under_way_end_and_a_second_ends_at_once() {
    let mut world = World::with("[process]\ndrain_timeout = \"1h\"").await;
    // One message accepted whose attempt hangs, and a session in the middle of its message.
    world.receiver.misbehave(vec![Fault::Deaf]);
    let port = world.ports.submission[0];
    let mut app = Client::login(port, "app/receipts", &world.password);
    assert!(app.submit("news@acme.example", &[ANN], &letter("Hangs")).starts_with("250"));
    until("the attempt is in the middle of its body", || world.receiver.deaf() > 0);
    let mut half = Client::login(port, "app/receipts", &world.password);
    half.say("MAIL FROM:<news@acme.example>");
    half.say("RCPT TO:<bob@reader.example>");
    assert!(half.say("DATA").starts_with("354"));
    half.send(letter("Half").as_bytes());
    world.terminate();
    until("it listens no more", || TcpStream::connect(("127.0.0.1", port)).is_err());
    // The drain waits for the message, which is taken whole.
    let reply = half.say(".");
    assert!(reply.starts_with("250"), "{reply}");
    assert!(world.ended().is_none(), "the attempt is waited for");
    world.terminate();
    assert!(world.ends_within(PATIENCE), "a second signal ends it:\n{}", world.log());
    assert!(world.ended().is_some_and(|status| status.success()));
    assert!(world.log().contains("told to stop once more"), "{}", world.log());
    world.receiver.misbehave(Vec::new());
    world.launch(&[]);
    for to in [ANN, "bob@reader.example"] {
        assert!(world.receiver.message_to(to, PATIENCE).await.is_some(), "{to} has lost a message");
    }
}
