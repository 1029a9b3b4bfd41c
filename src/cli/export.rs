//! `relent suppression export` and `relent consent export`: page after page of the API, written as a
//! list that `import` takes.

use super::arguments::Target;
use super::cells::{self, Format};
use super::client::{Client, Fault, query};
use super::progress::Progress;
use super::show;
use clap::Args;
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Rows asked for at a time.
const PAGE: &str = "1000";
/// Columns of a list of stops.
const STOPS: [&str; 9] =
    ["recipient", "scope", "stream", "reason", "at", "source", "ip", "via", "site"];
/// Columns of a list of consents.
const CONSENTS: [&str; 12] = [
    "recipient",
    "stream",
    "state",
    "at",
    "source",
    "ip",
    "user_agent",
    "wording",
    "wording_version",
    "asked",
    "expires",
    "via",
];

/// Where a list is written.
#[derive(Debug, Args)]
pub(super) struct Outgoing {
    /// The list; `-` or nothing is standard output.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// How it is written [default: as its name ends, else CSV].
    #[arg(long)]
    format: Option<Format>,
}

/// A new file that only its owner may read: it holds people's addresses.
pub(super) fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// A list being written: under another name until it is whole.
struct Sink {
    out: BufWriter<Box<dyn Write>>,
    /// The name while it is written, and the one it gets.
    renamed: Option<(PathBuf, PathBuf)>,
}

impl Sink {
    fn open(file: Option<&Path>) -> std::io::Result<Self> {
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            return Ok(Self { out: BufWriter::new(Box::new(std::io::stdout())), renamed: None });
        };
        // A device or a pipe cannot be put in place of itself.
        let is_special = std::fs::metadata(path).is_ok_and(|found| !found.is_file());
        let (written, renamed) = if is_special {
            (OpenOptions::new().write(true).open(path)?, None)
        } else {
            let mut part = path.as_os_str().to_owned();
            part.push(".part");
            (private(Path::new(&part))?, Some((PathBuf::from(part), path.to_owned())))
        };
        Ok(Self { out: BufWriter::new(Box::new(written)), renamed })
    }

    fn close(mut self) -> std::io::Result<()> {
        self.out.flush()?;
        if let Some((part, path)) = &self.renamed {
            File::open(part)?.sync_all()?;
            std::fs::rename(part, path)?;
        }
        self.renamed = None;
        Ok(())
    }
}

/// A list that was not finished leaves nothing behind.
impl Drop for Sink {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.renamed {
            let _ = std::fs::remove_file(part);
        }
    }
}

impl Outgoing {
    /// Exports the stops of an account, or those that name one stream.
    pub(super) async fn stops(self, client: &Client, target: &Target) -> Result<(), Fault> {
        let stream = target.stream.as_deref();
        let is_meant = |row: &Value| stream.is_none() || row["stream"].as_str() == stream;
        self.run(client, ("/suppressions", target), &STOPS, is_meant).await
    }

    /// Exports the consents to a stream.
    pub(super) async fn consents(self, client: &Client, target: &Target) -> Result<(), Fault> {
        self.run(client, ("/consents", target), &CONSENTS, |_| true).await
    }

    async fn run(
        self,
        client: &Client,
        (path, target): (&str, &Target),
        columns: &[&str],
        is_meant: impl Fn(&Value) -> bool,
    ) -> Result<(), Fault> {
        let name = self.file.as_deref().map_or("standard output".into(), Path::to_string_lossy);
        let unwritten = |fault: std::io::Error| {
            Fault::Refused(format!("{name} cannot be written: {fault}; the list is not whole"))
        };
        let named = self.file.as_deref().and_then(Format::of);
        let format = self.format.or(named).unwrap_or(Format::Csv);
        let mut sink: Option<Sink> = None;
        let mut after: Option<String> = None;
        let (mut progress, mut count) = (Progress::new(None), 0);
        loop {
            let asked = query(&[
                ("account", Some(&target.account)),
                ("stream", target.stream.as_deref()),
                ("after", after.as_deref()),
                ("limit", Some(PAGE)),
            ]);
            // Asked first, so that what there is none of makes no file.
            let page = client.get(&format!("{path}{asked}")).await?;
            let sink = match &mut sink {
                Some(sink) => sink,
                None => {
                    let opened = Sink::open(self.file.as_deref()).map_err(unwritten)?;
                    let sink = sink.insert(opened);
                    if format == Format::Csv {
                        let names = cells::row(columns);
                        sink.out.write_all(names.as_bytes()).map_err(unwritten)?;
                    }
                    sink
                }
            };
            for row in show::items(&page, "items").iter().filter(|row| is_meant(row)) {
                let text = written(row, columns, format);
                sink.out.write_all(text.as_bytes()).map_err(unwritten)?;
                count += 1;
            }
            // What is shown line by line on the terminal needs no word on how far it is.
            if sink.renamed.is_some() {
                progress.show(count);
            }
            after = show::next(&page, after.as_deref());
            if after.is_none() {
                break;
            }
        }
        progress.clear();
        sink.map_or(Ok(()), Sink::close).map_err(unwritten)
    }
}

/// What a column of a row says; what no address is kept of is named by its hash.
fn cell<'a>(row: &'a Value, column: &str) -> &'a str {
    let text = |key: &str| row[key].as_str().filter(|text| !text.is_empty());
    let found = match column {
        "recipient" => text("recipient").or_else(|| text("hash")),
        // Stops have their words beside the way by which they came; consents have them as the source.
        "source" => text("text").or_else(|| text("source")),
        "via" => text("via").or_else(|| text("source")),
        _ => text(column),
    };
    found.unwrap_or_default()
}

fn written(row: &Value, columns: &[&str], format: Format) -> String {
    match format {
        Format::Csv => {
            let cells: Vec<&str> = columns.iter().map(|column| cell(row, column)).collect();
            cells::row(&cells)
        }
        Format::Jsonl | Format::Json => {
            let filled = columns.iter().map(|column| (*column, cell(row, column)));
            let object: Map<String, Value> = filled
                .filter(|(_, text)| !text.is_empty())
                .map(|(column, text)| (column.to_owned(), text.into()))
                .collect();
            format!("{}\n", Value::Object(object))
        }
    }
}
