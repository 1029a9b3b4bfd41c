//! What a person's words ask for. Whole utterances count, not words inside a sentence; a sentence counts
//! where it asks outright; what is doubtful or denied is a letter.

use super::classify::Wish;
use unicode_normalization::UnicodeNormalization;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) wish: Wish,
    /// More was written than the wish and its courtesies.
    pub(super) beyond: bool,
    /// The words can only be about mail.
    pub(super) about_mail: bool,
}

const NOTHING: Found = Found { wish: Wish::None, beyond: true, about_mail: false };

/// Longest text that is searched for a request, in characters.
const SEARCHED_MAX: usize = 2000;
/// Longest utterance, in characters.
const UTTERANCE_MAX: usize = 60;

const REJECT: [&str; 17] = [
    "r",
    "reject",
    "拒收",
    "拒绝",
    "拒收r",
    "r拒收",
    "拒收邮件",
    "拒绝接收",
    "拒绝邮件",
    "拒收此邮件",
    "拒绝再收",
    "拒绝接收邮件",
    "수신거부",
    "수신 거부",
    "受信拒否",
    "rr",
    "全部拒收",
];
/// Words that can only be about mail.
const UNSUBSCRIBE: [&str; 60] = [
    "t",
    "td",
    "退订",
    "取消订阅",
    "退订t",
    "t退订",
    "退订td",
    "td退订",
    "退订邮件",
    "取消邮件订阅",
    "不再订阅",
    "unsubscribe",
    "unsub",
    "un-subscribe",
    "opt out",
    "opt-out",
    "optout",
    "remove me",
    "unsubscribe me",
    "opt me out",
    "take me off",
    "不要再发",
    "别再发",
    "不要再发邮件",
    "不要发了",
    "别发",
    "不要再发邮件给我",
    "请勿再发",
    "勿再发",
    "勿发",
    "abmelden",
    "abbestellen",
    "austragen",
    "abmeldung",
    "désabonner",
    "desabonner",
    "se désabonner",
    "désabonnement",
    "désinscription",
    "desinscription",
    "désinscrire",
    "désinscrivez-moi",
    "désabonnez-moi",
    "darse de baja",
    "dar de baja",
    "darme de baja",
    "отписаться",
    "отписка",
    "отпишите",
    "配信停止",
    "配信解除",
    "購読解除",
    "配信不要",
    "구독취소",
    "구독 취소",
    "wypisz",
    "afmelden",
    "uitschrijven",
    "descadastrar",
    "cancellami",
];
/// Words that may answer an order as well.
const STOP: [&str; 25] = [
    "n",
    "stop",
    "stopall",
    "stop all",
    "cancel",
    "end",
    "quit",
    "remove",
    "stopp",
    "baja",
    "cancelar",
    "sair",
    "arret",
    "arrêt",
    "arrete",
    "0000",
    "qx",
    "退会",
    "解除",
    "停止",
    "取消",
    "停止发送",
    "no more",
    "stoppen",
    "disiscrivimi",
];
const RESUBSCRIBE: [&str; 9] = [
    "start",
    "unstop",
    "resubscribe",
    "subscribe",
    "恢复订阅",
    "重新订阅",
    "订阅",
    "subscribe me",
    "配信再開",
];
const HELP: [&str; 8] = ["help", "info", "帮助", "aide", "ayuda", "hilfe", "ヘルプ", "помощь"];

