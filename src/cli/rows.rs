//! Rows of a list, one at a time, however long the file is: CSV (RFC 4180), JSON Lines or a JSON document,
//! our own or another service's. A row that cannot be read is told by its line, and reading goes on behind
//! it.

use super::cells::{Cells, Column, Format, unguarded};
use super::json_items::{Item, Items, is_document};
use super::services::{self, From, List};
use csv_core::ReadRecordResult;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// Most columns of a list.
const COLUMNS_MAX: usize = 256;
/// Bytes at the beginning that tell how a file is written.
const HEAD: usize = 4096;
/// Most names of columns that are remembered as not used.
const UNUSED_MAX: usize = 20;
/// Most characters of a row that a refusal repeats.
const REPEATED_MAX: usize = 80;

/// A row that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// What of it can be shown.
    pub(super) given: String,
    /// Why, and what to do.
    pub(super) why: String,
}

/// What a row came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It says this.
    Cells(Cells),
    /// Another service's row from which no stop follows; why.
    LeftOut(&'static str),
    /// It says nothing that can be understood.
    Unreadable(Unreadable),
}

/// A row with the line on which it begins.
pub(super) type Row = (u64, Found);

/// A row of JSON as its bytes, with the line on which it begins.
type Unread = (u64, Result<Vec<u8>, Unreadable>);

/// What is said of a list beside its file.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    /// How it is written.
    pub(super) format: Option<Format>,
    /// Which service's it is.
    pub(super) from: From,
    /// Which streams groups of that service are; under the empty name, that of all others.
    pub(super) streams: Vec<(String, String)>,
}

/// The rows of a list.
pub(super) struct Rows {
    source: Box<dyn BufRead>,
    row_size_max: usize,
    /// The line that is read next, from 1.
    line: u64,
    form: Form,
    origin: Origin,
    /// Whose list it is, where it is another service's.
    pub(super) list: Option<&'static List>,
    /// The first row of JSON, which was looked at to know the list.
    first: Option<Unread>,
    /// Names of columns that mean nothing to us.
    pub(super) unused: Vec<String>,
}

enum Form {
    Csv {
        core: Box<csv_core::Reader>,
        cells: Vec<u8>,
        columns: Vec<Option<Column>>,
        names: Vec<String>,
    },
    Jsonl,
    Json(Items),
}

/// A record of CSV as its bytes.
enum Record {
    Whole(Vec<Vec<u8>>),
    TooLong(Vec<u8>),
    /// A quote is not closed, or something stands behind the one that closes a cell.
    Torn(Vec<u8>),
    End,
}

/// Where a record stands between its quotes (RFC 4180 §2): the reader of records is lenient, and would
/// take the rows behind an open quote for a part of its cell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    CellStart,
    Plain,
    Quoted,
    Closed,
    Torn,
}

impl Quotes {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Torn, _) => Self::Torn,
            (Self::Quoted, b'"') => Self::Closed,
            (Self::Quoted, _) => Self::Quoted,
            (Self::Closed | Self::CellStart, b'"') => Self::Quoted,
            (_, b',' | b'\r' | b'\n') => Self::CellStart,
            (Self::Closed, _) => Self::Torn,
            (Self::CellStart | Self::Plain, _) => Self::Plain,
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(REPEATED_MAX).collect()
}

fn too_long(bytes: &[u8], most: usize) -> Unreadable {
    let why = format!(
        "it is longer than http.import_row_size_max ({most} bytes): shorten it, or look for a quote \
         that is not closed"
    );
    Unreadable { given: shown(bytes), why }
}

fn torn(bytes: &[u8], first: u64, next: u64) -> Unreadable {
    let last = next.saturating_sub(1).max(first);
    let why = format!(
        "a quote in it is not closed, or something stands behind the one that closes: none of lines \
         {first} to {last} was read; write a quote within a cell twice"
    );
    Unreadable { given: shown(bytes), why }
}

