//! This machine: what a server and its services live on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use scorehost_control::wire::Device;

use super::{Finding, Phase};

const MIB: u64 = 1 << 20;

/// Connections that a server takes, and some for its files.
const DESCRIPTORS: u64 = 10_000 + 500;

/// What the system tells of this machine. `None` where it does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings {
    pub(crate) cores: Option<usize>,
    /// `cpu.max` of the control group.
    pub(crate) cpu_limit: Option<f64>,
    /// Bytes that programs can still get.
    pub(crate) memory: Option<u64>,
    /// Bytes of the control group, and those in use.
    pub(crate) memory_limit: Option<(u64, u64)>,
    pub(crate) descriptors: Option<u64>,
    pub(crate) now: Option<SystemTime>,
    /// When this program was made.
    pub(crate) built: Option<SystemTime>,
}

impl Readings {
    /// Reads what Linux tells; elsewhere much of it stays unknown.
    pub(crate) fn take() -> Self {
        let group = Path::new("/sys/fs/cgroup");
        let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse().ok();
        let program = std::env::current_exe().and_then(fs::metadata).and_then(|metadata| metadata.modified());
        Self {
            cores: std::thread::available_parallelism().ok().map(usize::from),
            cpu_limit: fs::read_to_string(group.join("cpu.max")).ok().and_then(|text| cpu_limit(&text)),
            memory: fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text)),
            memory_limit: number("memory.max").zip(number("memory.current")),
            descriptors: fs::read_to_string("/proc/self/limits").ok().and_then(|text| descriptors(&text)),
            now: Some(SystemTime::now()),
            built: program.ok(),
        }
    }
}

/// Cores out of `QUOTA PERIOD`; `max` is no limit.
fn cpu_limit(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

fn available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The soft limit; `unlimited` is as many as there can be.
fn descriptors(text: &str) -> Option<u64> {
    let soft = text.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
}

/// This machine's findings.
pub(crate) struct Machine<'a>(pub(crate) &'a Readings);

impl Machine<'_> {
    pub(crate) fn findings(&self) -> Vec<Finding> {
        vec![self.cores(), self.memory(), self.descriptors(), self.clock()]
    }

    fn cores(&self) -> Finding {
        let cores = self.0.cores.map_or_else(|| "unknown".to_owned(), |cores| cores.to_string());
        let found = self.0.cpu_limit.map_or_else(|| cores.clone(), |limit| format!("{cores}, limited to {limit:.1}"));
        let finding = Finding::ok(Phase::Host, "cores", "1 core and more", found);
        if self.0.cpu_limit.is_some_and(|limit| limit < 1.0) {
            return finding.warning("give the container one whole core: requests wait for their turn otherwise");
        }
        finding
    }

    fn memory(&self) -> Finding {
        let left = self.0.memory_limit.map(|(limit, used)| limit.saturating_sub(used));
        let least = self.0.memory.into_iter().chain(left).min();
        let found = least.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes / MIB));
        let finding = Finding::ok(Phase::Host, "memory", "512 MiB free, and the models' weights", found);
        match least {
            Some(bytes) if bytes < 128 * MIB => finding.failed("free memory, or raise the container's limit"),
            Some(bytes) if bytes < 512 * MIB => finding.warning("free memory, or raise the container's limit"),
            _ => finding,
        }
    }

    fn descriptors(&self) -> Finding {
        let shown = |count: u64| if count == u64::MAX { "unlimited".to_owned() } else { count.to_string() };
        let found = self.0.descriptors.map_or_else(|| "unknown".to_owned(), shown);
        let finding = Finding::ok(Phase::Host, "file descriptors", "10500 for 10000 connections", found);
        match self.0.descriptors {
            Some(count) if count < 256 => finding.failed("raise it: 'ulimit -n 65536', or LimitNOFILE= of the unit"),
            Some(count) if count < DESCRIPTORS => {
                finding.warning("raise it: 'ulimit -n 65536', or LimitNOFILE= of the unit")
            }
            _ => finding,
        }
    }

    /// Tokens and certificates are judged by this clock.
    fn clock(&self) -> Finding {
        let behind = self.0.built.zip(self.0.now).and_then(|(built, now)| built.duration_since(now).ok());
        let needs = "a clock that is not behind this program's own date";
        match behind {
            Some(behind) if behind.as_secs() > 24 * 3600 => {
                let found = format!("{} days behind", behind.as_secs() / (24 * 3600));
                Finding::ok(Phase::Host, "clock", needs, found).failed("set the clock: 'timedatectl set-ntp true'")
            }
            _ => Finding::ok(Phase::Host, "clock", needs, "plausible"),
        }
    }
}