/// Courtesies before a keyword.
const BEFORE: [&str; 34] = [
    "please",
    "pls",
    "plz",
    "kindly",
    "just",
    "请",
    "麻烦您",
    "麻烦你",
    "麻烦",
    "帮我",
    "帮忙",
    "给我",
    "为我",
    "我要",
    "我想",
    "我需要",
    "我想要",
    "申请",
    "i want to",
    "i would like to",
    "i'd like to",
    "i wish to",
    "want to",
    "can you",
    "could you",
    "me",
    "bitte",
    "merci de",
    "veuillez",
    "me",
    "por favor",
    "per favore",
    "quiero",
    "пожалуйста",
];
/// Verbs of answering, before a letter.
const ANSWER: [&str; 8] = ["reply", "回复", "回", "答复", "回信", "reply with", "re", "回复:"];
/// Courtesies after a keyword.
const AFTER: [&str; 36] = [
    "please",
    "pls",
    "plz",
    "me",
    "thanks",
    "thank you",
    "thx",
    "now",
    "immediately",
    "asap",
    "谢谢",
    "吧",
    "了",
    "一下",
    "我",
    "此邮件",
    "邮件",
    "这个邮件",
    "本邮件",
    "短信",
    "svp",
    "stp",
    "s'il vous plaît",
    "s'il vous plait",
    "bitte",
    "por favor",
    "per favore",
    "をお願いします",
    "をお願い致します",
    "をお願いいたします",
    "お願いします",
    "してください",
    "を希望します",
    "希望",
    "해주세요",
    "пожалуйста",
];
/// Utterances that carry nothing: greetings and thanks, whole.
const COURTESIES: [&str; 48] = [
    "hi",
    "hello",
    "hey",
    "hi there",
    "hello there",
    "dear team",
    "dear sir",
    "dear sirs",
    "dear all",
    "dear sir or madam",
    "good morning",
    "good afternoon",
    "good evening",
    "greetings",
    "您好",
    "你好",
    "大家好",
    "早上好",
    "下午好",
    "谢谢",
    "多谢",
    "感谢",
    "谢谢您",
    "谢谢你",
    "麻烦了",
    "thanks",
    "thank you",
    "thx",
    "many thanks",
    "thanks a lot",
    "hallo",
    "guten tag",
    "danke",
    "vielen dank",
    "bonjour",
    "merci",
    "hola",
    "gracias",
    "ciao",
    "buongiorno",
    "grazie",
    "olá",
    "obrigado",
    "здравствуйте",
    "спасибо",
    "お世話になっております",
    "こんにちは",
    "안녕하세요",
];
/// How a greeting line begins, where it ends in a comma or colon.
const GREETINGS: [&str; 18] = [
    "dear",
    "hi",
    "hello",
    "hey",
    "hallo",
    "liebe",
    "lieber",
    "sehr geehrte",
    "guten",
    "bonjour",
    "cher",
    "hola",
    "estimado",
    "buongiorno",
    "ciao",
    "尊敬的",
    "亲爱的",
    "お世話",
];
/// What closes a letter: what follows is a name.
const CLOSINGS: [&str; 38] = [
    "regards",
    "best regards",
    "kind regards",
    "warm regards",
    "best",
    "best wishes",
    "cheers",
    "sincerely",
    "yours",
    "yours sincerely",
    "yours truly",
    "br",
    "rgds",
    "brgds",
    "thanks and regards",
    "thanks & regards",
    "thanks",
    "thank you",
    "thx",
    "many thanks",
    "谢谢",
    "此致",
    "祝好",
    "顺祝商祺",
    "敬礼",
    "敬上",
    "mit freundlichen grüßen",
    "mfg",
    "viele grüße",
    "gruß",
    "cordialement",
    "saludos",
    "un saludo",
    "cordiali saluti",
    "с уважением",
    "以上",
    "よろしくお願いします",
    "よろしくお願いいたします",
];

