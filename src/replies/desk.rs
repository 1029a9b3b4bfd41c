//! Acts on what comes back.

use crate::mail::{Address, Answer, ReversePath, Status, Verdict};

/// Where a message for us goes.
#[derive(Clone, Debug)]
pub struct Destination;

/// What the desk needs.
pub struct Parts {
    /// The settings.
    pub config: std::sync::Arc<crate::config::Config>,
    /// Where letters go.
    pub queue: std::sync::Arc<dyn crate::queue::Queue>,
    /// Whose mail it is.
    pub accounts: crate::accounts::Accounts,
    /// Where stops are recorded.
    pub policy: crate::policy::Policy,
    /// Clock and chance.
    pub world: crate::world::World,
}

/// Who reads what comes back.
pub struct Desk;

impl Desk {
    /// Opens the desk.
    #[must_use]
    pub fn new(_parts: Parts) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self)
    }

    /// Whether an address is one of ours.
    ///
    /// # Errors
    /// The refusal.
    pub async fn recipient(&self, address: &Address) -> Result<Destination, Answer> {
        let text = format!("{address} is not one of our addresses");
        Err(Answer::new(550, Status::new(5, 7, 1), text))
    }

    /// Reads a message for us.
    pub async fn receive(
        &self,
        _sender: &ReversePath,
        _to: Vec<Destination>,
        _message: bytes::Bytes,
    ) -> Verdict {
        let text = "nothing is read here";
        Verdict::Refuse(Answer::new(550, Status::new(5, 7, 1), text))
    }
}
