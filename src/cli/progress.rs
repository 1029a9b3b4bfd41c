//! How far long work has come: one line on a terminal that is written over, and nothing elsewhere. A crate
//! for it would bring a terminal library along for the sake of this line.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
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
                let moved = moved.min(total);
                let percent = moved.saturating_mul(100) / total;
                format!("{} {percent:3} %  {megabytes} MB", bar(moved, total))
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

/// The line of work that tells nothing of itself: how long it takes, and how much of the files that it
/// writes is there. Taken away when dropped.
pub(super) struct Working {
    line: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Working {
    /// Shows `what` is being done, with the size of these files beside what they will come to, where that is
    /// known.
    pub(super) fn on(what: &'static str, files: Vec<PathBuf>, total: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { line: None };
        }
        let (end, ended) = mpsc::channel::<()>();
        let begun = Instant::now();
        let draw = move || {
            while ended.recv_timeout(PAUSE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let sizes = files.iter().filter_map(|file| file.metadata().ok());
                let there = sizes.map(|found| found.len()).sum();
                let line = working(what, (there, total), begun.elapsed());
                let _ = write!(std::io::stderr().lock(), "\r\x1b[K{line}");
            }
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        };
        Self { line: Some((end, std::thread::spawn(draw))) }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.line.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

/// That line: with a bar where it is known how much there is to do.
fn working(what: &str, (there, total): (u64, Option<u64>), elapsed: Duration) -> String {
    let (minutes, seconds) = (elapsed.as_secs() / 60, elapsed.as_secs() % 60);
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("{what}, {minutes}:{seconds:02}");
    };
    let there = there.min(total);
    let percent = there.saturating_mul(100) / total;
    format!("{} {percent:3} %  {what}, {minutes}:{seconds:02}", bar(there, total))
}

/// A bar for a part of a whole that is not nothing.
fn bar(part: u64, whole: u64) -> String {
    let done = part.saturating_mul(WIDTH) / whole;
    let drawn: String = (0..WIDTH).map(|at| if at < done { '#' } else { '.' }).collect();
    format!("[{drawn}]")
}

/// The line after so many rows, bytes and seconds.
fn line(rows: u64, (read, total): (u64, Option<u64>), elapsed: Duration) -> String {
    let seconds = elapsed.as_secs().max(1);
    let rate = rows / seconds;
    let Some(total) = total else { return format!("{rows} rows, {rate} a second") };
    let read = read.min(total);
    let percent = read.saturating_mul(100) / total;
    let left = match read {
        0 => String::new(),
        read => {
            let left = seconds.saturating_mul(total - read) / read;
            format!(", {}:{:02} left", left / 60, left % 60)
        }
    };
    format!("{} {percent:3} %  {rows} rows, {rate} a second{left}", bar(read, total))
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
    fn work_that_tells_nothing_shows_its_files_or_its_time_alone() {
        let at = Duration::from_secs(65);
        assert_eq!(working("saving rows", (9, None), at), "saving rows, 1:05");
        assert_eq!(
            working("saving rows", (1, Some(4)), at),
            "[######..................]  25 %  saving rows, 1:05"
        );
        assert!(working("x", (9, Some(4)), at).contains("100 %"), "it may come to more");
    }

    #[test]
    fn what_is_read_is_counted() {
        let progress = Progress::new(Some(3));
        let mut text = String::new();
        progress.counted(&b"abc"[..]).read_to_string(&mut text).expect("memory");
        assert_eq!(progress.read.load(Ordering::Relaxed), 3);
    }
}
