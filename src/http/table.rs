//! Every route of the API, in the order in which a reader meets its things.

use super::route::{Need, Route, delete, get, patch, post};
use super::{
    account, answers, consent, credential, domain, explain, findings, held, import, meanings,
    outgoing, stream, suppression, waiting,
};
use crate::accounts::Right;
use crate::config::Config;

use Need::{Nothing, Operator};

const fn may(right: Right) -> Need {
    Need::Right(right)
}

/// The routes.
pub(super) fn routes(config: &Config) -> Vec<Route> {
    let message_size_max = config.submission.message_size_max.bytes();
    let mut all = senders();
    all.extend(recipients());
    all.extend(mail());
    all.extend(operator());
    let explain = "/api/v1/explain";
    let findings = findings::of_message;
    all.extend([
        get(
            explain,
            may(Right::RecipientsRead),
            "Say whether a person may be sent to, and why.",
            explain::explain,
        ),
        post(
            explain,
            may(Right::StreamsRead),
            "Say what large mailbox providers would hold against a message.",
            findings,
        )
        .body_size_max(message_size_max),
        get("/api/v1/problems", Nothing, "List the kinds of problems.", meanings::list),
        get(
            "/api/v1/problems/{kind}",
            Nothing,
            "Say what a kind of problem means.",
            meanings::show,
        ),
    ]);
    all
}

/// The account and those who send for it.
fn senders() -> Vec<Route> {
    let (account_read, account_write) = (may(Right::AccountRead), may(Right::AccountWrite));
    let (read, write) = (may(Right::StreamsRead), may(Right::StreamsWrite));
    let (domains, domains_write) = (may(Right::DomainsRead), may(Right::DomainsWrite));
    let (secrets, secrets_write) = (may(Right::CredentialsRead), may(Right::CredentialsWrite));
    let one_account = "/api/v1/accounts/{account}";
    let streams = "/api/v1/accounts/{account}/streams";
    let one_stream = "/api/v1/accounts/{account}/streams/{stream}";
    let stream_answers = "/api/v1/accounts/{account}/streams/{stream}/answers";
    let credentials = "/api/v1/accounts/{account}/credentials";
    let one_credential = "/api/v1/accounts/{account}/credentials/{name}";
    let all_domains = "/api/v1/accounts/{account}/domains";
    let one_domain = "/api/v1/accounts/{account}/domains/{domain}";
    let verify = "/api/v1/accounts/{account}/domains/{domain}/verify";
    let rotate = "/api/v1/accounts/{account}/domains/{domain}/rotate";
    vec![
        get(one_account, account_read, "Show the account.", account::show),
        patch(one_account, account_write, "Change the account.", account::set),
        get(streams, read, "List the streams.", stream::list),
        post(streams, write, "Make a stream.", stream::add),
        get(one_stream, read, "Show a stream.", stream::show),
        patch(one_stream, write, "Change a stream.", stream::set),
        delete(one_stream, write, "Remove a stream.", stream::remove),
        get(
            stream_answers,
            read,
            "Show what people who write to a stream are answered.",
            answers::show,
        ),
        post(
            stream_answers,
            write,
            "Change what people who write to a stream are answered.",
            answers::change,
        ),
        get(credentials, secrets, "List the credentials.", credential::list),
        post(
            credentials,
            secrets_write,
            "Make a credential; its secret is shown this once.",
            credential::add,
        ),
        delete(one_credential, secrets_write, "Revoke a credential.", credential::remove),
        get(all_domains, domains, "List the sending domains.", domain::list),
        post(all_domains, domains_write, "Add a sending domain.", domain::add),
        get(one_domain, domains, "Show a sending domain and what to publish for it.", domain::show),
        patch(one_domain, domains_write, "Change a sending domain's hosts.", domain::set),
        delete(one_domain, domains_write, "Remove a sending domain.", domain::remove),
        post(
            verify,
            domains_write,
            "Look up what is published for a sending domain.",
            domain::verify,
        ),
        post(rotate, domains_write, "Make new DKIM keys for a sending domain.", domain::rotate),
    ]
}

/// Who may be sent to.
fn recipients() -> Vec<Route> {
    let (stops, stop) = (may(Right::SuppressionsRead), may(Right::SuppressionsWrite));
    let (consents, consent) = (may(Right::ConsentsRead), may(Right::ConsentsWrite));
    let suppressions = "/api/v1/suppressions";
    let consents_path = "/api/v1/consents";
    vec![
        get(suppressions, stops, "List stops.", suppression::list),
        post(suppressions, stop, "Stop mail to a person or a domain.", suppression::add),
        delete(suppressions, stop, "Lift a stop, by its reason.", suppression::remove),
        post("/api/v1/suppressions/import", stop, "Take in a list of stops.", import::suppressions),
        get(consents_path, consents, "List consents.", consent::show),
        post(consents_path, consent, "Record a consent.", consent::grant),
        delete(consents_path, consent, "Withdraw a consent.", consent::withdraw),
        post("/api/v1/consents/import", consent, "Take in a list of consents.", import::consents),
    ]
}

/// Mail on its way.
fn mail() -> Vec<Route> {
    let (read, write) = (may(Right::QueueRead), may(Right::QueueWrite));
    vec![
        get("/api/v1/queue", read, "List mail that waits.", waiting::list),
        post(
            "/api/v1/queue/{verb}",
            write,
            "Retry, hold, release or cancel mail that waits.",
            waiting::act,
        ),
    ]
}

/// What concerns the whole installation.
fn operator() -> Vec<Route> {
    vec![
        get("/api/v1/accounts", Operator, "List the accounts.", account::list),
        post("/api/v1/accounts", Operator, "Make an account.", account::add),
        get(
            "/api/v1/suppressions/held",
            Operator,
            "List stops that are held for a decision.",
            held::list,
        ),
        post(
            "/api/v1/suppressions/held/{verb}",
            Operator,
            "Apply or drop stops that are held.",
            held::decide,
        ),
        post(
            "/api/v1/suppressions/recall",
            Operator,
            "Lift stops that a site's fault made.",
            held::recall,
        ),
        get("/api/v1/queue/summary", Operator, "Count what waits.", waiting::summary),
        get(
            "/api/v1/delivery/sites",
            Operator,
            "List the sites that mail goes to.",
            outgoing::list,
        ),
        get("/api/v1/delivery/sites/{domain}", Operator, "Show a domain's site.", outgoing::site),
        post(
            "/api/v1/delivery/probe/{domain}",
            Operator,
            "Say what would happen to mail for a domain.",
            outgoing::probe,
        ),
        post("/api/v1/delivery/{verb}", Operator, "Suspend or resume a site.", outgoing::act),
    ]
}
