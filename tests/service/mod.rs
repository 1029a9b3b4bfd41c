//! Relent as a service that holds itself to what it needs: sockets that systemd opens, keys that it hands over,
//! and a cage that whoever breaks in does not get out of.

mod boot;
mod cage;
mod credentials;
mod sockets;

/// A field of what the kernel says of a thread.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(str::trim).unwrap_or_default()
}
