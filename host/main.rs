//! The program `scorehost`.

use std::process::ExitCode;

fn main() -> ExitCode {
    scorehost_cli::main(&scorehost::Assembly)
}
