//! Waiting no longer than until the deadline, without a timer for what is ready at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

/// Polls `work` once, and only when it is not ready arms a timer over `left()`; `None` when that passes first.
pub(crate) async fn within<F: Future + ?Sized>(
    mut work: Pin<&mut F>,
    left: impl FnOnce() -> Duration,
) -> Option<F::Output> {
    match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        Poll::Ready(output) => Some(output),
        Poll::Pending => timeout(left(), work).await.ok(),
    }
}
