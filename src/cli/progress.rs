//! How far an import has come: one line on a terminal that is written over, and nothing elsewhere. A crate
//! for it would bring a terminal library along for the sake of this line.

use std::io::{IsTerminal, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Characters of the bar.
const WIDTH: u64 = 24;
/// Least time between two writings.
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a file as they are read.
pub(super) struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The line.
pub(super) struct Progress {
    is_watched: bool,
    /// Bytes of the file, where it has an end that is known.
    total: Option<u64>,
    read: Arc<AtomicU64>,
    begun: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// A line for a file of so many bytes, where that is known.
    pub(super) fn new(total: Option<u64>) -> Self {
        let is_watched = std::io::stderr().is_terminal();
        let total = total.filter(|total| *total > 0);
        Self { is_watched, total, read: Arc::default(), begun: Instant::now(), drawn: None }
    }

    /// Counts what is read from the file.
    pub(super) fn counted<R: Read>(&self, source: R) -> Counted<R> {
        Counted { source, read: self.read.clone() }
    }

    /// Shows how many rows are done.
    pub(super) fn show(&mut self, rows: u64) {
        if !self.is_watched || self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
            return;
        }
        self.drawn = Some(Instant::now());
        let read = self.read.load(Ordering::Relaxed);
        let line = line(rows, (read, self.total), self.begun.elapsed());
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K{line}");
    }

    /// Says how many bytes there will be.
    pub(super) fn of(&mut self, total: u64) {
        self.total = Some(total).filter(|total| *total > 0);
    }

    /// Counts bytes that were moved, and shows how many there are by now.
    pub(super) fn moved(&mut self, count: u64) {
        let moved = self.read.fetch_add(count, Ordering::Relaxed) + count;
        if !self.is_watched || self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE) {
            return;
        }
        self.drawn = Some(Instant::now());
        let megabytes = moved / 1_000_000;
        let line = match self.total {
            Some(total) => {
                let done = moved.min(total).saturating_mul(WIDTH) / total;
                let percent = moved.min(total).saturating_mul(100) / total;
                let bar: String = (0..WIDTH).map(|at| if at < done { '#' } else { '.' }).collect();
                format!("[{bar}] {percent:3} %  {megabytes} MB")
            }
            None => format!("{megabytes} MB"),
        };
        let _ = write!(std::io::stderr().lock(), "\r\x1b[K{line}");
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// The line after so many rows, bytes and seconds.
fn line(rows: u64, (read, total): (u64, Option<u64>), elapsed: Duration) -> String {
    let seconds = elapsed.as_secs().max(1);
    let rate = rows / seconds;
    let Some(total) = total else { return format!("{rows} rows, {rate} a second") };
    let read = read.min(total);
    let done = read.saturating_mul(WIDTH) / total;
    let percent = read.saturating_mul(100) / total;
    let left = match read {
        0 => String::new(),
        read => {
            let left = seconds.saturating_mul(total - read) / read;
            format!(", {}:{:02} left", left / 60, left % 60)
        }
    };
    let bar: String = (0..WIDTH).map(|at| if at < done { '#' } else { '.' }).collect();
    format!("[{bar}] {percent:3} %  {rows} rows, {rate} a second{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_how_fast_and_how_long_still() {
        let at = Duration::from_secs(20);
        assert_eq!(
            line(50_000, (1_000, Some(4_000)), at),
            "[######..................]  25 %  50000 rows, 2500 a second, 1:00 left"
        );
        assert_eq!(line(50_000, (9, None), at), "50000 rows, 2500 a second");
        assert!(line(0, (0, Some(9)), Duration::ZERO).ends_with("  0 %  0 rows, 0 a second"));
        let over = line(1, (10, Some(9)), at);
        assert!(over.starts_with("[########################] 100 %"), "{over}");
    }

    #[test]
    fn what_is_read_is_counted() {
        let progress = Progress::new(Some(3));
        let mut text = String::new();
        progress.counted(&b"abc"[..]).read_to_string(&mut text).expect("memory");
        assert_eq!(progress.read.load(Ordering::Relaxed), 3);
    }
}
