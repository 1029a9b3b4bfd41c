//! Builds every part, runs them, reloads, drains: the only place that knows everyone.

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// What kept it from starting.
pub async fn serve(_config: crate::config::Config) -> anyhow::Result<()> {
    anyhow::bail!("this build cannot serve yet")
}
