//! The order of precedence: which stop binds which stream, and what outranks it. Pure.

use super::record::{Consent, ConsentState, Judgement, Suppression};
use crate::accounts::{Stream, StreamKind};
use crate::events::record::{Reason, Scope};
use crate::mail::Timestamp;

/// Whether a stop reaches a stream at all.
fn binds(stream: &Stream, stop: &Suppression) -> bool {
    match (stop.scope, stop.reason) {
        (Scope::Global, _) => true,
        (Scope::Stream(only), Reason::OptOut) => only == stream.id && stream.can_be_stopped(),
        (Scope::Stream(only), _) => only == stream.id,
        (Scope::Account, Reason::OptOut) => {
            stream.kind == StreamKind::Marketing || stream.honour_opt_out
        }
        (Scope::Account, _) => true,
    }
}

/// Whether a consent outranks a stop: the person's own later act, against the person's own stop.
fn yields(stop: &Suppression, granted: Option<&Consent>) -> bool {
    stop.scope != Scope::Global
        && matches!(stop.reason, Reason::OptOut | Reason::Complaint)
        && granted.is_some_and(|consent| {
            consent.sequence > stop.sequence && consent.evidence.source.is_own_act()
        })
}

/// What the records say of a recipient on a stream now. Global stops are named first, then the latest.
/// A consent that has expired outranks nothing; it is shown with the time at which it did.
#[must_use]
pub fn judge(
    stream: &Stream,
    suppressions: &[Suppression],
    consents: &[Consent],
    now: Timestamp,
) -> Judgement {
    let consent = consents.iter().find(|consent| consent.stream == stream.id);
    let state = consent.map(|consent| consent.state_at(stream, now));
    let granted = consent.filter(|_| state == Some(ConsentState::Granted));
    let stop = suppressions
        .iter()
        .filter(|stop| binds(stream, stop) && !yields(stop, granted))
        .max_by_key(|stop| (stop.scope == Scope::Global, stop.sequence));
    match stop {
        Some(stop) => Judgement::Suppressed(stop.clone()),
        // Who need not agree may still have said that they no longer do.
        None if consent.is_some_and(|consent| consent.state == ConsentState::Withdrawn) => {
            Judgement::Unconsented(consent.cloned())
        }
        None if stream.consent_required && granted.is_none() => {
            Judgement::Unconsented(consent.map(|consent| match consent.end(stream) {
                Some(at) => Consent { state: ConsentState::Expired, at, ..consent.clone() },
                None => consent.clone(),
            }))
        }
        None => Judgement::Clear,
    }
}
