//! Completions, in the shells they are for: what is begun is typed to its end by the shell itself.

use super::{is_here, relent};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// What is begun, and what the shell makes of it.
const BEGUN: [(&str, &str); 6] = [
    ("relent que", "queue"),
    ("relent queue li", "list"),
    ("relent queue list --lim", "--limit"),
    ("relent suppression held app", "apply"),
    ("relent stream add acme news --kind tr", "transactional"),
    ("relent completions zs", "zsh"),
];

fn script(shell: &str, name: &str) -> (TempDir, PathBuf) {
    let home = TempDir::new().expect("a folder");
    let path = home.path().join(name);
    std::fs::write(&path, relent(&["completions", shell]).stdout).expect("the script");
    (home, path)
}

/// Runs a shell that prints a line for each begun one; `said` reads what it was completed to.
fn complete(command: &mut Command, begun: &[(&str, &str)]) {
    let ran = command.env("LC_ALL", "C.UTF-8").output().expect("the shell");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && err.is_empty(), "{out}{err}");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), begun.len(), "{out}");
    for ((begun, whole), line) in begun.iter().zip(lines) {
        assert_eq!(line.split_whitespace().last(), Some(*whole), "{begun}");
    }
}

#[test]
fn bash_completes_what_is_begun() {
    if !is_here("bash") {
        return;
    }
    let (_home, script) = script("bash", "relent");
    let program = r#"
        set -u; source "$1"; shift
        for line; do
            read -ra COMP_WORDS <<<"$line"
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
            _relent relent "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[@]}"
        done"#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", program, "bash"]).arg(script);
    complete(bash.args(BEGUN.map(|(begun, _)| begun)), &BEGUN);
}

#[test]
fn fish_completes_what_is_begun() {
    if !is_here("fish") {
        return;
    }
    let (home, script) = script("fish", "relent.fish");
    let program = r#"
        source $argv[1]
        for line in $argv[2..]
            echo (complete -C $line | string split -f1 \t)
        end"#;
    // For fish, clap's maker leaves words that are no verbs or options to the names of files.
    let begun = &BEGUN[..5];
    let mut fish = Command::new("fish");
    fish.args(["--no-config", "-c", program]).arg(script).env("HOME", home.path());
    complete(fish.args(begun.iter().map(|(begun, _)| *begun)), begun);
}

#[test]
fn zsh_completes_what_is_begun() {
    if !is_here("zsh") {
        return;
    }
    // It completes at a terminal alone: a second zsh on one of its own is typed at, and the program
    // is a function that prints what it was called with.
    let (home, script) = script("zsh", "_relent");
    let program = r#"
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "PROMPT= RPROMPT=; fpath=($1 \$fpath); autoload -U compinit; compinit -D -u; \
            relent() { print -r -- \"TYPED:\$*:\" }; print REA''DY"
        zpty -r shell said '*READY*'
        shift
        for line; do
            zpty -w -n shell "$line"$'\t\n'
            zpty -r shell said $'*TYPED:*:*'
            print -r -- ${${said#*TYPED:}%%:*}
        done"#;
    let mut zsh = Command::new("zsh");
    zsh.args(["-f", "-c", program, "zsh"]).arg(script.parent().expect("its folder"));
    complete(zsh.args(BEGUN.map(|(begun, _)| begun)).env("HOME", home.path()), &BEGUN);
}
