//! The books (`docs/src`, README.md) and that they are true: every command in them is run, every link leads
//! somewhere, and every answer that Relent gives over SMTP is explained.
//!
//! A chapter is a story: its blocks are run in their order against a daemon of its own. What the runner must
//! know and the reader need not stands in comments, `<!-- lab: … -->`; `docs/README.md` lists them.

mod answers;
mod lab;
mod page;
mod stories;
mod structure;

use std::path::{Path, PathBuf};

/// The folder of the repository.
fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page of the repository, as it stands now.
fn read(name: &str) -> String {
    let path = home().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

/// The chapters of the book, as its summary names them.
fn chapters() -> Vec<PathBuf> {
    let links = page::links(&read("docs/src/SUMMARY.md"));
    links.into_iter().map(|(_, target)| Path::new("docs/src").join(target)).collect()
}
