//! What the person wrote: the text without quotes, the lines that introduce them, the original below,
//! signatures and the footers of mail programs.

use super::html::{self, CUT};

/// Most lines that are looked at.
const LINES_MAX: usize = 20_000;
/// Longest line that can introduce a quote, in bytes.
const INTRODUCTION_MAX: usize = 400;
/// Lines over which an introduction may be wrapped.
const WRAP_MAX: usize = 4;
/// Longest text that is kept, in bytes.
const WRITTEN_MAX: usize = 64 << 10;

/// Words one of which an introduction holds, in lower case.
const VERBS: [&str; 38] = [
    "wrote",
    "writes",
    "写道",
    "寫道",
    "写到",
    "写了",
    "撰写",
    "a écrit",
    "a ecrit",
    "schrieb",
    "escribió",
    "escribio",
    "ha scritto",
    "escreveu",
    "schreef",
    "geschreven",
    "napisał",
    "napisala",
    "napisal",
    "написал",
    "пишет",
    "писал",
    "пише",
    "написав",
    "skrev",
    "kirjoitti",
    "napísal",
    "작성",
    "님이",
    "のメッセージ",
    "書きました",
    "さんは書き",
    "đã viết",
    "yazdı",
    "kirjoittanut",
    "ért írta",
    "írta",
    "a scris",
];
/// How an introduction begins, in lower case.
const STARTS: [&str; 42] = [
    "on ",
    "at ",
    "in message",
    "le ",
    "am ",
    "el ",
    "il ",
    "em ",
    "op ",
    "w dniu",
    "dnia ",
    "den ",
    "dne ",
    "в ",
    "在",
    "於",
    "vào ",
    "mon,",
    "tue,",
    "wed,",
    "thu,",
    "fri,",
    "sat,",
    "sun,",
    "пн",
    "вт",
    "ср",
    "чт",
    "пт",
    "сб",
    "вс",
    "понедельник",
    "вторник",
    "среда",
    "четверг",
    "пятница",
    "суббота",
    "воскресенье",
    "pe ",
    "ma ",
    "to ",
    "från ",
];
/// What a separator of dashes says between them, in lower case.
const SEPARATORS: [&str; 30] = [
    "original",
    "reply message",
    "forwarded",
    "ursprüngliche",
    "weitergeleitete",
    "d'origine",
    "message transféré",
    "oprindelig",
    "ursprungligt",
    "opprinnelig",
    "oorspronkelijk",
    "originele",
    "messaggio originale",
    "αρχικό",
    "原始",
    "原件",
    "原邮件",
    "原郵件",
    "原文",
    "转发",
    "轉寄",
    "轉發",
    "回复的",
    "回覆的",
    "元のメッセージ",
    "転送",
    "원본",
    "исходное",
    "пересылаемое",
    "oryginalna",
];
/// Labels of a header block, in lower case.
const LABELS: [&str; 86] = [
    "from",
    "sent",
    "date",
    "to",
    "cc",
    "subject",
    "send time",
    "reply-to",
    "发件人",
    "发件时间",
    "发送时间",
    "发送日期",
    "日期",
    "时间",
    "收件人",
    "抄送",
    "抄送人",
    "主题",
    "寄件者",
    "寄件人",
    "寄件日期",
    "收件者",
    "副本",
    "主旨",
    "主題",
    "發件人",
    "發送時間",
    "發送日期",
    "傳送時間",
    "抄送人员",
    "差出人",
    "送信日時",
    "送信者",
    "宛先",
    "件名",
    "日時",
    "보낸 사람",
    "보낸사람",
    "보낸 날짜",
    "받는 사람",
    "받는사람",
    "참조",
    "제목",
    "날짜",
    "von",
    "gesendet",
    "datum",
    "an",
    "betreff",
    "de",
    "envoyé",
    "envoye",
    "date ",
    "à",
    "objet",
    "enviado",
    "enviado el",
    "enviada em",
    "fecha",
    "para",
    "asunto",
    "assunto",
    "da",
    "inviato",
    "data",
    "a",
    "oggetto",
    "van",
    "verzonden",
    "aan",
    "onderwerp",
    "från",
    "skickat",
    "till",
    "ämne",
    "fra",
    "sendt",
    "til",
    "emne",
    "od",
    "wysłano",
    "do",
    "temat",
    "от",
    "кому",
    "тема",
];
/// Footers of mail programs: how a line begins, in lower case.
const FOOTERS: [&str; 36] = [
    "sent from",
    "sent with",
    "sent via",
    "get outlook for",
    "von meinem",
    "gesendet von",
    "gesendet mit",
    "envoyé de",
    "envoyé depuis",
    "enviado desde",
    "enviado do",
    "enviado de",
    "inviato da",
    "verzonden vanaf",
    "verzonden met",
    "verstuurd vanaf",
    "sendt fra",
    "skickat från",
    "发自我的",
    "发自",
    "來自我的",
    "来自我的",
    "从我的",
    "從我的",
    "自我的",
    "發自我的",
    "iphoneから送信",
    "ipadから送信",
    "androidから送信",
    "отправлено с",
    "отправлено из",
    "wysłane z",
    "나의 iphone",
    "lähetetty",
    "获取 outlook",
    "取得 outlook",
];

