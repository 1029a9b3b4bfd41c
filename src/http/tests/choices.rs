//! The page of choices: what it lists, and what its form may and may not do.

use super::*;
use crate::policy::ConsentState;

fn evidence(source: Source) -> Evidence {
    Evidence { source, text: "web form".into(), ip: None, message: None }
}

impl House {
    async fn stop(&self, scope: Scope, reason: Reason, source: Source) -> u64 {
        let subject = Subject::Address(self.ann.clone());
        let account = self.stream.account;
        let done = self.parts.policy.suppress(account, subject, scope, reason, evidence(source));
        done.await.expect("store").0
    }
}

/// The names that have a box.
fn boxes(page: &Answer) -> Vec<String> {
    let inputs = page.body.split("<input type=\"checkbox\" name=\"keep\" value=\"").skip(1);
    inputs.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn the_page_lists_what_a_person_has_had_and_nothing_else() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let line = format!("GET /u/{token}/preferences");
    let offers = house.stream("offers", StreamKind::Marketing).await;
    house.stream("unseen", StreamKind::Marketing).await;
    let receipts = house.stream("receipts", StreamKind::Transactional).await;
    assert_eq!(boxes(&ask(to, &line, "").await), ["news"]);
    house.submit_on(&offers).await;
    house.submit_on(&receipts).await;
    let club = house.stream("club", StreamKind::Marketing).await;
    let agreed = house.parts.policy.grant(&club, &house.ann, Timestamp(1), evidence(Source::Api));
    agreed.await.expect("store");
    let page = ask(to, &line, "").await;
    assert_eq!(boxes(&page), ["news", "offers", "club"]);
    assert!(page.body.contains("<bdi>receipts</bdi>"), "what nobody can end is named too");
    assert!(!page.body.contains("unseen"));
    assert!(!page.body.contains("ann@example.com"));
    // Another person of the same account has had none of it.
    let other = Address::parse("bob@example.com").expect("address");
    let recipient = house.parts.accounts.hash(house.stream.account, &other).expect("hash");
    let token = Token::Unsubscribe { stream: house.stream.id, recipient };
    let token = house.parts.policy.seal(&token).expect("token");
    let page = ask(to, &format!("GET /u/{token}/preferences"), "").await;
    assert_eq!((page.status, boxes(&page)), (200, vec!["news".to_owned()]));
}

#[tokio::test]
async fn a_cleared_box_ends_its_stream_alone_and_its_button_undoes_it() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let offers = house.stream("offers", StreamKind::Marketing).await;
    house.submit_on(&offers).await;
    house.submit().await;
    let line = format!("POST /u/{token}/preferences");
    let done = ask(to, &line, "shown=news+offers&keep=news&choice=save").await;
    assert_eq!(done.status, 200, "{}", done.body);
    let stopped = [(Scope::Stream(offers.id), Reason::OptOut, Source::Page)];
    assert_eq!(house.stops(), stopped);
    assert_eq!(house.queued().await, 1, "mail of the other stream still waits");
    let page = ask(to, &format!("GET /u/{token}/preferences"), "").await;
    assert_eq!(boxes(&page), ["news"]);
    let undo = done.body.split("name=\"undo\" value=\"").nth(1).expect("a way back");
    let undo = undo.split('"').next().expect("quoted");
    let form = format!("choice=undo&undo={undo}");
    assert_eq!(ask(to, &line, &form).await.status, 200);
    assert_eq!(house.stops(), []);
    assert_eq!(ask(to, &line, &form).await.status, 410);
}

#[tokio::test]
async fn a_form_that_is_sent_as_it_stands_changes_nothing() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let first = format!("/u/{token}");
    let second = format!("/u/{token}/preferences");
    for path in [&first, &second] {
        let page = ask(to, &format!("GET {path}"), "").await;
        // What a program finds that fills in forms: every field but the button, which nobody pressed.
        assert!(!page.body.contains("type=\"hidden\" name=\"choice\""), "{}", page.body);
        assert!(page.body.contains("<button name=\"choice\""));
        let fields = "shown=news&keep=news";
        assert_eq!(ask(to, &format!("POST {path}"), fields).await.status, 400);
        assert_eq!(ask(to, &format!("POST {path}"), "shown=news").await.status, 400);
    }
    // Pressed, with the boxes as they stand.
    let line = format!("POST {second}");
    let page = ask(to, &line, "shown=news&keep=news&choice=save").await;
    assert!(page.status == 200 && page.body.contains("Nothing was changed"), "{}", page.body);
    assert_eq!(house.stops(), []);
}

#[tokio::test]
async fn what_the_form_never_showed_is_not_taken_for_cleared() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let offers = house.stream("offers", StreamKind::Marketing).await;
    let other = house.parts.accounts.add_account("other").await.expect("account");
    let draft = StreamDraft::named("foreign", StreamKind::Marketing);
    house.parts.accounts.add_stream(other.id, draft).await.expect("stream");
    house.submit_on(&offers).await;
    let line = format!("POST /u/{token}/preferences");
    for form in ["choice=save", "shown=&choice=save", "shown=foreign+unseen+x&choice=save"] {
        assert_eq!(ask(to, &line, form).await.status, 200, "{form}");
        assert_eq!(house.stops(), [], "{form}");
    }
}

