//! A recipient's copy: our fields before the message as it was spooled, signed; the body byte for byte.

use super::sign::{Keys, signatures};
use super::{Delivery, Parts};
use crate::accounts::{HostUse, SendingDomain, Stream};
use crate::events::message::{Accepted, Origin};
use crate::mail::{AccountId, Address, Domain, RecipientNumber, ReversePath, header};
use crate::policy::Token;
use crate::queue::Lease;
use crate::telemetry::Amount;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes that one permit of the copies' memory stands for.
pub(super) const UNIT: u64 = 1024;

/// A copy ready to leave.
pub(super) struct Copy {
    /// Header section and body.
    pub(super) bytes: Vec<u8>,
    /// Whether an address in it is signed for its recipient alone.
    pub(super) is_personal: bool,
    _memory: Option<OwnedSemaphorePermit>,
    _used: Amount,
}

/// What our fields say of a submitted message.
pub(super) struct Marks {
    /// `stream:account:relent`.
    pub(super) feedback_id: String,
    /// The mailto and https addresses that stop the stream.
    pub(super) unsubscribe: Option<(String, String)>,
    /// Where replies go.
    pub(super) reply_to: Option<String>,
}

impl Marks {
    /// Whether they are signed for one recipient.
    fn are_personal(&self) -> bool {
        self.unsubscribe.is_some() || self.reply_to.is_some()
    }
}

impl Delivery {
    /// Prepares the copy of a leased item.
    ///
    /// # Errors
    /// In words: worth another try.
    pub(super) async fn copy(&self, lease: &Lease) -> Result<Copy, String> {
        let message = &lease.message;
        // Room for the copy and for our fields.
        let units = message.body.length / UNIT + 16;
        let most = u32::try_from(self.memory.most()).unwrap_or(u32::MAX);
        let units = u32::try_from(units).unwrap_or(u32::MAX).min(most);
        let memory = self.memory.semaphore().clone().acquire_many_owned(units).await.ok();
        let used = self.levels.memory.take(u64::from(units) * UNIT);
        let spooled = self.spooled(message).await?;
        let mut is_personal = false;
        let bytes = match &message.origin {
            Origin::Submission { account, stream, .. } => {
                let fault = |f: crate::store::StoreFault| f.to_string();
                let stream = self.parts.accounts.stream_by_id(*stream).map_err(fault)?;
                let stream = stream.ok_or("the stream is not in the store")?;
                let domain = match &message.from {
                    Some(from) => {
                        let found = self.parts.accounts.domain(*account, from.domain());
                        let found = found.map_err(fault)?.filter(|domain| domain.may_send());
                        Some(found.ok_or("the From domain is the account's no longer")?)
                    }
                    None => None,
                };
                let marks = marks(&self.parts, lease, &stream, domain.as_deref())?;
                is_personal = marks.are_personal();
                marked(&self.keys, &spooled, &marks, domain.as_deref())?
            }
            Origin::Answer { account, .. } => self.answer(*account, message, spooled)?,
            Origin::Report { .. } | Origin::Letter { .. } => spooled,
        };
        Ok(Copy { bytes, is_personal, _memory: memory, _used: used })
    }

    /// Our words to a person, signed where the host they come from, or one above it, is a sending
    /// domain of the account with keys.
    fn answer(
        &self,
        account: AccountId,
        message: &Accepted,
        mut spooled: Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        let Some(from) = &message.from else {
            return Ok(spooled);
        };
        let mut host = from.domain().as_str();
        loop {
            let domain = Domain::parse(host).map_err(|fault| fault.to_string())?;
            let found = self.parts.accounts.domain(account, &domain).map_err(|f| f.to_string())?;
            if let Some(domain) = found.filter(|domain| domain.may_send()) {
                let signed = signatures(&self.keys, &domain, &mut spooled)?;
                spooled.splice(0..0, signed.into_bytes());
                return Ok(spooled);
            }
            match host.split_once('.') {
                Some((_, above)) if above.contains('.') => host = above,
                _ => return Ok(spooled),
            }
        }
    }

    /// Whether all recipients of a leased item's message get the same copy: nothing in it is signed for
    /// one of them.
    pub(super) fn is_shared(&self, lease: &Lease) -> bool {
        let Some(stream) = lease.message.origin.stream() else { return true };
        if !matches!(lease.message.origin, Origin::Submission { .. }) {
            return true;
        }
        let stream = self.parts.accounts.stream_by_id(stream).ok().flatten();
        let marks = stream.and_then(|stream| marks(&self.parts, lease, &stream, None).ok());
        marks.is_some_and(|marks| !marks.are_personal())
    }