/// What a person wrote in plain text.
pub(super) fn of_plain(text: &str) -> String {
    // QQ Mail writes its plain text with character references.
    let literal = ["&nbsp;", "&gt;", "&lt;", "&amp;"].iter().any(|name| text.contains(name));
    if literal { of_lines(&html::entities(text)) } else { of_lines(text) }
}

/// What a person wrote in HTML.
pub(super) fn of_html(text: &str) -> String {
    of_lines(&html::lines(text))
}

/// A line without what cannot be seen.
fn visible(line: &str) -> String {
    let shown =
        line.chars().filter(|c| !matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\r' | '\0'));
    let text: String =
        shown.map(|c| if c == '\u{a0}' || c == '\u{3000}' { ' ' } else { c }).collect();
    text.trim_end().to_owned()
}

fn is_quoted(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('>') || line.starts_with('＞')
}

fn of_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().take(LINES_MAX).map(visible).collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        if is_quoted(line) {
            at = after_quote(&lines, at);
            continue;
        }
        if line == CUT || is_separator(&lines, at) || is_header_block(&lines, at) {
            break;
        }
        if let Some(next) = after_introduction(&lines, at) {
            let below = lines[next..].iter().find(|line| !line.trim().is_empty());
            match below {
                Some(below) if is_quoted(below) => at = next,
                _ => break,
            }
            continue;
        }
        if matches!(lines[at].as_str(), "--" | "-- " | "—" | "– ") || line == "--" {
            // A signature lasts until a quote begins.
            at += 1;
            while at < lines.len() && !is_quoted(&lines[at]) && lines[at] != CUT {
                at += 1;
            }
            continue;
        }
        if !is_footer(line) {
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
    out
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

/// `-----Original Message-----`, a rule of dashes or underscores.
fn is_separator(lines: &[String], at: usize) -> bool {
    let line = lines[at].trim();
    if line.len() > INTRODUCTION_MAX {
        return false;
    }
    let is_rule = |c: char| matches!(c, '-' | '_' | '=' | '*' | '‐' | '—' | '–' | '─' | '━');
    let inner = line.trim_matches(|c: char| is_rule(c) || c.is_whitespace());
    let rule = line.chars().take_while(|&c| is_rule(c)).count();
    if inner.is_empty() {
        return rule >= 20;
    }
    let inner = inner.to_lowercase();
    (rule >= 3 || rule >= 2 && line.ends_with("--"))
        && SEPARATORS.iter().any(|words| inner.contains(words))
}

/// The label of a header line: what stands before its colon, if it is one of the known.
fn is_label(line: &str) -> bool {
    let line = line.trim().trim_start_matches(['*', '|', ' ']);
    let Some(end) = line.char_indices().take(24).find(|(_, c)| matches!(c, ':' | '：')) else {
        return false;
    };
    let label = line[..end.0].trim_matches(['*', ' ', '\u{3000}']).to_lowercase();
    LABELS.contains(&label.as_str())
}

/// Two labels or more in a row.
fn is_header_block(lines: &[String], at: usize) -> bool {
    if !is_label(&lines[at]) {
        return false;
    }
    let mut next = lines[at + 1..].iter().filter(|line| !line.trim().is_empty());
    // An address list may be wrapped.
    next.by_ref().take(3).any(|line| is_label(line))
}

/// Where the text goes on after a line that introduces a quote and begins here.
fn after_introduction(lines: &[String], at: usize) -> Option<usize> {
    let first = lines[at].trim();
    if first.is_empty() || first.len() > INTRODUCTION_MAX {
        return None;
    }
    let lower = first.to_lowercase();
    let likely = STARTS.iter().any(|start| lower.starts_with(start))
        || first.starts_with(|c: char| c.is_ascii_digit())
        || first.contains('@')
        || first.contains('<');
    let mut joined = String::new();
    for (count, line) in lines[at..].iter().take(WRAP_MAX).enumerate() {
        let line = line.trim();
        if line.is_empty() && count > 0 && !joined.trim_end().ends_with(',') {
            break;
        }
        joined.push_str(&line.to_lowercase());
        if is_introduction(&joined) {
            return Some(at + count + 1);
        }
        if !likely || joined.len() > INTRODUCTION_MAX {
            break;
        }
        joined.push(' ');
    }
    None
}

fn is_introduction(text: &str) -> bool {
    let text = text.trim_end_matches([' ', '*', '_']);
    let Some(text) = text.strip_suffix([':', '：']) else {
        // Thunderbird in some languages leaves the colon out before a quote; only dates tell.
        return false;
    };
    if text.len() > INTRODUCTION_MAX {
        return false;
    }
    let dated = text.chars().filter(char::is_ascii_digit).count() >= 3 || text.contains('@');
    if VERBS.iter().any(|verb| text.contains(verb)) {
        return dated || text.chars().count() < 60;
    }
    text.ends_with('>') && text.contains('@') && text.contains(|c: char| c.is_ascii_digit())
}

fn is_footer(line: &str) -> bool {
    if line.len() > 200 {
        return false;
    }
    let lower = line.trim_start_matches(['-', '*', '_', ' ']).to_lowercase();
    FOOTERS.iter().any(|start| lower.starts_with(start))
        || (lower.contains("iphone")
            && (lower.contains("送信") || lower.contains("傳送") || lower.contains("發送")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(of_plain(text), expect, "{text}");
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
}
