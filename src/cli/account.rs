//! `relent account set`: what an account may have and send.

use crate::config::Size;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// A number, or `none` to take the account's own limit away.
fn number(text: &str) -> Result<Value, String> {
    if text == "none" {
        return Ok(Value::Null);
    }
    match text.parse::<u64>() {
        Ok(number) => Ok(number.into()),
        Err(_) => Err("write a whole number, or none for the limit of the settings".into()),
    }
}

/// A size, or `none`.
fn size(text: &str) -> Result<Value, String> {
    if text == "none" {
        return Ok(Value::Null);
    }
    text.parse::<Size>().map(|size| size.0.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum YesNo {
    Yes,
    No,
}

/// What may be set of an account, one thing at least; `none` takes its own limit away, so that the settings' holds.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Changes {
    /// The language in which its senders are told what became of their mail: en, zh, ja, ko, de, fr,
    /// es, pt, it, nl, ru or pl.
    #[arg(long)]
    language: Option<String>,
    /// The time zone in which its days begin, as in Asia/Shanghai [default: UTC].
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Most recipients in a day.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    recipients_per_day: Option<Value>,
    /// Most recipients of one message.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    recipients_per_message: Option<Value>,
    /// Most messages in a second.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    messages_per_second: Option<Value>,
    /// Most messages in a minute.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    messages_per_minute: Option<Value>,
    /// Largest message, as in 10MB.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    message_size: Option<Value>,
    /// Most credentials.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    credentials: Option<Value>,
    /// Most sending domains.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    domains: Option<Value>,
    /// Most streams.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    streams: Option<Value>,
    /// Most webhooks.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    webhooks: Option<Value>,
    /// Most members, those invited included.
    #[arg(long, value_name = "COUNT", value_parser = number)]
    members: Option<Value>,
    /// Whether its members must log in with the code of an authenticator too.
    #[arg(long, value_name = "YES|NO")]
    require_totp: Option<YesNo>,
}

impl Changes {
    /// The body that asks for them.
    pub(super) fn body(self) -> Value {
        let mut body = json!({});
        let limits = [
            ("recipients_per_day", self.recipients_per_day),
            ("recipients_per_message", self.recipients_per_message),
            ("messages_per_second", self.messages_per_second),
            ("messages_per_minute", self.messages_per_minute),
            ("message_size", self.message_size),
            ("credentials", self.credentials),
            ("domains", self.domains),
            ("streams", self.streams),
            ("webhooks", self.webhooks),
            ("members", self.members),
        ];
        for (name, limit) in limits {
            if let Some(limit) = limit {
                body["limits"][name] = limit;
            }
        }
        if let Some(language) = self.language {
            body["language"] = language.into();
        }
        if let Some(zone) = self.zone {
            body["zone"] = if zone == "none" { Value::Null } else { zone.into() };
        }
        if let Some(answer) = self.require_totp {
            body["require_totp"] = (answer == YesNo::Yes).into();
        }
        body
    }
}
