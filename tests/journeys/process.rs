//! The daemon as a process: whose it is, and what it does when it is told something.

use super::delivered;
use crate::support::World;
use crate::support::client::{Client, letter};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;

const ANN: &str = "ann@reader.example";

fn submit(world: &World, to: &str) {
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let reply = app.submit("news@acme.example", &[to], &letter("Receipt"));
    assert!(reply.starts_with("250"), "{reply}");
}

fn numbers(text: &str) -> BTreeSet<u32> {
    text.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_on_when_root_has_become_nobody() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: nothing can be given up, skipped");
        return;
    }
    let nobody = nix::unistd::User::from_name("nobody").expect("a look").expect("nobody is there");
    let own = format!("Uid:\t{0}\t{0}\t{0}\t{0}", nobody.uid);
    let group = format!("Gid:\t{0}\t{0}\t{0}\t{0}", nobody.gid);
    let groups = std::process::Command::new("id").args(["-G", "nobody"]).output().expect("id");
    let groups = numbers(&String::from_utf8_lossy(&groups.stdout));
    let mut world = World::with("[process]\nuser = \"nobody\"").await;
    for reader in ["first@reader.example", "second@reader.example"] {
        let threads = world.threads();
        assert!(threads.len() > 2, "the daemon has few threads: {threads:?}");
        for thread in threads {
            assert!(thread.contains(&own) && thread.contains(&group), "{thread}");
            let (_, beside) = thread.split_once("Groups:").expect("its groups");
            assert_eq!(numbers(beside.lines().next().unwrap_or_default()), groups, "{thread}");
            for rights in ["CapPrm", "CapEff", "CapAmb"] {
                assert!(thread.contains(&format!("{rights}:\t0000000000000000")), "{thread}");
            }
        }
        // Nothing was begun while it was still root.
        for file in std::fs::read_dir(world.path("data/spool")).expect("the spool") {
            let file = file.expect("a file");
            assert_eq!(file.metadata().expect("there").uid(), nobody.uid.as_raw(), "{file:?}");
        }
        submit(&world, reader);
        delivered(&world, reader).await;
        // What the first left behind, root opens again for the second.
        assert_eq!(world.stop(), 0);
        world.launch(&[]);
    }
    assert!(!world.log().contains("running as root"), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_are_told_as_long_as_they_are_open() {
    let mut world = World::start().await;
    let ports = world.path("data/ports.json");
    let told = std::fs::read_to_string(&ports).expect("the ports");
    assert_eq!(world.stop(), 0);
    assert!(!ports.exists(), "nothing is open");
    // What a killed one left behind is gone before anything is opened that may take its time: here, a start that
    // ends at a folder where the spool should be.
    std::fs::write(&ports, &told).expect("written");
    let (spool, aside) = (world.path("data/spool"), world.path("spool"));
    std::fs::rename(&spool, &aside).expect("moved");
    std::fs::write(&spool, "").expect("a file");
    let failed = world.relent(&["serve"]);
    assert!(failed.code != 0 && !ports.exists(), "{}: {}", failed.code, failed.err);
    std::fs::remove_file(&spool).expect("removed");
    std::fs::rename(&aside, &spool).expect("moved back");
    world.launch(&[]);
    assert!(ports.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn root_is_warned_of_itself() {
    let world = World::bare("", "").await;
    let warnings = world.log().matches("running as root").count();
    assert_eq!(warnings, usize::from(rustix::process::geteuid().is_root()), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_ends_nothing() {
    let world = World::start().await;
    world.hang_up();
    let noted = (0..200).any(|_| {
        world.done(&["account", "list"]);
        world.log().contains("reloaded: no setting has changed")
    });
    assert!(noted, "{}", world.log());
    submit(&world, ANN);
    delivered(&world, ANN).await;
}
