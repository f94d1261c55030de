//! Buffers per thread, and the thread that empties them.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Sink;

/// Buffers, so that cores do not wait for each other.
const SHARDS: usize = 16;
/// Bytes of one buffer.
const MAX_BYTES: usize = 1 << 20;
/// Time between two looks at the buffers, while there are lines.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Default)]
#[repr(align(128))]
struct Buffer(Mutex<Lines>);

#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
}

/// What the writer and those who wake it share.
#[derive(Default)]
struct Work {
    /// Lines came in while the writer slept.
    arrived: bool,
    ended: bool,
}

pub(super) struct Buffers {
    buffers: [Buffer; SHARDS],
    sink: Mutex<Sink>,
    work: Mutex<Work>,
    wake: Condvar,
    asleep: AtomicBool,
    written: AtomicU64,
    failed: AtomicU64,
}

impl Buffers {
    pub(super) fn start(sink: Sink) -> std::io::Result<Arc<Self>> {
        let buffers = Arc::new(Self {
            buffers: Default::default(),
            sink: Mutex::new(sink),
            work: Mutex::default(),
            wake: Condvar::new(),
            asleep: AtomicBool::new(false),
            written: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        });
        let writer = Arc::clone(&buffers);
        std::thread::Builder::new().name("access log".into()).spawn(move || writer.work())?;
        Ok(buffers)
    }

    /// Takes a line; false where its buffer is full.
    pub(super) fn append(&self, line: &[u8]) -> bool {
        {
            let mut lines = self.buffers[shard()].0.lock();
            if lines.bytes.len() + line.len() > MAX_BYTES {
                return false;
            }
            lines.bytes.extend_from_slice(line);
            lines.count += 1;
        }
        if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.work.lock().arrived = true;
            self.wake.notify_one();
        }
        true
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.written.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    pub(super) fn end(&self) {
        self.work.lock().ended = true;
        self.wake.notify_one();
    }

    /// Writes everything that is in the buffers; true where there was something.
    pub(super) fn flush(&self) -> bool {
        // Held from here on, so that two flushes do not change the order of a thread's lines.
        let mut sink = self.sink.lock();
        let mut any = false;
        for buffer in &self.buffers {
            let Lines { bytes, count } = std::mem::take(&mut *buffer.0.lock());
            if count > 0 {
                any = true;
                let counter = if sink.write(&bytes).is_ok() { &self.written } else { &self.failed };
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
        any
    }

    fn work(&self) {
        loop {
            if !self.flush() {
                self.asleep.store(true, Ordering::SeqCst);
                // A line that came after the flush may have seen nobody asleep.
                if !self.flush() {
                    let mut work = self.work.lock();
                    while !work.arrived && !work.ended {
                        self.wake.wait(&mut work);
                    }
                    work.arrived = false;
                }
                self.asleep.store(false, Ordering::SeqCst);
            }
            let mut work = self.work.lock();
            if !work.ended {
                self.wake.wait_for(&mut work, PAUSE);
            }
            if work.ended {
                drop(work);
                self.flush();
                return;
            }
        }
    }
}

/// Threads share the buffers in turn.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
    }
    SHARD.get()
}
