//! What may be typed about those who send: accounts, credentials, sending domains, streams.

use super::account::Changes;
use super::arguments::Form;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(super) enum AccountVerb {
    /// Make an account.
    Add {
        /// Its name: 1 to 32 of a-z, 0-9 and `-`.
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// List the accounts.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Show one account.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Change an account, or what it shows of itself on its recipients' pages.
    Set {
        /// Its name.
        name: String,
        #[command(flatten)]
        changes: Box<Changes>,
        #[command(flatten)]
        look: Box<Look>,
        #[command(flatten)]
        form: Form,
    },
    /// Let an account send nothing: submissions are refused, and what is queued waits.
    Suspend {
        /// Its name.
        name: String,
        /// What its applications are told.
        #[arg(long)]
        text: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Let a suspended account send again.
    Resume {
        /// Its name.
        name: String,
        #[command(flatten)]
        form: Form,
    },
}

/// What recipients' pages show of an account; "" takes one back.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Look {
    /// The name by which people know it, in place of the account's.
    #[arg(long, group = "Changes", value_name = "NAME")]
    pub(super) display_name: Option<String>,
    /// Its logo: a PNG, JPEG or WebP file.
    #[arg(long, group = "Changes", value_name = "FILE")]
    pub(super) logo: Option<String>,
    /// Its colour, as in #0a6b3d; shown in a shade that can be read.
    #[arg(long, group = "Changes", value_name = "#RRGGBB")]
    pub(super) colour: Option<String>,
    /// Its colour on dark pages, where that is another one.
    #[arg(long, group = "Changes", value_name = "#RRGGBB")]
    pub(super) colour_dark: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Refuse {
    /// With 550 at RCPT.
    #[value(alias = "openly")]
    AtRcpt,
    /// Accepted and stopped with an event, without a report, for clients that abort whole messages.
    Silently,
}

#[derive(Debug, Subcommand)]
pub(super) enum CredentialVerb {
    /// Make a credential; its password is shown once.
    Add {
        /// Whose.
        account: String,
        /// The user name.
        #[arg(long)]
        name: String,
        /// A stream it may send on and speak of; may be given more than once [default: all of the
        /// account's].
        #[arg(long)]
        stream: Vec<String>,
        /// Something it may do, as in suppressions.write; may be given more than once [default: send,
        /// which is to hand in mail].
        #[arg(long)]
        right: Vec<String>,
        /// When it ends, as in 2027-01-31 or 2027-01-31T12:00:00Z [default: never].
        #[arg(long)]
        expires: Option<String>,
        /// A network it may be used from, as in 192.0.2.0/24; may be given more than once [default:
        /// anywhere].
        #[arg(long)]
        allow: Vec<String>,
        /// How recipients are refused who must not be sent to [default: at-rcpt].
        #[arg(long)]
        refuse: Option<Refuse>,
        #[command(flatten)]
        form: Form,
    },
    /// List an account's credentials.
    List {
        /// Whose.
        account: String,
        #[command(flatten)]
        form: Form,
    },
    /// Revoke a credential.
    Remove {
        /// Whose.
        account: String,
        /// The user name.
        name: String,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Dkim {
    /// One key of each kind.
    Both,
    /// Ed25519 (RFC 8463).
    Ed25519,
    /// RSA with 2,048 bits.
    Rsa,
    /// No signature of ours.
    None,
}

/// Hosts of a sending domain's own, below it; `none` takes one away.
#[derive(Debug, Args)]
pub(super) struct Hosts {
    /// The host of return paths, so that SPF aligns, as in bounce.acme.example.
    #[arg(long, value_name = "HOST")]
    pub(super) return_path: Option<String>,
    /// The host of reply and unsubscribe addresses, as in reply.acme.example.
    #[arg(long, value_name = "HOST")]
    pub(super) reply_host: Option<String>,
    /// The host of unsubscribe pages, as in link.acme.example.
    #[arg(long, value_name = "HOST")]
    pub(super) link_host: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum DomainVerb {
    /// Add a domain and print the records to publish.
    Add {
        /// Whose.
        account: String,
        /// The domain of From addresses.
        domain: String,
        /// The operator vouches for it: no proof in DNS is asked for.
        #[arg(long)]
        trust: bool,
        /// The keys to sign with.
        #[arg(long, default_value = "both")]
        dkim: Dkim,
        #[command(flatten)]
        hosts: Hosts,
        #[command(flatten)]
        form: Form,
    },
    /// List an account's domains.
    List {
        /// Whose.
        account: String,
        #[command(flatten)]
        form: Form,
    },
    /// Show a domain and the records to publish.
    Show {
        /// Whose.
        account: String,
        /// The domain.
        domain: String,
        #[command(flatten)]
        form: Form,
    },
    /// Look the records up in DNS; what is found right is used from then on.
    Verify {
        /// Whose.
        account: String,
        /// The domain.
        domain: String,
        #[command(flatten)]
        form: Form,
    },
    /// Change a domain's own hosts; they are used once their records are found.
    Set {
        /// Whose.
        account: String,
        /// The domain.
        domain: String,
        #[command(flatten)]
        hosts: Hosts,
        #[command(flatten)]
        form: Form,
    },
    /// Make new DKIM keys, which sign in place of the old once their records are found.
    Rotate {
        /// Whose.
        account: String,
        /// The domain.
        domain: String,
        /// The keys to sign with.
        #[arg(long, default_value = "both")]
        dkim: Dkim,
        #[command(flatten)]
        form: Form,
    },
    /// Remove a domain.
    Remove {
        /// Whose.
        account: String,
        /// The domain.
        domain: String,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum StreamKind {
    /// Mail that people agree to and may end.
    Marketing,
    /// Mail that answers what a person did.
    Transactional,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ConsentRule {
    /// A recipient must have agreed.
    Required,
    /// Nobody need agree.
    NotRequired,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Compliance {
    /// It is taken, and the log says what is amiss.
    Report,
    /// It is refused.
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Switch {
    /// It holds.
    On,
    /// It does not.
    Off,
}

/// When and in what shape a stream's mail leaves.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// What happens to a message that large mailbox providers would take amiss [default: report].
    #[arg(long)]
    pub(super) compliance: Option<Compliance>,
    /// When nothing is sent, as in 22:00-08:00@Europe/Berlin; `none`: never.
    #[arg(long, value_name = "HOURS@ZONE")]
    pub(super) quiet_hours: Option<String>,
    /// Subjects must begin with "AD" or "广告", as mail to China must.
    #[arg(long, num_args = 0..=1, default_missing_value = "on")]
    pub(super) ad_label: Option<Switch>,
    /// How long a consent holds after it was given, as in 24mo, 2y or 90d; `none`: until it is
    /// withdrawn [default: none].
    #[arg(long, value_name = "TERM")]
    pub(super) consent_expires: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum StreamVerb {
    /// Make a stream.
    Add {
        /// Whose.
        account: String,
        /// Its name: 1 to 32 of a-z, 0-9 and `-`.
        name: String,
        /// What kind of mail it is.
        #[arg(long)]
        kind: StreamKind,
        /// Whether recipients must have agreed [default: required on marketing streams].
        #[arg(long)]
        consent: Option<ConsentRule>,
        /// The mailbox for people's letters.
        #[arg(long, value_name = "ADDRESS")]
        reply_to: Option<String>,
        /// Let a person's opt-out bind this transactional stream too.
        #[arg(long)]
        honour_opt_out: bool,
        #[command(flatten)]
        rules: Rules,
        #[command(flatten)]
        form: Form,
    },
    /// Change when and in what shape a stream's mail leaves.
    Set {
        /// Whose.
        account: String,
        /// Its name.
        name: String,
        #[command(flatten)]
        rules: Rules,
        #[command(flatten)]
        form: Form,
    },
    /// List an account's streams.
    List {
        /// Whose.
        account: String,
        #[command(flatten)]
        form: Form,
    },
    /// Show a stream.
    Show {
        /// Whose.
        account: String,
        /// Its name.
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Show or change what people who write to a stream are answered.
    Answers {
        /// Whose.
        account: String,
        /// Its name.
        name: String,
        /// Whether a stop is confirmed to the person, and HELP answered.
        #[arg(long)]
        confirm: Option<Switch>,
        /// The language of its mail, used where a person's is not known; "" names none.
        #[arg(long, value_name = "TAG")]
        language: Option<String>,
        /// Own words of confirmation in a language; {sender}, {stream} and {undo} stand for what they say.
        #[arg(long, value_name = "TAG=FILE")]
        text: Vec<String>,
        /// Take own words back.
        #[arg(long, value_name = "TAG")]
        remove_text: Vec<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Remove a stream: its number stays taken, and answers to its mail stop the whole account's.
    Remove {
        /// Whose.
        account: String,
        /// Its name.
        name: String,
        #[command(flatten)]
        form: Form,
    },
}
