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
    assert_eq!(ask(to, "GET /api/v1/accounts", "").await.status, 404, "it is the operator's");
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
    let login = house
        .parts
        .accounts
        .authenticate("app", password.as_bytes(), [127, 0, 0, 1].into())
        .expect("store");
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
    assert_eq!(shown["items"][0]["recipient"], json!("@example.com"));
    let wrong = json!({ "account": "global", "stream": "news", "recipient": "a@b.example" });
    assert_eq!(api(&socket, "POST /api/v1/suppressions", &wrong).await.status, 422);
}

#[tokio::test]
async fn a_domains_stop_is_told_apart_and_lifted_by_what_is_shown() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    for recipient in ["ann@example.com", "@example.com"] {
        let stop = json!({ "account": "acme", "recipient": recipient });
        assert_eq!(api(&socket, "POST /api/v1/suppressions", &stop).await.status, 200);
    }
    let stop = json!({ "account": "global", "recipient": "@example.com" });
    assert_eq!(api(&socket, "POST /api/v1/suppressions", &stop).await.status, 200);
    let names = |answer: &Value| -> Vec<String> {
        let items = answer.as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["recipient"].as_str().unwrap_or("-").to_owned()).collect()
    };
    let show = "GET /api/v1/suppressions?account=acme&recipient=ann%40example.com";
    let shown = api(&socket, show, &none).await.json()["items"].clone();
    assert_eq!(names(&shown), ["ann@example.com", "@example.com", "@example.com"]);
    assert_ne!(shown[0]["hash"], shown[1]["hash"]);
    let explain = "GET /api/v1/explain?account=acme&stream=news&recipient=ann%40example.com";
    let why = api(&socket, explain, &none).await.json();
    assert_eq!(names(&why["suppressions"]), names(&shown));
    let listed = api(&socket, "GET /api/v1/suppressions?account=acme", &none).await.json();
    let mut all = names(&listed["items"]);
    all.sort();
    assert_eq!(all, ["@example.com", "ann@example.com"]);

    // Of Bob nothing is recorded: what stops mail to him is named with the way to lift it.
    let lift = json!({ "account": "acme", "recipient": "bob@example.com", "reason": "manual" });
    let refused = api(&socket, "DELETE /api/v1/suppressions", &lift).await;
    assert_eq!(refused.status, 404);
    for way in [
        "relent suppression remove acme @example.com --reason manual",
        "relent suppression remove global @example.com --reason manual",
    ] {
        assert!(refused.body.contains(way), "{}", refused.body);
    }
    // Both what is shown as name and what is shown as hash lift it.
    let by_name = json!({ "account": "acme", "recipient": "@example.com", "reason": "manual" });
    assert_eq!(api(&socket, "DELETE /api/v1/suppressions", &by_name).await.status, 200);
    let hash = shown[2]["hash"].as_str().expect("a hash");
    let by_hash = json!({ "account": "global", "recipient": hash, "reason": "manual" });
    assert_eq!(api(&socket, "DELETE /api/v1/suppressions", &by_hash).await.status, 200);
    let shown = api(&socket, show, &none).await.json()["items"].clone();
    assert_eq!(names(&shown), ["ann@example.com"]);
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
    assert_eq!(shown["items"][0]["source"], json!("signup form"));
    assert_eq!(shown["items"][0]["via"], json!("operator"));
    assert_eq!(api(&socket, explain, &none).await.json()["verdict"], json!("accept"));
    let end = json!({
        "account": "acme", "stream": "offers", "recipient": "ann@example.com", "source": "phone",
        "at": "2026-02-03", "ip": "192.0.2.8",
    });
    let every = "GET /api/v1/consents?account=acme&stream=offers&limit=1";
    let all = api(&socket, every, &none).await.json();
    assert_eq!(all["items"][0]["recipient"], json!("ann@example.com"));
    let next = all["next"].as_str().expect("a cursor");
    let rest = format!("GET /api/v1/consents?account=acme&stream=offers&after={next}");
    assert_eq!(api(&socket, &rest, &none).await.json(), json!({ "items": [], "next": null }));
    assert_eq!(api(&socket, "DELETE /api/v1/consents", &end).await.status, 200);
    let why = api(&socket, explain, &none).await.json();
    assert_eq!(why["verdict"], json!("refuse"));
    assert_eq!(why["text"], json!("consent to this stream was withdrawn on 2026-02-03"));
    let ended = api(&socket, show, &none).await.json()["items"][0].clone();
    assert_eq!(
        (&ended["state"], &ended["at"], &ended["source"], &ended["ip"]),
        (&json!("withdrawn"), &json!("2026-02-03T00:00:00Z"), &json!("phone"), &json!("192.0.2.8"))
    );
    for (key, value) in [
        ("at", "yesterday"),
        ("at", "2999-01-01"),
        ("at", "1969-12-31"),
        ("ip", "here"),
        ("source", ""),
        ("recipient", "nobody"),
    ] {
        let mut wrong = grant.clone();
        wrong[key] = json!(value);
        let refused = api(&socket, "POST /api/v1/consents", &wrong).await;
        assert_eq!(refused.status, 422, "{key}");
        let said = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(value) && said.len() > value.len(), "{key}: {said}");
    }
    let bob = "GET /api/v1/consents?account=acme&stream=offers&recipient=bob%40example.com";
    let missing = api(&socket, bob, &none).await.body;
    assert!(missing.contains("relent consent grant acme/offers bob@example.com"), "{missing}");
}

#[tokio::test]
async fn the_operator_works_the_queue() {
    let house = House::build().await;
    let socket = house.admin();
    let none = Value::Null;
    let id = house.submit().await.to_string();
    let list = api(&socket, "GET /api/v1/queue", &none).await.json();
    assert_eq!(list["items"][0]["message"], json!(id));
    let item = &list["items"][0];
    assert_eq!((&item["account"], &item["stream"]), (&json!("acme"), &json!("news")));
    for key in ["accepted", "next_at"] {
        let moment = item[key].as_str().expect("a moment in words");
        assert!(moment.parse::<Timestamp>().is_ok() && moment.ends_with('Z'), "{key} {moment}");
    }
    let by = |body: &Value, verb: &str| {
        let (line, body) = (format!("POST /api/v1/queue/{verb}"), body.clone());
        let socket = socket.clone();
        async move { api(&socket, &line, &body).await }
    };
    let one = json!({ "message": id });
    assert_eq!(by(&one, "hold").await.json(), json!({ "count": 1 }));
    let summary = api(&socket, "GET /api/v1/queue/summary", &none).await.json();
    assert_eq!(summary["held"], json!(1));
    assert_eq!(summary["domains"], json!([{ "domain": "example.com", "count": 1 }]));
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
