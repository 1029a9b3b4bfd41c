//! `/u/TOKEN`: looking changes nothing; a POST stops, at once, and is acknowledged only when no dot
//! can follow.

use super::form::Fields;
use super::page::{Button, Language, page};
use super::person::{Lookups, Person};
use super::problem::Problem;
use super::serve::Peer;
use super::site::Parts;
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::{Address, Timestamp};
use crate::policy::{Settled, Token};
use crate::queue::{self, Stop};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What a stop came to.
struct Stopped {
    settled: Settled,
    /// The token to undo it, while it can be undone.
    undo: Option<String>,
}

async fn stop(
    parts: &Parts,
    person: &Person,
    scope: Scope,
    evidence: Evidence,
) -> Result<Stopped, Problem> {
    let (account, subject) = (person.account.id, person.subject());
    let stop = Stop {
        account,
        recipient: person.hash,
        subject: subject.clone(),
        scope,
        reason: Reason::OptOut,
        evidence,
        grounds: None,
    };
    let (event, settled) = queue::stop(&parts.policy, &parts.queue, stop).await?;
    let undo = parts.policy.undo_token(account, &subject, event)?;
    Ok(Stopped { settled, undo })
}

/// The asker's address on the network, where it has one.
fn asker(peer: Option<Extension<Peer>>, headers: &HeaderMap) -> Option<String> {
    let Extension(peer) = peer?;
    peer.asker(headers).map(|ip| ip.to_string())
}

fn evidence(source: Source, ip: Option<String>) -> Evidence {
    Evidence { source, text: String::new(), ip, message: None }
}

/// The page that asks.
pub(super) async fn show(
    State(parts): State<Parts>,
    Extension(lookups): Extension<Lookups>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(&headers);
    if let Some(answer) = show_undo(&parts, language, &token) {
        return answer;
    }
    let person = match Person::find(&parts, &lookups, &token).await {
        Ok(Some(person)) => person,
        Ok(None) => return unknown(language),
        Err(fault) => return failed(language, &fault.into()),
    };
    let (sender, stream) = (&person.account.name, &person.stream.name);
    let masked = person.address.as_ref().map(Address::masked);
    let to = masked.unwrap_or_else(|| language.say("you", "您").to_owned());
    let whole = Button {
        choice: "account",
        undo: None,
        label: match language {
            Language::English => format!("Stop all newsletters and offers from {sender}"),
            Language::Chinese => format!("退订 {sender} 的全部推广邮件"),
        },
    };
    let (line, buttons) = match (person.stream.opt_out_scope(), language) {
        (Scope::Stream(_), Language::English) => {
            let label = format!("Stop “{stream}”");
            let this = Button { choice: "stream", undo: None, label };
            (format!("{sender} sends “{stream}” to {to}. What should end?"), vec![this, whole])
        }
        (Scope::Stream(_), Language::Chinese) => {
            let label = format!("退订“{stream}”");
            let this = Button { choice: "stream", undo: None, label };
            (format!("{sender} 向 {to} 发送“{stream}”。请选择要退订的内容："), vec![this, whole])
        }
        (_, Language::English) => (format!("{sender} sends mail to {to}."), vec![whole]),
        (_, Language::Chinese) => (format!("{sender} 向 {to} 发送邮件。"), vec![whole]),
    };
    let heading = language.say("Unsubscribe", "退订邮件");
    page(StatusCode::OK, language, heading, &[line], &buttons)
}

