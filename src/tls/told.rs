//! What went wrong with a TLS handshake, in sentences: the library's words are for programmers.

use crate::mail::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};
use std::io;

/// Says why a handshake with a server did not come about.
#[must_use]
pub fn told(fault: &io::Error) -> String {
    let inner = fault.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(fault) => of_tls(fault),
        None if fault.kind() == io::ErrorKind::UnexpectedEof => {
            "the server hung up during the handshake".into()
        }
        None => format!("the connection broke during the handshake: {fault}"),
    }
}

fn of_tls(fault: &Error) -> String {
    match fault {
        Error::AlertReceived(alert) => {
            format!("the server broke the handshake off: {}", of_alert(*alert))
        }
        Error::InvalidMessage(_) => "what the server answered is no TLS".into(),
        Error::PeerIncompatible(_) => {
            "the server knows none of the versions and ciphers of TLS that are spoken here (1.2 and 1.3)"
                .into()
        }
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => {
            "the server does not keep to the rules of TLS".into()
        }
        Error::NoCertificatesPresented => "the server showed no certificate".into(),
        Error::InvalidCertificate(why) => {
            format!("the server's certificate is not good: {}", of_certificate(why))
        }
        Error::DecryptError => "what the server sent cannot be decrypted".into(),
        Error::PeerSentOversizedRecord => "the server sent a record that is longer than any may be".into(),
        other => format!("the handshake failed: {}", apart(&format!("{other:?}"))),
    }
}

/// Says what is wrong with a certificate.
#[must_use]
pub fn of_certificate(fault: &CertificateError) -> String {
    let moment = |at: &UnixTime| Timestamp(at.as_secs().saturating_mul(1000));
    match fault {
        CertificateError::Expired => "it has expired".into(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("it was valid until {}", moment(not_after))
        }
        CertificateError::NotValidYet => "it is not valid yet".into(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("it is not valid yet, only from {} on", moment(not_before))
        }
        CertificateError::UnknownIssuer => "its issuer is not known here".into(),
        CertificateError::BadSignature => "the signature on it is not its issuer's".into(),
        CertificateError::BadEncoding => "it cannot be read".into(),
        CertificateError::Revoked => "it has been revoked".into(),
        CertificateError::UnhandledCriticalExtension => {
            "it demands what is not known here (a critical extension)".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for servers".into()
        }
        CertificateError::Other(other) => of_chain(&other.to_string()),
        other => apart(&format!("{other:?}")),
    }
}

/// What is wrong with a chain, by the name that the library's own reader of certificates gives it.
fn of_chain(name: &str) -> String {
    match name.split(['(', ' ']).next().unwrap_or_default() {
        "CaUsedAsEndEntity" => "it is an authority's own".into(),
        "EndEntityUsedAsCa" => "the one that vouches for it is no authority's".into(),
        "PathLenConstraintViolated" => {
            "more authorities stand between than one of them allows".into()
        }
        "NameConstraintViolation" => "its authority may not vouch for such a name".into(),
        name => apart(name),
    }
}

/// `BadThing(…)` as "bad thing".
fn apart(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars().take_while(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// An alert (RFC 8446 §6.2) in words.
fn of_alert(alert: AlertDescription) -> String {
    let meant = match alert {
        AlertDescription::CloseNotify => "it closed the connection",
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "it knows none of the ciphers that are offered"
        }
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.2 or 1.3",
        AlertDescription::UnrecognisedName => "it does not know the name that it was called by",
        AlertDescription::InternalError => "it has an error of its own",
        AlertDescription::CertificateRequired => "it wants a certificate of ours",
        AlertDescription::AccessDenied => "it does not let us in",
        AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired => "it does not take our certificate",
        _ => "",
    };
    let number = u8::from(alert);
    match meant {
        "" => format!("TLS alert {number}"),
        meant => format!("{meant} (TLS alert {number})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_did_is_told_in_sentences() {
        let said = |fault: Error| told(&io::Error::new(io::ErrorKind::InvalidData, fault));
        for (fault, words) in [
            (Error::AlertReceived(AlertDescription::HandshakeFailure), "none of the ciphers"),
            (Error::AlertReceived(AlertDescription::ProtocolVersion), "TLS 1.2 or 1.3"),
            (
                Error::AlertReceived(AlertDescription::DecodeError),
                "broke the handshake off: TLS alert 50",
            ),
            (Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "is no TLS"),
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                "certificate is not good: its issuer is not known here",
            ),
        ] {
            let text = said(fault);
            let words_of_code =
                ["Failure", "Version(", "InvalidContentType", "DecodeError", "Error"];
            assert!(text.contains(words), "{text}");
            assert!(!words_of_code.iter().any(|word| text.contains(word)), "{text}");
        }
        assert_eq!(apart("MaximumPathDepthExceeded(3)"), "maximum path depth exceeded");
        assert_eq!(of_chain("CaUsedAsEndEntity"), "it is an authority's own");
        let gone = told(&io::ErrorKind::UnexpectedEof.into());
        assert!(gone.contains("hung up"), "{gone}");
    }
}
