//! The figures, by what they tell of.

use super::list::Kind::{Counter, Gauge, Histogram, Info};
use super::list::{Kind, Label, Metric, Values};

/// A group: its title, what is to be said of all of it, its figures.
type Group = (&'static str, &'static str, &'static [Metric]);

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [Label],
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, help }
}

const fn of(name: &'static str, words: &'static [&'static str]) -> Label {
    Label { name, values: Values::Of(words) }
}

const fn bound(name: &'static str, sentence: &'static str) -> Label {
    Label { name, values: Values::Bound(sentence) }
}

/// From a disk that is quick to one that hangs.
const DISK: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// From a turn at once to one that a watchdog would not wait for.
const TURN: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// From a stop that nobody notices to the ten seconds that one waits for dots under way.
const STOP: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// From a delivery at once to one after days.
const JOURNEY: &[f64] =
    &[0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0, 259_200.0];

/// The ages by which what waits is counted: the most seconds, and the word.
pub(crate) const AGES: [(u64, &str); 6] =
    [(60, "1m"), (600, "10m"), (3600, "1h"), (21600, "6h"), (86400, "1d"), (u64::MAX, "older")];
const AGE: Label = of("age", &["1m", "10m", "1h", "6h", "1d", "older"]);

const STATE: Label = of("state", &["queued", "active", "held"]);
const WAY: Label = of(
    "way",
    &["reply", "list_unsubscribe", "one_click", "page", "bounce", "complaint", "confirmation"],
);
const REASON: Label = of("reason", &["opt_out", "complaint", "hard_bounce", "manual"]);
const OUTCOME: Label = of(
    "outcome",
    &["delivered", "deferred", "failed", "stopped", "cancelled", "held", "released", "warned"],
);
const LANGUAGE: Label = of(
    "language",
    &[
        "en", "zh-Hans", "zh-Hant", "ja", "ko", "de", "fr", "es", "pt", "it", "nl", "ru", "pl",
        "ar", "he",
    ],
);
const FINDING: Label = of(
    "finding",
    &[
        "ad_label_missing",
        "date_invalid",
        "date_off",
        "dkim_missing",
        "dmarc_unaligned",
        "field_repeated",
        "from_invalid",
        "from_missing",
        "from_several",
        "from_unverified",
        "html_large",
        "line_long",
        "message_id_invalid",
        "mime_missing",
        "one_click_insecure",
        "one_click_unsigned",
        "size_large",
        "spf_unaligned",
        "subject_misleading",
        "subject_missing",
        "text_missing",
        "to_missing",
    ],
);
const CLASS: Label = of(
    "class",
    &[
        "invalid_mailbox",
        "mailbox_full",
        "policy",
        "reputation",
        "content",
        "greylisting",
        "rate_limit",
        "technical",
    ],
);
const PROVIDER: Label = of("provider", crate::mail::PROVIDERS);
const ACCOUNT: Label =
    bound("account", "the names of `metrics.accounts_max` accounts, and `other` for all further");
const SETTING: Label = bound("setting", "the keys of the settings that are limits");
const BURIED: Label = of("outcome", &["counted", "stopped", "held"]);

/// Every figure, in groups.
pub(super) const GROUPS: &[Group] = &[
    (
        "Mail from applications",
        "What comes in at the submission ports.",
        &[
            metric(
                "relent_messages_accepted_total",
                Counter,
                &[],
                "Messages of applications accepted.",
            ),
            metric(
                "relent_messages_refused_total",
                Counter,
                &[],
                "Messages of applications refused whole.",
            ),
            metric("relent_recipients_refused_total", Counter, &[], "Recipients refused at RCPT."),
            metric(
                "relent_auth_failures_total",
                Counter,
                &[of("door", &["smtp", "api"])],
                "Wrong passwords at AUTH, and wrong tokens of the API.",
            ),
            metric(
                "relent_account_limits_total",
                Counter,
                &[of(
                    "limit",
                    &[
                        "message_rate",
                        "message_size",
                        "recipients_per_day",
                        "recipients_per_message",
                        "suspended",
                    ],
                )],
                "Mail refused or put off by a limit of its account.",
            ),
            metric(
                "relent_compliance_total",
                Counter,
                &[FINDING, of("verdict", &["reported", "refused"])],
                "What large mailbox providers would hold against a message, by whether it was taken all the same.",
            ),
        ],
    ),
    (
        "Stops and answers",
        "What people and machines answer. The promise is that a stop is obeyed at once: `relent_stop_seconds` is how long that took.",
        &[
            metric(
                "relent_stops_total",
                Counter,
                &[WAY, REASON],
                "Stops recorded, by way and reason.",
            ),
            metric(
                "relent_stop_seconds",
                Histogram(STOP),
                &[WAY],
                "From the arrival of a reply, a complaint or a click to its record, with the wait for dots under way.",
            ),
            metric(
                "relent_inbound_total",
                Counter,
                &[of("kind", &["person", "auto_reply", "bounce", "complaint"])],
                "Mail to our own addresses, by what it is.",
            ),
            metric(
                "relent_answers_total",
                Counter,
                &[LANGUAGE],
                "Confirmations sent to people who wrote, by language.",
            ),
            metric(
                "relent_answers_limited_total",
                Counter,
                &[],
                "Confirmations that were not sent, as their address has had enough of them.",
            ),
            metric(
                "relent_consents_asked_total",
                Counter,
                &[LANGUAGE],
                "People asked by mail to confirm a consent, by language.",
            ),
            metric(
                "relent_consents_confirmed_total",
                Counter,
                &[],
                "Consents that people confirmed.",
            ),
            metric(
                "relent_hard_bounces_total",
                Counter,
                &[BURIED],
                "Answers that call an address dead, by what came of them.",
            ),
            metric(
                "relent_dead_share_alarm",
                Gauge,
                &[],
                "Sites whose share of dead addresses has leapt, so that stops are held.",
            ),
            metric(
                "relent_crossing_failures_total",
                Counter,
                &[],
                "Dead addresses whose stop could not be recorded; it is tried again.",
            ),
        ],
    ),
    (
        "Accounts",
        "Per account, what mailbox providers judge a sender by: Gmail and Yahoo want complaints below 0.1 % of what was delivered, and never 0.3 %.",
        &[
            metric(
                "relent_account_delivered_total",
                Counter,
                &[ACCOUNT],
                "Recipients delivered to, of an account's own mail.",
            ),
            metric(
                "relent_account_complaints_total",
                Counter,
                &[ACCOUNT],
                "People whose complaint about an account's mail made a stop.",
            ),
        ],
    ),
    (
        "The queue",
        "What has been accepted and has not ended. These are looked at when they are asked for.",
        &[
            metric("relent_queue_recipients", Gauge, &[STATE], "Recipients that wait, by state."),
            metric(
                "relent_queue_age_recipients",
                Gauge,
                &[STATE, AGE],
                "The same by the age of their messages: at most so old, and older than the word before.",
            ),
            metric(
                "relent_queue_oldest_due_seconds",
                Gauge,
                &[],
                "For how long the item has been due that has been due for longest, but for what the operator suspended and sites that nobody reaches.",
            ),
        ],
    ),
    (
        "Mail to other servers",
        "A provider is known by the host that answered; `other` is any that is not in the list, and mail for which nobody answered.",
        &[
            metric(
                "relent_recipients_total",
                Counter,
                &[OUTCOME],
                "What became of recipients, attempt by attempt.",
            ),
            metric(
                "relent_provider_attempts_total",
                Counter,
                &[PROVIDER, of("outcome", &["delivered", "deferred", "failed"])],
                "Attempts by the provider that answered and what it said.",
            ),
            metric(
                "relent_refusals_total",
                Counter,
                &[CLASS],
                "Refusals, for now or for good, by what they are about.",
            ),
            metric(
                "relent_delivery_seconds",
                Histogram(JOURNEY),
                &[],
                "From a message's acceptance, or the time it was wanted for, to the answer that took it.",
            ),
            metric(
                "relent_sites_slowed_total",
                Counter,
                &[],
                "Times that a site said that this is too much.",
            ),
            metric(
                "relent_sites_suspended_total",
                Counter,
                &[],
                "Times that a site was left alone, as nobody reached it.",
            ),
            metric(
                "relent_possible_duplicates_total",
                Counter,
                &[],
                "Recipients whose message left whole without an answer, so that it is sent again.",
            ),
        ],
    ),
    (
        "Connections",
        "How many there are now stands in `relent_limit_used`, beside its limit.",
        &[
            metric(
                "relent_connections_total",
                Counter,
                &[of("port", &["submission", "submissions", "inbound"])],
                "SMTP connections taken.",
            ),
            metric(
                "relent_connections_refused_total",
                Counter,
                &[],
                "SMTP connections refused at a limit.",
            ),
            metric(
                "relent_http_connections_refused_total",
                Counter,
                &[],
                "HTTP connections refused at a limit.",
            ),
            metric(
                "relent_tls_handshakes_total",
                Counter,
                &[of("direction", &["in", "out"]), of("version", &["1.2", "1.3", "failed"])],
                "TLS handshakes of SMTP, by who began them and what came of them.",
            ),
            metric(
                "relent_plaintext_total",
                Counter,
                &[],
                "Connections to other mail servers that came about without TLS.",
            ),
            metric(
                "relent_certificate_not_after_seconds",
                Gauge,
                &[bound("name", "the first name of each of our certificates")],
                "When our certificate of that first name ends, in seconds since 1970.",
            ),
            metric(
                "relent_certificate_faults",
                Gauge,
                &[],
                "Pairs of certificate files that changed and cannot be taken; the old ones are in use.",
            ),
            metric(
                "relent_acme_orders_total",
                Counter,
                &[of("outcome", &["issued", "failed"])],
                "Certificates asked of an authority, by what came of it.",
            ),
            metric(
                "relent_acme_hosts_failing",
                Gauge,
                &[],
                "Hosts whose last try to get a certificate failed; `relent tls show` says why.",
            ),
            metric(
                "relent_http_requests_total",
                Counter,
                &[
                    bound("route", "the patterns of the routes that there are, and `none`"),
                    bound("status", "the statuses that our answers have"),
                ],
                "HTTP requests by route and status.",
            ),
            metric(
                "relent_http_pages_limited_total",
                Counter,
                &[],
                "Requests of recipients' pages put off, as too many came from one address.",
            ),
        ],
    ),
    (
        "People who log in",
        "Members of accounts.",
        &[
            metric(
                "relent_member_logins_total",
                Counter,
                &[of("outcome", &["let_in", "refused"])],
                "Logins of members.",
            ),
            metric(
                "relent_member_mails_total",
                Counter,
                &[],
                "Mails to members: invitations, links for a new password, warnings.",
            ),
        ],
    ),
    (
        "Webhooks",
        "Events that go out to programs.",
        &[
            metric(
                "relent_webhook_calls_total",
                Counter,
                &[of("outcome", &["taken", "later", "gone", "failed"])],
                "Calls by how they were heard.",
            ),
            metric("relent_webhook_calls_waiting", Gauge, &[], "Calls to be made again."),
            metric("relent_webhooks_failing", Gauge, &[], "Webhooks whose endpoints fail."),
            metric("relent_webhook_failed_total", Counter, &[], "Calls that were given up."),
            metric(
                "relent_webhook_forgotten_total",
                Counter,
                &[],
                "Failed calls past webhooks.failed_max.",
            ),
            metric(
                "relent_webhook_disabled_total",
                Counter,
                &[],
                "Webhooks switched off, as their endpoints fail.",
            ),
            metric(
                "relent_webhook_events_missed_total",
                Counter,
                &[],
                "Events gone from the log before a webhook was told of them.",
            ),
        ],
    ),
    (
        "Disk and records",
        "What everything waits for.",
        &[
            metric(
                "relent_spool_sync_seconds",
                Histogram(DISK),
                &[],
                "How long the spool waited for its disk to have what was written (fdatasync).",
            ),
            metric(
                "relent_store_commit_seconds",
                Histogram(DISK),
                &[],
                "How long the store took to commit a batch of changes.",
            ),
            metric(
                "relent_disk_free_bytes",
                Gauge,
                &[],
                "What may still be written where data_dir lies.",
            ),
            metric(
                "relent_disk_free_min_bytes",
                Gauge,
                &[],
                "What mail must leave free there: spool.free_space_min.",
            ),
            metric(
                "relent_spool_short_total",
                Counter,
                &[],
                "Times that the spool found no room, so that mail was put off.",
            ),
            metric(
                "relent_spool_damaged_total",
                Counter,
                &[],
                "Places of the spool that could not be read and were passed over.",
            ),
            metric(
                "relent_spool_unreadable_total",
                Counter,
                &[],
                "Places of the spool that the disk did not give.",
            ),
            metric(
                "relent_spool_undecodable_total",
                Counter,
                &[],
                "Records of the spool whose meaning is not known.",
            ),
            metric(
                "relent_spool_rewritten_bytes_total",
                Counter,
                &[],
                "What was written anew so that segments could go.",
            ),
            metric(
                "relent_reserve_given_up_total",
                Counter,
                &[],
                "Times that the reserve's room was given up for stops and marks.",
            ),
            metric(
                "relent_store_faults_total",
                Counter,
                &[],
                "Times that the store failed, so that mail was held.",
            ),
            metric(
                "relent_backups_total",
                Counter,
                &[of("outcome", &["whole", "broken_off"])],
                "Backups that were taken, by whether they came to their end.",
            ),
            metric(
                "relent_restore_held",
                Gauge,
                &[],
                "1 while mail is held since a restore, else 0.",
            ),
        ],
    ),
    (
        "The process",
        "Whether it is well.",
        &[
            metric(
                "relent_build_info",
                Info,
                &[bound("version", "the one of this build")],
                "Which build this is.",
            ),
            metric(
                "relent_start_time_seconds",
                Gauge,
                &[],
                "When the process was started, in seconds since 1970.",
            ),
            metric("relent_ready", Gauge, &[], "1 where /readyz says ready, else 0."),
            metric(
                "relent_loop_lag_seconds",
                Histogram(TURN),
                &[],
                "How long a task that was ready waited for its turn, looked at each second.",
            ),
            metric(
                "relent_limit",
                Gauge,
                &[SETTING],
                "What each limited thing may come to, by its setting.",
            ),
            metric(
                "relent_limit_used",
                Gauge,
                &[SETTING],
                "How much of each limit is in use, by its setting.",
            ),
            metric(
                "relent_watchdog_unanswered_total",
                Counter,
                &[],
                "Times that systemd's watchdog was not answered, as a part hung.",
            ),
            metric(
                "relent_reloads_total",
                Counter,
                &[of("result", &["done", "refused"])],
                "Reloads of the settings.",
            ),
            metric("relent_clock_jumps_total", Counter, &[], "Jumps of the wall clock."),
        ],
    ),
];
