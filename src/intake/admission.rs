//! The header of a submitted message: what must be there, whose From it may carry, what we take out of
//! it and what we put on top. The body is not looked at.

use super::Intake;
use super::smtpapi::SmtpApi;
use crate::accounts::{Compliance, Login, SendingDomain, Stream};
use crate::events::message::Letters;
use crate::mail::header::{self, Field};
use crate::mail::mailbox::mailboxes;
use crate::mail::shape::Shape;
use crate::mail::{Address, Answer, MessageId, Status, Timestamp, TlsDemand, trace};
use crate::policy::compliance::{self, Finding};
use std::fmt::Write;
use std::sync::Arc;

/// Longest header section of a submitted message, in octets.
pub(super) const HEADER_MAX: usize = 256 << 10;
/// Most fields.
const FIELDS_MAX: usize = 1000;
/// Longest tag and metadata value, in characters.
const TAG_MAX: usize = 64;
const METADATA_MAX: usize = 1000;
/// Fields that name who is not to be named, or that only the last server writes.
const UNSENT: [&str; 3] = ["Bcc", "Resent-Bcc", "Return-Path"];
/// Most characters of a finding that a refusal repeats.
const FINDING_MAX: usize = 300;
/// Most octets of a value that a refusal repeats.
const REPEATED_MAX: usize = 60;

/// What the header says, and how it leaves.
pub(super) struct Admitted {
    /// The header as it is spooled, its empty line included.
    pub(super) header: Vec<u8>,
    /// The address whose domain signs.
    pub(super) from: Address,
    /// The stream that the header named.
    pub(super) stream: Option<Arc<Stream>>,
    /// Recipients that the header named.
    pub(super) to: Vec<Address>,
    /// What X-SMTPAPI asks for and is not done.
    pub(super) ignored: Vec<String>,
    /// When it may leave.
    pub(super) send_at: Option<Timestamp>,
    /// What it demands of TLS.
    pub(super) tls: TlsDemand,
    /// Where its own Reply-To points, if in a verified domain.
    pub(super) reply_to: Option<Letters>,
    /// What large mailbox providers would hold against it.
    pub(super) findings: Vec<Finding>,
    /// What its body will be made of.
    pub(super) shape: Shape,
}

/// What is known of the message besides its header.
pub(super) struct Context<'a> {
    pub(super) login: &'a Login,
    /// MAIL announced addresses beyond ASCII.
    pub(super) smtputf8: bool,
    /// MAIL said REQUIRETLS.
    pub(super) requiretls: bool,
    pub(super) id: MessageId,
    pub(super) now: Timestamp,
    /// `from NAME ([IP]) by HOST with ESMTPSA`.
    pub(super) trace: &'a str,
}

fn refused(code: u16, status: (u8, u16, u16), text: impl Into<String>) -> Answer {
    Answer::new(code, Status::new(status.0, status.1, status.2), text)
}

fn malformed(text: impl Into<String>) -> Answer {
    refused(550, (5, 6, 0), text)
}

