//! One thing that is logged, taken out of the event that says so, with people's addresses as the settings have them. What
//! others said is made harmless here: nothing that ends a line, moves a terminal's cursor or turns its text around gets through.

use super::addresses::Addresses;
use std::fmt::{Debug, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Longest value that is written, in bytes. Whoever says more is cut off.
const VALUE_MAX: usize = 4 << 10;
/// What stands for what was cut off.
const CUT: char = '…';

/// What a field says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Text, which lines put in quotes where they have quotes.
    Text(String),
    /// What shows itself as it wants.
    Shown(String),
    /// A number or a truth, as JSON writes it.
    Plain(String),
}

impl Value {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Shown(text) | Self::Plain(text) => text,
        }
    }
}

/// One thing that is logged.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// When, in RFC 3339 with microseconds.
    pub(super) time: String,
    pub(super) level: Level,
    pub(super) target: String,
    pub(super) message: String,
    pub(super) fields: Vec<(&'static str, Value)>,
}

impl Entry {
    pub(super) fn of(event: &Event<'_>, addresses: &Addresses) -> Self {
        let about = event.metadata();
        let mut entry = Self {
            time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            level: *about.level(),
            target: about.target().to_owned(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut Reader { entry: &mut entry, addresses });
        entry
    }

    /// The field of a name.
    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(of, _)| *of == name).map(|(_, value)| value)
    }
}

struct Reader<'a> {
    entry: &'a mut Entry,
    addresses: &'a Addresses,
}

impl Reader<'_> {
    fn note(&mut self, field: &Field, text: &str, kind: fn(String) -> Value) {
        let text = self.addresses.masked(text);
        let mut kept = text.as_ref();
        if kept.len() > VALUE_MAX {
            kept = &kept[..kept.floor_char_boundary(VALUE_MAX)];
        }
        let mut kept = kept.to_owned();
        if kept.len() < text.len() {
            kept.push(CUT);
        }
        match field.name() {
            "message" => self.entry.message = kept,
            // Libraries that log by the crate `log` say by these who they are.
            "log.target" => self.entry.target = kept,
            "log.module_path" | "log.file" | "log.line" => {}
            name => {
                let name = name.strip_prefix("r#").unwrap_or(name);
                self.entry.fields.push((name, kind(kept)));
            }
        }
    }
}

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.note(field, &format!("{value:?}"), Value::Shown);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value, Value::Text);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, &value.to_string(), Value::Plain);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, &value.to_string(), Value::Plain);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, &value.to_string(), Value::Plain);
    }
}

/// Whether a character may break a line, or what shows it: control characters, the separators of lines and paragraphs, and
/// what turns the direction of text.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Writes text with what is harmful spelt out, and a backslash before what `also` holds.
pub(super) fn escaped(out: &mut String, text: &str, also: &[char]) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_harmful(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => {
                if also.contains(&c) {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
}
