//! `relent top`, `relent trace` and `relent events`: what an operator sees while mail flows, in a terminal and in a pipe.

use super::delivered;
use super::submission::app;
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const ANN: &str = "ann@reader.example";

/// A verb that runs while the test goes on.
struct Watching {
    child: Child,
    lines: Receiver<String>,
    seen: String,
}

impl Watching {
    fn begin(world: &World, arguments: &[&str]) -> Self {
        let mut child = world
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let (told, lines) = channel();
        for pipe in [
            Box::new(child.stdout.take().expect("a pipe")) as Box<dyn Read + Send>,
            Box::new(child.stderr.take().expect("a pipe")),
        ] {
            let told = told.clone();
            std::thread::spawn(move || {
                BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| {
                    let _ = told.send(line);
                });
            });
        }
        Self { child, lines, seen: String::new() }
    }

    /// Reads until a line has this.
    fn until(&mut self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("no `{part}` in:\n{}", self.seen));
            self.seen += &format!("{line}\n");
            if line.contains(part) {
                return;
            }
        }
    }

    /// Waits for the end, and reads what is left.
    fn ended(mut self) -> (i32, String) {
        let code = ended(&mut self.child).code().unwrap_or(-1);
        self.seen.extend(self.lines.iter().map(|line| line + "\n"));
        (code, std::mem::take(&mut self.seen))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a look") {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_followed_from_its_acceptance_to_its_end() {
    let world = World::start().await;
    world.done(&["delivery", "suspend", "reader.example"]);
    let secret = letter("Secret words");
    let said = app(&world, "receipts").submit("news@acme.example", &[ANN], &secret);
    let id = said.strip_prefix("250 2.0.0 ").and_then(|rest| rest.split(' ').next());
    let id = id.unwrap_or_else(|| panic!("{said}")).to_owned();
    let mut trace = Watching::begin(&world, &["trace", &id]);
    trace.until("message.accepted");
    world.done(&["delivery", "resume", "reader.example"]);
    delivered(&world, ANN).await;
    let (code, seen) = trace.ended();
    assert_eq!(code, 0, "{seen}");
    for part in ["→ MAIL FROM:<b-(token)@", "→ RCPT TO:<ann@reader.example>", "← 250", "(message, "]
    {
        assert!(seen.contains(part), "no `{part}` in:\n{seen}");
    }
    assert!(seen.contains("mx.reader.example") && seen.contains("message.delivered"), "{seen}");
    assert!(!seen.contains("Secret words") && !seen.contains('\x1b'), "{seen}");
    // One that has ended is told at once.
    let again = world.done(&["trace", &id, "--json"]).out;
    let first: serde_json::Value =
        serde_json::from_str(again.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["event"]["kind"], "message.accepted", "{again}");
    let none = world.relent(&["trace", "aaaaaaaaaaaaaaaaaaaa"]);
    assert!(none.code == 1 && none.err.contains("there is no message"), "{}", none.err);
    assert_eq!(world.relent(&["trace"]).code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_seen_live_without_its_password_or_its_message() {
    let world = World::with("[api]\ntraces_max = 2\n").await;
    let mut of_user = Watching::begin(&world, &["trace", "--user", "app"]);
    of_user.until("looking on");
    let mut all = Watching::begin(&world, &["trace", "--address", "127.0.0.1"]);
    all.until("looking on");
    let third = world.relent(&["trace", "--all"]);
    assert!(third.code == 1 && third.err.contains("api.traces_max"), "{}", third.err);

    let mut client = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let said = client.submit("news@acme.example", &[ANN], &letter("Hidden words"));
    assert!(said.starts_with("250"), "{said}");
    client.say("QUIT");
    all.until("→ 221");
    all.until("ended");
    of_user.until("ended");
    let (seen, of_user) = (all.seen.clone(), of_user.seen.clone());
    for part in
        ["← EHLO client.example", "← AUTH PLAIN (hidden)", "→ 235", "← MAIL FROM:", "(message, "]
    {
        assert!(seen.contains(part), "no `{part}` in:\n{seen}");
    }
    let password = data_encoding::BASE64.encode(world.password.as_bytes());
    assert!(!seen.contains("Hidden words") && !seen.contains(&world.password), "{seen}");
    assert!(!seen.contains(&password[..12]), "{seen}");
    // From AUTH on, and of nobody else.
    assert!(of_user.contains("logged in") && !of_user.contains("EHLO client"), "{of_user}");
    assert!(!of_user.contains("mx.reader.example"), "{of_user}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_stops_looking_makes_room_for_the_next() {
    let world = World::with("[api]\ntraces_max = 1\n").await;
    let mut first = Watching::begin(&world, &["trace", "--all", "--json"]);
    // It says nothing until something happens.
    let deadline = Instant::now() + PATIENCE;
    while first.seen.is_empty() {
        assert!(Instant::now() < deadline, "the first looks on");
        Client::connect(world.ports.inbound[0]).say("QUIT");
        if let Ok(line) = first.lines.recv_timeout(Duration::from_millis(20)) {
            first.seen = line + "\n";
        }
    }
    let mut second = Watching::begin(&world, &["trace", "--all"]);
    second.until("api.traces_max");
    assert!(!second.seen.contains("looking on"), "{}", second.seen);
    assert_eq!(second.ended().0, 1);
    // It goes on to see sessions, though it may have seen the end alone of the one that it began in.
    Client::connect(world.ports.inbound[0]).say("QUIT");
    first.until("\"ended\"");
    for line in first.seen.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        assert_eq!(event["line"]["kind"], "inbound", "{event}");
    }
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut next = Watching::begin(&world, &["trace", "--all"]);
        next.until("");
        if next.seen.contains("looking on") {
            break;
        }
        assert!(Instant::now() < deadline, "there is room again: {}", next.seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_told_from_others_and_a_session_is_followed_to_its_end() {
    let world = World::start().await;
    let _second = world.second().await;
    let look = |more: &[&str]| {
        let mut watching = Watching::begin(&world, &[&["trace"][..], more].concat());
        watching.until("looking on");
        watching
    };
    let of_second = [
        look(&["--site", "mx.second.example"]),
        look(&["--site", "second.example"]),
        look(&["--address", "127.0.0.2"]),
    ];
    app(&world, "receipts").submit("news@acme.example", &[ANN], &letter("One"));
    delivered(&world, ANN).await;
    app(&world, "receipts").submit("news@acme.example", &["bob@second.example"], &letter("Two"));
    for mut watching in of_second {
        watching.until("→ RCPT TO:<bob@second.example>");
        assert!(!watching.seen.contains("reader.example"), "{}", watching.seen);
    }

    let mut all = look(&["--address", "127.0.0.1"]);
    let mut client = Client::connect(world.ports.inbound[0]);
    client.say("EHLO first.example");
    all.until("← EHLO first.example");
    let (_, number) = all.seen.rsplit_once('#').expect("a session");
    let number = number.split(' ').next().expect("its number").to_owned();
    let mut one = look(&["--session", &number]);
    let mut other = Client::connect(world.ports.inbound[0]);
    other.say("EHLO other.example");
    other.say("QUIT");
    client.say("NOOP");
    one.until("← NOOP");
    client.say("QUIT");
    let (code, seen) = one.ended();
    assert!(code == 0 && seen.contains("· ended"), "{code}: {seen}");
    let mut lines = seen.lines().filter(|line| line.contains('#'));
    assert!(lines.all(|line| line.contains(&format!("#{number} in "))), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_listed_and_what_happens_is_told() {
    let world = World::start().await;
    world.done(&["account", "add", "other"]);
    let kinds = |more: &[&str]| {
        let told = world.done(&[&["events", "list"][..], more, &["--json"]].concat()).json();
        let all = told.as_array().expect("events").clone();
        let kind = |event: &serde_json::Value| event["kind"].as_str().expect("a kind").to_owned();
        (all.iter().map(kind).collect::<Vec<_>>(), all)
    };
    app(&world, "receipts").submit("news@acme.example", &[ANN], &letter("One"));
    delivered(&world, ANN).await;
    let deadline = Instant::now() + PATIENCE;
    let (life, all) = loop {
        let (life, all) = kinds(&["acme", ANN]);
        if life.len() == 2 {
            break (life, all);
        }
        assert!(Instant::now() < deadline, "{all:?}");
    };
    assert_eq!(life, ["message.accepted", "message.delivered"]);
    assert_eq!((&all[1]["account"], &all[1]["stream"]), (&"acme".into(), &"receipts".into()));
    world.done(&["suppression", "add", "other", "bob@reader.example"]);
    world.done(&["suppression", "add", "global", "@dead.example"]);
    assert_eq!(kinds(&["other"]).0, ["recipient.suppressed"]);
    assert_eq!(kinds(&["global"]).1[0]["recipient"], "@dead.example");
    assert_eq!(kinds(&[]).0.len(), 4, "of every account");
    assert_eq!(kinds(&["--limit", "3"]).0.len(), 3);
    assert_eq!(kinds(&["--kind", "message.failed,recipient.suppressed"]).0.len(), 2);
    assert_eq!(kinds(&["acme/newsletter"]).0, [""; 0]);
    let plain = world.done(&["events", "list", "acme"]).out;
    assert!(plain.contains("message.accepted") && plain.contains(ANN), "{plain}");
    let nobody = world.relent(&["events", "list", "nobody"]);
    assert!(nobody.code == 1 && nobody.err.contains("no account"), "{}", nobody.err);
    assert_eq!(world.relent(&["events", "list", "acme", "--kind", "odd"]).code, 1);

    let last = kinds(&[]).1.pop().expect("one")["id"].as_str().expect("an id").to_owned();
    let mut follow = Watching::begin(&world, &["events", "follow", "acme", "--after", &last]);
    follow.until("looking on");
    world.done(&["suppression", "add", "other", "carl@reader.example"]);
    world.done(&["suppression", "add", "acme", "dora@reader.example"]);
    follow.until("recipient.suppressed");
    assert!(follow.seen.contains("dora@reader.example"), "{}", follow.seen);
    assert!(!follow.seen.contains("carl@reader.example"), "{}", follow.seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn top_says_in_a_pipe_what_flows_and_what_waits() {
    let world = World::start().await;
    app(&world, "receipts").submit("news@acme.example", &[ANN], &letter("Flows"));
    delivered(&world, ANN).await;
    world.done(&["delivery", "suspend", "reader.example", "--reason", "they asked"]);
    app(&world, "receipts").submit("news@acme.example", &["bob@reader.example"], &letter("Waits"));
    world.done(&["suppression", "add", "acme", "carl@reader.example"]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = world.done(&["top", "--once", "--json", "--every", "100ms"]).json();
        if told["totals"]["out"] == 1 && told["sites"][0]["waiting"] == 1 {
            assert_eq!(told["totals"]["in"], 2, "{told:#}");
            assert_eq!(told["queue"]["queued"], 1, "{told:#}");
            assert_eq!(told["queue"]["ages"]["1m"], 1, "{told:#}");
            assert_eq!(told["stops"][0]["recipient"], "carl@reader.example", "{told:#}");
            break;
        }
        assert!(Instant::now() < deadline, "{told:#}");
    }
    let plain = world.done(&["top", "--every", "100ms"]).out;
    assert!(plain.contains("in 0.0/s (2)") && plain.contains("mx.reader.example"), "{plain}");
    assert!(plain.contains("they asked") && plain.contains("carl@reader.example"), "{plain}");
    assert!(!plain.contains('\x1b'), "{plain:?}");
    let too_often = world.relent(&["top", "--every", "1ms"]);
    assert!(too_often.code == 2 && too_often.err.contains("100ms"), "{}", too_often.err);
}

/// A terminal of a test's own, with a program in it.
struct Screen {
    master: File,
    own: File,
    before: Termios,
    child: Child,
    seen: Receiver<Vec<u8>>,
    all: String,
}

impl Screen {
    fn open(world: &World, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("text");
        let own = || {
            let mut options = std::fs::OpenOptions::new();
            options.read(true).write(true).open(&name).expect("its other end")
        };
        let kept = own();
        let size = Winsize { ws_row: 20, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&kept, size).expect("a size");
        let before = tcgetattr(&kept).expect("its state");
        let child = world
            .command(arguments)
            .env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .stdin(own())
            .stdout(own())
            .stderr(own())
            .spawn()
            .expect("it runs");
        let master = File::from(master);
        let mut reader = master.try_clone().expect("a second handle");
        let (told, seen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if told.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { master, own: kept, before, child, seen, all: String::new() }
    }

    fn until(&mut self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.all.contains(part) {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.seen.recv_timeout(left);
            let bytes = bytes.unwrap_or_else(|_| panic!("no `{part}` in {:?}", self.all));
            self.all += &String::from_utf8_lossy(&bytes);
        }
        self.all.clear();
    }

    fn press(&mut self, key: &str) {
        self.master.write_all(key.as_bytes()).expect("a key");
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("an id");
        kill_process(Pid::from_raw(id).expect("an id"), signal).expect("a signal");
    }

    /// The end, with the terminal as it was before.
    fn ends_as_it_was(mut self) -> i32 {
        self.until("\x1b[?1049l");
        let code = ended(&mut self.child).code().unwrap_or(-1);
        let after = tcgetattr(&self.own).expect("its state");
        let state = |all: &Termios| (all.local_modes, all.input_modes, all.output_modes);
        assert_eq!(state(&after), state(&self.before));
        code
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn top_fills_a_terminal_obeys_keys_and_gives_it_back() {
    let mut world = World::start().await;
    let mut screen = Screen::open(&world, &["top", "--every", "100ms"]);
    screen.until("\x1b[?1049h");
    screen.until("\x1b[1mrelent top  relay.relent.example");
    screen.press(" ");
    screen.until("paused");
    screen.press("s");
    // Wide enough now for the whole first line.
    let size = Winsize { ws_row: 30, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen.own, size).expect("a size");
    screen.signal(Signal::WINCH);
    screen.until("s sort: connections");
    screen.press(" ");
    screen.until("running");
    world.stop();
    screen.until("cannot reach the daemon");
    world.launch(&[]);
    screen.until("queued 0");
    screen.press("q");
    assert_eq!(screen.ends_as_it_was(), 0);
    let mut screen = Screen::open(&world, &["top"]);
    screen.until("queued 0");
    screen.signal(Signal::TERM);
    assert_eq!(screen.ends_as_it_was(), 0);
}
