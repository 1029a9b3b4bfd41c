//! Archives that are not whole, places without room, restores that are broken off: nothing of them is taken for
//! what it is not.

use crate::support::World;
use std::path::Path;
use std::process::{Command, Stdio};

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).map(|entries| {
        entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect()
    });
    entries.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_cut_or_changed_is_refused_by_its_part_and_nothing_is_written() {
    let mut world = World::start().await;
    world.put_off();
    assert!(world.receipt("ann@reader.example").starts_with("250"));
    let file = world.backup("relent.tar");
    let verified = world.done(&["backup", "--verify", &file.to_string_lossy()]).out;
    assert!(verified.contains("whole; of relay.relent.example"), "{verified}");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Any tar lists it.
    let listed = Command::new("tar").arg("-tf").arg(&file).output().expect("tar runs");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for part in [
        "relent-backup.json",
        "records/00000001",
        "spool/salt",
        "settings/relent.toml",
        "manifest.json",
    ] {
        assert!(listed.contains(part), "{part} in {listed}");
    }
    let again = world.relent(&["backup", &file.to_string_lossy()]);
    assert!(again.code == 1 && again.err.contains("is there already"), "{}", again.err);
    // A folder gets one with the host's name, and nothing else is left in it.
    let folder = world.path("backups");
    std::fs::create_dir(&folder).expect("a folder");
    world.done(&["backup", &folder.to_string_lossy()]);
    let made = names(&folder);
    assert!(made.len() == 1 && made[0].starts_with("relent-relay.relent.example-"), "{made:?}");
    world.done(&["backup", "--verify", &folder.join(&made[0]).to_string_lossy()]);
    world.lose();
    let bytes = std::fs::read(&file).expect("the archive");
    let broken = world.path("broken.tar");
    let place = bytes
        .windows(15)
        .position(|part| part == b"RELENTSP\x02\0\0\0\0\0\0")
        .or_else(|| bytes.windows(8).position(|part| part == b"RELENTSP"));
    let mut spoilt = bytes.clone();
    spoilt[place.expect("a segment") + 100] ^= 1;
    for (name, bytes, part) in [
        ("cut", bytes[..bytes.len() / 2].to_vec(), "not whole"),
        ("endless", bytes[..bytes.len() - 4096].to_vec(), "not whole"),
        ("spoilt", spoilt, "the part spool/"),
        ("foreign", vec![b'x'; 4096], "no backup of Relent"),
    ] {
        std::fs::write(&broken, bytes).expect("written");
        for verb in [&["backup", "--verify"][..], &["restore"]] {
            let said = world.relent(&[verb, &[&*broken.to_string_lossy()]].concat());
            assert_eq!(said.code, 1, "{name}");
            assert!(said.err.contains(part), "{name}: {}", said.err);
        }
        assert_eq!(names(&world.path("data")), Vec::<String>::new(), "{name} left something");
    }
    // What is there is nobody's to overwrite.
    std::fs::create_dir_all(world.path("data")).expect("a folder");
    std::fs::write(world.path("data/mine"), "precious").expect("written");
    let said = world.relent(&["restore", &file.to_string_lossy()]);
    assert!(said.code == 1 && said.err.contains("`mine`"), "{}", said.err);
    assert_eq!(names(&world.path("data")), ["mine"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_goes_away_in_the_middle_leaves_no_backup() {
    let world = World::start().await;
    world.put_off();
    world.large_receipts(8, 20_000);
    // To a pipe that nobody reads, so that it stands in the middle.
    let mut taking = world
        .command(&["backup", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut out = taking.stdout.take().expect("its output");
    let mut first = [0; 600];
    std::io::Read::read_exact(&mut out, &mut first).expect("it begins");
    world.kill_now();
    let mut rest = Vec::from(first);
    std::io::Read::read_to_end(&mut out, &mut rest).expect("it ends");
    let output = taking.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("went away in the middle"), "{said}");
    let file = world.path("half.tar");
    std::fs::write(&file, rest).expect("written");
    let verified = world.relent(&["backup", "--verify", &file.to_string_lossy()]);
    assert!(verified.code == 1 && verified.err.contains("not whole"), "{}", verified.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_without_room_is_named_and_left_as_it_was() {
    let world = World::start().await;
    let folder = world.path("small");
    std::fs::create_dir(&folder).expect("a folder");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=8k", "tmpfs"]).arg(&folder).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("NOT TESTED: this machine mounts no tmpfs");
        return;
    }
    let said = world.relent(&["backup", &folder.join("relent.tar").to_string_lossy()]);
    let left = names(&folder);
    let _ = Command::new("umount").arg(&folder).status();
    assert_eq!(said.code, 1);
    assert!(said.err.contains("there is no room for it there"), "{}", said.err);
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_starts_on_half_a_restore_and_the_same_again_ends_it() {
    let mut world = World::start().await;
    world.put_off();
    world.large_receipts(6, 40_000);
    let file = world.backup("relent.tar");
    world.lose();
    let mark = world.path("data/restoring");
    let mut was_half = false;
    for _ in 0..20 {
        let mut restoring = world
            .command(&["restore", &file.to_string_lossy()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        while !mark.exists() && restoring.try_wait().expect("a look").is_none() {
            std::hint::spin_loop();
        }
        let _ = restoring.kill();
        let _ = restoring.wait();
        was_half = mark.exists();
        if was_half {
            break;
        }
        std::fs::remove_dir_all(world.path("data")).expect("begun anew");
    }
    assert!(was_half, "it was never caught in the middle");
    assert!(!world.try_launch(&[], &[]), "it started on half a restore");
    assert!(world.log().contains("holds half a restore: run the same `relent restore FILE` again"));
    let said = world.relent(&["backup", &world.path("other.tar").to_string_lossy()]);
    assert!(said.code == 1 && said.err.contains("half a restore"), "{}", said.err);
    let said = world.restore(&file);
    assert!(said.out.contains("half a restore of before was cleared away"), "{}", said.out);
    world.launch(&[]);
    assert_eq!(world.waiting().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_go_on_with_numbers_and_without_mail_too() {
    let mut world = World::start().await;
    let number = |world: &World, name: &str| {
        world.done(&["stream", "add", "acme", name, "--kind", "transactional"]);
        let made = world.done(&[
            "suppression",
            "add",
            "acme",
            &format!("{name}@reader.example"),
            "--json",
        ]);
        let event = made.json()["event"].as_u64();
        event.unwrap_or_default()
    };
    number(&world, "before");
    world.put_off();
    assert!(world.receipt("waits@reader.example").starts_with("250"));
    let file = world.path("records.tar");
    let said = world.done(&["backup", &file.to_string_lossy(), "--without-mail", "--json"]).json();
    assert_eq!((&said["mail"], &said["daemon"]), (&false.into(), &true.into()), "{said}");
    let verified = world.done(&["backup", "--verify", &file.to_string_lossy()]).out;
    assert!(verified.trim_end().ends_with(", without mail"), "{verified}");
    number(&world, "lost");
    world.lose();
    world.comes_back(&file);
    assert_eq!(world.waiting(), Vec::<String>::new());
    assert!(world.receipt("ann@reader.example").starts_with("250"), "the credential still serves");
    number(&world, "after");
    let events = world.done(&["audit", "list", "--json"]).json();
    let told: Vec<u64> = events
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["event"].as_u64())
        .collect();
    assert!(told.iter().any(|event| *event > 1 << 32), "{told:?}");
    assert!(world.done(&["audit", "verify"]).out.contains("is whole"));
    world.done(&["restore", "release", "--waive", "Ann", "--reason", "a rehearsal"]);
    world.run_dry();
    assert_eq!(world.got(), ["ann@reader.example"]);
}
