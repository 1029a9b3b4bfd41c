//! The sections about who may come in and how much: `[accounts]`, the limits of accounts that have none of
//! their own, and `[members]`, passwords, sessions and invitations.

use super::section::sections;
use super::unit::{Size, Span};
use serde::{Deserialize, Serialize};

/// Least memory and passes of argon2id that guard a password, as OWASP has them.
const MEMORY_MIN: Size = Size::megabytes(19);
const PASSES_MIN: u32 = 2;
/// Most of both: a login must not take minutes, nor all memory.
const MEMORY_MAX: Size = Size::megabytes(2048);
const PASSES_MAX: u32 = 100;
const LANES_MAX: u32 = 64;

/// What of them cannot be: its key and the reason.
pub(super) fn fault(members: &Members) -> Option<(&'static str, String)> {
    let Members { password_memory, password_passes, password_lanes, .. } = members;
    if !(MEMORY_MIN..=MEMORY_MAX).contains(password_memory) {
        let reason = format!("it may be {MEMORY_MIN} to {MEMORY_MAX}: less guards no password");
        return Some(("members.password_memory", reason));
    }
    if !(PASSES_MIN..=PASSES_MAX).contains(password_passes) {
        let reason = format!("it may be {PASSES_MIN} to {PASSES_MAX}: less guards no password");
        return Some(("members.password_passes", reason));
    }
    if *password_lanes > LANES_MAX {
        return Some(("members.password_lanes", format!("it may be 1 to {LANES_MAX}")));
    }
    if members.session_idle_max > members.session_age_max {
        let reason = "it is longer than session_age_max, which ends every session";
        return Some(("members.session_idle_max", reason.into()));
    }
    None
}

sections! {
    /// `[accounts]`: what an account may have and send that has no limits of its own.
    Accounts {
        /// Most credentials of an account.
        credentials_max: u32 = 1000,
        /// Most sending domains of an account.
        domains_max: u32 = 1000,
        /// Most streams of an account.
        streams_max: u32 = 1000,
        /// Most webhooks of an account.
        webhooks_max: u32 = 100,
        /// Most members of an account, those invited included.
        members_max: u32 = 1000,
        /// Most messages of an account in a second; 0 sets no limit.
        messages_per_second_max: u32 = 0,
        /// Most messages of an account in a minute; 0 sets no limit.
        messages_per_minute_max: u32 = 0,
        /// Most recipients of an account in a day; 0 sets no limit.
        recipients_per_day_max: u64 = 0,
        /// How often a wait that mail of a suspended account makes is looked at again.
        suspended_wait: Span = Span::minutes(60),
    }

    /// `[members]`: people who log in: passwords, sessions, invitations.
    Members {
        /// Memory that the hash of a password takes (argon2id); never less than 19MB.
        password_memory: Size = Size::megabytes(19),
        /// Passes of that hash over its memory; never less than 2.
        password_passes: u32 = 2,
        /// Lanes of that hash.
        password_lanes: u32 = 1,
        /// Most passwords hashed at a time.
        hashes_max: u32 = 2,
        /// Most logins that wait for their turn to be hashed; one more is answered 503.
        hashes_waiting_max: u32 = 32,
        /// Wrong passwords from one address (IPv6: one /64) for one member after which each further one doubles a wait.
        failures_max: u32 = 5,
        /// Wrong passwords from one address (IPv6: one /64) for all members together after which the same holds.
        failures_per_address_max: u32 = 30,
        /// Longest such wait; so long after its end failures are forgotten.
        failure_wait_max: Span = Span::minutes(15),
        /// Wrong passwords for one member, from wherever, after which answers to logins of that name are held back, ever longer: nobody is locked out.
        failures_per_member_max: u32 = 20,
        /// Longest time that they are held back.
        failure_delay_max: Span = Span::seconds(5),
        /// Failures remembered at a time; past it the oldest are forgotten.
        failures_remembered_max: u32 = 100_000,
        /// How long a session lasts that is not used.
        session_idle_max: Span = Span::minutes(2 * 60),
        /// How long a session lasts that is.
        session_age_max: Span = Span::minutes(24 * 60),
        /// How coarsely is written down when a session was used last.
        session_seen_interval: Span = Span::minutes(5),
        /// Most sessions of a member; one more ends the oldest.
        sessions_max: u32 = 20,
        /// How long ago a member may have proved who it is for credentials, members and what is held on people.
        step_up_age_max: Span = Span::minutes(15),
        /// How long an invitation holds.
        invitation_age_max: Span = Span::minutes(7 * 24 * 60),
        /// Most invitations of an account in a day.
        invitations_per_day_max: u32 = 50,
        /// How long a link for a new password holds.
        reset_age_max: Span = Span::minutes(60),
        /// Most such links of a member in a day.
        resets_per_day_max: u32 = 3,
        /// Most such links in a day in all.
        resets_max: u32 = 1000,
    }
}
