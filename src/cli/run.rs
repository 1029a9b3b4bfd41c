//! From a typed line to its exit code.

use super::arguments::{Cli, Person, Verb};
use super::audit::AuditVerb;
use super::client::{Client, Fault};
use super::webhook::WebhookVerb;
use super::{
    audit, backup, classify, delivery, doctor, explain, happened, local, manual, member, paint,
    queue, recipients, reload, restore, rights, send, senders, show, tls, top, trace, webhook,
};
use crate::config::{Config, DEFAULT_PATH};
use crate::webhooks;
use clap::{CommandFactory, FromArgMatches};
use std::path::Path;
use std::process::ExitCode;

/// Reads the command line, does what it says, and returns the exit code of the contract.
#[must_use]
pub fn run() -> ExitCode {
    // Clap ends the process itself with 2 when the line is not understood, 0 for help.
    let command = manual::helped(Cli::command(), &[]);
    let read = command.color(paint::wanted(std::env::args_os())).get_matches();
    let cli = Cli::from_arg_matches(&read).unwrap_or_else(|fault| fault.exit());
    let paint = cli.color.aside();
    match obey(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            show::fault(&fault.to_string(), paint);
            ExitCode::from(fault.code())
        }
    }
}

fn obey(cli: Cli) -> Result<(), Fault> {
    let named = cli.config.as_deref();
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    match cli.verb {
        Verb::Serve => local::serve(path),
        Verb::Demo { keep } => local::demo(keep),
        Verb::Check { sandbox: true, form, .. } => local::check_sandbox(path, form),
        Verb::Check { changed, form, .. } => local::check(path, changed, form),
        Verb::Store(verb) => local::store(&verb, path),
        Verb::Audit(AuditVerb::Verify { head, offline: true, form }) => {
            local::audit(head.as_deref(), path, form)
        }
        Verb::Classify { files, tried, form } => classify::classify(&files, named, &tried, form),
        Verb::Webhook(WebhookVerb::Schema) => show::put(webhooks::SCHEMA),
        Verb::Backup(arguments) => {
            let config = settings(named)?;
            runtime()?.block_on(backup::backup(arguments, &config, path))
        }
        Verb::Restore(arguments) => {
            let config = settings(named)?;
            runtime()?.block_on(restore::restore(arguments, &config, path))
        }
        Verb::Man { out } => manual::man(&out),
        Verb::Completions { shell } => manual::completions(shell),
        verb => {
            let client = Client::new(&settings(named)?, path);
            runtime()?.block_on(speak(&client, path, verb))
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|fault| Fault::Refused(format!("cannot start: {fault}")))
}

/// Settings for a verb that only needs to find the daemon: those of a file that is named must be
/// there; without any, the daemon's defaults hold here too.
fn settings(named: Option<&Path>) -> Result<Config, Fault> {
    let path = named.unwrap_or(Path::new(DEFAULT_PATH));
    if named.is_none() && !path.exists() {
        return Ok(Config::default());
    }
    local::load(path)
}

async fn speak(client: &Client, file: &Path, verb: Verb) -> Result<(), Fault> {
    match verb {
        Verb::Reload { form } => reload::reload(client, form).await,
        Verb::Account(verb) => senders::account(client, verb).await,
        Verb::Member(verb) => member::member(client, verb).await,
        Verb::Session(verb) => member::session(client, verb).await,
        Verb::Credential(verb) => senders::credential(client, verb).await,
        Verb::Domain(verb) => senders::domain(client, verb).await,
        Verb::Stream(verb) => senders::stream(client, verb).await,
        Verb::Suppression(verb) => recipients::suppression(client, verb).await,
        Verb::Consent(verb) => recipients::consent(client, verb).await,
        Verb::Explain { target, address: Some(address), form, .. } => {
            recipients::explain(client, &Person { target, address }, form).await
        }
        Verb::Explain { target, message, form, .. } => {
            explain::message(client, &target, message.as_deref(), form).await
        }
        Verb::Top(asked) => top::top(client, asked).await,
        Verb::Trace(asked) => trace::trace(client, asked).await,
        Verb::Doctor(asked) => doctor::doctor(client, file, *asked).await,
        Verb::Send(sending) => send::send(client, *sending).await,
        Verb::Recipient(verb) => rights::recipient(client, verb).await,
        Verb::Tls(verb) => tls::tls(client, verb).await,
        Verb::Audit(verb) => audit::audit(client, verb).await,
        Verb::Webhook(verb) => webhook::webhook(client, verb).await,
        Verb::Queue(verb) => queue::queue(client, verb).await,
        Verb::Events(verb) => happened::events(client, verb).await,
        Verb::Delivery(verb) => delivery::delivery(client, verb).await,
        Verb::Serve
        | Verb::Demo { .. }
        | Verb::Check { .. }
        | Verb::Store(_)
        | Verb::Backup(_)
        | Verb::Restore(_)
        | Verb::Man { .. }
        | Verb::Completions { .. }
        | Verb::Classify { .. } => Ok(()),
    }
}