/// A form: a mail client's one click (RFC 8058), or one of the page's own.
pub(super) async fn act(
    State(parts): State<Parts>,
    Extension(lookups): Extension<Lookups>,
    Path(token): Path<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Response {
    let language = Language::of(&headers);
    if let (Ok(Some(Token::Undo { .. })), Ok(fields)) = (parts.policy.open(&token), &fields) {
        return match fields.value("choice") {
            Some("undo") => undo(&parts, language, &token, asker(peer, &headers)).await,
            _ => {
                let text = "this address undoes a stop, with the button of its page";
                misread(language, &headers, Problem::new(StatusCode::BAD_REQUEST, text))
            }
        };
    }
    let person = match Person::find(&parts, &lookups, &token).await {
        Ok(Some(person)) => person,
        Ok(None) => return unknown(language),
        Err(fault) => return failed(language, &fault.into()),
    };
    let fields = match fields {
        Ok(fields) => fields,
        Err(problem) => return misread(language, &headers, problem),
    };
    let ip = asker(peer, &headers);
    //= https://www.rfc-editor.org/rfc/rfc8058#section-3.2
    //# The target of the POST action is the same as the one in the GET action for a manual
    //# unsubscription
    let one_click = fields.value("List-Unsubscribe");
    if one_click.is_some_and(|value| value.trim().eq_ignore_ascii_case("One-Click")) {
        let evidence = evidence(Source::OneClick, ip);
        return match stop(&parts, &person, person.stream.opt_out_scope(), evidence).await {
            Ok(Stopped { settled: Settled::Fully, .. }) => "unsubscribed\n".into_response(),
            Ok(_) => {
                let text = "recorded; one message may still arrive\n";
                (StatusCode::ACCEPTED, text).into_response()
            }
            Err(problem) => problem.into_response(),
        };
    }
    let scope = match fields.value("choice") {
        Some("stream") => person.stream.opt_out_scope(),
        Some("account") => Scope::Account,
        Some("undo") => {
            return undo(&parts, language, fields.value("undo").unwrap_or_default(), ip).await;
        }
        _ => {
            let text =
                "the form says neither `List-Unsubscribe=One-Click` nor a choice of the page";
            return misread(language, &headers, Problem::new(StatusCode::BAD_REQUEST, text));
        }
    };
    match stop(&parts, &person, scope, evidence(Source::Page, ip)).await {
        Ok(stopped) => farewell(language, &person, scope, stopped),
        Err(problem) => failed(language, &problem),
    }
}

/// The page that a confirmation's link opens: whether the stop shall be undone. Programs that follow
/// links change nothing by looking.
fn show_undo(parts: &Parts, language: Language, token: &str) -> Option<Response> {
    let until = match parts.policy.open(token) {
        Ok(Some(Token::Undo { until, .. })) => until,
        Ok(_) => return None,
        Err(fault) => return Some(failed(language, &fault.into())),
    };
    if until <= parts.world.clock.now() {
        return Some(no_way_back(language));
    }
    let heading = language.say("Undo?", "撤销退订？");
    let line = language.say(
        "You asked for no more of this mail. If that was a mistake, it comes again as before.",
        "您已退订。如果是误操作，可以恢复到退订之前。",
    );
    let button = Button {
        choice: "undo",
        undo: None,
        label: language.say("That was a mistake: undo", "点错了，撤销退订").to_owned(),
    };
    Some(page(StatusCode::OK, language, heading, &[line.to_owned()], &[button]))
}

/// The page after a stop, with the way back.
fn farewell(language: Language, person: &Person, scope: Scope, stopped: Stopped) -> Response {
    let (sender, stream) = (&person.account.name, &person.stream.name);
    let mut lines = vec![match (scope, language) {
        (Scope::Stream(_), Language::English) => {
            format!("{sender} will not send you “{stream}” any more.")
        }
        (Scope::Stream(_), Language::Chinese) => format!("{sender} 不会再向您发送“{stream}”。"),
        (_, Language::English) => {
            format!("{sender} will not send you newsletters or offers any more.")
        }
        (_, Language::Chinese) => format!("{sender} 不会再向您发送推广邮件。"),
    }];
    let status = match stopped.settled {
        Settled::Fully => StatusCode::OK,
        Settled::WithDotInFlight => {
            let line =
                language.say("One message may still arrive.", "可能还会收到一封正在发送的邮件。");
            lines.push(line.to_owned());
            StatusCode::ACCEPTED
        }
    };
    let buttons: Vec<_> = stopped
        .undo
        .map(|token| Button {
            choice: "undo",
            undo: Some(token),
            label: language.say("That was a mistake: undo", "点错了，撤销退订").to_owned(),
        })
        .into_iter()
        .collect();
    if !buttons.is_empty() {
        let line = language.say("You can undo this for 24 hours.", "您可以在 24 小时内撤销。");
        lines.push(line.to_owned());
    }
    let heading = language.say("You are unsubscribed", "您已退订");
    page(status, language, heading, &lines, &buttons)
}

async fn undo(parts: &Parts, language: Language, token: &str, ip: Option<String>) -> Response {
    let now: Timestamp = parts.world.clock.now();
    let event = match parts.policy.open(token) {
        Ok(Some(Token::Undo { event, until })) if until > now => event,
        Ok(_) => return no_way_back(language),
        Err(fault) => return failed(language, &fault.into()),
    };
    match parts.policy.undo(event, evidence(Source::Page, ip)).await {
        Ok(true) => {
            tracing::info!(target: "relent::http", event, "opt-out undone: {}", Source::Page.name());
            let heading = language.say("Undone", "已撤销");
            let line = language.say("Everything is as it was before.", "一切恢复如前。");
            page(StatusCode::OK, language, heading, &[line.to_owned()], &[])
        }
        Ok(false) => no_way_back(language),
        Err(fault) => failed(language, &fault.into()),
    }
}

fn no_way_back(language: Language) -> Response {
    let heading = language.say("Nothing to undo", "无法撤销");
    let line = language.say(
        "It was undone already, or more than 24 hours have passed. The sender can ask you anew.",
        "已经撤销过，或已超过 24 小时。如需恢复，请联系发件人。",
    );
    page(StatusCode::GONE, language, heading, &[line.to_owned()], &[])
}

fn unknown(language: Language) -> Response {
    let heading = language.say("This link is not valid", "链接无效");
    let line = language.say(
        "Please open the link from the message once more, whole.",
        "请从邮件中重新打开完整的链接。",
    );
    page(StatusCode::NOT_FOUND, language, heading, &[line.to_owned()], &[])
}

/// A form that cannot be meant: a page for who reads pages, a problem for programs.
fn misread(language: Language, headers: &HeaderMap, problem: Problem) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if !accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/html"))
    {
        return problem.into_response();
    }
    let heading = language.say("This form was not understood", "无法识别该请求");
    let line = language.say(
        "Nothing was changed. Please open the link from the message once more and use its buttons.",
        "未作任何更改。请从邮件中重新打开链接，并使用页面上的按钮。",
    );
    page(problem.status, language, heading, &[line.to_owned()], &[])
}

fn failed(language: Language, problem: &Problem) -> Response {
    let heading = language.say("Not now", "暂时无法处理");
    let line = language.say(
        "Your wish could not be recorded. Please try again in a minute.",
        "您的请求尚未记录，请稍后再试。",
    );
    page(problem.status, language, heading, &[line.to_owned()], &[])
}
