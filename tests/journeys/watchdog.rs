//! What systemd hears: that the process is well only while its parts answer, and what `systemctl status`
//! shows. Disk and network hang on command, under the real binary.

use super::full_disk;
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What a service manager hears, as it comes.
struct Heard(Receiver<String>);

impl Heard {
    fn listen(world: &World) -> Self {
        let socket = UnixDatagram::bind(world.path("notify.sock")).expect("a socket");
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes) {
                if tell.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self(heard)
    }

    /// Waits for a word; what was heard before it.
    fn until(&self, word: &str) -> Vec<String> {
        self.listened(word).0
    }

    /// The next thing that has a word.
    fn next(&self, word: &str) -> String {
        self.listened(word).1
    }

    /// What was heard before the next thing that has a word, and that.
    fn listened(&self, word: &str) -> (Vec<String>, String) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(said) if said.contains(word) => return (before, said),
                Ok(said) => before.push(said),
                Err(_) => panic!("`{word}` was not said: {before:?}"),
            }
        }
    }

    /// Nothing but complaints for some time.
    fn complains(&self, why: &str) {
        self.until(why);
        for _ in 0..2 {
            let said = self.0.recv_timeout(PATIENCE).expect("it is asked on");
            assert!(said.contains("STATUS=not well") && said.contains(why), "{said}");
            assert!(!said.contains("WATCHDOG=1"), "{said}");
        }
    }
}

fn readyz(world: &World) -> String {
    world.http("GET /readyz HTTP/1.1", "")
}

