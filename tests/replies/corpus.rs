//! Measures a labelled folder that `RELENT_CORPUS` names; without one it has nothing to say. Such mail was
//! written by real people and never belongs in the repository.

use super::report::{Label, Report};
use super::{classify, write};
use std::path::Path;

#[test]
fn a_labelled_folder_is_classified_as_it_says() {
    let Some(folder) = std::env::var_os("RELENT_CORPUS") else {
        return;
    };
    let folder = Path::new(&folder);
    let labels = std::fs::read_to_string(folder.join("labels.jsonl")).expect("labels.jsonl");
    let mut report = Report::default();
    for line in labels.lines() {
        let label: serde_json::Value = serde_json::from_str(line).expect("a label is JSON");
        let field = |name: &str| label[name].as_str().unwrap_or("-");
        // Nobody could say what is asked there.
        if field("tier") == "ambiguous" {
            continue;
        }
        let message = std::fs::read(folder.join(field("file"))).expect("the file of a label");
        let known = Label {
            name: field("file"),
            wish: field("label"),
            tier: field("tier"),
            client: field("client"),
            charset: field("charset"),
            language: field("lang"),
        };
        report.enter(&known, &classify(&message));
    }
    write(&report, "RELENT_CORPUS_REPORT");
    let wrong = report.wrong.join("\n");
    assert!(report.all.false_stops * 1000 <= report.all.messages, "{wrong}");
    assert!(report.all.right * 100 >= report.all.messages * 99, "{wrong}");
}
