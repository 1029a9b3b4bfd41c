//! Health, and the operator's routes over the admin socket.

use super::*;

#[tokio::test]
async fn health_says_whether_mail_is_taken() {
    let house = House::build().await;
    let to = house.public().await;
    assert_eq!(ask(to, "GET /livez", "").await.status, 200);
    assert_eq!(ask(to, "GET /readyz", "").await.status, 200);
    house.parts.ready.store(false, Ordering::Release);
    assert_eq!(ask(to, "GET /readyz", "").await.status, 503);
    let figures = ask(to, "GET /metrics", "").await;
    assert!(figures.body.contains("relent_queue_recipients{state=\"queued\"}"), "{}", figures.body);
    assert!(figures.body.ends_with("# EOF\n") && !figures.body.contains("\n\n"));
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(figures.head.contains(kind), "{}", figures.head);
    assert!(figures.body.contains("# TYPE relent_http_requests counter\n"), "{}", figures.body);
    assert_eq!(ask(to, "GET /api/v1/accounts", "").await.status, 404);
}

#[tokio::test]
async fn the_operator_sets_up_an_account() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    let made = api(&socket, "POST /api/v1/accounts", &json!({ "name": "shop" })).await;
    assert_eq!((made.status, made.json()["name"].as_str()), (201, Some("shop")));
    assert_eq!(api(&socket, "POST /api/v1/accounts", &json!({ "name": "shop" })).await.status, 409);
    let all = api(&socket, "GET /api/v1/accounts", &none).await.json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(api(&socket, "GET /api/v1/accounts/nobody", &none).await.status, 404);

    let draft = json!({ "name": "bills", "kind": "transactional", "reply_to": "a@shop.example" });
    let made = api(&socket, "POST /api/v1/accounts/shop/streams", &draft).await;
    assert_eq!(made.json()["consent_required"], json!(false));
    let wrong = json!({ "name": "x", "kind": "marketing", "reply_to": "nobody" });
    let refused = api(&socket, "POST /api/v1/accounts/shop/streams", &wrong).await;
    assert_eq!((refused.status, refused.json()["status"].as_u64()), (422, Some(422)));
    let shown = api(&socket, "GET /api/v1/accounts/shop/streams/bills", &none).await.json();
    assert_eq!(shown["reply_to"], json!("a@shop.example"));

    let draft = json!({ "name": "app", "stream": "bills", "refuse": "silently" });
    let made = api(&socket, "POST /api/v1/accounts/shop/credentials", &draft).await.json();
    assert_eq!(made["streams"], json!(["bills"]));
    let password = made["password"].as_str().expect("a password");
    let login = house.parts.accounts.authenticate("app", password.as_bytes()).expect("store");
    assert!(login.is_some());
    let listed = api(&socket, "GET /api/v1/accounts/shop/credentials", &none).await;
    assert!(!listed.body.contains(password) && listed.body.contains("silently"));
    let gone = api(&socket, "DELETE /api/v1/accounts/shop/credentials/app", &none).await;
    assert_eq!(gone.status, 200);
    let gone = api(&socket, "DELETE /api/v1/accounts/shop/streams/bills", &none).await;
    assert_eq!(gone.status, 200);
    assert_eq!(api(&socket, "POST /api/v1/accounts", &json!({ "nome": "x" })).await.status, 422);
}

