//! Every verb of the command line, found by its own tree: its help, its listings in both forms, plain text
//! where nobody sees colours, and its exit codes.

use crate::support::World;
use clap::{Command, CommandFactory};
use relent::cli::Cli;

const ESCAPE: char = '\x1b';

/// What reads, with what it is told in the world that is made below. A new verb stands here or among
/// [`ACTS`].
const READS: &[(&str, &[&str])] = &[
    ("account list", &[]),
    ("account show", &["acme"]),
    ("member list", &["acme"]),
    ("member invitations", &["acme"]),
    ("session list", &["acme", "ann@acme.example"]),
    ("credential list", &["acme"]),
    ("domain list", &["acme"]),
    ("domain show", &["acme", "acme.example"]),
    ("stream list", &["acme"]),
    ("stream show", &["acme", "newsletter"]),
    ("stream answers", &["acme", "newsletter"]),
    ("suppression list", &["acme"]),
    ("suppression show", &["acme", "bob@reader.example"]),
    ("suppression held list", &[]),
    ("consent show", &["acme/newsletter"]),
    ("recipient export", &["acme", "bob@reader.example"]),
    ("webhook list", &["acme"]),
    ("webhook show", &["acme", "1"]),
    ("webhook failed list", &["acme", "1"]),
    ("queue list", &[]),
    ("queue show", &["--all"]),
    ("queue summary", &[]),
    ("events list", &["acme"]),
    ("delivery list", &[]),
    ("delivery site", &["reader.example"]),
    ("delivery probe", &["reader.example"]),
    ("tls show", &[]),
    ("audit list", &[]),
    ("audit show", &["1"]),
    ("audit verify", &[]),
    ("audit head", &[]),
    ("explain", &["acme/newsletter", "bob@reader.example"]),
    ("check", &["--changed"]),
    ("top", &["--once", "--every", "200ms"]),
];

/// What does something, prints a document that is JSON or a list already, or needs a file.
const ACTS: &[&str] = &[
    "serve",
    "demo",
    "send",
    "doctor",
    "reload",
    "backup",
    "restore status",
    "trace",
    "events follow",
    "man",
    "completions",
    "classify",
    "store recover",
    "store compact",
    "webhook schema",
    "audit export",
    "domain verify",
    "domain rotate",
];

/// The last words of verbs that act, whatever they act on.
const ACTING: &[&str] = &[
    "add",
    "set",
    "remove",
    "suspend",
    "resume",
    "invite",
    "revoke",
    "reset",
    "import",
    "export",
    "apply",
    "drop",
    "grant",
    "request",
    "withdraw",
    "erase",
    "rotate",
    "test",
    "pause",
    "redeliver",
    "replay",
    "renew",
    "retry",
    "hold",
    "release",
    "cancel",
];

/// The verbs that have none below them.
fn leaves(verb: &Command, path: &str, all: &mut Vec<(String, Command)>) {
    for below in verb.get_subcommands() {
        let path = format!("{path} {}", below.get_name()).trim().to_owned();
        match below.has_subcommands() {
            true => leaves(below, &path, all),
            false => all.push((path, below.clone())),
        }
    }
}

fn verbs() -> Vec<(String, Command)> {
    let (mut command, mut all) = (Cli::command(), Vec::new());
    command.build();
    leaves(&command, "", &mut all);
    all
}

fn line<'a>(path: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    path.split(' ').chain(more.iter().copied()).collect()
}

#[test]
fn every_verb_is_known_here_and_every_listing_takes_json() {
    let verbs = verbs();
    for (path, verb) in &verbs {
        let last = path.split(' ').next_back().unwrap_or_default();
        let reads = READS.iter().any(|(read, _)| read == path);
        let acts = ACTS.contains(&path.as_str()) || ACTING.contains(&last);
        assert!(reads || acts, "`{path}` is new: say what it is in tests/journeys/verbs.rs");
        let has_json = verb.get_arguments().any(|one| one.get_long() == Some("json"));
        let must = reads || matches!(last, "list" | "show" | "summary");
        assert!(has_json || !must, "`{path}` does not take --json");
    }
    for (read, _) in READS {
        assert!(verbs.iter().any(|(path, _)| path == read), "there is no `{read}` any more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_plain_text_or_json_in_a_pipe_and_coloured_on_demand() {
    let mut world = World::start().await;
    world.agree("ann@reader.example");
    world.done(&["suppression", "add", "acme", "bob@reader.example"]);
    world.done(&["member", "invite", "acme", "ann@acme.example", "--role", "owner", "--print"]);
    world.done(&["webhook", "add", "acme", "https://app.acme.example/relent"]);
    for (path, _) in verbs() {
        let help = world.done(&line(&path, &["--help"])).out;
        assert!(help.contains("Usage: relent ") && !help.contains(ESCAPE), "{path}: {help}");
        assert!(help.contains(&format!("\n  relent {path}")), "{path} has no example: {help}");
    }
    for (path, more) in READS {
        // A person who has not followed the invitation has no sessions.
        let expected = if *path == "session list" { 1 } else { 0 };
        let plain = world.relent(&line(path, more));
        assert_eq!(plain.code, expected, "{path}: {}{}", plain.out, plain.err);
        let all = plain.out + &plain.err;
        assert!(!all.contains(ESCAPE), "{path}: {all:?}");
        let json = world.relent(&[&line(path, more)[..], &["--json"]].concat());
        if expected == 0 {
            assert!(!json.out.contains(ESCAPE), "{path}: {:?}", json.out);
            json.json();
        }
    }
    let coloured = world.done(&["account", "list", "--color", "always"]).out;
    assert!(coloured.starts_with("\x1b[1mID\x1b[0m"), "{coloured:?}");
    let stripped: String = coloured.split("\x1b[1m").collect::<String>().replace("\x1b[0m", "");
    assert_eq!(stripped, world.done(&["account", "list"]).out, "colours move no column");
    let red = world.relent(&["account", "show", "nobody", "--color", "always"]);
    assert!(red.code == 1 && red.err.starts_with("\x1b[31m"), "{:?}", red.err);
    world.stop();
    for (path, more) in READS.iter().filter(|(path, _)| *path != "check") {
        let gone = world.relent(&line(path, more));
        assert_eq!(gone.code, 3, "{path}: {}{}", gone.out, gone.err);
        assert!(gone.err.contains("admin.sock") && gone.err.contains("relent serve"), "{path}");
    }
    assert_eq!(world.relent(&["queue", "lost"]).code, 2);
    assert_eq!(world.relent(&["queue", "list", "--color", "sometimes"]).code, 2);
}
