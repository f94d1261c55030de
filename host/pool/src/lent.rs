//! A replica on loan.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use scorehost_core::Replica;

use crate::Pool;

/// A replica lent to one call. Dropping it gives it back, or retires it when it is not healthy any more.
pub struct Lent {
    replica: Option<Box<dyn Replica>>,
    pool: Arc<Pool>,
}

impl Lent {
    pub(crate) fn new(replica: Box<dyn Replica>, pool: Arc<Pool>) -> Self {
        Self { replica: Some(replica), pool }
    }
}

impl Deref for Lent {
    type Target = dyn Replica;

    #[expect(clippy::expect_used, reason = "only drop takes the replica out")]
    fn deref(&self) -> &Self::Target {
        &**self.replica.as_ref().expect("a replica until dropped")
    }
}

impl DerefMut for Lent {
    #[expect(clippy::expect_used, reason = "only drop takes the replica out")]
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut **self.replica.as_mut().expect("a replica until dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(replica) = self.replica.take() {
            self.pool.take_back(replica);
        }
    }
}
