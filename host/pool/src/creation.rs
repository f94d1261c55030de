//! Making one replica, beside the calls.

use std::sync::Arc;

use scorehost_core::{ErrorKind, Failure, Replica};

use crate::Pool;

/// A planned creation. It is counted until it succeeds, fails, or is dropped half-way (a panic, a runtime that ends).
pub(crate) struct Creation {
    pool: Option<Arc<Pool>>,
}

impl Creation {
    pub(crate) const fn new(pool: Arc<Pool>) -> Self {
        Self { pool: Some(pool) }
    }

    /// Makes the replica and hands it, or the failure, to the pool; tells the failure to whoever waits, too.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        let Some(pool) = self.pool.as_ref().map(Arc::clone) else { return Ok(()) };
        let created: Result<Box<dyn Replica>, Failure> = pool.factory().create().await;
        self.pool = None;
        let failure = created.as_ref().err().cloned();
        pool.created(created);
        failure.map_or(Ok(()), Err)
    }
}

impl Drop for Creation {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.created(Err(Failure::new(ErrorKind::Internal, "making a replica was broken off")));
        }
    }
}
