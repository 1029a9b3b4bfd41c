//! `relent suppression import` and `relent consent import`: a list is read row by row and handed to the
//! daemon some thousand rows at a time, so that its length costs no memory, here or there.

use super::arguments::{Before, Form, Target};
use super::cells::{self, Cells, Column, Format};
use super::client::{Client, Fault};
use super::progress::Progress;
use super::rows::{Found, Origin, Rows};
use super::services::{self, From};
use super::show;
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of a request beside its rows.
const ENVELOPE: usize = 4096;

/// What is imported, and how it is told.
#[derive(Debug, Args)]
pub(super) struct Incoming {
    /// The list; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How it is written [default: as its name ends, else as it begins].
    #[arg(long)]
    format: Option<Format>,
    /// Write the rows that were refused to this file, CSV or JSON Lines as its name ends.
    #[arg(long, value_name = "FILE", visible_alias = "report")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
}

/// Another service that a list comes from.
#[derive(Debug, Default, Args)]
pub(super) struct Elsewhere {
    /// The service whose export it is, as in sendgrid or sendgrid:bounces; `none`: a plain list
    /// [default: what its columns say beyond doubt].
    #[arg(long, value_name = "SERVICE[:LIST]", value_parser = services::from)]
    from: Option<From>,
    /// The stream that a group or tag of that service is here.
    #[arg(long, value_name = "GROUP=STREAM", value_parser = group)]
    group: Vec<(String, String)>,
}

fn group(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((group, stream)) if !group.is_empty() && !stream.is_empty() => {
            Ok((group.to_owned(), stream.to_owned()))
        }
        _ => Err("write a group and a stream, as in \"Weekly news=newsletter\"".into()),
    }
}

/// What holds for rows that do not say it themselves.
#[derive(Debug, Default)]
pub(super) struct OfAll {
    pub(super) source: Option<String>,
    pub(super) at: Option<String>,
    pub(super) ip: Option<String>,
    pub(super) before: Before,
}

/// A list on its way in.
struct Work<'a> {
    client: &'a Client,
    path: &'static str,
    /// The request without its rows, open for them.
    envelope: String,
    batch: String,
    rows: u32,
    /// Rows refused here since the last request, told in their place among those refused there.
    refused: Vec<(u64, String, String)>,
    tally: Tally,
    report: Report,
    progress: Progress,
}

#[derive(Default)]
struct Tally {
    taken: u64,
    already: u64,
    refused: u64,
    /// Rows of another service that make no stop, by the reason.
    left_out: BTreeMap<&'static str, u64>,
    is_unsettled: bool,
}

/// Where refused rows are told.
enum Report {
    Aside,
    Csv(BufWriter<File>, PathBuf),
    Jsonl(BufWriter<File>, PathBuf),
}

impl Report {
    fn open(path: Option<&Path>) -> Result<Self, Fault> {
        let Some(path) = path else { return Ok(Self::Aside) };
        let file = super::export::private(path).map_err(|fault| unwritten(path, &fault))?;
        let mut file = BufWriter::new(file);
        if Format::of(path) == Some(Format::Csv) {
            let names = cells::row(&["line", "recipient", "why"]);
            file.write_all(names.as_bytes()).map_err(|fault| unwritten(path, &fault))?;
            return Ok(Self::Csv(file, path.into()));
        }
        Ok(Self::Jsonl(file, path.into()))
    }

    fn tell(&mut self, line: u64, given: &str, why: &str) -> Result<(), Fault> {
        match self {
            Self::Aside => {
                show::aside(&format!("line {line}: \"{}\": {why}", given.escape_debug()));
                Ok(())
            }
            Self::Csv(file, path) => {
                let row = cells::row(&[&line.to_string(), given, why]);
                file.write_all(row.as_bytes()).map_err(|fault| unwritten(path, &fault))
            }
            Self::Jsonl(file, path) => {
                let row = json!({"line": line, "recipient": given, "why": why});
                writeln!(file, "{row}").map_err(|fault| unwritten(path, &fault))
            }
        }
    }

    fn close(self) -> Result<(), Fault> {
        match self {
            Self::Aside => Ok(()),
            Self::Csv(mut file, path) | Self::Jsonl(mut file, path) => {
                file.flush().map_err(|fault| unwritten(&path, &fault))
            }
        }
    }
}

/// Whether two names are of one file that is there.
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino()));
    place(one).is_some_and(|found| place(other) == Some(found))
}

fn unwritten(path: &Path, fault: &std::io::Error) -> Fault {
    Fault::Refused(format!("{}: it cannot be written: {fault}", path.display()))
}

