//! Rows of a list, one at a time, however long the file is: CSV (RFC 4180) or JSON Lines. A row that
//! cannot be read is told by its line, and reading goes on behind it.

use super::cells::{Column, Format, unguarded};
use csv_core::ReadRecordResult;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Cursor, Read};

/// Most columns of a list.
const COLUMNS_MAX: usize = 256;
/// Bytes at the beginning that tell how a file is written.
const HEAD: usize = 64;
/// Most names of columns that are remembered as not used.
const UNUSED_MAX: usize = 20;
/// Most characters of a row that a refusal repeats.
const REPEATED_MAX: usize = 80;

/// What a row says, by column; cells without a word are left out.
pub(super) type Cells = Vec<(Column, String)>;

/// A row that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// What of it can be shown.
    pub(super) given: String,
    /// Why, and what to do.
    pub(super) why: String,
}

/// A row with the line on which it begins.
pub(super) type Row = (u64, Result<Cells, Unreadable>);

/// The rows of a list.
pub(super) struct Rows {
    source: Box<dyn BufRead>,
    row_size_max: usize,
    /// The line that is read next, from 1.
    line: u64,
    form: Form,
    /// Names of columns that mean nothing to us.
    pub(super) unused: Vec<String>,
}

enum Form {
    Csv { core: Box<csv_core::Reader>, cells: Vec<u8>, columns: Vec<Option<Column>> },
    Jsonl,
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
    /// Begins to read; `format` is what was asked for or what the file's name says.
    ///
    /// # Errors
    /// Why it cannot be a list, in words.
    pub(super) fn open(
        mut source: impl Read + 'static,
        format: Option<Format>,
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
        let sniffed = if first == Some(&b'{') { Format::Jsonl } else { Format::Csv };
        let form = match format.unwrap_or(sniffed) {
            Format::Csv => {
                let cells = vec![0; row_size_max];
                Form::Csv { core: Box::new(csv_core::Reader::new()), cells, columns: Vec::new() }
            }
            Format::Jsonl => Form::Jsonl,
        };
        let source = Box::new(BufReader::new(Cursor::new(head).chain(source)));
        let mut rows = Self { source, row_size_max, line: 1, form, unused: Vec::new() };
        if matches!(rows.form, Form::Csv { .. }) {
            let found = rows.read_names()?;
            if let Form::Csv { columns, .. } = &mut rows.form {
                *columns = found;
            }
        }
        Ok(rows)
    }

    /// Whether the list has this column; in JSON Lines any row may.
    pub(super) fn may_have(&self, column: Column) -> bool {
        match &self.form {
            Form::Csv { columns, .. } => columns.contains(&Some(column)),
            Form::Jsonl => true,
        }
    }

