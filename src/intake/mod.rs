//! Mail comes in: listeners, authentication, admission, submission, inbound. Here the protocol's steps
//! meet sockets, policy and the queue.

mod admission;
mod allowance;
mod authentication;
mod connection;
mod driver;
mod inbound;
mod listener;
mod smtpapi;
mod submission;

use crate::accounts::{Accounts, Failures};
use crate::config::Live;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::replies::Desk;
use crate::telemetry::Level;
use crate::tls;
use crate::world::crowd::Crowd;
use crate::world::{Turns, World};
use std::net::IpAddr;
use std::sync::Arc;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Port {
    /// Submission with STARTTLS.
    Submission,
    /// Submission over implicit TLS.
    Submissions,
    /// Mail from other mail servers.
    Inbound,
}

impl Port {
    /// As figures are labelled with it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Submission => "submission",
            Self::Submissions => "submissions",
            Self::Inbound => "inbound",
        }
    }
}

/// What intake needs.
pub struct Parts {
    /// The settings.
    pub config: Live,
    /// Where accepted mail goes.
    pub queue: Arc<dyn Queue>,
    /// Who may send.
    pub accounts: Accounts,
    /// Whom they may send to.
    pub policy: Policy,
    /// Who reads what comes back.
    pub desk: Arc<Desk>,
    /// Our certificate.
    pub tls: Arc<tls::Server>,
    /// Clock and chance.
    pub world: World,
}

/// Mail's way in.
pub struct Intake {
    parts: Parts,
    submission_limits: Crowd,
    inbound_limits: Crowd,
    failures: Failures,
    /// Kibibytes that inbound messages may take in memory together.
    inbound_memory: Turns,
    levels: Levels,
}

/// How much is in use of what clients may take.
struct Levels {
    submission: Level,
    inbound: Level,
    inbound_memory: Level,
}

/// An address on the network as Received has it (RFC 5321 §4.1.3).
fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("[{v4}]"),
        IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
    }
}

impl Intake {
    /// The names under which this relay takes mail, as its Received fields have them.
    fn own_names(&self) -> [&str; 2] {
        [&self.parts.config.hostname, self.parts.config.reply_domain()]
    }

    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.submission_limits.count() + self.inbound_limits.count()
    }

    /// Builds the way in.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let live = &parts.config;
        let kibibytes = live.now(|c| c.inbound.memory_max.bytes() / 1024);
        Arc::new(Self {
            submission_limits: Crowd::new(
                live.now(|c| c.submission.connections_max),
                live.now(|c| c.submission.connections_per_address_max),
            ),
            inbound_limits: Crowd::new(
                live.now(|c| c.inbound.connections_max),
                live.now(|c| c.inbound.connections_per_address_max),
            ),
            failures: Failures::new(live.now(|c| c.submission.auth_failures_max)),
            inbound_memory: Turns::new(kibibytes),
            levels: Levels {
                submission: Level::new(
                    "submission.connections_max",
                    live.now(|c| c.submission.connections_max.into()),
                ),
                inbound: Level::new(
                    "inbound.connections_max",
                    live.now(|c| c.inbound.connections_max.into()),
                ),
                inbound_memory: Level::new(
                    "inbound.memory_max",
                    live.now(|c| c.inbound.memory_max.0),
                ),
            },
            parts,
        })
    }
}
