//! The manual, as `man`, its index and its formatter take it.

use super::{is_here, relent};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

fn pages() -> (TempDir, Vec<PathBuf>) {
    let home = TempDir::new().expect("a folder");
    let out = home.path().join("man");
    relent(&["man", "--out", out.to_str().expect("a name")]);
    let pages: Vec<_> = std::fs::read_dir(&out)
        .expect("the pages")
        .map(|entry| entry.expect("a page").path())
        .collect();
    assert!(pages.len() > 90, "{} pages", pages.len());
    (home, pages)
}

#[test]
fn man_shows_every_page_without_a_warning() {
    if !is_here("man") || !is_here("groff") {
        return;
    }
    let (_home, pages) = pages();
    for page in &pages {
        let shown = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-P", "cat"])
            .arg(page)
            .envs([("LC_ALL", "C.UTF-8"), ("MANWIDTH", "80"), ("MAN_KEEP_FORMATTING", "")])
            .output()
            .expect("man");
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success() && said.is_empty(), "{}: {said}", page.display());
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(text.contains("NAME") && text.contains("SEE ALSO"), "{}: {text}", page.display());
    }
}

#[test]
fn the_index_of_the_manual_takes_every_page() {
    if !is_here("lexgrog") {
        return;
    }
    let (_home, pages) = pages();
    let read = Command::new("lexgrog").args(&pages).env("LC_ALL", "C.UTF-8").output();
    let read = read.expect("lexgrog");
    let text = String::from_utf8_lossy(&read.stdout);
    assert!(read.status.success(), "{text}");
    assert_eq!(text.lines().count(), pages.len(), "{text}");
    assert!(text.contains("relent-queue-retry - Make mail due now"), "{text}");
}
