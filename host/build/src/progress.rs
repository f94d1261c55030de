//! What a build tells while it runs.

/// Receives what a build does; the caller shows it.
pub trait Progress: Sync {
    /// A new step, such as `compiling with rustc 1.96.0`.
    fn step(&self, what: &str);
    /// One line that a tool printed, as it printed it.
    fn output(&self, line: &str);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _what: &str) {}
    fn output(&self, _line: &str) {}
}
