//! Is this mail from whom its From field names? SPF (RFC 7208), DKIM (RFC 6376, RFC 8463) and DMARC
//! (RFC 9989), evaluated by `mail-auth` over our own resolver, bounded in time, names and arithmetic.

use super::LiveResolver;
use crate::config::Live;
use crate::mail::{Domain, ReversePath, header};
use crate::telemetry::Level;
use crate::world::Turns;
use bytes::Bytes;
use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Canonicalization;
use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcResult, MessageAuthenticator, SpfOutput,
    SpfResult,
};
use std::net::IpAddr;
use std::sync::Arc;

/// Largest header section that is looked at; mail with a larger one proves nothing.
const HEADER_MAX: usize = 256 << 10;
/// Most fields of it.
const FIELDS_MAX: usize = 1000;
/// Most fields that one signature may name.
const SIGNED_MAX: usize = 200;

/// What came in, as far as its authentication needs it.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The host that brought it.
    pub peer: IpAddr,
    /// What that host called itself.
    pub helo: String,
    /// Who sent it, by the envelope.
    pub sender: ReversePath,
    /// The domain of its one author; none where it does not plainly have one, and nothing is proved.
    pub author: Option<Domain>,
    /// Its bytes, without fields of ours before them.
    pub message: Bytes,
}

/// How a check ended, in the words of RFC 8601 §2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It does not, and its domain is not sure either (SPF alone).
    SoftFail,
    /// Nothing can be said.
    Neutral,
    /// There is nothing to check.
    None,
    /// DNS did not answer: it may hold.
    TempError,
    /// What is published, or the signature, cannot be read.
    PermError,
}

impl Found {
    /// As the header field has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::None => "none",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// One DKIM signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Whether it holds.
    pub found: Found,
    /// Who signed.
    pub domain: String,
    /// Under which selector.
    pub selector: String,
    /// The names of the fields it covers, in lower case.
    pub covers: Vec<String>,
}

/// By what the author's domain is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The host that brought it may send for the domain.
    Host,
    /// Signatures of the domain alone, which go with the message wherever it is sent again: only the
    /// fields that one of them covers are the author's.
    Signature(Vec<String>),
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticity {
    /// SPF of the name that the host gave.
    pub helo: (Found, String),
    /// SPF of the envelope's sender; of the host's name where that is empty.
    pub sender: (Found, String),
    /// The DKIM signatures looked at.
    pub signatures: Vec<Signed>,
    /// DMARC of the author's domain, and the policy that it publishes.
    pub dmarc: (Found, Option<&'static str>),
    /// The author's domain.
    pub author: Option<Domain>,
    /// By what DMARC passes, where it does.
    pub proof: Option<Proof>,
}

impl Authenticity {
    /// Nothing could be found out now.
    fn unknown(arrival: &Arrival) -> Self {
        Self {
            helo: (Found::TempError, name(&arrival.helo)),
            sender: (Found::TempError, sender_domain(arrival)),
            signatures: Vec::new(),
            dmarc: (Found::TempError, None),
            author: arrival.author.clone(),
            proof: None,
        }
    }

    /// The results as RFC 8601 writes them, after the name of who checked: `; spf=pass …`.
    #[must_use]
    pub fn results(&self) -> Vec<String> {
        let mut found = vec![
            format!("spf={} smtp.helo={}", self.helo.0.name(), self.helo.1),
            format!("spf={} smtp.mailfrom={}", self.sender.0.name(), self.sender.1),
        ];
        for signed in &self.signatures {
            found.push(format!(
                "dkim={} header.d={} header.s={}",
                signed.found.name(),
                signed.domain,
                signed.selector
            ));
        }
        if self.signatures.is_empty() {
            found.push("dkim=none".to_owned());
        }
        let policy = self.dmarc.1.map(|policy| format!(" (p={policy})")).unwrap_or_default();
        let author = self.author.as_ref().map_or("unknown", Domain::as_str);
        found.push(format!("dmarc={}{policy} header.from={author}", self.dmarc.0.name()));
        found
    }
}

/// A name that somebody else chose, as a header field may hold it.
fn name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let text: String = text.chars().filter(|c| plain(*c)).take(255).collect();
    if text.is_empty() { "unknown".into() } else { text }
}

fn sender_domain(arrival: &Arrival) -> String {
    match arrival.sender.address() {
        Some(address) => address.domain().to_string(),
        None => name(&arrival.helo),
    }
}

/// Who checks. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    resolver: Arc<LiveResolver>,
    live: Live,
    places: Arc<Turns>,
    level: Arc<Level>,
}

