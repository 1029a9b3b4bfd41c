//! What the person wrote: the text without quotes, the lines that introduce them, the original below,
//! signatures and the footers of mail programs.

use super::html::{self, CUT};
use super::introduction::{
    INTRODUCTION_MAX, after_block, after_introduction, introduction, is_dated, is_header_block,
    is_introduction_in_line, is_title_of_block,
};
use super::marks::Marks;
use super::normal::is_invisible;

/// Most lines that are looked at.
const LINES_MAX: usize = 20_000;
/// Longest text that is kept, in bytes.
const WRITTEN_MAX: usize = 64 << 10;
/// Most lines below a rule at the very top that are still an answer.
const BELOW_RULE_MAX: usize = 3;
/// Longest answer below a quote within an original, in bytes.
const BELOW_MAX: usize = 400;
/// How many lines above it may be the footer that it answers.
const QUOTED_MAX: usize = 20;
/// Longest line, in characters, that may greet between an introduction and its quote.
const GREETING_MAX: usize = 40;
/// How much of a line is looked at for the start of a list's footer, in characters.
const LIST_FOOTER_MAX: usize = 60;

/// What a person wrote, and what may be more of it.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) text: String,
    /// Below the last marked quote of an original that begins without marks: whoever wrote the original may have
    /// written it, or the person who answers.
    pub(super) below: String,
    /// The last lines of that quote.
    pub(super) quoted: Vec<String>,
}

/// What a person wrote in plain text.
pub(super) fn of_plain(marks: &Marks, text: &str) -> Written {
    // QQ Mail writes its plain text with character references.
    // Others write so what their charset does not hold.
    let names = ["&nbsp;", "&gt;", "&lt;", "&amp;", "&quot;", "&#"];
    let literal = text.contains('&') && names.iter().any(|name| text.contains(name));
    if literal { of_lines(marks, &html::entities(text)) } else { of_lines(marks, text) }
}

/// What a person wrote in HTML.
pub(super) fn of_html(marks: &Marks, text: &str) -> Written {
    of_lines(marks, &html::lines(text))
}

/// A line without what cannot be seen.
fn visible(line: &str) -> String {
    let shown = line.chars().filter(|&c| !is_invisible(c) && !matches!(c, '\r' | '\0'));
    let text: String =
        shown.map(|c| if c == '\u{a0}' || c == '\u{3000}' { ' ' } else { c }).collect();
    text.trim_end().to_owned()
}

/// Whether a line is marked as quoted: by an angle, or by a bar that is no table's.
fn is_quoted(line: &str) -> bool {
    let line = line.trim();
    let bar = line.strip_prefix('|').is_some_and(|rest| !rest.ends_with('|'));
    line.starts_with(['>', '＞']) || bar
}