    /// The next row; none at the end.
    ///
    /// # Errors
    /// The file.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        match &self.form {
            Form::Csv { .. } => self.next_csv(),
            Form::Jsonl => self.next_json(),
        }
    }

    /// Reads the names of the columns; a single column without a name is one of addresses.
    fn read_names(&mut self) -> Result<Vec<Option<Column>>, String> {
        self.pass_blank_lines().map_err(|fault| format!("it cannot be read: {fault}"))?;
        let text = |cell: &[u8]| String::from_utf8_lossy(cell).trim().to_owned();
        // What was looked at to decide stays to be read where it is a row already.
        let line = self.line;
        let (record, bytes) = self.peek_record().map_err(|f| format!("it cannot be read: {f}"))?;
        let cells: Vec<String> = match &record {
            Record::Whole(cells) => cells.iter().map(|cell| text(cell)).collect(),
            Record::End => return Ok(vec![Some(Column::Recipient)]),
            Record::TooLong(_) => {
                return Err("the first row is too long to be names of columns or an address".into());
            }
            Record::Torn(_) => return Err(format!("line {line}: a quote is not closed")),
        };
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
            return Ok(found);
        }
        if cells.len() == 1 && cells.iter().any(|cell| cell.contains('@')) {
            // No names: the row that was read is given back.
            self.give_back(bytes);
            return Ok(vec![Some(Column::Recipient)]);
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
                return Ok(Some((line, Err(too_long(&start, self.row_size_max)))));
            }
            Record::Torn(start) => return Ok(Some((line, Err(torn(&start, line, self.line))))),
            Record::Whole(cells) => cells,
        };
        let Form::Csv { columns, .. } = &self.form else { return Ok(None) };
        let wrong = |why: &str| Unreadable { given: shown(&cells.join(&b',')), why: why.into() };
        // Spreadsheets end rows with empty cells that no column has.
        let beyond = cells.get(columns.len()..).unwrap_or_default();
        let read = if beyond.iter().any(|cell| !cell.is_empty()) {
            Err(wrong("it has more cells than there are columns: quote what holds a comma"))
        } else {
            let mut found = Vec::with_capacity(columns.len());
            let texts = cells.iter().map(|cell| std::str::from_utf8(cell));
            for (column, text) in columns.iter().zip(texts) {
                match (column, text) {
                    (_, Err(_)) => return Ok(Some((line, Err(wrong("it is not UTF-8"))))),
                    (Some(column), Ok(text)) if !text.trim().is_empty() => {
                        found.push((*column, unguarded(text).to_owned()));
                    }
                    _ => {}
                }
            }
            Ok(found)
        };
        Ok(Some((line, read)))
    }

    fn next_json(&mut self) -> io::Result<Option<Row>> {
        loop {
            let line = self.line;
            let most = self.row_size_max as u64 + 1;
            let mut bytes = Vec::new();
            let read = self.source.by_ref().take(most).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if !bytes.ends_with(b"\n") && bytes.len() > self.row_size_max {
                self.source.skip_until(b'\n')?;
                return Ok(Some((line, Err(too_long(&bytes, self.row_size_max)))));
            }
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let read = self.object(&bytes).map_err(|why| Unreadable { given: shown(&bytes), why });
            return Ok(Some((line, read)));
        }
    }

    fn object(&mut self, bytes: &[u8]) -> Result<Cells, String> {
        let read = serde_json::from_slice::<serde_json::Map<String, Value>>(bytes);
        let object = read.map_err(|fault| {
            format!("it is no JSON object: {fault}; write as in {{\"recipient\": \"a@b.example\"}}")
        })?;
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
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a list says, row by row, as text; then the columns that were not used.
    fn read(text: impl AsRef<[u8]>) -> Vec<String> {
        let source = Cursor::new(text.as_ref().to_vec());
        let mut rows = match Rows::open(source, None, 100) {
            Ok(rows) => rows,
            Err(why) => return vec![format!("no list: {why}")],
        };
        let mut said = Vec::new();
        while let Some((line, row)) = rows.next().expect("memory can be read") {
            said.push(match row {
                Ok(cells) => {
                    let cells = cells.iter().map(|(column, text)| format!("{column:?}={text}"));
                    format!("{line} {}", cells.collect::<Vec<_>>().join(" "))
                }
                Err(wrong) => format!("{line} `{}`: {}", wrong.given, wrong.why),
            });
        }
        said.extend(
            (!rows.unused.is_empty()).then(|| format!("unused: {}", rows.unused.join(" "))),
        );
        said
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let text = "\u{FEFF}Created,First name,E-Mail,email,reason\r\n\
                    2026-01-02,Ann,ann@x.example,b@x.example,opt_out\r\n\r\n\
                    ,\"Bob, \"\"B\"\"\nthe second\",'@x.example\r\n";
        assert_eq!(
            read(text),
            [
                "2 At=2026-01-02 Recipient=ann@x.example Reason=opt_out",
                "4 Recipient=@x.example",
                "unused: First name email"
            ]
        );
    }

    #[test]
    fn an_open_quote_swallows_no_row_in_silence() {
        let head = "recipient,source\n";
        for (rows, last) in [
            ("a1@x.example,\"open\na2@x.example,x\n", 3),
            ("a1@x.example,\"open\na2@x.example,x\na3@x.example,\"closed\"\n", 4),
            ("a1@x.example,\"open\" then\n", 2),
            ("a1@x.example,\"open", 2),
        ] {
            let said = read(format!("{head}{rows}"));
            assert_eq!(said.len(), 1, "{said:?}");
            let lines = format!("none of lines 2 to {last} was read");
            assert!(said[0].starts_with("2 `") && said[0].contains(&lines), "{said:?}");
        }
        let fine = "a1@x.example,\"a \"\"word\"\", and\nmore\"\na2@x.example,plain \"\n";
        assert_eq!(read(format!("{head}{fine}")).len(), 2);
    }

    #[test]
    fn a_column_of_addresses_needs_no_name() {
        assert_eq!(read("ann@x.example\nbob"), ["1 Recipient=ann@x.example", "2 Recipient=bob"]);
        assert_eq!(read("\n\nann@x.example\r\n"), ["3 Recipient=ann@x.example"]);
        assert_eq!(read("email\nann@x.example,,\n"), ["2 Recipient=ann@x.example"]);
        assert_eq!(read(""), [""; 0]);
    }

    #[test]
    fn what_is_no_list_is_told_with_what_it_says() {
        let said = read("name;mail\nAnn;ann@x.example\n").concat();
        assert!(said.contains("line 1 names no column `recipient`"), "{said}");
        assert!(said.contains("`name;mail`; columns are parted by commas"), "{said}");
        assert!(read(b"\xFF\xFEa\0").concat().contains("save it as UTF-8"));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_told_and_the_next_is_read() {
        let long = "x".repeat(500);
        let text = [
            b"email,reason\nann@x.example,a,b\n\"".as_slice(),
            long.as_bytes(),
            b"\n\",y\nb\xFF@x.example,\nlast@x.example\n",
        ];
        let said = read(text.concat());
        assert!(said[0].starts_with("2 `ann@x.example,a,b`: it has more cells"), "{said:?}");
        assert!(said[1].starts_with("3 `xxx") && said[1].contains("(100 bytes)"), "{said:?}");
        assert!(said[2].starts_with("5 ") && said[2].ends_with("it is not UTF-8"), "{said:?}");
        assert_eq!(said[3], "6 Recipient=last@x.example");
        let many = format!("email\n{}\nann@x.example\n", ",".repeat(1000));
        let said = read(many);
        assert!(said[0].starts_with("2 ") && said[1] == "3 Recipient=ann@x.example", "{said:?}");
    }

    #[test]
    fn lines_of_json_are_read_by_the_same_names() {
        let long = "x".repeat(500);
        let text = format!(
            "{{\"email\": \"ann@x.example\", \"created\": 1700000000, \"ip\": null, \"n\": 1}}\n\n\
             {{\"recipient\": [1]}}\nno\n{{\"email\": \"{long}\"}}\n{{\"address\":\"'=b@x.example\"}}"
        );
        let said = read(text);
        assert_eq!(said[0], "1 At=1700000000 Recipient=ann@x.example");
        assert!(said[1].starts_with("3 ") && said[1].contains("`recipient` is no text"));
        assert!(said[2].starts_with("4 `no\n`: it is no JSON object"), "{said:?}");
        assert!(said[3].starts_with("5 ") && said[3].contains("(100 bytes)"), "{said:?}");
        assert_eq!(said[4..], ["6 Recipient='=b@x.example", "unused: n"]);
    }
}
