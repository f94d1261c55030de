//! Interface `log`: lines for the service's log.

use scorehost_core::LogLevel;

use crate::bindings::scorer::scorehost::scoring::log::{Host, Level};
use crate::state::State;

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

impl Host for State {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.journal.write(level.into(), &message);
        Ok(())
    }
}