impl Intake {
    /// Reads the header section of a submission.
    pub(super) fn admit(&self, header: &[u8], context: &Context<'_>) -> Result<Admitted, Answer> {
        let fields = header::fields(header).map_err(|fault| malformed(fault.to_string()))?;
        if fields.len() > FIELDS_MAX {
            return Err(malformed(format!("a header has at most {FIELDS_MAX} fields")));
        }
        let hops_max = self.parts.config.inbound.hops_max as usize;
        let own_max = self.parts.config.inbound.own_hops_max as usize;
        let (hops, own) = trace::hops(&fields, &self.own_names());
        if hops > hops_max {
            let text = format!("more than {hops_max} hops: a mail loop");
            return Err(refused(554, (5, 4, 6), text));
        }
        if own > own_max {
            let text = format!("it has come through this relay {own} times: a mail loop");
            return Err(refused(554, (5, 4, 6), text));
        }
        let (from, domain) = self.author(&fields, context)?;
        let tls = TlsDemand::of(context.requiretls, &fields);
        let mut stream = None;
        let mut smtp_api = None;
        let mut send_at = None;
        let mut kept: Vec<&Field<'_>> = Vec::with_capacity(fields.len());
        for field in &fields {
            match control(field.name) {
                Some(Control::Stream) if stream.is_some() => {
                    return Err(malformed("X-Relent-Stream stands there twice"));
                }
                Some(Control::Stream) => stream = Some(self.named_stream(field, context.login)?),
                Some(Control::SmtpApi) if smtp_api.is_some() => {
                    return Err(malformed("X-SMTPAPI stands there twice"));
                }
                Some(Control::SmtpApi) => {
                    let recipients_max = self.parts.config.submission.recipients_max as usize;
                    let read = SmtpApi::read(&field.text(), recipients_max);
                    let read = read.map_err(|text| malformed(format!("X-SMTPAPI: {text}")))?;
                    if let Some(at) = read.send_at {
                        self.may_wait_until("X-SMTPAPI: \"send_at\"", at, context.now)?;
                    }
                    smtp_api = Some(read);
                }
                Some(Control::SendAt) => send_at = Some(self.send_at(field, context.now)?),
                Some(control) => control.check(field)?,
                None if UNSENT.iter().any(|name| field.is(name)) => {}
                None => kept.push(field),
            }
        }
        let findings = self.findings(&fields, context, stream.as_deref(), domain.as_deref())?;
        let reply_to = self.reply_to(&kept, context, &from)?;
        let shape = Shape::of(&fields);
        let mut top = format!(
            "Received: {}\r\n\tid {}; {}\r\n",
            context.trace,
            context.id,
            context.now.rfc5322()
        );
        if !kept.iter().any(|field| field.is("Date")) {
            let _ = write!(top, "Date: {}\r\n", context.now.rfc5322());
        }
        if !kept.iter().any(|field| field.is("Message-ID")) {
            let _ = write!(top, "Message-ID: <{}@{}>\r\n", context.id, from.domain());
        }
        let mut out = top.into_bytes();
        for field in kept {
            out.extend_from_slice(field.raw);
            if !field.raw.ends_with(b"\r\n") {
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(b"\r\n");
        let SmtpApi { to, send_at: or_at, ignored } = smtp_api.unwrap_or_default();
        let send_at = send_at.max(or_at);
        let header = out;
        Ok(Admitted { header, from, stream, to, ignored, send_at, tls, reply_to, findings, shape })
    }

    /// What large mailbox providers would hold against a header; refused where the stream refuses what
    /// weighs enough.
    fn findings(
        &self,
        fields: &[Field<'_>],
        context: &Context<'_>,
        named: Option<&Stream>,
        domain: Option<&SendingDomain>,
    ) -> Result<Vec<Finding>, Answer> {
        let Some(stream) = named.or(context.login.stream.as_deref()) else {
            return Ok(Vec::new());
        };
        let (smtputf8, now) = (context.smtputf8, context.now);
        let config = &self.parts.config;
        let context = compliance::Context { config, stream, domain, smtputf8, now };
        let findings = compliance::of_header(fields, &context);
        refusal(stream, &findings).map_or(Ok(findings), Err)
    }

    /// Where letters go by the message's own word: the first address of Reply-To whose domain the account
    /// has proved.
    fn reply_to(
        &self,
        fields: &[&Field<'_>],
        context: &Context<'_>,
        from: &Address,
    ) -> Result<Option<Letters>, Answer> {
        let one = |name: &str| fields.iter().find(|field| field.is(name)).map(|field| field.text());
        // What cannot be read is a finding, no fault: it is replaced or left as it was.
        let addresses = one("Reply-To").and_then(|text| mailboxes(&text).ok()).unwrap_or_default();
        for mailbox in addresses {
            let known = self.parts.accounts.domain(context.login.account.id, mailbox.domain());
            let known = known.map_err(|fault| fault.answer())?;
            if known.is_some_and(|domain| domain.may_send()) {
                let own = || format!("{}@{}", context.id, from.domain());
                let answered = Letters::key(&one("Message-ID").unwrap_or_else(own));
                return Ok(Some(Letters { mailbox, answered }));
            }
        }
        Ok(None)
    }

    /// The one From field, whose every address lies in a domain that the account may send from.
    fn author(
        &self,
        fields: &[Field<'_>],
        context: &Context<'_>,
    ) -> Result<(Address, Option<Arc<SendingDomain>>), Answer> {
        let mut found = fields.iter().filter(|field| field.is("From"));
        let (Some(field), None) = (found.next(), found.next()) else {
            return Err(malformed("a message has exactly one From field"));
        };
        let addresses = mailboxes(&field.text())
            .map_err(|fault| malformed(format!("From: {}: {fault}", short(&field.text()))))?;
        let mut first = None;
        for address in &addresses {
            if address.needs_smtputf8() && !context.smtputf8 {
                let text = "From: an address beyond ASCII needs SMTPUTF8 on MAIL";
                return Err(refused(550, (5, 6, 7), text));
            }
            let domain = self.may_send_from(context.login, address, "From")?;
            first.get_or_insert(domain);
        }
        let from = addresses.into_iter().next();
        Ok((from.ok_or_else(|| malformed("the From field has no address"))?, first))
    }

    /// The address's domain, which the account has proved.
    pub(super) fn may_send_from(
        &self,
        login: &Login,
        address: &Address,
        place: &str,
    ) -> Result<Arc<SendingDomain>, Answer> {
        let domain = address.domain();
        let known = self.parts.accounts.domain(login.account.id, domain);
        let text = match known {
            Err(fault) => return Err(fault.answer()),
            Ok(Some(domain)) if domain.may_send() => return Ok(domain),
            Ok(Some(_)) => format!(
                "{place}: the domain {domain} is not verified yet: publish its records, then `relent domain verify {} {domain}`",
                login.account.name
            ),
            Ok(None) => format!(
                "{place}: {domain} is no sending domain of this account: `relent domain add {} {domain}`",
                login.account.name
            ),
        };
        Err(refused(550, (5, 7, 1), text))
    }

    /// The moment before which the message is kept: one that has passed is now.
    fn send_at(&self, field: &Field<'_>, now: Timestamp) -> Result<Timestamp, Answer> {
        let value = field.text();
        let at = moment(&value).ok_or_else(|| {
            let form = "write RFC 3339, as in 2026-12-24T18:00:00Z, or seconds since 1970";
            malformed(format!("X-Relent-Send-At: {}: {form}", short(&value)))
        })?;
        self.may_wait_until("X-Relent-Send-At", at, now)?;
        Ok(at)
    }

    /// No moment lies further ahead than `submission.send_at_max`.
    fn may_wait_until(&self, place: &str, at: Timestamp, now: Timestamp) -> Result<(), Answer> {
        let ahead_max = self.parts.config.submission.send_at_max.0;
        if at.since(now) > ahead_max {
            let days = ahead_max.as_secs() / 86_400;
            let text = format!("{place}: mail is kept for {days} days at most");
            return Err(refused(550, (5, 7, 1), text));
        }
        Ok(())
    }

    fn named_stream(&self, field: &Field<'_>, login: &Login) -> Result<Arc<Stream>, Answer> {
        let name = field.text();
        let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=32).contains(&name.len()) || !name.bytes().all(sound) {
            let text = format!("X-Relent-Stream: {} is no stream's name", short(&name));
            return Err(malformed(text));
        }
        match self.parts.accounts.stream_for(login, &name) {
            Ok(Some(stream)) => Ok(stream),
            Ok(None) => {
                let text = format!("X-Relent-Stream: {name} is no stream of this credential");
                Err(refused(550, (5, 7, 1), text))
            }
            Err(fault) => Err(fault.answer()),
        }
    }
}

/// Why a message is refused on a stream that refuses what large mailbox providers would take amiss.
pub(super) fn refusal(stream: &Stream, findings: &[Finding]) -> Option<Answer> {
    if stream.rules.compliance != Compliance::Refuse {
        return None;
    }
    let finding = compliance::refusal(findings)?;
    let text = format!("compliance, {}: {}", finding.id, short_of(&finding.text, FINDING_MAX));
    metrics::counter!("relent_compliance_total", "finding" => finding.id, "verdict" => "refused")
        .increment(1);
    Some(Answer::new(550, finding.status, text))
}

/// A field that speaks to us and does not leave.
enum Control {
    Stream,
    Tag,
    Metadata,
    Switch,
    SendAt,
    SmtpApi,
    Unknown,
}

fn control(name: &str) -> Option<Control> {
    let name = name.to_ascii_lowercase();
    if name == "x-smtpapi" {
        return Some(Control::SmtpApi);
    }
    Some(match name.strip_prefix("x-relent-")? {
        "stream" => Control::Stream,
        "tag" => Control::Tag,
        "track-opens" | "track-clicks" => Control::Switch,
        "send-at" => Control::SendAt,
        key if key.starts_with("metadata-") && key.len() > "metadata-".len() => Control::Metadata,
        _ => Control::Unknown,
    })
}

impl Control {
    fn check(&self, field: &Field<'_>) -> Result<(), Answer> {
        let value = field.text();
        let length = value.chars().count();
        let sound = match self {
            Self::Stream => true,
            Self::Tag => (1..=TAG_MAX).contains(&length),
            Self::Metadata => length <= METADATA_MAX,
            Self::Switch => {
                let value = value.to_ascii_lowercase();
                ["yes", "no", "true", "false", "on", "off", "1", "0"].contains(&value.as_str())
            }
            // Read where what they ask for is.
            Self::SendAt | Self::SmtpApi => true,
            Self::Unknown => false,
        };
        if sound {
            return Ok(());
        }
        Err(malformed(format!(
            "{}: {} is not a value of this field",
            short(field.name),
            short(&value)
        )))
    }
}

/// A moment as RFC 3339 or in seconds since 1970.
fn moment(value: &str) -> Option<Timestamp> {
    let seconds = value.parse::<u64>().ok().map(|seconds| Timestamp(seconds.saturating_mul(1000)));
    seconds.or_else(|| value.parse().ok())
}

/// What a client wrote, short and in ASCII, as a reply may hold it.
fn short(text: &str) -> String {
    short_of(text, REPEATED_MAX)
}

fn short_of(text: &str, most: usize) -> String {
    let shown = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    shown.take(most).collect()
}
