//! What large mailbox providers demand of who sends to many, held against a message before it is taken. A
//! pure look: the header, the shape of the body, and what is known of stream and domain.

use crate::accounts::{HostUse, SendingDomain, Stream, StreamKind};
use crate::config::{self, Config};
use crate::mail::charset::encoded_words;
use crate::mail::header::Field;
use crate::mail::mailbox::mailboxes;
use crate::mail::shape::Shape;
use crate::mail::{Domain, Status, Timestamp};
use jiff::fmt::rfc2822::DateTimeParser;
use serde::{Serialize, Serializer};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

/// Fields of which a message has one at most (RFC 5322 §3.6).
const SINGLE: [&str; 11] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "Date",
    "MIME-Version",
];
/// How a subject begins that answers or passes on, in lower case.
const ANSWERS: [&str; 12] = [
    "re:",
    "re：",
    "fw:",
    "fwd:",
    "aw:",
    "wg:",
    "sv:",
    "antw:",
    "回复:",
    "回复：",
    "答复:",
    "答复：",
];
/// Longest line (RFC 5322 §2.1.1), in bytes.
const LINE_MAX: u64 = 998;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Large providers refuse such mail, or take it for spam: a stream may refuse it.
    Refuse,
    /// It does harm to the sender's name; never refused.
    Warn,
}

/// One thing that is held against a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// Its name in logs and metrics.
    pub id: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// The status with which it is refused.
    #[serde(serialize_with = "shown")]
    #[schema(value_type = String)]
    pub status: Status,
    /// What it is, and what to do.
    pub text: String,
    /// Who demands it.
    pub source: &'static str,
}

fn shown<S: Serializer>(status: &Status, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&status.to_string())
}

const GOOGLE: &str = "Google, Email sender guidelines; Yahoo, Sender best practices";
const BULK: &str = "Google, Yahoo and Microsoft, requirements for bulk senders";
const FORM: &str = "RFC 5322 §3.6; Google, Email sender guidelines";

fn form(id: &'static str, text: impl Into<String>) -> Finding {
    let (severity, status) = (Severity::Refuse, Status::new(5, 6, 0));
    Finding { id, severity, status, text: text.into(), source: FORM }
}

fn policy(id: &'static str, text: impl Into<String>, source: &'static str) -> Finding {
    let (severity, status) = (Severity::Refuse, Status::new(5, 7, 1));
    Finding { id, severity, status, text: text.into(), source }
}

fn advice(id: &'static str, text: impl Into<String>, source: &'static str) -> Finding {
    let (severity, status) = (Severity::Warn, Status::new(5, 7, 1));
    Finding { id, severity, status, text: text.into(), source }
}

/// What a message is looked at with.
pub struct Context<'a> {
    /// All settings.
    pub config: &'a Config,
    /// The stream it goes out on.
    pub stream: &'a Stream,
    /// The From domain, where it is one of the account's.
    pub domain: Option<&'a SendingDomain>,
    /// Addresses and fields beyond ASCII were announced.
    pub smtputf8: bool,
    /// Now.
    pub now: Timestamp,
}

/// What is held against a message's header, its sender's domain and its stream.
#[must_use]
pub fn of_header(fields: &[Field<'_>], context: &Context<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in SINGLE {
        let count = fields.iter().filter(|field| field.is(name)).count();
        if count > 1 {
            findings.push(form(
                "field_repeated",
                format!("{name} stands there {count} times: leave one, since readers and filters take different ones"),
            ));
        }
    }
    findings.extend(author(fields));
    findings.extend(alignment(context));
    findings.extend(one_click(context));
    findings.extend(date(fields, &context.config.compliance, context.now));
    findings.extend(message_id(fields));
    findings.extend(eight_bit(fields, context.smtputf8));
    findings.extend(subject(fields, context.stream));
    if !fields.iter().any(|field| field.is("To") || field.is("Cc")) {
        let text =
            "there is neither To nor Cc: name the recipient, since mail to nobody looks like spam";
        findings.push(advice("to_missing", text, "Yahoo, Sender best practices"));
    }
    findings
}

