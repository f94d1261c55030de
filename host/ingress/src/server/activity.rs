//! What a connection is doing, so that one sweep per second can close those that do nothing. No timer is set for any
//! request.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::Timeouts;

/// Seconds since the acceptor thread started; moved on by its sweep.
pub(crate) type Seconds = Rc<Cell<u32>>;

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Finish the requests in flight.
    Gracefully,
    /// At once: it is silent.
    Now,
}

/// The state of one connection.
pub(crate) struct Activity {
    clock: Seconds,
    last_io: Cell<u32>,
    /// When the first byte after the last request came; `None` when there was none yet.
    request_began: Cell<Option<u32>>,
    /// HTTP/2's own frames come between requests too, so that bytes there begin no request.
    http2: Cell<bool>,
    in_flight: Cell<u32>,
    reading: Cell<u32>,
    ending: Cell<Option<Ending>>,
    waker: RefCell<Option<Waker>>,
    peer_name: OnceCell<String>,
    peer: Cell<IpAddr>,
}

impl Activity {
    pub(crate) fn new(clock: Seconds) -> Self {
        let now = clock.get();
        Self {
            clock,
            last_io: Cell::new(now),
            request_began: Cell::new(None),
            http2: Cell::new(false),
            in_flight: Cell::new(0),
            reading: Cell::new(0),
            ending: Cell::new(None),
            waker: RefCell::new(None),
            peer_name: OnceCell::new(),
            peer: Cell::new(crate::auth::UNKNOWN_PEER),
        }
    }

    /// The caller showed a certificate with this subject, from an authority that the host trusts.
    pub(crate) fn set_peer_name(&self, name: String) {
        let _ = self.peer_name.set(name);
    }

    /// Who the caller is by its certificate.
    pub(crate) fn peer_name(&self) -> Option<&str> {
        self.peer_name.get().map(String::as_str)
    }

    /// The address that the connection comes from.
    pub(crate) fn set_peer(&self, peer: IpAddr) {
        self.peer.set(peer);
    }

    /// Where the connection comes from.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer.get()
    }

    /// Bytes came in.
    pub(crate) fn received(&self) {
        let now = self.clock.get();
        self.last_io.set(now);
        if self.request_began.get().is_none() && !self.http2.get() {
            self.request_began.set(Some(now));
        }
    }

    /// The connection turned out to speak HTTP/2.
    pub(crate) fn is_http2(&self) {
        self.http2.set(true);
        self.request_began.set(None);
    }

    /// Bytes went out.
    pub(crate) fn sent(&self) {
        self.last_io.set(self.clock.get());
    }

    /// A request's headers are complete; it is in flight until the guard goes.
    pub(crate) fn request(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(self.clone())
    }

    /// Marks the time in which the caller owes the rest of a body.
    pub(crate) async fn reading<T>(&self, body: impl Future<Output = T>) -> T {
        let guard = Reading::new(&self.reading);
        let result = body.await;
        drop(guard);
        result
    }

    /// Whether the connection has been silent for longer than it may.
    pub(crate) fn overdue(&self, timeouts: &Timeouts) -> bool {
        let now = self.clock.get();
        let since = |second: u32| u64::from(now.saturating_sub(second));
        let silent = since(self.last_io.get());
        if self.in_flight.get() > 0 {
            // While every request is with a service, the service's own deadline rules.
            return self.reading.get() > 0 && silent > timeouts.body.as_secs();
        }
        silent > timeouts.idle.as_secs()
            || self.request_began.get().is_some_and(|began| since(began) > timeouts.header.as_secs())
    }

    /// Asks the connection to end; a graceful ending never softens an immediate one.
    pub(crate) fn end(&self, ending: Ending) {
        if self.ending.get() != Some(Ending::Now) {
            self.ending.set(Some(ending));
        }
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// The ending asked for; otherwise wakes the task when one is.
    pub(crate) fn poll_ending(&self, cx: &Context<'_>) -> Option<Ending> {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.ending.get()
    }
}

/// Counts a request as in flight.
pub(crate) struct InFlight(Rc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let activity = &self.0;
        activity.in_flight.set(activity.in_flight.get() - 1);
        // Bytes since the headers were the body's.
        activity.request_began.set(None);
        activity.sent();
    }
}

struct Reading<'a>(&'a Cell<u32>);

impl<'a> Reading<'a> {
    fn new(count: &'a Cell<u32>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn timeouts() -> Timeouts {
        let seconds = Duration::from_secs;
        Timeouts {
            idle: seconds(100),
            header: seconds(10),
            body: seconds(20),
            drain: seconds(1),
            ..Timeouts::default()
        }
    }

    #[test]
    fn silent_connections_are_overdue_after_the_idle_timeout() {
        let clock = Seconds::default();
        let activity = Activity::new(clock.clone());
        clock.set(100);
        assert!(!activity.overdue(&timeouts()));
        clock.set(101);
        assert!(activity.overdue(&timeouts()));
    }

    #[test]
    fn dripping_headers_do_not_keep_a_connection() {
        let clock = Seconds::default();
        let activity = Rc::new(Activity::new(clock.clone()));
        for second in 0..=10 {
            clock.set(second);
            activity.received();
            assert!(!activity.overdue(&timeouts()), "{second}");
        }
        clock.set(11);
        activity.received();
        assert!(activity.overdue(&timeouts()));
        drop(activity.request());
        assert!(!activity.overdue(&timeouts()));
    }

    #[test]
    fn bodies_must_keep_coming_and_services_may_take_their_time() {
        let clock = Seconds::default();
        let activity = Rc::new(Activity::new(clock.clone()));
        let _request = activity.request();
        clock.set(1000);
        assert!(!activity.overdue(&timeouts()));
        let mut reading = std::pin::pin!(activity.reading(std::future::pending::<()>()));
        assert!(reading.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(activity.overdue(&timeouts()));
    }
}
