//! Finds compilers, installs the pinned ones, and remembers what versions are.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fingerprint::Fingerprint;
use crate::process::{Stdout, run};
use crate::{BuildError, BuilderConfig, Progress};

/// The tools that the builder installs where they are not found, one `name version` in a line.
const PINS: &str = include_str!("../toolchains.txt");

/// A tool that the builder can install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    ComponentizePy,
    ComponentizeQjs,
    Zig,
}

impl Tool {
    /// Name of the package in its index.
    pub(crate) const fn package(self) -> &'static str {
        match self {
            Self::ComponentizePy => "componentize-py",
            Self::ComponentizeQjs => "componentize-qjs",
            Self::Zig => "ziglang",
        }
    }

    /// The version that is installed.
    pub(crate) fn version(self) -> &'static str {
        PINS.lines().find_map(|line| line.strip_prefix(self.package())?.strip_prefix(' ')).unwrap_or_default()
    }
}

/// The compilers of this machine.
pub(crate) struct Tools<'a> {
    pub(crate) config: &'a BuilderConfig,
    pub(crate) progress: &'a dyn Progress,
}

impl Tools<'_> {
    /// The folder of an installed tool.
    pub(crate) fn folder(&self, tool: Tool) -> PathBuf {
        self.config.toolchains_dir.join(format!("{}-{}", tool.package(), tool.version()))
    }

    /// Installs a tool where it is not: at most one process does, the others wait for it.
    pub(crate) fn install(&self, tool: Tool) -> Result<PathBuf, BuildError> {
        let folder = self.folder(tool);
        let complete = folder.join(".complete");
        if complete.exists() {
            return Ok(folder);
        }
        let _lock = lock(&self.config.toolchains_dir.join(format!("{}.lock", tool.package())))?;
        if complete.exists() {
            return Ok(folder);
        }
        self.progress.step(&format!(
            "installing {} {} (once, into {})",
            tool.package(),
            tool.version(),
            folder.display()
        ));
        fs::create_dir_all(&folder).map_err(BuildError::io("make", &folder))?;
        match tool {
            Tool::ComponentizeQjs => self.npm_install(tool, &folder)?,
            Tool::ComponentizePy | Tool::Zig => self.pip_install(tool, &folder)?,
        }
        fs::write(&complete, "").map_err(BuildError::io("write", &complete))?;
        Ok(folder)
    }

    fn pip_install(&self, tool: Tool, folder: &Path) -> Result<(), BuildError> {
        self.must(tool, Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let requirement = format!("{}=={}", tool.package(), tool.version());
        let mut pip = Command::new(folder.join("bin/python"));
        self.must(tool, pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &requirement]))
    }

    fn npm_install(&self, tool: Tool, folder: &Path) -> Result<(), BuildError> {
        let package = format!("{}@{}", tool.package(), tool.version());
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix"]).arg(folder).arg(package);
        self.must(tool, &mut npm)
    }

    fn must(&self, tool: Tool, command: &mut Command) -> Result<(), BuildError> {
        let finished = run(command, Stdout::Shown, self.progress)?;
        if finished.success {
            return Ok(());
        }
        let problem = format!("{} failed", command.get_program().to_string_lossy());
        Err(BuildError::Install {
            tool: format!("{} {}", tool.package(), tool.version()),
            problem,
            output: finished.printed,
        })
    }

    /// What a program prints. The answer is remembered for as long as `basis` (the program, and what else decides its answer)
    /// stays the same, so that the next build asks no one.
    pub(crate) fn remembered(&self, basis: Fingerprint, command: &mut Command) -> Option<String> {
        let memory = self.config.cache_dir.join("versions").join(basis.finish().hex());
        if let Ok(answer) = fs::read_to_string(&memory) {
            return Some(answer);
        }
        let output = command.output().ok().filter(|output| output.status.success())?;
        let answer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // A memory that cannot be written costs time only.
        let _ = write_whole(&memory, answer.as_bytes());
        Some(answer)
    }
}

/// The path of a program: as it is where it holds a `/`, else searched in `PATH`.
pub(crate) fn find(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    let program = Path::new(program.as_ref());
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// Takes an exclusive lock that lasts until the file is dropped, also between processes.
pub(crate) fn lock(path: &Path) -> Result<File, BuildError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(BuildError::io("make", parent))?;
    }
    let file = File::options().create(true).append(true).open(path).map_err(BuildError::io("open", path))?;
    file.lock().map_err(BuildError::io("lock", path))?;
    Ok(file)
}

/// Writes a file so that it appears whole or not at all.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, content)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map(drop).map_err(|error| error.error)
}
