//! Holds `config/relent.toml` and the code equal: every key, its default, and its sentence.

use super::{Config, reference};
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
        keys.push(Key { section: section.clone(), name: String::new(), sentence, optional: false });
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
    keys.push(Key { section: section.into(), name: String::new(), sentence, optional: false });
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
