//! The book holds together: every chapter stands in its summary, every link leads somewhere, and mdBook builds
//! it where it is installed.

use super::page::{anchors, links};
use super::{chapters, home, read};
use crate::support::sources;
use relent::webhooks::EventKind;
use std::path::{Component, Path, PathBuf};

/// The path without its `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_chapter_stands_in_the_summary() {
    let mut named: Vec<_> = chapters().iter().map(|path| plain(path)).collect();
    named.push("docs/src/SUMMARY.md".into());
    for entry in std::fs::read_dir(home().join("docs/src")).expect("the book") {
        let name = Path::new("docs/src").join(entry.expect("a page").file_name());
        assert!(named.contains(&name), "{} is in no table of contents", name.display());
    }
    for chapter in named {
        assert!(home().join(&chapter).is_file(), "{} is missing", chapter.display());
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = chapters();
    pages.extend(
        [
            "README.md",
            "CHANGELOG.md",
            "docs/README.md",
            "docs/src/SUMMARY.md",
            "src/README.md",
            "tests/README.md",
        ]
        .map(Into::into),
    );
    let mut dead = Vec::new();
    for page in &pages {
        let text = read(&page.display().to_string());
        for (line, target) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = page.parent().expect("a folder");
            let path = if file.is_empty() { page.clone() } else { plain(&folder.join(file)) };
            let there = home().join(&path).exists();
            let has = |text: &str| anchor.is_empty() || anchors(text).iter().any(|a| a == anchor);
            let is_page = path.extension().is_some_and(|extension| extension == "md");
            if !there || is_page && !has(&read(&path.display().to_string())) {
                dead.push(format!("{}:{line}: {target}", page.display()));
            }
            // The built book has no folder above it.
            let leaves = page.starts_with("docs/src") && !path.starts_with("docs/src");
            if leaves {
                dead.push(format!("{}:{line}: {target} is not in the book", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
}

#[test]
fn the_book_is_built() {
    let folder = tempfile::tempdir().expect("a folder");
    // Where `tests/run` puts it, or where the machine has it.
    let fetched = home().join("target/mdbook/bin/mdbook");
    let program = if fetched.exists() { fetched } else { "mdbook".into() };
    let built = std::process::Command::new(program)
        .arg("build")
        .arg(home().join("docs"))
        .arg("--dest-dir")
        .arg(folder.path())
        .output();
    let Ok(output) = built else {
        eprintln!("NOT TESTED: mdbook is not there; tests/run installs it");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("WARN"), "{said}");
    for chapter in chapters() {
        let page = chapter.with_extension("html");
        let page = page.strip_prefix("docs/src").expect("in the book");
        assert!(folder.path().join(page).is_file(), "{} was not built", page.display());
    }
}

/// The names in backquotes of a page that could be tests: words joined by `_`.
fn named_tests(page: &str) -> Vec<String> {
    let words = page.lines().filter(|line| line.starts_with("| "));
    let cells = words.filter_map(|line| line.trim_end_matches('|').rsplit(" | ").next());
    let named = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let is_test = |name: &&str| name.matches('_').count() >= 3 && !name.contains(['.', '=', ' ']);
    named.filter(is_test).map(str::to_owned).collect()
}

#[test]
fn every_claim_of_security_names_a_test_that_exists() {
    let read_all = |paths: Vec<PathBuf>| -> String {
        paths.iter().map(|path| std::fs::read_to_string(path).expect("a source")).collect()
    };
    let text = read_all(sources("src")) + &read_all(sources("tests"));
    let named = named_tests(&read("docs/src/security.md"));
    assert!(named.len() > 35, "only {} tests are named: {named:?}", named.len());
    let missing: Vec<_> =
        named.iter().filter(|name| !text.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

#[test]
fn every_table_of_the_records_is_told_of_in_privacy() {
    let source = read("src/store/mod.rs");
    let start = source.find("pub enum Table {").expect("the tables");
    let body = &source[start..start + source[start..].find("\n}").expect("their end")];
    let tables: Vec<_> = body.lines().filter_map(|line| line.trim().strip_suffix(',')).collect();
    assert!(tables.len() > 20, "only {} tables were found", tables.len());
    let page = read("docs/src/privacy.md");
    let missing: Vec<_> =
        tables.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/src/privacy.md does not tell of {missing:?}");
}

#[test]
fn every_alarm_is_told_of_in_operating() {
    let rules = read("config/prometheus/relent.rules.yml");
    let named: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(named.len() > 20, "only {} alarms were found", named.len());
    let page = read("docs/src/operating.md");
    let missing: Vec<_> =
        named.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/src/operating.md does not tell of {missing:?}");
    let told = page.split('`').filter(|word| {
        word.starts_with("Relent") && word.len() > 6 && word.chars().all(char::is_alphanumeric)
    });
    let others: Vec<_> = told.filter(|name| !named.contains(name)).collect();
    assert!(others.is_empty(), "there are no such alarms: {others:?}");
}

/// The text in quotes that each line of a source has behind one of these words.
fn quoted_behind(source: &str, words: &[&str]) -> Vec<String> {
    let quoted = |line: &str| {
        let (_, after) = words.iter().find_map(|word| line.split_once(word))?;
        after.split('"').nth(1).map(str::to_owned)
    };
    source.lines().filter_map(quoted).collect()
}

#[test]
fn every_area_of_the_doctor_and_every_column_of_top_is_told_of_in_looking_closer() {
    let page = read("docs/src/looking.md");
    let doctor: String = sources("src/doctor")
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a source"))
        .collect();
    let constants = ["AREA: &str =", "DISK: &str =", "FILES: &str =", "CLOCK: &str ="];
    let mut areas = quoted_behind(&doctor, &constants);
    areas.extend(quoted_behind(&doctor, &["(area, subject) ="]));
    areas.extend(quoted_behind(&read("src/cli/doctor.rs"), &["let area ="]));
    areas.sort();
    areas.dedup();
    assert_eq!(areas.len(), 9, "areas of findings: {areas:?}");
    let missing: Vec<_> =
        areas.iter().filter(|area| !page.contains(&format!("\n| {area} |"))).collect();
    assert!(missing.is_empty(), "docs/src/looking.md does not tell of {missing:?}");

    let top = read("src/cli/top.rs");
    let tables: String = ["const SITE:", "const STOP:"]
        .iter()
        .filter_map(|begin| top.split_once(begin)?.1.split_once("];"))
        .map(|(table, _)| table)
        .collect();
    let columns = quoted_behind(&tables, &["    ("]);
    assert_eq!(columns.len(), 11, "columns of `relent top`: {columns:?}");
    let heads: Vec<&str> = page.lines().filter_map(|line| line.split(" | ").next()).collect();
    let is_told = |column: &str| {
        heads.iter().any(|head| head.trim_start_matches("| ").split(", ").any(|one| one == column))
    };
    let missing: Vec<_> = columns.iter().filter(|column| !is_told(column)).collect();
    assert!(missing.is_empty(), "docs/src/looking.md does not tell of {missing:?}");
}

#[test]
fn every_event_is_told_of_in_webhooks() {
    let page = read("docs/src/webhooks.md");
    let is_told = |kind: &&EventKind| page.contains(&format!("`{}`", kind.name()));
    let missing: Vec<_> = EventKind::ALL.iter().filter(|kind| !is_told(kind)).collect();
    assert!(missing.is_empty(), "docs/src/webhooks.md does not tell of {missing:?}");
}
