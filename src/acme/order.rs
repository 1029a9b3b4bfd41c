//! One certificate: the order, the proof that the host is ours, the request, the chain. What the authority holds
//! against the proof is told in its own words.

use super::keeper::Pem;
use crate::config::{self, Challenge};
use crate::tls;
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus,
    Problem, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// First pause before the authority is asked how far it is; each further one is half as long again.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_GROWTH: f32 = 1.5;
/// Longest text of an authority that is told, in characters.
const TEXT_MAX: usize = 600;
/// The problem of an account that the authority does not know (RFC 8555 §6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OrderFault {
    /// The authority does not know our account.
    #[error("the authority does not know the account: a new one is made with the next try")]
    NoAccount,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

fn other(fault: impl std::fmt::Display) -> OrderFault {
    OrderFault::Other(clean(&fault.to_string()))
}

impl From<Error> for OrderFault {
    fn from(fault: Error) -> Self {
        match fault {
            Error::Api(problem) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => Self::NoAccount,
            Error::Api(problem) => Self::Other(words(&problem)),
            Error::Json(_) => Self::Other("what the authority answered cannot be read".into()),
            Error::Timeout(_) => {
                Self::Other("the authority did not come to an end within acme.order_timeout".into())
            }
            fault => other(fault),
        }
    }
}

/// A stranger's text in one line.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_MAX).collect()
}

/// What an authority says.
fn words(problem: &Problem) -> String {
    let mut said = problem.detail.clone().unwrap_or_default();
    for part in &problem.subproblems {
        if let Some(detail) = &part.detail {
            said.push_str("; ");
            said.push_str(detail);
        }
    }
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.rsplit(':').next().unwrap_or_default();
    clean(&format!("the authority says: {said} ({kind})"))
}

/// What proves that a host is ours, set out where the authority looks.
pub(super) struct Proofs {
    tls: std::sync::Arc<tls::Server>,
    pages: Mutex<BTreeMap<String, String>>,
}

/// A proof that is set out; it is taken in with this.
struct Shown<'a> {
    proofs: &'a Proofs,
    host: &'a str,
    token: String,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.proofs.tls.unchallenge(self.host);
        let mut pages = self.proofs.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.remove(&self.token);
    }
}

impl Proofs {
    pub(super) fn new(tls: std::sync::Arc<tls::Server>) -> Self {
        Self { tls, pages: Mutex::default() }
    }

    /// The page that an authority asks for (RFC 8555 §8.3).
    pub(super) fn page(&self, token: &str) -> Option<String> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.get(token).cloned()
    }

    fn show<'a>(
        &'a self,
        host: &'a str,
        token: &str,
        authorization: &instant_acme::KeyAuthorization,
        way: Challenge,
    ) -> Result<Shown<'a>, OrderFault> {
        match way {
            Challenge::Http01 => {
                let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
                pages.insert(token.to_owned(), authorization.as_str().to_owned());
            }
            Challenge::TlsAlpn01 => {
                let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(other)?;
                let digest = authorization.digest();
                params.custom_extensions =
                    vec![CustomExtension::new_acme_identifier(digest.as_ref())];
                let key = KeyPair::generate().map_err(other)?;
                let made = params.self_signed(&key).map_err(other)?;
                let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(other)?;
                let key = default_provider().key_provider.load_private_key(key).map_err(other)?;
                // Not held against each other, which would refuse the extension that it is all about.
                self.tls.challenge(host, CertifiedKey::new(vec![made.der().clone()], key));
            }
        }
        Ok(Shown { proofs: self, host, token: token.to_owned() })
    }
}

/// Gets a certificate for a host, under a new key or the one that is to be kept.
pub(super) async fn order(
    account: &Account,
    host: &str,
    kept_key: Option<&str>,
    proofs: &Proofs,
    settings: &config::Acme,
) -> Result<Pem, OrderFault> {
    let polls = RetryPolicy::new()
        .initial_delay(PAUSE)
        .backoff(PAUSE_GROWTH)
        .timeout(settings.order_timeout.0);
    let identifiers = [Identifier::Dns(host.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let shown = match order.state().status {
        OrderStatus::Pending => prove(&mut order, host, proofs, settings.challenge).await?,
        OrderStatus::Invalid => return Err(held_against(&mut order, None).await),
        OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => Vec::new(),
    };
    if order.state().status == OrderStatus::Pending {
        match order.poll_ready(&polls).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(held_against(&mut order, None).await),
            Err(Error::Api(said)) => return Err(held_against(&mut order, Some(said)).await),
            Err(fault) => return Err(fault.into()),
        }
    }
    drop(shown);
    let key = match kept_key {
        Some(pem) => KeyPair::from_pem(pem),
        None => KeyPair::generate(),
    };
    let key = key.map_err(other)?;
    let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(other)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(other)?;
    order.finalize_csr(request.der()).await?;
    let chain = order.poll_certificate(&polls).await?;
    Ok(Pem { chain, key: key.serialize_pem() })
}

/// Sets out what the authority asks for, and tells it to look.
async fn prove<'a>(
    order: &mut Order,
    host: &'a str,
    proofs: &'a Proofs,
    way: Challenge,
) -> Result<Vec<Shown<'a>>, OrderFault> {
    let kind = match way {
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        Challenge::Http01 => ChallengeType::Http01,
    };
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(found) = authorizations.next().await {
        let mut found = found?;
        if found.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = found.challenge(kind.clone()).ok_or_else(|| {
            let text =
                "the authority does not look in the way that acme.challenge names: write the other";
            OrderFault::Other(text.into())
        })?;
        shown.push(proofs.show(host, &challenge.token, &challenge.key_authorization(), way)?);
        challenge.set_ready().await?;
    }
    Ok(shown)
}

/// What the authority holds against the proof, which it says of the challenge and not of the order.
async fn held_against(order: &mut Order, said: Option<Problem>) -> OrderFault {
    let of_order = order.state().error.clone().or(said);
    let mut authorizations = order.authorizations();
    while let Some(found) = authorizations.next().await {
        let Ok(mut found) = found else { continue };
        let Ok(state) = found.refresh().await else { continue };
        if let Some(fault) = state.challenges.iter().find_map(|one| one.error.as_ref()) {
            return OrderFault::Other(words(fault));
        }
    }
    let unsaid = "the authority refused the order and does not say why";
    OrderFault::Other(of_order.map_or_else(|| unsaid.into(), |problem| words(&problem)))
}