/// Requests outright, in lower case and simplified characters; a denial undoes them.
const REQUESTS: [&str; 66] = [
    "unsubscribe me",
    "please unsubscribe",
    "pls unsubscribe",
    "want to unsubscribe",
    "like to unsubscribe",
    "wish to unsubscribe",
    "like to be unsubscribed",
    "want to be unsubscribed",
    "wish to be unsubscribed",
    "be removed from your",
    "be removed from this mailing",
    "remove me from your",
    "remove me from this",
    "remove me from the mailing",
    "remove me from the list",
    "remove me from all",
    "remove my email",
    "remove my e-mail",
    "remove my address",
    "remove my name from",
    "take me off your",
    "take me off this",
    "take me off the list",
    "take me off the mailing",
    "stop sending me",
    "stop emailing me",
    "stop mailing me",
    "stop these emails",
    "stop these mails",
    "stop sending these",
    "stop spamming",
    "no more emails",
    "no more e-mails",
    "no more mail",
    "opt me out",
    "want to opt out",
    "like to opt out",
    "wish to opt out",
    "cancel my subscription",
    "请退订",
    "请帮我退订",
    "请给我退订",
    "我要退订",
    "我想退订",
    "申请退订",
    "请取消订阅",
    "我要取消订阅",
    "我想取消订阅",
    "请拒收",
    "请停止发送",
    "停止给我发",
    "配信を停止して",
    "配信停止をお願い",
    "配信停止して",
    "退会したい",
    "退会をお願い",
    "bitte abmelden",
    "bitte abbestellen",
    "tragen sie mich",
    "melden sie mich ab",
    "me désabonner",
    "me désinscrire",
    "darme de baja",
    "отпишите меня",
    "hãy hủy",
    "me descadastre",
];
/// Requests that hold their own denial.
const REFUSALS: [&str; 46] = [
    "do not send me",
    "don't send me",
    "dont send me",
    "do not email me",
    "don't email me",
    "dont email me",
    "do not e-mail me",
    "do not mail me",
    "do not contact me",
    "don't contact me",
    "do not want to receive",
    "don't want to receive",
    "dont want to receive",
    "don't want your",
    "do not want your",
    "no longer wish to receive",
    "no longer want to receive",
    "don't want any more",
    "do not want any more",
    "never email me",
    "never contact me",
    "stop contacting me",
    "不要再给我发",
    "不要再发",
    "别再给我发",
    "别再发",
    "不要给我发",
    "别给我发",
    "请勿再发",
    "请不要再",
    "请别再",
    "不想再收到",
    "不想收到",
    "不愿再收到",
    "不要再寄",
    "请勿再寄",
    "不再接收",
    "送らないで",
    "送信しないで",
    "配信しないで",
    "keine weiteren",
    "keine e-mails mehr",
    "ne plus recevoir",
    "no quiero recibir",
    "no deseo recibir",
    "не присылайте",
];
/// What makes a sentence doubtful.
const DOUBTS: [&str; 46] = [
    "if you",
    "why",
    "how ",
    "what ",
    "when ",
    "mistake",
    "accident",
    "ignore",
    "instead of",
    "says ",
    "said",
    "does ",
    "will that",
    "question",
    "\"",
    "“",
    "为什么",
    "怎么",
    "如何",
    "什么",
    "是否",
    "吗",
    "误",
    "错",
    "如果",
    "假如",
    "的机票",
    "并非",
    "しますと",
    "場合",
    "でしょうか",
    "ですか",
    "wenn sie",
    "warum",
    "si vous",
    "pourquoi",
    "si no",
    "если",
    "until",
    "bis ",
    "order",
    "订单",
    "invoice",
    "ticket",
    "但是",
    "except",
];
const DENIALS: [&str; 22] = [
    " not ",
    "n't ",
    "dont ",
    "never",
    "without",
    "不要",
    "不想",
    "不是",
    "没有",
    "别",
    "勿",
    "不用",
    "无需",
    "nicht",
    "kein",
    "ne pas",
    " pas ",
    "no quiero",
    " не ",
    "しないで",
    "ません",
    "不会",
];

/// Traditional characters of the keywords, and their simplified ones.
const SIMPLIFIED: [(char, char); 24] = [
    ('訂', '订'),
    ('閱', '阅'),
    ('請', '请'),
    ('覆', '复'),
    ('復', '复'),
    ('郵', '邮'),
    ('發', '发'),
    ('這', '这'),
    ('給', '给'),
    ('從', '从'),
    ('單', '单'),
    ('刪', '删'),
    ('會', '会'),
    ('為', '为'),
    ('麼', '么'),
    ('謝', '谢'),
    ('絕', '绝'),
    ('幫', '帮'),
    ('誤', '误'),
    ('錯', '错'),
    ('問', '问'),
    ('嗎', '吗'),
    ('別', '别'),
    ('們', '们'),
];

/// NFKC, lower case, simplified, blanks single.
fn normal(text: &str) -> String {
    let folded = text.nfkc().flat_map(char::to_lowercase).map(|c| match c {
        '’' | '‘' | '`' | '´' => '\'',
        c => SIMPLIFIED.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to),
    });
    let mut out = String::new();
    for c in folded {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.trim().to_owned()
}

fn is_edge(c: char) -> bool {
    c.is_whitespace()
        || c.is_ascii_punctuation()
        || "“”‘’「」『』【】《》〈〉()（）。、，！？：；…·•~～—–«»".contains(c)
        || matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}' | '\u{fe0f}')
}

/// An utterance without the punctuation around it.
fn bare(text: &str) -> &str {
    text.trim_matches(is_edge)
}

