//! What a body is made of, seen as it streams past: plain text or HTML, how much, how long its lines.
//! Nothing is kept but the line at hand.

use super::header::Field;

/// Longest beginning of a line that is looked at, in bytes.
const LINE_MAX: usize = 256;
/// Most boundaries that are told apart.
const BOUNDARIES_MAX: usize = 20;

/// What has been seen of a body.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// Bytes of it.
    pub size: u64,
    /// Bytes of its parts in HTML, as they are encoded.
    pub html: u64,
    /// Whether it has a part in plain text.
    pub has_text: bool,
    /// Bytes of its longest line, without its CRLF.
    pub line_longest: u64,
    /// Whether the header says MIME-Version.
    pub is_mime: bool,
    /// Whether it holds bytes above 127.
    pub is_eight_bit: bool,
    part: Part,
    place: Place,
    boundaries: Vec<Vec<u8>>,
    line: Vec<u8>,
    line_length: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    Text,
    Html,
    #[default]
    Other,
}

/// Where in a part the next line stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    Header,
    #[default]
    Body,
}

impl Shape {
    /// Begins after a message's header.
    #[must_use]
    pub fn of(fields: &[Field<'_>]) -> Self {
        let mut shape = Self::default();
        let kind = fields.iter().find(|field| field.is("Content-Type"));
        match kind {
            Some(field) => shape.type_is(&field.text()),
            // RFC 2045 §5.2.
            None => shape.part = Part::Text,
        }
        shape.has_text = shape.part == Part::Text;
        shape.is_mime = fields.iter().any(|field| field.is("MIME-Version"));
        shape
    }

    /// More of the body.
    pub fn write(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.is_eight_bit |= !bytes.is_ascii();
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.piece(&rest[..=end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.piece(rest);
    }

    fn piece(&mut self, bytes: &[u8]) {
        self.line_length += bytes.len() as u64;
        // Where no line can open a part, none is looked at.
        if !self.boundaries.is_empty() {
            let room = LINE_MAX.saturating_sub(self.line.len());
            self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        let content = self.line_length.saturating_sub(2);
        self.line_longest = self.line_longest.max(content);
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        let length = std::mem::take(&mut self.line_length);
        self.look_at(&line, length);
        line.clear();
        self.line = line;
    }

    fn look_at(&mut self, line: &[u8], length: u64) {
        let shown = line.trim_ascii_end();
        let after = shown.strip_prefix(b"--");
        let opens = after.is_some_and(|after| {
            self.boundaries.iter().any(|boundary| after == boundary.as_slice())
        });
        let ends = after.and_then(|after| after.strip_suffix(b"--")).is_some_and(|after| {
            self.boundaries.iter().any(|boundary| after == boundary.as_slice())
        });
        if opens || ends {
            self.place = if opens { Place::Header } else { Place::Body };
            // A part that says nothing of itself is plain text (RFC 2045 §5.2).
            self.part = if opens { Part::Text } else { Part::Other };
            return;
        }
        if self.place == Place::Body {
            self.html += if self.part == Part::Html { length } else { 0 };
            return;
        }
        if shown.is_empty() {
            self.place = Place::Body;
            self.has_text |= self.part == Part::Text;
            return;
        }
        // A folded `boundary=` stands on a line of its own; its name is enough.
        let text = String::from_utf8_lossy(shown).into_owned();
        match text.split_once(':') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("content-type") => {
                self.type_is(value);
            }
            _ if line[0].is_ascii_whitespace() => self.boundary(&text),
            _ => {}
        }
    }

    fn type_is(&mut self, value: &str) {
        let kind = value.trim_start().to_ascii_lowercase();
        self.part = if kind.starts_with("text/plain") {
            Part::Text
        } else if kind.starts_with("text/html") {
            Part::Html
        } else {
            Part::Other
        };
        if kind.starts_with("multipart/") {
            self.boundary(value);
        }
    }

    fn boundary(&mut self, text: &str) {
        let place = text.to_ascii_lowercase().find("boundary=");
        let Some(value) = place.map(|place| text[place + "boundary=".len()..].trim_start()) else {
            return;
        };
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap_or_default(),
            None => value.split([';', ' ', '\t']).next().unwrap_or_default(),
        };
        if !value.is_empty() && self.boundaries.len() < BOUNDARIES_MAX {
            self.boundaries.push(value.as_bytes().to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::*;

    fn shape(message: &str, step: usize) -> Shape {
        let start = header::body_start(message.as_bytes());
        let (head, body) = message.as_bytes().split_at(start);
        let mut shape = Shape::of(&header::fields(head).expect("fields"));
        body.chunks(step).for_each(|piece| shape.write(piece));
        shape
    }

    #[test]
    fn parts_are_told_apart_however_the_body_is_cut() {
        let message = "Content-Type: multipart/mixed; boundary=\"a b\"\r\n\r\npreamble\r\n--a b\r\n\
            Content-Type: multipart/alternative;\r\n boundary=in\r\n\r\n--in\r\n\
            Content-Type: text/html\r\n\r\n<p>12345\r\n--in--\r\n--a b\r\n\
            Content-Type: image/png\r\n\r\nContent-Type: text/plain\r\n\r\n--a b--\r\nend\r\n";
        for step in [1, 2, 7, 1000] {
            let shape = shape(message, step);
            assert!(!shape.has_text && shape.html == 10, "{step}: {shape:?}");
            assert_eq!((shape.line_longest, shape.is_eight_bit), (36, false), "{step}");
        }
        let both = message.replace("image/png", "Text/Plain; charset=utf-8");
        assert!(shape(&both, 3).has_text);
        let silent = message.replace("Content-Type: image/png\r\n", "");
        assert!(shape(&silent, 3).has_text, "a part without a type is plain text");
    }

    #[test]
    fn a_body_of_one_part_is_what_its_header_says() {
        assert!(shape("Subject: x\r\n\r\nHello\r\n", 2).has_text);
        let html = shape("Content-Type: text/html; charset=utf-8\r\n\r\n<p>ü\r\n", 2);
        assert_eq!((html.has_text, html.html, html.size, html.is_eight_bit), (false, 7, 7, true));
    }
}
