//! What this machine, or the control group that the process runs in, has to spare.

use std::fs;
use std::path::{Path, PathBuf};

/// Tells what replicas may use.
pub(crate) trait Machine: Send + Sync {
    /// Bytes of memory that may be used on top of what is used now.
    fn spare_memory(&self) -> u64;
}

/// Linux, as `/proc` and the control group's files show it. Elsewhere memory is not known and not limited.
pub(crate) struct Linux {
    proc: PathBuf,
    group: PathBuf,
}

impl Linux {
    pub(crate) fn new() -> Self {
        Self { proc: "/proc".into(), group: "/sys/fs/cgroup".into() }
    }

    /// Bytes of the machine or the control group, whichever is less.
    pub(crate) fn memory(&self) -> Option<u64> {
        let machine = self.meminfo("MemTotal:");
        let group = self.in_group().and_then(|folder| number(&folder.join("memory.max")));
        machine.into_iter().chain(group).min()
    }

    fn meminfo(&self, name: &str) -> Option<u64> {
        field(&fs::read_to_string(self.proc.join("meminfo")).ok()?, name)?.checked_mul(1024)
    }

    /// The folder of the control group with a limit that is nearest to this process.
    fn in_group(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(self.proc.join("self/cgroup")).ok()?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"))?.trim_start_matches('/');
        let folder = self.group.join(path);
        let folders = folder.ancestors().take_while(|folder| folder.starts_with(&self.group));
        folders.filter(|folder| number(&folder.join("memory.max")).is_some()).map(Path::to_owned).next()
    }

    /// What the control group has left; files that it could drop count as free.
    fn left_in_group(&self) -> Option<u64> {
        let folder = self.in_group()?;
        let (max, current) = (number(&folder.join("memory.max"))?, number(&folder.join("memory.current"))?);
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let files = field(&stat, "inactive_file ").unwrap_or(0);
        Some(max.saturating_sub(current.saturating_sub(files)))
    }
}

impl Machine for Linux {
    /// Leaves a tenth of the memory alone, for requests, models, and what else runs here.
    fn spare_memory(&self) -> u64 {
        let left = self.meminfo("MemAvailable:").into_iter().chain(self.left_in_group()).min();
        let (Some(left), Some(all)) = (left, self.memory()) else { return u64::MAX };
        left.saturating_sub(all / 10)
    }
}

/// A file that holds one number; `max` is none.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const MIB: u64 = 1 << 20;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Linux) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let linux = Linux { proc: folder.path().join("proc"), group: folder.path().join("group") };
        (folder, linux)
    }

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal:        1024000 kB\nMemFree: 1 kB\nMemAvailable:     512000 kB\n");

    #[test]
    fn a_tenth_of_the_machine_is_left_alone() {
        let (_folder, linux) = machine(&[MEMINFO]);
        assert_eq!((linux.memory(), linux.spare_memory()), (Some(1000 * MIB), 400 * MIB));
    }

    #[test]
    fn the_control_groups_limit_counts_where_it_is_lower() {
        let (_folder, linux) = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/pods/one\n"),
            ("group/pods/memory.max", "104857600\n"),
            ("group/pods/memory.current", "83886080\n"),
            ("group/pods/memory.stat", "anon 5\ninactive_file 31457280\n"),
            ("group/pods/one/memory.max", "max\n"),
        ]);
        assert_eq!((linux.memory(), linux.spare_memory()), (Some(100 * MIB), 40 * MIB));
    }

    #[test]
    fn what_is_not_known_is_not_limited() {
        let (_folder, linux) = machine(&[]);
        assert_eq!((linux.memory(), linux.spare_memory()), (None, u64::MAX));
    }

    #[test]
    fn nothing_is_to_spare_where_the_last_tenth_is_in_use() {
        let (_folder, linux) = machine(&[("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 90 kB\n")]);
        assert_eq!(linux.spare_memory(), 0);
    }
}
