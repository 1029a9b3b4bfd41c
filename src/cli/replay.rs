//! What was said after a backup, read from files in the forms in which people keep it: events as the API lists
//! them, events as webhooks tell them, an export of the audit chain, an export of stops. Only what stops or ends
//! something is taken: nothing that lets mail through is replayed.

use super::cells::Column;
use super::rows::{Found, Origin, Rows};
use super::services::From;
use crate::backup::LaterRow;
use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::path::Path;

/// Where a tar file says that it is one.
const TAR: std::ops::Range<usize> = 257..262;
/// Longest line.
const LINE_MAX: u64 = 4 << 20;

/// What a row came to.
pub(super) enum Taken {
    /// It is to be replayed.
    Row(LaterRow),
    /// It stops nobody.
    PassedOver,
    /// It cannot be understood: its line, and why.
    Refused(u64, String),
}

/// The SHA-256 of a file, in hex.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut context) = (File::open(path)?, Context::new(&SHA256));
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(HEXLOWER.encode(context.finish().as_ref())),
            count => context.update(&bytes[..count]),
        }
    }
}

/// Whether a file is an archive.
pub(super) fn is_archive(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut head)?;
    Ok(head.get(TAR).is_some_and(|word| word == b"ustar"))
}

type Each<'a> = &'a mut dyn FnMut(Taken) -> Result<(), String>;

/// Reads a file and hands over what each of its rows came to.
pub(super) fn read(
    mut source: impl Read + Send + 'static,
    account: Option<&str>,
    row_size_max: usize,
    each: Each<'_>,
) -> Result<(), String> {
    let mut head = Vec::new();
    let begun = source.by_ref().take(LINE_MAX).read_to_end(&mut head);
    begun.map_err(|fault| format!("it cannot be read: {fault}"))?;
    let line = head.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let first = line.and_then(|line| serde_json::from_slice::<Value>(line).ok());
    let is_ours = first.is_some_and(|first| first.is_object() && Form::of(&first).is_some());
    let source: Chain<Cursor<Vec<u8>>, _> = Cursor::new(head).chain(source);
    if is_ours {
        lines(BufReader::new(source), account, each)
    } else {
        stops(source, account, row_size_max, each)
    }
}

/// A list of stops, as `relent suppression export` writes it.
fn stops(
    source: impl Read + 'static,
    account: Option<&str>,
    row_size_max: usize,
    each: Each<'_>,
) -> Result<(), String> {
    let origin = Origin { from: From::Plain, ..Origin::default() };
    let mut rows = Rows::open(source, origin, row_size_max)?;
    if !rows.may_have(Column::Recipient) {
        return Err("it is no list of stops, no events and no audit export".into());
    }
    while let Some((line, found)) = rows.next().map_err(|fault| fault.to_string())? {
        let cells = match found {
            Found::Cells(cells) => cells,
            Found::LeftOut(_) => {
                each(Taken::PassedOver)?;
                continue;
            }
            Found::Unreadable(unread) => {
                each(Taken::Refused(line, unread.why))?;
                continue;
            }
        };
        let cell = |wanted: Column| {
            let found = cells.iter().find(|(column, _)| *column == wanted);
            found.map(|(_, text)| text.clone()).filter(|text| !text.is_empty())
        };
        each(Taken::Row(LaterRow {
            line,
            what: "stop",
            account: account.map(Into::into),
            recipient: cell(Column::Recipient),
            scope: cell(Column::Scope),
            stream: cell(Column::Stream),
            reason: Some(cell(Column::Reason).unwrap_or_else(|| "manual".into())),
            at: cell(Column::At),
            text: cell(Column::Source),
            message: None,
        }))?;
    }
    Ok(())
}

/// JSON Lines.
fn lines(mut source: impl BufRead, account: Option<&str>, each: Each<'_>) -> Result<(), String> {
    let (mut number, mut text) = (0, Vec::new());
    loop {
        text.clear();
        let read = source.by_ref().take(LINE_MAX).read_until(b'\n', &mut text);
        if read.map_err(|fault| format!("it cannot be read: {fault}"))? == 0 {
            return Ok(());
        }
        number += 1;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let Ok(value) = serde_json::from_slice::<Value>(&text) else {
            each(Taken::Refused(number, "it is no line of JSON".into()))?;
            continue;
        };
        let Some(form) = Form::of(&value) else {
            each(Taken::Refused(number, "it is no event, and no entry of the audit chain".into()))?;
            continue;
        };
        let mut rows = form.rows(&value);
        if rows.is_empty() {
            each(Taken::PassedOver)?;
        }
        for row in &mut rows {
            row.line = number;
            if row.what != "end" {
                row.account = row.account.take().or_else(|| account.map(Into::into));
            }
            each(Taken::Row(std::mem::take(row)))?;
        }
    }
}

