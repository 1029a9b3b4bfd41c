//! Every route of the table, asked by a program of one account for what belongs to another: it hears what it
//! would hear if that were not there, and nothing changes.

use super::programs::with;
use super::*;
use crate::accounts::{CredentialDraft, DkimChoice, Right};
use crate::http::openapi::document;
use crate::http::table;
use crate::mail::StreamId;

/// What only the other account knows: it stands in no answer.
const MARKS: [&str; 6] = [
    "carl@private.example",
    "desk@private.example",
    "mia@private.example",
    "hook.private.example",
    "the words of a wish",
    "their-app",
];

/// Names that stand for the things of an account.
struct Names {
    account: &'static str,
    stream: &'static str,
    domain: &'static str,
    credential: &'static str,
    message: String,
    sequence: String,
    webhook: &'static str,
    member: &'static str,
    invitation: String,
}

impl Names {
    /// The name of what a field or a place in a path stands for.
    fn of(&self, field: &str) -> Option<&str> {
        Some(match field {
            "account" => self.account,
            "stream" => self.stream,
            "domain" => self.domain,
            "name" => self.credential,
            "message" => &self.message,
            "sequence" => &self.sequence,
            "webhook" => self.webhook,
            "address" => self.member,
            "invitation" => &self.invitation,
            _ => return None,
        })
    }
}

/// A type, where it is named elsewhere.
fn resolved(document: &Value, schema: &Value) -> Value {
    match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => document["components"]["schemas"][name].clone(),
        None => schema.clone(),
    }
}

/// A value that a field takes.
fn filler(field: &str, schema: &Value) -> Value {
    match field {
        "recipient" | "address" => return json!("bob@reader.example"),
        "recipients" => return json!(["bob@reader.example"]),
        "rows" => {
            return json!([{ "line": 1, "recipient": "bob@reader.example", "source": "list" }]);
        }
        "source" | "text" => return json!("a list"),
        "language" => return json!("en"),
        "role" => return json!("viewer"),
        "reason" => return json!("manual"),
        _ => {}
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match (schema["enum"].get(0), kind) {
        (Some(first), _) => first.clone(),
        (None, Some("boolean")) => json!(false),
        (None, Some("integer")) => json!(1),
        (None, Some("array")) => json!([]),
        (None, Some("object")) => json!({}),
        _ => json!("x"),
    }
}

/// A request of an operation, with these names where it takes names.
fn filled(
    document: &Value,
    (method, path): (&str, &str),
    operation: &Value,
    (account, names): (&str, &Names),
) -> (String, Value) {
    let name_of = |field: &str| match field {
        "account" => Some(account),
        field => names.of(field),
    };
    let mut target = path.to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().expect("a name");
        match parameter["in"].as_str() {
            Some("path") => {
                let verb = if path.contains("queue") { "cancel" } else { "unfit" };
                let value = name_of(name).unwrap_or(verb);
                target = target.replace(&format!("{{{name}}}"), value);
            }
            // A queue is asked for one thing at a time.
            Some("query") if path.contains("queue") && name == "stream" => {}
            Some("query") if ["account", "stream", "message", "recipient"].contains(&name) => {
                let value = filler(name, &parameter["schema"]);
                let value = name_of(name).map_or(value, |name| json!(name));
                let value = value.as_str().expect("text").replace('@', "%40");
                query.push(format!("{name}={value}"));
            }
            _ => {}
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let schema = resolved(document, schema);
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let mut body = json!({});
    for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
        let is_new = method == "post" && ["name", "address"].contains(&field.as_str());
        let alone =
            path.contains("queue") && ["stream", "domain", "address"].contains(&field.as_str());
        if let Some(name) = name_of(field).filter(|_| !is_new && !alone) {
            body[field] = json!(name);
        } else if required.contains(&json!(field))
            || ["recipient", "recipients", "rows", "reason", "source"].contains(&field.as_str())
        {
            body[field] = filler(field, &resolved(document, schema));
        }
    }
    let body = if schema.is_null() { Value::Null } else { body };
    (format!("{} {target}", method.to_uppercase()), body)
}

impl House {
    /// Another account with all that one has, and how its things are called.
    async fn other(&self) -> Names {
        let socket = self.folder.path().join("admin.sock");
        for (line, body) in [
            ("POST /api/v1/accounts", json!({ "name": "other" })),
            (
                "POST /api/v1/accounts/other/streams",
                json!({ "name": "theirs", "kind": "marketing", "reply_to": "desk@private.example" }),
            ),
            ("POST /api/v1/accounts/other/credentials", json!({ "name": "their-app" })),
            (
                "POST /api/v1/suppressions",
                json!({ "account": "other", "recipient": "bob@reader.example", "text": "the words of a wish" }),
            ),
            (
                "POST /api/v1/consents",
                json!({ "account": "other", "stream": "theirs", "recipient": "carl@private.example",
                        "source": "the words of a wish" }),
            ),
            (
                "POST /api/v1/accounts/other/webhooks",
                json!({ "url": "https://hook.private.example/" }),
            ),
            (
                "POST /api/v1/accounts/other/members",
                json!({ "address": "mia@private.example", "role": "owner", "print": true }),
            ),
        ] {
            let done = api(&socket, line, &body).await;
            assert!(done.status < 300, "{line}: {}", done.body);
        }
        let invited = "GET /api/v1/accounts/other/invitations";
        let invited = api(&socket, invited, &Value::Null).await.json();
        let invitation =
            invited["items"][0]["invitation"].as_str().expect("an invitation").to_owned();
        let account = self.parts.accounts.account("other").expect("it was made").id;
        let domain = Domain::parse("other.example").expect("a domain");
        let added = self.parts.accounts.add_domain(account, &domain, true, DkimChoice::None, &[]);
        added.await.expect("a domain");
        let stream = self.parts.accounts.stream(account, "theirs").expect("it was made").id;
        let message = self.theirs(account, stream).await.to_string();
        let told = api(&socket, "GET /api/v1/audit?account=other", &Value::Null).await.json();
        let sequence = told["items"][0]["sequence"].to_string();
        let (account, stream, domain) = ("other", "theirs", "other.example");
        let (credential, webhook, member) = ("their-app", "1", "mia@private.example");
        Names {
            account,
            stream,
            domain,
            credential,
            message,
            sequence,
            webhook,
            member,
            invitation,
        }
    }

    /// A message of another account that waits.
    async fn theirs(&self, account: AccountId, stream: StreamId) -> MessageId {
        let carl = Address::parse("carl@private.example").expect("address");
        let hash = self.parts.accounts.hash(account, &carl).expect("hash");
        let draft = Accepted::new(
            MessageId::new(Timestamp(2), [9; 6]),
            Origin::Submission { account, stream, credential: "their-app".into() },
            ReversePath::Null,
            vec![Recipient { address: carl, hash }],
            self.parts.world.clock.now(),
        );
        let mut body = self.parts.queue.body();
        body.write(b"Subject: theirs\r\n\r\nthe words of a wish\r\n").await.expect("body");
        self.parts.queue.enqueue(draft, body).await.expect("accepted")
    }

    /// All that the operator sees of another account.
    async fn seen(&self, document: &Value, names: &Names) -> Vec<(String, String)> {
        let socket = self.folder.path().join("admin.sock");
        let mut all = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            if methods["get"].is_null() || path.ends_with("follow") {
                continue;
            }
            let asked = (names.account, names);
            let (line, _) = filled(document, ("get", path), &methods["get"], asked);
            let answer = api(&socket, &line, &Value::Null).await;
            // Where the log ends moves with whatever happens to anybody.
            let body = match serde_json::from_str::<Value>(&answer.body) {
                Ok(mut said) => {
                    said.as_object_mut().map(|said| said.remove("cursor"));
                    // And a day may end in between.
                    if let Some(Value::Object(used)) = said.get_mut("used") {
                        used.remove("day_ends");
                    }
                    // That the operator looked is noted.
                    if let Some(items) = said["items"].as_array_mut() {
                        items.retain(|item| item["kind"] != "recipient.exported");
                    }
                    said.to_string()
                }
                Err(_) => answer.body,
            };
            all.push((line, body));
        }
        all
    }
}

