//! What is logged as the journal takes it: a datagram with a field a line, by the protocol that systemd documents as its native
//! one (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
//!
//! It is a page of our own. The library for it prefixes every field in one way, knows no address that must not be written, and has
//! one path for the socket; ours needs fields with names that last (`RELENT_MESSAGE_ID`) and those alone.

use super::entry::{Entry, escaped};
use super::lines::told;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use tracing::Level;

/// Longest name of a field that the journal takes.
const NAME_MAX: usize = 64;
/// Names of fields that are not those of our own with `RELENT_` before them.
const NAMES: [(&str, &str); 2] = [("id", "RELENT_MESSAGE_ID"), ("to", "RELENT_RECIPIENT")];

/// The journal's socket.
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// Finds the journal at a socket.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // Whether somebody listens; the journal may be started anew later, so that each entry finds it by its path.
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// Sends an entry.
    pub(super) fn send(&self, entry: &Entry) -> io::Result<()> {
        self.socket.send_to(&datagram(entry), &self.path).map(|_| ())
    }
}

/// Whether the journal reads our standard error: `JOURNAL_STREAM` names its device and inode.
pub(super) fn is_ours() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let about = std::fs::metadata("/proc/self/fd/2");
    about.is_ok_and(|about| named == format!("{}:{}", about.dev(), about.ino()))
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// A field's name as the journal has it.
fn name_of(field: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(of, _)| *of == field) {
        return (*name).to_owned();
    }
    let letters = field.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    });
    let mut name = String::from("RELENT_");
    name.extend(letters);
    name.truncate(NAME_MAX);
    name
}

/// Writes a field. A value with a line feed has its length before it.
fn put(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

fn datagram(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, "PRIORITY", priority(entry.level));
    put(&mut out, "SYSLOG_IDENTIFIER", "relent");
    put(&mut out, "MESSAGE", &told(entry));
    put(&mut out, "RELENT_TARGET", &entry.target);
    for (name, value) in entry.fields.iter().filter(|(_, value)| !value.text().is_empty()) {
        // Spelt out, as journalctl shows nothing of a value with control characters.
        let mut text = String::new();
        escaped(&mut text, value.text(), &[]);
        put(&mut out, &name_of(name), &text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::entry::Value;

    #[test]
    fn fields_have_names_that_last_and_a_value_of_two_lines_has_its_length() {
        for (field, name) in [
            ("id", "RELENT_MESSAGE_ID"),
            ("to", "RELENT_RECIPIENT"),
            ("account", "RELENT_ACCOUNT"),
            ("event", "RELENT_EVENT"),
            ("some.thing-else", "RELENT_SOME_THING_ELSE"),
        ] {
            assert_eq!(name_of(field), name);
        }
        assert_eq!(name_of(&"x".repeat(100)).len(), NAME_MAX);
        let mut out = Vec::new();
        put(&mut out, "MESSAGE", "one\ntwo");
        put(&mut out, "PRIORITY", "6");
        assert_eq!(out, b"MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\nPRIORITY=6\n");
    }

    #[test]
    fn an_entry_is_sent_to_whoever_listens_at_the_path_now() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("socket");
        assert!(Journal::open(&path).is_err(), "nobody listens");
        let listener = UnixDatagram::bind(&path).expect("a socket");
        let journal = Journal::open(&path).expect("somebody listens");
        let entry = Entry {
            time: String::new(),
            level: Level::WARN,
            target: "relent::spool".into(),
            message: "it is full\nMESSAGE=forged".into(),
            fields: vec![("to", Value::Text("a…@reader.example\nPRIORITY=0".into()))],
        };
        drop(listener);
        assert!(journal.send(&entry).is_err());
        std::fs::remove_file(&path).expect("the old socket");
        let listener = UnixDatagram::bind(&path).expect("the journal anew");
        journal.send(&entry).expect("sent");
        let mut datagram = [0; 4096];
        let length = listener.recv(&mut datagram).expect("it came");
        assert_eq!(
            String::from_utf8_lossy(&datagram[..length]),
            "PRIORITY=4\nSYSLOG_IDENTIFIER=relent\n\
             MESSAGE=it is full\\nMESSAGE=forged to=\"a…@reader.example\\nPRIORITY=0\"\n\
             RELENT_TARGET=relent::spool\nRELENT_RECIPIENT=a…@reader.example\\nPRIORITY=0\n"
        );
    }
}