/// What is held against a message's body, once all of it was seen.
#[must_use]
pub fn of_body(shape: &Shape, limits: &config::Compliance) -> Vec<Finding> {
    let mut findings = Vec::new();
    if shape.line_longest > LINE_MAX {
        let longest = shape.line_longest;
        findings.push(Finding {
            source: "RFC 5322 §2.1.1",
            ..form(
                "line_long",
                format!("a line has {longest} octets: encode the part as quoted-printable or base64, {LINE_MAX} are the most"),
            )
        });
    }
    if shape.html > limits.html_alone_max.0 && !shape.has_text {
        let text = "its HTML has no plain text beside it: send multipart/alternative with both";
        findings.push(advice("text_missing", text, "Yahoo, Sender best practices"));
    }
    if shape.html > limits.html_size_max.0 {
        let text = format!(
            "its HTML has {} octets: past {} it is shown cut off, with the end that says how to unsubscribe",
            shape.html, limits.html_size_max
        );
        findings.push(advice("html_large", text, "Gmail cuts messages at about 102 kB"));
    }
    if shape.size > limits.message_size_max.0 {
        let text = format!(
            "it has {} octets: some providers take no more than {}; link to what is large",
            shape.size, limits.message_size_max
        );
        findings.push(advice("size_large", text, "size limits of large mailbox providers"));
    }
    if shape.is_eight_bit && !shape.is_mime {
        let text = "its body goes beyond ASCII without MIME-Version: say Content-Type and charset, or readers see other characters";
        findings.push(advice("mime_missing", text, "RFC 2045 §4"));
    }
    findings
}

/// Why a message is refused on a stream that refuses: the first finding that weighs enough.
#[must_use]
pub fn refusal(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().find(|finding| finding.severity == Severity::Refuse)
}

