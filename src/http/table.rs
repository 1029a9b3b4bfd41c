//! Every route of the API, in the order in which a reader meets its things.

use super::route::{Need, Route, delete, get, patch, post, put};
use super::shape::{Count, Document, List, Page, Removed};
use super::slice::Slice;
use super::{
    account, account_page, answers, audit, backup, batch, consent, credential, domain, explain,
    findings, follow, happening, held, import, meanings, member_table, message, openapi, outgoing,
    reload, restore, rights, stream, suppression, tls, trace, waiting, webhook, webhook_calls,
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
    all.extend(sending_names());
    all.extend(member_table::routes());
    all.extend(recipients());
    all.extend(webhooks());
    all.extend(mail());
    all.extend(operator());
    all.extend(recovery());
    let explain = "/api/v1/explain";
    let findings = findings::of_message;
    all.extend([
        get(
            explain,
            may(Right::RecipientsRead),
            "Say whether a person may be sent to, and why.",
            explain::explain,
        )
        .asks::<explain::Wanted>()
        .answers::<explain::View>(),
        post(
            explain,
            may(Right::StreamsRead),
            "Say what large mailbox providers would hold against a message.",
            findings,
        )
        .asks::<findings::OfMessage>()
        .answers::<findings::View>()
        .takes_raw("message/rfc822")
        .body_size_max(message_size_max),
        get(
            "/api/v1/recipients/export",
            may(Right::RecipientsExport),
            "Export all that is kept about a person.",
            rights::export,
        )
        .asks::<rights::Wanted>()
        .answers::<rights::ExportView>(),
        post(
            "/api/v1/recipients/erase",
            may(Right::RecipientsErase),
            "Destroy what is kept about a person, who stays stopped.",
            rights::erase,
        )
        .takes::<rights::Wanted>()
        .answers::<rights::ErasureView>()
        .settles(),
        get(
            "/api/v1/audit",
            may(Right::AuditRead),
            "List who did what, newest first.",
            audit::list,
        )
        .asks::<audit::Wanted>()
        .answers::<Page<audit::View>>(),
        get(
            "/api/v1/audit/{sequence}",
            may(Right::AuditRead),
            "Show who did something.",
            audit::show,
        )
        .answers::<audit::View>(),
        get("/api/v1/audit/head", Operator, "Show the last link of the audit chain.", audit::head),
        get("/api/v1/audit/verify", Operator, "Check the audit chain.", audit::verify)
            .asks::<audit::Verifying>(),
        get("/api/v1/openapi.json", Nothing, "Describe the API.", openapi::show)
            .answers::<Document>(),
        get("/api/v1/problems", Nothing, "List the kinds of problems.", meanings::list)
            .answers::<List<meanings::View>>(),
        get(
            "/api/v1/problems/{kind}",
            Nothing,
            "Say what a kind of problem means.",
            meanings::show,
        )
        .answers::<meanings::View>(),
    ]);
    all
}

/// The account and those who send for it.
fn senders() -> Vec<Route> {
    let (account_read, account_write) = (may(Right::AccountRead), may(Right::AccountWrite));
    let (read, write) = (may(Right::StreamsRead), may(Right::StreamsWrite));
    let one_account = "/api/v1/accounts/{account}";
    let page = "/api/v1/accounts/{account}/page";
    let logo = "/api/v1/accounts/{account}/page/logo";
    let streams = "/api/v1/accounts/{account}/streams";
    let one_stream = "/api/v1/accounts/{account}/streams/{stream}";
    let stream_answers = "/api/v1/accounts/{account}/streams/{stream}/answers";
    vec![
        get(one_account, account_read, "Show the account.", account::show)
            .answers::<account::WholeView>(),
        patch(one_account, account_write, "Change the account.", account::set)
            .takes::<account::Change>()
            .answers::<account::WholeView>(),
        get(page, account_read, "Show what recipients see of the account.", account_page::show)
            .answers::<account_page::View>(),
        patch(
            page,
            account_write,
            "Change what recipients see of the account.",
            account_page::change,
        )
        .takes::<account_page::Change>()
        .answers::<account_page::View>(),
        put(logo, account_write, "Set the account's logo.", account_page::put_logo)
            .takes_raw("image/png")
            .answers::<account_page::View>(),
        delete(logo, account_write, "Remove the account's logo.", account_page::remove_logo)
            .answers::<account_page::View>(),
        get(streams, read, "List the streams.", stream::list)
            .asks::<Slice>()
            .answers::<Page<stream::View>>(),
        post(streams, write, "Make a stream.", stream::add)
            .takes::<stream::NewStream>()
            .answers::<stream::View>()
            .makes(),
        get(one_stream, read, "Show a stream.", stream::show).answers::<stream::View>(),
        patch(one_stream, write, "Change a stream.", stream::set)
            .takes::<stream::Rules>()
            .answers::<stream::View>(),
        delete(one_stream, write, "Remove a stream.", stream::remove).answers::<Removed>(),
        get(
            stream_answers,
            read,
            "Show what people who write to a stream are answered.",
            answers::show,
        )
        .answers::<answers::View>(),
        post(
            stream_answers,
            write,
            "Change what people who write to a stream are answered.",
            answers::change,
        )
        .takes::<answers::Change>()
        .answers::<answers::View>(),
    ]
}

