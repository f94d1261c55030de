//! One acceptor thread: a single-threaded runtime, its listeners, and the connections they bring.

use std::cell::RefCell;
use std::net::TcpListener as StdListener;
use std::rc::{Rc, Weak};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;

use super::activity::{Activity, Ending, Seconds};
use super::{connection, refuse};
use crate::IngressError;
use crate::handler::Shared;

const SWEEP: Duration = Duration::from_secs(1);

/// Pause after the system refused a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Acceptor {
    pub(crate) shared: Shared,
    pub(crate) listeners: Vec<StdListener>,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// The connections of one thread.
struct Connections {
    shared: Rc<Shared>,
    clock: Seconds,
    open: RefCell<Vec<Weak<Activity>>>,
    closed: Notify,
}

impl Acceptor {
    /// Runs on this thread until the host stops and every request in flight is answered or out of time.
    pub(crate) fn run(self) -> Result<(), IngressError> {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let runtime = runtime.map_err(IngressError::Thread)?;
        let connections = Rc::new(Connections {
            shared: Rc::new(self.shared),
            clock: Seconds::default(),
            open: RefCell::default(),
            closed: Notify::new(),
        });
        let ended = runtime.block_on(connections.run(self.listeners, self.stopped));
        // Guests and large bodies on the blocking pool have had the drain time.
        runtime.shutdown_background();
        ended
    }
}

impl Connections {
    async fn run(
        self: Rc<Self>,
        listeners: Vec<StdListener>,
        stopped: watch::Receiver<bool>,
    ) -> Result<(), IngressError> {
        let sweep = spawn_local(self.clone().sweep());
        let mut accepting = Vec::new();
        for listener in listeners {
            let listener = TcpListener::from_std(listener).map_err(IngressError::Thread)?;
            accepting.push(spawn_local(self.clone().accept(listener, stopped.clone())));
        }
        for task in accepting {
            // Accepting ends when the host stops; connections have tasks of their own, so a panic there ends one of them.
            let _ = task.await;
        }
        self.end_all();
        let _ = tokio::time::timeout(self.shared.config.timeouts.drain, self.all_closed()).await;
        sweep.abort();
        Ok(())
    }

    async fn accept(self: Rc<Self>, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.clone().open(stream),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn open(self: Rc<Self>, stream: TcpStream) {
        let count = &self.shared.connections;
        let limit = self.shared.config.limits.connections;
        if count.fetch_add(1, Ordering::Relaxed) >= limit {
            count.fetch_sub(1, Ordering::Relaxed);
            return refuse::refuse(&stream, limit, self.shared.tls.is_some());
        }
        let activity = Rc::new(Activity::new(self.clock.clone()));
        if let Ok(peer) = stream.peer_addr() {
            activity.set_peer(peer.ip());
        }
        self.open.borrow_mut().push(Rc::downgrade(&activity));
        let closing = Closing(self.clone());
        spawn_local(async move {
            connection::serve(closing.0.shared.clone(), stream, activity).await;
            drop(closing);
        });
    }

    /// Moves the clock and closes silent connections.
    async fn sweep(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            self.clock.set(self.clock.get().saturating_add(1));
            let timeouts = &self.shared.config.timeouts;
            self.each_open(|activity| {
                if activity.overdue(timeouts) {
                    activity.end(Ending::Now);
                }
            });
        }
    }

    fn end_all(&self) {
        self.each_open(|activity| activity.end(Ending::Gracefully));
    }

    fn each_open(&self, mut visit: impl FnMut(&Activity)) {
        self.open.borrow_mut().retain(|open| open.upgrade().inspect(|activity| visit(activity)).is_some());
    }

    async fn all_closed(&self) {
        while self.open.borrow().iter().any(|open| open.strong_count() > 0) {
            self.closed.notified().await;
        }
    }
}

/// Gives the connection's place back, also when its task panics.
struct Closing(Rc<Connections>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.closed.notify_one();
    }
}
