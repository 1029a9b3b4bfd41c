//! Whatever a fuzzer was given or has found goes through the same doors here: `corpus/` has what it begins
//! with, `crashes/` what once broke something.

mod properties;
mod session;
mod spool;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The inputs kept for a target.
fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder).join(target);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    found
}

fn every_input_holds(target: &str, holds: fn(&[u8])) {
    let kept = inputs("corpus", target);
    assert!(kept.len() >= 3, "{target} has {} inputs to begin with", kept.len());
    for path in kept.into_iter().chain(inputs("crashes", target)) {
        let input = std::fs::read(&path).expect("an input");
        if let Err(why) = std::panic::catch_unwind(|| holds(&input)) {
            eprintln!("it was {}", path.display());
            std::panic::resume_unwind(why);
        }
    }
}

macro_rules! every_input_that_is_kept_holds {
    ($($target:ident: $door:path,)*) => {
        $(#[test]
        fn $target() {
            every_input_holds(stringify!($target), $door);
        })*

        const DOORS: &[&str] = &[$(stringify!($target)),*];
    };
}

every_input_that_is_kept_holds! {
    command: properties::command,
    session: session::session,
    data: properties::data,
    address: properties::address,
    reply: properties::reply,
    header: properties::header,
    message: properties::message,
    token: properties::token,
    spool: spool::spool,
    settings: properties::settings,
    written: properties::written,
    notice: properties::notice,
    delivery_status: properties::delivery_status,
    transfer: properties::transfer,
    charset: properties::charset,
    html: properties::html,
}

#[test]
fn every_door_has_its_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/targets");
    let targets = std::fs::read_dir(folder).expect("the targets").map(|entry| {
        entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
    });
    let targets: BTreeSet<String> = targets.collect();
    assert_eq!(targets, DOORS.iter().map(|door| (*door).to_owned()).collect());
    let manifest = include_str!("Cargo.toml");
    assert!(DOORS.iter().all(|door| manifest.contains(&format!("name = \"{door}\""))));
}
