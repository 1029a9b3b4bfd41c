//! Webhooks: whom a recipient's hash stands for, as far as the records say.

use crate::mail::{AccountId, RecipientHash};
use crate::policy::{Policy, Subject};
use crate::store::StoreFault;
use crate::webhooks::{Directory, Whom};

/// The way from webhooks to the records of recipients.
pub(super) struct Known(pub(super) Policy);

impl Directory for Known {
    fn whom(&self, account: AccountId, hash: RecipientHash) -> Result<Whom, StoreFault> {
        let view = self.0.view(account, &Subject::Hash(hash))?;
        Ok(Whom { address: view.address, domain: view.domain })
    }
}
