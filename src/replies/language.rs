//! In which language does somebody write? Scripts say it of most, and the commonest words of the Latin
//! ones: a table each. The libraries for it bring megabytes of models, and guess at one word too.

use super::decode::{Letter, Part};
use crate::config;

/// Characters that only the new way of writing Chinese has.
const NEW: &str = "订阅邮发给这请谢们对说过时后个为还让来会不么没见车门问间电话书记语谁请读";
/// Characters that only the old one has.
const OLD: &str = "訂閱郵發給這請謝們對說過時後個為還讓來會麼沒見車門問間電話書記語誰讀";

/// Words in Chinese characters that only Japanese has: what people write there who write no kana.
const JAPANESE: &[&str] = &["配信", "退会", "解約", "購読", "拒否", "登録", "停止希望", "不要です"];

/// The commonest words of languages in Latin letters, and those by which people stop mail in them.
/// Words that two of them share count for both.
const WORDS: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "the",
            "and",
            "you",
            "your",
            "please",
            "from",
            "this",
            "not",
            "mail",
            "wrote",
            "email",
            "unsubscribe",
            "me",
            "my",
            "more",
            "thanks",
            "hello",
            "would",
            "is",
            "of",
            "to",
            "for",
            "don't",
            "take",
            "list",
            "sent",
            "original",
            "message",
            "remove",
            "stop",
        ],
    ),
    (
        "de",
        &[
            "der",
            "die",
            "das",
            "und",
            "ich",
            "sie",
            "nicht",
            "bitte",
            "mich",
            "mehr",
            "keine",
            "ein",
            "eine",
            "ist",
            "von",
            "zu",
            "mit",
            "schrieb",
            "abmelden",
            "abbestellen",
            "gesendet",
            "betreff",
            "ihre",
            "ihren",
            "möchte",
            "danke",
            "hallo",
            "grüße",
            "grüßen",
            "an",
            "am",
            "um",
            "abmeldung",
        ],
    ),
    (
        "fr",
        &[
            "le",
            "la",
            "les",
            "et",
            "je",
            "vous",
            "ne",
            "pas",
            "plus",
            "de",
            "des",
            "du",
            "un",
            "une",
            "est",
            "bonjour",
            "merci",
            "désabonner",
            "désinscrire",
            "désabonnez",
            "recevoir",
            "écrit",
            "envoyé",
            "objet",
            "votre",
            "vos",
            "moi",
            "pour",
            "mes",
            "arrêtez",
            "courriels",
        ],
    ),
    (
        "es",
        &[
            "el",
            "los",
            "las",
            "y",
            "no",
            "por",
            "favor",
            "quiero",
            "más",
            "de",
            "que",
            "un",
            "una",
            "es",
            "baja",
            "darme",
            "dar",
            "correo",
            "correos",
            "gracias",
            "hola",
            "escribió",
            "enviado",
            "asunto",
            "recibir",
            "mi",
            "su",
            "cancelar",
            "suscripción",
            "para",
        ],
    ),
    (
        "pt",
        &[
            "o",
            "os",
            "as",
            "e",
            "não",
            "por",
            "favor",
            "quero",
            "mais",
            "de",
            "que",
            "um",
            "uma",
            "é",
            "cancelar",
            "inscrição",
            "obrigado",
            "obrigada",
            "olá",
            "escreveu",
            "enviado",
            "assunto",
            "receber",
            "meu",
            "minha",
            "para",
            "descadastrar",
            "remover",
            "sair",
        ],
    ),
    (
        "it",
        &[
            "il",
            "lo",
            "gli",
            "e",
            "non",
            "per",
            "favore",
            "voglio",
            "più",
            "di",
            "che",
            "un",
            "una",
            "è",
            "cancellami",
            "cancellatemi",
            "cancellare",
            "disiscrivere",
            "disiscrivimi",
            "grazie",
            "ciao",
            "scritto",
            "inviato",
            "oggetto",
            "ricevere",
            "mia",
            "mio",
            "ha",
            "cancellazione",
            "iscrizione",
            "vostre",
        ],
    ),
    (
        "nl",
        &[
            "de",
            "het",
            "een",
            "en",
            "ik",
            "u",
            "niet",
            "geen",
            "meer",
            "alstublieft",
            "graag",
            "van",
            "mij",
            "is",
            "afmelden",
            "uitschrijven",
            "nieuwsbrief",
            "bedankt",
            "hallo",
            "schreef",
            "verzonden",
            "onderwerp",
            "ontvangen",
            "mijn",
            "uw",
            "voor",
            "wil",
            "op",
            "aanmelden",
        ],
    ),
    (
        "pl",
        &[
            "nie",
            "proszę",
            "prosze",
            "i",
            "w",
            "na",
            "się",
            "do",
            "z",
            "mnie",
            "chcę",
            "chce",
            "więcej",
            "wypisz",
            "wypisać",
            "rezygnuję",
            "rezygnacja",
            "dziękuję",
            "witam",
            "napisał",
            "napisała",
            "wysłano",
            "temat",
            "otrzymywać",
            "mój",
            "moją",
            "wiadomości",
            "listy",
            "subskrypcji",
        ],
    ),
];