impl LiveResolver {
    /// Checks of incoming mail over the same name servers, within the same bounds: at most `replies.checks_max` at
    /// a time, each within `dns.lookups_timeout` and with at most `replies.signatures_max` signatures.
    #[must_use]
    pub fn authenticator(self: &Arc<Self>, live: &Live) -> Authenticator {
        Authenticator {
            resolver: self.clone(),
            live: live.clone(),
            places: Arc::new(Turns::new(live.now(|c| c.replies.checks_max as usize))),
            level: Arc::new(Level::new(
                "replies.checks_max",
                live.now(|c| c.replies.checks_max.into()),
            )),
        }
    }
}

impl Authenticator {
    /// Checks a message. Whatever DNS does, it is over within `dns.lookups_timeout`; what could not be
    /// had by then is a temporary error.
    pub async fn check(&self, arrival: Arrival) -> Authenticity {
        let longest = self.live.dns.lookups_timeout.0;
        let whole = async {
            let place = self.places.semaphore().clone().acquire_owned().await.ok();
            let (this, asked) = (self.clone(), arrival.clone());
            // The digest of a large body takes a while: it is no work for a thread that runs sessions.
            let runtime = tokio::runtime::Handle::current();
            let work = tokio::task::spawn_blocking(move || {
                let _used = this.level.take(1);
                let _place = place;
                let checks = tokio::time::timeout(longest, this.checked(&asked));
                runtime.block_on(checks).ok()
            });
            work.await.ok().flatten()
        };
        let found = tokio::time::timeout(longest, whole).await.ok().flatten();
        found.unwrap_or_else(|| Authenticity::unknown(&arrival))
    }

    async fn checked(&self, arrival: &Arrival) -> Authenticity {
        let over = MessageAuthenticator(self.resolver.now().plain.clone());
        let hostname = &self.live.hostname;
        // A mapped address is the address it maps.
        let (ip, helo) = (arrival.peer.to_canonical(), arrival.helo.trim_end_matches('.'));
        let sender = arrival.sender.address().map(ToString::to_string).unwrap_or_default();
        let of_helo = SpfParameters::verify_ehlo(ip, helo, hostname);
        let of_helo = over.verify_spf(of_helo).await;
        let of_sender = match sender.as_str() {
            "" => of_helo.clone(),
            sender => {
                let of_sender = SpfParameters::verify_mail_from(ip, helo, hostname, sender);
                over.verify_spf(of_sender).await
            }
        };
        let mut found = Authenticity {
            helo: (spf(&of_helo), name(helo)),
            sender: (spf(&of_sender), sender_domain(arrival)),
            signatures: Vec::new(),
            dmarc: (Found::None, None),
            author: arrival.author.clone(),
            proof: None,
        };
        if !is_bounded(&arrival.message) {
            return found;
        }
        // The library hashes a relaxed body wrongly that ends in lines of blanks: such a signature is
        // checked once more over a body cut to one CRLF, which is the same to it (RFC 6376 §3.4.4).
        let trimmed = trimmed(&arrival.message);
        let spf = &of_sender;
        self.signed((&over, spf), arrival, &arrival.message, false, &mut found).await;
        if found.proof.is_none()
            && let Some(trimmed) = trimmed
        {
            self.signed((&over, spf), arrival, &trimmed, true, &mut found).await;
        }
        found
    }