impl Incoming {
    /// Imports stops.
    pub(super) async fn stops(
        self,
        client: &Client,
        target: &Target,
        elsewhere: Elsewhere,
    ) -> Result<(), Fault> {
        let Elsewhere { from, group: mut streams } = elsewhere;
        // What a service says of no group of ours is of the stream that the command names.
        streams.extend(target.stream.clone().map(|stream| (String::new(), stream)));
        let origin = Origin { format: None, from: from.unwrap_or_default(), streams };
        self.run(client, ("/suppressions/import", target), OfAll::default(), origin).await
    }

    /// Imports consents to a stream.
    pub(super) async fn consents(
        self,
        client: &Client,
        target: &Target,
        of_all: OfAll,
    ) -> Result<(), Fault> {
        let origin = Origin { from: From::Plain, ..Origin::default() };
        self.run(client, ("/consents/import", target), of_all, origin).await
    }

    async fn run(
        self,
        client: &Client,
        (path, target): (&'static str, &Target),
        of_all: OfAll,
        origin: Origin,
    ) -> Result<(), Fault> {
        let name = self.file.display().to_string();
        if self.refused.as_ref().is_some_and(|report| is_same_file(report, &self.file)) {
            let text = format!(
                "--refused {name} is the list itself, which it would overwrite: name another file"
            );
            return Err(Fault::Usage(text));
        }
        let (mut rows, progress) = self.open(client.limits.import_row_size_max.bytes(), origin)?;
        let needs_source = path.starts_with("/consents")
            && of_all.source.is_none()
            && of_all.before.wording.is_none();
        if needs_source && !rows.may_have(Column::Source) && !rows.may_have(Column::Wording) {
            return Err(Fault::Usage(format!(
                "{name} has no column `source`, and a consent needs evidence: say where all of them \
                 come from, as in --source \"sign-up form\""
            )));
        }
        let mut target = target.clone();
        if let Some(list) = rows.list {
            show::aside(&format!("{name} is read as a list of {}", list.told()));
            // Its unsubscribes name the stream; its complaints and dead addresses are the account's.
            target.stream = None;
        }
        let envelope = envelope(&target, of_all);
        let mut work = Work {
            client,
            path,
            batch: envelope.clone(),
            envelope,
            rows: 0,
            refused: Vec::new(),
            tally: Tally::default(),
            report: Report::open(self.refused.as_deref())?,
            progress,
        };
        let done = work.all(&mut rows, &name).await;
        work.progress.clear();
        if !rows.unused.is_empty() {
            show::aside(&format!("columns not used: {}", rows.unused.join(", ")));
        }
        let Work { tally, report, .. } = work;
        report.close()?;
        for (why, count) in &tally.left_out {
            show::aside(&format!("{name}: {count} rows were left out: {why}"));
        }
        done.map_err(|fault| tally.broken(fault))?;
        tally.tell(self.form, &name)
    }

    fn open(&self, row_size_max: usize, origin: Origin) -> Result<(Rows, Progress), Fault> {
        let name = self.file.display();
        let unread = |why: &str| Fault::Refused(format!("{name}: {why}; nothing was imported"));
        let (source, size): (Box<dyn Read>, Option<u64>) = if self.file == Path::new("-") {
            (Box::new(std::io::stdin()), None)
        } else {
            let opened = File::open(&self.file);
            let file = opened.map_err(|fault| unread(&format!("it cannot be read: {fault}")))?;
            let size = file.metadata().ok().filter(std::fs::Metadata::is_file);
            (Box::new(file), size.map(|found| found.len()))
        };
        let progress = Progress::new(size);
        let format = self.format.or_else(|| Format::of(&self.file));
        let origin = Origin { format, ..origin };
        let rows = Rows::open(progress.counted(source), origin, row_size_max);
        Ok((rows.map_err(|why| unread(&why))?, progress))
    }
}

/// The request up to its rows.
fn envelope(target: &Target, of_all: OfAll) -> String {
    let mut body = Map::new();
    body.insert("account".into(), target.account.as_str().into());
    for (key, value) in [
        ("stream", target.stream.clone()),
        ("source", of_all.source),
        ("at", of_all.at),
        ("ip", of_all.ip),
        ("wording", of_all.before.wording),
        ("wording_version", of_all.before.wording_version),
        ("user_agent", of_all.before.user_agent),
    ] {
        body.extend(value.map(|value| (key.to_owned(), Value::from(value))));
    }
    let mut text = Value::Object(body).to_string();
    text.pop();
    text.push_str(",\"rows\":[");
    text
}

/// A row as the API takes it; none where it names nobody.
fn row(line: u64, cells: Cells) -> Option<Value> {
    let mut row = Map::new();
    row.insert("line".into(), line.into());
    for (column, text) in cells.into_iter().filter(|(column, _)| *column != Column::Told) {
        row.insert(column.key().into(), text.into());
    }
    row.contains_key(Column::Recipient.key()).then_some(Value::Object(row))
}

impl Work<'_> {
    async fn all(&mut self, rows: &mut Rows, name: &str) -> Result<(), Fault> {
        let limits = &self.client.limits;
        let (rows_max, size_max) = (limits.import_rows_max, limits.body_size_max.bytes());
        let room = size_max.saturating_sub(ENVELOPE.max(self.envelope.len()));
        loop {
            let next = rows.next().map_err(|fault| {
                Fault::Refused(format!("{name}: it cannot be read on: {fault}"))
            })?;
            let Some((line, read)) = next else { break };
            let written = match read {
                Found::Cells(cells) => row(line, cells)
                    .map(|row| row.to_string())
                    .ok_or_else(|| (String::new(), "it names no recipient".to_owned())),
                Found::LeftOut(why) => {
                    *self.tally.left_out.entry(why).or_default() += 1;
                    continue;
                }
                Found::Unreadable(wrong) => Err((wrong.given, wrong.why)),
            };
            if self.rows.saturating_add(self.refused_here()) >= rows_max {
                self.send().await?;
            }
            let written = match written {
                Ok(written) if written.len() <= room => written,
                Ok(_) => {
                    let why = "it is larger than http.body_size_max lets through";
                    self.refused.push((line, String::new(), why.into()));
                    continue;
                }
                Err((given, why)) => {
                    self.refused.push((line, given, why));
                    continue;
                }
            };
            if self.batch.len() + written.len() > size_max.saturating_sub(16) {
                self.send().await?;
            }
            if self.rows > 0 {
                self.batch.push(',');
            }
            self.batch.push_str(&written);
            self.rows += 1;
        }
        self.send().await
    }

