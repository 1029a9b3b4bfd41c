//! A disk that is full to its last byte, while the daemon runs and when it starts: mail is answered 452,
//! nothing acknowledged is lost, and it goes on by itself once there is room.

use super::ledger::{Ledger, judge};
use super::power::Machine;
use crate::support::client::{Client, letter};
use relent::demo::receiver::Fault;
use std::io::Write;
use std::time::{Duration, Instant};

/// How soon the daemon must have found that there is room again.
const SOON: Duration = Duration::from_secs(60);
/// How long nothing may arrive before what is missing is called lost.
const SILENCE_MAX: Duration = Duration::from_secs(30);

impl Machine {
    fn submit(&self, ledger: &Ledger, to: &str) -> String {
        let port = self.world.ports.submission[0];
        let Ok(mut client) = Client::try_connect(port) else { return String::new() };
        client.say("EHLO load.example");
        let secret = format!("\0app/receipts\0{}", self.world.password);
        let secret = data_encoding::BASE64.encode(secret.as_bytes());
        let mut reply = client.say(&format!("AUTH PLAIN {secret}"));
        if reply.starts_with("235") {
            reply = client.submit("news@acme.example", &[to], &letter("Full"));
        }
        ledger.note(to, &reply);
        reply
    }

    /// Writes a file until nothing more can be written.
    fn fill(&self) {
        let path = self.data().join("ballast");
        let mut file = std::fs::File::create(path).expect("the ballast is begun");
        // The daemon may give up its reserve meanwhile: no more single bytes than fill a block.
        for (size, most) in [(1 << 20, usize::MAX), (4096, usize::MAX), (1, 4096)] {
            let piece = vec![7; size];
            for _ in 0..most {
                if file.write_all(&piece).and_then(|()| file.sync_data()).is_err() {
                    break;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_mail_loses_none_and_is_waited_for() {
    let Some(mut machine) = Machine::new("ext4", "32M", "commit=60").await else { return };
    let ledger = Ledger::default();
    let waits = Fault::Recipient("waits".into(), "451 4.2.0 later".into());
    machine.world.receiver.misbehave(vec![waits]);
    machine.world.launch(&[]);
    for _ in 0..8 {
        let to = ledger.recipient("waits");
        let reply = machine.submit(&ledger, &to);
        assert!(reply.starts_with("250"), "{reply}");
    }
    let stopped = ledger.accepted.lock().expect("ledger")[0].clone();
    assert!(ledger.stop(&machine.world, &stopped), "{stopped} could not be stopped");
    machine.fill();
    for start in ["running", "killed", "ended"] {
        // What was known of the room is believed for a second.
        let deadline = Instant::now() + SOON;
        let mut reply = String::new();
        while !reply.starts_with('4') && Instant::now() < deadline {
            reply = machine.submit(&ledger, &ledger.recipient("waits"));
        }
        // 454 where not even the records could be opened without room: sled writes as it opens.
        let later = ["451", "452", "454"];
        assert!(later.iter().any(|code| reply.starts_with(code)), "{start}: {reply}");
        // Whether a stop finds room or not, only what was acknowledged counts.
        let next = ledger.accepted.lock().expect("ledger").last().cloned().expect("some");
        ledger.stop(&machine.world, &next);
        match start {
            "running" => machine.world.kill(),
            _ => assert!(machine.world.end(SOON).is_some(), "{start}: no end"),
        }
        machine.world.launch(&[]);
    }
    std::fs::remove_file(machine.data().join("ballast")).expect("the ballast goes");
    let deadline = Instant::now() + SOON;
    let mut reply = String::new();
    while !reply.starts_with("250") && Instant::now() < deadline {
        reply = machine.submit(&ledger, &ledger.recipient("ready"));
    }
    assert!(reply.starts_with("250"), "there is room again: {reply}");
    // Nothing for those who wait could be under way before.
    ledger.note_end();
    machine.world.receiver.misbehave(Vec::new());
    let verdict = judge(&machine.world, &ledger, SILENCE_MAX).await;
    eprintln!("a full disk: {}", verdict.told());
    verdict.must_hold("a full disk");
    assert!(verdict.refused_and_sent.is_empty(), "{:?}", verdict.refused_and_sent);
}
