//! A flipped byte in any file of the data folder, while the daemon is down: it starts by itself, at most
//! one message is missing, nobody who was stopped gets mail. Damaged records hold mail until the
//! operator has them recovered.

use super::ledger::{Ledger, Verdict, judge};
use super::scene::{Scene, copy};
use super::{Dice, is_long};
use crate::support::World;
use relent::demo::receiver::Fault;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long nothing may arrive before what is missing is looked for in the queue.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// The same where what is missing is more than a flipped byte may cost: a busy machine is silent for long too.
const SILENCE_LONGEST: Duration = Duration::from_secs(20);
/// Longest time that an end may take: more than the drain.
const END_MAX: Duration = Duration::from_secs(60);
/// Messages that wait when the byte flips.
const WAITING: u32 = 12;
/// Flips of the long form, of which each kind of file gets its share.
const FLIPS: u64 = 600;
/// Settings under which every message has a segment of its own.
const SETTINGS: &str = "[spool]\nsegment_size = \"4kB\"\nfree_space_min = \"1MB\"";

/// What a flip came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// All mail came.
    Whole,
    /// One message is gone, and its damaged place kept.
    OneLost,
    /// One message's body is damaged: it waits, with the reason, until its sender is told.
    OneUnreadable,
    /// The records were damaged, mail was held, and `relent store recover` saved them.
    Recovered,
    /// The records were damaged, and what could be saved lacks something that mail waits for: it stays
    /// in the queue.
    Held,
    /// As recovered, but stops may be missing from what was saved, and the operator is told so: they are
    /// recorded again before any mail goes.
    Warned,
    /// Nothing of the records could be saved, and the operator is told to put a backup in their place.
    Restored,
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the data can be listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.metadata().is_ok_and(|about| about.is_file() && about.len() > 0) {
            found.push(path);
        }
    }
}

/// What a file is for.
fn kind(path: &Path) -> String {
    let is_segment = path.extension().is_some_and(|extension| extension == "seg");
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if is_segment { "segment".into() } else { name.to_owned() }
}

/// Where to flip: files by kind, and in each a place that holds something, or any.
fn place(files: &[PathBuf], dice: &mut Dice) -> (PathBuf, u64) {
    let file = &files[usize::try_from(dice.below(files.len() as u64)).expect("small")];
    let bytes = std::fs::read(file).expect("the file can be read");
    let length = bytes.len() as u64;
    let is_early = dice.below(4) == 0;
    let mut at = dice.below(if is_early { length.min(200) } else { length });
    // Most of a file of records is empty: go on to what is not.
    while bytes[usize::try_from(at).expect("small")] == 0 && dice.below(200) > 0 {
        at = (at + 1) % length;
    }
    (file.clone(), at)
}

fn flip(path: &Path, at: u64, mask: u8) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().read(true).write(true).open(path).expect("the file opens");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("the byte is there");
    file.write_all_at(&[byte[0] ^ mask], at).expect("the byte is flipped");
}

fn queued(world: &World) -> HashSet<String> {
    let list = world.done(&["queue", "list", "--json"]).json();
    let items = list.as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item["recipient"].as_str().map(str::to_owned)).collect()
}

/// Whose mail waits, where some of it has not come.
fn left(world: &World, verdict: &Verdict) -> HashSet<String> {
    if verdict.lost.is_empty() { HashSet::new() } else { queued(world) }
}

/// How damaged records were saved.
#[derive(Clone, Copy)]
struct Saved {
    is_restored: bool,
    is_warned: bool,
}

/// Has damaged records recovered, as the log says, and starts again.
fn recover(scene: &mut Scene, ledger: &Ledger, flipped: &str, said_first: &str) -> Saved {
    let log = scene.world.log();
    assert!(
        log.contains("relent store recover"),
        "{flipped}: {said_first:?} and no way out:\n{log}"
    );
    assert!(scene.world.end(END_MAX).is_some(), "{flipped}: no end");
    let said = scene.world.relent(&["store", "recover"]);
    let is_warned = said.code != 0 && said.err.contains("Import their stops");
    let is_restored = said.code != 0 && said.err.contains("from a backup in its place");
    let is_saved = said.code == 0 || is_warned || is_restored;
    assert!(is_saved, "{flipped}: not recovered: {}{}", said.out, said.err);
    if is_restored {
        let (file, _) = flipped.rsplit_once('@').expect("file@place^mask");
        copy(&scene.world.path("template").join(file), &scene.world.path("data").join(file));
    }
    if is_warned {
        let closed = Fault::Greeting("421 4.3.2 closed".into());
        scene.world.receiver.misbehave(vec![closed]);
    }
    scene.world.launch(&[]);
    if is_warned {
        let stops = ledger.stops.lock().expect("ledger").clone();
        for (to, _) in stops.iter().filter(|(_, at)| at.is_some()) {
            scene.world.done(&["suppression", "add", "acme", to]);
        }
        scene.world.receiver.misbehave(Vec::new());
    }
    Saved { is_restored, is_warned }
}