    /// Checks the signatures of a message, and DMARC by them and by SPF; of a trimmed one relaxed
    /// bodies alone count.
    async fn signed(
        &self,
        (over, spf): (&MessageAuthenticator, &SpfOutput),
        arrival: &Arrival,
        bytes: &[u8],
        relaxed_only: bool,
        found: &mut Authenticity,
    ) {
        let Some(mut message) = AuthenticatedMessage::parse(bytes) else {
            return;
        };
        message.dkim_headers.retain(|field| {
            let signature = &field.header;
            let covers_author = signature.h.iter().any(|name| name.eq_ignore_ascii_case("from"));
            //= https://www.rfc-editor.org/rfc/rfc8301#section-3.1
            //# rsa-sha1 MUST NOT be used for signing or verifying.
            let is_sound = signature.a != Algorithm::RsaSha1;
            // Who signs for others by RFC 6541 proves nothing of the author here.
            let is_own = signature.atps.is_none();
            covers_author
                && is_sound
                && is_own
                && signature.h.len() <= SIGNED_MAX
                && (!relaxed_only || signature.cb == Canonicalization::Relaxed)
        });
        message.dkim_headers.truncate(self.live.replies.signatures_max as usize);
        for field in &mut message.dkim_headers {
            // No report about a failure is sent, so none need be looked up.
            field.header.r = false;
        }
        // Its one author, as we have read the field: the library's own reading of it is not asked.
        message.from = arrival.author.iter().map(|domain| format!("author@{domain}")).collect();
        let outcomes = over.verify_dkim(&message).await;
        let signatures: Vec<Signed> = outcomes.iter().filter_map(signed).collect();
        let passed = |signed: &Signed| signed.found == Found::Pass;
        if !relaxed_only || signatures.iter().any(passed) {
            found.signatures = signatures;
        } else {
            return;
        }
        let Some(author) = &arrival.author else {
            return;
        };
        let parameters = DmarcParameters {
            message: &message,
            dkim_output: &outcomes,
            dkim2_output: None,
            rfc5321_mail_from_domain: &found.sender.1,
            spf_output: spf,
        };
        let dmarc = over.verify_dmarc(parameters).await;
        let policy = dmarc.dmarc_record().is_some().then(|| match dmarc.policy() {
            Policy::Reject => "reject",
            Policy::Quarantine => "quarantine",
            Policy::None | Policy::Unspecified => "none",
        });
        found.dmarc = (dmarc_found(&dmarc.result()), policy);
        if found.dmarc.0 == Found::Pass && policy.is_some() {
            found.proof = Some(if *dmarc.spf_result() == DmarcResult::Pass {
                Proof::Host
            } else {
                // The fields that any aligned signature covers: each alone proves what it covers.
                let aligned = found.signatures.iter().filter(|signed| {
                    let of = Domain::parse(&signed.domain);
                    passed(signed)
                        && of.is_ok_and(|of| of.is_within(author) || author.is_within(&of))
                });
                Proof::Signature(aligned.flat_map(|signed| signed.covers.clone()).collect())
            });
        }
    }
}

fn spf(output: &SpfOutput) -> Found {
    match output.result() {
        SpfResult::Pass => Found::Pass,
        SpfResult::Fail => Found::Fail,
        SpfResult::SoftFail => Found::SoftFail,
        SpfResult::Neutral => Found::Neutral,
        SpfResult::TempError => Found::TempError,
        SpfResult::PermError => Found::PermError,
        SpfResult::None => Found::None,
    }
}

fn signed(output: &DkimOutput<'_>) -> Option<Signed> {
    let signature = output.signature()?;
    Some(Signed {
        found: match output.result() {
            DkimResult::Pass => Found::Pass,
            DkimResult::Fail(_) => Found::Fail,
            DkimResult::Neutral(_) => Found::Neutral,
            DkimResult::TempError(_) => Found::TempError,
            DkimResult::PermError(_) => Found::PermError,
            DkimResult::None => Found::None,
        },
        domain: name(&signature.d),
        selector: name(&signature.s),
        covers: signature.h.iter().map(|name| name.to_ascii_lowercase()).collect(),
    })
}

fn dmarc_found(result: &DmarcResult) -> Found {
    match result {
        DmarcResult::Pass => Found::Pass,
        DmarcResult::Fail(_) => Found::Fail,
        DmarcResult::TempError(_) => Found::TempError,
        DmarcResult::PermError(_) => Found::PermError,
        DmarcResult::None => Found::None,
    }
}

/// Whether the header is one that costs little to check.
fn is_bounded(message: &[u8]) -> bool {
    let start = header::body_start(message);
    start <= HEADER_MAX
        && header::fields(&message[..start]).is_ok_and(|fields| fields.len() <= FIELDS_MAX)
}

