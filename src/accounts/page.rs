//! What an account shows of itself to the people it writes to: a name, a logo, colours.

use super::account::Accounts;
use super::colour::Colour;
use super::picture::{Picture, picture};
use super::record::{Account, AccountFault};
use crate::events::Act;
use crate::mail::AccountId;
use crate::store::{Record, StoreFault, Table};
use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// Most characters of a name.
pub const DISPLAY_NAME_MAX: usize = 100;

/// What light pages are made on.
pub const GROUND_LIGHT: Colour = Colour::WHITE;
/// What dark pages are made on.
pub const GROUND_DARK: Colour = Colour([0x14, 0x17, 0x1a]);
/// The colour of an account that has set none.
const COLOUR_DEFAULT: Colour = Colour([0x1f, 0x4e, 0x79]);

/// What an account shows of itself; whatever it has not set is taken from the account, or left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPage {
    /// The name by which people know it.
    pub display_name: Option<String>,
    /// Its colour on light pages.
    pub colour: Option<Colour>,
    /// Its colour on dark pages, where that is another one.
    pub colour_dark: Option<Colour>,
    /// Its logo.
    pub logo: Option<LogoName>,
}

impl AccountPage {
    /// The shades in which its colour can be read, on light pages and on dark ones.
    #[must_use]
    pub fn shades(&self) -> (Colour, Colour) {
        let light = self.colour.unwrap_or(COLOUR_DEFAULT);
        let dark = self.colour_dark.unwrap_or(light);
        (light.readable_on(GROUND_LIGHT), dark.readable_on(GROUND_DARK))
    }
}

/// Under what name a logo is found, and what its head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogoName {
    /// The digest of the account and the bytes, so that a name never means another picture, and says
    /// nothing of whose it is.
    pub digest: [u8; 32],
    /// Kind and sides.
    pub picture: Picture,
}

/// A logo as it is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logo {
    /// Kind and sides.
    pub picture: Picture,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Record for AccountPage {
    const TABLE: Table = Table::AccountPage;
}

impl Record for Logo {
    const TABLE: Table = Table::AccountPage;
}

/// What of a page changes; an inner `None` takes it back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageChange {
    /// The name.
    pub display_name: Option<Option<String>>,
    /// The colour on light pages.
    pub colour: Option<Option<Colour>>,
    /// The colour on dark pages.
    pub colour_dark: Option<Option<Colour>>,
}

/// A page as its entries in the audit chain show it.
fn described(account: AccountId, page: &AccountPage) -> Act {
    let logo = page.logo.map(|logo| HEXLOWER.encode(&logo.digest));
    Act::new(account, "account.page_changed")
        .with("display_name", page.display_name.clone())
        .with("colour", page.colour.map(String::from))
        .with("colour_dark", page.colour_dark.map(String::from))
        .with("logo", logo)
}

/// A name that people can read: on one line, and without marks that turn what follows it around.
fn checked_name(name: &str) -> Result<String, AccountFault> {
    let name = name.trim();
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let is_blank = !name.chars().any(char::is_alphanumeric);
    let refused = |why: &str| Err(AccountFault::Refused(format!("the display name {why}")));
    if is_blank {
        return refused("has no letter: write the name by which people know the sender");
    }
    if name.chars().count() > DISPLAY_NAME_MAX {
        return refused(&format!("is longer than {DISPLAY_NAME_MAX} characters"));
    }
    if name.chars().any(|c| c.is_control() || turns(c) || matches!(c, '\u{2028}' | '\u{2029}')) {
        return refused("holds a control character or a line break: write it on one line");
    }
    Ok(name.to_owned())
}

impl Accounts {
    /// What an account shows of itself.
    ///
    /// # Errors
    /// The store.
    pub fn page(&self, account: AccountId) -> Result<AccountPage, StoreFault> {
        Ok(self.store.get::<AccountPage>(&account.0.to_be_bytes())?.unwrap_or_default())
    }