#[tokio::test]
async fn nobody_ends_or_opens_here_what_is_not_theirs_to_lift() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let receipts = house.stream("receipts", StreamKind::Transactional).await;
    house.submit_on(&receipts).await;
    let line = format!("POST /u/{token}/preferences");
    ask(to, &line, "shown=receipts&choice=save").await;
    assert_eq!(house.stops(), [], "what needs no agreement goes on");
    house.stop(Scope::Account, Reason::Manual, Source::Operator).await;
    let page = ask(to, &format!("GET /u/{token}/preferences"), "").await;
    assert_eq!(boxes(&page), Vec::<String>::new());
    assert!(page.body.contains("It cannot be sent to this address at present."));
    // Ticking is no way back: neither past others' stops, nor past one's own.
    let own = house.stop(Scope::Stream(house.stream.id), Reason::OptOut, Source::Page).await;
    for form in ["keep=news&choice=save", "shown=news&keep=news&choice=save"] {
        ask(to, &line, form).await;
        assert_eq!(house.stops().len(), 2, "{form}");
    }
    // An undo token of the stop is, and of no other.
    let until = house.parts.world.clock.now().after(Duration::from_secs(60));
    for (event, status) in [(own - 1, 410), (own, 200)] {
        let undo = house.parts.policy.seal(&Token::Undo { event, until }).expect("token");
        let done = ask(to, &line, &format!("choice=undo&undo={undo}")).await;
        assert_eq!(done.status, status);
    }
    assert_eq!(house.stops(), [(Scope::Account, Reason::Manual, Source::Operator)]);
}

#[tokio::test]
async fn the_page_says_what_was_agreed_to_and_what_was_ended() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert!(page.body.contains("No agreement of yours is recorded here."), "{}", page.body);
    let given = Evidence { text: "<i>form</i> at the fair".into(), ..evidence(Source::Api) };
    let at = Timestamp(1_795_699_145_678);
    house.parts.policy.grant(&house.stream, &house.ann, at, given).await.expect("store");
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    for part in [
        "You agreed to it on <time datetime=\"2026-11-26T13:19:05Z\"",
        "<bdi>&lt;i&gt;form&lt;/i&gt; at the fair</bdi>",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let done = ask(to, &format!("POST /u/{token}/preferences"), "choice=account").await;
    assert_eq!(done.status, 200);
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    assert!(page.body.contains("You stopped all newsletters and offers from"), "{}", page.body);
    assert!(!page.body.contains("<button"), "there is nothing left to end");
    let page = ask(to, &format!("GET /u/{token}/preferences"), "").await;
    let again =
        "<button name=\"choice\" value=\"again news\" class=\"quiet\">Get “<bdi>news</bdi>” again";
    assert!(page.body.contains(again), "the way back is there: {}", page.body);
}

#[tokio::test]
async fn who_has_come_back_can_end_it_again() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    house.stop(Scope::Account, Reason::OptOut, Source::Page).await;
    let now = house.parts.world.clock.now();
    let own = evidence(Source::Page);
    house.parts.policy.grant(&house.stream, &house.ann, now, own).await.expect("store");
    let page = ask(to, &format!("GET /u/{token}"), "").await;
    let button = |choice: &str| page.body.contains(&format!("name=\"choice\" value=\"{choice}\""));
    assert!(button("stream") && button("account"), "{}", page.body);
    let done = ask(to, &format!("POST /u/{token}"), "choice=account").await;
    assert_eq!(done.status, 200);
    let judged = house.parts.policy.judge(&house.stream, &house.ann).expect("store");
    assert!(matches!(judged, crate::policy::Judgement::Suppressed(_)));
    let view = house.parts.policy.view(house.stream.account, &Subject::Address(house.ann.clone()));
    assert!(view.expect("store").consents.iter().all(|c| c.state == ConsentState::Granted));
}

#[tokio::test]
async fn who_wants_a_stream_again_is_asked_by_mail_and_not_by_the_link_alone() {
    let house = House::build().await;
    let (to, token) = (house.public().await, house.token());
    house.stop(Scope::Stream(house.stream.id), Reason::OptOut, Source::OneClick).await;
    let line = format!("POST /u/{token}/preferences");
    for foreign in ["again+unseen", "again+", "again+news%20"] {
        let page = ask(to, &line, &format!("choice={foreign}")).await;
        assert!(page.body.contains("Nothing was changed"), "{foreign}: {}", page.body);
    }
    assert_eq!(house.queued().await, 0);
    let page = ask(to, &line, "choice=again+news").await;
    assert!(page.status == 200 && page.body.contains("We have sent a message to"), "{}", page.body);
    assert!(page.body.contains("a…@e….com") && !page.body.contains("ann@example.com"));
    assert_eq!(house.queued().await, 1);
    assert_eq!(house.stops().len(), 1, "nothing comes again before its button is pressed");
    for _ in 0..2 {
        let page = ask(to, &line, "choice=again+news").await;
        assert!(page.body.contains("No message was sent"), "{}", page.body);
    }
    assert_eq!(house.queued().await, 1, "one such mail a day");
}

#[tokio::test]
async fn who_has_complained_or_cannot_be_reached_is_not_written_to() {
    for reason in [Reason::Complaint, Reason::HardBounce, Reason::Manual] {
        let house = House::build().await;
        let (to, token) = (house.public().await, house.token());
        house.stop(Scope::Stream(house.stream.id), Reason::OptOut, Source::Page).await;
        house.stop(Scope::Account, reason, Source::Operator).await;
        let page = ask(to, &format!("GET /u/{token}/preferences"), "").await;
        assert!(!page.body.contains("value=\"again"), "{reason}: {}", page.body);
        let line = format!("POST /u/{token}/preferences");
        let page = ask(to, &line, "choice=again+news").await;
        assert!(page.body.contains("Nothing was changed"), "{reason}: {}", page.body);
        assert_eq!(house.queued().await, 0, "{reason}");
    }
}
