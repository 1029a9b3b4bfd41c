//! The terminal while a view fills it: keys come one by one, nothing scrolls, and it is given back as it was
//! however the program ends. `rustix`, which is here anyway, knows how: a terminal library would bring a dozen
//! crates for these few lines.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{Read, Stdin, Write, stdin, stdout};
use tokio::sync::mpsc;

/// Another screen, no cursor, lines that are cut and not folded (xterm's DEC private modes).
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// The size of a terminal that does not say.
const SIZE: (usize, usize) = (80, 24);
/// Keys that wait to be seen.
const KEYS_MAX: usize = 16;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A character.
    Char(char),
    /// Escape, Ctrl-C or the end of input.
    Leave,
}

/// The terminal, until it is dropped.
pub(super) struct Terminal {
    before: Termios,
    input: Stdin,
}

impl Terminal {
    /// Takes it.
    pub(super) fn take() -> std::io::Result<Self> {
        let input = stdin();
        let before = tcgetattr(&input)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Flush, &raw)?;
        // From here on it is given back, whatever happens.
        let terminal = Self { before, input };
        write!(stdout().lock(), "{ENTER}")?;
        stdout().lock().flush()?;
        Ok(terminal)
    }

    /// Columns and lines.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => SIZE,
        }
    }

    /// Shows these lines from the top, cut to the terminal.
    pub(super) fn draw(&self, lines: &[String]) -> std::io::Result<()> {
        let (_, height) = self.size();
        let mut frame = String::from("\x1b[H");
        for (place, line) in lines.iter().take(height).enumerate() {
            if place > 0 {
                frame.push_str("\r\n");
            }
            frame.push_str(line);
            frame.push_str("\x1b[K");
        }
        frame.push_str("\x1b[J");
        let mut out = stdout().lock();
        out.write_all(frame.as_bytes())?;
        out.flush()
    }

    /// The keys as they are pressed. The thread that waits for them ends with the process.
    pub(super) fn keys(&self) -> mpsc::Receiver<Key> {
        let (press, pressed) = mpsc::channel(KEYS_MAX);
        let read = move || {
            let mut bytes = [0; 32];
            loop {
                let count = stdin().lock().read(&mut bytes).unwrap_or(0);
                let key = key(&bytes[..count]);
                let is_end = count == 0;
                if key.is_some_and(|key| press.blocking_send(key).is_err()) || is_end {
                    return;
                }
            }
        };
        std::thread::spawn(read);
        pressed
    }
}

/// What was pressed; none for keys that mean nothing, as arrows, which are several bytes.
fn key(bytes: &[u8]) -> Option<Key> {
    match bytes {
        [] | [0x1b] | [0x03, ..] | [0x04, ..] => Some(Key::Leave),
        [0x1b, ..] => None,
        [byte, ..] => Some(Key::Char(char::from(*byte))),
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut out = stdout().lock();
        let _ = write!(out, "{LEAVE}").and_then(|()| out.flush());
        let _ = tcsetattr(&self.input, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_are_not_taken_for_escape() {
        assert_eq!(key(b"q"), Some(Key::Char('q')));
        assert_eq!(key(b"\x1b"), Some(Key::Leave));
        assert_eq!(key(b"\x03"), Some(Key::Leave));
        assert_eq!(key(b"\x1b[A"), None);
        assert_eq!(key(b""), Some(Key::Leave));
    }
}
