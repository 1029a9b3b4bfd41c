//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the server's side: who logs in proves to
//! know the password without saying it, and PLUS binds the proof to this TLS connection, so that
//! nobody in between can pass it on.

use data_encoding::BASE64;
use ring::{digest, hmac};
use subtle::ConstantTimeEq;

/// Longest nonce of a client, in octets.
const NONCE_MAX: usize = 256;
/// Longest user name.
const USER_MAX: usize = 256;

/// What a server keeps of a password.
#[derive(Debug, Clone)]
pub struct Verifier {
    /// The salt.
    pub salt: Vec<u8>,
    /// PBKDF2 rounds.
    pub iterations: u32,
    /// H(ClientKey).
    pub stored_key: [u8; 32],
    /// The server's key.
    pub server_key: [u8; 32],
}

/// What this connection's TLS has that no other connection's has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings {
    /// `tls-exporter` (RFC 9266), of TLS 1.3.
    pub exporter: Option<Vec<u8>>,
    /// `tls-server-end-point` (RFC 5929): the digest of the certificate that was shown.
    pub end_point: Option<Vec<u8>>,
}

impl Bindings {
    /// Whether there is anything to bind to.
    #[must_use]
    pub fn are_there(&self) -> bool {
        self.exporter.is_some() || self.end_point.is_some()
    }

    fn named(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_deref(),
            "tls-server-end-point" => self.end_point.as_deref(),
            _ => None,
        }
    }
}

/// Why an exchange goes no further, before anything was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramFault {
    /// It is no message of SCRAM.
    Malformed,
    /// The client wants to bind to something that this connection does not have.
    Unbound,
    /// The client believes that PLUS is not offered, and it is: somebody may have taken it out.
    Downgrade,
    /// It acts for somebody else.
    Authority,
}

/// The client's first message.
#[derive(Debug)]
pub struct First {
    /// Who it says it is.
    pub user: String,
    nonce: String,
    /// The message without what stands before it.
    bare: String,
    /// What `c=` must hold: the header, and for PLUS the binding.
    input: Vec<u8>,
}

/// What we answered, until the client proves.
#[derive(Debug)]
pub struct Challenge {
    user: String,
    nonce: String,
    input: Vec<u8>,
    /// Both first messages.
    exchanged: String,
    verifier: Verifier,
}

/// How the proof came out.
#[derive(Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whose it is.
    pub user: String,
    /// Whether it holds.
    pub right: bool,
    /// What proves us to the client; only to be said where the proof holds.
    pub last: String,
}

/// Takes `name=value` from the front of a message whose parts are apart by commas.
fn attribute<'a>(text: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let rest = text.strip_prefix(name)?.strip_prefix('=')?;
    Some(rest.split_once(',').unwrap_or((rest, "")))
}

/// A name as it stands in a message: `=2C` is a comma, `=3D` an equals sign.
fn saslname(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut parts = text.split('=');
    name.push_str(parts.next()?);
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        name.push(sign);
        name.push_str(rest);
    }
    Some(name)
}

fn is_nonce(text: &str) -> bool {
    let printable = |b: u8| (0x21..=0x7e).contains(&b) && b != b',';
    (1..=NONCE_MAX).contains(&text.len()) && text.bytes().all(printable)
}