/// The names under which they send.
fn sending_names() -> Vec<Route> {
    let (domains, domains_write) = (may(Right::DomainsRead), may(Right::DomainsWrite));
    let (secrets, secrets_write) = (may(Right::CredentialsRead), may(Right::CredentialsWrite));
    let credentials = "/api/v1/accounts/{account}/credentials";
    let one_credential = "/api/v1/accounts/{account}/credentials/{name}";
    let all_domains = "/api/v1/accounts/{account}/domains";
    let one_domain = "/api/v1/accounts/{account}/domains/{domain}";
    let verify = "/api/v1/accounts/{account}/domains/{domain}/verify";
    let rotate = "/api/v1/accounts/{account}/domains/{domain}/rotate";
    vec![
        get(credentials, secrets, "List the credentials.", credential::list)
            .asks::<Slice>()
            .answers::<Page<credential::View>>(),
        post(
            credentials,
            secrets_write,
            "Make a credential; its secret is shown this once.",
            credential::add,
        )
        .takes::<credential::NewCredential>()
        .answers::<credential::MadeView>()
        .makes()
        .with_secret(),
        delete(one_credential, secrets_write, "Revoke a credential.", credential::remove)
            .answers::<Removed>(),
        get(all_domains, domains, "List the sending domains.", domain::list)
            .asks::<Slice>()
            .answers::<Page<domain::View>>(),
        post(all_domains, domains_write, "Add a sending domain.", domain::add)
            .takes::<domain::NewDomain>()
            .answers::<domain::View>()
            .makes(),
        get(one_domain, domains, "Show a sending domain and what to publish for it.", domain::show)
            .answers::<domain::View>(),
        patch(one_domain, domains_write, "Change a sending domain's hosts.", domain::set)
            .takes::<domain::Hosts>()
            .answers::<domain::View>(),
        delete(one_domain, domains_write, "Remove a sending domain.", domain::remove)
            .answers::<Removed>(),
        post(
            verify,
            domains_write,
            "Look up what is published for a sending domain.",
            domain::verify,
        )
        .answers::<domain::VerifiedView>(),
        post(rotate, domains_write, "Make new DKIM keys for a sending domain.", domain::rotate)
            .takes::<domain::Rotation>()
            .answers::<domain::View>(),
    ]
}

