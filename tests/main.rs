//! Relent tested from outside: the house's own rules, stories over the real daemon with real clients,
//! a name server on loopback and a mail server that misbehaves on command, and crashes.

// The small world of `support` serves every story; what is public in it is so to them.
#![allow(unreachable_pub)]
// A test that fails says what it saw.
#![allow(clippy::panic, clippy::print_stderr)]

mod support;

mod books;
mod bounds;
mod certificates;
mod crash;
mod encryption;
mod fuzz;
mod hostile;
mod interop;
mod journeys;
mod packaging;
mod recovery;
mod reload;
mod replies;
mod service;
mod tidy;
mod watch;
mod webhooks;
