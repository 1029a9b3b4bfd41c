//! SASL mechanisms for AUTH (RFC 4954): PLAIN (RFC 4616), LOGIN and SCRAM, and where an exchange stands.

use super::scram::{Bindings, Challenge, First, Proof, ScramFault};
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

/// Whom a client says it is, and what it shows for it.
#[derive(Debug)]
pub enum Claim {
    /// A password.
    Password(Secret),
    /// A proof of SCRAM, checked against the verifier that was asked for.
    Proof {
        /// The user name.
        user: String,
        /// Whether it holds.
        right: bool,
    },
}

impl Claim {
    /// The user name.
    #[must_use]
    pub fn user(&self) -> &str {
        match self {
            Self::Password(secret) => &secret.user,
            Self::Proof { user, .. } => user,
        }
    }
}

/// An exchange that waits for the client's next line.
#[derive(Debug)]
pub enum Exchange {
    /// PLAIN's one message.
    Plain,
    /// LOGIN's user name.
    LoginUser,
    /// LOGIN's password.
    LoginPassword(String),
    /// SCRAM's first message; whether it is PLUS.
    ScramFirst(bool),
    /// SCRAM's last message.
    ScramLast(Box<Challenge>),
    /// The empty line after our own proof.
    ScramEnd,
}

/// What a line of the client leads to.
#[derive(Debug)]
pub enum Turn {
    /// Say this, and wait for the next line.
    Say(Exchange, String),
    /// Find the verifier of this user.
    Verifier(First),
    /// Find out whether it is true; then the proof of ours that is due, where one is.
    Claim(Claim, Option<String>),
    /// All has been said.
    End,
    /// It goes no further.
    Fault(ScramFault),
}

impl Exchange {
    /// Begins a mechanism. PLUS needs something to bind to. `None`: it is not offered.
    #[must_use]
    pub fn begin(mechanism: &str, bindings: &Bindings) -> Option<Self> {
        match mechanism {
            "PLAIN" => Some(Self::Plain),
            "LOGIN" => Some(Self::LoginUser),
            "SCRAM-SHA-256" => Some(Self::ScramFirst(false)),
            "SCRAM-SHA-256-PLUS" if bindings.are_there() => Some(Self::ScramFirst(true)),
            _ => None,
        }
    }

    /// The mechanisms that are offered, the strongest first.
    #[must_use]
    pub fn offered(bindings: &Bindings) -> &'static str {
        if bindings.are_there() {
            "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN"
        } else {
            "SCRAM-SHA-256 PLAIN LOGIN"
        }
    }

    /// What is said where the client has not begun by itself.
    #[must_use]
    pub fn prompt(&self) -> String {
        if matches!(self, Self::LoginUser) { BASE64.encode(b"Username:") } else { String::new() }
    }

    /// Takes the client's next line.
    #[must_use]
    pub fn line(self, line: &[u8], bindings: &Bindings) -> Turn {
        self.turn(line, bindings).unwrap_or_else(Turn::Fault)
    }

    fn turn(self, line: &[u8], bindings: &Bindings) -> Result<Turn, ScramFault> {
        let malformed = ScramFault::Malformed;
        let decoded = BASE64.decode(line).map_err(|_| malformed)?;
        Ok(match self {
            Self::Plain => Turn::Claim(Claim::Password(plain(&decoded).ok_or(malformed)?), None),
            Self::LoginUser => {
                let user = String::from_utf8(decoded).map_err(|_| malformed)?;
                if user.is_empty() {
                    return Err(malformed);
                }
                Turn::Say(Self::LoginPassword(user), BASE64.encode(b"Password:"))
            }
            Self::LoginPassword(user) => {
                Turn::Claim(Claim::Password(Secret { user, password: decoded }), None)
            }
            Self::ScramFirst(plus) => Turn::Verifier(First::read(&decoded, plus, bindings)?),
            Self::ScramLast(challenge) => {
                let Proof { user, right, last } = challenge.proof(&decoded)?;
                Turn::Claim(Claim::Proof { user, right }, Some(BASE64.encode(last.as_bytes())))
            }
            Self::ScramEnd if decoded.is_empty() => Turn::End,
            Self::ScramEnd => return Err(malformed),
        })
    }
}

/// Reads PLAIN's one message: authorisation identity, user and password with NULs between. Whoever acts
/// for somebody else is refused.
fn plain(decoded: &[u8]) -> Option<Secret> {
    let mut parts = decoded.splitn(3, |&b| b == 0);
    let (acts_for, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    // `NAME` may be named beside `NAME/stream`.
    let name = user.split(|&b| b == b'/').next();
    let allowed = acts_for.is_empty() || acts_for == user || Some(acts_for) == name;
    let user = String::from_utf8(user.to_vec()).ok()?;
    (allowed && !user.is_empty() && !password.contains(&0))
        .then(|| Secret { user, password: password.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_one_user() {
        let secret = plain(b"\0app\0pass").expect("a secret");
        assert_eq!((secret.user.as_str(), secret.password.as_slice()), ("app", &b"pass"[..]));
        assert!(plain(b"app\0app\0pass").is_some());
        assert!(plain(b"app\0app/news\0pass").is_some());
        for wrong in [&b"other\0app\0pass"[..], b"app\0pass", b"\0\0pass", b"\0app\0pa\0ss"] {
            assert!(plain(wrong).is_none(), "{wrong:?}");
        }
        let turn = Exchange::Plain.line(b"not base64!", &Bindings::default());
        assert!(matches!(turn, Turn::Fault(ScramFault::Malformed)));
    }

    #[test]
    fn plus_is_offered_where_there_is_something_to_bind_to() {
        let bound = Bindings { exporter: None, end_point: Some(vec![1]) };
        assert!(Exchange::begin("SCRAM-SHA-256-PLUS", &bound).is_some());
        assert!(Exchange::begin("SCRAM-SHA-256-PLUS", &Bindings::default()).is_none());
        assert!(!Exchange::offered(&Bindings::default()).contains("PLUS"));
    }
}