/// Starts the daemon under a service manager that asks it so often, in microseconds; the file by which its disk
/// and its network are told to hang.
fn launch_to_hang(world: &mut World, heard: &Heard, watchdog: &str) -> PathBuf {
    let stall = world.path("stall");
    let socket = world.path("notify.sock").display().to_string();
    let (library, command) = (world.library("stall"), stall.display().to_string());
    let environment = [
        ("NOTIFY_SOCKET", socket.as_str()),
        ("WATCHDOG_USEC", watchdog),
        ("LD_PRELOAD", library.as_str()),
        ("STALL", command.as_str()),
    ];
    world.launch_under(&environment, || {
        heard.until("READY=1");
    });
    stall
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_that_it_is_well_only_while_its_disk_answers() {
    // A disk that is only busy answers in this time.
    let health = "[health]\nspool_timeout = \"5s\"\nstore_timeout = \"5s\"\nlag_max = \"20s\"\n\
                  age_max = \"1ms\"";
    let mut world = World::with(health).await;
    assert_eq!(world.stop(), 0);
    let heard = Heard::listen(&world);
    let stall = launch_to_hang(&mut world, &heard, "500000");
    heard.until("WATCHDOG=1");
    for _ in 0..3 {
        let between = heard.until("WATCHDOG=1");
        assert!(between.iter().all(|said| said.starts_with("STATUS=ready: ")), "{between:?}");
    }
    assert!(readyz(&world).starts_with("HTTP/1.1 200"), "{}", readyz(&world));

    // No mail moves, and still the writer is found to hang.
    std::fs::write(&stall, "/spool/").expect("a stalled spool");
    let why = "the spool's writer has not answered within 5000 ms";
    heard.complains(why);
    let answer = readyz(&world);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(why), "{answer}");
    assert!(world.log().contains(&format!("the watchdog is not answered: {why}")));
    std::fs::remove_file(&stall).expect("a disk that goes on");
    heard.until("WATCHDOG=1");
    heard.until("STATUS=ready: ");
    assert!(readyz(&world).starts_with("HTTP/1.1 200"), "{}", readyz(&world));

    // The committer hangs in a change that somebody waits for.
    std::fs::write(&stall, "/records.").expect("a stalled store");
    let mut waiting =
        world.command(&["account", "add", "other"]).spawn().expect("the command line runs");
    heard.complains("the store has not answered within 5000 ms");
    std::fs::remove_file(&stall).expect("a disk that goes on");
    heard.until("WATCHDOG=1");
    assert!(waiting.wait().expect("an end").success());
    assert_eq!(world.stop(), 0);
    heard.until("STOPPING=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_nothing_while_no_task_has_its_turn() {
    let one = "[process]\nthreads = 1\n[health]\nlag_max = \"300ms\"";
    let mut world = World::bare("", one).await;
    assert_eq!(world.stop(), 0);
    let heard = Heard::listen(&world);
    let stall = launch_to_hang(&mut world, &heard, "400000");
    heard.until("WATCHDOG=1");
    heard.until("WATCHDOG=1");
    // The only thread hangs in the acceptance of a connection.
    std::fs::write(&stall, "accept4").expect("a stalled network");
    let address = ("127.0.0.1", world.ports.submission[0]);
    let waiting = std::net::TcpStream::connect(address).expect("the kernel takes it");
    let silence = Duration::from_secs(6);
    let mut last = 0;
    while heard.0.recv_timeout(silence).is_ok() {
        // What was on its way when the thread began to hang.
        last += 1;
        assert!(last < 60, "it is well though no task has its turn");
    }
    std::fs::remove_file(&stall).expect("a network that goes on");
    let before = heard.until("STATUS=not well: a task waited ");
    assert!(!before.iter().any(|said| said.contains("WATCHDOG=1")), "{before:?}");
    heard.until("WATCHDOG=1");
    assert!(world.log().contains("for its turn, and health.lag_max is 300ms"), "{}", world.log());
    drop(waiting);
    assert_eq!(world.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_what_happens_and_what_waits() {
    let often = "[process]\nstatus_interval = \"50ms\"";
    let mut world = World::with(often).await;
    assert_eq!(world.stop(), 0);
    let heard = Heard::listen(&world);
    let socket = world.path("notify.sock").display().to_string();
    let mut starts = Vec::new();
    world.launch_under(&[("NOTIFY_SOCKET", &socket)], || starts = heard.until("READY=1"));
    let steps = ["opening the listeners", "replaying the spool", "rebuilding the queue"];
    assert_eq!(starts, steps.map(|step| format!("STATUS={step}\n")));
    heard.until("STATUS=ready: 0 queued, 0 connections in, 0 out\n");
    // Nobody answers for this domain.
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let mail = letter("x");
    assert!(app.submit("news@acme.example", &["ann@second.example"], &mail).starts_with("250"));
    heard.until("STATUS=ready: 1 queued, 1 connection in, 0 out\n");
    world.done(&["queue", "hold", "--domain", "second.example"]);
    heard.until("STATUS=ready: 0 queued, 1 held, 1 connection in, 0 out\n");
    let ends = std::thread::spawn(move || world.stop());
    let ending = heard.until("STOPPING=1");
    assert!(!ending.iter().any(|said| said.contains("WATCHDOG=1")), "nobody asked: {ending:?}");
    heard.until("STATUS=draining, for 20s at most: ");
    drop(app);
    assert_eq!(ends.join().expect("an end"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_that_mail_is_held_since_a_restore_until_it_is_let_go() {
    let mut world = World::with("[process]\nstatus_interval = \"50ms\"").await;
    let archive = world.path("relent.tar").display().to_string();
    world.done(&["backup", &archive]);
    assert_eq!(world.stop(), 0);
    std::fs::rename(world.path("data"), world.path("lost")).expect("the host is lost");
    world.done(&["restore", &archive]);
    let heard = Heard::listen(&world);
    let socket = world.path("notify.sock").display().to_string();
    world.launch_under(&[("NOTIFY_SOCKET", &socket)], || {
        heard.until("READY=1");
    });
    let held = "STATUS=mail is held since the restore of ";
    let said = heard.next(held);
    let rest = ", see `relent restore status`; ready: 0 queued, 0 connections in, 0 out\n";
    assert!(said.starts_with(held) && said.ends_with(rest), "{said}");
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let mail = letter("Waits");
    assert!(app.submit("news@acme.example", &["ann@reader.example"], &mail).starts_with("250"));
    app.say("QUIT");
    heard.next("see `relent restore status`; ready: 1 queued, 0 connections in, 0 out\n");
    world.done(&["restore", "release", "--waive", "Ann Ops", "--reason", "a rehearsal"]);
    heard.until("STATUS=ready: ");
    assert_eq!(world.stop(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_that_the_disk_is_full_until_there_is_room() {
    let often = format!("{}[process]\nstatus_interval = \"50ms\"\n", full_disk::SETTINGS);
    let mut world = World::bare("", &often).await;
    assert_eq!(world.stop(), 0);
    let Some(small) = full_disk::Small::mount(world.path("data")) else {
        eprintln!("NOT TESTED: no file system can be mounted here");
        return;
    };
    let heard = Heard::listen(&world);
    let socket = world.path("notify.sock").display().to_string();
    world.launch_under(&[("NOTIFY_SOCKET", &socket)], || {
        heard.until("READY=1");
    });
    heard.until("STATUS=ready: 0 queued, 0 connections in, 0 out\n");
    small.fill();
    let said = heard.next("STATUS=no mail is taken: ");
    let why = "the spool has no room: the disk is nearly full";
    assert!(said.contains(why) && said.contains("; 0 queued, 0 connections in"), "{said}");
    std::fs::remove_file(world.path("data/filler")).expect("removed");
    heard.until("STATUS=ready: 0 queued, 0 connections in, 0 out\n");
    assert_eq!(world.stop(), 0);
    drop(small);
}
