//! What came of a labelled set, as tables: a tier, a client, a charset and a language a row.

use super::message::Made;
use relent::replies::{Classification, Kind, Wish};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What came of some messages.
#[derive(Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) messages: u32,
    pub(super) right: u32,
    /// Obeyed though nothing was asked for.
    pub(super) false_stops: u32,
    /// Asked for and left to a reader.
    pub(super) missed: u32,
    /// R for T, or T for R.
    pub(super) wrong_letter: u32,
    /// A machine taken for something else.
    pub(super) wrong_kind: u32,
}

/// What is known of a message.
pub(super) struct Label<'a> {
    pub(super) name: &'a str,
    /// `R`, `T` or `none`.
    pub(super) wish: &'a str,
    pub(super) tier: &'a str,
    pub(super) client: &'a str,
    pub(super) charset: &'a str,
    pub(super) language: &'a str,
}

/// The tables as they fill.
#[derive(Default)]
pub(super) struct Report {
    pub(super) all: Tally,
    tables: [BTreeMap<String, Tally>; 4],
    /// A line for each message that came out wrong, without its words.
    pub(super) wrong: Vec<String>,
}

impl Report {
    /// Enters a message; the kind is looked at where the tier is a machine's.
    pub(super) fn enter(&mut self, label: &Label<'_>, read: &Classification) {
        let found = match read.wish {
            Wish::Reject => "R",
            Wish::Unsubscribe => "T",
            _ => "none",
        };
        let machine = match label.tier {
            "bounce" => Some(Kind::Bounce),
            "autoreply" => Some(Kind::AutoReply),
            "arf" => Some(Kind::Complaint),
            _ => None,
        };
        let mut one = Tally { messages: 1, ..Tally::default() };
        match (label.wish, found) {
            ("none", "R" | "T") => one.false_stops = 1,
            ("R" | "T", "none") => one.missed = 1,
            (expected, found) if expected != found => one.wrong_letter = 1,
            _ if machine.is_some_and(|kind| kind != read.kind) => one.wrong_kind = 1,
            _ => one.right = 1,
        }
        let rows = [label.tier, label.client, label.charset, label.language];
        for (table, row) in self.tables.iter_mut().zip(rows) {
            table.entry(row.to_owned()).or_default().add(one);
        }
        self.all.add(one);
        if one.right == 0 {
            let Label { name, wish, tier, client, charset, language } = label;
            self.wrong.push(format!(
                "{name}: {wish}, read as {found} of a {}; {tier}, {client}, {charset}, {language}",
                read.kind.name()
            ));
        }
    }

    /// The tables in Markdown.
    pub(super) fn tables(&self) -> String {
        let mut out = String::new();
        let names = ["Tier", "Client", "Charset", "Language"];
        for (name, table) in names.iter().zip(&self.tables) {
            let _ = writeln!(
                out,
                "| {name} | Messages | Right | False stops | Missed | Wrong letter | Wrong kind |\n\
                 | --- | --- | --- | --- | --- | --- | --- |"
            );
            for (row, tally) in table {
                let _ = writeln!(out, "| {row} {}", tally.cells());
            }
            let _ = writeln!(out, "| all {}\n", self.all.cells());
        }
        out
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.right += other.right;
        self.false_stops += other.false_stops;
        self.missed += other.missed;
        self.wrong_letter += other.wrong_letter;
        self.wrong_kind += other.wrong_kind;
    }

    fn cells(&self) -> String {
        let Self { messages, right, false_stops, missed, wrong_letter, wrong_kind } = self;
        let share = f64::from(*right) * 100.0 / f64::from(*messages);
        format!(
            "| {messages} | {right} ({share:.1} %) | {false_stops} | {missed} | {wrong_letter} | \
             {wrong_kind} |"
        )
    }
}

impl<'a> Label<'a> {
    /// What a made message is known to be.
    pub(super) fn of(made: &'a Made, name: &'a str) -> Self {
        Self {
            name,
            wish: made.label,
            tier: made.tier,
            client: made.client,
            charset: &made.charset,
            language: made.code,
        }
    }
}
