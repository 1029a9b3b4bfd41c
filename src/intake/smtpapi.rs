//! `X-SMTPAPI`, by which applications of two large services say what is to become of their mail: what is
//! honoured of it, what is passed over with a word about it, and what is refused.
//!
//! What would change who gets the mail or what it says is honoured or refused, never done by half.

use crate::mail::charset::encoded_words;
use crate::mail::mailbox::mailboxes;
use crate::mail::{Address, Timestamp};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Most keys that are named as passed over.
const NAMED_MAX: usize = 8;
/// Most characters of a key or value that an answer repeats.
const REPEATED_MAX: usize = 60;

/// What one field asks for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SmtpApi {
    /// Further recipients.
    pub(super) to: Vec<Address>,
    /// Before when the mail must not leave.
    pub(super) send_at: Option<Timestamp>,
    /// What is passed over, by its keys, as an answer and the log name it.
    pub(super) ignored: Vec<String>,
}

impl SmtpApi {
    /// Reads a field's value: JSON, plain, in base64 or in encoded words, with any folds undone.
    ///
    /// # Errors
    /// What is wrong with it, or not done here, in the words that the client is told.
    pub(super) fn read(value: &str, recipients_max: usize) -> Result<Self, String> {
        let object = object(value)?;
        let mut read = Self::default();
        for (key, value) in &object {
            if is_empty(value) {
                continue;
            }
            match key.as_str() {
                "to" => read.to = recipients(value, recipients_max)?,
                "send_at" => read.send_at = Some(moment(value)?),
                "sub" | "section" | "sections" | "substitutions" => {
                    return Err(format!(
                        "\"{key}\" is not done here: put each recipient's words into a message of their own"
                    ));
                }
                "send_each_at" => {
                    return Err("\"send_each_at\" is not done here: say \"send_at\", or send a message for each moment".into());
                }
                "filters" => read.filters(value)?,
                // category, unique_args, asm_group_id, asm_groups_to_display, ip_pool, batch_id, …
                _ => read.ignore(key),
            }
        }
        Ok(read)
    }

    /// What services do to a message by the way. One that is switched on and would add to the text, fill a
    /// place in it or send it to somebody else is not passed over.
    fn filters(&mut self, value: &Value) -> Result<(), String> {
        let filters = value.as_object().ok_or("\"filters\" is an object")?;
        for (name, filter) in filters {
            let settings = filter.get("settings").or_else(|| filter.get("setting"));
            let on = match settings.and_then(|settings| settings.get("enable")) {
                Some(Value::Bool(on)) => *on,
                Some(Value::String(on)) => on != "0" && on != "false",
                Some(Value::Number(on)) => on.as_f64() != Some(0.0),
                _ => settings.is_some_and(|settings| !is_empty(settings)),
            };
            let fills =
                settings.and_then(|settings| settings.get("replace")).is_some_and(|v| !is_empty(v));
            let changes = matches!(name.as_str(), "bcc" | "footer" | "template" | "templates");
            if on && (changes || fills) {
                let name = short(name);
                return Err(format!("the filter \"{name}\" is not done here: switch it off"));
            }
            if on {
                self.ignore(&format!("filters.{name}"));
            }
        }
        Ok(())
    }

    fn ignore(&mut self, key: &str) {
        match self.ignored.len() {
            0..NAMED_MAX => self.ignored.push(short(key)),
            NAMED_MAX => self.ignored.push("others".into()),
            _ => {}
        }
    }
}

/// A key without anything in it asks for nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn recipients(value: &Value, most: usize) -> Result<Vec<Address>, String> {
    let named = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    let too_many = || Err(format!("\"to\" names more than {most} recipients"));
    if named.len() > most {
        return too_many();
    }
    let mut found = Vec::with_capacity(named.len());
    for one in named {
        let text = one.as_str().ok_or("\"to\" is a list of addresses")?;
        found.extend(mailboxes(text).map_err(|fault| format!("{}: {fault}", short(text)))?);
        if found.len() > most {
            return too_many();
        }
    }
    Ok(found)
}

