<<<<<<< HEAD
//! The story of the README, told over the real daemon.

/// Tells the story; with `keep`, leaves everything running afterwards.
///
/// # Errors
/// The first step that did not hold.
pub async fn run(_keep: bool) -> anyhow::Result<()> {
    anyhow::bail!("this build has no demo yet")
}
=======
//! The story of the README, told over the real daemon: submission, consent, delivery, a reply of "R",
//! a stop that binds queued mail, a refusal with its reason. Every step is checked; the demo ends well
//! only if all held.

mod lab;
pub mod receiver;
mod story;

pub use story::run;
>>>>>>> 4588fd3 (house: Write the architecture, the tidy checks, the daemon's start and drain)
