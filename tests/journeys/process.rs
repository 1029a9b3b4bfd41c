//! The daemon as a process: whose it is, and what it does when it is told something.

use super::delivered;
use crate::support::World;
use crate::support::client::{Client, letter};

const ANN: &str = "ann@reader.example";

fn submit(world: &World, to: &str) {
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let reply = app.submit("news@acme.example", &[to], &letter("Receipt"));
    assert!(reply.starts_with("250"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_on_when_root_has_become_nobody() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: nothing can be given up, skipped");
        return;
    }
    let nobody = nix::unistd::User::from_name("nobody").expect("a look").expect("nobody is there");
    let own = format!("Uid:\t{0}\t{0}\t{0}\t{0}", nobody.uid);
    let mut world = World::with("[process]\nuser = \"nobody\"").await;
    for reader in ["first@reader.example", "second@reader.example"] {
        let threads = world.threads();
        assert!(threads.len() > 2, "the daemon has few threads: {threads:?}");
        for thread in threads {
            assert!(thread.contains(&own) && !thread.contains("Groups:\t0 "), "{thread}");
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
        world.log().contains("SIGHUP: certificate files and the shaping file are looked at")
    });
    assert!(noted, "{}", world.log());
    submit(&world, ANN);
    delivered(&world, ANN).await;
}
