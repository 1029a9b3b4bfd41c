//! `relent man` and `relent completions`: writes what a package installs.

use super::shells::Shell;
use super::{pages, settings};
use crate::cli::client::Fault;
use crate::cli::show;
use std::path::Path;

/// Writes every page of the manual to a folder, which is made where it is missing.
pub(in crate::cli) fn man(out: &Path) -> Result<(), Fault> {
    let unwritten = |path: &Path, fault: &std::io::Error| {
        Fault::Refused(format!(
            "{}: cannot be written: {fault}; name a folder that you may write with --out",
            path.display()
        ))
    };
    std::fs::create_dir_all(out).map_err(|fault| unwritten(out, &fault))?;
    let mut pages = pages::all();
    pages.push(settings::page());
    for (name, text) in &pages {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|fault| unwritten(&path, &fault))?;
    }
    show::line(&format!("{}: {} pages", out.display(), pages.len()))
}

/// Prints what makes a shell complete the commands.
pub(in crate::cli) fn completions(shell: Shell) -> Result<(), Fault> {
    show::put(&shell.script())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("file");
        std::fs::write(&file, "").expect("a file");
        let said = man(&file.join("pages")).expect_err("a file is no folder").to_string();
        assert!(
            said.contains("/file/pages: cannot be written: ") && said.contains("--out"),
            "{said}"
        );
    }
}
