//! The items of JSON that is one document, however long: an array, or an object that holds one. They are
//! taken out one at a time, in no more memory than one may have.

use std::io::{self, BufRead};

/// What services call the array that their rows stand in.
const ARRAYS: [&str; 6] =
    ["items", "Suppressions", "SuppressedDestinationSummaries", "dataList", "results", "Contacts"];

/// What stands in the array.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// An object, or a text.
    Whole(Vec<u8>),
    /// One that is longer than any may be, as it begins.
    TooLong(Vec<u8>),
    /// One that the file ends in.
    Cut(Vec<u8>),
}

/// Whether a file that begins so is one document: an array, or an object whose rows stand in an array of
/// a name that is known. A row on a line of its own is none.
pub(super) fn is_document(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start();
    if text.starts_with('[') {
        return true;
    }
    text.starts_with('{')
        && ARRAYS.iter().any(|name| {
            let after = text.split_once(&format!("\"{name}\"")).map(|(_, after)| after);
            let after = after.and_then(|after| after.trim_start().strip_prefix(':'));
            after.is_some_and(|after| after.trim_start().starts_with('['))
        })
}

/// Where a document is being read.
#[derive(Debug, Default)]
pub(super) struct Items {
    is_within: bool,
    /// How deep what is passed over lies.
    depth: usize,
    /// The text that was read last: the name of what follows.
    name: String,
}

/// The next byte; lines are counted.
fn next(source: &mut dyn BufRead, line: &mut u64) -> io::Result<Option<u8>> {
    let found = source.fill_buf()?.first().copied();
    if let Some(byte) = found {
        source.consume(1);
        *line += u64::from(byte == b'\n');
    }
    Ok(found)
}

/// Reads a text behind its opening quote; false where the file ends in it. No more than `most` bytes are
/// kept.
fn text(
    source: &mut dyn BufRead,
    line: &mut u64,
    kept: &mut Vec<u8>,
    most: usize,
) -> io::Result<bool> {
    let mut is_escaped = false;
    while let Some(byte) = next(source, line)? {
        if kept.len() <= most {
            kept.push(byte);
        }
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

impl Items {
    /// The next item, with the line on which it begins; none at the end. Documents may follow one
    /// another, as the pages of an answer do.
    ///
    /// # Errors
    /// The file.
    pub(super) fn next(
        &mut self,
        source: &mut dyn BufRead,
        line: &mut u64,
        most: usize,
    ) -> io::Result<Option<(u64, Item)>> {
        if !self.is_within && !self.search(source, line)? {
            return Ok(None);
        }
        loop {
            let Some(byte) = next(source, line)? else {
                self.is_within = false;
                return Ok(Some((*line, Item::Cut(Vec::new()))));
            };
            match byte {
                b']' => {
                    self.is_within = false;
                    self.depth = self.depth.saturating_sub(1);
                    if !self.search(source, line)? {
                        return Ok(None);
                    }
                }
                byte if byte.is_ascii_whitespace() || byte == b',' => {}
                byte => {
                    let begun = *line;
                    return Ok(Some((begun, self.item(source, line, byte, most)?)));
                }
            }
        }
    }

    /// Passes over everything before an array of rows; false where there is none.
    fn search(&mut self, source: &mut dyn BufRead, line: &mut u64) -> io::Result<bool> {
        while let Some(byte) = next(source, line)? {
            match byte {
                b'"' => {
                    let mut kept = Vec::new();
                    text(source, line, &mut kept, 64)?;
                    kept.pop();
                    self.name = String::from_utf8_lossy(&kept).into_owned();
                }
                b'[' if self.depth == 0 || ARRAYS.contains(&self.name.as_str()) => {
                    self.depth += 1;
                    self.is_within = true;
                    return Ok(true);
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    self.name.clear();
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b',' => self.name.clear(),
                _ => {}
            }
        }
        Ok(false)
    }

    /// An item that begins with this byte, to its end.
    fn item(
        &mut self,
        source: &mut dyn BufRead,
        line: &mut u64,
        first: u8,
        most: usize,
    ) -> io::Result<Item> {
        let (mut kept, mut depth) = (vec![first], usize::from(matches!(first, b'{' | b'[')));
        let mut is_whole = first != b'"' || text(source, line, &mut kept, most)?;
        while is_whole && first != b'"' {
            // A number or a word ends where its array goes on.
            if depth == 0 {
                let ends =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
                if matches!(first, b'{' | b'[') || source.fill_buf()?.first().is_none_or(ends) {
                    break;
                }
            }
            let Some(byte) = next(source, line)? else {
                is_whole = false;
                break;
            };
            if kept.len() <= most {
                kept.push(byte);
            }
            match byte {
                b'"' => is_whole = text(source, line, &mut kept, most)?,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Ok(match (is_whole, kept.len() > most) {
            (false, _) => {
                self.is_within = false;
                Item::Cut(kept)
            }
            (true, true) => Item::TooLong(kept),
            (true, false) => Item::Whole(kept),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let (mut source, mut line, mut items) = (text.as_bytes(), 1, Items::default());
        let mut said = Vec::new();
        while let Some((at, item)) = items.next(&mut source, &mut line, 30).expect("memory") {
            let (kind, bytes) = match item {
                Item::Whole(bytes) => ("", bytes),
                Item::TooLong(bytes) => ("long ", bytes),
                Item::Cut(bytes) => ("cut ", bytes),
            };
            said.push(format!("{at} {kind}{}", String::from_utf8_lossy(&bytes)));
        }
        said
    }

    #[test]
    fn the_items_of_a_document_are_found_wherever_they_stand() {
        assert_eq!(read(r#"[{"a":"]}"}, "x\"y",7 ]"#), [r#"1 {"a":"]}"}"#, r#"1 "x\"y""#, "1 7"]);
        let pages = "{\"paging\": {\"next\": [1]},\n \"items\": [\n{\"a\":[1,{}]},\n{}]}\n{\"items\":[{\"b\":1}]}";
        assert_eq!(read(pages), ["3 {\"a\":[1,{}]}", "4 {}", "5 {\"b\":1}"]);
        let deep = r#"{"result":true,"info":{"dataList":[{"e":1}],"count":1}}"#;
        assert_eq!(read(deep), [r#"1 {"e":1}"#]);
        assert_eq!(read(r#"{"items": []}"#), [""; 0]);
    }

    #[test]
    fn what_is_cut_or_too_long_is_told() {
        let long = format!("[{{\"a\":\"{}\"}},\n{{}}]", "x".repeat(90));
        let said = read(&long);
        assert!(said[0].starts_with("1 long {\"a\":\"xxx") && said[1] == "2 {}", "{said:?}");
        assert_eq!(read("[{\"a\":1},{\"b\":\"x"), ["1 {\"a\":1}", "1 cut {\"b\":\"x"]);
        assert_eq!(read("[{},\n"), ["1 {}", "2 cut "]);
    }

    #[test]
    fn a_document_is_told_from_rows_on_lines() {
        for (head, is) in [
            (" [", true),
            ("{\n  \"Suppressions\" : [", true),
            (r#"{"result":true,"info":{"dataList":[{"#, true),
            (r#"{"email":"a@b.example"}"#, false),
            (r#"{"email":"a@b.example","items":3}"#, false),
            ("email\n", false),
        ] {
            assert_eq!(is_document(head.as_bytes()), is, "{head}");
        }
    }
}
