//! SASL mechanisms for AUTH (RFC 4954): PLAIN (RFC 4616) and LOGIN.

use data_encoding::BASE64;

/// A user name and a password as the client gave them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({:?})", self.user)
    }
}

/// Reads PLAIN's one message: authorisation identity, user and password with NULs between. Whoever acts
/// for somebody else is refused.
#[must_use]
pub fn plain(line: &[u8]) -> Option<Secret> {
    let decoded = BASE64.decode(line).ok()?;
    let mut parts = decoded.splitn(3, |&b| b == 0);
    let (acts_for, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    // `NAME` may be named beside `NAME/stream`.
    let name = user.split(|&b| b == b'/').next();
    let allowed = acts_for.is_empty() || acts_for == user || Some(acts_for) == name;
    let user = String::from_utf8(user.to_vec()).ok()?;
    (allowed && !user.is_empty() && !password.contains(&0))
        .then(|| Secret { user, password: password.to_vec() })
}

/// Reads one answer of LOGIN.
#[must_use]
pub fn login(line: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_one_user() {
        let read = |text: &[u8]| plain(BASE64.encode(text).as_bytes());
        let secret = read(b"\0app\0pass").expect("a secret");
        assert_eq!((secret.user.as_str(), secret.password.as_slice()), ("app", &b"pass"[..]));
        assert!(read(b"app\0app\0pass").is_some());
        assert!(read(b"app\0app/news\0pass").is_some());
        for wrong in [&b"other\0app\0pass"[..], b"app\0pass", b"\0\0pass", b"\0app\0pa\0ss"] {
            assert!(read(wrong).is_none(), "{wrong:?}");
        }
        assert!(plain(b"not base64!").is_none());
    }
}
