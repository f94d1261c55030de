//! Bars and spinners on standard error; invisible where that is no terminal.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use scorehost_build::Progress;

/// A running display of one step; it disappears when dropped.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Bytes moved out of `total`.
    pub(crate) fn bytes(what: impl Into<Cow<'static, str>>, total: u64) -> Self {
        let bar = ProgressBar::new(total).with_message(what);
        bar.set_style(style("{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}"));
        Self(bar)
    }

    /// Something whose end is not known.
    pub(crate) fn spinner(what: impl Into<Cow<'static, str>>) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.set_style(style("{spinner} {msg} {elapsed}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    pub(crate) fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// Writes beside the display without disturbing it.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }

    pub(crate) fn say(&self, what: impl Into<Cow<'static, str>>) {
        self.0.set_message(what);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// What a build does, on a spinner; a tool's lines stay above it on a terminal and are kept by the build's result elsewhere.
impl Progress for Bar {
    fn step(&self, what: &str) {
        self.say(what.to_owned());
    }

    fn output(&self, line: &str) {
        self.0.println(line);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
