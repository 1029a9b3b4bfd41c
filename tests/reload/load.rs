//! Restarts under load, with listening sockets that outlive the daemon as systemd's do: nobody is refused,
//! and nothing is lost that got its 250.

use super::edit;
use crate::support::World;
use crate::support::client::letter;
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Clients at a time.
const CLIENTS: usize = 6;
/// Messages that must be accepted between two restarts.
const BETWEEN: u64 = 30;
/// Longest wait of a client for an answer: a restart lies within.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What the clients saw.
#[derive(Default)]
struct Seen {
    accepted: Mutex<Vec<String>>,
    count: AtomicU64,
    /// Connections that were refused, and why.
    refused: Mutex<Vec<String>>,
    /// Answers that are neither a yes nor a 421.
    strange: Mutex<Vec<String>>,
    next: AtomicU64,
}

/// A client's connection.
struct Line(BufReader<TcpStream>);

impl Line {
    fn say(&mut self, text: &str) -> Option<String> {
        self.0.get_mut().write_all(text.as_bytes()).ok()?;
        self.hear()
    }

    /// A reply; none where the connection broke.
    fn hear(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Ok(length @ 1..) if line.ends_with('\n') => {
                    if line.as_bytes().get(3) != Some(&b'-') {
                        return Some(line[..length].trim_end().to_owned());
                    }
                }
                _ => return None,
            }
        }
    }
}

impl Seen {
    /// One connection with some messages; whatever breaks it off, the next one goes on.
    fn talk(&self, to: SocketAddr, password: &str, end: &AtomicBool) {
        let stream = match TcpStream::connect(to) {
            Ok(stream) => stream,
            Err(fault) => return self.refused.lock().expect("kept").push(fault.to_string()),
        };
        stream.set_read_timeout(Some(ANSWER_MAX)).expect("a limit");
        let mut line = Line(BufReader::new(stream));
        let secret = data_encoding::BASE64.encode(format!("\0app/receipts\0{password}").as_bytes());
        let opening =
            [String::new(), "EHLO load.example\r\n".into(), format!("AUTH PLAIN {secret}\r\n")];
        for text in opening {
            let said = if text.is_empty() { line.hear() } else { line.say(&text) };
            if !self.goes_on(said) {
                return;
            }
        }
        for _ in 0..10 {
            if end.load(Ordering::Relaxed) {
                return;
            }
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let recipient = format!("load{number}@reader.example");
            for text in [
                "MAIL FROM:<news@acme.example>\r\n".to_owned(),
                format!("RCPT TO:<{recipient}>\r\n"),
                "DATA\r\n".into(),
            ] {
                let said = line.say(&text);
                if !self.goes_on(said) {
                    return;
                }
            }
            let said = line.say(&format!("{}.\r\n", letter(&format!("Load {number}"))));
            if said.as_ref().is_some_and(|said| said.starts_with("250")) {
                self.accepted.lock().expect("kept").push(recipient);
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            if !self.goes_on(said) {
                return;
            }
        }
    }

    fn goes_on(&self, said: Option<String>) -> bool {
        match said {
            Some(said) if said.starts_with(['2', '3']) => true,
            Some(said) if said.starts_with("421") => false,
            Some(said) => {
                self.strange.lock().expect("kept").push(said);
                false
            }
            None => false,
        }
    }

    fn waits_for(&self, more: u64) {
        let (until, deadline) =
            (self.count.load(Ordering::Relaxed) + more, Instant::now() + ANSWER_MAX * 2);
        while self.count.load(Ordering::Relaxed) < until {
            assert!(Instant::now() < deadline, "the load stands still");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Starts the daemon with these sockets as systemd would: from the third descriptor on.
fn launch(world: &mut World, sockets: &[TcpListener]) {
    let numbers = sockets.iter().enumerate();
    let numbers: Vec<_> =
        numbers.map(|(place, socket)| format!("{}<&{}", place + 3, socket.as_raw_fd())).collect();
    let script = format!(
        "export LISTEN_PID=$$ LISTEN_FDS={}; exec \"$@\" {}",
        sockets.len(),
        numbers.join(" ")
    );
    let under = ["bash".to_owned(), "-c".into(), script, "bash".into()];
    assert!(world.try_launch(&under, &[]), "it did not start:\n{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_and_crashes_under_load_refuse_nobody_and_lose_nothing() {
    let mut world = World::with("[process]\ndrain_timeout = \"5s\"").await;
    assert_eq!(world.stop(), 0);
    let keys = ["submission", "inbound", "http"];
    // Numbers past those that the child counts from are free to be handed on, and what other tests have closed is below.
    let sockets = keys.map(|_| {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        TcpListener::from(fcntl_dupfd_cloexec(socket, 10).expect("a number"))
    });
    for (key, socket) in keys.iter().zip(&sockets) {
        assert!(socket.as_raw_fd() > 6, "a descriptor of the standard ones");
        fcntl_setfd(socket, FdFlags::empty()).expect("it is handed on");
        let address = socket.local_addr().expect("bound");
        edit(
            &world,
            &format!("\n{key} = [\"127.0.0.1:0\"]"),
            &format!("\n{key} = [\"{address}\"]"),
        );
    }
    let to = sockets[0].local_addr().expect("bound");
    launch(&mut world, &sockets);
    let (seen, end) = (Seen::default(), AtomicBool::new(false));
    let password = world.password.clone();
    let mut pauses = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !end.load(Ordering::Relaxed) {
                    seen.talk(to, &password, &end);
                }
            });
        }
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..7 {
                seen.waits_for(BETWEEN);
                let begun = Instant::now();
                if [2, 5].contains(&round) {
                    world.kill();
                } else {
                    assert_eq!(world.stop(), 0, "{}", world.log());
                }
                launch(&mut world, &sockets);
                pauses.push(begun.elapsed());
            }
            seen.waits_for(BETWEEN);
        }));
        end.store(true, Ordering::Relaxed);
        if let Err(fault) = ran {
            std::panic::resume_unwind(fault);
        }
    });
    let refused = seen.refused.lock().expect("kept").clone();
    assert!(refused.is_empty(), "refused connections: {refused:?}");
    let strange = seen.strange.lock().expect("kept").clone();
    assert!(strange.is_empty(), "answers: {strange:?}");
    let accepted: HashSet<String> = seen.accepted.lock().expect("kept").iter().cloned().collect();
    let came = |mailbox: &[relent::demo::receiver::Received]| {
        let came: HashSet<_> = mailbox.iter().flat_map(|mail| &mail.recipients).collect();
        accepted.iter().filter(|to| !came.contains(to)).count()
    };
    let all = world.receiver.wait(ANSWER_MAX, |mailbox| came(mailbox) == 0).await;
    let lost = came(&world.receiver.mailbox());
    assert!(all.is_some(), "lost {lost} of {}", accepted.len());
    eprintln!("{} accepted, 7 restarts, each from the signal to ready: {pauses:?}", accepted.len());
}
