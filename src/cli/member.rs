//! Verbs about people who log in: members of accounts, and their sessions.

use super::arguments::Form;
use super::client::{Client, Fault, path};
use super::show::{self, Column};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

const MEMBER: [Column; 5] = [
    ("ADDRESS", "address"),
    ("NAME", "name"),
    ("ROLE", "role"),
    ("TOTP", "totp"),
    ("SINCE", "since"),
];
const INVITATION: [Column; 4] =
    [("INVITATION", "invitation"), ("ADDRESS", "address"), ("ROLE", "role"), ("ENDS", "ends")];
const SESSION: [Column; 6] = [
    ("SESSION", "session"),
    ("CREATED", "created"),
    ("SEEN", "seen"),
    ("ENDS", "ends"),
    ("FROM", "ip"),
    ("PROGRAM", "agent"),
];

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Role {
    /// Answers for the account: there is always one.
    Owner,
    /// Does all but make or unmake owners.
    Admin,
    /// Builds what sends: streams, domains, credentials, webhooks.
    Developer,
    /// Looks.
    Viewer,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum MemberVerb {
    /// Invite somebody into an account, by mail.
    Invite {
        /// The account.
        account: String,
        /// The address they will log in with.
        address: String,
        /// What they will be.
        #[arg(long)]
        role: Role,
        /// Print the link and mail nothing.
        #[arg(long)]
        print: bool,
        #[command(flatten)]
        form: Form,
    },
    /// List an account's members.
    List {
        /// The account.
        account: String,
        #[command(flatten)]
        form: Form,
    },
    /// List an account's invitations that wait.
    Invitations {
        /// The account.
        account: String,
        #[command(flatten)]
        form: Form,
    },
    /// Take an invitation back.
    Revoke {
        /// The account.
        account: String,
        /// The invitation, as `member invitations` names it.
        invitation: String,
        #[command(flatten)]
        form: Form,
    },
    /// Change what a member is, or take a lost authenticator away.
    #[command(group(clap::ArgGroup::new("change").required(true).args(["role", "remove_totp"])))]
    Set {
        /// The account.
        account: String,
        /// The member's address.
        address: String,
        /// What they are from now on.
        #[arg(long)]
        role: Option<Role>,
        /// Take the authenticator away, and end all sessions.
        #[arg(long)]
        remove_totp: bool,
        #[command(flatten)]
        form: Form,
    },
    /// Take a member out of an account.
    Remove {
        /// The account.
        account: String,
        /// The member's address.
        address: String,
        #[command(flatten)]
        form: Form,
    },
    /// Mail a member a link for a new password.
    Reset {
        /// The account.
        account: String,
        /// The member's address.
        address: String,
        /// Print the link and mail nothing.
        #[arg(long)]
        print: bool,
        #[command(flatten)]
        form: Form,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SessionVerb {
    /// List a member's sessions.
    List {
        /// The account.
        account: String,
        /// The member's address.
        address: String,
        #[command(flatten)]
        form: Form,
    },
    /// End a session of a member, or all.
    #[command(group(clap::ArgGroup::new("which").required(true).args(["session", "all"])))]
    Revoke {
        /// The account.
        account: String,
        /// The member's address.
        address: String,
        /// The session, as `session list` names it.
        session: Option<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        form: Form,
    },
}

/// `relent member …`
pub(super) async fn member(client: &Client, verb: MemberVerb) -> Result<(), Fault> {
    match verb {
        MemberVerb::Invite { account, address, role, print, form } => {
            let body = json!({"address": address, "role": role.name(), "print": print});
            let made = client.post(&path(&["accounts", &account, "members"]), &body).await?;
            linked(&made, form, &format!("{address} is invited by mail"))
        }
        MemberVerb::List { account, form } => {
            let path = path(&["accounts", &account, "members"]);
            show::listing(client, &path, &[], &MEMBER, form).await.map(drop)
        }
        MemberVerb::Invitations { account, form } => {
            let path = path(&["accounts", &account, "invitations"]);
            show::listing(client, &path, &[], &INVITATION, form).await.map(drop)
        }
        MemberVerb::Revoke { account, invitation, form } => {
            let path = path(&["accounts", &account, "invitations", &invitation]);
            tell(&client.delete(&path, None).await?, form, "the invitation is taken back")
        }
        MemberVerb::Set { account, address, role, form, .. } => match role {
            Some(role) => {
                let path = path(&["accounts", &account, "members", &address]);
                let set = client.patch(&path, &json!({"role": role.name()})).await?;
                tell(&set, form, &format!("{address} is {} of {account}", role.name()))
            }
            None => {
                let path = path(&["accounts", &account, "members", &address, "totp"]);
                let removed = client.delete(&path, None).await?;
                tell(&removed, form, &format!("{address} has no authenticator any more"))
            }
        },
        MemberVerb::Remove { account, address, form } => {
            let path = path(&["accounts", &account, "members", &address]);
            let removed = client.delete(&path, None).await?;
            tell(&removed, form, &format!("{address} belongs to {account} no more"))
        }
        MemberVerb::Reset { account, address, print, form } => {
            let path = path(&["accounts", &account, "members", &address, "reset"]);
            let made = client.post(&path, &json!({"print": print})).await?;
            linked(&made, form, &format!("a link for a new password goes to {address}"))
        }
    }
}

/// `relent session …`
pub(super) async fn session(client: &Client, verb: SessionVerb) -> Result<(), Fault> {
    match verb {
        SessionVerb::List { account, address, form } => {
            let path = path(&["accounts", &account, "members", &address, "sessions"]);
            show::listing(client, &path, &[], &SESSION, form).await.map(drop)
        }
        SessionVerb::Revoke { account, address, session, form, .. } => {
            let mut segments = vec!["accounts", &account, "members", &address, "sessions"];
            segments.extend(session.as_deref());
            let ended = client.delete(&path(&segments), None).await?;
            let count = ended["ended"].as_u64().unwrap_or(0);
            tell(&ended, form, &format!("sessions of {address} ended: {count}"))
        }
    }
}

/// A link that was printed, or that it was mailed.
fn linked(made: &Value, form: Form, mailed: &str) -> Result<(), Fault> {
    match made["link"].as_str() {
        Some(link) if !form.json => {
            show::line(link)?;
            let until = made["ends"].as_str().unwrap_or_default();
            show::line(&format!("It is shown this once, serves once, and holds until {until}."))
        }
        _ => tell(made, form, mailed),
    }
}

fn tell(answer: &Value, form: Form, said: &str) -> Result<(), Fault> {
    if form.json { show::json(answer) } else { show::line(said) }
}
