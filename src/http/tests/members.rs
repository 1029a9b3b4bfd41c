//! Members over the public face: let in by what was mailed, each in their own accounts and by their role.

use super::*;
use crate::accounts::{By, Claim, Role, TABLE};
use crate::http::{member_table, route, table};

const PASSWORD: &str = "correct horse battery";

/// A request with a session's token, in JSON.
async fn with(to: SocketAddr, token: &str, line: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let text = request(line, "application/json", &body);
    let text = match token {
        "" => text,
        token => text.replacen("Host:", &format!("Authorization: Bearer {token}\r\nHost:"), 1),
    };
    converse(TcpStream::connect(to).await.expect("connected"), &text).await
}

impl House {
    /// A member of an account, and the token of a session.
    async fn member(&self, account: &str, name: &str, role: Role) -> String {
        let accounts = &self.parts.accounts;
        let account = accounts.account(account).expect("account");
        let address = Address::parse(&format!("{name}@people.example")).expect("address");
        let invited = accounts.invite(&account, &address, role, By::Operator).await;
        let home = IpAddr::from([127, 0, 0, 1]);
        let token = invited.expect("invited").token;
        accounts.accept(&token, (name, PASSWORD), home).await.expect("accepted");
        let claim = Claim {
            address: address.to_string(),
            password: PASSWORD.into(),
            code: None,
            peer: home,
            agent: "a test".into(),
        };
        accounts.log_in(claim).await.expect("in").0
    }
}

