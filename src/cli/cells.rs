//! What the columns of a list are called, and cells that no spreadsheet takes for a formula.

use clap::ValueEnum;
use std::path::Path;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// RFC 4180, with a row of names or as one column of addresses.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// One JSON document: an array of objects, or an object that holds one.
    Json,
}

/// What a row says, by column; cells without a word are left out.
pub(super) type Cells = Vec<(Column, String)>;

impl Format {
    /// As a file's name ends.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        match end.as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Recipient,
    Scope,
    Stream,
    Reason,
    State,
    At,
    Source,
    Wording,
    WordingVersion,
    UserAgent,
    Asked,
    Ip,
    /// What a list of ours tells and nobody can bring in: by which way it came, until when it holds.
    Told,
}

impl Column {
    /// By its name, as we and others write it; none for one that we know nothing of.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_lowercase().replace([' ', '-'], "_");
        Some(match name.as_str() {
            "recipient" | "address" | "email" | "e_mail" | "email_address" => Self::Recipient,
            "scope" => Self::Scope,
            "stream" => Self::Stream,
            "reason" => Self::Reason,
            "state" | "status" => Self::State,
            "at" | "created" | "created_at" | "date" | "time" | "timestamp" => Self::At,
            "source" | "detail" | "text" => Self::Source,
            "wording" | "consent_text" => Self::Wording,
            "wording_version" | "consent_version" => Self::WordingVersion,
            "user_agent" | "useragent" | "browser" => Self::UserAgent,
            "asked" | "asked_at" => Self::Asked,
            "ip" | "ip_address" => Self::Ip,
            "via" | "expires" | "site" => Self::Told,
            _ => return None,
        })
    }

    /// As the API calls it.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Scope => "scope",
            Self::Stream => "stream",
            Self::Reason => "reason",
            Self::State => "state",
            Self::At => "at",
            Self::Source => "source",
            Self::Wording => "wording",
            Self::WordingVersion => "wording_version",
            Self::UserAgent => "user_agent",
            Self::Asked => "asked",
            Self::Ip => "ip",
            Self::Told => "",
        }
    }
}

/// Whether a spreadsheet would compute with a cell.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Whether a cell is a formula behind any number of apostrophes, so that taking one off must be undone.
fn is_quoted_formula(cell: &str) -> bool {
    is_formula(cell.trim_start_matches('\''))
}

/// A cell as it is written, with an apostrophe before what a spreadsheet would compute with.
pub(super) fn guarded(cell: &str) -> String {
    if is_quoted_formula(cell) { format!("'{cell}") } else { cell.to_owned() }
}

/// A cell as it was before it was [`guarded`].
pub(super) fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_quoted_formula(rest)).unwrap_or(cell)
}

/// A row of RFC 4180, its cells guarded.
pub(super) fn row(cells: &[&str]) -> String {
    let mut line = String::new();
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        let cell = guarded(cell);
        if cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
            line.push_str(&format!("\"{}\"", cell.replace('"', "\"\"")));
        } else {
            line.push_str(&cell);
        }
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_each_comes_back_as_it_was() {
        for cell in [
            "=1+1",
            "+1",
            "-1",
            "@x.example",
            "\tx",
            "\rx",
            "'=1",
            "''@x",
            "'",
            "'x",
            "x",
            "",
            "a=b",
            "\n=1",
        ] {
            let written = guarded(cell);
            assert!(!is_formula(&written), "{cell:?} was written as {written:?}");
            assert_eq!(unguarded(&written), cell, "{written:?}");
        }
        assert_eq!(guarded("ann@x.example"), "ann@x.example");
        assert_eq!(unguarded("'@x.example"), "@x.example");
        assert_eq!(unguarded("'tis@x.example"), "'tis@x.example");
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let line = row(&["a", "b,c", "say \"x\"", "two\nlines", "=x", ""]);
        assert_eq!(line, "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",'=x,\r\n");
    }

    #[test]
    fn columns_are_found_by_the_names_that_others_give_them() {
        for (name, found) in [
            ("E-Mail", Some(Column::Recipient)),
            (" Email Address ", Some(Column::Recipient)),
            ("Created_At", Some(Column::At)),
            ("detail", Some(Column::Source)),
            ("first name", None),
        ] {
            assert_eq!(Column::named(name), found, "{name}");
        }
        assert_eq!(Format::of(Path::new("x/list.NDJSON")), Some(Format::Jsonl));
        assert_eq!(Format::of(Path::new("list")), None);
    }
}
