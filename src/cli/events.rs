//! What the daemon tells as it happens (server-sent events, WHATWG HTML §9.2), over the admin socket.

use super::client::{Fault, Line};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::collections::VecDeque;

/// Longest event, and largest answer in place of events.
pub(super) const SIZE_MAX: usize = 1 << 20;

/// One thing that was told.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// Its kind.
    pub(super) kind: String,
    /// What it says.
    pub(super) data: Value,
}

/// Reads events from bytes as they come.
#[derive(Debug, Default)]
struct Reader {
    bytes: Vec<u8>,
    kind: String,
    data: String,
    /// The place that was named last.
    place: Option<String>,
}

impl Reader {
    /// Takes bytes; the events that are whole with them.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.bytes.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
                if let Ok(data) = serde_json::from_str(&data) {
                    events.push(Event { kind, data });
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.kind),
                "data" => self.data.push_str(value),
                "id" => self.place = Some(value.to_owned()),
                _ => {}
            }
        }
        events
    }
}

/// A stream of events. Dropped, the connection is closed.
#[derive(Debug)]
pub(super) struct Events {
    body: Incoming,
    _line: Line,
    reader: Reader,
    ready: VecDeque<Event>,
}

impl Events {
    /// Those that an answer tells, over the line that it comes by.
    pub(super) fn of(body: Incoming, line: Line) -> Self {
        Self { body, _line: line, reader: Reader::default(), ready: VecDeque::new() }
    }

    /// Where whoever comes back goes on, as far as the daemon has said.
    pub(super) fn place(&self) -> Option<&str> {
        self.reader.place.as_deref()
    }

    /// The next event; none once the daemon has ended the stream. May be given up and asked again.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let gone =
                || Fault::Unreachable("the daemon has ended the stream: it stops, perhaps".into());
            let Some(frame) = self.body.frame().await else { return Err(gone()) };
            let frame = frame.map_err(|_| gone())?;
            if let Some(bytes) = frame.data_ref() {
                self.ready.extend(self.reader.feed(bytes));
            }
            if self.reader.bytes.len() > SIZE_MAX {
                return Err(Fault::Unreachable("the daemon tells something without an end".into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_read_however_their_bytes_come() {
        let text = b": looking on\n\nevent: line\ndata: {\"text\":\"250 ok\"}\n\nevent: lost\ndata: {\"lost\":3}\n\n";
        let expected = [
            Event { kind: "line".into(), data: json!({"text": "250 ok"}) },
            Event { kind: "lost".into(), data: json!({"lost": 3}) },
        ];
        assert_eq!(Reader::default().feed(text), expected);
        let mut reader = Reader::default();
        let one_by_one: Vec<_> = text.iter().flat_map(|byte| reader.feed(&[*byte])).collect();
        assert_eq!(one_by_one, expected);
        assert_eq!(reader.place, None);
        // A comment alone moves the place too.
        assert_eq!(reader.feed(b": nothing new\nid: 7.3\n\n"), []);
        assert_eq!(reader.place.as_deref(), Some("7.3"));
    }
}
