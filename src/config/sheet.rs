//! Holds `config/relent.toml` and the code equal: every key, its default, and its sentence; and makes of both
//! the reference of the book, `docs/src/settings.md`.

use super::{Config, FIXED, reference};
use std::path::Path;

const SHEET: &str = include_str!("../../config/relent.toml");
const ROOT: &str = include_str!("mod.rs");
const SECTIONS: [&str; 9] = [
    include_str!("acme.rs"),
    include_str!("consents.rs"),
    include_str!("section.rs"),
    include_str!("encryption.rs"),
    include_str!("api.rs"),
    include_str!("keeping.rs"),
    include_str!("members.rs"),
    include_str!("metrics.rs"),
    include_str!("webhooks.rs"),
];
const WORDS: &str = include_str!("words.rs");

/// A key of the code: its section (empty at the top), its sentence, and whether it has no default.
struct Key {
    section: String,
    name: String,
    sentence: String,
    optional: bool,
    /// Its type in the code.
    kind: String,
}

impl Key {
    fn section(name: &str, sentence: String) -> Self {
        let (section, name, kind) = (name.into(), String::new(), String::new());
        Self { section, name, sentence, optional: false, kind }
    }
}

/// The keys of the code, read from its text.
fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    let top = &ROOT[ROOT.find("pub struct Config").expect("the settings")..];
    let top = &top[..top.find("\n}").expect("its end")];
    read(top, "", "pub ", &mut keys);
    let sections: Vec<(String, String)> = keys
        .iter()
        .filter(|key| !["hostname", "data_dir"].contains(&key.name.as_str()))
        .map(|key| (key.name.clone(), key.sentence.clone()))
        .collect();
    keys.truncate(2);
    for (section, sentence) in sections {
        keys.push(Key::section(&section, sentence));
        let head = format!("/// `[{section}]`");
        let body = SECTIONS.iter().find_map(|page| Some(&page[page.find(&head)?..]));
        let body = body.expect("each section has its struct");
        let body =
            &body[body.find("{\n").expect("its keys")..body.find("\n    }").expect("its end")];
        read(body, &section, "", &mut keys);
    }
    // A section within a section.
    let at = keys.iter().position(|key| key.section == "replies" && key.name == "words");
    let at = at.expect("the words");
    let sentence = keys.remove(at).sentence;
    let section = "replies.words";
    keys.push(Key::section(section, sentence));
    let words = &WORDS[WORDS.find("pub struct Words").expect("its struct")..];
    read(&words[..words.find("\n}").expect("its end")], section, "pub ", &mut keys);
    keys
}

fn read(text: &str, section: &str, before: &str, keys: &mut Vec<Key>) {
    let mut sentence = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("/// ") {
            sentence.push(words);
        } else if let Some((name, kind)) =
            line.strip_prefix(before).and_then(|l| l.split_once(": "))
        {
            keys.push(Key {
                section: section.into(),
                name: name.into(),
                sentence: std::mem::take(&mut sentence).join(" "),
                optional: kind.starts_with("Option<")
                    || kind.starts_with("BTreeMap<String, OwnWords>"),
                kind: kind.split(" = ").next().unwrap_or(kind).trim_end_matches(',').into(),
            });
        }
    }
}

#[test]
fn the_sheet_is_the_defaults() {
    let read = Config::read(SHEET, Path::new("config/relent.toml")).expect("the sheet is fine");
    assert_eq!(read, Config::default());
    let table: toml::Table = toml::from_str(SHEET).expect("TOML");
    for key in keys().iter().filter(|key| !key.optional && !key.name.is_empty()) {
        let mut names = key.section.split('.').filter(|name| !name.is_empty());
        let section = names.try_fold(&table, |table, name| table.get(name)?.as_table());
        let stands = section.is_some_and(|section| section.contains_key(&key.name));
        assert!(stands, "{}.{} is not in config/relent.toml", key.section, key.name);
    }
}

#[test]
fn the_sheet_says_of_each_key_what_the_code_says() {
    let found: Vec<_> = reference::settings()
        .into_iter()
        .map(|it| (it.section, it.name, it.is_optional, it.sentence))
        .collect();
    let keys = keys();
    assert!(keys.len() > 90, "only {} keys were read from the code", keys.len());
    for key in &keys {
        let place = (key.section.as_str(), key.name.as_str(), key.optional, key.sentence.clone());
        assert!(found.contains(&place), "not so in config/relent.toml: {place:?}");
    }
    assert_eq!(found.len(), keys.len(), "config/relent.toml names keys that the code does not");
}

