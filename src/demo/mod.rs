//! The story of the README, told over the real daemon.

/// Tells the story; with `keep`, leaves everything running afterwards.
///
/// # Errors
/// The first step that did not hold.
pub async fn run(_keep: bool) -> anyhow::Result<()> {
    anyhow::bail!("this build has no demo yet")
}