impl First {
    /// Reads it. `plus`: the mechanism chosen is PLUS; `bindings`: what there is to bind to, where
    /// PLUS is offered.
    ///
    /// # Errors
    /// [`ScramFault`].
    pub fn read(message: &[u8], plus: bool, bindings: &Bindings) -> Result<Self, ScramFault> {
        let text = std::str::from_utf8(message).map_err(|_| ScramFault::Malformed)?;
        let (flag, rest) = text.split_once(',').ok_or(ScramFault::Malformed)?;
        let (authority, bare) = rest.split_once(',').ok_or(ScramFault::Malformed)?;
        let mut input = text.as_bytes()[..text.len() - bare.len()].to_vec();
        match (flag.strip_prefix("p="), flag, plus) {
            (Some(name), _, true) => {
                input.extend(bindings.named(name).ok_or(ScramFault::Unbound)?);
            }
            (None, "n", false) => {}
            //= https://www.rfc-editor.org/rfc/rfc5802#section-6
            //# If the flag is set to "y" and the server supports channel
            //# binding, the server MUST fail authentication.
            (None, "y", false) if bindings.are_there() => return Err(ScramFault::Downgrade),
            (None, "y", false) => {}
            _ => return Err(ScramFault::Malformed),
        }
        // `m=`, an extension that must be understood, is refused by not being `n=`.
        let (user, rest) = attribute(bare, "n").ok_or(ScramFault::Malformed)?;
        let (nonce, _) = attribute(rest, "r").ok_or(ScramFault::Malformed)?;
        let user = saslname(user).ok_or(ScramFault::Malformed)?;
        if !(1..=USER_MAX).contains(&user.len()) || !is_nonce(nonce) {
            return Err(ScramFault::Malformed);
        }
        if !authority.is_empty() {
            let name = authority.strip_prefix("a=").and_then(saslname);
            let name = name.ok_or(ScramFault::Malformed)?;
            // Empty, as GNU SASL has it, it names nobody; `NAME` may be named beside `NAME/stream`.
            if !name.is_empty() && name != user && Some(name.as_str()) != user.split('/').next() {
                return Err(ScramFault::Authority);
            }
        }
        Ok(Self { nonce: nonce.to_owned(), bare: bare.to_owned(), input, user })
    }

    /// Our answer: the nonce with our part added, the salt and the rounds.
    #[must_use]
    pub fn challenge(self, verifier: Verifier, ours: &str) -> (Challenge, String) {
        let nonce = self.nonce + ours;
        let salt = BASE64.encode(&verifier.salt);
        let first = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let exchanged = format!("{},{first}", self.bare);
        (Challenge { user: self.user, nonce, input: self.input, exchanged, verifier }, first)
    }
}

fn sign(key: &[u8], text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    out.copy_from_slice(hmac::sign(&key, text.as_bytes()).as_ref());
    out
}

