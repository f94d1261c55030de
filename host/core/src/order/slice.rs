//! Word from a call to whoever polls it that its next slice is long.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    static LONG: Cell<bool> = const { Cell::new(false) };
}

/// Lets others go on once. The one that polls this call learns, by [`take_long_slice`], that what follows takes long on its
/// thread, and may go on with the call elsewhere.
#[must_use]
pub const fn long_slice() -> LongSlice {
    LongSlice { announced: false }
}

/// Whether a call that was polled on this thread since the last question announced a long slice.
pub fn take_long_slice() -> bool {
    LONG.replace(false)
}

/// What [`long_slice`] returns.
#[derive(Debug)]
pub struct LongSlice {
    announced: bool,
}

impl Future for LongSlice {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.announced {
            return Poll::Ready(());
        }
        self.announced = true;
        LONG.set(true);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_slice_is_announced_once_and_then_goes_on() {
        let mut slice = Box::pin(long_slice());
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert!(!take_long_slice());
        assert!(slice.as_mut().poll(&mut context).is_pending());
        assert!(take_long_slice() && !take_long_slice());
        assert!(slice.as_mut().poll(&mut context).is_ready());
        assert!(!take_long_slice());
    }
}
