//! Relent as a service that holds itself to what it needs: sockets that systemd opens, keys that it hands over,
//! and a cage that whoever breaks in does not get out of.

mod boot;
mod cage;
mod credentials;
mod sockets;

use crate::support::World;
use std::process::Command;

/// Builds a library of `support` to be loaded before all others; its path.
fn library(world: &World, name: &str) -> String {
    let library = world.path(&format!("{name}.so"));
    let source = format!("{}/tests/support/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).args([&source, "-ldl"]);
    assert!(compiler.status().expect("a C compiler").success(), "{source} was not compiled");
    library.display().to_string()
}

/// A field of what the kernel says of a thread.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(str::trim).unwrap_or_default()
}
