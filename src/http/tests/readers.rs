//! What readers are told, in their language, whatever they did and whatever is amiss.

use super::*;

#[tokio::test]
async fn the_page_is_in_the_readers_language_and_lets_another_be_chosen() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let line = format!("GET /u/{token}");
    let page = browse(to, &line, "de-AT, en;q=0.5", "").await;
    assert!(page.head.contains("content-language: de"), "{}", page.head);
    assert!(page.head.contains("vary: accept-language, accept"), "{}", page.head);
    assert!(page.body.contains("<html lang=\"de\" dir=\"ltr\">") && page.body.contains("Abmelden"));
    for tag in ["en", "zh-Hans", "ar", "he"] {
        let link = format!("<a href=\"?lang={tag}\" lang=\"{tag}\"");
        assert!(page.body.contains(&link), "{tag}: {}", page.body);
    }
    // The choice outweighs the browser's, goes on to the next page and holds after a form.
    let chosen = browse(to, &format!("{line}?lang=ar"), "de", "").await;
    assert!(chosen.body.contains("<html lang=\"ar\" dir=\"rtl\">"), "{}", chosen.body);
    assert!(chosen.body.contains(&format!("href=\"{token}/preferences?lang=ar\"")));
    let done = browse(to, &format!("POST /u/{token}?lang=ar"), "de", "choice=stream").await;
    assert!(done.status == 200 && done.body.contains("dir=\"rtl\""), "{}", done.body);
    // In another language still, the stop can be undone.
    let undo = done.body.split("name=\"undo\" value=\"").nth(1).expect("a way back");
    let undo = undo.split('"').next().expect("quoted");
    assert!(done.body.contains(&format!("href=\"{undo}?lang=fr\"")), "{}", done.body);
    let page = browse(to, &format!("GET /u/{undo}?lang=fr"), "de", "").await;
    assert!(page.status == 200 && page.body.contains("Annuler l’arrêt"), "{}", page.body);
    assert_eq!(house.stops().len(), 1);
}

#[tokio::test]
async fn who_names_no_language_is_spoken_to_in_that_of_the_stream() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let change =
        |answers: &mut crate::accounts::StreamAnswers| answers.language = Some("pl".into());
    let changed = house.parts.accounts.change_answers(house.stream.account, "news", change).await;
    changed.expect("changed");
    let line = format!("GET /u/{token}");
    assert!(ask(to, &line, "").await.head.contains("content-language: pl"));
    assert!(browse(to, &line, "tlh", "").await.head.contains("content-language: pl"));
    assert!(browse(to, &line, "en", "").await.head.contains("content-language: en"));
}

#[tokio::test]
async fn a_link_that_is_not_valid_says_what_to_do_and_nothing_else() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let page = browse(to, &format!("GET /u/{token}"), "ja", "").await;
    assert_eq!(page.status, 200);
    let cut = &token[..token.len() - 1];
    let mut told = Vec::new();
    for path in
        [format!("/u/{cut}"), "/u/x".into(), "/u/%FF".into(), "/u/".into(), format!("/u/{token}/x")]
    {
        let page = browse(to, &format!("GET {path}"), "ja", "").await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.body.contains("このリンクは無効です"), "{path}: {}", page.body);
        assert!(!page.body.contains("acme") && !page.head.contains("set-cookie"));
        told.push(page.body);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "one link that is not valid looks like any other");
    for line in [format!("POST /u/{cut}"), format!("POST /u/{cut}/preferences")] {
        assert_eq!(browse(to, &line, "ja", "choice=account").await.status, 404, "{line}");
    }
    let mangled = browse(to, &format!("PUT /u/{token}"), "ja", "").await;
    assert!(mangled.status == 405 && mangled.head.contains("allow: get,head,post"));
    // A program hears it as programs do.
    let program = request(&format!("GET /u/{cut}"), FORM, "").replacen(
        "Host:",
        "Accept: application/json\r\nHost:",
        1,
    );
    let io = TcpStream::connect(to).await.expect("connected");
    assert!(converse(io, &program).await.head.contains("application/problem+json"));
}

