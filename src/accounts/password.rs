//! Passwords of members: which may be chosen, and their hashes (argon2id), of which few are made at a time,
//! so that a flood of logins takes neither memory nor time from mail.

use super::member::MemberFault;
use super::record::AccountFault;
use crate::config::{self, Section};
use crate::world::Turns;
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;

/// Shortest and longest password, in characters of its normal form.
const LENGTH_MIN: usize = 12;
const LENGTH_MAX: usize = 128;
/// Most bytes of what is taken for a password at all.
pub(super) const BYTES_MAX: usize = 1024;

/// Those of the commonest passwords that are long enough: words and rows of keys that are tried first.
const COMMON: &[&str] = &[
    "000000000000",
    "111111111111",
    "112233445566",
    "121212121212",
    "123123123123",
    "123321123321",
    "123456123456",
    "1234567890-=",
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456789012345",
    "1234567890123456",
    "1234567890qwerty",
    "123456789abc",
    "1234qwerasdf",
    "123qweasdzxc",
    "1q2w3e4r5t6y",
    "1q2w3e4r5t6y7u",
    "1q2w3e4r5t6y7u8i",
    "1qaz2wsx3edc",
    "1qaz2wsx3edc4rfv",
    "987654321098",
    "aaaaaaaaaaaa",
    "abc123abc123",
    "abcabcabcabc",
    "abcd1234abcd",
    "abcdefghijkl",
    "abcdefghijklmnop",
    "admin1234567",
    "adminadminadmin",
    "administrator",
    "administrator1",
    "asdfasdfasdf",
    "asdfghjkl123",
    "azertyuiop12",
    "basketball12",
    "changeme1234",
    "changemenow1",
    "correcthorsebatterystaple",
    "football1234",
    "helloworld12",
    "helloworld123",
    "iloveyou1234",
    "iloveyouforever",
    "letmein12345",
    "letmeinletmein",
    "liverpool123",
    "manchester12",
    "passpasspass",
    "password1234",
    "password12345",
    "password123456",
    "password123456789",
    "password2024",
    "password2025",
    "password2026",
    "passwordpassword",
    "princess1234",
    "q1w2e3r4t5y6",
    "qazwsxedcrfv",
    "qwer1234qwer",
    "qwerasdfzxcv",
    "qwerqwerqwer",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiop[]",
    "qwertyuiopas",
    "qwertyuiopasdf",
    "qwertyuiopasdfghjkl",
    "sunshine1234",
    "superman1234",
    "thequickbrownfox",
    "trustno1trustno1",
    "unbelievable",
    "welcome12345",
    "welcome123456",
    "zaq12wsxcde3",
    "zxcvbnm12345",
    "zxcvbnmasdfghjkl",
    "zzzzzzzzzzzz",
];

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PasswordHash {
    salt: [u8; 16],
    hash: [u8; 32],
    cost: Cost,
}

/// Nothing of it is for logs.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// What a hash takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cost {
    kibibytes: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// What the settings demand.
    pub(super) fn of(settings: &config::Members) -> Self {
        Self {
            kibibytes: u32::try_from(settings.password_memory.0 / 1024).unwrap_or(u32::MAX),
            passes: settings.password_passes,
            lanes: settings.password_lanes,
        }
    }
}

impl PasswordHash {
    /// Whether it was made for less than this.
    pub(super) fn is_weaker_than(&self, cost: Cost) -> bool {
        self.cost.kibibytes < cost.kibibytes || self.cost.passes < cost.passes
    }

    /// A hash that no password has, and that takes as long to compare with.
    pub(super) fn nobody(cost: Cost) -> Self {
        Self { salt: [0; 16], hash: [0; 32], cost }
    }
}

/// The form in which a password is hashed: NFKC, so that it is the same from every keyboard.
pub(super) fn normal(password: &str) -> String {
    password.nfkc().collect()
}

/// The normal form of a password that may be chosen by whoever logs in with an address.
pub(super) fn fit(password: &str, address: &str) -> Result<String, AccountFault> {
    let refuse = |text: String| Err(AccountFault::Refused(text));
    if password.len() > BYTES_MAX {
        return refuse(format!("the password is too long: {LENGTH_MAX} characters are the most"));
    }
    let normal = normal(password);
    let length = normal.chars().count();
    if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
        return refuse(format!(
            "the password has {length} characters: choose one of {LENGTH_MIN} to {LENGTH_MAX}; a \
             few words in a row are a good one"
        ));
    }
    if normal.chars().any(char::is_control) {
        return refuse(
            "the password has a control character, which no keyboard types twice".into(),
        );
    }
    let folded = normal.to_lowercase();
    if folded == address.to_lowercase() || COMMON.contains(&folded.as_str()) {
        return refuse(
            "the password is one of the first that anybody would try: choose another".into(),
        );
    }
    Ok(normal)
}

/// Makes hashes, few at a time.
pub(super) struct Hasher {
    turns: Turns,
    places: Turns,
    settings: Section<config::Members>,
}