#[tokio::test]
async fn what_is_anothers_answers_as_what_is_not_there_and_does_not_change() {
    let mut house = House::build().await;
    let mut config = (*house.parts.config).clone();
    config.api.requests_per_minute_max = 1_000_000;
    config.api.requests_per_minute_per_address_max = 1_000_000;
    house.parts.config = config.into();
    house.admin();
    let to = house.public().await;
    let theirs = house.other().await;
    let ghosts = Names {
        account: "ghost",
        stream: "ghosts",
        domain: "ghost.example",
        credential: "ghost-app",
        message: MessageId::new(Timestamp(3), [8; 6]).to_string(),
        sequence: "999999".into(),
        webhook: "999",
        member: "nobody@private.example",
        invitation: "aaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
    };
    let rights = Right::ALL.iter().map(|(right, ..)| *right).collect();
    let token = house.program(CredentialDraft { rights, ..CredentialDraft::named("app") }).await;
    let routes = table::routes(&house.parts.config);
    let document = document(&routes);
    let before = house.seen(&document, &theirs).await;
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            // In the other's account by its name, and in one's own by the names of the other's things.
            for account in ["other", "acme"] {
                let own = account == "acme";
                let route = (method.as_str(), path.as_str());
                let (line, body) = filled(&document, route, operation, (account, &theirs));
                let ghost = if own { "acme" } else { "ghost" };
                let (twin, other) = filled(&document, route, operation, (ghost, &ghosts));
                let heard = with(to, &token, &line, &body).await;
                for mark in MARKS {
                    let sent = line.contains(mark) || body.to_string().contains(mark);
                    let leaks = heard.body.contains(mark) && !sent;
                    assert!(!leaks, "{line} {body} tells {mark}: {}", heard.body);
                }
                if (&line, &body) == (&twin, &other) {
                    continue;
                }
                asked += 1;
                let nothing = with(to, &token, &twin, &other).await;
                // What a member does about itself is no program's to ask, whatever it names.
                let expected = if path.starts_with("/api/v1/me/") { 401 } else { 404 };
                assert_eq!(heard.status, expected, "{line} {body}: {}", heard.body);
                assert_eq!(nothing.status, expected, "{twin} {other}: {}", nothing.body);
                let mut same = heard.body.clone();
                for field in [
                    "account",
                    "stream",
                    "domain",
                    "name",
                    "message",
                    "sequence",
                    "webhook",
                    "address",
                    "invitation",
                ] {
                    let (from, to) = (theirs.of(field), ghosts.of(field));
                    if let (Some(from), Some(to)) = (from, to) {
                        same = same.replace(&format!("`{from}`"), &format!("`{to}`"));
                        same = same.replace(&format!(" {from}"), &format!(" {to}"));
                    }
                }
                assert_eq!(same, nothing.body, "{line} and {twin} differ");
            }
        }
    }
    assert!(asked > 60, "only {asked} requests named what is another's");
    let after = house.seen(&document, &theirs).await;
    let changed: Vec<_> = before.iter().zip(&after).filter(|(was, is)| was != is).collect();
    assert!(changed.is_empty(), "something was changed: {changed:#?}");
}
