//! `POST /api/v1/explain`: what large mailbox providers would hold against a message.

use super::caller::Caller;
use super::draft::Asked;
use super::named;
use super::problem::Problem;
use super::site::Parts;
use crate::accounts::Compliance;
use crate::mail::header;
use crate::mail::mailbox::mailboxes;
use crate::mail::shape::Shape;
use crate::policy::compliance::{self, Context, Finding};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// About which stream's message.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfMessage {
    account: Option<String>,
    stream: Option<String>,
}

/// A message as SMTP carries it: files end their lines as their system does.
fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(content) => {
                out.extend_from_slice(content.strip_suffix(b"\r").unwrap_or(content));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// What becomes of a message where a stream refuses what providers would hold against it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MessageVerdict)]
enum Judged {
    Accept,
    Refuse,
}

/// What is held against a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Findings)]
pub(super) struct View {
    /// The account's name.
    account: String,
    /// The stream's name.
    stream: String,
    /// What the stream does about it.
    compliance: Compliance,
    /// What becomes of such a message where it is refused for that.
    verdict: Judged,
    /// What was found.
    findings: Vec<Finding>,
}

/// Looks at a message as intake would: nothing is sent and nothing is kept.
pub(super) async fn of_message(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<OfMessage>,
    body: Bytes,
) -> Result<Json<View>, Problem> {
    let account = caller.meant(&parts, wanted.account.as_ref())?;
    let stream = named::needed("stream", wanted.stream.as_ref())?;
    let stream = caller.stream(&parts, account.id, stream)?;
    let message = with_crlf(&body);
    let (head, body) = message.split_at(header::body_start(&message));
    let fields = header::fields(head).map_err(|fault| Problem::unfit(fault.to_string()))?;
    let from = fields.iter().find(|field| field.is("From"));
    let from = from.and_then(|field| mailboxes(&field.text()).ok()?.into_iter().next());
    let domain = match &from {
        Some(from) => parts.accounts.domain(stream.account, from.domain())?,
        None => None,
    };
    let domain = domain.filter(|domain| domain.may_send());
    let smtputf8 = from.is_some_and(|from| from.needs_smtputf8());
    let (config, now) = (&*parts.config, parts.world.clock.now());
    let context = Context { config, stream: &stream, domain: domain.as_deref(), smtputf8, now };
    let mut findings = compliance::of_header(&fields, &context);
    let mut shape = Shape::of(&fields);
    shape.write(body);
    findings.extend(compliance::of_body(&shape, &config.compliance));
    let verdict =
        if compliance::refusal(&findings).is_some() { Judged::Refuse } else { Judged::Accept };
    Ok(Json(View {
        account: account.name,
        stream: stream.name.clone(),
        compliance: stream.rules.compliance,
        verdict,
        findings,
    }))
}