fn value(fields: &[Field<'_>], name: &str) -> Option<String> {
    fields.iter().find(|field| field.is(name)).map(Field::text)
}

/// From: one mailbox. DMARC judges by its domain, and no receiver agrees with another about two.
fn author(fields: &[Field<'_>]) -> Option<Finding> {
    match value(fields, "From").map(|text| mailboxes(&text)) {
        None => Some(form("from_missing", "there is no From field: name the author")),
        Some(Err(fault)) => Some(form("from_invalid", format!("From cannot be read: {fault}"))),
        Some(Ok(all)) if all.len() > 1 => {
            let text = format!(
                "From names {} authors: leave one, since DMARC cannot judge several",
                all.len()
            );
            Some(Finding {
                source: "RFC 7489 §6.6.1; Google, Email sender guidelines",
                ..form("from_several", text)
            })
        }
        Some(Ok(_)) => None,
    }
}

/// Whether what passes DKIM and SPF is the domain that readers see.
fn alignment(context: &Context<'_>) -> Vec<Finding> {
    let Some(domain) = context.domain else {
        let text = "the From domain is no verified sending domain of the account: `relent domain add`, then `relent domain verify`";
        return vec![policy("from_unverified", text, GOOGLE)];
    };
    let name = &domain.name;
    let signs = domain.signing_keys().next().is_some();
    let own = domain.host(HostUse::ReturnPath);
    let spf = own.is_some_and(|host: &Domain| host.is_within(name));
    let mut findings = Vec::new();
    if !signs {
        let text = format!(
            "nothing signs for {name}: `relent domain rotate ACCOUNT {name}`, then publish its keys"
        );
        findings.push(policy("dkim_missing", text, BULK));
    }
    if !spf {
        let text = format!(
            "SPF speaks for our host, not for {name}: `relent domain set ACCOUNT {name} --return-path bounce.{name}`"
        );
        findings.push(advice("spf_unaligned", text, BULK));
    }
    if !signs && !spf {
        let text = format!(
            "neither DKIM nor SPF speaks for {name}, so that DMARC fails: do what the two findings above say"
        );
        findings.push(policy("dmarc_unaligned", text, BULK));
    }
    findings
}

/// Whether the copies will have one-click unsubscribe in the form that counts (RFC 8058).
fn one_click(context: &Context<'_>) -> Option<Finding> {
    let (stream, config) = (context.stream, context.config);
    if !stream.can_be_stopped() {
        return None;
    }
    let own = context.domain.and_then(|domain| domain.host(HostUse::Links));
    let is_secure = config.http.public_url.as_deref().is_none_or(|url| url.starts_with("https://"));
    if own.is_none() && !is_secure {
        let text = "one-click unsubscribe needs pages over HTTPS: set http.public_url to an https:// address";
        return Some(policy(
            "one_click_insecure",
            text,
            "RFC 8058 §3.1; Google, Email sender guidelines",
        ));
    }
    if context.domain.is_some_and(|domain| domain.signing_keys().next().is_none()) {
        let text = "one-click unsubscribe counts only where DKIM signs it: give the domain keys";
        return Some(policy("one_click_unsigned", text, "RFC 8058 §4"));
    }
    None
}

/// Date: readable, and about now. One that is missing is added as mail is taken.
fn date(fields: &[Field<'_>], limits: &config::Compliance, now: Timestamp) -> Option<Finding> {
    let text = value(fields, "Date")?;
    // Zones by letters other than GMT are obsolete; most readers know them, as this one does.
    let parser = DateTimeParser::new().relaxed_weekday(true);
    let Ok(at) = parser.parse_timestamp(&text) else {
        let text = "Date cannot be read: write as in Tue, 24 Nov 2026 09:30:00 +0100";
        return Some(form("date_invalid", text));
    };
    let at = Timestamp(u64::try_from(at.as_millisecond()).unwrap_or(0));
    let off = |text: &str| Some(advice("date_off", text, "RFC 5322 §3.6.1; filters count it"));
    if at.since(now) > limits.date_ahead_max.0 {
        return off("Date lies in the future: set the clock of the application, or leave Date out");
    }
    if now.since(at) > limits.date_age_max.0 {
        return off("Date lies long ago: the message sinks unseen in mailboxes; set it anew");
    }
    None
}

/// Message-ID: `<left@right>`. One that is missing is added as mail is taken.
fn message_id(fields: &[Field<'_>]) -> Option<Finding> {
    let text = value(fields, "Message-ID")?;
    let inside = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let is_valid = inside.and_then(|inside| inside.split_once('@')).is_some_and(|(left, right)| {
        let is_word = |text: &str| {
            !text.is_empty()
                && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"<>@".contains(c))
        };
        is_word(left) && is_word(right)
    });
    let text =
        "Message-ID is not of the form <left@right>: write it so, or leave it out and one is made";
    (!is_valid).then(|| form("message_id_invalid", text))
}

fn eight_bit(fields: &[Field<'_>], smtputf8: bool) -> Option<Finding> {
    let field = fields.iter().find(|field| !field.raw.is_ascii())?;
    let name = field.name;
    if std::str::from_utf8(field.raw).is_err() {
        let text = format!("{name} holds octets that are no UTF-8: encode it (RFC 2047)");
        return Some(form("header_8bit", text));
    }
    let text = format!(
        "{name} goes beyond ASCII: encode it (RFC 2047), or ask for SMTPUTF8, which not every server takes"
    );
    (!smtputf8).then(|| Finding {
        source: "RFC 5322 §2.2, RFC 6532; Google, Email sender guidelines",
        ..form("header_8bit", text)
    })
}

fn subject(fields: &[Field<'_>], stream: &Stream) -> Vec<Finding> {
    let mut findings = Vec::new();
    let field = fields.iter().find(|field| field.is("Subject"));
    let text = field.map(|field| encoded_words(field.text().as_bytes())).unwrap_or_default();
    let text = text.nfkc().collect::<String>();
    let text = text.trim();
    if text.is_empty() {
        let text = "there is no Subject: say what the message is about";
        findings.push(advice("subject_missing", text, GOOGLE));
    }
    let lower = text.to_lowercase();
    let answers = ["In-Reply-To", "References"].iter().any(|name| value(fields, name).is_some());
    if stream.kind == StreamKind::Marketing
        && !answers
        && ANSWERS.iter().any(|begin| lower.starts_with(begin))
    {
        let text = "Subject claims to be an answer, and answers nothing: say what the message is";
        findings.push(advice(
            "subject_misleading",
            text,
            "Google, Email sender guidelines; CAN-SPAM Act",
        ));
    }
    if stream.rules.ad_label && stream.kind == StreamKind::Marketing && !is_labelled(text) {
        let text = "Subject does not begin with \"AD\" or its Chinese form (U+5E7F U+544A), as advertising to China must: put it first";
        findings.push(policy("ad_label_missing", text, "互联网电子邮件服务管理办法 第十三条"));
    }
    findings
}

/// Whether a subject begins with "AD" or "广告", alone or in brackets; "ADVICE" is another word.
fn is_labelled(subject: &str) -> bool {
    let begun = subject.trim_start_matches(['[', '(', '【', '〔', '《', '<', '「', ' ']);
    if begun.starts_with("广告") {
        return true;
    }
    let after = begun.strip_prefix("AD");
    after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{
        DkimAlgorithm, DkimKey, DomainHosts, Host, KeyStage, StreamAnswers, StreamRules,
    };
    use crate::mail::{AccountId, StreamId, header};

    /// 2026-11-24T09:30:00Z.
    const NOW: Timestamp = Timestamp(1_795_512_600_000);
    const GOOD: &str = "From: Acme <news@acme.example>\r\nTo: ann@reader.example\r\n\
        Subject: News\r\nDate: Tue, 24 Nov 2026 09:30:00 +0000\r\nMessage-ID: <1@acme.example>\r\n";

    fn stream(kind: StreamKind) -> Stream {
        Stream {
            id: StreamId(1),
            account: AccountId(1),
            name: "news".into(),
            kind,
            consent_required: false,
            honour_opt_out: false,
            reply_to: None,
            created: Timestamp(0),
            removed: None,
            rules: StreamRules::default(),
            answers: StreamAnswers::default(),
        }
    }

    fn domain() -> SendingDomain {
        let name = |name: &str| Domain::parse(name).expect("a domain");
        SendingDomain {
            account: AccountId(1),
            name: name("acme.example"),
            trusted: true,
            verified: None,
            challenge: String::new(),
            keys: vec![DkimKey {
                selector: "one".into(),
                algorithm: DkimAlgorithm::Ed25519,
                private: Vec::new(),
                public: String::new(),
                stage: KeyStage::Signing,
                made: Timestamp(0),
            }],
            created: Timestamp(0),
            hosts: DomainHosts {
                return_path: Some(Host { name: name("b.acme.example"), found: Some(NOW) }),
                ..DomainHosts::default()
            },
        }
    }

    fn ids(
        header: &str,
        change: impl FnOnce(&mut Config, &mut Stream, &mut SendingDomain),
    ) -> Vec<&'static str> {
        let (mut config, mut stream, mut domain) =
            (Config::default(), stream(StreamKind::Marketing), domain());
        change(&mut config, &mut stream, &mut domain);
        let domain = Some(&domain);
        let context =
            Context { config: &config, stream: &stream, domain, smtputf8: false, now: NOW };
        let fields = header::fields(header.as_bytes()).expect("fields");
        of_header(&fields, &context).into_iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn nothing_is_held_against_good_mail() {
        assert!(ids(GOOD, |_, _, _| ()).is_empty());
        let bare = "From: a@acme.example\r\nCc: b@c.example\r\nSubject: =?utf-8?B?5paw?=\r\n";
        assert!(ids(bare, |_, _, _| ()).is_empty(), "Date and Message-ID are added");
        let answer = GOOD.replace("News", "Re: News") + "In-Reply-To: <a@b.example>\r\n";
        assert!(ids(&answer, |_, _, _| ()).is_empty());
    }

    #[test]
    fn each_fault_of_a_header_is_found_and_named() {
        let date = "Date: Tue, 24 Nov 2026 09:30:00 +0000";
        for (from, to, id) in [
            ("From: Acme <news@acme.example>", "X: y", "from_missing"),
            ("Acme <news", "Acme, Inc <news", "from_invalid"),
            ("<news@acme.example>", "<news@acme.example>, b@acme.example", "from_several"),
            (date, "Date: yesterday", "date_invalid"),
            (date, "Date: Thu, 26 Nov 2026 09:30:00 +0000", "date_off"),
            (date, "Date: 1 Nov 2026 09:30:00 GMT", "date_off"),
            (date, "Date: Tue, 24 Nov 2026 09:30:00 +0000\r\nDate: x", "field_repeated"),
            ("<1@acme.example>", "1@acme.example", "message_id_invalid"),
            ("<1@acme.example>", "<1>", "message_id_invalid"),
            ("<1@acme.example>", "<a b@acme.example>", "message_id_invalid"),
            ("<1@acme.example>", "<1@acme.example> <2@acme.example>", "message_id_invalid"),
            ("Subject: News", "Subject: N\u{fc}ws", "header_8bit"),
            ("Subject: News", "Subject:", "subject_missing"),
            ("Subject: News", "Subject: =?utf-8?Q?RE:?= News", "subject_misleading"),
            ("To: ann@reader.example", "X: y", "to_missing"),
            ("To: ann@reader.example", "To: a@b.example\r\nTo: c@d.example", "field_repeated"),
        ] {
            let header = GOOD.replace(from, to);
            assert_ne!(header, GOOD, "{from}");
            assert_eq!(ids(&header, |_, _, _| ()), [id], "{to}");
        }
    }

    #[test]
    fn stream_and_domain_are_held_against_it_too() {
        let none = |domain: &mut SendingDomain| domain.keys[0].stage = KeyStage::Waiting;
        assert_eq!(ids(GOOD, |_, _, d| none(d)), ["dkim_missing", "one_click_unsigned"]);
        assert_eq!(ids(GOOD, |_, _, d| d.hosts.return_path = None), ["spf_unaligned"]);
        let both = ids(GOOD, |_, stream, domain| {
            none(domain);
            domain.hosts = DomainHosts::default();
            stream.kind = StreamKind::Transactional;
        });
        assert_eq!(both, ["dkim_missing", "spf_unaligned", "dmarc_unaligned"]);
        let insecure =
            |config: &mut Config| config.http.public_url = Some("http://x.example".into());
        assert_eq!(ids(GOOD, |config, _, _| insecure(config)), ["one_click_insecure"]);
        let transactional = |config: &mut Config, stream: &mut Stream| {
            insecure(config);
            stream.kind = StreamKind::Transactional;
        };
        assert!(ids(GOOD, |config, stream, _| transactional(config, stream)).is_empty());
    }

    #[test]
    fn advertising_to_china_says_so_first() {
        for (subject, labelled) in [
            ("AD News", true),
            ("AD：新闻", true),
            ("ＡＤ新闻", true),
            ("【广告】新闻", true),
            ("[AD] News", true),
            ("=?gb2312?B?uePm5g==?=", false),
            ("=?utf-8?B?5bm/5ZGK?= x", true),
            ("ADVICE", false),
            ("ad News", false),
            ("News AD", false),
        ] {
            let header = GOOD.replace("News", subject);
            let found = ids(&header, |_, stream, _| stream.rules.ad_label = true);
            let found: Vec<_> = found.into_iter().filter(|id| *id != "header_8bit").collect();
            let expected: &[&str] = if labelled { &[] } else { &["ad_label_missing"] };
            assert_eq!(found, expected, "{subject}");
        }
    }

    #[test]
    fn a_body_is_held_against_it_by_its_shape() {
        let limits = config::Compliance::default();
        let fields = header::fields(b"Content-Type: text/html\r\n").expect("fields");
        let ids = |body: &[u8]| -> Vec<&str> {
            let mut shape = Shape::of(&fields);
            shape.write(body);
            of_body(&shape, &limits).into_iter().map(|finding| finding.id).collect()
        };
        assert!(ids(b"<p>short\r\n").is_empty());
        assert_eq!(ids(&b"<p>x</p>\r\n".repeat(300)), ["text_missing"]);
        assert_eq!(ids(&b"<p>x</p>\r\n".repeat(20_000)), ["text_missing", "html_large"]);
        assert_eq!(ids("<p>\u{fc}\r\n".as_bytes()), ["mime_missing"]);
        assert_eq!(ids(&[&[b'x'; 999][..], b"\r\n"].concat()), ["line_long"]);
        let mut large = Shape::default();
        large.size = limits.message_size_max.0 + 1;
        assert_eq!(of_body(&large, &limits)[0].id, "size_large");
    }
}