impl Challenge {
    /// Reads the client's last message and checks its proof in constant time. Another nonce than ours,
    /// or another binding, is a proof that does not hold.
    ///
    /// # Errors
    /// [`ScramFault::Malformed`].
    pub fn proof(self, message: &[u8]) -> Result<Proof, ScramFault> {
        let read = || {
            let text = std::str::from_utf8(message).ok()?;
            let (unproved, proof) = text.rsplit_once(",p=")?;
            let (input, rest) = attribute(unproved, "c")?;
            let (nonce, _) = attribute(rest, "r")?;
            let input = BASE64.decode(input.as_bytes()).ok()?;
            let proof: [u8; 32] = BASE64.decode(proof.as_bytes()).ok()?.try_into().ok()?;
            Some((unproved, input, nonce, proof))
        };
        let (unproved, input, nonce, mut key) = read().ok_or(ScramFault::Malformed)?;
        let exchanged = format!("{},{unproved}", self.exchanged);
        let signature = sign(&self.verifier.stored_key, &exchanged);
        key.iter_mut().zip(signature).for_each(|(key, sign)| *key ^= sign);
        let digest = digest::digest(&digest::SHA256, &key);
        let right = digest.as_ref().ct_eq(&self.verifier.stored_key)
            & input.ct_eq(&self.input)
            & nonce.as_bytes().ct_eq(self.nonce.as_bytes());
        let last = BASE64.encode(&sign(&self.verifier.server_key, &exchanged));
        Ok(Proof { user: self.user, right: right.into(), last: format!("v={last}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    /// The salt and rounds of RFC 7677 §3, the password `pencil`.
    fn verifier() -> Verifier {
        let salt = BASE64.decode(b"W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let mut salted = [0; 32];
        let rounds = NonZeroU32::new(4096).expect("not zero");
        let sha256 = ring::pbkdf2::PBKDF2_HMAC_SHA256;
        ring::pbkdf2::derive(sha256, rounds, &salt, b"pencil", &mut salted);
        let mut stored_key = [0; 32];
        let client_key = sign(&salted, "Client Key");
        stored_key.copy_from_slice(digest::digest(&digest::SHA256, &client_key).as_ref());
        Verifier { salt, iterations: 4096, stored_key, server_key: sign(&salted, "Server Key") }
    }

    fn bindings() -> Bindings {
        Bindings { exporter: Some(vec![7; 32]), end_point: None }
    }

    fn first(message: &str, plus: bool) -> Result<First, ScramFault> {
        First::read(message.as_bytes(), plus, &bindings())
    }

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const OURS: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn challenge() -> Challenge {
        let first = first(&format!("n,,n=user,r={NONCE}"), false).expect("a first message");
        let (challenge, said) = first.challenge(verifier(), OURS);
        assert_eq!(said, format!("r={NONCE}{OURS},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
        challenge
    }

    #[test]
    fn the_exchange_of_rfc_7677_holds() {
        let proof = challenge().proof(LAST.as_bytes()).expect("a proof");
        assert!(proof.right);
        assert_eq!(proof.user, "user");
        assert_eq!(proof.last, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn another_proof_nonce_or_binding_does_not_hold() {
        for (from, to) in
            [("p=dHzb", "p=dHzc"), ("r=rOpr", "r=rOps"), ("$k0,", "$k,"), ("biws", "eSws")]
        {
            let proof = challenge().proof(LAST.replace(from, to).as_bytes()).expect("a proof");
            assert!(!proof.right, "{to}");
        }
        for wrong in ["", "c=biws", "c=biws,r=x", "c=!,r=x,p=eA==", "r=x,c=biws,p=eA==", "e=x"] {
            assert_eq!(challenge().proof(wrong.as_bytes()), Err(ScramFault::Malformed), "{wrong}");
        }
        assert_eq!(challenge().proof(b"c=biws,r=x,p=\xff"), Err(ScramFault::Malformed));
    }

    #[test]
    fn what_a_client_binds_to_is_what_was_offered() {
        let read = |message: &str, plus| first(message, plus).map(|first| first.user);
        let app = || Ok("app".to_owned());
        assert_eq!(read("p=tls-exporter,,n=app,r=x", true), app());
        for (message, plus, fault) in [
            ("y,,n=app,r=x", false, ScramFault::Downgrade),
            ("p=tls-unique,,n=app,r=x", true, ScramFault::Unbound),
            ("p=tls-server-end-point,,n=app,r=x", true, ScramFault::Unbound),
            ("p=tls-exporter,,n=app,r=x", false, ScramFault::Malformed),
            ("n,,n=app,r=x", true, ScramFault::Malformed),
            ("y,,n=app,r=x", true, ScramFault::Malformed),
        ] {
            assert_eq!(read(message, plus), Err(fault), "{message}");
        }
        let without = First::read(b"y,,n=app,r=x", false, &Bindings::default());
        assert!(without.is_ok(), "there is nothing to bind to");
    }

    #[test]
    fn a_first_message_names_one_user_who_acts_for_nobody_else() {
        let read = |message: &str| first(message, false).map(|first| first.user);
        assert_eq!(read("n,a=app,n=app/news,r=x"), Ok("app/news".into()));
        assert_eq!(read("n,a=,n=app,r=x"), Ok("app".into()));
        assert_eq!(read("n,,n=a=2Cb=3Dc,r=x,future=1"), Ok("a,b=c".into()));
        assert_eq!(read("n,a=other,n=app,r=x"), Err(ScramFault::Authority));
        let long = format!("n,,n=app,r={}", "x".repeat(NONCE_MAX + 1));
        for wrong in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=app",
            "n,,n=,r=x",
            "n,,n=a=2c,r=x",
            "n,,m=1,n=app,r=x",
            "n,,n=app,r=",
            "n,b=app,n=app,r=x",
            "n,,n=app,r=a b",
            "x,,n=app,r=x",
            &long,
        ] {
            assert_eq!(read(wrong), Err(ScramFault::Malformed), "{wrong}");
        }
    }
}
