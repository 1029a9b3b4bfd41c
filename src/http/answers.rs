//! `/api/v1/accounts/{account}/streams/{stream}/answers`: what people who write to a stream are answered.

use super::by::By;
use super::caller::Caller;
use super::draft::{Draft, Named};
use super::problem::{AtField, Problem};
use super::site::Parts;
use crate::accounts::{OwnText, Stream, StreamAnswers};
use crate::replies::languages;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What people who write to a stream are answered.
#[derive(Serialize, ToSchema)]
#[schema(as = StreamAnswers)]
pub(super) struct View {
    /// The stream's name.
    stream: String,
    /// Whether a stop is confirmed to the person, and a call for help answered.
    confirm: bool,
    /// The language of the stream's mail.
    language: Option<String>,
    /// The stream's own words by language.
    texts: BTreeMap<String, String>,
}

fn view(stream: &Stream) -> View {
    let StreamAnswers { silent, language, texts } = &stream.answers;
    let texts = texts.iter().map(|own| (own.language.clone(), own.text.clone()));
    View {
        stream: stream.name.clone(),
        confirm: !silent,
        language: language.clone(),
        texts: texts.collect(),
    }
}

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// Whether a stop is confirmed to the person, and a call for help answered.
    confirm: Option<bool>,
    /// The language of the stream's mail; empty: none is named.
    language: Option<String>,
    /// The stream's own words by language; null takes them back.
    texts: Option<BTreeMap<String, Option<String>>>,
}

/// The language, as it is spoken here.
fn language(tag: &str) -> Result<&'static str, Problem> {
    let spoken = languages().find(|known| known.eq_ignore_ascii_case(tag.trim()));
    spoken.ok_or_else(|| {
        let known: Vec<_> = languages().collect();
        Problem::unfit(format!("`{tag}` is not spoken here: give one of {}", known.join(", ")))
    })
}

/// What is put in for a name in braces.
const PLACEHOLDERS: [&str; 4] = ["sender", "stream", "undo", "hours"];

/// The names in braces of a text: one word each, as a slip of the pen would be one too.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |name: &&str| {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
        !name.is_empty() && name.chars().count() <= 30 && name.chars().all(fits)
    };
    text.split('{').skip(1).filter_map(|after| Some(after.split_once('}')?.0)).filter(is_word)
}

/// Words that may stand in a message.
fn words(parts: &Parts, tag: &str, text: &str) -> Result<String, Problem> {
    let (text, most) = (text.replace("\r\n", "\n"), &parts.config.replies.answer_text_size_max);
    if text.trim().is_empty() {
        return Err(Problem::unfit(format!("the text for {tag} is empty: null takes it back")));
    }
    if text.len() > most.bytes() {
        return Err(Problem::unfit(format!(
            "the text for {tag} has {} bytes: at most {} are taken (replies.answer_text_size_max)",
            text.len(),
            most.bytes()
        )));
    }
    if let Some(strange) = placeholders(&text).find(|name| !PLACEHOLDERS.contains(name)) {
        let known: Vec<_> = PLACEHOLDERS.iter().map(|name| format!("{{{name}}}")).collect();
        return Err(Problem::unfit(format!(
            "the text for {tag}: nothing is put in for {{{strange}}}: there are {}",
            known.join(", ")
        )));
    }
    match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        Some(c) => Err(Problem::unfit(format!("the text for {tag} holds the character {c:?}"))),
        None => Ok(text.trim().to_owned()),
    }
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account, name]): Named<2>,
) -> Result<Json<View>, Problem> {
    let account = caller.account(&parts, &account)?;
    Ok(Json(view(&caller.stream(&parts, account.id, &name)?)))
}

pub(super) async fn change(
    By(parts): By,
    caller: Caller,
    Named([account, name]): Named<2>,
    Draft(wanted): Draft<Change>,
) -> Result<Json<View>, Problem> {
    let account = caller.account(&parts, &account)?;
    caller.stream(&parts, account.id, &name)?;
    let spoken = match wanted.language.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(tag) => Some(Some(language(tag).at("language")?.to_owned())),
    };
    let mut texts = Vec::new();
    for (tag, text) in wanted.texts.unwrap_or_default() {
        let tag = language(&tag).at("texts")?;
        let text = text.map(|text| words(&parts, tag, &text)).transpose().at("texts")?;
        texts.push((tag, text));
    }
    let change = move |answers: &mut StreamAnswers| {
        if let Some(confirm) = wanted.confirm {
            answers.silent = !confirm;
        }
        if let Some(spoken) = spoken {
            answers.language = spoken;
        }
        for (tag, text) in texts {
            answers.texts.retain(|own| own.language != tag);
            let own = text.map(|text| OwnText { language: tag.to_owned(), text });
            answers.texts.extend(own);
        }
    };
    let stream = parts.accounts.change_answers(account.id, &name, change).await?;
    tracing::info!(target: "relent::http", account = account.name, stream = stream.name,
        silent = stream.answers.silent, "what a stream answers was changed");
    Ok(Json(view(&stream)))
}
