//! AUTH: who says what password how often. Failures are counted for an address and a user together, so
//! that a stranger's guesses never lock the owner out.

use super::Intake;
use crate::accounts::{Credential, Login};
use crate::mail::{Answer, Status, Verdict};
use crate::smtp::sasl::Claim;
use crate::smtp::scram::Verifier;
use crate::store::StoreFault;
use crate::world::crowd::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long failures are remembered.
const MEMORY: Duration = Duration::from_secs(600);
/// Most pairs of address and user remembered; past it the oldest are forgotten.
const PAIRS_MAX: usize = 10_000;

/// Failed attempts.
pub(super) struct Failures {
    seen: Mutex<HashMap<(IpAddr, String), (u32, Duration)>>,
    failures_max: u32,
}

impl Failures {
    pub(super) fn new(failures_max: u32) -> Self {
        Self { seen: Mutex::default(), failures_max }
    }

    fn are_too_many(&self, pair: &(IpAddr, String), now: Duration) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(pair).is_some_and(|(count, since)| {
            *count >= self.failures_max && now.saturating_sub(*since) < MEMORY
        })
    }

    fn add(&self, pair: (IpAddr, String), now: Duration) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= PAIRS_MAX {
            seen.retain(|_, (_, since)| now.saturating_sub(*since) < MEMORY);
        }
        if seen.len() >= PAIRS_MAX && !seen.contains_key(&pair) {
            let oldest = seen.iter().min_by_key(|(_, (_, since))| *since);
            if let Some(oldest) = oldest.map(|(pair, _)| pair.clone()) {
                seen.remove(&oldest);
            }
        }
        let entry = seen.entry(pair).or_insert((0, now));
        if now.saturating_sub(entry.1) >= MEMORY {
            *entry = (0, now);
        }
        entry.0 += 1;
    }
}

fn unchecked(fault: &StoreFault) -> Answer {
    tracing::error!(target: "relent::intake", %fault, "AUTH cannot be checked");
    let text = "credentials cannot be checked now; try again later";
    Answer::new(454, Status::new(4, 7, 0), text)
}

impl Intake {
    /// Whose failures are counted: the stream after the slash is no part of who it is.
    fn pair(user: &str, peer: IpAddr) -> (IpAddr, String) {
        let name = user.split('/').next().unwrap_or_default();
        (network(peer), name.chars().take(64).collect())
    }

    fn refuse_guesses(&self, pair: &(IpAddr, String)) -> Result<(), Answer> {
        if self.failures.are_too_many(pair, self.parts.world.clock.steady()) {
            let text = "too many failed attempts; try again in ten minutes";
            return Err(Answer::new(454, Status::new(4, 7, 0), text));
        }
        Ok(())
    }

    /// What SCRAM checks a proof of `user` against, and whose it is. Nobody learns from it who is known.
    pub(super) fn verifier(
        &self,
        user: &str,
        peer: IpAddr,
    ) -> Result<(Option<Credential>, Verifier), Answer> {
        self.refuse_guesses(&Self::pair(user, peer))?;
        let decoy = self.parts.accounts.decoy(user).map_err(|fault| unchecked(&fault))?;
        let found = self.parts.accounts.credential(user).map_err(|fault| unchecked(&fault))?;
        let kept = found.as_ref().map_or(&decoy, |credential| &credential.scram);
        let verifier = Verifier {
            salt: kept.salt.to_vec(),
            iterations: kept.iterations,
            stored_key: kept.stored_key,
            server_key: kept.server_key,
        };
        Ok((found, verifier))
    }

    /// Checks a claim; the login where it is true. `candidate` is whose verifier a proof was made for.
    pub(super) fn authenticate(
        &self,
        claim: &Claim,
        candidate: Option<Credential>,
        peer: IpAddr,
    ) -> Result<Login, Verdict> {
        let pair = Self::pair(claim.user(), peer);
        self.refuse_guesses(&pair).map_err(Verdict::Defer)?;
        let accounts = &self.parts.accounts;
        let login = match (claim, candidate) {
            (Claim::Password(secret), _) => accounts.authenticate(&secret.user, &secret.password),
            (Claim::Proof { user, right: true }, Some(known)) => accounts.login(user, known),
            (Claim::Proof { .. }, _) => Ok(None),
        };
        match login {
            Ok(Some(login)) => self.suspended(&login, 535).map(|()| login),
            Ok(None) => {
                self.failures.add(pair, self.parts.world.clock.steady());
                tracing::info!(target: "relent::intake", user = %claim.user().escape_debug(), client = %peer, "AUTH refused");
                metrics::counter!("relent_auth_failures_total").increment(1);
                let text = "user name or password is wrong";
                Err(Verdict::Refuse(Answer::new(535, Status::new(5, 7, 8), text)))
            }
            Err(fault) => Err(Verdict::Defer(unchecked(&fault))),
        }
    }

    /// Whether who logged in may still act. Else the session ends, and its next AUTH is told why.
    pub(super) fn standing(&self, login: &Login) -> Result<(), Answer> {
        match self.parts.accounts.stands(login) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let text = "the credential or its stream was removed; log in again";
                Err(Answer::new(421, Status::new(4, 7, 0), text))
            }
            Err(fault) => Err(fault.answer()),
        }
    }
}
