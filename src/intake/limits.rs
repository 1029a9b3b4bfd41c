//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct Counts {
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// Counts connections.
pub(super) struct Connections {
    counts: Arc<Mutex<Counts>>,
    all_max: u32,
    per_address_max: u32,
}

/// A connection that is counted; dropping it counts it out.
pub(super) struct Counted {
    counts: Arc<Mutex<Counts>>,
    address: IpAddr,
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    pub(super) fn new(all_max: u32, per_address_max: u32) -> Self {
        Self { counts: Arc::default(), all_max, per_address_max }
    }

    /// Counts a connection in, or says which limit it would break.
    pub(super) fn enter(&self, address: IpAddr) -> Result<Counted, &'static str> {
        let address = network(address);
        let mut counts = locked(&self.counts);
        if counts.all >= self.all_max {
            return Err("too many connections; try again later");
        }
        let here = counts.by_address.entry(address).or_default();
        if *here >= self.per_address_max {
            return Err("too many connections from your address; try again later");
        }
        *here += 1;
        counts.all += 1;
        Ok(Counted { counts: self.counts.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = locked(&self.counts);
        counts.all = counts.all.saturating_sub(1);
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 network of 64 bits.
pub(super) fn network(address: IpAddr) -> IpAddr {
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
        let limits = Connections::new(3, 2);
        let one: IpAddr = "2001:db8::1".parse().expect("an address");
        let same_network: IpAddr = "2001:db8::ffff:1".parse().expect("an address");
        let other: IpAddr = "192.0.2.1".parse().expect("an address");
        let first = limits.enter(one).expect("room");
        let _second = limits.enter(same_network).expect("room");
        assert!(limits.enter(one).is_err());
        let _third = limits.enter(other).expect("room");
        drop(first);
        assert!(limits.enter(one).is_ok());
    }
}
