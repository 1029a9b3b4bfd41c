//! The addresses that we listen on ourselves: mail to them would come back.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// All of them, as they are now. Cheap to clone; every clone sees a change.
#[derive(Debug, Clone, Default)]
pub struct Own(Arc<RwLock<Arc<[SocketAddr]>>>);

impl Own {
    /// Those that are listened on now.
    #[must_use]
    pub fn now(&self) -> Arc<[SocketAddr]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Others are listened on from now on.
    pub fn replace(&self, addresses: Vec<SocketAddr>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = addresses.into();
    }
}

impl From<Vec<SocketAddr>> for Own {
    fn from(addresses: Vec<SocketAddr>) -> Self {
        let own = Self::default();
        own.replace(addresses);
        own
    }
}