/// Whether models run, and on what.
pub(crate) fn devices(devices: &[Device]) -> Vec<Finding> {
    let row = |device: &Device| {
        let check = if device.name == device.executor {
            device.name.clone()
        } else {
            format!("{} ({})", device.name, device.executor)
        };
        let finding = Finding::ok(Phase::Devices, &check, "one device that runs models", &*device.detail);
        match (device.available, &*device.name) {
            (true, _) => finding,
            (false, "cpu") => finding
                .warning("install ONNX Runtime 1.20 or later and name it with --onnxruntime, or run deploy/setup.sh"),
            // Nobody needs to act on a device that nobody has.
            (false, _) => Finding { needs: "nothing: optional".to_owned(), ..finding },
        }
    };
    let mut findings: Vec<Finding> = devices.iter().map(row).collect();
    if !devices.iter().any(|device| device.available) {
        let none = Finding::ok(Phase::Devices, "any", "one device that runs models", "none");
        findings.push(none.failed("install ONNX Runtime"));
    }
    findings
}

/// Whether a folder can be written, and the disk below it has room.
pub(crate) fn data_dir(phase: Phase, check: &str, dir: &Path) -> Vec<Finding> {
    vec![writable(phase, &format!("{check}: writable"), dir), room(phase, &format!("{check}: free space"), dir)]
}

/// The folder itself, or the nearest above it that exists.
fn existing(dir: &Path) -> PathBuf {
    let found = dir.ancestors().find(|folder| folder.is_dir());
    found.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn writable(phase: Phase, check: &str, dir: &Path) -> Finding {
    let (needs, folder) = (format!("a writable '{}'", dir.display()), existing(dir));
    match tempfile::tempfile_in(&folder) {
        Ok(_) if folder == dir => Finding::ok(phase, check, &needs, "writable"),
        Ok(_) => Finding::ok(phase, check, &needs, format!("can be made in '{}'", folder.display())),
        Err(error) => Finding::ok(phase, check, &needs, format!("'{}': {error}", folder.display()))
            .failed("change its owner or permissions, or choose another folder"),
    }
}

fn room(phase: Phase, check: &str, dir: &Path) -> Finding {
    let needs = "1 GiB free, and the models' sizes";
    let free = free_bytes(&existing(dir));
    let found = free.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes / MIB));
    let finding = Finding::ok(phase, check, needs, found);
    match free {
        Some(bytes) if bytes < 64 * MIB => finding.failed("free space on the disk, or choose another folder"),
        Some(bytes) if bytes < 1024 * MIB => finding.warning("free space on the disk, or choose another folder"),
        _ => finding,
    }
}

/// Bytes that the disk below a folder has left, as `df` tells.
fn free_bytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(folder).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_system_writes_them() {
        assert_eq!(cpu_limit("150000 100000\n"), Some(1.5));
        assert_eq!(cpu_limit("max 100000\n"), None);
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(descriptors("Limit Soft\nMax open files            1024    4096   files\n"), Some(1024));
        assert_eq!(descriptors("Max open files   unlimited  unlimited files\n"), Some(u64::MAX));
    }
}
