//! The pages of section 1, one a command: what clap knows of it, and beside that examples, exit status,
//! files and neighbours.

use super::examples;
use crate::cli::arguments::Cli;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// What every page says at its foot.
const MANUAL: &str = "Relent's manual";
const SOURCE: &str = concat!("relent ", env!("CARGO_PKG_VERSION"));

/// What the program's number says when it ends.
const EXIT_STATUS: [(&str, &str); 4] = [
    ("0", "Done."),
    (
        "1",
        "Refused, not found, or broken, with the reason on standard error; also: recorded, while one \
         message that is being sent may still arrive.",
    ),
    ("2", "The command line was not understood."),
    ("3", "The daemon cannot be reached over its admin socket."),
];

/// The same of `relent serve`: whether another start may go well.
const SERVED: [(&str, &str); 3] = [
    ("0", "Stopped as it was told to."),
    (
        "1",
        "Cannot start now, or had to end, with the reason on standard error; another start may go well.",
    ),
    (
        "2",
        "Somebody must mend something first: a setting, a certificate, the data folder; or the command line \
         was not understood.",
    ),
];

pub(super) const FILES: [(&str, &str); 7] = [
    ("/etc/relent/relent.toml", "The settings, see relent.toml(5)."),
    ("/etc/relent/shaping.toml", "What each receiving site is given; read if it exists."),
    ("/var/lib/relent", "Mail that waits, records, keys: all that must last."),
    (
        "/run/relent/admin.sock",
        "Where the commands reach the daemon, for root and the daemon's user alone.",
    ),
    ("/usr/share/doc/relent/examples/relent.toml", "Every key with its meaning and default."),
    ("/usr/share/doc/relent/examples/shaping.toml", "The same for the shaping file."),
    ("/usr/lib/systemd/system/relent.socket", "The ports that systemd opens for the daemon."),
];

/// Every page: the name of its file, and its text.
pub(super) fn all() -> Vec<(String, String)> {
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let mut pages = Vec::new();
    of(&whole, &[], &mut pages);
    pages
}

