//! A bounded queue in front of a thread that delivers batches: whoever puts something in never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Bounds of an outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Items that wait; further ones are dropped and counted.
    pub max_queued: usize,
    /// Items of one delivery.
    pub max_batch: usize,
    /// Longest time that an item waits for others to go with it.
    pub delay: Duration,
}

impl Default for OutboxConfig {
    /// 2048 items, batches of 512, a second.
    fn default() -> Self {
        Self { max_queued: 2048, max_batch: 512, delay: Duration::from_secs(1) }
    }
}

/// What became of the items so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Delivered.
    pub sent: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
    /// Lost because they could not be delivered.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

enum Message<T> {
    Item(T),
    Flush(Sender<()>),
}

/// The queue's end that takes items. The thread ends after the last item once this is dropped.
pub(crate) struct Outbox<T> {
    queue: SyncSender<Message<T>>,
    counters: Arc<Counters>,
}

impl<T: Send + 'static> Outbox<T> {
    /// Starts the thread; `deliver` gets batches of at least one item and says why it could not deliver one.
    pub(crate) fn start(
        name: &'static str,
        config: OutboxConfig,
        deliver: impl FnMut(Vec<T>) -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, items) = sync_channel(config.max_queued.max(1));
        let counters = Arc::new(Counters::default());
        let mut courier = Courier { name, config, counters: Arc::clone(&counters), deliver, complained: None };
        std::thread::Builder::new().name(name.into()).spawn(move || courier.work(&items))?;
        Ok(Self { queue, counters })
    }

    /// Takes an item, or drops and counts it.
    pub(crate) fn put(&self, item: T) {
        if self.queue.try_send(Message::Item(item)).is_err() {
            self.counters.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Waits at most `longest` until everything put in so far is delivered or lost.
    pub(crate) fn flush(&self, longest: Duration) {
        let (done, finished) = channel();
        let end = Instant::now() + longest;
        let mut message = Message::Flush(done);
        // A full queue is being emptied meanwhile.
        while let Err(std::sync::mpsc::TrySendError::Full(back)) = self.queue.try_send(message) {
            if Instant::now() >= end {
                return;
            }
            message = back;
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = finished.recv_timeout(end.saturating_duration_since(Instant::now()));
    }

    pub(crate) fn counts(&self) -> OutboxCounts {
        let Counters { sent, dropped, failed } = &*self.counters;
        OutboxCounts { sent: sent.load(Relaxed), dropped: dropped.load(Relaxed), failed: failed.load(Relaxed) }
    }
}

struct Courier<D> {
    name: &'static str,
    config: OutboxConfig,
    counters: Arc<Counters>,
    deliver: D,
    /// When the log was last told of a failure.
    complained: Option<Instant>,
}

impl<D> Courier<D> {
    fn work<T>(&mut self, items: &Receiver<Message<T>>)
    where
        D: FnMut(Vec<T>) -> Result<(), String>,
    {
        while let Ok(first) = items.recv() {
            let (batch, flush, ended) = self.gather(first, items);
            if !batch.is_empty() {
                self.send(batch);
            }
            // Whoever waits may have given up.
            flush.into_iter().for_each(|done| _ = done.send(()));
            if ended {
                return;
            }
        }
    }

    /// Collects items until the batch is full, the delay is over, a flush is asked for or there will be no more.
    fn gather<T>(&self, first: Message<T>, items: &Receiver<Message<T>>) -> (Vec<T>, Option<Sender<()>>, bool) {
        let end = Instant::now() + self.config.delay;
        let mut batch = Vec::new();
        let mut next = first;
        loop {
            match next {
                Message::Item(item) => batch.push(item),
                Message::Flush(done) => return (batch, Some(done), false),
            }
            if batch.len() >= self.config.max_batch {
                return (batch, None, false);
            }
            next = match items.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => return (batch, None, false),
                Err(RecvTimeoutError::Disconnected) => return (batch, None, true),
            };
        }
    }

    fn send<T>(&mut self, batch: Vec<T>)
    where
        D: FnMut(Vec<T>) -> Result<(), String>,
    {
        let count = batch.len() as u64;
        match (self.deliver)(batch) {
            Ok(()) => _ = self.counters.sent.fetch_add(count, Relaxed),
            Err(cause) => {
                self.counters.failed.fetch_add(count, Relaxed);
                self.complain(&cause);
            }
        }
    }

    /// Tells the log of a failure, once a minute.
    fn complain(&mut self, cause: &str) {
        const PAUSE: Duration = Duration::from_secs(60);
        if self.complained.is_none_or(|last| last.elapsed() >= PAUSE) {
            self.complained = Some(Instant::now());
            tracing::warn!(
                queue = self.name,
                cause,
                "telemetry could not be delivered; scorehost_exported_items_total counts it"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn items_arrive_in_batches_and_in_order() {
        let (batches, delivered) = channel();
        let config = OutboxConfig { max_batch: 3, delay: LONG, ..OutboxConfig::default() };
        let outbox = Outbox::start("test", config, move |batch: Vec<u32>| {
            batches.send(batch).map_err(|error| error.to_string())
        });
        let outbox = outbox.unwrap();
        (0..5).for_each(|item| outbox.put(item));
        outbox.flush(LONG);
        assert_eq!(delivered.try_iter().collect::<Vec<_>>(), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(outbox.counts(), OutboxCounts { sent: 5, dropped: 0, failed: 0 });
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_what_is_refused_is_counted() {
        let (go_on, may) = channel::<()>();
        let (started, starts) = channel();
        let config = OutboxConfig { max_queued: 2, max_batch: 1, delay: Duration::ZERO };
        let deliver = move |_: Vec<u32>| {
            started.send(()).map_err(|error| error.to_string())?;
            may.recv().map_err(|error| error.to_string())?;
            Err("no receiver".to_owned())
        };
        let outbox = Outbox::start("test", config, deliver).unwrap();
        outbox.put(0);
        starts.recv().unwrap();
        // The first is being delivered, two wait.
        (1..6).for_each(|item| outbox.put(item));
        assert_eq!(outbox.counts().dropped, 3);
        (0..3).for_each(|_| go_on.send(()).unwrap());
        outbox.flush(LONG);
        assert_eq!(outbox.counts(), OutboxCounts { sent: 0, dropped: 3, failed: 3 });
    }
}
