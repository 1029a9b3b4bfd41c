//! Settings that change under a running daemon, its restart under load, and what stops it from starting.

mod keys;
mod live;
mod load;
pub mod start;

use crate::support::World;

/// Changes the settings file of a world.
fn edit(world: &World, from: &str, to: &str) {
    let path = world.path("relent.toml");
    let text = std::fs::read_to_string(&path).expect("settings");
    assert!(text.contains(from), "no `{from}` in {text}");
    std::fs::write(&path, text.replacen(from, to, 1)).expect("settings");
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}
