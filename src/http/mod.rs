//! People and programs come in: the unsubscribe page and one-click POST, the API, metrics and health.
//! `public` is for everybody, and its API for who shows a token; `admin` has the operator's authority and is
//! only ever served over the admin socket, whose file mode is its lock. Both are made from one `table`.

mod site;

mod member_table;
mod openapi;
mod table;

mod caller;
mod gate;
mod guard;
mod repeat;
mod route;
mod seat;
mod shape;

mod refusal;
mod serve;

mod health;
mod held;
mod vitals;

mod door;
mod form;
mod recipient;

mod by;

mod account;
mod account_page;
mod answers;
mod audit;
mod backup;
mod batch;
mod consent;
mod credential;
mod domain;
mod draft;
mod explain;
mod findings;
mod follow;
mod happening;
mod import;
mod meanings;
mod member;
mod member_words;
mod message;
mod myself;
mod named;
mod outgoing;
mod post;
mod problem;
mod reload;
mod restore;
mod rights;
mod rows;
mod session;
mod slice;
mod stream;
mod suppression;
mod tls;
mod trace;
mod waiting;
mod webhook;
mod webhook_calls;

#[cfg(test)]
mod tests;

pub use outgoing::{Outgoing, OutgoingFault};
pub use reload::Reloading;
pub use serve::{serve_tcp, serve_tls, serve_unix};
pub use site::{Parts, Site, admin, public, redirect};
pub use vitals::{Found, Vitals};