/// Who is told what happens.
fn webhooks() -> Vec<Route> {
    let (read, write) = (may(Right::WebhooksRead), may(Right::WebhooksWrite));
    let all = "/api/v1/accounts/{account}/webhooks";
    let one = "/api/v1/accounts/{account}/webhooks/{webhook}";
    let rotate = "/api/v1/accounts/{account}/webhooks/{webhook}/rotate";
    let pause = "/api/v1/accounts/{account}/webhooks/{webhook}/pause";
    let resume = "/api/v1/accounts/{account}/webhooks/{webhook}/resume";
    let test = "/api/v1/accounts/{account}/webhooks/{webhook}/test";
    let failed = "/api/v1/accounts/{account}/webhooks/{webhook}/failed";
    let redeliver = "/api/v1/accounts/{account}/webhooks/{webhook}/redeliver";
    let schema = "/api/v1/webhooks/schema";
    vec![
        get(all, read, "List the webhooks.", webhook::list)
            .asks::<Slice>()
            .answers::<Page<webhook::View>>(),
        post(all, write, "Make a webhook; its secret is shown this once.", webhook::add)
            .takes::<webhook::NewWebhook>()
            .answers::<webhook::MadeView>()
            .makes()
            .with_secret(),
        get(one, read, "Show a webhook and how it stands.", webhook::show)
            .answers::<webhook::View>(),
        patch(one, write, "Change a webhook.", webhook::set)
            .takes::<webhook::ChangedWebhook>()
            .answers::<webhook::View>(),
        delete(one, write, "Remove a webhook.", webhook::remove).answers::<webhook::Gone>(),
        post(rotate, write, "Make a new secret, shown this once.", webhook::rotate)
            .answers::<webhook::MadeView>()
            .with_secret(),
        post(pause, write, "Call a webhook no more.", webhook::pause).answers::<webhook::View>(),
        post(resume, write, "Call a webhook again, from where it stood.", webhook::resume)
            .answers::<webhook::View>(),
        post(test, write, "Call a webhook once, now.", webhook_calls::test)
            .answers::<webhook_calls::TrialView>(),
        get(failed, read, "List calls that were given up.", webhook_calls::failed)
            .asks::<webhook_calls::WantedCalls>()
            .answers::<Page<webhook_calls::CallView>>(),
        post(redeliver, write, "Make failed calls again.", webhook_calls::redeliver)
            .takes::<webhook_calls::Again>()
            .answers::<webhook_calls::AgainView>(),
        get(schema, Nothing, "Show what is posted, as JSON Schema.", webhook::schema)
            .answers::<Document>()
            .answers_in("application/schema+json"),
    ]
}

/// Who may be sent to.
fn recipients() -> Vec<Route> {
    let (stops, stop) = (may(Right::SuppressionsRead), may(Right::SuppressionsWrite));
    let (consents, consent) = (may(Right::ConsentsRead), may(Right::ConsentsWrite));
    let suppressions = "/api/v1/suppressions";
    let consents_path = "/api/v1/consents";
    vec![
        get(suppressions, stops, "List stops.", suppression::list)
            .asks::<suppression::Wanted>()
            .answers::<Page<suppression::View>>(),
        post(suppressions, stop, "Stop mail to a person or a domain.", suppression::add)
            .takes::<suppression::Stop>()
            .answers::<suppression::Stopped>()
            .settles(),
        delete(suppressions, stop, "Lift a stop, by its reason.", suppression::remove)
            .takes::<suppression::Stop>()
            .answers::<suppression::Lifted>(),
        post(
            "/api/v1/suppressions/batch",
            stop,
            "Stop mail to many, with a result for each.",
            batch::stop,
        )
        .takes::<batch::Batch>()
        .answers::<batch::BatchView>()
        .settles(),
        post("/api/v1/suppressions/lookup", stops, "Look many up at once.", batch::lookup)
            .takes::<batch::Lookup>()
            .answers::<List<batch::FoundView>>(),
        post("/api/v1/suppressions/import", stop, "Take in a list of stops.", import::suppressions)
            .takes::<import::Batch>()
            .answers::<import::View>()
            .settles(),
        get(consents_path, consents, "List consents.", consent::show)
            .asks::<consent::Wanted>()
            .answers::<Page<consent::View>>(),
        post(consents_path, consent, "Record a consent.", consent::grant)
            .takes::<consent::Change>()
            .answers::<consent::Recorded>(),
        delete(consents_path, consent, "Withdraw a consent.", consent::withdraw)
            .takes::<consent::Change>()
            .answers::<consent::Withdrawn>()
            .settles(),
        post("/api/v1/consents/import", consent, "Take in a list of consents.", import::consents)
            .takes::<import::Batch>()
            .answers::<import::View>()
            .settles(),
    ]
}

