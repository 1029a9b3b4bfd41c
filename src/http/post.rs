//! Mail of our own to members: invitations and links for a new password. From our postmaster, without a
//! return path, marked as a machine's; to nobody whose address is stopped.

use super::member_words::words;
use super::problem::Problem;
use super::site::Parts;
use crate::accounts::{Account, Invited, Language, LinkPurpose};
use crate::events::message::{Accepted, Origin, Recipient};
use crate::mail::charset::encoded;
use crate::mail::{AccountId, Address, MessageId, ReversePath};
use data_encoding::BASE64;

/// Longest line of base64 (RFC 2045 §6.8).
const LINE_MAX: usize = 76;
/// Seconds of an hour.
const HOUR: u64 = 3600;

/// The address behind a link's token.
pub(super) fn link(parts: &Parts, token: &str) -> String {
    format!("{}/m/{token}", parts.config.pages_url())
}

/// Mails a link to whom it is for, in the language of an account.
///
/// # Errors
/// A stop stands against the address itself; the queue takes nothing now.
pub(super) async fn send(
    parts: &Parts,
    invited: &Invited,
    account: &Account,
) -> Result<MessageId, Problem> {
    let to = &invited.invitation.address;
    if parts.policy.against_answer(account.id, to)?.is_some() {
        return Err(Problem::unfit(format!(
            "a stop stands against {to} itself, so that nothing is mailed there: have the operator \
             print the link, with `relent member … --print`"
        )));
    }
    let is_join = matches!(invited.invitation.purpose, LinkPurpose::Join(_));
    let whose = if is_join { account.id } else { AccountId::INSTALLATION };
    let now = parts.world.clock.now();
    let mut chance = [0; 6];
    parts.world.chance.fill(&mut chance);
    let id = MessageId::new(now, chance);
    let host = &parts.config.hostname;
    let from = Address::new("postmaster", host)
        .map_err(|fault| Problem::unfit(format!("the hostname is no host of mail: {fault}")))?;
    let bytes = message(parts, invited, (account, &from, id));
    let hash = parts.accounts.hash(whose, to)?;
    let draft = Accepted {
        from: Some(from),
        smtputf8: to.needs_smtputf8(),
        ..Accepted::new(
            id,
            Origin::Letter { account: whose, stream: None },
            ReversePath::Null,
            vec![Recipient { address: to.clone(), hash }],
            now,
        )
    };
    parts.queue.ready()?;
    let mut body = parts.queue.body();
    body.write(&bytes).await?;
    parts.queue.enqueue(draft, body).await?;
    metrics::counter!("relent_member_mails_total").increment(1);
    Ok(id)
}

/// The message: its header in ASCII, its text in base64.
fn message(
    parts: &Parts,
    invited: &Invited,
    (account, from, id): (&Account, &Address, MessageId),
) -> Vec<u8> {
    let (invitation, now, host) =
        (&invited.invitation, parts.world.clock.now(), &parts.config.hostname);
    let words = words(account.language);
    let (subject, text) = match invitation.purpose {
        LinkPurpose::Join(_) => (words.invited, words.invited_text),
        LinkPurpose::Reset(_) => (words.reset, words.reset_text),
    };
    let hours = (invitation.ends.since(invitation.created).as_secs() / HOUR).to_string();
    let fill = |text: &str| {
        let text = text.replace("{account}", &account.name).replace("{host}", host);
        text.replace("{hours}", &hours)
    };
    let link = link(parts, &invited.token);
    let text = format!("{}\r\n\r\n{link}\r\n\r\n{}\r\n", fill(text), words.ignore);
    let coded = BASE64.encode(text.as_bytes());
    let lines: Vec<_> = coded.as_bytes().chunks(LINE_MAX).map(String::from_utf8_lossy).collect();
    format!(
        "From: Relent <{from}>\r\nTo: <{}>\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{id}@{host}>\r\n\
         Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Language: {}\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        invitation.address,
        encoded(&fill(subject)),
        now.rfc5322(),
        Language::name(account.language),
        lines.join("\r\n"),
    )
    .into_bytes()
}