/// Seconds since 1970, as a number or in a string.
fn moment(value: &Value) -> Result<Timestamp, String> {
    let seconds = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let seconds = seconds.ok_or("\"send_at\" is a number of seconds since 1970")?;
    Ok(Timestamp(seconds.saturating_mul(1000)))
}

/// The JSON object: plain, in any of the base64 alphabets, or in encoded words, which some libraries make of
/// every field beyond ASCII.
fn object(value: &str) -> Result<Map<String, Value>, String> {
    // A tab that a fold has left behind may stand within a string, where JSON takes none.
    let value = value.replace('\t', " ");
    let value = match value.starts_with("=?") {
        true => encoded_words(value.as_bytes()),
        false => value,
    };
    let text = if value.trim_start().starts_with('{') {
        value.into_bytes()
    } else {
        let compact: String = value.split_whitespace().collect();
        let bare = compact.trim_end_matches('=').as_bytes();
        let alphabets = [data_encoding::BASE64_NOPAD, data_encoding::BASE64URL_NOPAD];
        let decoded = alphabets.iter().find_map(|alphabet| alphabet.decode(bare).ok());
        decoded.ok_or("neither a JSON object nor one in base64")?
    };
    let Once(object) = serde_json::from_slice(&text)
        .map_err(|fault| format!("it cannot be read as JSON: {}", short(&fault.to_string())))?;
    Ok(object)
}

/// An object whose every key stands there once: of two that say different things neither is guessed at.
struct Once(Map<String, Value>);

impl<'de> serde::Deserialize<'de> for Once {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Once;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut object = Map::new();
        while let Some((key, Each(value))) = map.next_entry::<String, Each>()? {
            if object.contains_key(&key) {
                let text = format!("\"{}\" stands there twice", short(&key));
                return Err(Error::custom(text));
            }
            object.insert(key, value);
        }
        Ok(Once(object))
    }
}

/// A value within, whose own objects are held to the same.
struct Each(Value);

