//! Signatures, as Standard Webhooks has them: HMAC-SHA256 over id, moment and body, so that an endpoint
//! knows who calls and that nothing was changed or sent again later.

use super::record::Secret;
use crate::mail::Timestamp;
use data_encoding::BASE64;
use ring::hmac;

/// What a secret begins with where people see it.
const PREFIX: &str = "whsec_";

/// A secret as it is shown, once.
pub(super) fn shown(secret: &Secret) -> String {
    format!("{PREFIX}{}", BASE64.encode(&secret.key))
}

/// The `webhook-signature` field: one signature for each secret that holds at that moment.
pub(super) fn signatures(secrets: &[Secret], id: &str, at: Timestamp, body: &[u8]) -> String {
    let holds = |secret: &&Secret| secret.until.is_none_or(|until| at < until);
    let sign = |secret: &Secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret.key);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{}.", at.seconds()).as_bytes());
        context.update(body);
        format!("v1,{}", BASE64.encode(context.sign().as_ref()))
    };
    let made: Vec<_> = secrets.iter().filter(holds).map(sign).collect();
    made.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(until: Option<Timestamp>) -> Secret {
        let mut key = [0; 32];
        key.copy_from_slice(b"0123456789abcdef0123456789abcdef");
        Secret { key, until }
    }

    #[test]
    fn a_signature_is_the_one_that_another_implementation_makes() {
        // From `standardwebhooks` for Python, with the same secret, id, moment and body.
        let at = Timestamp(1_614_265_330_999);
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(shown(&secret(None)), "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        let made = signatures(&[secret(None)], "msg_5_0", at, body);
        assert_eq!(made, "v1,/JdKiEEJxey6907fk6i8IRXgZDURLcEJwo379LcrEzU=");
    }

    #[test]
    fn an_old_secret_signs_until_its_time_is_over() {
        let secrets = [secret(None), secret(Some(Timestamp(5000)))];
        let count = |at| signatures(&secrets, "msg_1_0", Timestamp(at), b"{}").split(' ').count();
        assert_eq!((count(4999), count(5000)), (2, 1));
    }
}
