//! The house keeps its own rules: imports run one way, as the table in `src/README.md` has them, every
//! file says what it is, and none grows past what a reader can hold.

use crate::support::sources;
use std::collections::BTreeMap;
use std::fs;

/// Lines past which a file must be two.
const FILE_LINES_MAX: usize = 700;

/// The layer table of `src/README.md`: module → modules it may import.
fn table() -> BTreeMap<String, Vec<String>> {
    let text = include_str!("../src/README.md");
    let mut table = BTreeMap::new();
    let mut above: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [_, module, _, may] = cells[..] else {
            continue;
        };
        let Some(module) = module.strip_prefix('`').and_then(|name| name.strip_suffix('`')) else {
            continue;
        };
        let named = may.split_whitespace().map(|word| word.trim_matches(',').to_owned());
        let allowed = match may {
            "–" => Vec::new(),
            "all above" => above.clone(),
            _ if may.starts_with("all above but ") => {
                let left_out: Vec<String> = named.skip(3).collect();
                above.iter().filter(|name| !left_out.contains(name)).cloned().collect()
            }
            _ => named.collect(),
        };
        for name in &allowed {
            assert!(
                above.contains(name),
                "the table lets `{module}` import `{name}`, not above it"
            );
        }
        table.insert(module.to_owned(), allowed);
        above.push(module.to_owned());
    }
    table
}

/// Names of modules that a line of code reaches through `crate::`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find("};").unwrap_or(group.len())];
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars().chain([',']) {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut name)),
                    c if depth == 0 => name.push(c),
                    _ => {}
                }
            }
        } else {
            found.push(rest.to_owned());
        }
    }
    found
        .iter()
        .map(|text| {
            let text = text.trim_start();
            text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
        })
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn imports_run_one_way() {
    let table = table();
    assert!(table.len() >= 20, "the layer table of src/README.md was not found: {table:?}");
    let mut wrong = Vec::new();
    for path in sources("src") {
        let text = fs::read_to_string(&path).expect("a source file is text");
        let inside =
            path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("below src");
        let Some(module) = inside.components().next().map(|c| c.as_os_str().to_string_lossy())
        else {
            continue;
        };
        let Some(allowed) = table.get(module.as_ref()) else {
            assert!(module.ends_with(".rs"), "`{module}` is not in the table of src/README.md");
            continue;
        };
        for name in imports(&text) {
            if name != module && table.contains_key(&name) && !allowed.contains(&name) {
                wrong.push(format!("{} imports `{name}`", inside.display()));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "against the layer table:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    for path in sources("src").into_iter().chain(sources("tests")) {
        let text = fs::read_to_string(&path).expect("a source file is text");
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//!") || first.starts_with("#![doc"),
            "{} does not begin with `//!`",
            path.display()
        );
    }
}

#[test]
fn every_module_of_the_tests_is_told_of() {
    let page = include_str!("README.md");
    let modules = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("mod "));
    for module in modules.map(|name| name.trim_end_matches(';')).filter(|name| *name != "support") {
        assert!(
            page.contains(&format!("\n| `{module}` | ")),
            "tests/README.md does not tell of `{module}`"
        );
    }
}

#[test]
fn no_file_outgrows_its_reader() {
    for path in sources("src").into_iter().chain(sources("tests")) {
        let lines = fs::read_to_string(&path).expect("a source file is text").lines().count();
        assert!(
            lines <= FILE_LINES_MAX,
            "{} has {lines} lines: which two things is it?",
            path.display()
        );
    }
}

