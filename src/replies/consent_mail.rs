//! The mail that asks a person to confirm a consent: in the stream's language, from our own host, with
//! nothing of the sender's marketing, and once for each request, whatever happens between the record and
//! the queue.

use super::answer::plain_sender;
use super::answer_mail::Sheet;
use super::consent_texts::{ConsentTexts, filled};
use crate::accounts::{Accounts, Stream};
use crate::config::Config;
use crate::events::record::{Circumstances, Evidence};
use crate::mail::{Address, MessageId, RecipientNumber, Timestamp};
use crate::policy::{Asker, Policy, Requested, Token, question_id};
use crate::queue::Queue;
use crate::spool::SpoolFault;
use crate::store::StoreFault;
use crate::world::World;
use std::sync::Arc;

/// Why a person could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskingFault {
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The spool takes nothing.
    #[error(transparent)]
    Spool(#[from] SpoolFault),
    /// No address can be made at our own host.
    #[error("`replies.domain` is no host that an address can have")]
    Host,
}

/// What asking takes.
pub struct Asking<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Where the mail goes.
    pub queue: &'a Arc<dyn Queue>,
    /// Whose name it bears.
    pub accounts: &'a Accounts,
    /// Who signs its link.
    pub policy: &'a Policy,
    /// The clock.
    pub world: &'a World,
}

impl Asking<'_> {
    /// Asks a person for consent to a stream, where that may be: records the request, and mails its
    /// question. What the request came to, and the mail's id with whether it is new, where there is one.
    ///
    /// A page that only a person's own mail leads to asks with [`Asker::Person`]: who has said no
    /// comes back by it.
    ///
    /// # Errors
    /// Why it cannot be; asked again, a request that was recorded is mailed.
    pub async fn ask(
        &self,
        stream: &Stream,
        to: &Address,
        asked: (Asker, Evidence, Circumstances),
        language: Option<&str>,
    ) -> Result<(Requested, Option<(MessageId, bool)>), AskingFault> {
        let limits = &self.config.consents;
        let requested = self.policy.request_consent(stream, to, asked, limits).await?;
        let Requested::Asked { event, at, .. } = requested else { return Ok((requested, None)) };
        let mailed = self.mail(stream, to, (event, at), language).await?;
        Ok((requested, Some(mailed)))
    }

    /// Mails the question of a request, unless it has been mailed: its id, and whether it is new.
    ///
    /// # Errors
    /// Why it cannot be; the request stands, and may be mailed later.
    async fn mail(
        &self,
        stream: &Stream,
        to: &Address,
        (event, asked): (u64, Timestamp),
        language: Option<&str>,
    ) -> Result<(MessageId, bool), AskingFault> {
        let id = question_id(event);
        if self.queue.find(id, RecipientNumber(0)).await.is_some() {
            return Ok((id, false));
        }
        self.queue.ready()?;
        let texts = language.or(stream.answers.language.as_deref()).unwrap_or("en");
        let texts = ConsentTexts::of(texts);
        let account = self.accounts.account_by_id(stream.account)?;
        let name = account.map_or_else(|| stream.account.0.to_string(), |a| a.name.clone());
        let shown = self.accounts.page(stream.account)?.display_name;
        let sender = shown.unwrap_or_else(|| name.clone());
        let age = self.config.consents.confirmation_age_max.0;
        let days = age.as_secs().div_ceil(24 * 3600).to_string();
        let names = [("sender", sender.as_str()), ("stream", &stream.name), ("days", &days)];
        let fill = |text: &str| filled(text, &names);
        let token = self.policy.consent_token(event, asked, &self.config.consents)?;
        let link = format!("{}/c/{token}", self.config.pages_url());
        let lines = [
            fill(texts.asked),
            format!("{}\n{link}", fill(texts.confirm)),
            texts.ignore.to_owned(),
        ];
        let hash = self.accounts.hash(stream.account, to)?;
        let host = self.config.reply_domain();
        let reply = Token::Reply { stream: stream.id, recipient: hash };
        let reply_to =
            Address::new(&self.policy.seal(&reply)?, host).map_err(|_| AskingFault::Host)?;
        let from = plain_sender(&name, stream, host).unwrap_or_else(|| reply_to.clone());
        let now = self.world.clock.now();
        let sheet = Sheet {
            id,
            name: &sender,
            from: &from,
            reply_to: &reply_to,
            to,
            subject: &fill(texts.subject),
            answers: Vec::new(),
            submitted: "auto-generated",
            language: texts.tag,
            hostname: &self.config.hostname,
            now,
            lines: &lines,
        };
        sheet.send(&**self.queue, stream, hash).await?;
        metrics::counter!("relent_consents_asked_total", "language" => texts.tag).increment(1);
        tracing::info!(target: "relent::replies", event = "consent_asked", id = %id, stream = stream.name,
            language = texts.tag, record = event, "a person was asked for consent");
        Ok((id, true))
    }
}
