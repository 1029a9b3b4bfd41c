//! The header section of a message as bytes (RFC 5322 §2.2): where it ends, its fields in order,
//! one field read, fields left out. Nothing is changed that nobody asked to change.

/// One header field: its name, its value as it stands (folds included, without the final CRLF), and
/// the whole of it with the final CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name without the colon, as it was written.
    pub name: &'a str,
    /// What follows the colon, folds included.
    pub value: &'a [u8],
    /// The field from its first byte to its CRLF.
    pub raw: &'a [u8],
}

impl Field<'_> {
    /// Whether the field has this name, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value on one line: folds undone, blanks around it cut, what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(self.value);
        text.replace("\r\n", "").trim().to_owned()
    }
}

/// A line of a header section that is no field: no colon, or a name with characters no name has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the header is not a field: a name, a colon, a value")]
pub struct Malformed {
    /// The line's number from 1.
    pub line: usize,
}

/// Where the body begins: the offset after the empty line, or the whole length where there is none.
#[must_use]
pub fn body_start(message: &[u8]) -> usize {
    if message.starts_with(b"\r\n") {
        return 2;
    }
    message.windows(4).position(|w| w == b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

/// The fields of a header section in order; the empty line that ends it may be there or not.
///
/// # Errors
/// [`Malformed`] for the first line that is neither a field nor the continuation of one.
pub fn fields(header: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
    let mut found = Vec::new();
    let mut rest = header;
    let mut line = 1;
    while !rest.is_empty() && !rest.starts_with(b"\r\n") {
        let length = field_length(rest);
        let (raw, after) = rest.split_at(length);
        let content = raw.strip_suffix(b"\r\n").unwrap_or(raw);
        let colon = content.iter().position(|&b| b == b':').ok_or(Malformed { line })?;
        let name = content[..colon].trim_ascii_end();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(Malformed { line });
        }
        let name = std::str::from_utf8(name).map_err(|_| Malformed { line })?;
        found.push(Field { name, value: &content[colon + 1..], raw });
        line += raw.windows(2).filter(|w| w == b"\r\n").count();
        rest = after;
    }
    Ok(found)
}

/// From a field's first byte to past the CRLF that no blank follows.
fn field_length(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = rest[at..].windows(2).position(|w| w == b"\r\n") {
        at += end + 2;
        if !matches!(rest.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_with_their_folds() {
        let header = b"From: a@b.example\r\nSubject: one\r\n two\r\nTo:c@d.example\r\n\r\n";
        let fields = fields(header).expect("three fields");
        assert_eq!(fields.len(), 3);
        assert!(fields[1].is("SUBJECT"));
        assert_eq!(fields[1].text(), "one two");
        assert_eq!(fields[2].text(), "c@d.example");
        assert_eq!(body_start(header), header.len());
    }

    #[test]
    fn a_line_without_a_colon_is_named() {
        assert_eq!(fields(b"From: a\r\n b\r\nnonsense\r\n"), Err(Malformed { line: 3 }));
        assert_eq!(fields(b" folded first: x\r\n").map(|f| f.len()), Err(Malformed { line: 1 }));
    }
}