#[tokio::test]
async fn a_store_that_is_damaged_is_told_on_a_page_with_when_to_try_again() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let undo = house.parts.policy.seal(&Token::Undo { event: 1, until: Timestamp(1) });
    let undo = undo.expect("token");
    house.damage().await;
    let one_click = "List-Unsubscribe=One-Click";
    for (line, form) in [
        (format!("GET /u/{token}"), ""),
        (format!("GET /u/{token}/preferences"), ""),
        (format!("GET /u/{undo}"), ""),
        (format!("POST /u/{token}"), "choice=stream"),
        (format!("POST /u/{token}"), one_click),
        (format!("POST /u/{token}/preferences"), "choice=account"),
    ] {
        let page = browse(to, &line, "es", form).await;
        assert_eq!(page.status, 503, "{line}");
        assert!(page.head.contains("retry-after: 10"), "{line}: {}", page.head);
        assert!(page.body.contains("No se pudo registrar nada"), "{line}: {}", page.body);
        for word in ["damaged", "installation", "relent store"] {
            assert!(!page.body.contains(word), "{line}: {}", page.body);
        }
    }
    // A mail client's one click is told as programs are.
    let click = ask(to, &format!("POST /u/{token}"), one_click).await;
    assert!(click.status == 503 && click.head.contains("application/problem+json"));
    assert!(click.head.contains("retry-after: 10"), "{}", click.head);
}

#[tokio::test]
async fn a_store_that_takes_nothing_still_shows_and_acknowledges_nothing() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    house.parts.store.close().await;
    for path in ["", "/preferences"] {
        let line = format!("/u/{token}{path}");
        assert_eq!(browse(to, &format!("GET {line}"), "en", "").await.status, 200);
        let page = browse(to, &format!("POST {line}"), "en", "choice=account").await;
        assert!(page.status == 503 && page.body.contains("Nothing could be recorded"));
    }
    assert_eq!(house.stops(), []);
}

#[tokio::test]
async fn who_asks_too_often_is_told_so_and_one_click_is_never_counted() {
    let mut house = House::build().await;
    let mut config = (*house.parts.config).clone();
    config.http.page_requests_per_minute_max = 3;
    house.parts.config = config.into();
    let (to, token) = (house.public().await, house.token());
    let from = |ip: &str, line: &str, form: &str| {
        let fields = format!("X-Forwarded-For: {ip}\r\nAccept: text/html\r\nHost:");
        let text = request(line, FORM, form).replacen("Host:", &fields, 1);
        async move { converse(TcpStream::connect(to).await.expect("connected"), &text).await }
    };
    let look = format!("GET /u/{token}");
    let mut last = from("192.0.2.9", &look, "").await;
    // A minute may end meanwhile, and the count begins anew: so twice as many are surely too many.
    for _ in 0..7 {
        if last.status == 429 {
            break;
        }
        last = from("192.0.2.9", &look, "").await;
    }
    assert_eq!(last.status, 429);
    assert!(last.head.contains("retry-after: 60") && last.body.contains("Too many requests"));
    assert_eq!(from("192.0.2.10", &look, "").await.status, 200, "others are not held up");
    for _ in 0..5 {
        let click = from("192.0.2.9", &format!("POST /u/{token}"), "List-Unsubscribe=One-Click");
        assert_eq!(click.await.status, 200);
        // A proxy that says nothing of whom it speaks for speaks for all.
        assert_eq!(ask(to, &look, "").await.status, 200);
    }
}

#[tokio::test]
async fn one_click_is_answered_without_redirect_cookie_or_page() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    for times in 0..3 {
        let done =
            browse(to, &format!("POST /u/{token}"), "de", "List-Unsubscribe=One-Click").await;
        assert_eq!((done.status, done.body.as_str()), (200, "unsubscribed\n"), "{times}");
        assert!(!done.head.contains("location:") && !done.head.contains("set-cookie"));
    }
    assert_eq!(house.stops().len(), 1);
}
