//! Backup and restore of the real daemon: what was accepted and what was said outlive the host, nothing is sent
//! before it may be, and half of anything is never taken for whole.

mod archives;
mod held;
mod later;

use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, Said, World};
use relent::demo::receiver::Fault;
use std::path::{Path, PathBuf};
use std::time::Instant;

impl World {
    /// Has the receiver put off all mail, so that it waits.
    fn put_off(&self) {
        // New connections, and those that are kept.
        self.receiver.misbehave(vec![
            Fault::Greeting("421 4.3.2 not now".into()),
            Fault::Recipient("@".into(), "451 4.2.0 later".into()),
        ]);
    }

    /// Submits a receipt; the reply to the dot, or the first refusal.
    fn receipt(&self, to: &str) -> String {
        let mut app = Client::login(self.ports.submission[0], "app/receipts", &self.password);
        app.submit("news@acme.example", &[to], &letter("Receipt"))
    }

    /// Submits so many receipts of so many lines.
    fn large_receipts(&self, count: usize, lines: usize) {
        let mail = letter("Large") + &("x".repeat(70) + "\r\n").repeat(lines);
        for number in 0..count {
            let mut app = Client::login(self.ports.submission[0], "app/receipts", &self.password);
            let to = format!("large{number}@reader.example");
            assert!(app.submit("news@acme.example", &[&to], &mail).starts_with("250"));
        }
    }

    /// Takes a backup into a file.
    fn backup(&self, name: &str) -> PathBuf {
        let file = self.path(name);
        let said = self.done(&["backup", &file.to_string_lossy()]);
        assert!(said.out.contains("whole, synced and read back"), "{}", said.out);
        file
    }

    /// The host is lost: its daemon is killed, and its data folder is elsewhere.
    fn lose(&mut self) -> PathBuf {
        self.kill();
        let lost = self.path("lost");
        std::fs::rename(self.path("data"), &lost).expect("the data folder is moved");
        lost
    }

    fn restore(&self, file: &Path) -> Said {
        self.done(&["restore", &file.to_string_lossy()])
    }

    /// Puts a backup back on a fresh host, and starts it there before a receiver that takes all.
    fn comes_back(&mut self, file: &Path) -> Said {
        let said = self.restore(file);
        self.receiver.misbehave(Vec::new());
        self.launch(&[]);
        said
    }

    /// Recipients that wait.
    fn waiting(&self) -> Vec<String> {
        let listed = self.done(&["queue", "list", "--json"]).json();
        let items =
            listed["items"].as_array().or_else(|| listed.as_array()).expect("a list").clone();
        let mut all: Vec<_> =
            items.iter().filter_map(|item| item["recipient"].as_str().map(str::to_owned)).collect();
        all.sort();
        all
    }

    /// Who got mail, each as often as they did.
    fn got(&self) -> Vec<String> {
        let mut all: Vec<_> =
            self.receiver.mailbox().into_iter().flat_map(|mail| mail.recipients).collect();
        all.sort();
        all
    }

    /// Waits until nothing waits any more.
    fn run_dry(&self) {
        self.until_waiting(&[]);
    }

    /// Waits until these alone wait, in order: an attempt that is under way ends before its mail does.
    fn until_waiting(&self, left: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while self.waiting() != left {
            assert!(Instant::now() < deadline, "still waiting: {:?}", self.waiting());
        }
    }
}
