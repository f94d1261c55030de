//! `docs/reference/cli.md`, made from the definition of the command line.

use clap::{Command, CommandFactory};

use crate::args::Cli;

/// The reference page.
pub(crate) fn markdown() -> String {
    let mut root = Cli::command().term_width(110).disable_help_subcommand(true);
    root.build();
    let mut page = String::from(
        "# Command line\n\nMade from the program's own help: `scorehost reference > docs/reference/cli.md`. A test fails when it is not current.\n",
    );
    section(&mut root, &mut page);
    page
}

fn section(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    *page += &format!("\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for child in command.get_subcommands_mut().filter(|child| !child.is_hide_set()) {
        section(child, page);
    }
}
