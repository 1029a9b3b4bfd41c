//! The unsubscribe page and the one-click POST.

use super::*;

#[tokio::test]
async fn looking_at_the_page_changes_nothing() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<form method=\"post\">") && page.body.contains("news"));
    assert!(!page.body.contains("ann@example.com") && !page.body.contains("<script"));
    for expected in [
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "cache-control: no-store",
        "x-robots-tag: noindex",
        "referrer-policy: no-referrer",
    ] {
        assert!(page.head.contains(expected), "{}", page.head);
    }
    assert!(!page.head.contains("set-cookie"));
    assert_eq!(ask(to, &format!("HEAD /u/{token}"), "").await.status, 200);
    assert_eq!(ask(to, &format!("OPTIONS /u/{token}"), "").await.status, 405);
    assert_eq!(ask(to, &format!("PUT /u/{token}"), "choice=stream").await.status, 405);
    assert_eq!(house.stops(), []);
}

#[tokio::test]
async fn one_click_stops_the_stream_and_its_queued_mail() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    house.submit().await;
    assert_eq!(house.queued().await, 1);
    let line = format!("POST /u/{}", token.to_uppercase());
    let done = ask(to, &line, "List-Unsubscribe=One-Click").await;
    assert_eq!((done.status, done.body.as_str()), (200, "unsubscribed\n"));
    let expected = [(Scope::Stream(house.stream.id), Reason::OptOut, Source::OneClick)];
    assert_eq!(house.stops(), expected);
    assert_eq!(house.queued().await, 0);
    //= https://www.rfc-editor.org/rfc/rfc8058#section-3.1
    //= type=test
    //# The POST content SHOULD be sent as multipart/form-data
    let body = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\
                \r\n--b--\r\n";
    let io = TcpStream::connect(to).await.expect("connected");
    let again = converse(io, &request(&line, "multipart/form-data; boundary=b", body)).await;
    assert_eq!(again.status, 200);
    assert_eq!(house.stops(), expected);
}

#[tokio::test]
async fn a_removed_streams_token_stops_the_account() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let removed = house.parts.accounts.remove_stream(house.stream.account, "news").await;
    removed.expect("removed");
    let line = format!("POST /u/{token}");
    assert_eq!(ask(to, &line, "List-Unsubscribe=One-Click").await.status, 200);
    assert_eq!(house.stops(), [(Scope::Account, Reason::OptOut, Source::OneClick)]);
}

#[tokio::test]
async fn the_page_stops_everything_and_undoes_it_once() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let line = format!("POST /u/{token}");
    let done = ask(to, &line, "choice=account").await;
    assert_eq!(done.status, 200);
    assert_eq!(house.stops(), [(Scope::Account, Reason::OptOut, Source::Page)]);
    let undo = done.body.split("name=\"undo\" value=\"").nth(1).expect("a way back");
    let undo = undo.split('"').next().expect("quoted");
    let form = format!("choice=undo&undo={undo}");
    // Whoever has the link as well gets no way back from a stop that stands.
    let again = ask(to, &line, "choice=account").await;
    assert!(again.status == 200 && !again.body.contains("name=\"undo\""), "{}", again.body);
    assert_eq!(ask(to, &line, &form).await.status, 200);
    assert_eq!(house.stops(), []);
    assert_eq!(ask(to, &line, &form).await.status, 410);
    assert_eq!(ask(to, &line, "choice=undo&undo=forged").await.status, 410);
    let event = Token::Undo { event: 1, until: Timestamp(1) };
    let late = house.parts.policy.seal(&event).expect("token");
    assert_eq!(ask(to, &line, &format!("choice=undo&undo={late}")).await.status, 410);
}

#[tokio::test]
async fn forged_tokens_and_malformed_forms_change_nothing() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let hash = house.parts.accounts.hash(house.stream.account, &house.ann).expect("hash");
    let reply = Token::Reply { stream: house.stream.id, recipient: hash };
    let reply = house.parts.policy.seal(&reply).expect("token");
    let mut forged = token.clone();
    forged.replace_range(9..10, if token[9..].starts_with('a') { "b" } else { "a" });
    for wrong in [forged.as_str(), reply.as_str(), "u-", "x", "%FF"] {
        let line = format!("POST /u/{wrong}");
        let status = ask(to, &line, "List-Unsubscribe=One-Click").await.status;
        assert!(status == 404 || (wrong == "%FF" && status == 400), "{wrong}: {status}");
    }
    let line = format!("POST /u/{token}");
    for form in ["", "List-Unsubscribe=No", "choice=everything", "%"] {
        assert_eq!(ask(to, &line, form).await.status, 400, "{form:?}");
    }
    let long = format!("List-Unsubscribe=One-Click&x={}", "x".repeat(70 << 10));
    assert_eq!(ask(to, &line, &long).await.status, 413);
    assert_eq!(house.stops(), []);
}