#[tokio::test]
async fn a_domain_is_verified_when_its_records_are_found() {
    let house = House::build().await;
    let socket = house.admin();
    let draft = json!({ "name": "Acme.Example", "trust": false, "dkim": "ed25519" });
    let made = api(&socket, "POST /api/v1/accounts/acme/domains", &draft).await;
    assert_eq!(made.status, 201);
    let records = made.json()["records"].as_array().cloned().expect("records");
    assert!(records.len() >= 2);
    let verify = "POST /api/v1/accounts/acme/domains/acme.example/verify";
    let checked = api(&socket, verify, &Value::Null).await.json();
    assert_eq!(
        (&checked["verified"], &checked["records"][0]["found"]),
        (&json!(false), &json!(false))
    );
    for record in &records {
        let text = |key: &str| record[key].as_str().expect("text").to_owned();
        let mut zone = house.zone.0.lock().expect("no panic");
        zone.push((text("name"), text("value")));
    }
    let checked = api(&socket, verify, &Value::Null).await.json();
    assert_eq!(checked["verified"], json!(true));
    let path = "/api/v1/accounts/acme/domains/acme.example";
    let shown = api(&socket, &format!("GET {path}"), &Value::Null).await.json();
    assert_eq!(shown["verified"], json!(true));
    assert_eq!(api(&socket, &format!("DELETE {path}"), &Value::Null).await.status, 200);
    assert_eq!(api(&socket, &format!("GET {path}"), &Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_stop_by_hand_is_explained_and_lifted() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    house.submit().await;
    let stop = json!({ "account": "acme", "recipient": "ann@example.com", "text": "by phone" });
    let done = api(&socket, "POST /api/v1/suppressions", &stop).await;
    assert_eq!((done.status, &done.json()["settled"]), (200, &json!(true)));
    assert_eq!(house.queued().await, 0);
    let explain = "GET /api/v1/explain?account=acme&stream=news&recipient=ann%40example.com";
    let why = api(&socket, explain, &none).await.json();
    assert_eq!((&why["verdict"], &why["code"]), (&json!("refuse"), &json!(550)));
    assert_eq!(why["suppressions"][0]["reason"], json!("manual"));
    assert_eq!(why["suppressions"][0]["text"], json!("by phone"));
    assert_eq!(why["records"][0]["change"], json!("suppressed"));
    let outcomes: Vec<_> = why["messages"].as_array().expect("messages").iter().collect();
    assert_eq!(outcomes.last().map(|message| &message["outcome"]), Some(&json!("stopped")));

    let list = api(&socket, "GET /api/v1/suppressions?account=acme&limit=1", &none).await.json();
    assert_eq!(list["items"][0]["recipient"], json!("ann@example.com"));
    let next = list["next"].as_str().expect("a cursor");
    let rest = format!("GET /api/v1/suppressions?account=acme&after={next}");
    assert_eq!(api(&socket, &rest, &none).await.json(), json!({ "items": [], "next": null }));
    let one = "GET /api/v1/suppressions?account=acme&recipient=bob%40example.com";
    assert_eq!(api(&socket, one, &none).await.status, 404);

    let lift = json!({ "account": "acme", "recipient": "ann@example.com", "reason": "manual" });
    assert_eq!(api(&socket, "DELETE /api/v1/suppressions", &lift).await.status, 200);
    assert_eq!(api(&socket, "DELETE /api/v1/suppressions", &lift).await.status, 404);
    let why = api(&socket, explain, &none).await.json();
    assert_eq!((&why["verdict"], &why["code"]), (&json!("accept"), &json!(250)));
}

#[tokio::test]
async fn a_global_stop_of_a_domain_binds_everybody_there() {
    let house = House::build().await;
    let socket = house.admin();
    house.submit().await;
    let stop = json!({ "account": "global", "recipient": "@example.com" });
    assert_eq!(api(&socket, "POST /api/v1/suppressions", &stop).await.status, 200);
    assert_eq!(house.queued().await, 0);
    let one = "GET /api/v1/suppressions?account=global&recipient=ann%40example.com";
    let shown = api(&socket, one, &Value::Null).await.json();
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(shown["items"][0]["scope"], json!("global"));
    let wrong = json!({ "account": "global", "stream": "news", "recipient": "a@b.example" });
    assert_eq!(api(&socket, "POST /api/v1/suppressions", &wrong).await.status, 422);
}

#[tokio::test]
async fn consent_is_recorded_shown_and_withdrawn() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    let draft = json!({ "name": "offers", "kind": "marketing" });
    api(&socket, "POST /api/v1/accounts/acme/streams", &draft).await;
    let explain = "GET /api/v1/explain?account=acme&stream=offers&recipient=ann%40example.com";
    assert_eq!(api(&socket, explain, &none).await.json()["verdict"], json!("refuse"));
    let show = "GET /api/v1/consents?account=acme&stream=offers&recipient=ann%40example.com";
    assert_eq!(api(&socket, show, &none).await.status, 404);
    let grant = json!({
        "account": "acme", "stream": "offers", "recipient": "ann@example.com",
        "source": "signup form", "at": "2026-01-02", "ip": "192.0.2.7",
    });
    assert_eq!(api(&socket, "POST /api/v1/consents", &grant).await.status, 200);
    let shown = api(&socket, show, &none).await.json();
    assert_eq!(shown["items"][0]["state"], json!("granted"));
    assert_eq!(shown["items"][0]["at"], json!("2026-01-02T00:00:00Z"));
    assert_eq!(shown["items"][0]["text"], json!("signup form"));
    assert_eq!(api(&socket, explain, &none).await.json()["verdict"], json!("accept"));
    let end = json!({
        "account": "acme", "stream": "offers", "recipient": "ann@example.com", "source": "phone",
    });
    assert_eq!(api(&socket, "DELETE /api/v1/consents", &end).await.status, 200);
    assert_eq!(api(&socket, explain, &none).await.json()["verdict"], json!("refuse"));
    for (key, value) in [("at", "yesterday"), ("at", "2999-01-01"), ("ip", "here"), ("source", "")]
    {
        let mut wrong = grant.clone();
        wrong[key] = json!(value);
        assert_eq!(api(&socket, "POST /api/v1/consents", &wrong).await.status, 422, "{key}");
    }
}

#[tokio::test]
async fn the_operator_works_the_queue() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    let id = house.submit().await.to_string();
    let list = api(&socket, "GET /api/v1/queue", &none).await.json();
    assert_eq!(list["items"][0]["message"], json!(id));
    let by = |body: &Value, verb: &str| {
        let (line, body) = (format!("POST /api/v1/queue/{verb}"), body.clone());
        let socket = socket.clone();
        async move { api(&socket, &line, &body).await }
    };
    let one = json!({ "message": id });
    assert_eq!(by(&one, "hold").await.json(), json!({ "count": 1 }));
    let summary = api(&socket, "GET /api/v1/queue/summary", &none).await.json();
    assert_eq!(summary["held"], json!(1));
    assert_eq!(
        by(&json!({ "account": "acme", "stream": "news" }), "release").await.json()["count"],
        json!(1)
    );
    assert_eq!(by(&json!({ "all": true }), "retry").await.json()["count"], json!(1));
    assert_eq!(by(&json!({}), "cancel").await.status, 422);
    assert_eq!(by(&json!({ "domain": "example.com", "message": id }), "cancel").await.status, 422);
    assert_eq!(by(&json!({ "all": true }), "burn").await.status, 404);
    let person = json!({ "account": "acme", "address": "ann@example.com" });
    assert_eq!(by(&person, "cancel").await.json()["count"], json!(1));
    assert_eq!(house.queued().await, 0);
}
