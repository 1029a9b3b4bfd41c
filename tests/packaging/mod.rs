//! What a package installs beside the program: the manual as `man` reads it, completions in real shells.

mod files;
mod manual;
mod shells;

use std::process::{Command, Output};

/// Runs the program, whose word it takes that it went well.
fn relent(arguments: &[&str]) -> Output {
    let ran = Command::new(env!("CARGO_BIN_EXE_relent")).args(arguments).output();
    let ran = ran.expect("the program");
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran
}

/// Whether a program of Debian's is here; says so where it is not.
fn is_here(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("NOT TESTED: there is no {program} here (tests/run installs it)");
    }
    found
}
