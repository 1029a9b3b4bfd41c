//! The daemon's log, followed while it is written: how the attempts for each recipient ended so far.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether a fate has an end; one that has none is judged as far as it goes.
pub fn is_end(fate: &str) -> bool {
    fate.contains("delivered") || fate.contains("failed")
}

/// The log.
pub struct Log {
    found: Mutex<HashMap<String, Vec<String>>>,
}

impl Log {
    pub fn follow(path: PathBuf) -> Arc<Self> {
        let log = Arc::new(Self { found: Mutex::default() });
        let weak = Arc::downgrade(&log);
        tokio::spawn(async move {
            let (mut at, mut rest) = (0, Vec::new());
            while let Some(log) = weak.upgrade() {
                if let Ok(mut file) = std::fs::File::open(&path) {
                    let _ = file.seek(SeekFrom::Start(at));
                    at += file.read_to_end(&mut rest).unwrap_or(0) as u64;
                }
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    log.note(&line);
                }
                drop(log);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        log
    }

    fn note(&self, line: &[u8]) {
        let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else { return };
        if line["target"] == "relent::delivery"
            && let (Some(to), Some(status)) = (line["to"].as_str(), line["status"].as_str())
        {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            let fate = format!("{status} {} {}", line["dsn"], line["said"]);
            found.entry(to.to_owned()).or_default().push(fate);
        }
    }

    fn of(&self, to: &str) -> Vec<String> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(to).cloned().unwrap_or_default()
    }

    pub fn is_deferred(&self, to: &str) -> bool {
        self.of(to).last().is_some_and(|fate| fate.starts_with("deferred"))
    }

    pub async fn until(
        &self,
        deadline: Instant,
        to: &[String],
        count: usize,
    ) -> Result<(), String> {
        self.wait(deadline, to, |fates| fates.len() >= count).await
    }

    pub async fn until_ended(&self, deadline: Instant, to: &[String]) -> Result<(), String> {
        self.wait(deadline, to, |fates| fates.iter().any(|fate| is_end(fate))).await
    }

    async fn wait(
        &self,
        deadline: Instant,
        to: &[String],
        holds: impl Fn(&[String]) -> bool,
    ) -> Result<(), String> {
        while let Some(missing) = to.iter().find(|to| !holds(&self.of(to))) {
            if Instant::now() > deadline {
                return Err(format!("{missing}: waited in vain; so far {:?}", self.of(missing)));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}
