//! A disk that fills up: mail is refused for now, stops and deliveries are recorded from the reserve, the
//! daemon starts, and goes on by itself once there is room.

use super::{PATIENCE, World, delivered};
use crate::support::client::{Client, letter};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

pub(super) const SETTINGS: &str =
    "[spool]\nfree_space_min = \"16MB\"\nreserve_size = \"8MB\"\nsegment_size = \"1MB\"\n";

/// A small file system of its own in a folder; gone when dropped.
pub(super) struct Small(PathBuf);

impl Small {
    /// `None` where this machine or user may not mount one.
    pub(super) fn mount(folder: PathBuf) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=48m", "relent-test"]).arg(&folder);
        mount.output().is_ok_and(|done| done.status.success()).then(|| Self(folder))
    }

    /// Writes a file until there is no room at all.
    pub(super) fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).expect("a file");
        while file.write_all(&[7; 4096]).is_ok() {}
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn mail(world: &World, to: &str) -> String {
    let mut client = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let reply = client.say("MAIL FROM:<news@acme.example>");
    if reply.starts_with("250") {
        client.say("RSET");
        return client.submit("news@acme.example", &[to], &letter("Receipt"));
    }
    reply
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_mail_and_takes_opt_outs() {
    let mut world = World::bare("", SETTINGS).await;
    world.stop();
    let Some(small) = Small::mount(world.path("data")) else {
        eprintln!("not tried: no file system can be mounted here");
        return;
    };
    world.launch(&[]);
    world.furnish();
    let reserve = world.path("data/reserve");
    wait("the reserve is kept", || reserve.exists());
    assert!(mail(&world, "before@reader.example").starts_with("250"));
    delivered(&world, "before@reader.example").await;

    small.fill();
    wait("mail is refused", || mail(&world, "full@reader.example").starts_with("452 4.3.1"));
    let stop = |world: &World, who: &str| world.relent(&["suppression", "add", "acme", who]);
    for number in 0..40 {
        let said = stop(&world, &format!("stopped{number}@reader.example"));
        assert_eq!(said.code, 0, "stop {number}: {}{}", said.out, said.err);
    }
    assert!(!reserve.exists(), "its room was needed");
    let told = world.relent(&["doctor", "--json", "--block-list", "none"]).json();
    let of_disk = |level: &str, subject: &str| {
        told["findings"].as_array().expect("findings").iter().any(|one| {
            let named = one["subject"].as_str().is_some_and(|text| text.ends_with(subject));
            named && one["area"] == "disk" && one["level"] == level
        })
    };
    assert!(of_disk("bad", "/data") && of_disk("warn", "reserve"), "{told:#}");
    assert!(mail(&world, "full@reader.example").starts_with("452 4.3.1"));

    // What is taken goes on by itself once there is room.
    std::fs::remove_file(world.path("data/filler")).expect("removed");
    wait("mail is taken again", || mail(&world, "after@reader.example").starts_with("250"));
    delivered(&world, "after@reader.example").await;
    wait("the reserve is made anew", || reserve.exists());

    // It starts on a full disk, knows what it was told, and takes more of it.
    world.kill();
    small.fill();
    world.launch(&[]);
    assert!(mail(&world, "full@reader.example").starts_with("452 4.3.1"));
    assert_eq!(stop(&world, "late@reader.example").code, 0);
    for who in ["stopped0", "stopped39", "late"] {
        let shown = world.done(&["explain", "acme/newsletter", &format!("{who}@reader.example")]);
        assert!(shown.out.contains("550 5.7.1"), "{who}: {}", shown.out);
    }
    world.stop();
    drop(small);
}
