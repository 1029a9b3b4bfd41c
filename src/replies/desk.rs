//! Acts on what comes back.

use crate::mail::{Address, Answer, ReversePath, Status, Verdict};

/// Where a message for us goes.
#[derive(Clone, Debug)]
pub struct Destination;

/// Who reads what comes back.
pub struct Desk;

impl Desk {
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