/// Starts on data with a flipped byte, and sees to what comes of it.
async fn start(scene: &mut Scene, flipped: &str) -> Outcome {
    let ledger = scene.reset(false).await;
    let (file, rest) = flipped.rsplit_once('@').expect("file@place^mask");
    let (at, mask) = rest.split_once('^').expect("file@place^mask");
    let path = scene.world.path("data").join(file);
    flip(&path, at.parse().expect("a place"), mask.parse().expect("a mask"));
    scene.world.receiver.misbehave(Vec::new());
    scene.world.launch(&[]);
    let to = ledger.recipient("ready");
    let mut reply = scene.submit(&to);
    let mut saved = None;
    if !reply.starts_with("250") {
        saved = Some(recover(scene, &ledger, flipped, &reply));
        reply = scene.submit(&to);
    }
    ledger.note(&to, &reply);
    let mut verdict = judge(&scene.world, &ledger, SILENCE_MAX).await;
    if saved.is_none() && scene.world.log().contains("relent store recover") {
        // Damage that was met only as it was read: mail is held from then on.
        saved = Some(recover(scene, &ledger, flipped, &reply));
        verdict = judge(&scene.world, &ledger, SILENCE_MAX).await;
    }
    let is_recovered = saved.is_some();
    let is_restored = saved.is_some_and(|saved| saved.is_restored);
    let is_warned = saved.is_some_and(|saved| saved.is_warned);
    let mut waiting = left(&scene.world, &verdict);
    let gone = verdict.lost.iter().filter(|to| !waiting.contains(*to)).count();
    let is_told = verdict.lost.len() == 1 && scene.world.log().contains("wrong checksum");
    let waits_for_no_reason = gone < verdict.lost.len() && !is_recovered && !is_told;
    if gone > 1 || waits_for_no_reason {
        verdict = judge(&scene.world, &ledger, SILENCE_LONGEST).await;
        waiting = left(&scene.world, &verdict);
    }
    assert!(verdict.late.is_empty(), "{flipped}: mail to who was stopped: {:?}", verdict.late);
    let gone: Vec<_> = verdict.lost.iter().filter(|to| !waiting.contains(*to)).collect();
    assert!(gone.len() <= 1, "{flipped}: more than one message is gone: {gone:?}");
    if !reply.starts_with("250") || gone.len() < verdict.lost.len() {
        if is_recovered {
            // What was lost with the records is missed, and never taken for a yes.
            return Outcome::Held;
        }
        assert!(reply.starts_with("250") && verdict.lost.len() == 1, "{flipped}: {verdict:?}");
        let log = scene.world.log();
        assert!(log.contains("wrong checksum"), "{flipped}: mail waits for no reason:\n{log}");
        return Outcome::OneUnreadable;
    }
    match (gone.len(), is_recovered, is_restored) {
        (_, _, true) => Outcome::Restored,
        _ if is_warned => Outcome::Warned,
        (_, true, _) => Outcome::Recovered,
        (0, ..) => Outcome::Whole,
        _ => Outcome::OneLost,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_costs_one_message_at_most_and_lifts_no_stop() {
    let mut scene = Scene::quiet(SETTINGS).await;
    scene.fill(WAITING).await;
    let template = scene.world.path("template");
    let mut found = Vec::new();
    files(&template, &mut found);
    let mut kinds: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in found {
        kinds.entry(kind(&path)).or_default().push(path);
    }
    let mut dice = Dice::new();
    let mut counts: BTreeMap<(String, Outcome), u32> = BTreeMap::new();
    for (kind, files) in &kinds {
        // Segments and records are what there is much of.
        let share = match (kind.as_str(), is_long()) {
            ("segment" | "records.redb", true) => FLIPS * 2 / 5,
            ("segment" | "records.redb", false) => 8,
            (_, true) => FLIPS / 5 / kinds.len() as u64,
            (_, false) => 1,
        };
        for _ in 0..share {
            let (path, at) = place(files, &mut dice);
            let mask = 1_u8 << dice.below(8);
            let file = path.strip_prefix(&template).expect("within").display().to_string();
            let outcome = start(&mut scene, &format!("{file}@{at}^{mask}")).await;
            if !matches!(outcome, Outcome::Whole) && kind == "records.redb" {
                eprintln!("{file}@{at}^{mask}: {outcome:?}");
            }
            *counts.entry((kind.clone(), outcome)).or_default() += 1;
        }
    }
    for ((kind, outcome), count) in &counts {
        eprintln!("a flipped byte in {kind}: {outcome:?} {count} times");
    }
}