/// Characters that are looked at: enough to know a language by, whatever somebody quotes.
const LOOKED_MAX: usize = 4000;

/// The language of somebody who answers: of what they wrote, or of their subject, or of the whole message,
/// where what they answer stands with the words by which their mail program introduces it.
pub(super) fn of_reply(
    message: &[u8],
    written: &str,
    limits: &config::Replies,
) -> Option<&'static str> {
    if let Some(language) = language(written) {
        return Some(language);
    }
    let letter = Letter::read(message, limits)?;
    let subject = letter.head.text("subject").unwrap_or_default();
    let text = letter.part("text/plain").or_else(|| letter.part("text/html"));
    language(&text.map(Part::text).unwrap_or_default()).or_else(|| language(&subject))
}

/// The language of a text; none where it is too little to say.
pub(super) fn language(text: &str) -> Option<&'static str> {
    let text: String = text.chars().take(LOOKED_MAX).collect::<String>().to_lowercase();
    let (mut han, mut kana, mut hangul, mut cyrillic, mut latin) = (0, 0, 0, 0, 0);
    let (mut new, mut old) = (0, 0);
    for c in text.chars() {
        match c {
            '\u{3040}'..='\u{30ff}' | '\u{ff66}'..='\u{ff9f}' => kana += 1,
            '\u{ac00}'..='\u{d7a3}' | '\u{1100}'..='\u{11ff}' => hangul += 1,
            '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' => {
                han += 1;
                new += u32::from(NEW.contains(c) && !OLD.contains(c));
                old += u32::from(OLD.contains(c) && !NEW.contains(c));
            }
            '\u{0400}'..='\u{04ff}' => cyrillic += 1,
            c if c.is_alphabetic() => latin += 1,
            _ => {}
        }
    }
    // A character of these says as much as a word of Latin letters.
    let letters = latin / 4;
    let is_japanese = kana > 0 || JAPANESE.iter().any(|word| text.contains(word));
    if is_japanese && kana + han > letters {
        return Some("ja");
    }
    if hangul > 0 && hangul > letters {
        return Some("ko");
    }
    if han > 0 && han > letters {
        return Some(if old > new { "zh-Hant" } else { "zh-Hans" });
    }
    if cyrillic > latin {
        return Some("ru");
    }
    by_words(&text)
}

/// The language whose words a text has most of; none where two have as many.
fn by_words(text: &str) -> Option<&'static str> {
    let words = text.split(|c: char| !c.is_alphabetic() && c != '\'');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let count = |known: &[&str]| words.iter().filter(|word| known.contains(word)).count();
    let mut counted: Vec<_> = WORDS.iter().map(|(tag, known)| (count(known), *tag)).collect();
    counted.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    match counted[..] {
        [(most, tag), (next, _), ..] if most > next => Some(tag),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_by_its_script_or_its_words() {
        for (text, expected) in [
            ("退订", Some("zh-Hans")),
            ("请不要再给我发邮件了", Some("zh-Hans")),
            ("取消訂閱，謝謝", Some("zh-Hant")),
            ("拒收", Some("zh-Hans")),
            ("配信停止してください", Some("ja")),
            ("配信停止", Some("ja")),
            ("수신거부", Some("ko")),
            ("отписаться", Some("ru")),
            ("Bitte melden Sie mich ab", Some("de")),
            ("ABMELDEN", Some("de")),
            ("Désabonner", Some("fr")),
            ("Je ne veux plus recevoir vos courriels", Some("fr")),
            ("No quiero recibir más correos", Some("es")),
            ("BAJA", Some("es")),
            ("Não quero mais receber e-mails", Some("pt")),
            ("Non voglio più ricevere le vostre mail", Some("it")),
            ("Ik wil geen mail meer ontvangen", Some("nl")),
            ("Proszę mnie wypisać z listy", Some("pl")),
            ("please take me off this list", Some("en")),
            ("Unsubscribe", Some("en")),
            ("R", None),
            ("T", None),
            ("", None),
            ("12345 ...", None),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }

    #[test]
    fn a_word_of_another_script_in_a_name_says_nothing() {
        let text = "Please do not send this mail to me any more.\r\n-- \r\nWang (王)";
        assert_eq!(language(text), Some("en"));
    }
}
