//! Lines by which mail programs introduce an original: a sentence that says who wrote when, or a block of header
//! fields, in many languages.

use super::marks::Marks;

/// Longest line that can introduce a quote, in bytes.
pub(super) const INTRODUCTION_MAX: usize = 400;
/// Shortest line, in characters, that may have been wrapped before it says that it introduces a quote.
const WRAPPED_MIN: usize = 50;
/// Lines over which an introduction may be wrapped.
const WRAP_MAX: usize = 4;
/// Most lines of a header block.
const BLOCK_MAX: usize = 8;
/// Longest title above a header block, in characters.
const TITLE_MAX: usize = 30;
/// Longest introduction without a date or an address, in characters.
const UNDATED_MAX: usize = 60;

/// The label of a header line: what stands before its colon, if it is one of the known.
pub(super) fn is_label(marks: &Marks, line: &str) -> bool {
    let line = line.trim().trim_start_matches(['*', '|', ' ']);
    let Some(end) = line.char_indices().take(24).find(|(_, c)| matches!(c, ':' | '：')) else {
        return false;
    };
    let label = line[..end.0].trim_matches(['*', ' ', '\u{3000}']).to_lowercase();
    marks.labels.contains(&label)
}

/// Two labels or more in a row, or the line of one who sends for another.
pub(super) fn is_header_block(marks: &Marks, lines: &[String], at: usize) -> bool {
    if !is_label(marks, &lines[at]) {
        return false;
    }
    let lower = lines[at].to_lowercase();
    if lower.contains('@') && marks.delegates.iter().any(|words| lower.contains(words)) {
        return true;
    }
    let mut next = lines[at + 1..].iter().filter(|line| !line.trim().is_empty());
    // An address list may be wrapped.
    next.by_ref().take(3).any(|line| is_label(marks, line))
}

/// Where the text goes on after a header block that begins here, be it one line that names a sender.
pub(super) fn after_block(marks: &Marks, lines: &[String], at: usize) -> Option<usize> {
    if !is_label(marks, &lines[at]) {
        return None;
    }
    let block = lines[at..].iter().take(BLOCK_MAX);
    let block: Vec<&String> =
        block.take_while(|line| !line.trim().is_empty() && !line.starts_with('>')).collect();
    let labels = block.iter().filter(|line| is_label(marks, line)).count();
    let next = at + block.len();
    // Some write the first of its lines, and mark the others.
    let marked = lines.get(next).and_then(|line| line.strip_prefix('>'));
    let goes_on = labels == 1 && marked.is_some_and(|line| is_label(marks, line));
    (labels > 1 || goes_on || is_sender(lines[at].trim())).then_some(next)
}

/// A line that ends in a colon right above a header block: "原邮件内容：".
pub(super) fn is_title_of_block(marks: &Marks, lines: &[String], at: usize) -> bool {
    let line = lines[at].trim();
    let titled = line.ends_with([':', '：']) && line.chars().count() <= TITLE_MAX;
    titled && lines.get(at + 1).is_some() && is_header_block(marks, lines, at + 1)
}

/// Where the text goes on after a line that introduces a quote and begins here, and whether that line
/// holds a date or an address.
pub(super) fn after_introduction(
    marks: &Marks,
    lines: &[String],
    at: usize,
) -> Option<(usize, bool)> {
    let first = lines[at].trim();
    if first.is_empty() || first.len() > INTRODUCTION_MAX {
        return None;
    }
    let lower = first.to_lowercase();
    if is_sender(first) && lines.get(at + 1).is_some_and(|next| is_date(next.trim())) {
        return Some((at + 2, true));
    }
    let begins = |line: &str| marks.starts.iter().any(|start| line.starts_with(start.as_str()));
    let timed = |line: &str| line.chars().filter(char::is_ascii_digit).count() >= 3;
    let started = begins(&lower)
        || first.starts_with(|c: char| c.is_ascii_digit())
        || first.contains('@')
        || first.contains('<');
    // A long name may fill the first line; what ends a sentence does not go on.
    let wrapped = !started
        && first.chars().count() >= WRAPPED_MIN
        && !first.ends_with(['.', '!', '?', '。', '！', '？', ',', ':']);
    let mut joined = String::new();
    for (count, line) in lines[at..].iter().take(WRAP_MAX).enumerate() {
        let line = line.trim();
        if line.is_empty() && count > 0 && !joined.trim_end().ends_with(',') {
            break;
        }
        let lower = line.to_lowercase();
        let anew = || begins(&lower) || introduction(marks, &lower).is_some();
        let whole = || {
            !(begins(&joined) && timed(&joined))
                && begins(&lower)
                && timed(&lower)
                && after_introduction(marks, lines, at + count).is_some()
        };
        if count > 0 && (wrapped && !line.starts_with('<') && anew() || started && whole()) {
            // The introduction begins here, and what stands above it is the person's.
            break;
        }
        joined.push_str(&lower);
        if let Some(dated) = introduction(marks, &joined) {
            return Some((at + count + 1, dated));
        }
        if !(started || wrapped) || joined.len() > INTRODUCTION_MAX {
            break;
        }
        joined.push(' ');
    }
    None
}

/// A line that is a name and an address.
fn is_sender(line: &str) -> bool {
    line.split_once('<').is_some_and(|(_, rest)| rest.contains('@') && rest.ends_with('>'))
}

/// A line that is a date and a time, in digits.
fn is_date(line: &str) -> bool {
    let digits = line.chars().filter(char::is_ascii_digit).count();
    digits >= 8
        && line.contains(':')
        && line.chars().filter(|c| c.is_alphanumeric()).count() < 2 * digits
}

/// Whether a text in lower case introduces a quote, and then whether it holds a date or an address.
pub(super) fn introduction(marks: &Marks, text: &str) -> Option<bool> {
    let text = text.trim_end_matches([' ', '*', '_']);
    // Zoho leaves the colon out; the rest tells.
    let bare = |verb: &String| text.ends_with(verb.as_str()) && text.contains('@');
    let begun = || marks.starts.iter().any(|start| text.starts_with(start));
    let is_bare = || marks.verbs.iter().any(bare) && begun() && is_dated(&text.replace('@', ""));
    let Some(text) = text.strip_suffix([':', '：']) else {
        return (text.len() <= INTRODUCTION_MAX && is_bare()).then_some(true);
    };
    if text.len() > INTRODUCTION_MAX {
        return None;
    }
    let dated = is_dated(text);
    if marks.speak(text) {
        return (dated || text.chars().count() < UNDATED_MAX).then_some(dated);
    }
    let sender = text.ends_with('>') && text.contains('@');
    (sender && text.contains(|c: char| c.is_ascii_digit())).then_some(true)
}

pub(super) fn is_dated(text: &str) -> bool {
    text.chars().filter(char::is_ascii_digit).count() >= 3 || text.contains('@')
}

/// An introduction with the original on the same line, as Yahoo's app writes it.
pub(super) fn is_introduction_in_line(marks: &Marks, line: &str) -> bool {
    let start: String = line.chars().take(INTRODUCTION_MAX).collect::<String>().to_lowercase();
    if !marks.starts.iter().any(|known| start.starts_with(known)) {
        return false;
    }
    marks.verbs.iter().any(|verb| {
        let Some((before, after)) = start.split_once(verb) else {
            return false;
        };
        let after = after.trim_start().strip_prefix([':', '：']);
        let told = before.contains('@') && is_dated(&before.replace('@', ""));
        told && after.is_some_and(|original| !original.trim().is_empty())
    })
}
