//! Which addresses mail and requests may be sent to. Names that strangers publish must not lead a relay into its own
//! network, nor back to itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why an address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no address of the public internet.
    #[error("not an address of the public internet (allow_private lifts this in labs)")]
    Private,
    /// It is where this relay listens: 5.4.6.
    #[error("this relay itself: mail would loop")]
    Ourselves,
}

/// Whether mail may be sent to `to`, where `own` are the addresses this relay listens on. To be asked of
/// a resolved address, and again of the connected peer.
///
/// # Errors
/// [`Refused`], with the reason.
pub fn permitted(to: SocketAddr, allow_private: bool, own: &[SocketAddr]) -> Result<(), Refused> {
    let address = to.ip().to_canonical();
    let ourselves = own.iter().any(|listen| {
        let here = listen.ip().to_canonical();
        let any = here.is_unspecified() && (address.is_loopback() || address.is_unspecified());
        listen.port() == to.port() && (here == address || any)
    });
    if ourselves {
        return Err(Refused::Ourselves);
    }
    let public = match address {
        IpAddr::V4(address) => public_v4(address),
        IpAddr::V6(address) => public_v6(address),
    };
    if public || allow_private {
        return Ok(());
    }
    Err(Refused::Private)
}

/// The special blocks of IPv4 (RFC 6890) left out.
fn public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || a >= 224
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// Global unicast, 2000::/3, without what tunnels to IPv4 or documents. NAT64 lies outside it.
fn public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let special =
        (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().expect("an address"), 25)
    }

    #[test]
    fn mail_leaves_for_the_public_internet_only() {
        for address in ["8.8.8.8", "100.128.0.1", "2607:f8b0::1", "::ffff:8.8.8.8"] {
            assert_eq!(permitted(to(address), false, &[]), Ok(()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
        ] {
            let said = permitted(to(address), false, &[]);
            assert_eq!(said, Err(Refused::Private), "{address}");
            assert_eq!(permitted(to(address), true, &[]), Ok(()), "{address}");
        }
    }

    #[test]
    fn mail_is_not_sent_to_ourselves_even_in_a_lab() {
        let said = |own: &str| permitted(to("127.0.0.1"), true, &[own.parse().expect("one")]);
        assert_eq!(said("127.0.0.1:25"), Err(Refused::Ourselves));
        assert_eq!(said("0.0.0.0:25"), Err(Refused::Ourselves));
        assert_eq!(said("127.0.0.1:2525"), Ok(()));
    }
}
