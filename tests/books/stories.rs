//! Each page that holds commands, run as a story.

use super::lab::{Lab, Told};
use super::page::{Item, items, sections};
use super::{chapters, read};
use std::io::Write;

/// Most blocks of all pages together that may be left out, each for a reason that its page names.
const LEFT_OUT_MAX: usize = 8;

/// Runs a page; what came of it. The sections of README.md, which are read one by one, are a story each.
async fn told(page: &str) -> Told {
    let items = items(&read(page));
    let mut told = Told::default();
    let stories = if page == "README.md" { sections(&items) } else { vec![&items[..]] };
    for story in stories.into_iter().filter(|story| !story.is_empty()) {
        told.add(Lab::open().await.tell(page, story).await);
    }
    let (commands, outputs) = (told.commands, told.outputs);
    let _ = writeln!(std::io::stderr(), "{page}: {commands} commands run, {outputs} outputs held");
    for (command, reason) in &told.left_out {
        let _ = writeln!(std::io::stderr(), "{page}: NOT RUN ({reason}): {command}");
    }
    told
}

macro_rules! stories {
    ($($name:ident: $page:literal, $commands:literal;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let told = told($page).await;
                assert!(told.commands >= $commands, "only {} commands were found", told.commands);
            }
        )*

        /// The pages that are run.
        const TOLD: &[&str] = &[$($page),*];
    };
}

stories! {
    the_first_evening_goes_as_written: "docs/src/first-evening.md", 20;
    operating_goes_as_written: "docs/src/operating.md", 40;
    replies_are_read_as_written: "docs/src/replies.md", 5;
    pages_are_made_as_written: "docs/src/pages.md", 3;
    the_api_answers_as_written: "docs/src/api.md", 15;
    webhooks_go_as_written: "docs/src/webhooks.md", 11;
    looking_closer_shows_what_is_written: "docs/src/looking.md", 12;
    the_service_goes_as_written: "docs/src/service.md", 10;
    certificates_stand_as_written: "docs/src/certificates.md", 1;
    privacy_is_kept_as_written: "docs/src/privacy.md", 4;
    moving_over_goes_as_written: "docs/src/moving.md", 5;
    recovery_goes_as_written: "docs/src/recovery.md", 4;
    faults_are_mended_as_written: "docs/src/faults.md", 12;
    upgrades_go_as_written: "docs/src/upgrades.md", 4;
    sending_goes_as_written: "docs/src/sending.md", 10;
    handing_in_goes_as_written: "docs/src/handing-in.md", 6;
    accounts_and_consent_go_as_written: "docs/src/accounts.md", 10;
    the_readme_goes_as_written: "README.md", 10;
}

#[test]
fn every_page_with_commands_is_run() {
    let mut left_out = Vec::new();
    let mut pages: Vec<String> = chapters().iter().map(|p| p.display().to_string()).collect();
    pages.push("README.md".into());
    for page in pages {
        let items = items(&read(&page));
        let is_shell = |item: &&Item| matches!(item, Item::Block(block) if block.language == "sh");
        let is_told = TOLD.contains(&page.as_str());
        assert!(items.iter().all(|item| is_told || !is_shell(&item)), "{page} is not run");
        // What is not fenced, or has no language, nobody would run.
        for item in &items {
            if let Item::Block(block) = item {
                assert!(
                    !block.language.is_empty(),
                    "{page}:{}: a block says what it is",
                    block.line
                );
            }
        }
        let notes =
            items.iter().filter(|item| matches!(item, Item::Note(n) if n.starts_with("not run")));
        left_out.extend(notes.map(|_| page.clone()));
        let indented = read(&page).lines().any(|line| {
            ["relent ", "curl ", "systemctl "]
                .iter()
                .any(|verb| line.starts_with(&format!("    {verb}")))
        });
        assert!(
            !indented || page_has_only_fenced(&page),
            "{page}: commands stand in fenced blocks"
        );
    }
    assert!(left_out.len() <= LEFT_OUT_MAX, "too much is not run: {left_out:?}");
}

/// Whether lines that are set in stand within fenced blocks alone.
fn page_has_only_fenced(page: &str) -> bool {
    let mut within = false;
    for line in read(page).lines() {
        if line.trim_start().starts_with("```") {
            within = !within;
        } else if !within && (line.starts_with("    relent ") || line.starts_with("    curl ")) {
            return false;
        }
    }
    true
}

/// The block of README.md that shows what the demo says.
fn transcript() -> String {
    let items = items(&read("README.md"));
    let mut blocks = items.iter().filter_map(|item| match item {
        Item::Block(block) if block.language == "text" => Some(block.text.clone()),
        _ => None,
    });
    blocks.next().expect("a transcript")
}

#[test]
fn the_transcript_is_the_demos() {
    let output = std::process::Command::new(crate::support::program()).arg("demo").output();
    let output = output.expect("the demo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = said.lines();
    for shown in transcript().lines().filter(|line| !line.trim().is_empty()) {
        let found = lines.any(|line| super::page::is_shown(&of_any_day(shown), &of_any_day(line)));
        assert!(found, "`{shown}` is not what the demo says, or not in its place:\n{said}");
    }
}

/// A line without the day that stands in it.
fn of_any_day(line: &str) -> String {
    let is_day =
        |word: &&str| word.len() == 10 && word.starts_with("20") && word.matches('-').count() == 2;
    line.split(' ')
        .map(|word| if is_day(&word) { "DAY" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}
