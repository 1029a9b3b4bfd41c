//! The programs of the book (`docs/src/webhooks.md`, `docs/src/api.md`), run as they stand there. Those that take
//! calls take what is signed with their secret, each event once, and nothing else; the one that follows events goes
//! on where it was ended. Where a language is not on this machine that is said on standard error.

use super::{HASTE, add, send};
use crate::support::{PATIENCE, World};
use data_encoding::BASE64;
use ring::hmac;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const HOOKS: &str = include_str!("../../docs/src/webhooks.md");
const API: &str = include_str!("../../docs/src/api.md");

/// A program of the book at work; it is ended when dropped.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// The page's block of this language, run by this interpreter from this file; none where there is no
    /// interpreter.
    fn start(
        world: &World,
        page: &str,
        (language, interpreter, file): (&str, &str, &str),
        environment: &[(&str, &str)],
    ) -> Option<Self> {
        let (_, block) = page.split_once(&format!("```{language}\n")).expect("the block");
        let (text, _) = block.split_once("\n```\n").expect("its end");
        std::fs::write(world.path(file), format!("{text}\n")).expect("written");
        let child = Command::new(interpreter)
            .arg(world.path(file))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            // Past what the test runner keeps to itself.
            let _ = writeln!(std::io::stderr(), "skipped: no {interpreter}");
            return None;
        };
        let (told, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| {
                let _ = told.send(line);
            });
        });
        Some(Self { child, lines })
    }

    /// The next line that it prints.
    fn says(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("it says something")
    }
}

/// One that takes calls.
struct Hook {
    program: Program,
    port: u16,
}

impl Hook {
    fn start(world: &World, program: (&str, &str, &str), secret: &str) -> Option<Self> {
        let environment = [("WEBHOOK_SECRET", secret), ("PORT", "0")];
        let program = Program::start(world, HOOKS, program, &environment)?;
        let line = program.says();
        let port = line.strip_prefix("listening on ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("it names no port: {line}"));
        Some(Self { program, port })
    }

    fn says(&self) -> String {
        self.program.says()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The status with which it answers a call; the fields stand between id and signature as they are sent.
    fn answer(&self, (id, moment, signatures): (&str, u64, &str), body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nwebhook-id: {id}\r\nwebhook-timestamp: {moment}\r\n\
             webhook-signature: {signatures}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer.split(' ').nth(1).expect("a status").to_owned()
    }
}

/// A signature, reckoned here from what the specification says.
fn signed(secret: &str, id: &str, moment: u64, body: &str) -> String {
    let bare = secret.strip_prefix("whsec_").expect("a secret says what it is");
    let key = BASE64.decode(bare.as_bytes()).expect("it is base64");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let made = hmac::sign(&key, format!("{id}.{moment}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(made.as_ref()))
}

fn takes_what_is_signed_and_nothing_else(world: &World, program: (&str, &str, &str)) {
    // A place to be called at is named before there is a secret, and the program needs that first.
    let (id, secret) = add(world, &["http://127.0.0.1:1/", "--events", "message.delivered"]);
    let Some(hook) = Hook::start(world, program, &secret) else { return };
    world.done(&["webhook", "set", "acme", &id, "--url", &hook.url()]);
    world.done(&["webhook", "test", "acme", &id]);
    assert_eq!(hook.says(), "webhook.test");
    send(world, &["ann@reader.example"]);
    assert_eq!(hook.says(), "message.delivered");

    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let body = "{\"type\": \"made.up\"}";
    let good = signed(&secret, "one", now, body);
    let old = signed(&secret, "two", now - 600, body);
    let foreign = signed("whsec_Zm9yZWlnbg==", "two", now, body);
    for (call, body) in [
        (("two", now, good.as_str()), body),
        (("one", now + 1, good.as_str()), body),
        (("one", now, good.as_str()), "{\"type\": \"made.up.too\"}"),
        (("two", now - 600, old.as_str()), body),
        (("two", now, foreign.as_str()), body),
        (("two", now, ""), body),
        (("two", now, "v1,"), body),
        (("two", now, "v1,\u{e4} v1a,AAAA"), body),
    ] {
        assert_eq!(hook.answer(call, body), "401", "{call:?}");
    }
    // One of several signatures, as while an old secret signs along; and the same event again.
    for _ in 0..2 {
        assert_eq!(hook.answer(("one", now, &format!("v1,AAAA {good}")), body), "204");
    }
    assert_eq!(hook.says(), "made.up");
    world.done(&["webhook", "test", "acme", &id]);
    assert_eq!(hook.says(), "webhook.test", "each event is worked on once");
    world.done(&["webhook", "remove", "acme", &id]);

    let (id, secret) = add(world, &["http://127.0.0.1:1/"]);
    let other = Hook::start(world, program, "whsec_b3RoZXI=").expect("it ran before");
    world.done(&["webhook", "set", "acme", &id, "--url", &other.url()]);
    assert!(secret.len() > 30, "{secret}");
    let refused = world.relent(&["webhook", "test", "acme", &id]);
    assert!(refused.code == 1 && refused.err.contains("401"), "{}{}", refused.out, refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_python_takes_what_is_signed_and_nothing_else() {
    let world = World::with(HASTE).await;
    takes_what_is_signed_and_nothing_else(&world, ("python", "python3", "hook.py"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_javascript_takes_what_is_signed_and_nothing_else() {
    let world = World::with(HASTE).await;
    takes_what_is_signed_and_nothing_else(&world, ("js", "node", "hook.mjs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_follower_goes_on_where_it_was_ended() {
    let world = World::with(HASTE).await;
    let made = ["credential", "add", "acme", "--name", "tail", "--right", "events.read", "--json"];
    let made = world.done(&made).json();
    let token = made["token"].as_str().expect("a token");
    let (url, file) = (format!("http://127.0.0.1:{}", world.ports.http[0]), world.path("place"));
    let file = file.display().to_string();
    let environment = [("RELENT_URL", &*url), ("RELENT_TOKEN", token), ("PLACE_FILE", &*file)];
    let start = |environment: &[(&str, &str)]| {
        Program::start(&world, API, ("python", "python3", "follow.py"), environment)
    };
    let stop = |to: &str| world.done(&["suppression", "add", "acme", to]);
    stop("before@reader.example");
    let Some(first) = start(&environment) else { return };
    assert_eq!(first.says(), "recipient.suppressed before@reader.example");
    stop("one@reader.example");
    assert_eq!(first.says(), "recipient.suppressed one@reader.example");
    let deadline = Instant::now() + PATIENCE;
    let place = || std::fs::read_to_string(&file).unwrap_or_default();
    while !place().ends_with(".2") {
        assert!(Instant::now() < deadline, "its place is kept: {}", place());
        std::thread::yield_now();
    }
    drop(first);
    stop("two@reader.example");
    let again = start(&environment).expect("it ran before");
    assert_eq!(again.says(), "recipient.suppressed two@reader.example", "once, and nothing twice");
    drop(again);
    let mut wrong = environment;
    wrong[1].1 = "wrong";
    let mut refused = start(&wrong).expect("it ran before");
    let deadline = Instant::now() + PATIENCE;
    let ended = loop {
        match refused.child.try_wait().expect("a look") {
            Some(ended) => break ended,
            None => assert!(Instant::now() < deadline, "it asks again with a wrong token"),
        }
        std::thread::yield_now();
    };
    assert_eq!(ended.code(), Some(1));
}
