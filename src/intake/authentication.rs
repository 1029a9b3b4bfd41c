//! AUTH: who says what password how often. Failures are counted for an address and a user together.

use super::Intake;
use crate::accounts::{Credential, Failures, Login, Pair};
use crate::mail::{Answer, Status, Verdict};
use crate::smtp::sasl::Claim;
use crate::smtp::scram::Verifier;
use crate::store::StoreFault;
use std::net::IpAddr;

fn unchecked(fault: &StoreFault) -> Answer {
    tracing::error!(target: "relent::intake", %fault, "AUTH cannot be checked");
    let text = "credentials cannot be checked now; try again later";
    Answer::new(454, Status::new(4, 7, 0), text)
}

impl Intake {
    fn refuse_guesses(&self, pair: &Pair) -> Result<(), Answer> {
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
        self.refuse_guesses(&Failures::pair(user, peer))?;
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
        let pair = Failures::pair(claim.user(), peer);
        self.refuse_guesses(&pair).map_err(Verdict::Defer)?;
        let accounts = &self.parts.accounts;
        let login = match (claim, candidate) {
            (Claim::Password(secret), _) => {
                accounts.authenticate(&secret.user, &secret.password, peer)
            }
            (Claim::Proof { user, right: true }, Some(known)) => accounts.login(user, known, peer),
            (Claim::Proof { .. }, _) => Ok(None),
        };
        match login {
            Ok(Some(login)) => self.suspended(&login, 535).map(|()| login),
            Ok(None) => {
                self.failures.add(pair, self.parts.world.clock.steady());
                tracing::info!(target: "relent::intake", event = "auth_refused", user = claim.user(), client = %peer, "AUTH refused");
                metrics::counter!("relent_auth_failures_total", "door" => "smtp").increment(1);
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
                let text =
                    "the credential or its stream was removed, or it has expired; log in again";
                Err(Answer::new(421, Status::new(4, 7, 0), text))
            }
            Err(fault) => Err(fault.answer()),
        }
    }
}
