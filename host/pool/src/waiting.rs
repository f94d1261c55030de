//! A caller's place in line.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::state::Delivery;
use crate::{Lent, Pool, PoolError};

/// A place in line; dropping it leaves the line, and gives back a replica that was delivered meanwhile.
pub(crate) struct Place {
    pool: Arc<Pool>,
    number: u64,
    delivered: oneshot::Receiver<Delivery>,
}

impl Place {
    pub(crate) const fn new(pool: Arc<Pool>, number: u64, delivered: oneshot::Receiver<Delivery>) -> Self {
        Self { pool, number, delivered }
    }

    /// Waits for a replica; whoever drops this future keeps the place until it is dropped too.
    pub(crate) async fn delivery(&mut self) -> Result<Lent, PoolError> {
        match (&mut self.delivered).await {
            Ok(Ok(replica)) => Ok(Lent::new(replica, Arc::clone(&self.pool))),
            Ok(Err(error)) => Err(error),
            // The pool outlives its callers' places and answers each one it takes out of the line.
            Err(_) => Err(PoolError::Deadline),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.leave(self.number);
        self.delivered.close();
        if let Ok(Ok(replica)) = self.delivered.try_recv() {
            self.pool.take_back(replica);
        }
    }
}
