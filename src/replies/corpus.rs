//! Measures `classify` on a labelled folder that the environment names; without one it has nothing to
//! say. Such mail was written by real people and never belongs in the repository.

use super::{Kind, Wish, classify};
use crate::config;
use std::path::Path;

#[test]
fn a_labelled_folder_is_classified_as_it_says() {
    let Some(folder) = std::env::var_os("RELENT_CORPUS") else {
        return;
    };
    let folder = Path::new(&folder);
    let labels = std::fs::read_to_string(folder.join("labels.jsonl")).expect("labels.jsonl");
    let limits = config::Replies::default();
    let (mut right, mut false_stops, mut missed, mut wrong) = (0, 0, 0, Vec::new());
    for line in labels.lines() {
        let label: serde_json::Value = serde_json::from_str(line).expect("a label is JSON");
        if label["tier"] == "ambiguous" {
            continue;
        }
        let name = label["file"].as_str().expect("a label names a file");
        let message = std::fs::read(folder.join(name)).expect("the file of a label");
        let read = classify(&message, &limits);
        let found = match read.wish {
            Wish::Reject => "R",
            Wish::Unsubscribe => "T",
            _ => "none",
        };
        let machine = match label["tier"].as_str() {
            Some("bounce") => Some(Kind::Bounce),
            Some("autoreply") => Some(Kind::AutoReply),
            Some("arf") => Some(Kind::Complaint),
            _ => None,
        };
        let expected = label["label"].as_str().unwrap_or_default();
        if found == expected && machine.is_none_or(|kind| kind == read.kind) {
            right += 1;
            continue;
        }
        match (expected, found) {
            ("none", "R" | "T") => false_stops += 1,
            ("R" | "T", "none") => missed += 1,
            _ => {}
        }
        wrong.push(format!(
            "{name} {} {expected} {found} {:?} {:?}",
            label["tier"], read.kind, read.written
        ));
    }
    let all = right + wrong.len();
    let report = format!(
        "{right} of {all} right, {false_stops} false stops, {missed} missed\n{}",
        wrong.join("\n")
    );
    if let Some(file) = std::env::var_os("RELENT_CORPUS_REPORT") {
        std::fs::write(file, &report).expect("the report can be written");
    }
    assert!(right * 100 > all * 97, "{report}");
}
