//! Lines for the service's log: [`info!`](crate::info) and its siblings.

use std::fmt;

use crate::bindings::scorer::scorehost::scoring::log as host;

pub use host::Level;

/// Writes one line; the macros call it.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(text) => host::write(level, text),
        None => host::write(level, &message.to_string()),
    }
}

/// Logs at level debug, in the form of `format!`.
#[macro_export]
macro_rules! debug {
    ($($argument:tt)*) => { $crate::log::write($crate::log::Level::Debug, format_args!($($argument)*)) };
}

/// Logs at level info, in the form of `format!`.
#[macro_export]
macro_rules! info {
    ($($argument:tt)*) => { $crate::log::write($crate::log::Level::Info, format_args!($($argument)*)) };
}

/// Logs at level warn, in the form of `format!`.
#[macro_export]
macro_rules! warn {
    ($($argument:tt)*) => { $crate::log::write($crate::log::Level::Warn, format_args!($($argument)*)) };
}

/// Logs at level error, in the form of `format!`.
#[macro_export]
macro_rules! error {
    ($($argument:tt)*) => { $crate::log::write($crate::log::Level::Error, format_args!($($argument)*)) };
}
