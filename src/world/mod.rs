//! The world outside: clock, alarm, chance, disk and network, handed to every part that needs them, so that
//! a simulated world can take their place. Only here are the real ones touched.

pub mod alarm;
pub mod chance;
pub mod clock;
pub mod crowd;
pub mod disk;
pub mod exchange;
pub mod keep;
pub mod network;
pub mod own;
pub mod owner;
pub mod reserve;
pub mod turns;

pub use alarm::Alarm;
pub use chance::{Chance, SystemChance};
#[cfg(test)]
pub use clock::Turned;
pub use clock::{Clock, SystemClock};
pub use disk::{Disk, DiskFile, SystemDisk, is_shortage};
pub use exchange::exchange;
pub use keep::keep;
pub use network::{Network, SystemNetwork, is_here};
pub use own::Own;
pub use owner::{hand_over, ids_of, user_of};
pub use reserve::Reserve;
pub use turns::Turns;

use std::sync::Arc;

/// Everything outside the process that a part may touch. Cheap to clone.
#[derive(Clone)]
pub struct World {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub chance: Arc<dyn Chance>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Connections to other hosts.
    pub network: Arc<dyn Network>,
    /// Room on disk for when there is none.
    pub reserve: Arc<Reserve>,
}

impl World {
    /// The real one.
    #[must_use]
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            chance: Arc::new(SystemChance::new()),
            disk: Arc::new(SystemDisk),
            network: Arc::new(SystemNetwork),
            reserve: Arc::default(),
        }
    }
}
