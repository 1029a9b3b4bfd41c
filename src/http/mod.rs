//! People and programs come in: the unsubscribe page and one-click POST, the operator's API, metrics
//! and health. `public` is for everybody; `admin` has the operator's authority and is only ever
//! served over the admin socket, whose file mode is its lock.

mod site;

mod refusal;
mod serve;

mod health;
mod held;
mod vitals;

mod form;
mod recipient;

mod by;

mod account;
mod account_page;
mod answers;
mod audit;
mod consent;
mod credential;
mod domain;
mod explain;
mod findings;
mod import;
mod named;
mod outgoing;
mod problem;
mod stream;
mod suppression;
mod waiting;

#[cfg(test)]
mod tests;

pub use outgoing::{Outgoing, OutgoingFault};
pub use serve::{serve_tcp, serve_unix};
pub use site::{Parts, Site, admin, public};
pub use vitals::{Found, Vitals};
