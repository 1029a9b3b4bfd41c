//! Power cuts: the daemon's data lies in a file system in an image. At a random moment under load the
//! daemon is killed and the image copied, as it is, before anything is unmounted: what had not reached
//! the image is gone. The daemon starts on the copy, and goes on there until the next cut.

use super::kills::{load_until_killed, longer};
use super::ledger::{Ledger, Verdict, judge};
use super::{Dice, is_long};
use crate::support::World;
use relent::demo::receiver::Fault;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long nothing may arrive, once the cuts are over, before what is missing is called lost.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// How often an image is copied until nothing was written to it meanwhile.
const COPIES_MAX: u32 = 20;
/// Shortest and longest life of a machine before its power is cut, in milliseconds.
const LIFE: (u64, u64) = (100, 500);
/// Small segments, so that cuts meet new and shrunk ones; room for mail in a small image.
const SETTINGS: &str = "[spool]\nsegment_size = \"64kB\"\nfree_space_min = \"1MB\"";
/// Keeps every sync from reaching the disk, and says that it has.
const LYING_DISK: [&str; 9] = [
    "strace",
    "-D",
    "-f",
    "-o",
    "/dev/null",
    "-e",
    "trace=fdatasync,fsync",
    "-e",
    "inject=fdatasync,fsync:retval=0",
];

/// A daemon whose data lies in an image.
pub(super) struct Machine {
    pub(super) world: World,
    image: PathBuf,
    options: &'static str,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.world.kill();
        self.unmount();
    }
}

impl Machine {
    /// `None` where images cannot be mounted here, which is said aloud.
    pub(super) async fn new(system: &str, size: &str, options: &'static str) -> Option<Self> {
        let mut world = World::with(SETTINGS).await;
        assert_eq!(world.stop(), 0);
        let image = world.path("disk-0.img");
        let machine = Self { world, image, options };
        let made = run("truncate", &["-s", size, text(&machine.image)])
            && run(&format!("mkfs.{system}"), &["-q", text(&machine.image)]);
        let aside = machine.world.path("data-aside");
        std::fs::rename(machine.data(), &aside).expect("renamed");
        std::fs::create_dir(machine.data()).expect("a folder to mount on");
        if !made || !machine.mount() {
            eprintln!(
                "NOT TESTED: this machine cannot mount an {system} image; be root, with loop devices"
            );
            return None;
        }
        let within = format!("{}/.", text(&aside));
        assert!(run("cp", &["-a", &within, text(&machine.data())]), "the data is copied in");
        assert!(run("sync", &["-f", text(&machine.data())]), "the image is whole to begin with");
        Some(machine)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.world.path("data")
    }

    fn mount(&self) -> bool {
        let options = format!("loop,{}", self.options);
        run("mount", &["-o", &options, text(&self.image), text(&self.data())])
    }

    fn unmount(&self) {
        run("umount", &[text(&self.data())]);
    }

    /// Load, a cut, and the disk as it then is. The daemon is not started.
    fn cut(&mut self, number: u64, ledger: &Ledger, life: Duration) {
        let (image, next) = (self.image.clone(), self.world.path(&format!("disk-{number}.img")));
        load_until_killed(&mut self.world, ledger, life, || snapshot(&image, &next));
        self.unmount();
        std::fs::remove_file(&self.image).expect("the old disk goes");
        self.image = next;
        assert!(self.mount(), "the file system does not outlast the cut");
    }
}

/// Copies an image at a moment: again, where something was written to it meanwhile.
fn snapshot(image: &Path, copy: &Path) {
    let written =
        || image.metadata().and_then(|about| about.modified()).expect("the image is there");
    for _ in 0..COPIES_MAX {
        let before = written();
        assert!(run("cp", &[text(image), text(copy)]), "the image is copied");
        if written() == before {
            return;
        }
    }
    panic!("the image is written to without end");
}

/// Cuts, and what came of the mail; `None` where a start needed help.
async fn cut_often(machine: &mut Machine, cuts: u64, under: &[String]) -> Option<Verdict> {
    let ledger = Ledger::default();
    let mut dice = Dice::new();
    let waits = Fault::Recipient("waits".into(), "451 4.2.0 later".into());
    machine.world.receiver.misbehave(vec![waits]);
    machine.world.try_launch(under, &[]).then_some(())?;
    for number in 1..=cuts {
        let life = Duration::from_millis(LIFE.0 + dice.below(LIFE.1 - LIFE.0));
        machine.cut(number, &ledger, life);
        machine.world.try_launch(under, &[]).then_some(())?;
    }
    for (number, life) in (cuts + 1..).zip(longer(LIFE.1)) {
        if ledger.counts().0 > 0 {
            break;
        }
        machine.cut(number, &ledger, life);
        machine.world.try_launch(under, &[]).then_some(())?;
    }
    machine.world.receiver.misbehave(Vec::new());
    Some(judge(&machine.world, &ledger, SILENCE_MAX).await)
}

async fn power_fails(system: &str, size: &str, options: &'static str, long: u64) {
    let cuts = if is_long() { long } else { 3 };
    let Some(mut machine) = Machine::new(system, size, options).await else { return };
    let verdict = cut_often(&mut machine, cuts, &[]).await.expect("every start succeeds by itself");
    eprintln!("{cuts} power cuts on {system} ({options}): {}", verdict.told());
    verdict.must_hold("power cuts");
    assert!(verdict.accepted > 0, "the load was too small to show anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_on_ext4_lose_nothing() {
    power_fails("ext4", "256M", "commit=60", 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_cuts_on_xfs_lose_nothing() {
    power_fails("xfs", "320M", "noatime", 100).await;
}

/// Shows that the harness can fail: a disk that says that it has synced, and has not, loses mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_lies_about_its_syncs_is_caught() {
    if !is_long() {
        return;
    }
    let Some(mut machine) = Machine::new("ext4", "256M", "commit=60").await else { return };
    match cut_often(&mut machine, 5, &LYING_DISK.map(String::from)).await {
        Some(verdict) => {
            eprintln!("5 power cuts on a disk that lies: {}", verdict.told());
            assert!(!verdict.lost.is_empty(), "the harness did not notice that mail was lost");
        }
        None => eprintln!("power cuts on a disk that lies: the daemon did not even start"),
    }
}