fn of(command: &Command, path: &[String], pages: &mut Vec<(String, String)>) {
    pages.push((format!("{}.1", title(path)), page(command, path)));
    for verb in shown(command) {
        of(verb, &[path, &[verb.get_name().to_owned()]].concat(), pages);
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

/// `relent-queue-list`, of the verbs after `relent`.
fn title(path: &[String]) -> String {
    [&["relent".to_owned()], path].concat().join("-")
}

fn page(command: &Command, path: &[String]) -> String {
    let name = title(path);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = opening(&name, "1", &first_sentence(&about));
    let man = Man::new(command.clone());
    let (mut synopsis, mut known) = (Vec::new(), Vec::new());
    // Writing to memory does not fail.
    let _ = man.render_synopsis_section(&mut synopsis);
    let _ = man.render_description_section(&mut known);
    if shown(command).next().is_some() {
        let _ = man.render_subcommands_section(&mut known);
    }
    let _ = man.render_options_section(&mut known);
    // A synopsis is no prose: its words are not spread over the line, and break between choices alone.
    let synopsis = String::from_utf8_lossy(&synopsis)
        .replace(".SH SYNOPSIS\n", ".SH SYNOPSIS\n.nh\n.ad l\n")
        .replace("subcommands", "command")
        .replace('|', "|\\:");
    page.push_str(&format!("{}\n.hy\n.ad b\n", synopsis.trim_end()));
    let known = String::from_utf8_lossy(&known).replace(".SH SUBCOMMANDS\n", ".SH COMMANDS\n");
    page.push_str(&known);
    let mut rest = Roff::default();
    let examples = examples::of(path);
    if !examples.is_empty() {
        rest.control("SH", ["EXAMPLES"]);
    }
    for (line, why) in examples {
        item(&mut rest, vec![bold(line)], why);
    }
    rest.control("SH", ["EXIT STATUS"]);
    let status = if path == ["serve"] { &SERVED[..] } else { &EXIT_STATUS };
    for (code, meaning) in status {
        item(&mut rest, vec![bold(*code)], meaning);
    }
    rest.control("SH", ["FILES"]);
    for (file, meaning) in FILES {
        item(&mut rest, vec![italic(file)], meaning);
    }
    page.push_str(&rest.to_roff());
    let mut others = vec![];
    if let Some((_, above)) = path.split_last() {
        others.push((title(above), "1"));
    }
    others.extend(
        shown(command).map(|verb| (title(&[path, &[verb.get_name().to_owned()]].concat()), "1")),
    );
    others.push(("relent.toml".to_owned(), "5"));
    page.push_str(&see_also(&others));
    page
}

/// The head of a page with its name and what it is about, as the index of the manual reads it.
pub(super) fn opening(name: &str, section: &str, about: &str) -> String {
    let mut roff = Roff::default();
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {about}"))]);
    // The date is left empty: pages of one version are the same whenever they are written.
    format!(".TH {name} {section} \"\" \"{SOURCE}\" \"{MANUAL}\"\n{}", roff.to_roff())
}

/// What is worth reading next.
pub(super) fn see_also(others: &[(String, &str)]) -> String {
    let mut roff = Roff::default();
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (at, (name, section)) in others.iter().enumerate() {
        let after = if at + 1 < others.len() { "), " } else { ")" };
        line.extend([bold(name), roman(format!("({section}{after}"))]);
    }
    roff.text(line);
    roff.to_roff()
}

/// A term and what it means.
pub(super) fn item(roff: &mut Roff, term: Vec<Inline>, meaning: &str) {
    roff.control("TP", []);
    roff.text(term);
    roff.text([roman(meaning)]);
}

/// What stands before the first full stop or semicolon: the index of the manual has one line a page.
fn first_sentence(about: &str) -> String {
    let end = about.find(". ").into_iter().chain(about.find("; ")).min();
    let first = &about[..end.unwrap_or(about.len())];
    first.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> String {
        let found = all().into_iter().find(|(file, _)| file == name);
        found.expect("a page of that name").1
    }

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let pages = all();
        assert!(pages.len() > 90, "{} pages", pages.len());
        for name in ["relent.1", "relent-queue.1", "relent-suppression-held-list.1"] {
            assert!(pages.iter().any(|(file, _)| file == name), "{name} is missing");
        }
        for (name, text) in &pages {
            for section in
                ["NAME", "SYNOPSIS", "OPTIONS", "\"EXIT STATUS\"", "FILES", "\"SEE ALSO\""]
            {
                assert!(text.contains(&format!("\n.SH {section}\n")), "{name} has no {section}");
            }
        }
    }

    #[test]
    fn a_page_says_what_its_command_says_of_itself() {
        let page = text("relent-queue-list.1");
        assert!(
            page.contains("relent\\-queue\\-list \\- List mail that waits: all of it"),
            "{page}"
        );
        assert!(page.contains("relent queue list") && page.contains("\\-\\-limit"), "{page}");
        assert!(page.contains(".SH EXAMPLES\n.TP\n\\fBrelent queue list"), "{page}");
        assert!(page.contains("\\fBrelent\\-queue\\fR(1), \\fBrelent.toml\\fR(5)"), "{page}");
    }

    #[test]
    fn the_daemons_page_says_when_another_start_is_in_vain() {
        let page = text("relent-serve.1");
        assert!(page.contains("\\fB2\\fR\nSomebody must mend something first"), "{page}");
    }

    #[test]
    fn the_index_has_one_sentence_a_page() {
        assert_eq!(
            first_sentence("Lift a stop by its reason; what lies stays. With"),
            "Lift a stop by its reason"
        );
        assert_eq!(first_sentence("Look. Then leap"), "Look");
        assert_eq!(first_sentence("The domains"), "The domains");
    }
}