    /// The name by which people know an account: the one it shows, else its own.
    ///
    /// # Errors
    /// The store.
    pub fn shown_name(&self, account: &Account) -> Result<String, StoreFault> {
        let shown = self.page(account.id)?.display_name;
        Ok(shown.unwrap_or_else(|| account.name.clone()))
    }

    /// Changes what an account shows of itself.
    ///
    /// # Errors
    /// There is no such account; the name cannot be shown; the store.
    pub async fn change_page(
        &self,
        name: &str,
        change: PageChange,
    ) -> Result<AccountPage, AccountFault> {
        let account = self.account(name)?.id;
        let (place, author) = (account.0.to_be_bytes(), self.author.clone());
        let display_name = match change.display_name {
            Some(Some(shown)) => Some(Some(checked_name(&shown)?)),
            other => other,
        };
        self.store
            .transact(move |t| {
                let mut page = t.get::<AccountPage>(&place)?.unwrap_or_default();
                if let Some(shown) = display_name {
                    page.display_name = shown;
                }
                if let Some(colour) = change.colour {
                    page.colour = colour;
                }
                if let Some(colour) = change.colour_dark {
                    page.colour_dark = colour;
                }
                t.put(&place, &page);
                author.write(t, described(account, &page))?;
                Ok(Ok(page))
            })
            .await?
    }

    /// Sets an account's logo, or takes it back.
    ///
    /// # Errors
    /// There is no such account; it is no picture that is taken, or too large; the store.
    pub async fn set_logo(
        &self,
        name: &str,
        file: Option<Vec<u8>>,
        size_max: usize,
    ) -> Result<AccountPage, AccountFault> {
        let account = self.account(name)?.id;
        let refused = |why: String| AccountFault::Refused(format!("the logo was not taken: {why}"));
        let made = match file {
            Some(bytes) if bytes.len() > size_max => {
                return Err(refused(format!(
                    "it is {} bytes, and {size_max} are the limit (http.logo_size_max): save it smaller",
                    bytes.len()
                )));
            }
            Some(bytes) => {
                let picture = picture(&bytes).map_err(|fault| refused(fault.to_string()))?;
                let mut digest = Context::new(&SHA256);
                digest.update(&account.0.to_be_bytes());
                digest.update(&bytes);
                let digest = digest.finish().as_ref().try_into();
                let digest = digest.map_err(|_| refused("it has no digest".into()))?;
                Some((LogoName { digest, picture }, Logo { picture, bytes }))
            }
            None => None,
        };
        let (place, author) = (account.0.to_be_bytes(), self.author.clone());
        self.store
            .transact(move |t| {
                let mut page = t.get::<AccountPage>(&place)?.unwrap_or_default();
                if let Some(before) = page.logo.take() {
                    t.remove::<Logo>(&before.digest);
                }
                if let Some((name, logo)) = made {
                    t.put(&name.digest, &logo);
                    page.logo = Some(name);
                }
                t.put(&place, &page);
                author.write(t, described(account, &page))?;
                Ok(Ok(page))
            })
            .await?
    }

    /// A logo by its digest.
    ///
    /// # Errors
    /// The store.
    pub fn logo(&self, digest: &[u8; 32]) -> Result<Option<Logo>, StoreFault> {
        self.store.get::<Logo>(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_people_can_read() {
        let long = "é".repeat(DISPLAY_NAME_MAX);
        for name in ["Acme", " Müller & Söhne <b> ", "شركة المثال", "🎉 Party 1", long.as_str()]
        {
            assert_eq!(checked_name(name).expect("a name"), name.trim());
        }
        let longer = format!("{long}a");
        for wrong in ["", "  ", "🎉", "a\nb", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b", &longer] {
            let fault = checked_name(wrong).expect_err("no name");
            assert!(matches!(fault, AccountFault::Refused(_)), "{wrong:?}");
        }
    }
}