    /// The envelope's sender of a leased item's copy, which names the recipient of that number.
    ///
    /// # Errors
    /// In words: worth another try.
    pub(super) fn sender(
        &self,
        lease: &Lease,
        number: RecipientNumber,
    ) -> Result<ReversePath, String> {
        match &lease.message.origin {
            Origin::Submission { .. } => return_path(&self.parts, lease, number),
            // A letter's writer is told where it cannot be delivered; our own host vouches for the path.
            Origin::Letter { .. } if lease.message.sender.address().is_some() => {
                return_path(&self.parts, lease, number)
            }
            Origin::Report { .. } | Origin::Letter { .. } | Origin::Answer { .. } => {
                Ok(ReversePath::Null)
            }
        }
    }

    async fn spooled(&self, message: &Accepted) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::with_capacity(usize::try_from(message.body.length).unwrap_or(0));
        let mut reader = self.parts.queue.read(&message.body);
        while let Some(piece) = reader.next().await.map_err(|fault| fault.to_string())? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }
}

/// The signed return path of a copy, so that a bounce which comes later names it: at the sending domain's
/// own host, where it has one, so that SPF speaks for the domain that readers see.
fn return_path(
    parts: &Parts,
    lease: &Lease,
    recipient: RecipientNumber,
) -> Result<ReversePath, String> {
    let message = &lease.message;
    let token = Token::Bounce { message: message.id, recipient };
    let local = parts.policy.seal(&token).map_err(|f| f.to_string())?;
    let own = match (&message.origin, &message.from) {
        (Origin::Submission { account, .. }, Some(from)) => {
            parts.accounts.domain(*account, from.domain()).map_err(|f| f.to_string())?
        }
        _ => None,
    };
    let own = own.as_deref().and_then(|domain| domain.host(HostUse::ReturnPath));
    let host = own.map_or(parts.config.reply_domain(), Domain::as_str);
    let address = Address::new(&local, host).map_err(|f| f.to_string())?;
    Ok(ReversePath::Mailbox(address))
}

fn marks(
    parts: &Parts,
    lease: &Lease,
    stream: &Stream,
    domain: Option<&SendingDomain>,
) -> Result<Marks, String> {
    let place = lease.recipient.0 as usize;
    let recipient = lease.message.recipients.get(place);
    let recipient = recipient.ok_or("the message has no such recipient")?.hash;
    let stream_id = stream.id;
    let account = parts.accounts.account_by_id(stream.account);
    let account = account.map_err(|f| f.to_string())?;
    let account = account.map_or_else(|| stream.account.0.to_string(), |a| a.name.clone());
    let seal = |token: &Token| parts.policy.seal(token).map_err(|f| f.to_string());
    let own = |host_use| domain.and_then(|domain| domain.host(host_use)).map(Domain::as_str);
    let host = own(HostUse::Replies).unwrap_or(parts.config.reply_domain());
    let unsubscribe = if stream.can_be_stopped() {
        let token = seal(&Token::Unsubscribe { stream: stream_id, recipient })?;
        let base = match own(HostUse::Links) {
            Some(host) => format!("https://{host}"),
            None => parts.config.pages_url(),
        };
        let page = format!("{base}/u/{token}");
        Some((format!("mailto:{token}@{host}"), page))
    } else {
        None
    };
    let reply_to = match &stream.reply_to {
        Some(_) => {
            let token = seal(&Token::Reply { stream: stream_id, recipient })?;
            Some(format!("{token}@{host}"))
        }
        None => None,
    };
    Ok(Marks { feedback_id: format!("{}:{account}:relent", stream.name), unsubscribe, reply_to })
}

/// The message with our fields in front, what they replace left out, signed with the domain's keys.
///
/// # Errors
/// A key that does not sign, in words.
pub(super) fn marked(
    keys: &Keys,
    spooled: &[u8],
    marks: &Marks,
    domain: Option<&SendingDomain>,
) -> Result<Vec<u8>, String> {
    let start = header::body_start(spooled);
    let mut ours = format!("Feedback-ID: {}\r\n", marks.feedback_id);
    if let Some((mailto, page)) = &marks.unsubscribe {
        ours += &format!("List-Unsubscribe: <{mailto}>,\r\n <{page}>\r\n");
        ours += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n";
    }
    if let Some(address) = &marks.reply_to {
        ours += &format!("Reply-To: <{address}>\r\n");
    }
    let mut message = Vec::with_capacity(spooled.len() + ours.len() + 2048);
    message.extend_from_slice(ours.as_bytes());
    let fields = header::fields(&spooled[..start]).map_err(|fault| fault.to_string())?;
    for field in &fields {
        let replaced = field.is("Feedback-ID")
            // Ours or none: what nobody can stop must not claim that it can be.
            || field.is("List-Unsubscribe")
            || field.is("List-Unsubscribe-Post")
            || (marks.reply_to.is_some() && field.is("Reply-To"))
            || (field.is("DKIM-Signature")
                && domain.is_some_and(|d| signs_for(&field.text(), d.name.as_str())));
        if !replaced {
            message.extend_from_slice(field.raw);
        }
    }
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(&spooled[start..]);
    if let Some(domain) = domain {
        let signed = signatures(keys, domain, &mut message)?;
        message.splice(0..0, signed.into_bytes());
    }
    Ok(message)
}

