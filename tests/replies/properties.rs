//! What must hold of every reply, tried with many that chance makes up: a failure names its seed.

use super::classify;
use super::message::{Chance, tongues};
use super::tongues::Tongue;
use relent::replies::{Kind, Wish};

/// Words that stand in no table: a letter of them asks for nothing.
const WORDS: &str = "window river seven green carpet Thursday invoice kitchen bridge yellow paper walk mountain \
    engine bottle garden lamp winter silver road candle train forest button harbour music stone 会议 山水 明天 \
    Fenster Brücke rivière fenêtre puente ventana окно мост 窓 橋 창문";

fn plain(text: &str) -> Vec<u8> {
    format!(
        "From: Ann <ann@b.example>\r\nSubject: Re: Spring catalogue\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n",
        text.replace('\n', "\r\n")
    )
    .into_bytes()
}

fn wish(text: &str) -> Wish {
    classify(&plain(text)).wish
}

fn letter(chance: &mut Chance) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut lines = Vec::new();
    for _ in 0..1 + chance.below(5) {
        let line: Vec<&str> = (0..2 + chance.below(9)).map(|_| *chance.of(&words)).collect();
        lines.push(format!("{}{}", line.join(" "), chance.form(".|!|,||?")));
    }
    lines.join("\n")
}

/// A language, what one says in it to leave, and what that is.
fn asked(chance: &mut Chance) -> (&'static Tongue, String, Wish) {
    let all: Vec<_> = tongues().collect();
    let tongue = *chance.of(&all);
    let (forms, wish) = match chance.below(3) {
        0 => (tongue.leave, Wish::Unsubscribe),
        1 => (tongue.ask, Wish::Unsubscribe),
        _ => (tongue.reject, Wish::Reject),
    };
    (tongue, chance.form(forms).to_owned(), wish)
}

#[test]
fn a_keyword_inside_a_quote_never_counts() {
    for seed in 0..1500 {
        let mut chance = Chance(seed);
        let (_, said, _) = asked(&mut chance);
        let mark = chance.of(&["> ", ">", ">> ", "> > ", "| "]).to_owned();
        let quoted: Vec<String> = said.lines().map(|line| format!("{mark}{line}")).collect();
        let quoted = quoted.join("\n");
        let letter = letter(&mut chance);
        for text in [
            format!("{letter}\n\n{quoted}\n"),
            format!("{quoted}\n\n{letter}\n"),
            format!("{letter}\n\nOn 1/2/2024 10:00, Shop wrote:\n{quoted}\n"),
            format!("{quoted}\n"),
        ] {
            assert_eq!(wish(&text), Wish::None, "seed {seed}: {text}");
        }
    }
}

#[test]
fn a_letter_without_words_of_the_tables_is_no_wish() {
    for seed in 0..3000 {
        let text = letter(&mut Chance(seed));
        let read = classify(&plain(&text));
        assert_eq!((read.kind, read.wish), (Kind::Person, Wish::None), "seed {seed}: {text}");
    }
}

#[test]
fn a_signature_below_changes_nothing() {
    for seed in 0..1500 {
        let mut chance = Chance(seed);
        let (tongue, said, expected) = asked(&mut chance);
        let signature = chance.form(tongue.signatures);
        let footer = chance.form(tongue.footers);
        for below in [format!("-- \n{signature}"), format!("--\n{signature}"), footer.to_owned()] {
            let text = format!("{said}\n\n{below}\n");
            assert_eq!(wish(&text), expected, "seed {seed}: {text}");
            let text = format!("{}\n\n{below}\n", letter(&mut chance));
            assert_eq!(wish(&text), Wish::None, "seed {seed}: {text}");
        }
    }
}

#[test]
fn a_greeting_above_and_thanks_below_keep_a_request() {
    for seed in 0..1500 {
        let mut chance = Chance(seed);
        let (tongue, said, expected) = asked(&mut chance);
        let greeting = chance.form(tongue.greetings);
        let (thanks, name) = (chance.form(tongue.thanks), chance.form(tongue.signatures));
        for text in [
            format!("{greeting}\n{said}\n"),
            format!("{greeting}\n\n{said}\n\n{thanks}\n{name}\n"),
            format!("{said}\n\n{thanks}\n"),
        ] {
            assert_eq!(wish(&text), expected, "seed {seed}: {text}");
        }
    }
}

#[test]
fn case_and_invisible_characters_change_nothing() {
    for seed in 0..800 {
        let mut chance = Chance(seed);
        let (_, said, expected) = asked(&mut chance);
        // Some languages have letters whose capitals are two.
        if said.to_uppercase().to_lowercase() == said.to_lowercase() {
            assert_eq!(wish(&said.to_uppercase()), expected, "seed {seed}: {said}");
        }
        let hidden = format!("\u{feff}\u{200e}{said}\u{200b}\u{200f}");
        assert_eq!(wish(&hidden), expected, "seed {seed}: {said}");
    }
}
