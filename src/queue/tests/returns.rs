//! Mail that comes back after a server had taken it.

use super::*;

/// What a bounce says comes as the same kind of event as a refusal at once.
fn is_failure(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed { .. })
}

async fn bounce(rig: &Rig, id: MessageId) -> Result<(), SpoolFault> {
    let (message, number) = rig.queue.find(id, RecipientNumber(0)).await.expect("a message");
    rig.queue.returned(message, number, said("user unknown"), true).await
}

#[tokio::test]
async fn a_bounce_that_comes_before_the_delivery_was_marked_is_told_after_it() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let id = rig.accept(&stream, 1, "app@acme.example", &["one@a.example"]).await;
    let lease = rig.one("a.example").await;
    // A server that is told to come later brings it again.
    let brought = async {
        loop {
            match bounce(&rig, id).await {
                Err(SpoolFault::Busy) => {}
                noted => return noted,
            }
        }
    };
    let marked = async {
        // The bounce is there first.
        tokio::task::yield_now().await;
        assert!(rig.outcomes().is_empty());
        rig.queue.finish(lease, Attempt::Delivered(said("250 ok"))).await.expect("marked");
    };
    let (noted, ()) = tokio::join!(brought, marked);
    noted.expect("noted");
    let outcomes = rig.outcomes();
    assert!(
        matches!(&outcomes[..], [Outcome::Delivered, last] if is_failure(last)),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_bounce_of_what_is_tried_again_changes_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let id = rig.accept(&stream, 1, "app@acme.example", &["one@a.example"]).await;
    rig.end("a.example", Attempt::Deferred(said("no reply to the dot"))).await;
    bounce(&rig, id).await.expect("nothing to note");
    assert!(!rig.outcomes().iter().any(is_failure));
    assert_eq!(rig.waiting().await, 1);
}

#[tokio::test]
async fn a_bounce_of_an_attempt_that_does_not_end_is_to_come_again() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let id = rig.accept(&stream, 1, "app@acme.example", &["one@a.example"]).await;
    let lease = rig.one("a.example").await;
    assert!(matches!(bounce(&rig, id).await, Err(SpoolFault::Busy)));
    drop(lease);
}
