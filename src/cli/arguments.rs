//! What may be typed: every verb of the command line with its arguments.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;

use super::audit::AuditVerb;
use super::backup::BackupArguments;
use super::delivery::DeliveryVerb;
use super::doctor::Doctor;
use super::export::Outgoing;
use super::happened::EventsVerb;
use super::held::{HeldVerb, Recall};
use super::import::{Elsewhere, Incoming};
use super::manual::Shell;
use super::member::{MemberVerb, SessionVerb};
use super::paint::Color;
use super::queue::QueueVerb;
use super::restore::RestoreArguments;
use super::rights::RecipientVerb;
use super::send::Sending;
use super::sender_arguments::{AccountVerb, CredentialVerb, DomainVerb, StreamVerb};
use super::tls::TlsVerb;
use super::top::Top;
use super::trace::Trace;
use super::webhook::WebhookVerb;
use crate::mail::Timestamp;

/// An SMTP relay that knows when to stop.
#[derive(Debug, Parser)]
#[command(name = "relent", version, disable_help_subcommand = true)]
pub struct Cli {
    /// The settings file [default: /etc/relent/relent.toml].
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// When to colour what is shown.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run the relay until it is told to stop.
    Serve,
    /// See the main job on this machine: real daemon, real SMTP, nothing installed.
    Demo {
        /// Leave everything running and print the settings for a client of your own.
        #[arg(long)]
        keep: bool,
    },
    /// Check the settings file: what is wrong, on which line, and why.
    Check {
        /// Print what differs from the defaults, as TOML.
        #[arg(long)]
        changed: bool,
        /// Print what the process would let itself do: files, ports and system calls.
        #[arg(long, conflicts_with = "changed")]
        sandbox: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Say whether mail would be sent to an address, and the whole history behind it; or what large
    /// mailbox providers would hold against a message.
    Explain {
        /// The account and its stream, as in acme/newsletter.
        #[arg(value_name = "ACCOUNT/STREAM", value_parser = stream_target)]
        target: Target,
        /// The person's address.
        #[arg(value_name = "ADDRESS", required_unless_present = "message")]
        address: Option<String>,
        /// A message as it would be submitted; `-` is standard input.
        #[arg(long, value_name = "FILE", conflicts_with = "address")]
        message: Option<PathBuf>,
        #[command(flatten)]
        form: Form,
    },
    /// Say what messages are: a person's words, an auto-reply, a bounce, a complaint.
    Classify {
        /// Messages, one a file; `-` is standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        tried: Tried,
        #[command(flatten)]
        form: Form,
    },
    /// Have the running daemon read its settings anew, and the files that they name; connections stay open.
    /// Says which settings hold from now on and which need a restart; where they are wrong, those before
    /// go on to hold, and the exit code is 1.
    Reload {
        #[command(flatten)]
        form: Form,
    },
    /// Send a test message through the relay's own submission, and say what was answered and what became of
    /// it.
    Send(Box<Sending>),
    /// Look at all that mail needs to arrive: names, ports, certificate, clock, disk, files, reputation; say what
    /// to do where something is wrong.
    Doctor(Box<Doctor>),
    /// Watch the relay at work: rates, sites, what waits by age, and who stopped mail, each second. Keys: q leaves,
    /// space pauses, s sorts by the next thing, and w, c, t and n by mail, connections, trouble and name.
    Top(Top),
    /// Follow one message from its acceptance to its end, or SMTP sessions as they are spoken; passwords and
    /// messages are not shown.
    Trace(Trace),
    /// Customers who send.
    #[command(subcommand)]
    Account(AccountVerb),
    /// People who log in for an account.
    #[command(subcommand)]
    Member(MemberVerb),
    /// Logins of members that last.
    #[command(subcommand)]
    Session(SessionVerb),
    /// Secrets for SMTP.
    #[command(subcommand)]
    Credential(CredentialVerb),
    /// The domains an account sends from.
    #[command(subcommand)]
    Domain(DomainVerb),
    /// The kinds of mail of an account.
    #[command(subcommand)]
    Stream(StreamVerb),
    /// Stops: who must not be sent to.
    #[command(subcommand)]
    Suppression(SuppressionVerb),
    /// Agreements: who may be sent to.
    #[command(subcommand)]
    Consent(ConsentVerb),
    /// What is kept about people: shown whole, and destroyed.
    #[command(subcommand)]
    Recipient(RecipientVerb),
    /// Programs that are told what happens.
    #[command(subcommand)]
    Webhook(WebhookVerb),
    /// Mail that waits.
    #[command(subcommand)]
    Queue(QueueVerb),
    /// What happened to mail and to records.
    #[command(subcommand)]
    Events(EventsVerb),
    /// Mail that goes out, and the servers it goes to.
    #[command(subcommand)]
    Delivery(DeliveryVerb),
    /// Our certificates.
    #[command(subcommand)]
    Tls(TlsVerb),
    /// What was done, and by whom.
    #[command(subcommand)]
    Audit(AuditVerb),
    /// The records on disk, while the daemon is stopped.
    #[command(subcommand)]
    Store(StoreVerb),
    /// Take an archive of all that must last, while mail goes on.
    Backup(BackupArguments),
    /// Put an archive back; mail is held until what was said after it is replayed, or somebody answers for going on
    /// without.
    Restore(RestoreArguments),
    /// Write the manual: a page for each command, and relent.toml(5) for the settings.
    Man {
        /// The folder to write to; made where it is missing.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Print what makes a shell complete the commands.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Form {
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    /// When it is coloured, as the whole line says.
    #[arg(from_global)]
    pub(super) color: Color,
}

/// An account, or a stream of it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) account: String,
    pub(super) stream: Option<String>,
}

pub(super) fn target(text: &str) -> Result<Target, String> {
    let (account, stream) = match text.split_once('/') {
        Some((account, stream)) => (account, Some(stream)),
        None => (text, None),
    };
    if account.is_empty() || stream.is_some_and(|name| name.is_empty() || name.contains('/')) {
        return Err("write ACCOUNT or ACCOUNT/STREAM, as in acme/newsletter".into());
    }
    Ok(Target { account: account.into(), stream: stream.map(Into::into) })
}

pub(super) fn stream_target(text: &str) -> Result<Target, String> {
    match target(text) {
        Ok(Target { stream: None, .. }) | Err(_) => {
            Err("write ACCOUNT/STREAM, as in acme/newsletter".into())
        }
        found => found,
    }
}

/// A person as a stream knows them.
#[derive(Debug, Args)]
pub(super) struct Person {
    /// The account and its stream, as in acme/newsletter.
    #[arg(value_name = "ACCOUNT/STREAM", value_parser = stream_target)]
    pub(super) target: Target,
    /// The person's address.
    #[arg(value_name = "ADDRESS")]
    pub(super) address: String,
}

/// Whom a stop is about, and how far it reaches.
#[derive(Debug, Args)]
pub(super) struct Stopped {
    /// An account, a stream of it, or `global`.
    #[arg(value_name = "ACCOUNT[/STREAM]", value_parser = target)]
    pub(super) target: Target,
    /// An address, or `@domain` for everybody there.
    #[arg(value_name = "ADDRESS")]
    pub(super) address: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Reason {
    /// The person asked.
    #[value(name = "opt_out", alias = "opt-out")]
    OptOut,
    /// The person complained.
    Complaint,
    /// The address is dead.
    #[value(name = "hard_bounce", alias = "hard-bounce")]
    HardBounce,
    /// The account or the operator said so.
    Manual,
}

#[derive(Debug, Subcommand)]
pub(super) enum SuppressionVerb {
    /// Stop mail to an address or a whole domain.
    Add {
        #[command(flatten)]
        stopped: Stopped,
        /// Why, in words that are kept with the record.
        #[arg(long)]
        text: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Lift a stop by its reason; what lies beneath it stays. With --site, --since or --until: the stops of
    /// dead addresses that a site's fault has made.
    Remove {
        /// An account, a stream of it, or `global`.
        #[arg(value_name = "ACCOUNT[/STREAM]", value_parser = target, required_unless_present = "all_accounts")]
        target: Option<Target>,
        /// An address, or `@domain` for everybody there.
        #[arg(
            value_name = "ADDRESS",
            required_unless_present = "Recall",
            conflicts_with = "Recall"
        )]
        address: Option<String>,
        /// The reason of the stop to lift.
        #[arg(long)]
        reason: Reason,
        #[command(flatten)]
        recall: Recall,
        #[command(flatten)]
        form: Form,
    },
    /// Stops that are not made, because a site's share of dead addresses has leapt.
    #[command(subcommand)]
    Held(HeldVerb),
    /// Show the stops of an address, or all of them.
    Show {
        /// An account, a stream of it, or `global`.
        #[arg(value_name = "ACCOUNT[/STREAM]", value_parser = target)]
        target: Target,
        /// An address, or `@domain` for everybody there.
        address: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// List stops.
    List {
        /// An account, a stream of it, or `global`.
        #[arg(value_name = "ACCOUNT[/STREAM]", value_parser = target)]
        target: Target,
        /// Only those of this address or `@domain`.
        address: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Stop mail to everybody on a list, CSV or JSON, ours or another service's; what stands already is
    /// left as it is.
    Import {
        /// An account, a stream of it, or `global`.
        #[arg(value_name = "ACCOUNT[/STREAM]", value_parser = target)]
        target: Target,
        #[command(flatten)]
        elsewhere: Elsewhere,
        #[command(flatten)]
        import: Incoming,
    },
    /// Write every stop to a list that `import` takes.
    Export {
        /// An account, a stream of it, or `global`.
        #[arg(value_name = "ACCOUNT[/STREAM]", value_parser = target)]
        target: Target,
        #[command(flatten)]
        export: Outgoing,
    },
}

/// A day or a moment, as the API takes them.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    let read = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
    let read = read.map_err(|_| "write a time as in 2026-03-01 or 2026-03-01T09:30:00Z")?;
    let since = u64::try_from(read.as_millisecond());
    since.map(Timestamp).map_err(|_| "it lies before 1970: write a later time".into())
}

/// What people had before them when they agreed.
#[derive(Debug, Default, Args)]
pub(super) struct Before {
    /// The words that were agreed to.
    #[arg(long, value_name = "TEXT")]
    pub(super) wording: Option<String>,
    /// Which version of them, as in 2026-03.
    #[arg(long, value_name = "VERSION")]
    pub(super) wording_version: Option<String>,
    /// The program through which it was given.
    #[arg(long, value_name = "TEXT")]
    pub(super) user_agent: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConsentVerb {
    /// Record that a person has agreed.
    Grant {
        #[command(flatten)]
        person: Person,
        /// Where the agreement comes from, as in "sign-up form".
        #[arg(long, value_name = "TEXT")]
        source: String,
        /// When the person agreed [default: now].
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Timestamp>,
        /// From which address.
        #[arg(long)]
        ip: Option<IpAddr>,
        #[command(flatten)]
        before: Before,
        #[command(flatten)]
        form: Form,
    },
    /// Ask a person by mail: the button that it leads to records the consent.
    Request {
        #[command(flatten)]
        person: Person,
        /// Where the wish comes from, as in "sign-up form".
        #[arg(long, value_name = "TEXT")]
        source: String,
        /// From which address.
        #[arg(long)]
        ip: Option<IpAddr>,
        #[command(flatten)]
        before: Before,
        /// The language of the mail, as in de or zh-Hant [default: the stream's].
        #[arg(long, value_name = "TAG")]
        language: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Record that a person has taken it back.
    Withdraw {
        #[command(flatten)]
        person: Person,
        /// Where that is known from.
        #[arg(long, value_name = "TEXT", default_value = "operator")]
        source: String,
        /// When [default: now].
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Timestamp>,
        /// From which address.
        #[arg(long)]
        ip: Option<IpAddr>,
        #[command(flatten)]
        form: Form,
    },
    /// Show what a person, or everybody, has said to a stream.
    Show {
        /// The account and its stream, as in acme/newsletter.
        #[arg(value_name = "ACCOUNT/STREAM", value_parser = stream_target)]
        target: Target,
        /// Only the consent of this address.
        address: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Record the consents of a list, CSV or JSON Lines; none lifts a stop.
    Import {
        /// The account and its stream, as in acme/newsletter.
        #[arg(value_name = "ACCOUNT/STREAM", value_parser = stream_target)]
        target: Target,
        /// Where they come from, for rows that do not say, as in "sign-up form".
        #[arg(long, value_name = "TEXT")]
        source: Option<String>,
        /// When they were given, for rows that do not say [default: now].
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Timestamp>,
        /// From which address, for rows that do not say.
        #[arg(long)]
        ip: Option<IpAddr>,
        #[command(flatten)]
        before: Before,
        #[command(flatten)]
        import: Incoming,
    },
    /// Write every consent to a stream to a list that `import` takes.
    Export {
        /// The account and its stream, as in acme/newsletter.
        #[arg(value_name = "ACCOUNT/STREAM", value_parser = stream_target)]
        target: Target,
        #[command(flatten)]
        export: Outgoing,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreVerb {
    /// Save what a damaged store still holds into a new one; the damaged file is kept. Says where there was no
    /// damage.
    Recover,
    /// Write the file anew without what was removed from it.
    Compact,
}

/// As whose replies messages are read.
#[derive(Debug, Args)]
pub(super) struct Tried {
    /// With the words that the settings give this stream.
    #[arg(long, value_name = "ACCOUNT/STREAM")]
    pub(super) stream: Option<String>,
    /// As answers to a stream of this kind, which decides what they stop.
    #[arg(long, value_name = "KIND", default_value = "marketing")]
    pub(super) stream_kind: super::sender_arguments::StreamKind,
    /// With these words in place of the settings': a TOML file of what may stand in [replies.words].
    #[arg(long, value_name = "FILE")]
    pub(super) words: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_verb_is_well_formed() {
        Cli::command().debug_assert();
    }

    fn fits(line: &str) -> bool {
        Cli::try_parse_from(line.split_whitespace()).is_ok()
    }

    #[test]
    fn the_contracts_lines_are_read() {
        for line in [
            "relent serve --config x.toml",
            "relent demo --keep",
            "relent check --changed",
            "relent explain acme/newsletter ann@reader.example",
            "relent classify a.eml b.eml --json",
            "relent classify a.eml --stream acme/news --stream-kind transactional --words own.toml",
            "relent account list --json --config x.toml",
            "relent stream add acme news --kind marketing --consent not-required --reply-to a@b.example",
            "relent stream answers acme news --confirm off --language zh-Hant --text de=own.txt --json",
            "relent domain add acme acme.example --trust --dkim none",
            "relent credential add acme --name app --stream news --refuse silently --json",
            "relent credential remove acme app",
            "relent suppression add acme/news ann@reader.example",
            "relent suppression remove global @reader.example --reason hard_bounce",
            "relent consent grant acme/news a@b.example --source form --at 2026-03-01T09:30:00Z --ip ::1",
            "relent consent grant acme/news a@b.example --source form --at 2026-03-01",
            "relent consent show acme/news --json",
            "relent consent show acme/news a@b.example",
            "relent suppression show acme/news --json",
            "relent suppression show acme ann@reader.example",
            "relent suppression remove acme ann@reader.example --reason manual --json",
            "relent credential remove acme app --json",
            "relent suppression remove acme --reason hard_bounce --site google.com --since 2026-03-01",
            "relent suppression remove --all-accounts --reason hard_bounce --site google.com --dry-run",
            "relent suppression held list --json",
            "relent suppression held apply --site google.com",
            "relent suppression held drop",
            "relent queue cancel --recipient a@b.example",
            "relent queue show --domain b.example --json",
            "relent queue list --all",
            "relent suppression import acme list.csv --report refused.jsonl --json",
            "relent suppression import acme/news - --format jsonl",
            "relent suppression import acme b.csv --from sendgrid:bounces --group Weekly=news --refused r.csv",
            "relent suppression export global",
            "relent consent import acme/news list.csv --source form --at 2026-03-01 --ip ::1",
            "relent consent export acme/news list.jsonl",
            "relent consent grant acme/news a@b.example --source form --wording Yes --wording-version 3 --user-agent M",
            "relent consent import acme/news list.csv --wording Yes --wording-version 3",
            "relent stream set acme news --consent-expires 24mo",
            "relent consent request acme/news a@b.example --source form --ip ::1 --language de --json",
            "relent explain acme/newsletter --message mail.eml --json",
            "relent account set acme --language zh",
            "relent domain add acme acme.example --return-path bounce.acme.example --reply-host reply.acme.example --link-host link.acme.example",
            "relent domain set acme acme.example --return-path none",
            "relent domain rotate acme acme.example --dkim ed25519 --json",
            "relent stream add acme news --kind marketing --compliance refuse --ad-label",
            "relent stream set acme news --quiet-hours 22:00-08:00@Europe/Berlin --ad-label off",
            "relent queue list",
            "relent queue list --stream acme/news --limit 5 --json",
            "relent queue retry --all",
            "relent queue retry abc",
            "relent queue hold --domain b.example",
            "relent queue cancel --address a@b.example",
            "relent store recover",
            "relent store compact",
            "relent recipient export acme ann@reader.example --json",
            "relent recipient erase --all-accounts ann@reader.example",
            "relent audit verify --head 7:ab --json",
            "relent audit verify --offline",
            "relent audit list --account acme --actor operator:root --kind stream --since 2026-03-01 --json",
            "relent audit show 7",
            "relent audit export --until 2026-03-01",
            "relent audit head",
            "relent delivery site b.example --json",
            "relent delivery suspend *.mx.example --for 2h --reason enough",
            "relent delivery resume b.example",
            "relent delivery list --json",
            "relent backup /var/backups --without-mail --json",
            "relent backup -",
            "relent backup --verify a.tar",
            "relent restore a.tar --data-dir /srv/relent --json",
            "relent restore status --json",
            "relent restore replay a.jsonl b.csv --account acme",
            "relent restore release --account acme",
            "relent restore release --waive Ann --reason enough --drop-accepted-before 2026-03-01",
            "relent man --out man",
            "relent completions fish",
        ] {
            assert!(fits(line), "{line}");
        }
    }

    #[test]
    fn lines_that_leave_something_open_are_refused() {
        for line in [
            "relent",
            "relent queue cancel",
            "relent queue cancel abc --all",
            "relent queue hold --domain a.example --address b@a.example",
            "relent explain acme ann@reader.example",
            "relent explain acme/newsletter",
            "relent explain acme/newsletter ann@reader.example --message mail.eml",
            "relent account set acme",
            "relent suppression remove acme ann@reader.example",
            "relent suppression remove acme --reason hard_bounce",
            "relent suppression remove --reason hard_bounce --site google.com",
            "relent suppression remove acme --all-accounts --reason hard_bounce --site google.com",
            "relent suppression remove acme a@b.example --reason hard_bounce --site google.com",
            "relent suppression add acme/ ann@reader.example",
            "relent consent grant acme/news a@b.example",
            "relent consent grant acme/news a@b.example --source form --at yesterday",
            "relent consent grant acme/news a@b.example --source form --at 1969-12-31",
            "relent consent grant acme/news a@b.example --source form --at 1969-12-31T23:59:59Z",
            "relent consent show acme",
            "relent consent request acme/news a@b.example",
            "relent consent import acme list.csv",
            "relent suppression import acme",
            "relent suppression import acme list.csv --format xml",
            "relent suppression import acme list.csv --from sendgird",
            "relent suppression import acme list.csv --from ses --group news",
            "relent stream add acme news",
            "relent delivery suspend",
            "relent backup",
            "relent backup a.tar --verify a.tar",
            "relent restore",
            "relent restore replay",
            "relent restore release --waive Ann",
            "relent restore release --reason enough",
            "relent delivery suspend b.example --for soon",
            "relent stream answers acme news --confirm perhaps",
            "relent classify",
            "relent classify a.eml --stream-kind other",
            "relent man",
            "relent completions csh",
        ] {
            assert!(!fits(line), "{line}");
        }
    }
}