impl Rows {
    /// Begins to read; the origin's format is what was asked for or what the file's name says.
    ///
    /// # Errors
    /// Why it cannot be a list, in words.
    pub(super) fn open(
        mut source: impl Read + 'static,
        origin: Origin,
        row_size_max: usize,
    ) -> Result<Self, String> {
        let mut head = Vec::with_capacity(HEAD);
        let begun = source.by_ref().take(HEAD as u64).read_to_end(&mut head);
        begun.map_err(|fault| format!("it cannot be read: {fault}"))?;
        if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
            return Err("it is written in UTF-16: save it as UTF-8".into());
        }
        let head = head.strip_prefix(&[0xEF, 0xBB, 0xBF]).map(<[u8]>::to_vec).unwrap_or(head);
        let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
        let sniffed = match first {
            _ if is_document(&head) => Format::Json,
            Some(b'{') => Format::Jsonl,
            _ => Format::Csv,
        };
        // What is called JSON is a document, or lines, as it begins.
        let format = match (origin.format, sniffed) {
            (Some(Format::Json), Format::Json) => Format::Json,
            (Some(Format::Json), _) => Format::Jsonl,
            (asked, sniffed) => asked.unwrap_or(sniffed),
        };
        let form = match format {
            Format::Csv => Form::Csv {
                core: Box::new(csv_core::Reader::new()),
                cells: vec![0; row_size_max],
                columns: Vec::new(),
                names: Vec::new(),
            },
            Format::Jsonl => Form::Jsonl,
            Format::Json => Form::Json(Items::default()),
        };
        let source = Box::new(BufReader::new(Cursor::new(head).chain(source)));
        let (list, first, unused) = (None, None, Vec::new());
        let mut rows = Self { source, row_size_max, line: 1, form, origin, list, first, unused };
        if matches!(rows.form, Form::Csv { .. }) {
            let (found, known) = rows.read_names()?;
            if let Form::Csv { columns, names, .. } = &mut rows.form {
                (*columns, *names) = (found, known);
            }
        } else {
            rows.look_at_first()?;
        }
        Ok(rows)
    }

    /// Knows a list in JSON by its first row.
    fn look_at_first(&mut self) -> Result<(), String> {
        let first = self.next_bytes().map_err(|fault| format!("it cannot be read: {fault}"))?;
        if let Some((_, Ok(bytes))) = &first
            && let Ok(object) = serde_json::from_slice::<serde_json::Map<String, Value>>(bytes)
        {
            let names: Vec<&str> = object.keys().map(String::as_str).collect();
            self.list = services::find(&self.origin.from, &names)?;
        } else if first.is_some() {
            // Addresses alone, or something that is told as a row: only a name says whose it is.
            self.list = match &self.origin.from {
                From::Service(_, Some(_)) => services::find(&self.origin.from, &["email"])?,
                _ => None,
            };
        }
        self.first = first;
        Ok(())
    }

    /// Whether the list has this column; in JSON Lines any row may.
    pub(super) fn may_have(&self, column: Column) -> bool {
        match &self.form {
            Form::Csv { columns, .. } => columns.contains(&Some(column)),
            Form::Jsonl | Form::Json(_) => true,
        }
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// The file.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        match &self.form {
            Form::Csv { .. } => self.next_csv(),
            Form::Jsonl | Form::Json(_) => self.next_json(),
        }
    }

    /// Reads the names of the columns; a single column without a name is one of addresses.
    #[allow(clippy::type_complexity, reason = "what each column means, and what it is called")]
    fn read_names(&mut self) -> Result<(Vec<Option<Column>>, Vec<String>), String> {
        self.pass_blank_lines().map_err(|fault| format!("it cannot be read: {fault}"))?;
        let text = |cell: &[u8]| String::from_utf8_lossy(cell).trim().to_owned();
        // What was looked at to decide stays to be read where it is a row already.
        let line = self.line;
        let (record, bytes) = self.peek_record().map_err(|f| format!("it cannot be read: {f}"))?;
        let cells: Vec<String> = match &record {
            Record::Whole(cells) => cells.iter().map(|cell| text(cell)).collect(),
            Record::End => return Ok((vec![Some(Column::Recipient)], Vec::new())),
            Record::TooLong(_) => {
                return Err("the first row is too long to be names of columns or an address".into());
            }
            Record::Torn(_) => return Err(format!("line {line}: a quote is not closed")),
        };
        let bare = services::bare(&self.origin.from);
        if let Some(bare) = bare.filter(|_| cells.first().is_some_and(|cell| cell.contains('@'))) {
            self.list = services::find(&self.origin.from, bare)?;
            self.give_back(bytes);
            return Ok((vec![None; bare.len()], bare.iter().map(ToString::to_string).collect()));
        }
        let names: Vec<&str> = cells.iter().map(String::as_str).collect();
        self.list = services::find(&self.origin.from, &names)?;
        if self.list.is_some() {
            return Ok((vec![None; cells.len()], cells));
        }
        let mut found: Vec<Option<Column>> = Vec::with_capacity(cells.len());
        for name in &cells {
            let column = Column::named(unguarded(name));
            let is_new = |column| column == Column::Told || !found.contains(&Some(column));
            let is_new = column.is_some_and(is_new);
            found.push(column.filter(|_| is_new));
        }
        if found.contains(&Some(Column::Recipient)) {
            for (name, _) in cells.iter().zip(&found).filter(|(_, column)| column.is_none()) {
                self.note(name);
            }
            return Ok((found, Vec::new()));
        }
        if cells.len() == 1 && cells.iter().any(|cell| cell.contains('@')) {
            // No names: the row that was read is given back.
            self.give_back(bytes);
            return Ok((vec![Some(Column::Recipient)], Vec::new()));
        }
        let hint = match cells.first() {
            Some(first) if first.contains([';', '\t']) => "; columns are parted by commas",
            _ => "",
        };
        Err(format!(
            "line {line} names no column `recipient`, `address` or `email`, and is not a single address: \
             it says `{}`{hint}",
            cells.join(",").escape_debug().take(REPEATED_MAX).collect::<String>()
        ))
    }

    fn note(&mut self, name: &str) {
        let name: String = name.chars().take(REPEATED_MAX).collect();
        if !name.is_empty() && self.unused.len() < UNUSED_MAX && !self.unused.contains(&name) {
            self.unused.push(name);
        }
    }

    /// The first record, and the bytes of the file that it took.
    fn peek_record(&mut self) -> io::Result<(Record, Vec<u8>)> {
        let mut bytes = Vec::new();
        let record = self.record(Some(&mut bytes))?;
        Ok((record, bytes))
    }

    fn give_back(&mut self, bytes: Vec<u8>) {
        let empty: Box<dyn BufRead> = Box::new(io::empty());
        let rest = std::mem::replace(&mut self.source, empty);
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.line = self.line.saturating_sub(lines);
        self.source = Box::new(Cursor::new(bytes).chain(rest));
        if let Form::Csv { core, .. } = &mut self.form {
            **core = csv_core::Reader::new();
        }
    }

    /// Passes over ends of lines before a row, so that its line is known.
    fn pass_blank_lines(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.source.fill_buf()?;
            let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.line += bytes[..blank].iter().filter(|byte| **byte == b'\n').count() as u64;
            let is_all = blank == bytes.len() && blank > 0;
            self.source.consume(blank);
            if !is_all {
                return Ok(());
            }
        }
    }

    /// One record of CSV in no more memory than a row may take; `kept` gets the bytes it was read from.
    fn record(&mut self, mut kept: Option<&mut Vec<u8>>) -> io::Result<Record> {
        let Form::Csv { core, cells, .. } = &mut self.form else { return Ok(Record::End) };
        let mut ends = vec![0; COLUMNS_MAX];
        let (mut length, mut columns, mut overflows) = (0, 0, false);
        let mut quotes = Quotes::CellStart;
        loop {
            let bytes = self.source.fill_buf()?;
            let (result, read, written, ended) =
                core.read_record(bytes, &mut cells[length..], &mut ends[columns..]);
            self.line += bytes[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
            quotes = bytes[..read].iter().fold(quotes, |quotes, byte| quotes.after(*byte));
            if let Some(kept) = &mut kept
                && kept.len() / 4 <= self.row_size_max
            {
                kept.extend_from_slice(&bytes[..read]);
            }
            self.source.consume(read);
            (length, columns) = (length + written, columns + ended);
            match result {
                ReadRecordResult::InputEmpty => {}
                // What does not fit is read to its end and forgotten.
                ReadRecordResult::OutputFull => {
                    overflows = true;
                    length = cells.len() / 2;
                }
                ReadRecordResult::OutputEndsFull => {
                    overflows = true;
                    columns = COLUMNS_MAX / 2;
                }
                ReadRecordResult::Record if overflows => {
                    return Ok(Record::TooLong(cells[..REPEATED_MAX.min(cells.len())].to_vec()));
                }
                ReadRecordResult::Record if matches!(quotes, Quotes::Torn | Quotes::Quoted) => {
                    return Ok(Record::Torn(cells[..REPEATED_MAX.min(length)].to_vec()));
                }
                ReadRecordResult::Record => {
                    let mut start = 0;
                    let cells = ends[..columns].iter().map(|end| {
                        let cell = cells[start..*end].to_vec();
                        start = *end;
                        cell
                    });
                    return Ok(Record::Whole(cells.collect()));
                }
                ReadRecordResult::End => return Ok(Record::End),
            }
        }
    }

    fn next_csv(&mut self) -> io::Result<Option<Row>> {
        self.pass_blank_lines()?;
        let line = self.line;
        let cells = match self.record(None)? {
            Record::End => return Ok(None),
            Record::TooLong(start) => {
                let wrong = too_long(&start, self.row_size_max);
                return Ok(Some((line, Found::Unreadable(wrong))));
            }
            Record::Torn(start) => {
                return Ok(Some((line, Found::Unreadable(torn(&start, line, self.line)))));
            }
            Record::Whole(cells) => cells,
        };
        let Form::Csv { columns, names, .. } = &self.form else { return Ok(None) };
        let wrong = |why: &str| {
            Found::Unreadable(Unreadable { given: shown(&cells.join(&b',')), why: why.into() })
        };
        // Spreadsheets end rows with empty cells that no column has.
        let beyond = cells.get(columns.len()..).unwrap_or_default();
        if beyond.iter().any(|cell| !cell.is_empty()) {
            let why = "it has more cells than there are columns: quote what holds a comma";
            return Ok(Some((line, wrong(why))));
        }
        let mut texts = Vec::with_capacity(cells.len());
        for cell in &cells {
            match std::str::from_utf8(cell) {
                Ok(text) => texts.push(unguarded(text)),
                Err(_) => return Ok(Some((line, wrong("it is not UTF-8")))),
            }
        }
        if let Some(list) = self.list {
            let row: Vec<_> = names.iter().map(String::as_str).zip(texts).collect();
            let read = translated(list, &row, &self.origin.streams);
            return Ok(Some((line, read.unwrap_or_else(|why| wrong(&why)))));
        }
        let mut found = Vec::with_capacity(columns.len());
        for (column, text) in columns.iter().zip(texts) {
            if let Some(column) = column
                && !text.trim().is_empty()
            {
                found.push((*column, text.to_owned()));
            }
        }
        Ok(Some((line, Found::Cells(found))))
    }

    fn next_json(&mut self) -> io::Result<Option<Row>> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => self.next_bytes()?,
        };
        let Some((line, bytes)) = next else { return Ok(None) };
        let read = bytes.and_then(|bytes| {
            self.object(&bytes).map_err(|why| Unreadable { given: shown(&bytes), why })
        });
        Ok(Some((line, read.unwrap_or_else(Found::Unreadable))))
    }

    /// The next row of JSON as its bytes.
    fn next_bytes(&mut self) -> io::Result<Option<Unread>> {
        let most = self.row_size_max;
        if let Form::Json(items) = &mut self.form {
            let item = items.next(self.source.as_mut(), &mut self.line, most)?;
            return Ok(item.map(|(line, item)| {
                let read = match item {
                    Item::Whole(bytes) => Ok(bytes),
                    Item::TooLong(start) => Err(too_long(&start, most)),
                    Item::Cut(start) => {
                        let why = "the file ends before its array does: it is not whole".into();
                        Err(Unreadable { given: shown(&start), why })
                    }
                };
                (line, read)
            }));
        }
        loop {
            let line = self.line;
            let mut bytes = Vec::new();
            let read = self.source.by_ref().take(most as u64 + 1).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if !bytes.ends_with(b"\n") && bytes.len() > most {
                self.source.skip_until(b'\n')?;
                return Ok(Some((line, Err(too_long(&bytes, most)))));
            }
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Ok(Some((line, Ok(bytes))));
        }
    }

    fn object(&mut self, bytes: &[u8]) -> Result<Found, String> {
        if let Ok(address) = serde_json::from_slice::<String>(bytes) {
            return match self.list {
                Some(list) => translated(list, &[("email", &address)], &self.origin.streams),
                None => Ok(Found::Cells(vec![(Column::Recipient, address)])),
            };
        }
        let read = serde_json::from_slice::<serde_json::Map<String, Value>>(bytes);
        let object = read.map_err(|fault| {
            format!("it is no JSON object: {fault}; write as in {{\"recipient\": \"a@b.example\"}}")
        })?;
        if let Some(list) = self.list {
            let texts: Vec<_> = object.iter().map(|(name, value)| (name, plain(value))).collect();
            let row: Vec<_> =
                texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            return translated(list, &row, &self.origin.streams);
        }
        let mut found: Cells = Vec::with_capacity(object.len());
        for (name, value) in object {
            let column = Column::named(&name);
            let is_new =
                |c: &Column| *c == Column::Told || found.iter().all(|(known, _)| known != c);
            let Some(column) = column.filter(is_new) else {
                self.note(&name);
                continue;
            };
            match value {
                Value::Null => {}
                Value::String(text) if text.trim().is_empty() => {}
                Value::String(text) => found.push((column, text)),
                Value::Number(number) if column == Column::At => {
                    found.push((column, number.to_string()));
                }
                other => return Err(format!("`{name}` is no text: it says {other}")),
            }
        }
        Ok(Found::Cells(found))
    }
}

/// Another service's row, as it reads here.
fn translated(
    list: &List,
    row: &[(&str, &str)],
    streams: &[(String, String)],
) -> Result<Found, String> {
    Ok(match list.read(row, streams)? {
        Ok(cells) => Found::Cells(cells),
        Err(why) => Found::LeftOut(why),
    })
}

/// A value of another service's row as a text; an array is its first, as tags are told.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.first().map(plain).unwrap_or_default(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
