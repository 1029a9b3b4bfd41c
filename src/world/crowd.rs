//! How many connections there may be on a listener, in all and from one address.

use crate::config::Now;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Counts {
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// Counts connections.
pub struct Crowd {
    counts: Arc<Mutex<Counts>>,
    all_max: Now<u32>,
    per_address_max: Now<u32>,
}

/// A connection that is counted; dropping it counts it out.
pub struct Counted {
    counts: Arc<Mutex<Counts>>,
    address: Option<IpAddr>,
}

/// Which limit one more connection would break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowded {
    /// That of all connections.
    Everywhere,
    /// That of one address.
    Here,
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Crowd {
    /// Nobody yet, and so many at most.
    #[must_use]
    pub fn new(all_max: impl Into<Now<u32>>, per_address_max: impl Into<Now<u32>>) -> Self {
        let (all_max, per_address_max) = (all_max.into(), per_address_max.into());
        Self { counts: Arc::default(), all_max, per_address_max }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        locked(&self.counts).all
    }

    /// Counts a connection in. Over a Unix socket there are no addresses, and only the whole counts.
    ///
    /// # Errors
    /// The limit that it would break.
    pub fn enter(&self, address: Option<IpAddr>) -> Result<Counted, Crowded> {
        let address = address.map(network);
        let mut counts = locked(&self.counts);
        if counts.all >= self.all_max.get() {
            return Err(Crowded::Everywhere);
        }
        if let Some(address) = address {
            let here = counts.by_address.entry(address).or_default();
            if *here >= self.per_address_max.get() {
                return Err(Crowded::Here);
            }
            *here += 1;
        }
        counts.all += 1;
        Ok(Counted { counts: self.counts.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = locked(&self.counts);
        counts.all = counts.all.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(here) = counts.by_address.get_mut(&address)
        {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 network of 64 bits.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let s = v6.segments();
            Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_in_and_out() {
        let crowd = Crowd::new(3, 2);
        let address = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        let (one, same_network) = (address("2001:db8::1"), address("2001:db8::ffff:1"));
        let first = crowd.enter(one).expect("room");
        let _second = crowd.enter(same_network).expect("room");
        assert_eq!(crowd.enter(one).err(), Some(Crowded::Here), "a third of one network");
        let _third = crowd.enter(None).expect("room");
        let other = crowd.enter(address("192.0.2.1"));
        assert_eq!(other.err(), Some(Crowded::Everywhere), "a fourth in all");
        assert_eq!(crowd.count(), 3);
        drop(first);
        assert_eq!(crowd.count(), 2);
        assert!(crowd.enter(one).is_ok());
    }
}
