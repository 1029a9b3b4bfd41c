//! A few words of SMTP, to hear whether somebody answers: bounded in time, lines and bytes.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// Longest wait for one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Most lines of an answer, and most bytes of one line.
const LINES_MAX: usize = 100;
const LINE_MAX: u64 = 2048;

/// A conversation.
pub(super) struct Conversation<S> {
    stream: BufReader<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Over a stream on which nothing was said yet.
    pub(super) fn new(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The next answer, its lines joined.
    pub(super) async fn hear(&mut self) -> Result<String, String> {
        let late = |_| format!("nothing within {} s", PATIENCE.as_secs());
        let read = timeout(PATIENCE, self.read()).await.map_err(late)?;
        read.map_err(|fault| fault.to_string())
    }

    async fn read(&mut self) -> io::Result<String> {
        let mut all = Vec::new();
        for _ in 0..LINES_MAX {
            let mut line = String::new();
            if (&mut self.stream).take(LINE_MAX).read_line(&mut line).await? == 0 {
                return Err(io::Error::other("the connection was closed"));
            }
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            all.push(line.trim_end().to_owned());
            if is_last {
                return Ok(all.join("\n"));
            }
        }
        Err(io::Error::other("it does not stop talking"))
    }

    /// Says a line and hears the answer.
    pub(super) async fn ask(&mut self, line: &str) -> Result<String, String> {
        let write = async {
            self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
            self.stream.flush().await
        };
        let late = |_| "what was said is not taken".to_owned();
        timeout(PATIENCE, write).await.map_err(late)?.map_err(|fault| fault.to_string())?;
        self.hear().await
    }
}

/// Its first line, for people: no control characters, not too long.
pub(super) fn first(answer: &str) -> String {
    let line = answer.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}