fn of_lines(marks: &Marks, text: &str) -> Written {
    let lines: Vec<String> = text.lines().take(LINES_MAX).map(visible).collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        if is_group_wise(marks, &lines, at) {
            break;
        }
        if is_quoted(line) {
            at = after_quote(&lines, at);
            continue;
        }
        let blank = kept.iter().all(|line| line.is_empty());
        if blank && let Some(next) = after_marked_block(marks, &lines, at) {
            at = next;
            continue;
        }
        if line == CUT || is_header_block(marks, &lines, at) || is_title_of_block(marks, &lines, at)
        {
            break;
        }
        if is_list_footer(marks, line) {
            while at < lines.len() && !lines[at].trim().is_empty() {
                at += 1;
            }
            continue;
        }
        if blank && is_titled(line) && introduces(marks, &lines, at + 1) {
            // The quote below is marked, and the answer stands beneath it.
            at += 1;
            continue;
        }
        if is_separator(marks, &lines, at) {
            if blank && is_answer_below_rule(&lines, at) {
                at += 1;
                continue;
            }
            break;
        }
        if let Some((next, dated)) = after_introduction(marks, &lines, at) {
            if let Some(begins) = marked_from(marks, &lines, next, blank) {
                at = begins;
                continue;
            }
            // "He wrote:" may be about anything; with a date or an address it is a client's line.
            if dated {
                break;
            }
        }
        if is_introduction_in_line(marks, line) {
            break;
        }
        if matches!(lines[at].as_str(), "--" | "-- " | "—" | "– ") || line == "--" {
            // A signature lasts until a quote begins.
            at += 1;
            while at < lines.len() && !is_quoted(&lines[at]) && lines[at] != CUT {
                at += 1;
            }
            continue;
        }
        if !is_footer(marks, line) {
            kept.push(line);
        }
        at += 1;
    }
    let mut out = String::new();
    for line in kept {
        if (line.is_empty() && (out.is_empty() || out.ends_with("\n\n"))) || out.len() > WRITTEN_MAX
        {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    let (quoted, below) = below_quote(marks, lines.get(at..).unwrap_or_default());
    Written { text: out, below, quoted }
}

/// The last lines of the last marked quote in an original, and what little stands below it.
fn below_quote(marks: &Marks, original: &[String]) -> (Vec<String>, String) {
    let Some(last) = original.iter().rposition(|line| is_quoted(line)) else {
        return Default::default();
    };
    let mut below = String::new();
    for line in &original[last + 1..] {
        if matches!(line.as_str(), "--" | "-- ") {
            break;
        }
        if !is_footer(marks, line.trim()) {
            below.push_str(line);
            below.push('\n');
        }
        if below.len() > BELOW_MAX {
            return Default::default();
        }
    }
    // What follows without a blank line may have been wrapped off the quote.
    if !below.starts_with('\n') || below.trim().is_empty() {
        return Default::default();
    }
    let quoted = original[..=last].iter().rev().take_while(|line| is_quoted(line));
    let quoted = quoted.take(QUOTED_MAX).map(|line| line.replace(['>', '＞'], " "));
    (quoted.collect(), below.trim().to_owned())
}

/// `>>> Shop <s@x.example> 1/2/2024 9:00 AM >>>`, or `>>> On 1/2/2024 …, Shop wrote:`, as GroupWise introduces an
/// original that it does not mark.
fn is_group_wise(marks: &Marks, lines: &[String], at: usize) -> bool {
    let Some(line) = lines[at].strip_prefix(">>>").map(str::trim) else {
        return false;
    };
    if line.starts_with('>') || line.len() > INTRODUCTION_MAX || !is_dated(line) {
        return false;
    }
    let first = at == 0 || !is_quoted(&lines[at - 1]);
    let spoken = || introduction(marks, &line.to_lowercase()).is_some();
    let marked = below(lines, at + 1).is_some_and(|below| is_quoted(&lines[below]));
    first && !marked && (line.ends_with(">>>") || spoken())
}

/// Past a header block whose original is marked below it. Another introduction below a whole block is the
/// original's; below one line it introduces the same quote.
fn after_marked_block(marks: &Marks, lines: &[String], at: usize) -> Option<usize> {
    let next = after_block(marks, lines, at)?;
    let marked = below(lines, next).is_some_and(|below| is_quoted(&lines[below]));
    (marked || next == at + 1 && introduces(marks, lines, next)).then_some(next)
}

/// Past a quote, and past the tail that a client wrapped off one of its lines.
fn after_quote(lines: &[String], mut at: usize) -> usize {
    while at < lines.len() {
        if is_quoted(&lines[at]) {
            at += 1;
            continue;
        }
        let tail = !lines[at].trim().is_empty()
            && lines[at - 1].chars().count() >= 60
            && lines.get(at + 1).is_some_and(|next| is_quoted(next));
        if !tail {
            break;
        }
        at += 1;
    }
    at
}

/// The first line from `at` on that is not blank.
fn below(lines: &[String], at: usize) -> Option<usize> {
    (at..lines.len()).find(|&place| !lines[place].trim().is_empty())
}

/// Whether a marked quote begins here, with or without a line that introduces it.
fn introduces(marks: &Marks, lines: &[String], at: usize) -> bool {
    let Some(first) = below(lines, at) else {
        return false;
    };
    if is_quoted(&lines[first]) {
        return true;
    }
    let after = after_introduction(marks, lines, first).and_then(|(next, _)| below(lines, next));
    after.is_some_and(|place| is_quoted(&lines[place]))
}

/// Where to go on below an introduction whose original is marked: what a person left out of it, or greets with, may
/// stand above the quote.
fn marked_from(marks: &Marks, lines: &[String], next: usize, blank: bool) -> Option<usize> {
    let first = below(lines, next)?;
    if is_quoted(&lines[first]) {
        return Some(next);
    }
    let line = lines[first].trim();
    if is_elision(marks, line) {
        return introduces(marks, lines, first + 1).then_some(first + 1);
    }
    let short = line.chars().count() <= GREETING_MAX
        && (line.ends_with([',', ':', '!', '，', '：', '！']) || line.split(' ').count() <= 2);
    (blank && short && introduces(marks, lines, first + 1)).then_some(first)
}

/// A line that stands for what was left out: `[...]`, `<snip>`.
fn is_elision(marks: &Marks, line: &str) -> bool {
    let inner = line.trim_matches(|c: char| c.is_whitespace() || ".…[]<>()/".contains(c));
    let left_out = inner.is_empty() || marks.elisions.contains(&inner.to_lowercase());
    left_out && line.starts_with(['.', '…', '[', '<', '('])
}

fn is_rule(c: char) -> bool {
    matches!(c, '-' | '_' | '=' | '*' | '‐' | '—' | '–' | '─' | '━')
}

/// A title between dashes, in whatever language.
fn is_titled(line: &str) -> bool {
    let dashes = |c: &char| is_rule(*c);
    line.len() <= INTRODUCTION_MAX
        && line.chars().take_while(dashes).count() >= 3
        && line.chars().rev().take_while(dashes).count() >= 3
        && line.contains(char::is_alphabetic)
}

/// `-----Original Message-----`, a rule of dashes or underscores.
fn is_separator(marks: &Marks, lines: &[String], at: usize) -> bool {
    let line = lines[at].trim();
    if line.len() > INTRODUCTION_MAX {
        return false;
    }
    let inner = line.trim_matches(|c: char| is_rule(c) || c.is_whitespace());
    let rule = line.chars().take_while(|&c| is_rule(c)).count();
    if inner.is_empty() {
        return rule >= 20;
    }
    let inner = inner.to_lowercase();
    // Zoho puts its introduction between dashes.
    let spoken = || is_dated(&inner) && marks.speak(&inner);
    // So do some telephones, with a name alone.
    let named = || is_titled(line) && marks.verbs.iter().any(|verb| inner.ends_with(verb));
    (rule >= 3 || rule >= 2 && line.ends_with("--"))
        && (marks.separators.iter().any(|words| inner.contains(words)) || spoken() || named())
}

/// A rule at the very top with a few lines below, none of which looks like an original's.
fn is_answer_below_rule(lines: &[String], at: usize) -> bool {
    let rule = lines[at].trim().chars().all(is_rule);
    let mut count = 0;
    let mut plain = true;
    for line in lines.iter().skip(at + 1) {
        let line = line.trim();
        count += usize::from(!line.is_empty());
        plain = plain && !line.contains(['@', ':', '：', '>']) && line != CUT;
        if !plain || count > BELOW_RULE_MAX {
            return false;
        }
    }
    rule && count > 0
}

/// The line with which mailing lists tell their readers how to leave.
fn is_list_footer(marks: &Marks, line: &str) -> bool {
    let start: String = line.chars().take(LIST_FOOTER_MAX).flat_map(char::to_lowercase).collect();
    marks.list_footers.iter().any(|known| start.starts_with(known))
}

/// The footer of a mail program: it names a device or a program, and asks nothing.
fn is_footer(marks: &Marks, line: &str) -> bool {
    if line.is_empty() || line.len() > 200 {
        return false;
    }
    let lower = line.trim_start_matches(['-', '*', '_', ' ']).to_lowercase();
    let padded = format!(" {lower} ");
    if marks.no_footer.iter().any(|word| lower.contains(word.as_str()))
        || !marks.devices.iter().any(|device| padded.contains(device))
    {
        return false;
    }
    marks.footers.iter().any(|start| lower.starts_with(start))
        || marks.footer_ends.iter().any(|end| lower.trim_end_matches(['.', '。']).ends_with(end))
        || lower.contains("outlook") && lower.contains("aka.ms")
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::plain;
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(of_plain(plain().marks(), text).text, expect, "{text}");
    }

    #[test]
    fn a_reply_above_the_quote_is_found_in_many_clients() {
        check("R\n\nOn Tue, Feb 13, 2024 at 8:35 PM Shop <s@x.example> wrote:\n> reply R\n", "R");
        check(
            "R\n\nOn Tue, Feb 13, 2024 at 8:35 PM Shop <\ns@x.example> wrote:\n\n> reply R\n",
            "R",
        );
        check("T\n\nAt 2024-01-02 10:00:00, \"Shop\" <s@x.example> wrote:\nreply T\n", "T");
        check("退订\n\n在 2024年1月2日，10:00，Shop <s@x.example> 写道：\n\n回复R\n", "退订");
        check("T\n\n------------------&nbsp;原始邮件&nbsp;------------------\n发件人: x\nR\n", "T");
        check("T\n\n发件人: Shop <s@x.example>\n发送时间: 2024年1月2日\n主题: x\n\nR\n", "T");
        check(
            "R\n\nVon meinem iPhone gesendet\n\n> Am 02.01.2024 um 10:00 schrieb Shop:\n> R",
            "R",
        );
        check("R\n________________________________\nFrom: Shop\nSent: today\n", "R");
        check("R\n-- \nT. Reader\n", "R");
    }

    #[test]
    fn a_reply_below_the_quote_is_found_too() {
        check("On 2/3/2024 10:00, Shop wrote:\n> reply\n> R\n\nT\n", "T");
    }

    #[test]
    fn a_titled_separator_above_a_marked_quote_introduces_it() {
        check("----- Original Message -----\n> From: Shop\n> R\n\nT\n", "T");
        check("\n----- Urspr?ngliche Mail -----\n\n> Von: Shop\n> R\n\nHallo,\nT\n", "Hallo,\nT");
        check(
            "------- Original Message -------\nOn Thursday, September 28th, 2023 at 2:58, Shop \
             <s@x.example> wrote:\n\n> R\n\nT\n",
            "T",
        );
        // Where the original is not marked, it lasts to the end.
        check("----- Original Message -----\nFrom: Shop\n\nR\n", "");
        check("no\n----- Original Message -----\n> hello\n\nR\n", "no");
    }

    #[test]
    fn a_header_block_may_introduce_a_marked_quote() {
        check(
            "From: Shop <s@x.example>\nDate: Tue, 2 Jan 2024 10:00\n\n> reply R\n> R\n\nT\n",
            "T",
        );
        check("From: Shop <s@x.example>\n\nOn Tue, 2 Jan 2024 Shop wrote:\n> R\n\nT\n", "T");
        check("From: Shop\n> Sent: 2 January 2024\n> R\n\nT\n", "T");
        check("To: whoever reads this\n> R\n\nT\n", "To: whoever reads this\n\nT");
        // An unmarked original may quote another in its turn.
        check("From: Shop <s@x.example>\nSent: x\n\nOn 2/3/2024 Ann wrote:\n> hi\n\nR\n", "");
        check("no\n\nFrom: Shop <s@x.example>\nSent: x\n\n> hi\n\nR\n", "no");
    }

    #[test]
    fn a_line_that_names_who_sends_for_another_begins_the_original() {
        check("T\n\nFrom: List <l@x.example> On Behalf Of Shop\n\nReply R\nR\n", "T");
        check("T\n\n发件人: List <l@x.example> 代表 Shop\n\nR\n", "T");
    }

    #[test]
    fn what_is_left_out_or_greets_may_stand_above_the_quote() {
        let introduction = "On Tue, 2 Jan 2024 at 10:00, Shop <s@x.example> wrote:";
        for left_out in ["[...]", "...", "<snip>", "[ … ]", "[省略]"] {
            check(&format!("{introduction}\n\n{left_out}\n\n> R\n\nT\n"), "T");
        }
        check(&format!("{introduction}\n\nHi Shop,\n\n> R\n\nT\n"), "Hi Shop,\n\nT");
        // What is not marked is the original.
        check(&format!("{introduction}\n\n[...]\n\nR\n"), "");
        check(&format!("T\n\n{introduction}\n\nHi Ann,\n\n> hello\n\nR\n"), "T");
    }

    #[test]
    fn an_introduction_may_lack_its_colon_or_its_date() {
        check("T\n\nOn Tue, 2 Jan 2024 10:00:00 +0100 Shop <s@x.example> wrote\n\nR\n", "T");
        check("T\n\n---- Shop wrote ----\n\nR\n", "T");
        check("T\n\n====\n\nMessage du : 02/01/2024\nDe : Shop\n\nR\n", "T\n\n====");
        check("On Tuesday I wrote\nto you", "On Tuesday I wrote\nto you");
        for worn in ["在 2024/1/2 10:00, Shop ?道:", "Le 02/01/2024 ? 10:00, Shop a ?crit?:"] {
            check(&format!("{worn}\n> R\n\nT\n"), "T");
        }
        for words in ["0000", "I am ann@b.example", "To whom it may concern: stop"] {
            check(&format!("{words}\nOn Tue, 2 Jan 2024 Shop\n<s@x.example> wrote:\n\nR\n"), words);
        }
    }

    #[test]
    fn only_a_line_that_names_a_device_or_program_is_a_footer() {
        for footer in [
            "Sent from my iPhone",
            "从我的手机发送",
            "iPhoneから送信",
            "签名由 网易邮箱大师 定制",
            "Outlook für iOS beziehen<https://aka.ms/x>",
            "Android 版 Outlook を入手<https://aka.ms/x>",
            "Wysłane z iPhone’a",
        ] {
            check(&format!("T\n\n{footer}\n"), "T");
        }
        for words in ["从我的邮箱里退订", "Sent via post, please stop", "Sent with love"] {
            check(words, words);
        }
    }

    #[test]
    fn words_below_a_rule_at_the_top_are_kept() {
        check("________________________________\nR\n", "R");
        check("________________________________\nFrom: Shop\nSent: today\n\nR\n", "");
        check("--------------------\nTuesday from Shop <s@x.example>\nR\n", "");
    }

    #[test]
    fn an_introduction_without_a_date_needs_a_quote_below() {
        check("I wrote to you twice:\nunsubscribe me", "I wrote to you twice:\nunsubscribe me");
        check("Shop wrote:\n> R\n\nT", "T");
    }

    #[test]
    fn an_introduction_may_stand_on_the_first_line_of_the_original() {
        check("R\n\nOn Tue, Jan 2, 2024 at 9:00, Shop<s@x.example> wrote:   reply T\nT\n", "R");
        check("R\n\n2024/01/02 9:00、Shop <s@x.example>のメール:\n\nT\n", "R");
    }
}
