//! How answers look: JSON as it came, or aligned tables for people.

use super::arguments::Form;
use super::client::{Client, Fault, query};
use super::paint::{Ink, Paint};
use crate::mail::Timestamp;
use serde_json::Value;
use std::io::Write;

/// Keys whose numbers are moments.
const MOMENTS: [&str; 7] =
    ["accepted", "at", "created", "next_at", "removed", "since", "verified_at"];
/// Keys that stand first in tables whose columns are not chosen.
const FIRST: [&str; 12] = [
    "at",
    "kind",
    "event",
    "message",
    "recipient",
    "state",
    "reason",
    "scope",
    "stream",
    "source",
    "status",
    "text",
];
/// The last column is not padded, and none is padded wider than this.
const WIDTH_MAX: usize = 60;

/// A column: its heading and its key.
pub(super) type Column = (&'static str, &'static str);

/// Writes to standard output. A reader that has gone away is nobody's fault.
///
/// # Errors
/// [`Fault::Refused`] where the answer is lost, as on a full disk.
pub(super) fn put(text: &str) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(fault) if fault.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Fault::Refused(format!(
                "standard output cannot be written: {fault}; what was asked for may be done, but its \
             answer is lost"
            )))
        }
        _ => Ok(()),
    }
}

/// Says something beside the answer, on standard error.
pub(super) fn aside(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", clean(text));
}

/// Says why something was not done, on standard error.
pub(super) fn fault(text: &str, paint: Paint) {
    let _ = writeln!(std::io::stderr().lock(), "{}", paint.text(Some(Ink::Bad), &clean(text)));
}

/// Writes a table of chosen columns.
pub(super) fn table(columns: &[Column], items: &[Value], form: Form) -> Result<(), Fault> {
    put(&Table::new(columns).painted(form).rows(items))
}

/// Writes a line.
pub(super) fn line(text: &str) -> Result<(), Fault> {
    put(&format!("{text}\n"))
}

/// Writes JSON, indented.
pub(super) fn json(value: &Value) -> Result<(), Fault> {
    line(&serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()))
}

/// One line of text that cannot move a terminal's cursor: what peers said is shown, not obeyed.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A value as a table shows it.
pub(super) fn cell(key: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => clean(text),
        Value::Number(number) => match number.as_u64() {
            Some(ms) if MOMENTS.contains(&key) => Timestamp(ms).to_string(),
            _ => number.to_string(),
        },
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) => {
            items.iter().map(|item| cell(key, item)).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| format!("{key}={}", cell(key, value)))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// Rows under headings, aligned.
pub(super) struct Table {
    columns: Vec<(String, String)>,
    widths: Vec<usize>,
    headed: bool,
    paint: Paint,
}

impl Table {
    /// A table of chosen columns.
    pub(super) fn new(columns: &[Column]) -> Self {
        let columns = columns.iter().map(|(head, key)| ((*head).into(), (*key).into())).collect();
        Self::of(columns)
    }

    /// A table of every field that some item has.
    pub(super) fn of_all(items: &[Value]) -> Self {
        let mut keys: Vec<&str> = Vec::new();
        for item in items.iter().filter_map(Value::as_object) {
            for (key, value) in item {
                if !value.is_null() && !keys.contains(&key.as_str()) {
                    keys.push(key);
                }
            }
        }
        keys.sort_by_key(|key| FIRST.iter().position(|first| first == key).unwrap_or(FIRST.len()));
        Self::of(keys.into_iter().map(|key| (key.to_uppercase(), key.into())).collect())
    }

    fn of(columns: Vec<(String, String)>) -> Self {
        let widths = columns.iter().map(|(head, _)| head.chars().count()).collect();
        Self { columns, widths, headed: false, paint: Paint::default() }
    }

    /// Coloured, where the line and standard output let it be.
    #[must_use]
    pub(super) fn painted(self, form: Form) -> Self {
        Self { paint: form.color.out(), ..self }
    }

    /// Adds rows; the first call writes the headings too.
    pub(super) fn rows(&mut self, items: &[Value]) -> String {
        let mut rows: Vec<Vec<String>> = items
            .iter()
            .map(|item| {
                self.columns.iter().map(|(_, key)| cell(key, &item[key.as_str()])).collect()
            })
            .collect();
        let has_heads = !std::mem::replace(&mut self.headed, true);
        if has_heads {
            rows.insert(0, self.columns.iter().map(|(head, _)| head.clone()).collect());
        }
        for row in &rows {
            for (width, text) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(text.chars().count().min(WIDTH_MAX));
            }
        }
        let mut out = String::new();
        for (place, row) in rows.iter().enumerate() {
            let last = row.iter().rposition(|cell| !cell.trim_end().is_empty()).unwrap_or(0);
            for (at, (width, cell)) in self.widths.iter().zip(row).enumerate().take(last + 1) {
                let ink = if has_heads && place == 0 { Some(Ink::Head) } else { Ink::of(cell) };
                let cell = if at == last { cell.trim_end() } else { cell };
                // Padded by what is seen, which colours are not.
                let room =
                    if at == last { 0 } else { width + 2 - cell.chars().count().min(*width) };
                out.push_str(&self.paint.text(ink, cell));
                out.extend(std::iter::repeat_n(' ', room));
            }
            out.push('\n');
        }
        out
    }
}

