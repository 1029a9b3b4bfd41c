//! Mail servers and name servers that lie, a row each: what they do, and what must become of every
//! recipient. The rows of a table are played all at once against one daemon, and each is a test by its
//! own name; a run that names some tests plays those rows alone.

mod certificate;
mod connection;
mod content;
mod cuts;
mod envelope;
mod greeting;
mod letter;
mod lies;
mod log;
mod names;
mod outward;
mod row;
mod scene;
mod security;
mod server;

use row::Row;
use scene::{Named, Network};
use std::collections::HashMap;
use std::sync::OnceLock;

type Results = HashMap<String, Result<(), String>>;

/// A table: each row its name, what is done, and the fate that follows. Makes a test of each.
macro_rules! rows {
    ($($(#[$about:meta])* $name:ident => $row:expr;)+) => {
        /// Every row of this table.
        pub(super) fn table() -> Vec<(&'static str, $crate::hostile::row::Row)> {
            vec![$((concat!(module_path!(), "::", stringify!($name)), $row)),+]
        }

        $(
            $(#[$about])*
            #[test]
            fn $name() {
                $crate::hostile::judge(concat!(module_path!(), "::", stringify!($name)));
            }
        )+
    };
}
use rows;

/// The rows of servers that this relay may connect to.
fn on_loopback() -> Vec<(&'static str, Row)> {
    let tables = [
        greeting::table(),
        envelope::table(),
        content::table(),
        connection::table(),
        security::table(),
        lies::table(),
    ];
    tables.into_iter().flatten().collect()
}

/// `tests/hostile/README.md`: every row and its fate.
fn page() -> String {
    let mut page = String::from(
        "# Every row, and what must become of each recipient\n\nWritten by the tables themselves: \
         `RELENT_WRITE=1 tests/run the_page_of_rows` writes it anew.\n",
    );
    let mut module = String::new();
    for (name, row) in on_loopback().into_iter().chain(outward::table()) {
        let mut parts = name.rsplit("::");
        let (name, of) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if of != module {
            module = of.to_owned();
            page += &format!("\n## {module}\n\n| Row | Fate |\n| --- | --- |\n");
        }
        let alike = row.fates.iter().all(|(_, fate)| *fate == row.fates[0].1);
        let fate = match row.fates.as_slice() {
            [(_, fate), ..] if alike => (*fate).to_owned(),
            all => {
                all.iter().map(|(to, fate)| format!("{to}: {fate}")).collect::<Vec<_>>().join("; ")
            }
        };
        let doubt = match row.copies {
            Some(copies) if row.says == Some("possible duplicate") => {
                format!(" (a possible duplicate, recorded; the servers took {copies})")
            }
            _ => String::new(),
        };
        page += &format!("| {} | {fate}{doubt} |\n", name.replace('_', " "));
    }
    page
}

#[test]
fn the_page_of_rows_is_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/README.md");
    if std::env::var_os("RELENT_WRITE").is_some() {
        std::fs::write(path, page()).expect("written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page(), "RELENT_WRITE=1 tests/run the_page_of_rows writes it anew");
}

/// Fails where the row of this name does not end as it says.
fn judge(name: &str) {
    static PLAYED: [OnceLock<Results>; 2] = [OnceLock::new(), OnceLock::new()];
    let outward = outward::table();
    let is_outward = outward.iter().any(|(known, _)| *known == name);
    let (rows, network) = match is_outward {
        true => (outward, Network::Public),
        false => (on_loopback(), Network::Loopback),
    };
    let named = |row: &(&str, Row)| -> Named { (row.0.to_owned(), row.1.clone()) };
    let played = PLAYED[usize::from(is_outward)].get_or_init(|| {
        let filters = filters();
        let asked = |row: &&(&str, Row)| {
            filters.is_empty() || filters.iter().any(|filter| row.0.contains(filter.as_str()))
        };
        let rows: Vec<Named> = rows.iter().filter(asked).map(named).collect();
        scene::play(&rows, network)
    });
    let alone = || {
        let row: Vec<Named> = rows.iter().filter(|row| row.0 == name).map(named).collect();
        scene::play(&row, network).remove(name)
    };
    let result = played.get(name).cloned().or_else(alone);
    if let Err(fault) = result.expect("a row of this name") {
        panic!("{fault}");
    }
}

/// The names that this run was asked for; none: all.
fn filters() -> Vec<String> {
    let with_value = ["--test-threads", "--skip", "--format", "--color", "--logfile", "-Z"];
    let mut filters = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if with_value.contains(&argument.as_str()) {
            arguments.next();
        } else if !argument.starts_with('-') {
            filters.push(argument);
        }
    }
    filters
}
