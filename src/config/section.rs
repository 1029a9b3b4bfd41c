//! The sections of the settings file. Each doc comment is the sentence that stands above the key in
//! `config/relent.toml`; each limit of the house is a key here.

use super::acme::CertificateFiles;
use super::encryption::TlsPolicy;
use super::keeping::{LogAddresses, LogFormat, TraceEndpoint};
use super::pools::Pools;
use super::refusals::RefusalFile;
use super::sandbox::Sandbox;
use super::unit::{Size, Span};
use super::words::Words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

macro_rules! sections {
    ($($(#[$about:meta])* $name:ident { $($(#[doc = $doc:literal])* $key:ident: $kind:ty = $default:expr,)* })*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields, default)]
            pub struct $name { $($(#[doc = $doc])* pub $key: $kind,)* }

            impl Default for $name {
                fn default() -> Self {
                    Self { $($key: $default,)* }
                }
            }
        )*
    };
}
pub(super) use sections;

fn any(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([0, 0, 0, 0], port))]
}

/// Whether AUTH is taken on a connection without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaintextAuth {
    /// AUTH needs TLS.
    Never,
    /// AUTH without TLS is taken from loopback addresses: labs and benches.
    Loopback,
}

/// The engine that keeps the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum StoreEngine {
    /// The embedded B-tree.
    Redb,
    /// sled 0.34, in builds that have it.
    #[cfg(feature = "sled")]
    Sled,
}

impl TryFrom<String> for StoreEngine {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        match name.as_str() {
            "redb" => Ok(Self::Redb),
            #[cfg(feature = "sled")]
            "sled" => Ok(Self::Sled),
            #[cfg(not(feature = "sled"))]
            "sled" => {
                Err("this build has no engine \"sled\": build one that has it with `cargo build \
                 --release --features sled`, or write engine = \"redb\""
                    .into())
            }
            "postgres" => {
                Err(format!("this build has no engine \"{name}\": write engine = \"redb\""))
            }
            _ => Err(format!("there is no engine `{name}`: write engine = \"redb\"")),
        }
    }
}

