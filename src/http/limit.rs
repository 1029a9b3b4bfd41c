//! How many connections there may be, in all and from one address, and how one too many is told.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest time that one who is turned away may take to hear it.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);
/// What one connection too many gets.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 10\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 38\r\n\r\n\
    too many connections; try again later\n";

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
    address: Option<IpAddr>,
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connections {
    pub(super) fn new(all_max: u32, per_address_max: u32) -> Self {
        Self { counts: Arc::default(), all_max, per_address_max }
    }

    /// Counts a connection in; none where it would be one too many. Over a Unix socket there are no
    /// addresses, and only the whole counts.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Option<Counted> {
        let address = address.map(network);
        let mut counts = locked(&self.counts);
        if counts.all >= self.all_max {
            return None;
        }
        if let Some(address) = address {
            let here = counts.by_address.entry(address).or_default();
            if *here >= self.per_address_max {
                return None;
            }
            *here += 1;
        }
        counts.all += 1;
        Some(Counted { counts: self.counts.clone(), address })
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
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let s = v6.segments();
            Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// Turns a connection away: 503 at once, whatever it was about to ask. Nothing is waited for: what a new
/// connection's buffer does not take at once is not said.
pub(super) async fn refuse(io: &mut (impl AsyncWrite + Unpin)) {
    tokio::select! {
        biased;
        _ = io.write_all(REFUSAL) => {}
        () = std::future::ready(()) => {}
    }
}

/// Closes a connection that was turned away so that the answer is heard: a request that lies unread
/// would have the peer's system throw it away.
pub(super) async fn close(mut io: impl AsyncRead + AsyncWrite + Unpin) {
    let farewell = async {
        io.shutdown().await?;
        let mut rest = [0; 1024];
        while io.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ = tokio::time::timeout(FAREWELL_TIME_MAX, farewell).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_in_and_out() {
        let limits = Connections::new(3, 2);
        let address = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        let (one, same_network) = (address("2001:db8::1"), address("2001:db8::ffff:1"));
        let first = limits.enter(one).expect("room");
        let _second = limits.enter(same_network).expect("room");
        assert!(limits.enter(one).is_none(), "a third of one network");
        let _third = limits.enter(None).expect("room");
        assert!(limits.enter(None).is_none(), "a fourth in all");
        drop(first);
        assert!(limits.enter(one).is_some());
    }

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(REFUSAL).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
