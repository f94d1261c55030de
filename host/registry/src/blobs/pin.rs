//! Blobs that must stay although nothing refers to them yet.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use scorehost_core::Digest;

/// How often each blob is pinned.
#[derive(Default)]
pub(crate) struct Pins(Mutex<HashMap<Digest, usize>>);

impl Pins {
    pub(crate) fn pin(self: &Arc<Self>, digest: Digest) -> BlobPin {
        *self.0.lock().entry(digest).or_default() += 1;
        BlobPin { digest, pins: Arc::clone(self) }
    }

    pub(crate) fn digests(&self) -> Vec<Digest> {
        self.0.lock().keys().copied().collect()
    }
}

/// Keeps a blob from being collected as garbage until it is dropped.
pub struct BlobPin {
    digest: Digest,
    pins: Arc<Pins>,
}

impl Drop for BlobPin {
    fn drop(&mut self) {
        let mut pins = self.pins.0.lock();
        if let Some(count) = pins.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.digest);
            }
        }
    }
}