/// The fields of one thing, a line each.
pub(super) fn fields(value: &Value, columns: &[Column]) -> String {
    let width = columns.iter().map(|(head, _)| head.len()).max().unwrap_or_default();
    columns
        .iter()
        .map(|(head, key)| format!("{head:width$}  {}\n", cell(key, &value[*key])))
        .collect()
}

/// The array of an answer, whether bare or under `key`.
pub(super) fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().or_else(|| value.as_array()).map_or(&[], Vec::as_slice)
}

/// Where a listing goes on after a page that was asked for after `after`; nowhere after the last one. A cursor
/// that does not move would never end.
pub(super) fn next(page: &Value, after: Option<&str>) -> Option<String> {
    let next = match &page["next"] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    next.filter(|next| Some(next.as_str()) != after)
}

/// All items of a listing, of which there are few enough to be held.
pub(super) async fn all(client: &Client, path: &str) -> Result<Vec<Value>, Fault> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let asked = query(&[("after", after.as_deref())]);
        let page = client.get(&format!("{path}{asked}")).await?;
        all.extend_from_slice(items(&page, "items"));
        after = next(&page, after.as_deref());
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// Prints a listing page by page, and says how many items there were; nothing where there is no answer.
pub(super) async fn listing(
    client: &Client,
    path: &str,
    asked: &[(&str, Option<&str>)],
    columns: &[Column],
    form: Form,
) -> Result<usize, Fault> {
    Listing { path, asked, columns, after: None, most: usize::MAX, row: Value::clone }
        .print(client, form)
        .await
}

/// A listing that is printed page by page.
pub(super) struct Listing<'a> {
    pub(super) path: &'a str,
    pub(super) asked: &'a [(&'a str, Option<&'a str>)],
    pub(super) columns: &'a [Column],
    /// The cursor behind which it begins.
    pub(super) after: Option<String>,
    /// Most items that are printed, over all pages.
    pub(super) most: usize,
    /// An item as a row of the table shows it.
    pub(super) row: fn(&Value) -> Value,
}

impl Listing<'_> {
    /// Says how many items there were.
    pub(super) async fn print(self, client: &Client, form: Form) -> Result<usize, Fault> {
        let Self { path, asked, columns, mut after, most, row } = self;
        let mut table = Table::new(columns).painted(form);
        let mut count = 0;
        let limited = asked.iter().any(|(name, value)| *name == "limit" && value.is_some());
        loop {
            let mut pairs = asked.to_vec();
            pairs.push(("after", after.as_deref()));
            // Where a later page fails, what has been printed stays open: nobody takes it for the whole.
            let page = client.get(&format!("{path}{}", query(&pairs))).await?;
            let items = items(&page, "items");
            let items = &items[..items.len().min(most - count)];
            if form.json {
                for (place, item) in (count..).zip(items) {
                    put(&format!("{}\n  {item}", if place > 0 { "," } else { "[" }))?;
                }
            } else if !items.is_empty() {
                put(&table.rows(&items.iter().map(row).collect::<Vec<_>>()))?;
            }
            count += items.len();
            after = next(&page, after.as_deref());
            if after.is_none() || limited || count >= most {
                break;
            }
        }
        if form.json {
            line(if count > 0 { "\n]" } else { "[]" })?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_listing_goes_on_while_its_cursor_moves() {
        let page = |next: Value| serde_json::json!({ "items": [], "next": next });
        assert_eq!(next(&page("b".into()), None).as_deref(), Some("b"));
        assert_eq!(next(&page(7.into()), Some("6")).as_deref(), Some("7"));
        assert_eq!(next(&page("b".into()), Some("b")), None);
        assert_eq!(next(&page(Value::Null), Some("b")), None);
    }

    #[test]
    fn columns_line_up_and_show_moments_as_people_read_them() {
        let mut table = Table::new(&[("NAME", "name"), ("SINCE", "created"), ("TEXT", "text")]);
        let text = table.rows(&[
            json!({"name": "acme", "created": 0, "text": "a\u{1b}[2Jb"}),
            json!({"name": "longer-name", "created": 1_000, "text": null}),
        ]);
        assert_eq!(
            text,
            "NAME         SINCE                 TEXT\n\
             acme         1970-01-01T00:00:00Z  a [2Jb\n\
             longer-name  1970-01-01T00:00:01Z  -\n"
        );
    }

    #[test]
    fn a_table_of_everything_begins_with_what_matters() {
        let all = [json!({"zeta": 1, "reason": "opt_out", "at": 0, "gone": null})];
        let text = Table::of_all(&all).rows(&all);
        assert!(text.starts_with("AT                    REASON   ZETA\n"), "{text}");
    }
}