#[tokio::test]
async fn a_dot_in_flight_is_said_aloud() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let permit = house.parts.policy.permit(&house.stream, &house.ann).expect("store");
    let done = ask(to, &format!("POST /u/{token}"), "List-Unsubscribe=One-Click").await;
    assert_eq!(done.status, 202);
    assert!(done.body.contains("one message may still arrive"));
    drop(permit);
    let done = ask(to, &format!("POST /u/{token}"), "List-Unsubscribe=One-Click").await;
    assert_eq!(done.status, 200);
}

#[tokio::test]
async fn a_store_that_is_gone_acknowledges_nothing() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let socket = house.admin();
    house.parts.store.close().await;
    let done = ask(to, &format!("POST /u/{token}"), "List-Unsubscribe=One-Click").await;
    assert_eq!(done.status, 503);
    let done = api(&socket, "POST /api/v1/accounts", &json!({ "name": "other" })).await;
    assert_eq!(done.status, 503);
    assert!(done.head.contains("application/problem+json"));
}

#[tokio::test]
async fn a_person_behind_our_proxy_is_named() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let form = "List-Unsubscribe=One-Click";
    let text = request(&format!("POST /u/{token}"), FORM, form).replacen(
        "Host:",
        "X-Forwarded-For: 198.51.100.1, 192.0.2.9\r\nHost:",
        1,
    );
    converse(TcpStream::connect(to).await.expect("connected"), &text).await;
    let subject = Subject::Address(house.ann.clone());
    let view = house.parts.policy.view(house.stream.account, &subject).expect("view");
    let found: Vec<Evidence> = view.suppressions.into_iter().map(|s| s.evidence).collect();
    assert_eq!(found[0].ip.as_deref(), Some("192.0.2.9"));
}

#[tokio::test]
async fn a_stop_by_link_names_the_person_whom_no_record_named_before() {
    let house = House::build().await;
    let (to, token, socket) = (house.public().await, house.token(), house.admin());
    house.submit().await;
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert!(page.body.contains("a…@e….com"), "{}", page.body);
    assert_eq!(house.stops(), []);
    let line = format!("POST /u/{token}");
    assert_eq!(ask(to, &line, "List-Unsubscribe=One-Click").await.status, 200);
    let list = api(&socket, "GET /api/v1/suppressions?account=acme", &Value::Null).await.json();
    assert_eq!(list["items"][0]["recipient"], json!("ann@example.com"));
    // Later, from the record.
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert!(page.body.contains("a…@e….com"), "{}", page.body);
}

#[tokio::test]
async fn a_form_that_cannot_be_meant_is_told_to_browsers_on_a_page() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let text = request(&format!("POST /u/{token}"), FORM, "choice=everything");
    let browser = text.replacen("Host:", "Accept: text/html,*/*;q=0.8\r\nHost:", 1);
    for (text, kind) in [(text, "application/problem+json"), (browser, "text/html")] {
        let io = TcpStream::connect(to).await.expect("connected");
        let answer = converse(io, &text).await;
        assert_eq!(answer.status, 400);
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{}", answer.head);
    }
    assert_eq!(house.stops(), []);
}

#[tokio::test]
async fn idle_connections_of_one_peer_leave_room_for_others() {
    let mut house = House::build().await;
    let mut config = (*house.parts.config).clone();
    (config.http.connections_max, config.http.connections_per_address_max) = (4, 2);
    // However long the others take, they are kept open.
    config.http.header_timeout = Span::minutes(10);
    house.parts.config = config.into();
    let to = house.public().await;
    let from = |peer: [u8; 4]| async move {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((peer, 0))).expect("loopback is wide");
        socket.connect(to).await.expect("connected")
    };
    let alive = request("GET /livez", FORM, "");
    let mut idle = Vec::new();
    for _ in 0..2 {
        // Served once and kept open: it is counted for certain.
        let mut io = from([127, 0, 0, 1]).await;
        let keep = alive.replace("Connection: close\r\n", "");
        io.write_all(keep.as_bytes()).await.expect("sent");
        let mut first = [0; 12];
        io.read_exact(&mut first).await.expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        idle.push(io);
    }
    assert_eq!(converse(from([127, 0, 0, 1]).await, &alive).await.status, 503);
    assert_eq!(converse(from([127, 0, 0, 2]).await, &alive).await.status, 200);
    drop(idle);
}