fn is_courtesy(bare: &str) -> bool {
    bare.is_empty() || COURTESIES.contains(&bare)
}

/// Whether a line greets: a whole greeting, or `Dear Ann,`.
fn is_greeting(line: &str) -> bool {
    if is_courtesy(bare(line)) {
        return true;
    }
    let ended = line.ends_with([',', ':', '、', '，', '!']);
    ended
        && line.chars().count() <= 40
        && GREETINGS.iter().any(|start| {
            line.strip_prefix(start)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        })
        && !bare(line).contains([',', '，', '.', '。'])
}

/// The wish that one bare utterance names.
fn named(text: &str) -> Option<(Wish, bool)> {
    if REJECT.contains(&text) {
        Some((Wish::Reject, true))
    } else if UNSUBSCRIBE.contains(&text) {
        Some((Wish::Unsubscribe, true))
    } else if STOP.contains(&text) {
        Some((Wish::Unsubscribe, false))
    } else if RESUBSCRIBE.contains(&text) {
        Some((Wish::Resubscribe, true))
    } else if HELP.contains(&text) {
        Some((Wish::Help, true))
    } else {
        None
    }
}

/// `text` without `start`, which ends at a word's end.
fn without_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(start)?;
    let joined = start.ends_with(|c: char| c.is_ascii_alphanumeric())
        && rest.starts_with(|c: char| c.is_alphanumeric());
    (!joined && !bare(rest).is_empty()).then(|| bare(rest))
}

fn without_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let rest = text.strip_suffix(end)?;
    let joined = end.starts_with(char::is_alphabetic)
        && end.is_ascii()
        && rest.ends_with(|c: char| c.is_alphanumeric());
    // Courtesies follow words; after a letter they would make a sentence of it.
    (!joined && bare(rest).chars().count() > 1).then(|| bare(rest))
}

/// The wish of an utterance, its courtesies taken off.
fn utterance(text: &str) -> Option<(Wish, bool)> {
    if text.chars().count() > UTTERANCE_MAX {
        return None;
    }
    let mut text = bare(text);
    if let Some(found) = named(text) {
        return Some(found);
    }
    for answer in ANSWER {
        let letter = without_start(text, answer);
        if let Some(found) = letter.and_then(named) {
            return Some(found);
        }
    }
    // Each turn takes something away.
    loop {
        let shorter = BEFORE.iter().find_map(|start| without_start(text, start));
        let shorter = shorter.or_else(|| AFTER.iter().find_map(|end| without_end(text, end)));
        text = shorter?;
        if let Some(found) = named(text)
            && text.chars().count() > 1
        {
            return Some(found);
        }
    }
}

/// The wish of a line all of whose clauses are courtesies or wishes.
fn of_line(line: &str) -> Option<(Wish, bool)> {
    if let Some(found) = utterance(line) {
        return Some(found);
    }
    let mut wish = None;
    for clause in line.split(['.', ',', '。', '，', '、', '!', '！', ';', '；', ':']) {
        let clause = bare(clause);
        if is_courtesy(clause) {
            continue;
        }
        wish = wish.or(Some(utterance(clause)?));
    }
    wish
}

/// The wish of a sentence that asks outright.
fn of_sentence(sentence: &str) -> Option<(Wish, bool)> {
    let asks = sentence.contains('?');
    let polite = ["can you", "could you", "would you", "will you please"];
    if DOUBTS.iter().any(|doubt| sentence.contains(doubt))
        || asks && !polite.iter().any(|start| sentence.contains(start))
    {
        return None;
    }
    let wish = if sentence.contains("拒收") { Wish::Reject } else { Wish::Unsubscribe };
    if REFUSALS.iter().any(|request| sentence.contains(request)) {
        let denied = ["退订", "unsubscribe"].iter().any(|word| sentence.contains(word))
            && !sentence.contains("再发");
        return (!denied).then_some((wish, true));
    }
    let padded = format!(" {sentence} ");
    let denied = DENIALS.iter().any(|denial| padded.contains(denial));
    (!denied && REQUESTS.iter().any(|request| sentence.contains(request))).then_some((wish, true))
}

/// Whether there is nothing but blanks, punctuation and courtesies.
pub(super) fn says_nothing(written: &str) -> bool {
    written.chars().take(SEARCHED_MAX).all(is_edge)
}

