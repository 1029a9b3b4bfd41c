//! Reports of how TLS fared (RFC 8460): each connection's result is counted for the domain it was for
//! ([`tally`]); a day later a domain that asks is told ([`daily`]), in its own format ([`report`]).

mod daily;
mod report;
mod tally;

pub(super) use tally::{Counted, Tally};
