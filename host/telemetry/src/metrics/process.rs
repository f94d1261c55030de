//! The process as `/proc` shows it.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::text::Text;
use super::{epoch, seconds};

/// Ticks per second of the times in `/proc`; the same on every architecture that Linux runs on today.
const TICKS: u64 = 100;

/// What the system says of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Processor time, user and system.
    pub cpu: Duration,
    /// Bytes of memory in use.
    pub resident_bytes: u64,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Most file descriptors it may open; `None` without a limit.
    pub max_open_files: Option<u64>,
    /// When it started.
    pub started: SystemTime,
}

impl Process {
    /// Reads `/proc/self`; `None` where the system has none.
    #[must_use]
    pub fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name in parentheses, which may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Self {
            cpu: ticks(field(14)? + field(15)?),
            resident_bytes: kilobytes(&status, "VmRSS:")?,
            virtual_bytes: field(23)?,
            threads: field(20)?,
            open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
            max_open_files: max_open_files(&fs::read_to_string("/proc/self/limits").ok()?),
            started: UNIX_EPOCH + Duration::from_secs(boot) + ticks(field(22)?),
        })
    }

    pub(super) fn write(&self, text: &mut Text) {
        text.counter("process_cpu_seconds", "Total user and system CPU time spent in seconds.");
        text.sample(&[], seconds(self.cpu));
        text.gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
        text.sample(&[], self.resident_bytes);
        text.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.");
        text.sample(&[], self.virtual_bytes);
        text.gauge("process_threads", "Number of threads.");
        text.sample(&[], self.threads);
        text.gauge("process_open_fds", "Number of open file descriptors.");
        text.sample(&[], self.open_files);
        if let Some(max) = self.max_open_files {
            text.gauge("process_max_fds", "Maximum number of open file descriptors.");
            text.sample(&[], max);
        }
        text.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.");
        text.sample(&[], epoch(self.started));
    }
}

const fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * (1000 / TICKS))
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The soft limit; `None` where there is none.
fn max_open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
