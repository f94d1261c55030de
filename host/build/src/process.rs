//! Runs tools: what they print goes to the progress line by line as it comes, and is kept.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::{BuildError, Progress};

/// What a tool did.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) success: bool,
    /// Standard output.
    pub(crate) stdout: String,
    /// What people should see: standard error, and standard output where it was not asked for.
    pub(crate) printed: String,
}

impl Finished {
    /// What the tool printed, or the compiler's error where it failed.
    pub(crate) fn or_compiler_error(self, tool: &str) -> Result<String, BuildError> {
        if self.success {
            return Ok(self.printed);
        }
        Err(BuildError::Compiler { tool: tool.to_owned(), code: self.code, output: self.printed })
    }
}

/// What a tool's standard output is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// Shown to people, as standard error is.
    Shown,
    /// Only kept, for the builder to read.
    Kept,
}

/// Runs a tool to its end.
pub(crate) fn run(command: &mut Command, stdout: Stdout, progress: &dyn Progress) -> Result<Finished, BuildError> {
    let program = command.get_program().to_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(BuildError::io("start", &program))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let printed = Mutex::new(String::new());
    let show = |line: &str| {
        progress.output(line.trim_end_matches(['\n', '\r']));
        printed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push_str(line);
    };
    let kept = thread::scope(|scope| {
        let errors = scope.spawn(|| err.map(|err| each_line(err, show)));
        let mut kept = String::new();
        if let Some(out) = out {
            each_line(out, |line| if stdout == Stdout::Shown { show(line) } else { kept.push_str(line) });
        }
        drop(errors.join());
        kept
    });
    let status = child.wait().map_err(BuildError::io("wait for", &program))?;
    let printed = printed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Finished { code: status.code(), success: status.success(), stdout: kept, printed })
}

fn each_line(stream: impl Read, mut take: impl FnMut(&str)) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        take(&String::from_utf8_lossy(&line));
        line.clear();
    }
}