/// In whose words a line speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As `/api/v1/events` lists them.
    Event,
    /// As webhooks tell them.
    Webhook,
    /// As `relent audit export` writes them.
    Audit,
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(Into::into)
}

impl Form {
    fn of(value: &Value) -> Option<Self> {
        if value["type"].is_string() && value["data"].is_object() {
            return Some(Self::Webhook);
        }
        if value["sequence"].is_u64() && value["bound"].is_string() {
            return Some(Self::Audit);
        }
        (value["kind"].is_string() && value["at"].is_string()).then_some(Self::Event)
    }

    /// What a line asks for: nothing, mostly.
    fn rows(self, value: &Value) -> Vec<LaterRow> {
        match self {
            Self::Event => Self::event(value),
            Self::Webhook => Self::webhook(value),
            Self::Audit => Self::audit(value),
        }
    }

    fn event(value: &Value) -> Vec<LaterRow> {
        let kind = value["kind"].as_str().unwrap_or_default();
        let stream = text(&value["stream"]);
        let scope = if stream.is_some() { "stream" } else { "account" };
        row(
            kind,
            LaterRow {
                account: text(&value["account"]),
                recipient: text(&value["recipient"]),
                scope: Some(scope.into()),
                stream,
                reason: text(&value["reason"]),
                at: text(&value["at"]),
                text: text(&value["text"]),
                message: text(&value["message"]),
                ..LaterRow::default()
            },
        )
    }

    fn webhook(value: &Value) -> Vec<LaterRow> {
        let (kind, data) = (value["type"].as_str().unwrap_or_default(), &value["data"]);
        let to = &data["recipient"];
        let domain = text(&to["domain"]).map(|domain| format!("@{domain}"));
        row(
            kind,
            LaterRow {
                account: text(&data["account"]),
                recipient: domain.or_else(|| text(&to["address"])).or_else(|| text(&to["hash"])),
                scope: text(&data["scope"]),
                stream: text(&data["stream"]),
                reason: text(&data["reason"]),
                at: text(&value["timestamp"]),
                text: text(&data["text"]),
                message: text(&data["message"]),
                ..LaterRow::default()
            },
        )
    }

    fn audit(value: &Value) -> Vec<LaterRow> {
        let (kind, details) = (value["kind"].as_str().unwrap_or_default(), &value["details"]);
        if kind == "recipient.forgotten" {
            let forgotten = details["forgotten"].as_array().into_iter().flatten();
            let erasure = |of: &Value| LaterRow {
                what: "erasure",
                account: text(&of["account"]),
                recipient: text(&of["recipient"]),
                ..LaterRow::default()
            };
            return forgotten.map(erasure).collect();
        }
        let kind = if kind == "suppression.made" { "recipient.suppressed" } else { kind };
        row(
            kind,
            LaterRow {
                account: text(&value["account"]),
                recipient: text(&value["recipient"]),
                scope: text(&details["scope"]),
                stream: text(&details["stream"]),
                reason: text(&details["reason"]),
                at: text(&value["at"]),
                text: text(&details["text"]),
                ..LaterRow::default()
            },
        )
    }
}

