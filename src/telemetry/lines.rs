//! How what is logged looks as a line: for people, as JSON, or as the keys and values that `docs/src/log.md` promises.

use super::entry::{Entry, Value, escaped, is_harmful};
use std::fmt::Write;
use tracing::Level;

/// The keys of a line of keys and values that come first, in this order, where it has them. Whose address it is stands before
/// all that a stranger may write.
const ORDER: [&str; 18] = [
    "client",
    "id",
    "account",
    "stream",
    "user",
    "from",
    "to",
    "recipients",
    "size",
    "relay",
    "delay",
    "code",
    "dsn",
    "class",
    "way",
    "kind",
    "wish",
    "record",
];
/// Keys that come last: what others said.
const LAST: [&str; 2] = ["reason", "said"];

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Message and fields, for people.
pub(super) fn told(entry: &Entry) -> String {
    let mut out = String::new();
    escaped(&mut out, &entry.message, &[]);
    for (name, value) in &entry.fields {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(name);
        out.push('=');
        match value {
            Value::Text(text) => {
                out.push('"');
                escaped(&mut out, text, &['"', '\\']);
                out.push('"');
            }
            Value::Shown(text) | Value::Plain(text) => escaped(&mut out, text, &[]),
        }
    }
    out
}

/// A line for people, in colours where there are any.
pub(super) fn text(entry: &Entry, colours: bool) -> String {
    let level = entry.level.as_str();
    let shade = match entry.level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    let level =
        if colours { format!("\x1b[{shade}m{level:>5}\x1b[0m") } else { format!("{level:>5}") };
    let mut target = String::new();
    escaped(&mut target, &entry.target, &[]);
    format!("{} {level} {target}: {}\n", entry.time, told(entry))
}

/// A text as JSON, with what is harmful spelt out too.
fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_harmful(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// An object of JSON on a line: `timestamp`, `level`, `message`, the fields by their names, `target`.
pub(super) fn json(entry: &Entry) -> String {
    let mut out = String::from("{");
    let mut put = |name: &str, value: &Value| {
        if out.len() > 1 {
            out.push(',');
        }
        quoted(&mut out, name);
        out.push(':');
        match value {
            Value::Plain(text) => out.push_str(text),
            Value::Text(text) | Value::Shown(text) => quoted(&mut out, text),
        }
    };
    put("timestamp", &Value::Text(entry.time.clone()));
    put("level", &Value::Text(entry.level.as_str().to_owned()));
    if !entry.message.is_empty() {
        put("message", &Value::Text(entry.message.clone()));
    }
    let mut seen = vec!["timestamp", "level", "message", "target"];
    for (name, value) in &entry.fields {
        if !seen.contains(name) {
            put(name, value);
            seen.push(name);
        }
    }
    put("target", &Value::Text(entry.target.clone()));
    out + "}\n"
}

/// A pair of a line of keys and values; nothing where there is no value.
fn pair(out: &mut String, name: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(name);
    out.push('=');
    if text
        .chars()
        .any(|c| matches!(c, ' ' | '"' | '=' | '\\') || is_harmful(c) || c.is_whitespace())
    {
        out.push('"');
        escaped(out, text, &['"', '\\']);
        out.push('"');
    } else {
        out.push_str(text);
    }
}

/// A line of keys and values: `time`, `level`, `event`, then the keys in an order that stays, what others said last. What is no
/// event of the list is a `note`, and says of which part and what.
pub(super) fn line(entry: &Entry) -> String {
    let mut out = String::new();
    pair(&mut out, "time", &entry.time);
    pair(&mut out, "level", level_name(entry.level));
    match entry.field("event") {
        Some(event) => pair(&mut out, "event", event.text()),
        None => {
            pair(&mut out, "event", "note");
            pair(&mut out, "target", &entry.target);
            pair(&mut out, "message", &entry.message);
        }
    }
    let is_further = |name: &str| {
        !ORDER.contains(&name) && !LAST.contains(&name) && !["event", "status"].contains(&name)
    };
    for name in ORDER {
        pair(&mut out, name, entry.field(name).map_or("", Value::text));
    }
    for (name, value) in entry.fields.iter().filter(|(name, _)| is_further(name)) {
        pair(&mut out, name, value.text());
    }
    for name in LAST {
        pair(&mut out, name, entry.field(name).map_or("", Value::text));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What strangers send to break a line.
    pub(crate) const EVIL: &str =
        "a\r\nevent=delivered\n\u{1b}[2Jb\u{2028}c\u{2029}d\u{85}e\u{7f}f\u{202e}g\0h\"i\\j=k";

    fn entry() -> Entry {
        let text = |text: &str| Value::Text(text.into());
        Entry {
            time: "2026-11-26T18:00:00.000000Z".into(),
            level: Level::INFO,
            target: "relent::delivery".into(),
            message: "outcome".into(),
            fields: vec![
                ("said", text(EVIL)),
                ("event", text("delivered")),
                ("id", Value::Shown("qixl54bdf6n5".into())),
                ("to", text("ann@reader.example")),
                ("from", text("")),
                ("delay", Value::Plain("3".into())),
                ("silently", Value::Plain("true".into())),
            ],
        }
    }

    fn is_one(line: &str) {
        assert!(
            line.ends_with('\n') && !line[..line.len() - 1].chars().any(is_harmful),
            "{line:?}"
        );
    }

    #[test]
    fn keys_and_values_have_an_order_and_what_others_said_is_last() {
        let shown = line(&entry());
        is_one(&shown);
        assert_eq!(
            shown,
            "time=2026-11-26T18:00:00.000000Z level=info event=delivered id=qixl54bdf6n5 \
             to=ann@reader.example delay=3 silently=true \
             said=\"a\\r\\nevent=delivered\\n\\u{1b}[2Jb\\u{2028}c\\u{2029}d\\u{85}e\\u{7f}f\\u{202e}g\\u{0}h\\\"i\\\\j=k\"\n"
        );
    }

    #[test]
    fn what_is_no_event_is_a_note() {
        let mut other = entry();
        other.fields = vec![("why", Value::Text("it is full".into()))];
        other.message = "the spool\nwaits".into();
        let shown = line(&other);
        is_one(&shown);
        assert!(
            shown.ends_with(
                " event=note target=relent::delivery message=\"the spool\\nwaits\" why=\"it is full\"\n"
            ),
            "{shown}"
        );
    }

    #[test]
    fn json_is_one_object_that_says_exactly_what_was_said() {
        let shown = json(&entry());
        is_one(&shown);
        let read: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(read["said"], EVIL);
        assert_eq!(read["delay"], 3);
        assert_eq!(read["silently"], true);
        assert_eq!((&read["level"], &read["target"]), (&"INFO".into(), &"relent::delivery".into()));
        assert_eq!(read["message"], "outcome");
    }

    #[test]
    fn a_line_for_people_is_one_line() {
        let mut one = entry();
        one.fields.push(("shown", Value::Shown(EVIL.into())));
        one.message = EVIL.into();
        is_one(&text(&one, false));
        let coloured = text(&one, true);
        assert!(coloured.contains("\x1b[32m INFO\x1b[0m"), "{coloured:?}");
    }
}