impl<'de> serde::Deserialize<'de> for Each {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Each;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Each, E> {
        Ok(Each(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Each, E> {
        Ok(Each(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Each, E> {
        Ok(Each(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Each, E> {
        Ok(Each(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Each, E> {
        Ok(Each(value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Each, E> {
        Ok(Each(value.into()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Each, E> {
        Ok(Each(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Each, A::Error> {
        let mut found = Vec::new();
        while let Some(Each(value)) = list.next_element()? {
            found.push(value);
        }
        Ok(Each(Value::Array(found)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Each, A::Error> {
        Keys.visit_map(map).map(|Once(object)| Each(Value::Object(object)))
    }
}

/// What a client wrote, short and in ASCII, as a reply may hold it.
fn short(text: &str) -> String {
    let shown = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    shown.take(REPEATED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::{BASE64, BASE64URL_NOPAD};

    fn read(value: &str) -> Result<SmtpApi, String> {
        SmtpApi::read(value, 3)
    }

    fn addresses(value: &str) -> Vec<String> {
        read(value).expect("recipients").to.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn recipients_are_read_in_every_form_that_libraries_write() {
        let plain = r#"{"to": ["Änn <ann@reader.example>", "bob@reader.example"]}"#;
        let both = ["ann@reader.example", "bob@reader.example"];
        assert_eq!(addresses(plain), both);
        assert_eq!(addresses(&plain.replace('Ä', r"\u00c4")), both);
        assert_eq!(addresses(&plain.replace(", ", ",\t")), both, "a fold with a tab");
        let folded = |text: &str| {
            let lines = text.as_bytes().chunks(20).map(|line| String::from_utf8_lossy(line));
            lines.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(addresses(&folded(&BASE64.encode(plain.as_bytes()))), both);
        assert_eq!(addresses(&BASE64URL_NOPAD.encode(plain.as_bytes())), both);
        assert_eq!(addresses(&crate::mail::charset::encoded(plain).replace("\r\n", "")), both);
        let word = format!("=?utf-8?q?{}?=", BASE64.encode(plain.as_bytes()).replace('=', "=3D"));
        assert_eq!(addresses(&word), both, "base64 in an encoded word");
        assert_eq!(addresses(r#"{"to": "ann@reader.example"}"#), ["ann@reader.example"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_reason() {
        for (value, reason) in [
            ("", "cannot be read"),
            ("{broken", "cannot be read"),
            ("[1]", "base64"),
            ("W10=", "cannot be read"),
            (r#"{"to": [1]}"#, "list of addresses"),
            (r#"{"to": {"a": "b"}}"#, "list of addresses"),
            (r#"{"to": "nobody"}"#, "nobody"),
            (
                r#"{"to": ["a@b.example, c@b.example", "d@b.example", "e@b.example"]}"#,
                "more than 3",
            ),
            (r#"{"to": ["a@b.example\r\nBcc: x@y.example"]}"#, "a@b.example??Bcc"),
            (r#"{"to": ["a@b.example"], "to": ["c@b.example"]}"#, "twice"),
            (r#"{"filters": {"a": [{"b": 1, "b": 2}]}}"#, "\"b\" stands there twice"),
            (r#"{"send_at": "tomorrow"}"#, "seconds since 1970"),
            (r#"{"send_at": -1}"#, "seconds since 1970"),
            (r#"{"filters": 1}"#, "object"),
        ] {
            let said = read(value).expect_err(value);
            assert!(said.contains(reason) && said.is_ascii(), "{value}: {said}");
        }
        let deep = format!("{{\"x\": {}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(read(&deep).is_err(), "depth is bounded");
    }

    #[test]
    fn what_would_change_the_text_or_who_gets_it_is_refused_and_not_done_by_half() {
        for (value, named) in [
            (r#"{"sub": {"%name%": ["Ann"]}}"#, "\"sub\""),
            (r#"{"section": {"%s%": "text"}}"#, "\"section\""),
            (r#"{"send_each_at": [1, 2]}"#, "\"send_each_at\""),
            (
                r#"{"filters": {"footer": {"settings": {"enable": 1, "text/plain": "x"}}}}"#,
                "\"footer\"",
            ),
            (
                r#"{"filters": {"bcc": {"settings": {"enable": "1", "email": "a@b.example"}}}}"#,
                "\"bcc\"",
            ),
            (
                r#"{"filters": {"templates": {"settings": {"enable": 1, "template_id": "x"}}}}"#,
                "\"templates\"",
            ),
            (
                r#"{"filters": {"subscriptiontrack": {"settings": {"enable": 1, "replace": "[u]"}}}}"#,
                "\"subscriptiontrack\"",
            ),
        ] {
            let said = read(value).expect_err(value);
            assert!(said.contains(named) && said.contains("not done here"), "{value}: {said}");
        }
        for empty in [
            r#"{"sub": {}, "section": null, "send_each_at": [], "to": []}"#,
            r#"{"filters": {"footer": {"settings": {"enable": 0, "text/plain": "x"}}}}"#,
            r#"{"filters": {"bcc": {"settings": {"enable": "0"}}}}"#,
        ] {
            assert_eq!(read(empty), Ok(SmtpApi::default()), "{empty}");
        }
    }

    #[test]
    fn what_is_only_told_to_the_service_is_passed_over_by_name() {
        let said = read(
            r#"{"category": ["x"], "unique_args": {"a": "b"}, "asm_group_id": 1, "asm_groups_to_display": [1],
                "ip_pool": "p", "filters": {"clicktrack": {"settings": {"enable": 1}}}, "Ü": 1}"#,
        );
        let mut named = said.expect("passed over").ignored;
        named.sort_unstable();
        let all = [
            "?",
            "asm_group_id",
            "asm_groups_to_display",
            "category",
            "filters.clicktrack",
            "ip_pool",
            "unique_args",
        ];
        assert_eq!(named, all);
        let many: Vec<_> = (0..20).map(|n| format!("\"k{n}\": 1")).collect();
        let said = read(&format!("{{{}}}", many.join(","))).expect("passed over").ignored;
        assert_eq!(said.len(), NAMED_MAX + 1);
        assert_eq!(said.last().map(String::as_str), Some("others"));
    }

    #[test]
    fn a_moment_is_seconds_since_1970() {
        for value in [r#"{"send_at": 1409348513}"#, r#"{"send_at": "1409348513"}"#] {
            assert_eq!(read(value).expect("a moment").send_at, Some(Timestamp(1_409_348_513_000)));
        }
    }
}
