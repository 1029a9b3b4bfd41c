//! The header of a submitted message: what must be there, whose From it may carry, what we take out of
//! it and what we put on top. The body is not looked at.

use super::Intake;
use crate::accounts::{Login, Stream};
use crate::mail::header::{self, Field};
use crate::mail::{Address, Answer, MessageId, Status, Timestamp};
use std::fmt::Write;
use std::sync::Arc;

/// Longest header section of a submitted message, in octets.
pub(super) const HEADER_MAX: usize = 256 << 10;
/// Most fields.
const FIELDS_MAX: usize = 1000;
/// Longest tag and metadata value, in characters.
const TAG_MAX: usize = 64;
const METADATA_MAX: usize = 1000;
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
}

/// What is known of the message besides its header.
pub(super) struct Context<'a> {
    pub(super) login: &'a Login,
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
        if fields.iter().filter(|field| field.is("Received")).count() > hops_max {
            let text = format!("more than {hops_max} hops: a mail loop");
            return Err(refused(554, (5, 4, 6), text));
        }
        let from = self.author(&fields, context.login)?;
        let mut stream = None;
        let mut kept: Vec<&Field<'_>> = Vec::with_capacity(fields.len());
        for field in &fields {
            match control(field.name) {
                Some(Control::Stream) if stream.is_some() => {
                    return Err(malformed("X-Relent-Stream stands there twice"));
                }
                Some(Control::Stream) => stream = Some(self.named_stream(field, context.login)?),
                Some(control) => control.check(field, context.now)?,
                None if field.is("Bcc") || field.is("Return-Path") => {}
                None => kept.push(field),
            }
        }
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
        Ok(Admitted { header: out, from, stream })
    }

    /// The one From field, whose every address lies in a domain that the account may send from.
    fn author(&self, fields: &[Field<'_>], login: &Login) -> Result<Address, Answer> {
        let mut found = fields.iter().filter(|field| field.is("From"));
        let (Some(field), None) = (found.next(), found.next()) else {
            return Err(malformed("a message has exactly one From field"));
        };
        let message = [field.raw, b"\r\n"].concat();
        let parsed = mail_parser::MessageParser::default().parse_headers(&message);
        let addresses: Vec<Address> = parsed
            .as_ref()
            .and_then(mail_parser::Message::from)
            .map(|from| from.iter().filter_map(|mailbox| mailbox.address()).collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .map(|text| {
                Address::parse(text)
                    .map_err(|fault| malformed(format!("From: {}: {fault}", short(text))))
            })
            .collect::<Result<_, _>>()?;
        let Some(first) = addresses.first().cloned() else {
            return Err(malformed("the From field has no address"));
        };
        for address in addresses {
            self.may_send_from(login, &address, "From")?;
        }
        Ok(first)
    }

    /// Whether the account has proved this address's domain.
    pub(super) fn may_send_from(
        &self,
        login: &Login,
        address: &Address,
        place: &str,
    ) -> Result<(), Answer> {
        let domain = address.domain();
        let known = self.parts.accounts.domain(login.account.id, domain);
        let text = match known {
            Err(fault) => return Err(fault.answer()),
            Ok(Some(domain)) if domain.may_send() => return Ok(()),
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
    fn check(&self, field: &Field<'_>, now: Timestamp) -> Result<(), Answer> {
        let value = field.text();
        let length = value.chars().count();
        let sound = match self {
            Self::Stream => true,
            Self::Tag => (1..=TAG_MAX).contains(&length),
            Self::Metadata => length <= METADATA_MAX,
            Self::Switch => {
                matches!(value.to_ascii_lowercase().as_str(), "yes" | "no" | "true" | "false")
            }
            Self::SendAt => match moment(&value) {
                Some(at) if at > now => {
                    return Err(malformed(
                        "X-Relent-Send-At: mail for later is not kept: send it then",
                    ));
                }
                at => at.is_some(),
            },
            Self::SmtpApi => return smtp_api(&value),
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

/// The field of two large services, plain or base64: read tolerantly, taken out. Recipients named there
/// are not sent to yet, and must not be lost without a word.
fn smtp_api(value: &str) -> Result<(), Answer> {
    let compact: String = value.split_whitespace().collect();
    let decoded = data_encoding::BASE64.decode(compact.as_bytes()).ok();
    let text = decoded.as_deref().unwrap_or(value.as_bytes());
    let named = serde_json::from_slice::<serde_json::Value>(text)
        .ok()
        .and_then(|json| json.get("to").cloned());
    match named {
        None | Some(serde_json::Value::Null) => Ok(()),
        Some(serde_json::Value::Array(list)) if list.is_empty() => Ok(()),
        Some(_) => {
            Err(malformed("X-SMTPAPI: recipients in \"to\" are not taken: name each by RCPT TO"))
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(REPEATED_MAX).collect()
}