#[test]
fn engines_and_resolvers_are_named_in_one_place() {
    let homes = [
        ("redb::", "store"),
        ("sled::", "store"),
        ("hickory_", "dns"),
        ("tracing_subscriber", "telemetry"),
    ];
    for path in sources("src") {
        let text = fs::read_to_string(&path).expect("a source file is text");
        for (name, home) in homes {
            let at_home = path.components().any(|part| part.as_os_str() == home);
            assert!(at_home || !text.contains(name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn settings_are_read_where_they_hold_and_never_kept() {
    // A section that a part keeps for itself would go on to hold what a reload has changed.
    let homes = ["config", "cli", "demo", "daemon"];
    let mut wrong = Vec::new();
    for path in sources("src") {
        let inside = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).expect("below");
        let module = inside.components().next().map(|part| part.as_os_str().to_string_lossy());
        let is_test =
            path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        if is_test || module.is_some_and(|module| homes.contains(&module.as_ref())) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file is text");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let kept = line.split_once(": ").is_some_and(|(_, kind)| {
                let kind = kind.strip_prefix("Arc<").unwrap_or(kind);
                let section = kind.strip_prefix("config::").unwrap_or_default();
                line.ends_with(',') && section.starts_with(char::is_uppercase)
            });
            // A value of a section is small, and no section of its own.
            let is_small = ["Source", "Stops"].iter().any(|name| line.contains(name));
            if (kept && !is_small) || line.contains(": Arc<Config>") {
                wrong.push(format!("{}: {line}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "settings that a reload would not reach:\n{}", wrong.join("\n"));
}

#[test]
fn the_import_reader_sees_groups_and_paths() {
    let code = "use crate::{mail::{A, B}, store}; let x = crate::policy::Y; pub(crate) fn f() {}";
    assert_eq!(imports(code), ["mail", "store", "policy"]);
}

/// Most exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE_MAX: u32 = 11;

#[test]
fn the_service_is_exposed_to_little() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/relent.service");
    let run = std::process::Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", unit])
        .output();
    // A machine without systemd has nothing to say here.
    let Ok(output) = run else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    let line =
        text.lines().find(|line| line.contains("Overall exposure level")).unwrap_or_default();
    let level = line.split_once(".service: ").and_then(|(_, rest)| rest.split(' ').next());
    let tenths = level.and_then(|level| level.replace('.', "").parse::<u32>().ok());
    assert!(tenths.is_some_and(|found| found <= EXPOSURE_MAX), "{line}{text}");
}

#[test]
fn the_sockets_are_those_of_the_settings() {
    let settings = include_str!("../config/relent.toml");
    let sockets = include_str!("../systemd/relent.socket");
    let listened: Vec<_> =
        sockets.lines().filter_map(|l| l.strip_prefix("ListenStream=")).collect();
    assert_eq!(listened.len(), 4);
    for address in listened {
        assert!(settings.contains(&format!("[\"{address}\"]")), "{address} is not in the settings");
    }
}

#[test]
fn the_service_lets_the_daemon_cage_itself() {
    let unit = include_str!("../systemd/relent.service");
    let mut filters = unit.lines().rev().filter_map(|line| line.strip_prefix("SystemCallFilter="));
    let last = filters.next().unwrap_or_default();
    for call in
        ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"]
    {
        assert!(last.split(' ').any(|name| name == call), "{call} is not let through: {last}");
    }
}

#[test]
fn the_services_user_and_folders_are_those_of_the_files_beside_it() {
    let unit = include_str!("../systemd/relent.service");
    let users = include_str!("../systemd/relent.sysusers");
    let folders = include_str!("../systemd/relent.tmpfiles");
    let settings = include_str!("../config/relent.toml");
    let has = |text: &str, line: &str| text.lines().any(|found| found == line);
    assert!(has(unit, "User=relent") && has(unit, "Group=relent"));
    assert!(users.lines().any(|line| line.starts_with("u relent - ")));
    assert!(has(unit, "StateDirectory=relent") && has(unit, "StateDirectoryMode=0700"));
    assert!(has(folders, "d /var/lib/relent 0700 relent relent -"));
    assert!(has(settings, "data_dir = \"/var/lib/relent\""));
    assert!(has(unit, "RuntimeDirectory=relent") && has(unit, "RuntimeDirectoryMode=0755"));
    assert!(has(folders, "d /run/relent 0755 relent relent -"));
    assert!(has(settings, "admin = \"/run/relent/admin.sock\""));
}
