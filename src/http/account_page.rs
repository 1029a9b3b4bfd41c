//! `/api/v1/accounts/{account}/page`: what an account shows of itself to the people it writes to.

use super::by::By;
use super::caller::Caller;
use super::draft::{Draft, Named};
use super::problem::Problem;
use super::site::Parts;
use crate::accounts::{AccountPage, Colour, GROUND_DARK, GROUND_LIGHT, LogoName, PageChange};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// What an account shows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecipientPage)]
pub(super) struct View {
    /// The name by which people know it.
    display_name: Option<String>,
    /// Its colour on light pages, `#rrggbb`.
    #[schema(value_type = Option<String>)]
    colour: Option<Colour>,
    /// Its colour on dark pages, where that is another one.
    #[schema(value_type = Option<String>)]
    colour_dark: Option<Colour>,
    /// Its logo.
    logo: Option<LogoView>,
    /// What is shown otherwise than it was set, and why.
    notes: Vec<String>,
}

/// A logo.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Logo)]
struct LogoView {
    /// Below the address of the pages.
    path: String,
    /// `image/png`, `image/jpeg` or `image/webp`.
    media_type: &'static str,
    /// In pixels.
    width: u32,
    /// In pixels.
    height: u32,
}

/// Where a logo is found, below `/u/`.
pub(super) fn logo_path(logo: &LogoName) -> String {
    format!("logo/{}", HEXLOWER.encode(&logo.digest))
}

fn view(page: AccountPage) -> View {
    let (light, dark) = page.shades();
    let mut notes = Vec::new();
    for (set, shade, ground, pages) in [
        (page.colour, light, GROUND_LIGHT, "light"),
        (page.colour_dark.or(page.colour), dark, GROUND_DARK, "dark"),
    ] {
        if let Some(set) = set.filter(|set| *set != shade) {
            notes.push(format!(
                "{set} is shown as {shade} on {pages} pages: its contrast of {:.1} with {ground} is \
                 less than the 4.5 at which everybody can read",
                set.contrast(ground)
            ));
        }
    }
    let logo = page.logo.map(|logo| LogoView {
        path: format!("/u/{}", logo_path(&logo)),
        media_type: logo.picture.kind.media_type(),
        width: logo.picture.width,
        height: logo.picture.height,
    });
    let AccountPage { display_name, colour, colour_dark, .. } = page;
    View { display_name, colour, colour_dark, logo, notes }
}

/// Tells a key that is null from one that is left out.
fn given<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// What changes; what is left out stays, null takes back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    display_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    colour: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    colour_dark: Option<Option<String>>,
}

fn colour(key: &str, text: Option<Option<String>>) -> Result<Option<Option<Colour>>, Problem> {
    let read = |text: String| text.parse::<Colour>();
    let read = text.map(|text| text.map(read).transpose()).transpose();
    read.map_err(|fault| Problem::field(key, format!("`{key}`: {fault}")))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named([name]): Named<1>,
) -> Result<Json<View>, Problem> {
    let account = caller.account(&parts, &name)?;
    Ok(Json(view(parts.accounts.page(account.id)?)))
}

pub(super) async fn change(
    By(parts): By,
    caller: Caller,
    Named([name]): Named<1>,
    Draft(wanted): Draft<Change>,
) -> Result<Json<View>, Problem> {
    caller.whole_account()?;
    let name = caller.account(&parts, &name)?.name;
    let change = PageChange {
        display_name: wanted.display_name,
        colour: colour("colour", wanted.colour)?,
        colour_dark: colour("colour_dark", wanted.colour_dark)?,
    };
    let page = parts.accounts.change_page(&name, change).await?;
    tracing::info!(target: "relent::http", account = name, "what an account shows was changed");
    Ok(Json(view(page)))
}

pub(super) async fn put_logo(
    By(parts): By,
    caller: Caller,
    Named([name]): Named<1>,
    file: Bytes,
) -> Result<Json<View>, Problem> {
    caller.whole_account()?;
    let name = caller.account(&parts, &name)?.name;
    logo(&parts, &name, Some(file.to_vec())).await
}

pub(super) async fn remove_logo(
    By(parts): By,
    caller: Caller,
    Named([name]): Named<1>,
) -> Result<Json<View>, Problem> {
    caller.whole_account()?;
    let name = caller.account(&parts, &name)?.name;
    logo(&parts, &name, None).await
}

async fn logo(parts: &Parts, name: &str, file: Option<Vec<u8>>) -> Result<Json<View>, Problem> {
    let most = parts.config.http.logo_size_max.bytes();
    if file.as_ref().is_some_and(|file| file.len() > most) {
        let text =
            format!("a logo may have {most} bytes at most (http.logo_size_max): save it smaller");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let page = parts.accounts.set_logo(name, file, most).await?;
    tracing::info!(target: "relent::http", account = name, logo = page.logo.is_some(),
        "the logo of an account was changed");
    Ok(Json(view(page)))
}
