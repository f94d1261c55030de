//! Who goes next where several wait: plain data, used under the lock of whoever owns the wait.

mod fair;
mod line;
mod slice;

pub use fair::{Company, FairQueue, Flow, virtual_time};
pub use line::{Line, Ticket};
pub use slice::{LongSlice, long_slice, take_long_slice};
