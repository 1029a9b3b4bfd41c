//! Faults: kills, errors of the disk, power cuts, flipped bytes, clocks that jump. The ledger of what was
//! acknowledged and the mailbox of what was received both lie outside the daemon's process: nothing
//! acknowledged may be missing, no dot may follow an acknowledged opt-out, and no start needs help.

mod ledger;
mod scene;

mod calls;
mod clock;
mod errors;
mod flips;
mod full;
mod kills;
mod power;
mod programs;

/// Whether the programme runs in its long form.
fn is_long() -> bool {
    std::env::var("RELENT_CRASH_LONG").is_ok_and(|text| text == "1")
}

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    /// A seed from the clock, said aloud.
    fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = std::env::var("RELENT_CRASH_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| now.map_or(1, |since| since.subsec_nanos().into()));
        eprintln!("RELENT_CRASH_SEED={seed}");
        Self(seed)
    }

    /// Below `limit`, which is more than nothing.
    fn below(&mut self, limit: u64) -> u64 {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 17) % limit
    }
}