    fn refused_here(&self) -> u32 {
        u32::try_from(self.refused.len()).unwrap_or(u32::MAX)
    }

    /// Hands the rows over and hears what became of each.
    async fn send(&mut self) -> Result<(), Fault> {
        let mut refused = std::mem::take(&mut self.refused);
        if self.rows > 0 {
            let mut body = std::mem::replace(&mut self.batch, self.envelope.clone());
            self.rows = 0;
            body.push_str("]}");
            let answer = self.client.post_text(self.path, body).await?;
            let count = |key: &str| answer[key].as_u64().unwrap_or_default();
            self.tally.taken += count("taken");
            self.tally.already += count("already");
            self.tally.is_unsettled |= answer["settled"] == Value::Bool(false);
            refused.extend(show::items(&answer, "refused").iter().map(|row| {
                let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                (row["line"].as_u64().unwrap_or_default(), text("recipient"), text("why"))
            }));
            refused.sort_by_key(|(line, ..)| *line);
        }
        for (line, given, why) in refused {
            self.tally.refused += 1;
            self.report.tell(line, &given, &why)?;
        }
        self.progress.show(self.tally.count());
        Ok(())
    }
}

impl Tally {
    fn left_out(&self) -> u64 {
        self.left_out.values().sum()
    }

    fn count(&self) -> u64 {
        self.taken + self.already + self.refused + self.left_out()
    }

    /// The fault that ended an import, with what was done before it.
    fn broken(&self, fault: Fault) -> Fault {
        let rest = format!(
            "; {} rows before it were recorded, {} were there already, {} refused: the same import may \
             be repeated",
            self.taken, self.already, self.refused
        );
        match fault {
            Fault::Refused(text) => Fault::Refused(text + &rest),
            Fault::Usage(text) => Fault::Usage(text + &rest),
            Fault::Unreachable(text) => Fault::Unreachable(text + &rest),
        }
    }

    fn tell(&self, form: Form, name: &str) -> Result<(), Fault> {
        let Self { taken, already, refused, is_unsettled, .. } = self;
        let left_out = self.left_out();
        if form.json {
            show::json(&json!({
                "taken": taken, "already": already, "refused": refused, "left_out": left_out,
                "settled": !is_unsettled,
            }))?;
        } else {
            let rest = if left_out > 0 { format!(", left out {left_out}") } else { String::new() };
            show::line(&format!(
                "taken {taken}, already there {already}, refused {refused}{rest}"
            ))?;
        }
        if *refused > 0 {
            return Err(Fault::Refused(format!(
                "{name}: {refused} of {} rows were refused; the others are recorded",
                self.count()
            )));
        }
        if *is_unsettled {
            let text = "recorded; a message that was being sent may still arrive";
            return Err(Fault::Refused(text.into()));
        }
        Ok(())
    }
}