/// A path of the table, with names that are nobody's in place of what stands for one.
fn filled(path: &str, account: &str) -> String {
    let parts = path.split('/').map(|part| match part {
        "{account}" => account,
        "{address}" => "nobody@people.example",
        "{domain}" => "nothing.example",
        "{verb}" => "retry",
        part if part.starts_with('{') => "nothing",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Every route with every role: who has not its right is told so, and whoever has it gets past that.
#[tokio::test]
async fn each_route_lets_in_those_whom_the_table_of_roles_names() {
    let house = House::build().await;
    let to = house.public().await;
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((role, house.member("acme", role.name(), role).await));
    }
    let (mut walked, mut refused) = (0, 0);
    for one in table::routes(&house.parts.config) {
        let route::Need::Right(right) = one.need else { continue };
        let row = TABLE.iter().find(|row| row.right == right.name());
        let row = row.expect("each right is in the table of roles");
        // A stream of events would not end.
        if one.path.ends_with("/tail") || one.path.ends_with("/follow") {
            continue;
        }
        let path = filled(one.path, "acme");
        let query = if one.path.contains("{account}") { "" } else { "?account=acme" };
        for (role, token) in &tokens {
            // What lets members go would let these go too.
            if role.may(right.name()) && one.method != axum::http::Method::GET {
                continue;
            }
            let line = format!("{} {path}{query}", one.method);
            let answer = with(to, token, &line, &json!({})).await;
            let lacks = answer.status == 403 && answer.body.contains("needs the right");
            assert_eq!(lacks, !role.may(right.name()), "{role:?} {line}: {}", answer.body);
            assert!(
                answer.status != 401 && answer.status < 500,
                "{role:?} {line}: {}",
                answer.body
            );
            walked += 1;
            refused += usize::from(lacks);
        }
        assert_eq!(row.right, right.name());
    }
    assert!(walked > 80 && refused > 30, "only {walked} were walked, and {refused} refused");
}

/// A member of one account finds nothing of another by any route.
#[tokio::test]
async fn another_account_is_as_one_that_is_not_there() {
    let house = House::build().await;
    let to = house.public().await;
    house.parts.accounts.add_account("other").await.expect("account");
    let theirs = house.member("other", "theo", Role::Owner).await;
    for one in table::routes(&house.parts.config) {
        let route::Need::Right(_) = one.need else { continue };
        if !one.path.contains("{account}") {
            continue;
        }
        let (there, nowhere) = (filled(one.path, "acme"), filled(one.path, "nothing"));
        let asked = |path: String| {
            let (line, theirs) = (format!("{} {path}", one.method), theirs.clone());
            async move { with(to, &theirs, &line, &json!({})).await }
        };
        let (there, nowhere) = (asked(there).await, asked(nowhere).await);
        assert_eq!((there.status, nowhere.status), (404, 404), "{} {}", one.path, there.body);
        assert_eq!(there.body.replace("acme", "nothing"), nowhere.body, "{}", one.path);
    }
    let queue = with(to, &theirs, "GET /api/v1/queue?account=acme", &Value::Null).await;
    assert_eq!(queue.status, 404, "{}", queue.body);
    let leave = with(to, &theirs, "DELETE /api/v1/me/accounts/acme", &Value::Null).await;
    assert_eq!(leave.status, 404, "{}", leave.body);
    assert!(member_table::routes().len() > 20);
}

#[tokio::test]
async fn a_member_logs_in_is_seen_and_leaves() {
    let house = House::build().await;
    let to = house.public().await;
    house.member("acme", "ann", Role::Owner).await;
    let wrong = json!({"address": "ann@people.example", "password": "wrong wrong wrong"});
    let nobody = json!({"address": "nobody@people.example", "password": PASSWORD});
    let refused = with(to, "", "POST /api/v1/sessions", &wrong).await;
    let unknown = with(to, "", "POST /api/v1/sessions", &nobody).await;
    assert_eq!((refused.status, &refused.body), (401, &unknown.body), "nobody learns which it was");
    assert!(refused.head.contains("www-authenticate: bearer"), "{}", refused.head);
    let right = json!({"address": "ann@people.example", "password": PASSWORD});
    let made = with(to, "", "POST /api/v1/sessions", &right).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let token = made.json()["token"].as_str().expect("a token").to_owned();
    assert_eq!(made.json()["member"]["accounts"][0]["role"], json!("owner"));
    let me = with(to, &token, "GET /api/v1/me", &Value::Null).await.json();
    assert_eq!((&me["address"], &me["totp"]), (&json!("ann@people.example"), &json!(false)));
    let all = with(to, &token, "GET /api/v1/sessions", &Value::Null).await.json();
    let current = |one: &Value| one["current"] == json!(true);
    assert_eq!(
        all["items"]
            .as_array()
            .map(|all| (all.len(), all.iter().filter(|one| current(one)).count())),
        Some((2, 1))
    );
    assert!(!all.to_string().contains(&token[8..]));
    let bare = with(to, "", "GET /api/v1/me", &Value::Null).await;
    assert_eq!(bare.status, 401);
    // An authenticator, set up over the API.
    let begun = with(to, &token, "POST /api/v1/me/totp", &Value::Null).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    assert!(begun.json()["uri"].as_str().is_some_and(|uri| uri.starts_with("otpauth://totp/")));
    let confirm =
        with(to, &token, "POST /api/v1/me/totp/confirm", &json!({"code": "000000"})).await;
    assert_eq!(confirm.status, 401, "{}", confirm.body);
    let change = json!({"old": PASSWORD, "new": "password1234"});
    let changed = with(to, &token, "POST /api/v1/me/password", &change).await;
    assert_eq!(changed.status, 409, "{}", changed.body);
    let last = with(to, &token, "DELETE /api/v1/me/accounts/acme", &Value::Null).await;
    assert!(last.status == 409 && last.body.contains("last owner"), "{}", last.body);
    let ended = with(to, &token, "DELETE /api/v1/sessions/current", &Value::Null).await;
    assert_eq!(ended.json()["ended"], json!(1));
    assert_eq!(with(to, &token, "GET /api/v1/me", &Value::Null).await.status, 401);
    // Guesses wait, and are told how long.
    let mut told = None;
    for _ in 0..10 {
        let answer = with(to, "", "POST /api/v1/sessions", &wrong).await;
        told = told.or((answer.status == 429).then_some(answer.head));
    }
    assert!(told.is_some_and(|head| head.contains("retry-after: ")));
}

#[tokio::test]
async fn the_operator_invites_and_the_page_behind_the_link_lets_in() {
    let house = House::build().await;
    let (to, socket) = (house.public().await, house.admin());
    let members = "/api/v1/accounts/acme/members";
    let draft = json!({"address": "ann@people.example", "role": "owner", "print": true});
    let made = api(&socket, &format!("POST {members}"), &draft).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    let link = made["link"].as_str().expect("a link");
    let path = link.strip_prefix("https://relay.example").expect("our own page").to_owned();
    // Looking, however often, changes nothing.
    for method in ["HEAD", "GET", "GET"] {
        let shown = ask(to, &format!("{method} {path}"), "").await;
        assert_eq!(shown.status, 200, "{}", shown.head);
        assert!(shown.head.contains("form-action 'self'"), "{}", shown.head);
    }
    let shown = ask(to, &format!("GET {path}"), "").await;
    assert!(shown.body.contains("You are invited to acme") && shown.body.contains("name=\"name\""));
    let short = ask(to, &format!("POST {path}"), "name=Ann&password=short").await;
    assert!(short.status == 409 && short.body.contains("12 to 128"), "{}", short.body);
    let done = ask(to, &format!("POST {path}"), "name=Ann&password=correct+horse+battery").await;
    assert!(done.status == 200 && done.body.contains("You can log in now"), "{}", done.body);
    let twice = ask(to, &format!("GET {path}"), "").await;
    assert!(twice.status == 404 && twice.body.contains("not known"), "{}", twice.body);
    let listed = api(&socket, &format!("GET {members}"), &Value::Null).await;
    assert_eq!(listed.json()["items"][0]["role"], json!("owner"));

    // Mailed, it is in the queue, and the answer does not hold it.
    let draft = json!({"address": "bea@people.example", "role": "viewer"});
    let made = api(&socket, &format!("POST {members}"), &draft).await;
    assert!(made.status == 201 && !made.body.contains("/m/"), "{}", made.body);
    assert_eq!(house.queued().await, 1);
    let waiting = api(&socket, "GET /api/v1/accounts/acme/invitations", &Value::Null).await.json();
    let name = waiting["items"][0]["invitation"].as_str().expect("a name").to_owned();
    let line = format!("DELETE /api/v1/accounts/acme/invitations/{name}");
    assert_eq!(api(&socket, &line, &Value::Null).await.status, 200);
    let one = format!("{members}/ann@people.example");
    let role = api(&socket, &format!("PATCH {one}"), &json!({"role": "viewer"})).await;
    assert!(role.status == 409 && role.body.contains("last owner"), "{}", role.body);
    let role = api(&socket, &format!("PATCH {one}"), &json!({"role": "king"})).await;
    assert_eq!(role.status, 422, "{}", role.body);

    // Who forgot a password is told the same whoever asks, and a link prints for the operator alone.
    for address in ["ann@people.example", "nobody@people.example"] {
        let body = json!({ "address": address });
        let told = with(to, "", "POST /api/v1/passwords/forgotten", &body).await;
        assert_eq!(told.status, 202, "{}", told.body);
    }
    let link = api(&socket, &format!("POST {one}/reset"), &json!({"print": true})).await.json();
    let token = link["token"].as_str().expect("a token");
    let body = json!({"token": token, "password": "another good one"});
    assert_eq!(with(to, "", "POST /api/v1/passwords", &body).await.status, 200);
    let again = with(to, "", "POST /api/v1/passwords", &body).await;
    assert_eq!(again.status, 404, "{}", again.body);
}