/// Mail on its way.
fn mail() -> Vec<Route> {
    let (read, write) = (may(Right::QueueRead), may(Right::QueueWrite));
    let (messages, events) = (may(Right::MessagesRead), may(Right::EventsRead));
    vec![
        get("/api/v1/messages", messages, "List messages, oldest first.", message::list)
            .asks::<message::Wanted>()
            .answers::<Page<happening::EventView>>(),
        get(
            "/api/v1/messages/{message}",
            messages,
            "Show a message and its whole life.",
            message::show,
        )
        .answers::<message::MessageView>(),
        get("/api/v1/events", events, "List what happened, oldest first.", happening::list)
            .asks::<happening::Wanted>()
            .answers::<happening::EventsView>(),
        get(
            "/api/v1/events/follow",
            events,
            "Follow what happens (server-sent events); `Last-Event-ID` goes on.",
            follow::follow,
        )
        .asks::<happening::Wanted>()
        .answers_in("text/event-stream"),
        get("/api/v1/queue", read, "List mail that waits.", waiting::list)
            .asks::<waiting::Wanted>()
            .answers::<waiting::QueueView>(),
        post(
            "/api/v1/queue/{verb}",
            write,
            "Retry, hold, release or cancel mail that waits.",
            waiting::act,
        )
        .takes::<waiting::Wanted>()
        .answers::<Count>(),
    ]
}

/// What concerns the whole installation.
fn operator() -> Vec<Route> {
    vec![
        get("/api/v1/accounts", Operator, "List the accounts.", account::list)
            .asks::<Slice>()
            .answers::<Page<account::View>>(),
        post("/api/v1/accounts", Operator, "Make an account.", account::add)
            .takes::<account::NewAccount>()
            .answers::<account::View>()
            .makes(),
        post(
            "/api/v1/accounts/{account}/suspend",
            Operator,
            "Let an account send nothing.",
            account::suspend,
        )
        .takes::<account::Why>()
        .answers::<account::Suspended>(),
        post(
            "/api/v1/accounts/{account}/resume",
            Operator,
            "Let an account send again.",
            account::resume,
        )
        .answers::<account::Resumed>(),
        get(
            "/api/v1/suppressions/held",
            Operator,
            "List stops that are held for a decision.",
            held::list,
        )
        .asks::<held::Wanted>(),
        post(
            "/api/v1/suppressions/held/{verb}",
            Operator,
            "Apply or drop stops that are held.",
            held::decide,
        )
        .takes::<held::Decided>()
        .settles(),
        post(
            "/api/v1/suppressions/recall",
            Operator,
            "Lift stops that a site's fault made.",
            held::recall,
        )
        .takes::<held::Recalling>(),
        get(
            "/api/v1/trace",
            Operator,
            "Look on at SMTP sessions as they are spoken (server-sent events); nothing is recorded.",
            trace::follow,
        )
        .asks::<trace::Wanted>()
        .answers_in("text/event-stream"),
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
        post("/api/v1/delivery/{verb}", Operator, "Suspend or resume a site.", outgoing::act)
            .takes::<outgoing::Wanted>(),
        get("/api/v1/tls", Operator, "Show our certificates.", tls::list),
        post("/api/v1/tls/renew", Operator, "Ask the authority for a certificate now.", tls::renew)
            .takes::<tls::Wanted>(),
        post(
            "/api/v1/reload",
            Operator,
            "Read the settings anew, and the files that they name.",
            reload::reload,
        ),
    ]
}

/// A copy of all, and what is held since one was put back.
fn recovery() -> Vec<Route> {
    vec![
        get("/api/v1/backup", Operator, "Say how the last backup ended.", backup::last),
        post("/api/v1/backup", Operator, "Take a backup.", backup::take)
            .takes::<backup::Wanted>()
            .answers_in("application/x-tar")
            .body_size_max(backup::SETTINGS_MAX),
        get("/api/v1/restore", Operator, "Say what is held since a restore.", restore::show),
        post(
            "/api/v1/restore/rows",
            Operator,
            "Take in what was said after the backup.",
            restore::rows,
        )
        .takes::<restore::Rows>(),
        post(
            "/api/v1/restore/files",
            Operator,
            "Note that a file was taken in whole.",
            restore::file,
        )
        .takes::<restore::File>(),
        post(
            "/api/v1/restore/release",
            Operator,
            "Let mail go that is held since a restore.",
            restore::release,
        )
        .takes::<restore::Release>(),
    ]
}
