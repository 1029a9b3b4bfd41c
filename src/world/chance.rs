//! Random bytes, for ids, keys and the spread of retries.

use ring::rand::{SecureRandom, SystemRandom};

/// A source of random bytes.
pub trait Chance: Send + Sync + 'static {
    /// Fills the whole of `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// A number in `0..bound`; 0 where `bound` is 0.
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes).checked_rem(bound).unwrap_or(0)
    }
}

/// The operating system's random bytes.
pub struct SystemChance {
    source: SystemRandom,
}

impl SystemChance {
    /// Opens the system's source.
    #[must_use]
    pub fn new() -> Self {
        Self { source: SystemRandom::new() }
    }
}

impl Default for SystemChance {
    fn default() -> Self {
        Self::new()
    }
}

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) {
        self.source.fill(bytes).expect("getrandom does not fail on a Linux that has booted");
    }
}
