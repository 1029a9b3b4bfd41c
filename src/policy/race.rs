//! Opt-outs raced against senders, judged by a ledger outside: after the acknowledgement, no dot.

use super::Subject;
use crate::accounts::Stream;
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::Address;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Threads that write dots, all of them for every recipient.
const SENDERS: usize = 3;
/// Opt-outs that are committed at a time.
const TOGETHER: usize = 20;

struct Raced {
    address: Address,
    subject: Subject,
    scope: Scope,
    acknowledged: AtomicBool,
}

/// Who opts out, by turns of a stream, an account, a whole domain and everything.
fn people(count: usize, stream: &Stream) -> Vec<Raced> {
    let raced = |number: usize| {
        let domain = format!("d{number}.example.com");
        let address = Address::new("p", &domain).expect("address");
        let (subject, scope) = match number % 4 {
            0 => (Subject::Address(address.clone()), Scope::Stream(stream.id)),
            1 => (Subject::Address(address.clone()), Scope::Account),
            2 => (Subject::Domain(address.domain().clone()), Scope::Account),
            _ => (Subject::Address(address.clone()), Scope::Global),
        };
        Raced { address, subject, scope, acknowledged: AtomicBool::new(false) }
    };
    (0..count).map(raced).collect()
}

/// How many dots were written after an acknowledged stop, and how many before one, with senders that
/// heed the last look or do not.
async fn race(opt_outs: usize, heeds: bool) -> (usize, usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (accounts, policy, stream) = super::tests::rig(folder.path()).await;
    accounts.make_keys().await.expect("keys");
    let people = people(opt_outs, &stream);
    let (late, timely) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for together in people.chunks(TOGETHER) {
        let sender = || {
            let mut open: Vec<&Raced> = together.iter().collect();
            while !open.is_empty() {
                open.retain(|raced| {
                    let permit = policy.permit(&stream, &raced.address).expect("store");
                    if permit.is_err() && heeds {
                        return false;
                    }
                    // The dot; the ledger is read while the permit is still out.
                    let is_late = raced.acknowledged.load(Ordering::SeqCst);
                    if is_late { &late } else { &timely }.fetch_add(1, Ordering::SeqCst);
                    drop(permit);
                    !is_late
                });
            }
        };
        let stops = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("runtime");
            runtime.block_on(async {
                let stops = together.iter().map(|raced| {
                    let (policy, account) = (policy.clone(), stream.account);
                    let (subject, scope) = (raced.subject.clone(), raced.scope);
                    let evidence = Evidence {
                        source: Source::OneClick,
                        text: String::new(),
                        ip: None,
                        message: None,
                    };
                    async move {
                        let reason = Reason::OptOut;
                        policy.suppress(account, subject, scope, reason, evidence).await
                    }
                });
                let tasks: Vec<_> = stops.map(tokio::spawn).collect();
                for (raced, task) in together.iter().zip(tasks) {
                    task.await.expect("the stop").expect("store");
                    raced.acknowledged.store(true, Ordering::SeqCst);
                }
            });
        };
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(sender);
            }
            scope.spawn(stops);
        });
    }
    (late.into_inner(), timely.into_inner())
}

#[cfg(not(feature = "sabotage"))]
#[tokio::test]
async fn no_dot_follows_an_acknowledged_stop() {
    let (late, timely) = race(3200, true).await;
    assert_eq!(late, 0);
    assert!(timely > 1000, "no race was run: {timely} dots before the stops");
}

#[tokio::test]
async fn a_sender_that_does_not_heed_the_last_look_is_caught() {
    assert!(race(40, false).await.0 > 0);
}

/// With the switch `no-last-look` a permit is handed out unseen, and the same race goes red.
#[cfg(feature = "sabotage")]
#[tokio::test]
async fn without_the_last_look_dots_follow_stops() {
    let (late, _) = race(400, true).await;
    if std::env::var("RELENT_SABOTAGE").is_ok_and(|what| what == "no-last-look") {
        assert!(late > 0, "the sabotage was not noticed");
    } else {
        assert_eq!(late, 0);
    }
}
