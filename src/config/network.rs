//! Networks that a credential may be used from: `192.0.2.0/24`, `2001:db8::/32`, or one address.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// Whether an address lies in it. An IPv4 address is one however it is written.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether all of another lies in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let read = text.parse::<IpNet>().ok().or_else(|| {
            let address = text.parse::<IpAddr>().ok()?.to_canonical();
            Some(IpNet::from(address))
        });
        let net = read.ok_or_else(|| {
            format!("`{text}` is no network: write one as in 192.0.2.0/24 or 2001:db8::/32")
        })?;
        // 192.0.2.7/24 may mean the machine or the network: it is asked, not guessed.
        if net.trunc() != net {
            let meant = net.trunc();
            return Err(format!(
                "`{text}` names a machine in {meant}: write {meant}, or the machine alone"
            ));
        }
        Ok(Self(net))
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.0.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, address, expected) in [
            ("192.0.2.0/24", "192.0.2.7", true),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("192.0.2.0/24", "192.0.3.7", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("::ffff:192.0.2.7", "192.0.2.7", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
        ] {
            let network: Network = network.parse().expect("a network");
            let address = address.parse().expect("an address");
            assert_eq!(network.contains(address), expected, "{network} {address}");
        }
        for (outer, inner, expected) in [
            ("192.0.2.0/24", "192.0.2.128/25", true),
            ("192.0.2.0/24", "192.0.2.0/24", true),
            ("192.0.2.0/24", "192.0.0.0/16", false),
            ("0.0.0.0/0", "2001:db8::/32", false),
        ] {
            let (outer, inner): (Network, Network) =
                (outer.parse().expect("a network"), inner.parse().expect("a network"));
            assert_eq!(outer.covers(&inner), expected, "{outer} {inner}");
        }
        for wrong in ["", "192.0.2.7/24", "192.0.2.0/33", "example.com", "192.0.2.0/24\r\n1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
