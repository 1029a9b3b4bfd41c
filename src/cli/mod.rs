//! The operator's verbs. Most are a client of the API, over the admin socket that the settings name;
//! `serve` and `demo` run the whole here; `check`, `classify` and `store recover` need no daemon.
//!
//! Exit codes: 0 done; 1 refused, not found, or recorded while one message may still arrive; 2 usage;
//! 3 the daemon cannot be reached.

mod account;
mod arguments;
mod audit;
mod backup;
mod cells;
mod classify;
mod client;
mod delivery;
mod doctor;
mod events;
mod explain;
mod export;
mod happened;
mod held;
mod import;
mod json_items;
mod letter;
mod local;
mod look;
mod manual;
mod member;
mod paint;
mod progress;
mod queue;
mod recipients;
mod reload;
mod replay;
mod restore;
mod rights;
mod rows;
mod run;
mod sample;
mod sandbox;
mod send;
mod sender_arguments;
mod senders;
mod service_lists;
mod services;
mod show;
mod submit;
mod terminal;
mod tls;
mod top;
mod trace;
mod webhook;

pub use arguments::Cli;
pub use run::run;
