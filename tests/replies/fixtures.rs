//! Messages written down by hand in the forms of the field, a file a kind: what each is stands beside it.

use super::classify;
use relent::replies::Kind;

const NOTICES: &str = include_str!("fixtures/notices.txt");
const AUTOMATIC: &str = include_str!("fixtures/automatic.txt");
const WISHES: &str = include_str!("fixtures/wishes.txt");
const REPORTS: &str = include_str!("fixtures/reports.txt");

/// The entries of a file of messages: what stands behind `== `, and the lines below.
fn entries(file: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    file.split("\n== ").skip(1).map(|entry| entry.split_once('\n').expect("a name and more"))
}

fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn with_line_ends(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn none_wrong(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn notices_of_every_server_name_whom_they_could_not_reach() {
    let mut wrong = Vec::new();
    for (name, entry) in entries(NOTICES) {
        let (first, message) = entry.split_once('\n').expect("what is expected");
        let expected = first.strip_prefix("Expect: ").expect("what is expected");
        let typed = if message.contains("\nContent-Type:") {
            ""
        } else {
            "Content-Type: text/plain; charset=utf-8\n"
        };
        let message = format!("To: <b-abc@s.example>\nMIME-Version: 1.0\n{typed}{message}");
        let read = classify(&with_line_ends(&message));
        let mark = |permanent| if permanent { "" } else { "-" };
        let named = read.recipients.iter();
        let mut named: Vec<_> =
            named.map(|one| format!("{}{}", mark(one.permanent), one.address)).collect();
        named.sort();
        let found = match (read.kind, named.is_empty()) {
            (Kind::Bounce, true) => "nobody".to_owned(),
            (Kind::Bounce, false) => named.join(" "),
            _ => "no bounce".to_owned(),
        };
        let mut expected: Vec<_> = expected.split(' ').collect();
        if expected[0] != "no" {
            expected.sort_unstable();
        }
        if found != expected.join(" ") {
            wrong.push(format!("{name}: {found}"));
        }
    }
    none_wrong(&wrong);
}

#[test]
fn programs_that_answer_for_people_are_told_from_people() {
    let mut wrong = Vec::new();
    for line in lines(AUTOMATIC) {
        let (is_person, rest) = match line.strip_prefix("person ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (kind, said) = rest.split_once(' ').expect("a kind and what is said");
        let said = said.replace("\\n", "\n");
        let (path, fields, words) = match kind {
            "subject" => ("ann@b.example", format!("Subject: {said}"), "R".to_owned()),
            "field" => ("ann@b.example", format!("Subject: Re: News\n{said}"), "R".to_owned()),
            "words" => ("ann@b.example", "Subject: Re: News".to_owned(), said),
            "nobody" => ("", "Subject: Re: News".to_owned(), said),
            "nobody-subject" => ("", format!("Subject: {said}"), "R".to_owned()),
            other => panic!("what is {other}?"),
        };
        let message = format!(
            "Return-Path: <{path}>\nFrom: Ann <ann@b.example>\n{fields}\nMIME-Version: 1.0\n\
             Content-Type: text/plain; charset=utf-8\n\n{words}\n"
        );
        let read = classify(&with_line_ends(&message)).kind;
        if read != if is_person { Kind::Person } else { Kind::AutoReply } {
            wrong.push(format!("{line}: {}", read.name()));
        }
    }
    none_wrong(&wrong);
}

#[test]
fn what_people_write_is_what_it_is_taken_for() {
    let mut wrong = Vec::new();
    for line in lines(WISHES) {
        let (wish, said) = line.split_once(' ').expect("a wish and what is said");
        let said = said.replace("\\n", "\n");
        let message = format!(
            "From: Ann <ann@b.example>\nSubject: Re: News\n\
             Content-Type: text/plain; charset=utf-8\n\n{said}\n"
        );
        let read = classify(&with_line_ends(&message));
        let found = serde_json::to_value(read.wish).expect("a wish is a word");
        if read.kind != Kind::Person || found != wish {
            wrong.push(format!("{line}: {} {found}", read.kind.name()));
        }
    }
    none_wrong(&wrong);
}

#[test]
fn a_name_alone_or_a_pointer_leaves_the_word_to_the_subject() {
    for (said, wish) in [
        ("王芳", "unsubscribe"),
        ("如题，谢谢", "unsubscribe"),
        ("see subject", "unsubscribe"),
        ("siehe Betreff\n\nMfG\nAnn", "unsubscribe"),
        ("件名の通りです", "unsubscribe"),
        ("张伟", "none"),
        ("see attachment", "none"),
    ] {
        let message = format!(
            "From: =?utf-8?B?546L6Iqz?= <ann@b.example>\nSubject: =?utf-8?B?6YCA6K6i?=\n\
             Content-Type: text/plain; charset=utf-8\n\n{said}\n"
        );
        let found = serde_json::to_value(classify(&with_line_ends(&message)).wish);
        assert_eq!(found.expect("a wish is a word"), wish, "{said}");
    }
}

#[test]
fn reports_and_receipts_are_told_from_people() {
    let mut wrong = Vec::new();
    for (name, message) in entries(REPORTS) {
        let (_, kind) = name.rsplit_once(' ').expect("a name and a kind");
        let read = classify(&with_line_ends(message)).kind;
        if read.name() != kind {
            wrong.push(format!("{name}: {}", read.name()));
        }
    }
    none_wrong(&wrong);
}
