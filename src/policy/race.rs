//! Opt-outs raced against senders, judged by a ledger outside: after the acknowledgement, no dot.

use super::{Policy, Subject};
use crate::accounts::{Accounts, Stream, StreamDraft, StreamKind};
use crate::config;
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::Address;
use crate::store::Store;
use crate::world::World;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const OPT_OUTS: usize = 300;

/// How many dots were written after an acknowledged stop, with senders that look last or do not.
async fn violations(looks: bool) -> usize {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = World::real();
    let store = Store::open(folder.path(), &config::Store::default(), &world);
    let accounts = Accounts::new(store.clone(), world.clone());
    let policy = Policy::new(accounts.clone(), store, world, &config::Queue::default());
    let account = accounts.add_account("acme").await.expect("account");
    let draft = StreamDraft {
        name: "news".into(),
        kind: StreamKind::Marketing,
        consent_required: Some(false),
        honour_opt_out: false,
        reply_to: None,
    };
    let stream = accounts.add_stream(account.id, draft).await;
    let stream: Arc<Stream> = Arc::new(stream.expect("stream"));
    accounts.make_keys().await.expect("keys");
    let mut violated = 0;
    for number in 0..OPT_OUTS {
        let address = Address::new(&format!("p{number}"), "example.com").expect("address");
        let (acknowledged, late) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let permit = policy.permit(&stream, &address).expect("store");
                        if permit.is_ok() || !looks {
                            // The dot.
                            if acknowledged.load(Ordering::SeqCst) {
                                late.fetch_add(1, Ordering::SeqCst);
                                return;
                            }
                        } else {
                            return;
                        }
                    }
                });
            }
            let evidence = Evidence {
                source: Source::OneClick,
                text: String::new(),
                ip: None,
                message: None,
            };
            let stop = policy.suppress(
                account.id,
                Subject::Address(address.clone()),
                Scope::Stream(stream.id),
                Reason::OptOut,
                evidence,
            );
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("runtime");
            let handle = scope.spawn(move || runtime.block_on(stop).map(|_| ()));
            handle.join().expect("the stop").expect("store");
            acknowledged.store(true, Ordering::SeqCst);
        });
        violated += late.into_inner();
    }
    violated
}

#[tokio::test]
async fn no_dot_follows_an_acknowledged_stop() {
    assert_eq!(violations(true).await, 0);
}

#[tokio::test]
async fn a_sender_that_does_not_look_last_is_caught() {
    assert!(violations(false).await > 0);
}
