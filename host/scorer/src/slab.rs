//! A table of host values that a guest names by number.

/// Values under small numbers; a freed number is used again.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
}

/// The host's table and the guest's handles disagree: a fault of the host, not of the guest.
#[derive(Debug, thiserror::Error)]
#[error("no resource under the number {0}")]
pub(crate) struct Missing(u32);

/// The guest holds as many resources as it may.
#[derive(Debug, thiserror::Error)]
#[error("the scorer holds {0} tensors or models at once; release those that are no longer needed")]
pub(crate) struct TooMany(usize);

/// Entries that one replica may hold per table.
pub(crate) const MAX_ENTRIES: usize = 1 << 16;

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn push(&mut self, value: T) -> Result<u32, TooMany> {
        if let Some(number) = self.free.pop() {
            self.entries[number as usize] = Some(value);
            return Ok(number);
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(TooMany(MAX_ENTRIES));
        }
        self.entries.push(Some(value));
        Ok((self.entries.len() - 1) as u32)
    }

    pub(crate) fn get(&self, number: u32) -> Result<&T, Missing> {
        self.entries.get(number as usize).and_then(Option::as_ref).ok_or(Missing(number))
    }

    pub(crate) fn take(&mut self, number: u32) -> Result<T, Missing> {
        let value = self.entries.get_mut(number as usize).and_then(Option::take).ok_or(Missing(number))?;
        self.free.push(number);
        Ok(value)
    }
}

#[cfg(test)]
mod tests;
