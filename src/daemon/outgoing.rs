//! Delivery: what of it runs, how the operator's interface asks it, and the shaping file it follows.

use crate::config::{self, Section, Shaping};
use crate::delivery::{Delivery, SuspensionFault};
use crate::http::{self, OutgoingFault};
use crate::mail::{Domain, Timestamp};
use crate::queue::Suspension;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Sends mail, and reports how TLS fared, until told to stop.
pub(super) async fn run(delivery: Arc<Delivery>, stop: CancellationToken) {
    tokio::join!(delivery.clone().report(stop.clone()), delivery.run(stop));
}

/// The way from the API to delivery.
pub(super) struct Way(pub(super) Arc<Delivery>);

impl From<SuspensionFault> for OutgoingFault {
    fn from(fault: SuspensionFault) -> Self {
        match fault {
            SuspensionFault::Unfit(text) => Self::Unfit(text),
            SuspensionFault::Full(_) => Self::Full(fault.to_string()),
            SuspensionFault::Unknown(_) => Self::Unknown(fault.to_string()),
            SuspensionFault::Store(fault) => Self::Store(fault),
        }
    }
}

fn suspension(word: &Suspension) -> Value {
    json!({
        "name": word.name,
        "since": word.at.to_string(),
        "until": word.until.map(|until| until.to_string()),
        "reason": word.reason,
    })
}

/// As JSON, moments as people read them.
fn shown<T: serde::Serialize>(what: &T) -> Value {
    let mut value = serde_json::to_value(what).unwrap_or_default();
    spell(&mut value);
    value
}

fn spell(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_u64() {
                    Some(ms) if key == "at" || key == "until" => {
                        *value = Timestamp(ms).to_string().into();
                    }
                    _ => spell(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(spell),
        _ => {}
    }
}

#[async_trait]
impl http::Outgoing for Way {
    async fn list(&self) -> Result<Value, OutgoingFault> {
        let (sites, suspensions) = self.0.list()?;
        let suspensions: Vec<_> = suspensions.iter().map(suspension).collect();
        Ok(json!({ "sites": shown(&sites), "suspensions": suspensions }))
    }

    async fn site(&self, domain: &Domain) -> Result<Value, OutgoingFault> {
        let report = self.0.site(domain).await?;
        let suspensions: Vec<_> = report.suspensions.iter().map(suspension).collect();
        let mut value = shown(&report);
        value["suspensions"] = suspensions.into();
        Ok(value)
    }

    async fn suspend(
        &self,
        name: &str,
        until: Option<Timestamp>,
        reason: &str,
    ) -> Result<Value, OutgoingFault> {
        Ok(suspension(&self.0.suspend(name, until, reason).await?))
    }

    async fn resume(&self, name: &str) -> Result<Value, OutgoingFault> {
        let (was_suspended, pauses) = self.0.resume(name).await?;
        Ok(json!({ "name": name, "suspension_lifted": was_suspended, "pauses_ended": pauses }))
    }

    async fn probe(&self, domain: &Domain, longest: Duration) -> Value {
        json!(self.0.clone().probe(domain, longest).await)
    }
}

/// The shaping file, looked at now and then.
pub(super) struct ShapingFile {
    settings: Section<config::Delivery>,
    delivery: Arc<Delivery>,
    /// As it was seen last, good or bad; none where it could not be read.
    seen: Mutex<Option<Vec<u8>>>,
}

impl ShapingFile {
    /// The file of these settings, as it was read already.
    pub(super) fn new(settings: Section<config::Delivery>, delivery: Arc<Delivery>) -> Self {
        let seen = settings.shaping.as_ref().and_then(|path| std::fs::read(path).ok());
        Self { settings, delivery, seen: Mutex::new(seen) }
    }

    /// Takes what it says now, where that has changed, which it says; where it is wrong, the one before goes
    /// on to hold.
    pub(super) fn look(&self) -> bool {
        let Some(path) = &self.settings.shaping else { return false };
        let found = std::fs::read(path).ok();
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == found {
                return false;
            }
            *seen = found;
        }
        let is_taken = self.shape();
        if is_taken {
            tracing::info!(target: "relent::daemon", file = %path.display(),
                "the shaping file has changed and holds from now on");
        }
        is_taken
    }

    /// Takes what it says, and what the settings say where it says nothing.
    pub(super) fn take(&self) {
        let found = self.settings.shaping.as_ref().and_then(|path| std::fs::read(path).ok());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = found;
        self.shape();
    }

    fn shape(&self) -> bool {
        match Shaping::load(&self.settings) {
            Ok(shaping) => {
                self.delivery.reshape(shaping);
                true
            }
            Err(fault) => {
                tracing::error!(target: "relent::daemon",
                    "{fault}; what the shaping file said before goes on to hold");
                false
            }
        }
    }
}
