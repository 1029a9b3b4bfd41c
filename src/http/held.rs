//! `/api/v1/suppressions/held` and `…/recall`: what a site's fault would make of addresses, held until the
//! operator decides; and what it has made of them already, lifted again.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::problem::Problem;
use super::site::Parts;
use super::suppression::broken;
use crate::mail::{AccountId, RecipientHash, Timestamp};
use crate::policy::{Recall, Verb, site_named};
use crate::queue::Selector;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// Most held stops in one answer.
const PAGE_MAX: usize = 1000;
/// Held stops in one answer unless the request says otherwise.
const PAGE: usize = 100;

/// Which held stops to show: those of one site, or the sites.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    site: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// A place in a site's list: `ACCOUNT.HASH`.
fn place(text: &str) -> Option<(AccountId, RecipientHash)> {
    let (account, hash) = text.split_once('.')?;
    Some((AccountId(account.parse().ok()?), named::hash(hash)?))
}

fn percent(share: f64) -> f64 {
    (share * 1000.0).round() / 10.0
}

pub(super) async fn list(
    State(parts): State<Parts>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let Some(site) = named::given(wanted.site.as_ref()) else {
        let view = |alarm: &crate::policy::Alarm| {
            json!({
                "site": alarm.site,
                "since": alarm.since.to_string(),
                "share_percent": percent(alarm.share),
                "norm_percent": percent(alarm.norm),
                "held": alarm.held,
            })
        };
        let items: Vec<Value> = parts.policy.alarms()?.iter().map(view).collect();
        return Ok(Json(json!({ "items": items, "next": null })));
    };
    let site = site_named(site);
    let fault = |text: &str| Problem::unfit(format!("`{text}` is no cursor of ours: use `next`"));
    let after = named::given(wanted.after.as_ref());
    let after = after.map(|text| place(text).ok_or_else(|| fault(text))).transpose()?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let found = parts.policy.held(&site, after, limit)?;
    let last = found.last().filter(|_| found.len() == limit);
    let next = last.map(|death| format!("{}.{}", death.account.0, death.hash));
    let mut items = Vec::with_capacity(found.len());
    for death in found {
        items.push(json!({
            "site": death.site,
            "account": named::account_name(&parts, death.account)?,
            "recipient": death.address.to_string(),
            "at": death.at.to_string(),
            "text": death.evidence.text,
        }));
    }
    Ok(Json(json!({ "items": items, "next": next })))
}

/// Whose held stops.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decided {
    site: Option<String>,
}

/// Applies or drops a page of what is held for a site; `more` says whether to ask again. 202 where a message
/// to one who was just stopped may still arrive.
pub(super) async fn decide(
    By(parts): By,
    Named([verb]): Named<1>,
    Draft(decided): Draft<Decided>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let kind = match verb.as_str() {
        "apply" => Verb::Apply,
        "drop" => Verb::Drop,
        _ => {
            let text = format!("`{verb}` is no verb of held suppressions: apply, drop");
            return Err(Problem::unknown(text));
        }
    };
    let site = site_named(named::needed("site", decided.site.as_ref())?);
    if !parts.policy.alarms()?.iter().any(|alarm| alarm.site == site) {
        return Err(Problem::unknown(format!(
            "nothing is held for {site}: `relent suppression held list` shows the sites under alarm"
        )));
    }
    let name = site.clone();
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let work = tokio::spawn(async move {
        let released = parts.policy.decide_held(&site, kind).await?;
        let addresses: HashSet<String> =
            released.stopped.iter().map(|(_, _, address)| address.normal()).collect();
        if !addresses.is_empty() {
            let among = Selector::Among(Arc::new(addresses), Arc::default());
            parts.queue.cancel(among).await;
        }
        Ok::<_, Problem>(released)
    });
    let released = work.await.map_err(|fault| broken(&fault))??;
    tracing::info!(target: "relent::http", verb, site = name, count = released.count,
        stopped = released.stopped.len(), "the operator decided about held suppressions");
    let mut done = json!({
        "count": released.count,
        "stopped": released.stopped.len(),
        "more": released.more,
    });
    if !released.in_flight {
        return Ok((StatusCode::OK, Json(done)));
    }
    let text = "recorded; one message may still arrive: the same again settles the rest";
    done["detail"] = text.into();
    Ok((StatusCode::ACCEPTED, Json(done)))
}

/// Which stops of dead addresses to lift.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Recalling {
    account: String,
    reason: Option<String>,
    site: Option<String>,
    since: Option<String>,
    until: Option<String>,
    text: Option<String>,
    dry_run: Option<bool>,
    after: Option<String>,
}

/// Lifts what is meant among a page of an account's records; `next` says where to go on.
pub(super) async fn recall(
    By(parts): By,
    caller: Caller,
    Draft(wanted): Draft<Recalling>,
) -> Result<Json<Value>, Problem> {
    let (account, _) = caller.owner(&parts, Some(&wanted.account))?;
    if named::given(wanted.reason.as_ref()).is_some_and(|reason| reason != "hard_bounce") {
        return Err(Problem::unfit(
            "only stops with the reason hard_bounce are lifted many at a time: others are somebody's own \
             word, and are lifted by name",
        ));
    }
    let now = Timestamp(u64::MAX);
    let moment = |text: Option<&str>| text.map(|text| named::moment(now, Some(text))).transpose();
    let site = named::given(wanted.site.as_ref()).map(site_named);
    let since = moment(named::given(wanted.since.as_ref()))?;
    let until = moment(named::given(wanted.until.as_ref()))?;
    if site.is_none() && since.is_none() && until.is_none() {
        return Err(Problem::unfit("say which stops: `site`, `since` or `until`"));
    }
    let recall = Recall { site: site.clone(), since, until };
    let after = named::cursor(wanted.after.as_ref())?;
    let evidence =
        named::evidence(caller.source(), wanted.text.as_deref().unwrap_or_default(), None)?;
    let evidence = (!wanted.dry_run.unwrap_or(false)).then_some(evidence);
    let is_dry = evidence.is_none();
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let work =
        tokio::spawn(async move { parts.policy.recall(account, &recall, after, evidence).await });
    let recalled = work.await.map_err(|fault| broken(&fault))??;
    if recalled.count > 0 && !is_dry {
        tracing::info!(target: "relent::http", account = wanted.account, count = recalled.count,
            site = wanted.site, "stops of dead addresses were lifted by the operator");
    }
    let next = recalled.next.map(|hash| hash.to_string());
    Ok(Json(json!({ "count": recalled.count, "next": next, "site": site })))
}