impl Hasher {
    pub(super) fn new(settings: impl Into<Section<config::Members>>) -> Self {
        let settings = settings.into();
        let count = |of: fn(&config::Members) -> usize| Turns::new(settings.now(of));
        let places = |settings: &config::Members| {
            let turns = settings.hashes_max.max(1) as usize;
            turns.saturating_add(settings.hashes_waiting_max as usize)
        };
        let turns = count(|settings| settings.hashes_max as usize);
        Self { turns, places: count(places), settings }
    }

    pub(super) fn cost(&self) -> Cost {
        Cost::of(&self.settings)
    }

    async fn derive(
        &self,
        password: String,
        salt: [u8; 16],
        cost: Cost,
    ) -> Result<[u8; 32], MemberFault> {
        let place =
            self.places.semaphore().clone().try_acquire_owned().map_err(|_| MemberFault::Busy)?;
        let turn =
            self.turns.semaphore().clone().acquire_owned().await.map_err(|_| MemberFault::Busy)?;
        // Whoever asked may have gone meanwhile: the turn is over when the hash is made, not before.
        let made = tokio::task::spawn_blocking(move || {
            let _taken = (place, turn);
            let params = Params::new(cost.kibibytes, cost.passes, cost.lanes, Some(32)).ok()?;
            let mut hash = [0; 32];
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_into(password.as_bytes(), &salt, &mut hash).ok()?;
            Some(hash)
        });
        made.await.ok().flatten().ok_or(MemberFault::Busy)
    }

    /// The hash of a password in its normal form.
    pub(super) async fn hash(
        &self,
        password: String,
        salt: [u8; 16],
    ) -> Result<PasswordHash, MemberFault> {
        let cost = self.cost();
        let hash = self.derive(password, salt, cost).await?;
        Ok(PasswordHash { salt, hash, cost })
    }

    /// Whether a password in its normal form is the one that was hashed.
    pub(super) async fn is_right(
        &self,
        password: String,
        kept: &PasswordHash,
    ) -> Result<bool, MemberFault> {
        let hash = self.derive(password, kept.salt, kept.cost).await?;
        Ok(hash.ct_eq(&kept.hash).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Size;

    #[test]
    fn a_password_is_long_and_not_what_everybody_tries() {
        let fit = |password: &str| fit(password, "Ann.Example@acme.example");
        for right in
            ["correct horse battery", "пароль из слов", "          12", "ａｂｃｄｅｆｇｈｉｊｋ1"]
        {
            assert!(fit(right).is_ok(), "{right}: {:?}", fit(right));
        }
        // Wide letters are those of the keyboard.
        assert_eq!(fit("ｐａｓｓｗｏｒｄ ｏｆ ａｎｎ").ok().as_deref(), Some("password of ann"));
        for wrong in [
            "",
            "eleven char",
            &"x".repeat(129),
            &"é".repeat(600),
            "PassWord1234",
            "ｐａｓｓｗｏｒｄ1234",
            "ann.example@acme.example",
            "two lines of\nit",
        ] {
            assert!(fit(wrong).is_err(), "{wrong}");
        }
        assert!(fit(&"x".repeat(128)).is_ok());
        assert!(COMMON.is_sorted() && COMMON.iter().all(|word| word.len() >= LENGTH_MIN));
    }

    #[tokio::test]
    async fn a_hash_is_right_for_its_password_alone_and_is_made_anew_where_more_is_demanded() {
        let mut settings = config::Members::default();
        let hasher = Hasher::new(&settings);
        let kept = hasher.hash("correct horse battery".into(), [7; 16]).await.expect("a hash");
        assert!(hasher.is_right("correct horse battery".into(), &kept).await.expect("compared"));
        assert!(!hasher.is_right("correct horse batterz".into(), &kept).await.expect("compared"));
        let other = hasher.hash("correct horse battery".into(), [8; 16]).await.expect("a hash");
        assert_ne!(kept, other, "the salt is another");
        let nobody = PasswordHash::nobody(hasher.cost());
        assert!(!hasher.is_right(String::new(), &nobody).await.expect("compared"));
        assert!(!kept.is_weaker_than(hasher.cost()));
        settings.password_memory = Size::megabytes(32);
        let demanding = Hasher::new(&settings);
        assert!(kept.is_weaker_than(demanding.cost()));
        // Its own cost stands beside it.
        assert!(demanding.is_right("correct horse battery".into(), &kept).await.expect("compared"));
        assert!(!format!("{kept:?}").contains('['));
    }

    #[tokio::test]
    async fn past_so_many_that_wait_a_login_is_told_so_at_once() {
        let settings =
            config::Members { hashes_max: 1, hashes_waiting_max: 1, ..config::Members::default() };
        let hasher = Hasher::new(&settings);
        let held = hasher.turns.semaphore().clone().try_acquire_owned().expect("the only turn");
        let first = hasher.hash("one".into(), [0; 16]);
        let second = hasher.hash("two".into(), [0; 16]);
        let third = hasher.hash("three".into(), [0; 16]);
        tokio::pin!(first, second);
        assert!(futures_pending(&mut first).await && futures_pending(&mut second).await);
        assert!(matches!(third.await, Err(MemberFault::Busy)));
        drop(held);
        assert!(first.await.is_ok() && second.await.is_ok());
    }

    async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            let polled = std::pin::Pin::new(&mut *future).poll(context);
            std::task::Poll::Ready(polled.is_pending())
        })
        .await
    }
}
