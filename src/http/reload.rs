//! `/api/v1/reload`: the settings are read anew. The door to the daemon, which this layer does not know.

use super::by::By;
use super::problem::Problem;
use super::suppression::broken;
use crate::events::Act;
use crate::mail::AccountId;
use async_trait::async_trait;
use axum::Json;
use serde_json::Value;

/// The settings of a running daemon, as far as the operator speaks to them.
#[async_trait]
pub trait Reloading: Send + Sync + 'static {
    /// Reads the settings and the files that they name anew: which hold now (`applied`), which need a
    /// restart (`restart`, each a `key` and `why`), and which files were read anew (`files`).
    ///
    /// # Errors
    /// What is wrong with them, in words: nothing has changed.
    async fn reload(&self) -> Result<Value, String>;
}

pub(super) async fn reload(By(parts): By) -> Result<Json<Value>, Problem> {
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let work = tokio::spawn(async move {
        let done = parts.reloading.reload().await.map_err(Problem::unfit)?;
        let keys = done["applied"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let keys: Vec<_> = keys.collect();
        if !keys.is_empty() {
            let act = Act::new(AccountId::INSTALLATION, "settings.reloaded")
                .with("applied", keys.join(", "));
            parts.accounts.write_act(act).await?;
        }
        Ok::<_, Problem>(done)
    });
    Ok(Json(work.await.map_err(|fault| broken(&fault))??))
}

/// Nothing is reloaded: for faces that are shown without a daemon behind them.
#[cfg(test)]
pub(super) struct Still;

#[cfg(test)]
#[async_trait]
impl Reloading for Still {
    async fn reload(&self) -> Result<Value, String> {
        Ok(serde_json::json!({ "applied": [], "restart": [], "files": [] }))
    }
}