/// The message with the blank lines at its end cut to one CRLF, where they hold blanks.
fn trimmed(message: &[u8]) -> Option<Vec<u8>> {
    let start = header::body_start(message);
    let body = &message[start..];
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let length = body.iter().rposition(|b| !is_blank(b)).map_or(0, |at| at + 1);
    if !body[length..].iter().any(|b| matches!(b, b' ' | b'\t')) {
        return None;
    }
    let mut trimmed = message[..start + length].to_vec();
    if length > 0 {
        trimmed.extend_from_slice(b"\r\n");
    }
    Some(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::dns::{HickoryResolver, NameServer, Rdata};
    use crate::mail::Address;
    use mail_auth::common::crypto::Ed25519Key;
    use mail_auth::common::headers::HeaderWriter;
    use mail_auth::dkim::DkimSigner;
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};
    use std::time::Duration;

    const MESSAGE: &str = "From: Ann <ann@signed.example>\r\nTo: x@relay.example\r\n\
                           Subject: Re: News\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n\r\nR\r\n";

    struct Rig {
        authenticator: Authenticator,
        key: Vec<u8>,
        _names: NameServer,
    }

    fn rig() -> Rig {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key");
        let public = data_encoding::BASE64.encode(pair.public_key().as_ref());
        let text = |text: &str| Rdata::Txt(text.to_owned());
        let dkim = text(&format!("v=DKIM1; k=ed25519; p={public}"));
        let records = [
            ("one._domainkey.signed.example", dkim.clone()),
            ("one._domainkey.deep.signed.example", dkim.clone()),
            ("one._domainkey.other.example", dkim),
            ("_dmarc.signed.example", text("v=DMARC1; p=reject")),
            ("signed.example", text("v=spf1 -all")),
            ("_dmarc.sent.example", text("v=DMARC1; p=none")),
            ("sent.example", text("v=spf1 ip4:127.0.0.1 -all")),
            ("unproved.example", text("v=spf1 ip4:127.0.0.1 -all")),
            ("_dmarc.broken.example", Rdata::Fails),
            ("broken.example", text("v=spf1 ip4:127.0.0.1 -all")),
            ("deep.broken.example", text("v=spf1 ip4:127.0.0.1 -all")),
        ];
        let records = records.map(|(name, data)| (name.to_owned(), data));
        let names = NameServer::start(([127, 0, 0, 1], 0).into(), &records).expect("a port");
        let mut config = Config { hostname: "relay.example".into(), ..Config::default() };
        config.dns = names.settings();
        config.dns.lookups_timeout.0 = Duration::from_secs(60);
        (config.replies.checks_max, config.replies.signatures_max) = (4, 3);
        let resolver = HickoryResolver::new(&config.dns).expect("a resolver");
        let authenticator = LiveResolver::new(resolver).authenticator(&Live::new(config));
        Rig { authenticator, key: key.as_ref().to_vec(), _names: names }
    }

    impl Rig {
        fn sign(&self, domain: &str, fields: &[&str], message: &str) -> String {
            self.sign_body(Canonicalization::Relaxed, domain, fields, message)
        }

        fn sign_body(
            &self,
            body: Canonicalization,
            domain: &str,
            fields: &[&str],
            message: &str,
        ) -> String {
            let signature =
                DkimSigner::from_key(Ed25519Key::from_pkcs8_der(&self.key).expect("key"))
                    .domain(domain)
                    .selector("one")
                    .headers(fields.iter().copied())
                    .header_canonicalization(Canonicalization::Relaxed)
                    .body_canonicalization(body)
                    .sign(message.as_bytes())
                    .expect("a signature");
            format!("{}{message}", signature.to_header())
        }

        async fn check(&self, sender: &str, author: &str, message: &str) -> Authenticity {
            let sender = Address::parse(sender).map_or(ReversePath::Null, ReversePath::Mailbox);
            let arrival = Arrival {
                peer: "::ffff:127.0.0.1".parse().expect("an address"),
                helo: "mx.sent.example".into(),
                sender,
                author: Domain::parse(author).ok(),
                message: message.to_owned().into(),
            };
            self.authenticator.check(arrival).await
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_host_that_may_send_for_the_domain_proves_the_author() {
        let rig = rig();
        let message = MESSAGE.replace("signed.example", "sent.example");
        let found = rig.check("ann@sent.example", "sent.example", &message).await;
        assert_eq!(found.proof, Some(Proof::Host), "{found:?}");
        let results = found.results().join("; ");
        assert!(results.contains("spf=pass smtp.mailfrom=sent.example"), "{results}");
        assert!(results.contains("dmarc=pass (p=none) header.from=sent.example"), "{results}");
        // The envelope's sender is another's: that host proves nothing of this author.
        let found = rig.check("ann@unproved.example", "sent.example", &message).await;
        assert_eq!((found.proof, found.dmarc.0), (None, Found::Fail));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_signature_of_the_domain_proves_what_it_covers() {
        let rig = rig();
        let signed = rig.sign("signed.example", &["From", "To", "Subject"], MESSAGE);
        let found = rig.check("", "signed.example", &signed).await;
        let Some(Proof::Signature(covers)) = &found.proof else {
            unreachable!("{found:?}");
        };
        assert!(["from", "to", "subject"].iter().all(|name| covers.contains(&(*name).into())));
        assert!(!covers.contains(&"date".into()), "{covers:?}");
        // Changed on the way, signed by somebody else, or without the From field among what is signed.
        let changed = signed.replace("\r\n\r\nR\r\n", "\r\n\r\nSTART\r\n");
        let others = rig.sign("other.example", &["From", "To"], MESSAGE);
        let without = rig.sign("signed.example", &["To", "Subject"], MESSAGE);
        for message in [changed.as_str(), others.as_str(), without.as_str(), MESSAGE] {
            let found = rig.check("ann@unproved.example", "signed.example", message).await;
            assert_eq!(found.proof, None, "{message}\n{found:?}");
            assert_ne!(found.dmarc.0, Found::Pass, "{found:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_signatures_of_the_author_that_hold_say_what_is_covered() {
        let rig = rig();
        let good = rig.sign("signed.example", &["From", "Subject"], MESSAGE);
        let others = rig.sign("other.example", &["From", "To"], &good);
        let broken = format!(
            "DKIM-Signature: v=1; a=ed25519-sha256; d=signed.example; s=one; h=from:to; \
             bh=eHg=; b=eHg=\r\n{good}"
        );
        for message in [others, broken] {
            let found = rig.check("", "signed.example", &message).await;
            let Some(Proof::Signature(covers)) = &found.proof else {
                unreachable!("{found:?}");
            };
            assert!(covers.contains(&"subject".into()), "{covers:?}");
            assert!(!covers.contains(&"to".into()), "{found:?}");
        }
        // The organisation signs for its parts, and a part for the organisation (relaxed alignment).
        for (signer, author) in
            [("signed.example", "deep.signed.example"), ("deep.signed.example", "signed.example")]
        {
            let message = MESSAGE.replace("@signed.example", &format!("@{author}"));
            let signed = rig.sign(signer, &["From", "To"], &message);
            let found = rig.check("", author, &signed).await;
            let Some(Proof::Signature(covers)) = &found.proof else {
                unreachable!("{found:?}");
            };
            assert!(covers.contains(&"to".into()), "{signer} {author}: {covers:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_that_ends_in_blanks_is_hashed_as_its_signer_did() {
        let rig = rig();
        let fields = ["From", "To", "Subject"];
        let signed = rig.sign("signed.example", &fields, MESSAGE);
        let padded = |signed: &str| format!("{signed} \t\r\n\r\n  \r\n");
        let found = rig.check("", "signed.example", &padded(&signed)).await;
        assert!(matches!(found.proof, Some(Proof::Signature(_))), "{found:?}");
        // To who signed it as it stands, blanks are a change.
        let simple = rig.sign_body(Canonicalization::Simple, "signed.example", &fields, MESSAGE);
        assert!(rig.check("", "signed.example", &simple).await.proof.is_some());
        assert_eq!(rig.check("", "signed.example", &padded(&simple)).await.proof, None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_domain_without_a_dmarc_record_proves_nobody() {
        let rig = rig();
        let found = rig.check("ann@unproved.example", "unproved.example", MESSAGE).await;
        assert_eq!((found.sender.0, found.dmarc.0), (Found::Pass, Found::None));
        assert_eq!(found.proof, None);
        let found = rig.check("ann@sent.example", "", MESSAGE).await;
        assert_eq!((found.dmarc.0, found.proof), (Found::None, None), "no one author");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_name_server_that_fails_is_a_temporary_error_and_no_answer() {
        let rig = rig();
        for author in ["broken.example", "deep.broken.example"] {
            let found = rig.check("ann@broken.example", author, MESSAGE).await;
            assert_eq!((found.dmarc.0, found.proof), (Found::TempError, None), "{author}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_header_without_bounds_proves_nothing_and_costs_nothing() {
        let rig = rig();
        let signed = rig.sign("signed.example", &["From", "To"], MESSAGE);
        let many = format!("{}{signed}", "X-Pad: y\r\n".repeat(FIELDS_MAX));
        assert_eq!(rig.check("", "signed.example", &many).await.proof, None);
        // A signature that names more fields than anybody signs is not reckoned.
        let mut fields = vec!["From", "To"];
        fields.resize(SIGNED_MAX, "X-Pad");
        let most = rig.sign("signed.example", &fields, MESSAGE);
        assert!(rig.check("", "signed.example", &most).await.proof.is_some());
        fields.push("X-Pad");
        let more = rig.sign("signed.example", &fields, MESSAGE);
        assert_eq!(rig.check("", "signed.example", &more).await.proof, None);
        // Past the most that are looked at, a signature that holds is not reached.
        let junk = "DKIM-Signature: v=1; a=ed25519-sha256; d=signed.example; s=one; h=from; bh=eHg=; \
                    b=eHg=\r\n";
        let buried = format!("{}{signed}", junk.repeat(3));
        assert_eq!(rig.check("", "signed.example", &buried).await.proof, None);
        let reached = format!("{}{signed}", junk.repeat(2));
        assert!(rig.check("", "signed.example", &reached).await.proof.is_some());
    }
}
