//! What DNS says a mail server's certificate must be (RFC 6698, RFC 7672).

use std::fmt;

/// A TLSA record. Its numbers are kept as they came: what they mean, and whether they mean anything for
/// mail, is said where a certificate is held against it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tlsa {
    /// The certificate usage: 2 is an authority of the server's own, 3 the server itself.
    pub usage: u8,
    /// What is matched: 0 the whole certificate, 1 its public key.
    pub selector: u8,
    /// How: 0 as it is, 1 by SHA-256, 2 by SHA-512.
    pub matching: u8,
    /// The certificate, the key, or the digest.
    pub data: Vec<u8>,
}

/// As a zone file has it, the data cut short where it is no digest.
impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ", self.usage, self.selector, self.matching)?;
        for byte in self.data.iter().take(64) {
            write!(f, "{byte:02x}")?;
        }
        if self.data.len() > 64 { f.write_str("…") } else { Ok(()) }
    }
}