/// What an event of a kind asks for.
fn row(kind: &str, mut row: LaterRow) -> Vec<LaterRow> {
    row.what = match kind {
        "recipient.suppressed" | "recipient.complained" => "stop",
        "consent.withdrawn" => "withdrawal",
        "message.delivered" | "message.bounced" | "message.failed" | "message.expired"
        | "message.stopped" | "message.cancelled" => "end",
        _ => return Vec::new(),
    };
    if row.what == "end" {
        (row.account, row.scope, row.stream) = (None, None, None);
    }
    vec![row]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(list: &str, account: Option<&str>) -> (Vec<LaterRow>, u64, u64) {
        let (mut rows, mut passed_over, mut refused) = (Vec::new(), 0, 0);
        let source = Cursor::new(list.to_owned().into_bytes());
        read(source, account, 1 << 16, &mut |taken| {
            match taken {
                Taken::Row(row) => rows.push(row),
                Taken::PassedOver => passed_over += 1,
                Taken::Refused(..) => refused += 1,
            }
            Ok(())
        })
        .expect("read");
        (rows, passed_over, refused)
    }

    #[test]
    fn events_of_the_api_stop_and_end_and_let_nothing_through() {
        let list = "{\"id\":\"1.2\",\"kind\":\"recipient.suppressed\",\"at\":\"2026-03-01T00:00:00Z\",\
            \"stream\":\"news\",\"recipient\":\"ann@a.example\",\"reason\":\"opt_out\"}\n\n\
            {\"id\":\"1.3\",\"kind\":\"recipient.lifted\",\"at\":\"2026-03-01T00:00:00Z\"}\n\
            {\"id\":\"1.4\",\"kind\":\"consent.granted\",\"at\":\"2026-03-01T00:00:00Z\"}\nnot json\n\
            {\"id\":\"1.5\",\"kind\":\"message.delivered\",\"at\":\"2026-03-01T00:00:00Z\",\
            \"stream\":\"news\",\"recipient\":\"bob@a.example\",\"message\":\"abc\"}\n";
        let (rows, passed_over, refused) = taken(list, Some("acme"));
        assert_eq!((rows.len(), passed_over, refused), (2, 2, 1));
        assert_eq!((rows[0].what, rows[0].line), ("stop", 1));
        assert_eq!(rows[0].account.as_deref(), Some("acme"));
        assert_eq!(rows[0].scope.as_deref(), Some("stream"));
        assert_eq!((rows[1].what, rows[1].message.as_deref()), ("end", Some("abc")));
    }

    #[test]
    fn what_webhooks_told_names_its_account_and_who_has_no_address_by_the_hash() {
        let list = "{\"type\":\"recipient.complained\",\"timestamp\":\"2026-03-01T00:00:00.000Z\",\"version\":1,\
            \"data\":{\"account\":\"acme\",\"stream\":null,\"scope\":\"account\",\"reason\":\"complaint\",\
            \"recipient\":{\"address\":null,\"domain\":null,\"hash\":\"abcd\"}}}\n";
        let (rows, ..) = taken(list, None);
        assert_eq!(rows[0].recipient.as_deref(), Some("abcd"));
        assert_eq!(
            (rows[0].account.as_deref(), rows[0].reason.as_deref()),
            (Some("acme"), Some("complaint"))
        );
    }

    #[test]
    fn the_audit_chain_tells_of_stops_and_of_who_was_forgotten() {
        let list = "{\"sequence\":7,\"bound\":\"00\",\"kind\":\"suppression.made\",\"account\":\"acme\",\
            \"recipient\":\"ann@a.example\",\"at\":\"2026-03-01T00:00:00Z\",\"details\":{\"scope\":\"stream\",\
            \"stream\":\"news\",\"reason\":\"opt_out\"}}\n\
            {\"sequence\":8,\"bound\":\"00\",\"kind\":\"recipient.forgotten\",\"account\":\"acme\",\
            \"details\":{\"forgotten\":[{\"account\":\"acme\",\"recipient\":\"abcd\"},\
            {\"account\":\"global\",\"recipient\":\"efgh\"}]}}\n\
            {\"sequence\":9,\"bound\":\"00\",\"kind\":\"stream.added\",\"account\":\"acme\",\"details\":{}}\n";
        let (rows, passed_over, _) = taken(list, None);
        assert_eq!(
            rows.iter().map(|row| row.what).collect::<Vec<_>>(),
            ["stop", "erasure", "erasure"]
        );
        assert_eq!(rows[0].stream.as_deref(), Some("news"));
        assert_eq!(rows[2].account.as_deref(), Some("global"));
        assert_eq!(passed_over, 1);
    }

    #[test]
    fn a_list_of_stops_is_read_as_import_reads_it() {
        let csv = "recipient,scope,stream,reason,at,source,ip,via,site\n\
            ann@a.example,stream,news,opt_out,2026-03-01T00:00:00Z,a reply,,reply,\n\
            bob@a.example,account,,complaint,2026-03-01T00:00:00Z,,,complaint,\n";
        let (rows, ..) = taken(csv, Some("acme"));
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].line, rows[0].stream.as_deref()), (2, Some("news")));
        assert_eq!(rows[1].reason.as_deref(), Some("complaint"));
        let jsonl =
            "{\"recipient\":\"ann@a.example\",\"scope\":\"account\",\"reason\":\"manual\"}\n";
        let (rows, ..) = taken(jsonl, Some("acme"));
        assert_eq!((rows.len(), rows[0].what), (1, "stop"));
    }
}
