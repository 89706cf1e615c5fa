//! What tokenward tells about itself: `version`, `completions`, `man`. None of it needs a configuration.

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;
use super::exit::{Code, Failure};
use super::output::{Form, Output};

/// `version`.
pub fn version(out: &mut Output) -> Result<Code, Failure> {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    match out.form() {
        Form::People => out.line(&format!("tokenward {VERSION}"))?,
        Form::Json => out.json(&serde_json::json!({"version": VERSION}))?,
    }
    Ok(Code::Done)
}

/// `completions SHELL`.
pub fn completions(out: &mut Output, shell: Shell) -> Result<Code, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tokenward", &mut script);
    out.text(&script)?;
    Ok(Code::Done)
}

/// `man`: the page of the program, and below it those of its commands.
pub fn man(out: &mut Output) -> Result<Code, Failure> {
    let mut page = Vec::new();
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    render(&root, &mut page)
        .map_err(|error| Failure::new(Code::Failed, format!("cannot write the manual: {error}")))?;
    out.text(&page)?;
    Ok(Code::Done)
}

fn render(command: &Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    Man::new(command.clone()).render(page)?;
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        render(below, page)?;
    }
    Ok(())
}
