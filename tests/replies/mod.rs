//! Replies understood: made up for every client, language, charset and encoding, and from a labelled
//! folder where the environment names one. `report` prints what comes of both.

mod clients;
mod corpus;
mod decoding;
mod fixtures;
mod growth;
mod machines;
mod message;
mod mime;
mod properties;
mod report;
mod tongues;
mod tongues_further;

use message::all;
use relent::config;
use relent::replies::{Classification, Words};
use report::{Label, Report};
use std::sync::LazyLock;

/// The words without settings, read once for every message.
static WORDS: LazyLock<Words> =
    LazyLock::new(|| Words::new(&config::Words::default()).expect("the files are TOML"));

fn classify(message: &[u8]) -> Classification {
    relent::replies::classify(message, &config::Replies::default(), WORDS.all())
}

/// What comes of the replies that these seeds make up.
fn made_up(seeds: std::ops::Range<u64>) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        for (place, made) in all(seed).iter().enumerate() {
            let name = format!("seed {seed}, message {place}, {}", made.placement);
            report.enter(&Label::of(made, &name), &classify(&made.message));
        }
    }
    report
}

/// Writes a report to the file that the environment names for it.
fn write(report: &Report, variable: &str) {
    if let Some(file) = std::env::var_os(variable) {
        let text = format!("{}{}\n", report.tables(), report.wrong.join("\n"));
        std::fs::write(file, text).expect("the report can be written");
    }
}

#[test]
fn replies_of_every_client_and_language_are_understood() {
    let report = made_up(1..3);
    write(&report, "RELENT_REPLIES_REPORT");
    let all = report.all;
    let wrong = report.wrong.join("\n");
    assert_eq!(all.false_stops, 0, "{wrong}");
    assert!(u64::from(all.right) * 1000 >= u64::from(all.messages) * 995, "{wrong}");
    assert!(all.wrong_letter * 500 <= all.messages, "{wrong}");
}
