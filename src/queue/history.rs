//! What the log still knows of messages and recipients, whether they wait or have ended.

use crate::events::message::MessageEvent;
use crate::spool::Spool;

/// Reads what one of the keys of `events` names, newest first, on a blocking thread, until `each` says
/// false.
pub(super) async fn find<T: Send + 'static>(
    spool: Spool,
    key: u64,
    mut each: impl FnMut(MessageEvent, &mut Vec<T>) -> bool + Send + 'static,
) -> Vec<T> {
    let read = move || {
        let mut found = Vec::new();
        let outcome = spool.find(key, |record| {
            MessageEvent::decode(&record).is_none_or(|event| each(event, &mut found))
        });
        if let Err(fault) = outcome {
            tracing::error!(target: "relent::queue", %fault, "what was asked for may be incomplete");
        }
        found
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}