/// Whether a DKIM-Signature's `d=` is this domain.
fn signs_for(signature: &str, domain: &str) -> bool {
    signature.split(';').any(|tag| {
        tag.split_once('=').is_some_and(|(name, value)| {
            name.trim() == "d" && value.trim().eq_ignore_ascii_case(domain)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{DkimAlgorithm, DkimKey, DomainHosts, KeyStage};
    use crate::mail::{AccountId, Timestamp};
    use ring::rand::SystemRandom;
    use ring::signature::Ed25519KeyPair;

    fn domain() -> SendingDomain {
        let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        SendingDomain {
            account: AccountId(1),
            name: Domain::parse("acme.example").expect("a domain"),
            trusted: true,
            verified: None,
            challenge: String::new(),
            keys: vec![DkimKey {
                selector: "one".into(),
                algorithm: DkimAlgorithm::Ed25519,
                private: private.as_ref().to_vec(),
                public: String::new(),
                stage: KeyStage::Signing,
                made: Timestamp(0),
            }],
            created: Timestamp(0),
            hosts: DomainHosts::default(),
        }
    }

    #[test]
    fn a_copy_that_cannot_be_stopped_does_not_say_that_it_can() {
        let spooled = b"From: a@acme.example\r\nList-Unsubscribe: <mailto:no@x>\r\n\
            List-unsubscribe-post: List-Unsubscribe=One-Click\r\nSubject: hi\r\n\r\nbody\r\n";
        let feedback_id = "receipts:acme:relent".into();
        let marks = Marks { feedback_id, unsubscribe: None, reply_to: None };
        let copy = marked(&Keys::default(), spooled, &marks, Some(&domain())).expect("a copy");
        let text = String::from_utf8(copy).expect("text");
        let fields = text.split("Feedback-ID: receipts").nth(1).expect("our field");
        assert!(!fields.contains("nsubscribe") && fields.contains("Subject: hi"), "{text}");
    }

    #[test]
    fn a_copy_carries_our_fields_and_the_body_unchanged() {
        let body = "one\r\n .two  \r\n\r\n \t\r\n\r\n";
        let spooled = format!(
            "From: a@acme.example\r\nReply-To: x@acme.example\r\nList-Unsubscribe: <mailto:no@x>\r\n\
             DKIM-Signature: v=1; d=ACME.example;\r\n b=z.z.z\r\nDKIM-Signature: v=1; d=other.example\r\n\
             Subject: hi\r\n\r\n{body}"
        );
        let marks = Marks {
            feedback_id: "news:acme:relent".into(),
            unsubscribe: Some(("mailto:u-x@r.example".into(), "https://h/u/u-x".into())),
            reply_to: Some("r-x@r.example".into()),
        };
        let copy =
            marked(&Keys::default(), spooled.as_bytes(), &marks, Some(&domain())).expect("a copy");
        let text = String::from_utf8(copy).expect("text");
        assert!(text.starts_with("DKIM-Signature: v=1; a=ed25519-sha256; s=one; d=acme.example"));
        assert!(text.ends_with(&format!("\r\n\r\n{body}")));
        for present in [
            "Feedback-ID: news:acme:relent\r\n",
            "List-Unsubscribe: <mailto:u-x@r.example>,\r\n <https://h/u/u-x>\r\n",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            "Reply-To: <r-x@r.example>\r\n",
            "d=other.example\r\n",
        ] {
            assert_eq!(text.matches(present).count(), 1, "{present}");
        }
        // Each holds what no base64 does: a signature is not to say it by chance.
        for gone in ["no@x", "x@acme.example\r\nList", "ACME.", "z.z.z"] {
            assert!(!text.contains(gone), "{gone}");
        }
        assert!(text.split("\r\n").all(|line| line.len() <= 998));
        let relaxed = ring::digest::digest(&ring::digest::SHA256, b"one\r\n .two\r\n");
        let hash = data_encoding::BASE64.encode(relaxed.as_ref());
        let unfolded = text.replace("\r\n\t", "");
        assert!(unfolded.contains(&format!("bh={hash}")), "{unfolded}");
    }
}