impl Listen {
    /// The keys of TCP listeners, in the order of the settings.
    pub const TCP: [&'static str; 6] =
        ["submission", "submissions", "inbound", "http", "https", "redirect"];

    /// These keys, each with its addresses.
    pub fn tcp(&self) -> impl Iterator<Item = (&'static str, &[SocketAddr])> {
        let addresses = [
            self.submission.as_slice(),
            &self.submissions,
            &self.inbound,
            &self.http,
            &self.https,
            &self.redirect,
        ];
        Self::TCP.into_iter().zip(addresses)
    }
}

impl Spool {
    /// Bytes of the reserve: mail would use up what is more than half of the space that it must leave free.
    #[must_use]
    pub fn reserve(&self) -> u64 {
        self.reserve_size.0.min(self.free_space_min.0 / 2)
    }
}

sections! {
    /// `[listen]`: where connections are taken. Port 0 picks a free one.
    Listen {
        /// Submission with STARTTLS (RFC 6409).
        submission: Vec<SocketAddr> = any(587),
        /// Submission over implicit TLS (RFC 8314).
        submissions: Vec<SocketAddr> = any(465),
        /// Replies, bounces and complaints from other mail servers.
        inbound: Vec<SocketAddr> = any(25),
        /// Unsubscribe pages, API, metrics and health.
        http: Vec<SocketAddr> = vec![SocketAddr::from(([127, 0, 0, 1], 8025))],
        /// The same over TLS, under the certificates of [tls] and [acme], as in ["0.0.0.0:443"].
        https: Vec<SocketAddr> = Vec::new(),
        /// Answers to a certificate authority, and a redirect to http.public_url for all else, as in ["0.0.0.0:80"].
        redirect: Vec<SocketAddr> = Vec::new(),
        /// The admin socket, mode 0600, through which the command line speaks.
        admin: PathBuf = "/run/relent/admin.sock".into(),
    }

    /// `[submission]`: mail from applications.
    Submission {
        /// AUTH without TLS: "never", or "loopback" for labs and benches.
        plaintext_auth: PlaintextAuth = PlaintextAuth::Never,
        /// Largest message taken.
        message_size_max: Size = Size::megabytes(25),
        /// Most recipients of one message.
        recipients_max: u32 = 1000,
        /// Most messages on one connection.
        messages_max: u32 = 10_000,
        /// Most connections at a time.
        connections_max: u32 = 1000,
        /// Most connections at a time from one address (IPv6: one /64).
        connections_per_address_max: u32 = 200,
        /// Refused commands after which a connection is closed.
        errors_max: u32 = 20,
        /// Longest wait for the next command.
        command_timeout: Span = Span::minutes(5),
        /// Longest wait for the next bytes of a message.
        data_timeout: Span = Span::minutes(3),
        /// Longest life of a connection.
        session_timeout: Span = Span::minutes(60),
        /// How far ahead X-Relent-Send-At and FUTURERELEASE may lie.
        send_at_max: Span = Span::minutes(7 * 24 * 60),
        /// Longest time from connecting to AUTH.
        auth_timeout: Span = Span::minutes(1),
        /// Failed AUTH attempts from one address and user in ten minutes after which AUTH is refused.
        auth_failures_max: u32 = 20,
        /// Time that a refused AUTH takes, whyever it is refused: nobody learns from it which names are known.
        auth_failure_delay: Span = Span(std::time::Duration::from_millis(100)),
    }

    /// `[inbound]`: mail from other mail servers.
    Inbound {
        /// Largest message taken.
        message_size_max: Size = Size::megabytes(25),
        /// Most recipients of one message.
        recipients_max: u32 = 100,
        /// Most messages on one connection.
        messages_max: u32 = 1000,
        /// Most connections at a time.
        connections_max: u32 = 500,
        /// Most connections at a time from one address (IPv6: one /64).
        connections_per_address_max: u32 = 20,
        /// Refused commands after which a connection is closed.
        errors_max: u32 = 10,
        /// Longest wait for the next command.
        command_timeout: Span = Span::minutes(5),
        /// Longest wait for the next bytes of a message.
        data_timeout: Span = Span::minutes(3),
        /// Longest life of a connection.
        session_timeout: Span = Span::minutes(30),
        /// Memory that messages coming in may take together.
        memory_max: Size = Size::megabytes(128),
        /// Received fields past which a message is taken for a loop.
        hops_max: u32 = 50,
        /// Received fields of this relay's own, on mail from applications too, past which a message is taken for a loop.
        own_hops_max: u32 = 3,
    }

    /// `[tls]`: our certificate. Absent: a self-signed pair is made in the data folder.
    Tls {
        /// The certificate chain, PEM.
        certificate: Option<PathBuf> = None,
        /// Its private key, PEM.
        key: Option<PathBuf> = None,
        /// More certificates, each for the names that it holds, as in [{ certificate = "/etc/relent/more.pem", key = "/etc/relent/more.key" }].
        more: Vec<CertificateFiles> = Vec::new(),
        /// How often the files are looked at for a change.
        look_interval: Span = Span::seconds(10),
        /// How long before its end a certificate that nothing has replaced is warned of, at most the last quarter of its life.
        expiry_warning: Span = Span::minutes(14 * 24 * 60),
        /// Further authorities whose certificates are believed beside the system's, PEM: labs.
        trust_anchors: Option<PathBuf> = None,
        /// Longest TLS handshake.
        handshake_timeout: Span = Span::seconds(30),
    }

    /// `[dns]`: name resolution.
    Dns {
        /// Name servers to ask. Absent: the system's.
        nameservers: Vec<SocketAddr> = Vec::new(),
        /// Checks DNSSEC here, so that DANE can be obeyed (RFC 7672); without it, a name server's word (AD) is taken where all of them are on this machine.
        validate: bool = false,
        /// The file with the trust anchors that validation starts from; default: those of the root.
        trust_anchor: Option<PathBuf> = None,
        /// Longest wait for one answer, further attempts at it and the names it leads to included.
        timeout: Span = Span::seconds(5),
        /// Longest time that one attempt at delivery spends on all its lookups.
        lookups_timeout: Span = Span::seconds(20),
        /// Answers kept at a time.
        cache_entries_max: u32 = 10_000,
        /// Longest time an answer is kept, whatever its TTL.
        cache_ttl_max: Span = Span::minutes(60),
        /// Most MX hosts tried for a domain.
        mx_hosts_max: u32 = 20,
        /// Most addresses tried for a host.
        addresses_max: u32 = 10,
    }

    /// `[queue]`: mail that waits.
    Queue {
        /// Most recipients that wait at a time; past it submission is answered 452.
        items_max: u64 = 5_000_000,
        /// Waits between attempts; the last repeats until a message expires.
        retry_delays: Vec<Span> = [60, 300, 900, 1800, 3600, 7200, 14_400].map(Span::seconds).to_vec(),
        /// How far a wait is spread by chance, in percent.
        retry_jitter_percent: u32 = 10,
        /// Time after which mail that could not be delivered goes back to its sender; its retries must have taken half of it, so that a clock that jumps fails nothing.
        expiry: Span = Span::minutes(4 * 24 * 60),
        /// The same waits for mail of marketing streams; empty: as for all mail.
        marketing_retry_delays: Vec<Span> = Vec::new(),
        /// The same time for mail of marketing streams, where it is shorter.
        marketing_expiry: Span = Span::minutes(24 * 60),
        /// Over how long mail that waited for the end of quiet hours is spread.
        quiet_spread: Span = Span::minutes(10),
        /// Time after which a sender who asked for it (NOTIFY=DELAY) is told, once, that mail still waits.
        delay_warning_after: Span = Span::minutes(4 * 60),
        /// Largest message that a report gives back whole to a sender who asked for it (RET=FULL); of a
        /// larger one the header comes back.
        report_size_max: Size = Size::megabytes(1),
        /// Longest wait that a server may ask for ("try again in 5 minutes"); past it the schedule holds.
        asked_wait_max: Span = Span::minutes(60),
        /// Longest time an opt-out waits for a dot that is being written.
        permit_wait_max: Span = Span::seconds(10),
        /// How many times a mail server must call an address dead, without a delivery in between, before it is suppressed; at most 100.
        hard_bounces_to_suppress: u32 = 1,
        /// How long such a refusal counts.
        hard_bounces_window: Span = Span::minutes(30 * 24 * 60),
        /// How many times its norm a site's share of dead addresses must be to be taken for a fault of the site: suppressions are then held until
        /// the operator decides. 0 never holds any.
        dead_share_leap: u32 = 5,
        /// Over how many answers of a site its present share is taken, and how many there must be.
        dead_share_answers: u32 = 100,
        /// The least norm of a site, in percent.
        dead_share_norm_min_percent: u32 = 2,
        /// Most suppressions held for a site; those past it are not made.
        suppressions_held_max: u64 = 100_000,
        /// Most events of messages read at a time by those who follow them.
        events_batch_max: u32 = 1000,
        /// How long events may gather before those who follow them read on.
        events_delay: Span = Span(std::time::Duration::from_millis(100)),
        /// Longest time that a reader's place among the events, once past them, stays unsaved.
        events_save: Span = Span::seconds(5),
        /// The pause after which a reader of events tries again what the disk or the records refused.
        events_retry: Span = Span::seconds(5),
    }

    /// `[delivery]`: mail to other mail servers.
    Delivery {
        /// The port of other mail servers.
        port: u16 = 25,
        /// Lets mail servers have loopback or private addresses: tests, labs.
        allow_private: bool = false,
        /// What mail demands of TLS: "opportunistic" (what the destination demands by DANE or MTA-STS, else
        /// TLS where it comes about), "encrypt", "verify", "dane-only", or "none".
        tls: TlsPolicy = TlsPolicy::Opportunistic,
        /// The same for single domains, as in { "partner.example" = "verify" }; it wins over what they publish.
        tls_policies: BTreeMap<String, TlsPolicy> = BTreeMap::new(),
        /// The file that says what each site is given, read again when it changes; default: shaping.toml beside this file, if it exists.
        shaping: Option<PathBuf> = None,
        /// Most sites and domains that the operator may have suspended at a time.
        suspensions_max: u32 = 1000,
        /// Most sites whose pace and failures are remembered; past it those at rest are forgotten first.
        sites_max: u32 = 10_000,
        /// Local addresses to send from; empty: the system chooses.
        source_addresses: Vec<IpAddr> = Vec::new(),
        /// Pools of local addresses, each for the mail of some accounts or streams, with weights, names and warm-up: docs/src/sending.md shows how.
        pools: Option<Pools> = None,
        /// Most connections at a time; of them one mail server or site gets a quarter at most.
        connections_max: u32 = 200,
        /// Most connections at a time to one site, where the shaping file says nothing else.
        connections_per_site_max: u32 = 10,
        /// Most attempts at a time, those included that look up names or wait for a connection.
        attempts_max: u32 = 1000,
        /// Longest wait for a connection while others hold all that may be had; past it the next server is tried.
        slot_wait_max: Span = Span::minutes(5),
        /// Most messages over one connection, where the shaping file says nothing else.
        messages_per_connection_max: u32 = 100,
        /// Sends messages in chunks (BDAT, RFC 3030) where a server offers that, not after DATA.
        chunking: bool = true,
        /// Largest chunk; each waits for the server's reply to the one before.
        chunk_size: Size = Size::megabytes(1),
        /// Most recipients of one transaction; only where all get the same copy is there more than one.
        recipients_per_transaction_max: u32 = 50,
        /// How long a connection without work is kept.
        connection_idle: Span = Span::seconds(10),
        /// Memory that message copies under way may take together.
        copies_memory_max: Size = Size::megabytes(128),
        /// Longest wait for a connection to open.
        connect_timeout: Span = Span::seconds(30),
        /// Time without an answer after which a host's next address is tried beside the first (RFC 8305).
        connect_fallback_delay: Span = Span(std::time::Duration::from_millis(250)),
        /// How long a family of addresses, IPv4 or IPv6, to which this machine has no route is tried last.
        route_memory: Span = Span::minutes(10),
        /// Longest wait for the greeting and for the replies to EHLO and STARTTLS (RFC 5321 §4.5.3.2.1).
        greeting_timeout: Span = Span::minutes(5),
        /// Longest wait for the reply to MAIL (RFC 5321 §4.5.3.2.2).
        mail_timeout: Span = Span::minutes(5),
        /// Longest wait for the reply to RCPT (RFC 5321 §4.5.3.2.3).
        rcpt_timeout: Span = Span::minutes(5),
        /// Longest wait for the reply to DATA (RFC 5321 §4.5.3.2.4).
        data_timeout: Span = Span::minutes(2),
        /// Longest time one piece of a message may take to leave (RFC 5321 §4.5.3.2.5).
        block_timeout: Span = Span::minutes(3),
        /// Longest time for greeting and EHLO, and again for one message up to its final dot.
        transaction_timeout: Span = Span::minutes(30),
        /// Longest wait for the reply to the final dot (RFC 5321 §4.5.3.2.6).
        dot_timeout: Span = Span::minutes(10),
        /// A file of rules that say what refusals mean, asked before those that every build has.
        refusal_rules: Option<RefusalFile> = None,
    }

    /// `[replies]`: what comes back.
    Replies {
        /// The host of reply, bounce and unsubscribe addresses; default: the hostname.
        domain: Option<String> = None,
        /// The operator's mailbox, to which mail for postmaster@ and abuse@ goes.
        postmaster: Option<String> = None,
        /// How long after sending a bounce still counts.
        bounce_age_max: Span = Span::minutes(90 * 24 * 60),
        /// Largest part of a reply that is read for a wish.
        text_size_max: Size = Size::megabytes(1),
        /// Deepest nesting of parts that is read.
        depth_max: u32 = 20,
        /// Most parts that are read.
        parts_max: u32 = 500,
        /// Most messages whose writer is checked (SPF, DKIM, DMARC) at a time; each check ends within
        /// dns.lookups_timeout.
        checks_max: u32 = 32,
        /// Most DKIM signatures of one message that are looked at.
        signatures_max: u32 = 10,
        /// Most events of a person's mail that are read to find out what was written to them.
        history_max: u32 = 200,
        /// Most answers of ours that one address gets in a day: confirmations, help and questions together.
        answers_per_address_max: u32 = 5,
        /// Most questions that one address gets in a day: whether a wish in its name, which nothing proves, is meant.
        questions_per_address_max: u32 = 1,
        /// Most such questions about one stream in a day.
        questions_per_stream_max: u32 = 100,
        /// Most such questions in a day in all.
        questions_max: u32 = 1000,
        /// Addresses that had an answer which are remembered; past it nobody else is answered that day.
        answered_max: u32 = 100_000,
        /// Largest text of its own that a stream confirms a stop with.
        answer_text_size_max: Size = Size(4 << 10),
        /// How often a letter may have been forwarded by us before it is taken for a loop.
        forwards_max: u32 = 3,
        /// Words that replies are understood by, beside those of `src/replies/words`.
        words: Words = Words::default(),
    }

    /// `[domains]`: the domains that accounts send from.
    Domains {
        /// How often records are looked up that a domain waits for: new DKIM keys, its own hosts.
        look_interval: Span = Span::minutes(15),
        /// How long past queue.expiry a DKIM key that signs no more is kept published.
        retired_key_kept: Span = Span::minutes(7 * 24 * 60),
    }

    /// `[compliance]`: what is held against a message in the check of what large mailbox providers demand.
    Compliance {
        /// How far ahead the Date of a message may lie.
        date_ahead_max: Span = Span::minutes(24 * 60),
        /// How long ago the Date of a message may lie.
        date_age_max: Span = Span::minutes(7 * 24 * 60),
        /// HTML past which mailbox providers show a message cut off.
        html_size_max: Size = Size(102 << 10),
        /// HTML past which a message needs a part in plain text beside it.
        html_alone_max: Size = Size(2 << 10),
        /// Size past which some mailbox providers take no message.
        message_size_max: Size = Size::megabytes(20),
    }

    /// `[http]`: pages and API.
    Http {
        /// The address of the unsubscribe pages as recipients see it; default: https:// and the hostname.
        public_url: Option<String> = None,
        /// Largest request body.
        body_size_max: Size = Size::megabytes(8),
        /// Longest wait for the whole header of a request.
        header_timeout: Span = Span::seconds(10),
        /// Most connections past the limits at a time whose refusal is written out; past that they are cut.
        farewells_max: u32 = 100,
        /// Most look-ups at a time of whom a link without a record is for: each reads events of messages.
        lookups_max: u32 = 2,
        /// Longest time for one request.
        request_timeout: Span = Span::seconds(30),
        /// Most connections at a time; one more is answered 503.
        connections_max: u32 = 1000,
        /// Most connections at a time from one address (IPv6: one /64); a proxy before us is one address, on loopback too, and must not open more.
        connections_per_address_max: u32 = 100,
        /// Most rows of an import in one request: they are one transaction, and opt-outs wait for it.
        import_rows_max: u32 = 5000,
        /// Longest row of a file to import.
        import_row_size_max: Size = Size(64 << 10),
        /// Largest logo that an account may show on its recipients' pages; at most 60kB.
        logo_size_max: Size = Size(32 << 10),
        /// Most streams that a recipient's page of choices lists, at most 100: those first that were written last.
        page_streams_max: u32 = 50,
        /// Most events of messages that are read for a recipient's page, to say what was sent and when.
        page_events_max: u32 = 200,
        /// Most recipients' pages that are shown to one address (IPv6: one /64) a minute; one-click requests are not counted, nor a proxy on loopback that names nobody.
        page_requests_per_minute_max: u32 = 120,
        /// Most addresses that are counted for it at a time; past that new ones are not.
        page_askers_max: u32 = 10_000,
    }

    /// `[spool]`: the log on disk that holds accepted mail.
    Spool {
        /// Size at which a new segment is begun.
        segment_size: Size = Size::megabytes(64),
        /// Free space below which no mail is accepted, so that opt-outs still are.
        free_space_min: Size = Size::megabytes(128),
        /// Room on disk kept in a file of that size, which is given up once the disk is full, so that opt-outs and
        /// deliveries are still recorded; "0B" keeps none. Never more than half of free_space_min is kept.
        reserve_size: Size = Size::megabytes(32),
        /// Share of a full segment's messages, in percent, that must still be queued: with less it is written
        /// anew without the bodies of the others. 0 never does.
        live_percent_min: u8 = 25,
        /// Batches of writes that may wait at a time.
        pending_max: u32 = 4096,
        /// Longest time a delivery's mark may stay unsynced.
        mark_delay: Span = Span(std::time::Duration::from_millis(50)),
    }

    /// `[store]`: the records: accounts, streams, suppressions, consents.
    Store {
        /// The engine: "redb"; or "sled" in a build that has it (`--features sled`). No engine reads what another wrote.
        engine: StoreEngine = StoreEngine::Redb,
        /// Where the engine's server is; "redb" and "sled" have none.
        url: Option<String> = None,
        /// Memory for the engine's cache.
        cache: Size = Size::megabytes(16),
        /// Memory for records that every message asks for, as accounts and streams, kept as they were read.
        recent_size_max: Size = Size::megabytes(4),
        /// Largest file of records that is written anew while the daemon runs, as an erasure asks for; a larger one waits for `relent store compact`.
        compact_size_max: Size = Size::megabytes(512),
        /// Changes that may wait at a time.
        pending_max: u32 = 4096,
        /// Most changes in one commit.
        batch_max: u32 = 1000,
    }

    /// `[retention]`: how long what has happened is kept.
    Retention {
        /// Events of messages: accepted, delivered, failed, stopped.
        events: Span = Span::minutes(30 * 24 * 60),
        /// Events of records: who stopped, agreed or was lifted, and on what grounds; the records themselves stay.
        records: Span = Span::minutes(3650 * 24 * 60),
        /// Addresses on the network that wishes came from, in records and their events.
        evidence_ips: Span = Span::minutes(730 * 24 * 60),
        /// What the entries of the audit chain say; the chain itself stays.
        audit: Span = Span::minutes(3650 * 24 * 60),
    }

    /// `[health]`: when the process is well enough for systemd's watchdog and for /readyz.
    Health {
        /// Longest time that the spool's writer may take to sync when it is asked.
        spool_timeout: Span = Span::seconds(10),
        /// Longest time that the store may take for a read, and its committer for an answer.
        store_timeout: Span = Span::seconds(10),
        /// Longest time that a task may wait for its turn.
        lag_max: Span = Span::seconds(2),
        /// How long /readyz answers with what was found before it looks again.
        age_max: Span = Span::seconds(1),
    }

    /// `[log]`: what is written to standard error, or to the journal.
    Log {
        /// Least level written: off, error, warn, info, debug or trace; with a level per target, as in "info,relent::delivery=debug".
        level: String = "info".into(),
        /// What is written: "text" for people, "json" an object a line, "line" keys and values in an order that stays, "journal" fields to systemd's journal; "auto" is the journal where it reads our standard error, else text.
        format: LogFormat = LogFormat::Auto,
        /// The same as format = "json", where format is "auto".
        json: bool = false,
        /// The socket of the journal.
        journal: PathBuf = "/run/systemd/journal/socket".into(),
        /// Where a build with the feature `otel` sends traces: OTLP in protocol buffers over HTTP, to a collector on this machine.
        traces: Option<TraceEndpoint> = None,
        /// People's addresses, whatever line names one: "full", "shortened" to a letter and the domain, or "hashed" under a key of the data folder.
        addresses: LogAddresses = LogAddresses::Full,
    }

    /// `[process]`: the process itself.
    Process {
        /// The user to become when started as root, once certificates are read and listeners open; it must be able to read this file and those it names, for a reload.
        user: Option<String> = None,
        /// How long a stop waits for sessions and attempts under way.
        drain_timeout: Span = Span::seconds(20),
        /// Threads that run sessions; 0: one a core.
        threads: u32 = 0,
        /// Most changes of settings that are taken without a restart; each set of settings is kept in memory until then.
        reloads_max: u32 = 1000,
        /// How strictly the process is held to what it needs: "on" refuses files, ports and system calls beyond it, "kill" also ends the process at such a call, "log" writes such calls to the kernel's log and refuses nothing, "off". `relent check --sandbox` prints what it needs.
        sandbox: Sandbox = Sandbox::On,
        /// More files and folders that it may read.
        sandbox_read: Vec<PathBuf> = Vec::new(),
        /// More files and folders that it may write.
        sandbox_write: Vec<PathBuf> = Vec::new(),
        /// More TCP ports that it may connect to, beside those of the settings.
        sandbox_connect: Vec<u16> = Vec::new(),
        /// More TCP ports that it may listen on after a reload, beside those of `[listen]` at the start.
        sandbox_listen: Vec<u16> = Vec::new(),
        /// How often `systemctl status` is told what waits and who is connected.
        status_interval: Span = Span::seconds(10),
    }
}
