//! Moves long work off the acceptor thread, so that one large body does not hold up the other connections.

use scorehost_core::Failure;

/// Work on fewer bytes than this stays where it is: about a millisecond of parsing or compressing.
pub(crate) const INLINE_BYTES: usize = 256 << 10;

/// Runs `work` on the blocking pool.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::internal(error)))
}
