//! The watchdog: systemd hears that the process is well only while its parts answer. The disk hangs on
//! command, under the real binary.

use crate::support::{PATIENCE, World, program};
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

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
        let deadline = Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(said) if said.contains(word) => return before,
                Ok(said) => before.push(said),
                Err(_) => panic!("`{word}` was not said: {before:?}"),
            }
        }
    }

    /// Nothing but complaints for some time.
    fn complains(&self, why: &str) {
        self.until(why);
        for _ in 0..4 {
            let said = self.0.recv_timeout(PATIENCE).expect("it is asked on");
            assert!(said.contains("STATUS=not well") && said.contains(why), "{said}");
            assert!(!said.contains("WATCHDOG=1"), "{said}");
        }
    }
}

fn readyz(world: &World) -> String {
    let address = ("127.0.0.1", world.ports.http[0]);
    let mut stream = std::net::TcpStream::connect(address).expect("http answers");
    let request = b"GET /readyz HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n";
    stream.write_all(request).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Builds the disk that hangs; the library's path.
fn hanging_disk(world: &World) -> String {
    let library = world.path("stall.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/stall.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).args([source, "-ldl"]);
    assert!(compiler.status().expect("a C compiler").success(), "{source} was not compiled");
    library.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_that_it_is_well_only_while_its_disk_answers() {
    let health =
        "[health]\nspool_timeout = \"200ms\"\nstore_timeout = \"200ms\"\nage_max = \"1ms\"";
    let mut world = World::with(health).await;
    assert_eq!(world.stop(), 0);
    let heard = Heard::listen(&world);
    let (socket, stall) = (world.path("notify.sock"), world.path("stall"));
    let environment = [
        ("NOTIFY_SOCKET", socket.display().to_string()),
        ("WATCHDOG_USEC", "500000".to_owned()),
        ("LD_PRELOAD", hanging_disk(&world)),
        ("STALL", stall.display().to_string()),
    ];
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.launch_under(&environment, || {
        heard.until("READY=1");
    });
    for _ in 0..3 {
        assert_eq!(heard.until("WATCHDOG=1"), [""; 0]);
    }
    assert!(readyz(&world).starts_with("HTTP/1.1 200"), "{}", readyz(&world));

    // No mail moves, and still the writer is found to hang.
    std::fs::write(&stall, "/spool/").expect("a stalled spool");
    let why = "the spool's writer has not answered within 200 ms";
    heard.complains(why);
    let answer = readyz(&world);
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains(why), "{answer}");
    assert!(world.log().contains(&format!("the watchdog is not answered: {why}")));
    std::fs::remove_file(&stall).expect("a disk that goes on");
    heard.until("WATCHDOG=1");
    heard.until("STATUS=well again");
    assert!(readyz(&world).starts_with("HTTP/1.1 200"), "{}", readyz(&world));

    // The committer hangs in a change that somebody waits for.
    std::fs::write(&stall, "/records.").expect("a stalled store");
    let mut waiting = Command::new(program())
        .args(["account", "add", "other", "--config"])
        .arg(world.path("relent.toml"))
        .spawn()
        .expect("the command line runs");
    heard.complains("the store has not answered within 200 ms");
    std::fs::remove_file(&stall).expect("a disk that goes on");
    heard.until("WATCHDOG=1");
    assert!(waiting.wait().expect("an end").success());
    assert_eq!(world.stop(), 0);
    heard.until("STOPPING=1");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_who_does_not_ask() {
    let mut world = World::bare("", "").await;
    assert_eq!(world.stop(), 0);
    let heard = Heard::listen(&world);
    let socket = world.path("notify.sock").display().to_string();
    world.launch_under(&[("NOTIFY_SOCKET", &socket)], || {
        heard.until("READY=1");
    });
    world.done(&["account", "add", "acme"]);
    assert_eq!(world.stop(), 0);
    assert_eq!(heard.until("STOPPING=1"), [""; 0]);
}
