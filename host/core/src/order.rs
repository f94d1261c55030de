//! Who goes next where several wait: plain data, used under the lock of whoever owns the wait.

mod fair;
mod line;

pub use fair::{FairQueue, Flow};
pub use line::{Line, Ticket};