/// What a value of a type is, as people write it.
fn in_words(kind: &str) -> &'static str {
    let bare = kind.strip_prefix("Option<").and_then(|kind| kind.strip_suffix('>'));
    match bare.unwrap_or(kind) {
        "String" => "text",
        "PathBuf" | "RefusalFile" => "path",
        "Span" => "duration",
        "Size" => "size",
        "bool" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" | "f64" => "number",
        "Vec<SocketAddr>" => "addresses with ports",
        "Vec<IpAddr>" => "addresses",
        "Vec<Network>" => "networks",
        "TraceEndpoint" => "address",
        "Vec<PathBuf>" => "paths",
        "Vec<u16>" => "numbers",
        "Vec<String>" => "texts",
        "Vec<Span>" => "durations",
        // What is made of other things is written as tables, and what has a name of its own is a choice.
        "Pools" => "tables",
        other if other.contains('<') => "tables",
        _ => "one of these",
    }
}

/// The reference: a table a section, a row a key.
fn page() -> String {
    let mut page = String::from(
        "# Settings\n\n<!-- Made from the code; RELENT_WRITE=1 cargo test the_books_settings writes it. -->\n\n\
         One file, `/etc/relent/relent.toml` unless `--config` names another. Every key has a default; a key \
         that is not known is refused. Durations are written `\"250ms\"`, `\"30s\"`, `\"5m\"`, `\"4h\"` or \
         `\"90d\"`, sizes `\"64kB\"`, `\"25MB\"` or `\"1GB\"`, each unit 1,024 times the last. `relent check` \
         says what is wrong with a file and where, `relent check --changed` what differs from the defaults. The \
         last column says of each key that a reload takes it, or why it needs a restart. The \
         same keys, sentences and defaults stand in `config/relent.toml`, to be copied and changed.\n",
    );
    let cell = |text: &str| text.replace('|', "\\|");
    for key in keys() {
        if key.name.is_empty() {
            page.push_str(&format!("\n## [{}]\n\n{}\n", key.section, key.sentence));
        } else if key.section.is_empty() && key.name == "hostname" {
            page.push_str("\n## At the top\n");
        }
        if key.name.is_empty() || key.section.is_empty() && key.name == "hostname" {
            page.push_str(
                "\n| Key | Is | Default | Says | At a reload |\n| --- | --- | --- | --- | --- |\n",
            );
        }
        if key.name.is_empty() {
            continue;
        }
        let (kind, default) = (in_words(&key.kind), default_of(&key));
        let default = default.map_or("–".into(), |value| format!("`{}`", cell(value)));
        page.push_str(&format!(
            "| `{}` | {kind} | {default} | {} | {} |\n",
            key.name,
            cell(&key.sentence),
            at_a_reload(&key)
        ));
    }
    page.push_str(&format!(
        "\n## The shaping file\n\nWhat each site is given, in a file of its own: `shaping.toml` beside the \
         settings, or what `[delivery] shaping` names. This is the one that comes with Relent.\n\n```toml\n{}```\n",
        include_str!("../../config/shaping.toml")
    ));
    page
}

/// What a reload does with a key.
fn at_a_reload(key: &Key) -> String {
    let name = format!("{}.{}", key.section, key.name);
    let fixed = FIXED.iter().find(|(fixed, _)| *fixed == name.trim_start_matches('.'));
    fixed.map_or("taken".into(), |(_, why)| format!("restart: {why}"))
}

/// How the sheet writes a key's default; none where it has none.
fn default_of(key: &Key) -> Option<&'static str> {
    let mut settings = reference::settings().into_iter();
    let found = settings.find(|it| it.section == key.section && it.name == key.name)?;
    (!found.is_optional).then_some(found.value)
}

#[test]
fn the_books_settings_are_those_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src/settings.md");
    let page = page();
    if std::env::var_os("RELENT_WRITE").is_some() {
        std::fs::write(path, &page).expect("written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/src/settings.md is not of these settings: RELENT_WRITE=1 writes it"
    );
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    let named = keys().iter().filter(|key| !key.name.is_empty()).count();
    assert_eq!(rows, named, "a row for each key");
}