/// The wish in what a person wrote.
pub(super) fn wish(written: &str) -> Found {
    let searched: String = written.chars().take(SEARCHED_MAX).collect();
    let text: Vec<String> = searched.lines().map(normal).filter(|line| !line.is_empty()).collect();
    let mut lines = text.iter().map(String::as_str).skip_while(|line| is_greeting(line)).peekable();
    // The name after "Regards," or "谢谢" is no wish.
    let greeted = text.len() - lines.clone().count();
    let closed = greeted > 0 && CLOSINGS.contains(&bare(&text[greeted - 1]));
    if let Some(first) = lines.peek().copied()
        && let Some((wish, about_mail)) = of_line(first)
        && !(closed && bare(first).chars().count() == 1)
    {
        lines.next();
        let beyond = more(lines) || written.len() > searched.len();
        return Found { wish, beyond, about_mail };
    }
    let whole = text.join("\n");
    for sentence in whole.split_inclusive(['.', '。', '!', '！', '?', '？', '\n']) {
        if let Some((wish, about_mail)) = of_sentence(sentence.trim()) {
            return Found { wish, beyond: true, about_mail };
        }
    }
    NOTHING
}

/// Whether the lines after a wish say more than thanks and a name.
fn more<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let mut closed = false;
    let mut count = 0;
    for line in lines {
        closed = closed || CLOSINGS.contains(&bare(line));
        if !is_courtesy(bare(line)) && !CLOSINGS.contains(&bare(line)) {
            count += 1;
            if !closed || count > 4 {
                return true;
            }
        }
    }
    false
}

/// The wish of a subject, for a body that says nothing: a reply's subject is the original's, and no wish.
pub(super) fn in_subject(subject: &str) -> Found {
    let subject = normal(subject);
    let replied =
        ["re:", "回复:", "答复:", "aw:", "回复：", "sv:", "antw:", "转发:", "fw:", "fwd:"];
    if replied.iter().any(|start| subject.starts_with(start)) {
        let mut rest = subject.as_str();
        while let Some(start) = replied.iter().find(|start| rest.starts_with(**start)) {
            rest = rest[start.len()..].trim_start();
        }
        // Only a subject that is nothing but a keyword can be the person's own.
        return match named(bare(rest)) {
            Some((wish, about_mail)) => Found { wish, beyond: false, about_mail },
            None => NOTHING,
        };
    }
    match of_line(&subject) {
        Some((wish, about_mail)) => Found { wish, beyond: false, about_mail },
        None => of_sentence(&subject).map_or(NOTHING, |(wish, about_mail)| Found {
            wish,
            beyond: true,
            about_mail,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_utterances_are_wishes() {
        for text in [
            "R",
            "r.",
            "Ｒ",
            "回复R",
            "Reply R",
            "“R”",
            "*R*",
            "拒收",
            "请拒收",
            "您好，\n拒收\n谢谢",
            "수신거부",
            "reject!",
        ] {
            assert_eq!(wish(text).wish, Wish::Reject, "{text}");
        }
        for text in [
            "T",
            "td",
            "退订",
            "取消訂閱",
            "請退訂",
            "STOP",
            "please unsubscribe me",
            "Bitte abmelden",
            "BAJA",
            "配信停止をお願いします",
            "ОТПИСАТЬСЯ",
            "Hello,\n\nunsubscribe\n\nThanks",
            "你好，退订",
            "I would like to be removed from your list. Thank you, Ann",
            "请不要再给我发邮件了",
        ] {
            assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
        }
        assert_eq!(wish("START").wish, Wish::Resubscribe);
    }

    #[test]
    fn what_is_doubtful_or_denied_is_a_letter() {
        for text in [
            "Could you stop by our office on Tuesday?",
            "R. Miller takes care of this.",
            "T: +1 555 0199\nPlease call.",
            "我不要退订，只想换地址",
            "What does replying R do?",
            "Please do not unsubscribe me.",
            "Regards,\nT",
            "谢谢\nR",
            "请问怎么退订？",
        ] {
            assert_eq!(wish(text).wish, Wish::None, "{text}");
        }
    }

    #[test]
    fn more_than_the_wish_is_told() {
        assert!(!wish("R\n\nThanks,\nAnn").beyond);
        assert!(wish("退订\n另外，上周的订单还没到，请查一下。").beyond);
    }
}
