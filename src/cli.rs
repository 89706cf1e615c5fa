//! The command line: reads the arguments, wires configuration, database and operations together, runs one command and
//! turns its end into an exit code. `main` calls [`run`] and nothing else.

mod args;
mod audit;
mod consent;
mod console;
mod context;
mod doctor;
mod exit;
mod leak;
mod log;
mod meta;
mod migrate;
mod opener;
mod output;
mod pages;
mod private;
mod profile;
mod progress;
mod prompt;
mod report;
mod serve;
mod signals;
mod tokens;
mod users;
mod verify;
mod worth;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use tokio::runtime::Runtime;

use crate::config::{Config, Env, PRIVATE};
use args::Global;
use context::Context;
use exit::{Code, Failure};
use opener::Opener;
use output::Output;
use signals::Signals;

/// API tokens of Django REST framework in Postgres: who has which, new ones, dead ones, whose is this
#[derive(Debug, Parser)]
#[command(
    name = "tokenward",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The console, which `tokenward` alone opens too
    Console,
    /// The console on a private database with made-up users
    Demo(console::DemoArgs),
    /// Print the user's key, made if there is none; stands in for manage.py's command
    #[command(name = "drf_create_token")]
    DrfCreateToken(tokens::generate::DrfArgs),
    /// Tokens: generate, regenerate, revoke, backfill, list, show
    #[command(subcommand)]
    Token(tokens::Command),
    /// Say whose the keys on stdin are, one a line or in a header
    Verify(verify::Args),
    /// Users: list, show, create, password, on, off
    #[command(subcommand)]
    User(users::Command),
    /// A key has leaked: whose is it? Search logs for keys, replace what is live
    #[command(subcommand)]
    Leak(leak::Command),
    /// The listener alone, for systemd and containers
    Serve(serve::Args),
    /// The private database: start, stop, status, url, drop
    #[command(subcommand)]
    Private(private::Command),
    /// What is unhealthy here: weak, forgotten and exposed keys; exit 10 when one is live
    Doctor(doctor::Args),
    /// Who did what to whom, and whether that is as it was written
    Audit(audit::Args),
    /// Make tokenward's own tables: all optional on Django's database
    Migrate(migrate::Args),
    /// Profiles of the configuration: list, check, path
    #[command(subcommand)]
    Profile(profile::Command),
    /// Print a shell's completion script
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// Print the version
    Version,
}

/// Runs the program on its own arguments and environment.
#[must_use]
pub fn run() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return args::refuse(&words, &error).into(),
    };
    let mut out = cli.global.output();
    let ended = dispatch(cli, &mut out);
    finish(&mut out, ended).into()
}

/// Tells what went wrong, if anything, and gives the exit code.
fn finish(out: &mut Output, ended: Result<Code, Failure>) -> Code {
    match ended.and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => code,
        Err(failure) => {
            out.failure(&failure);
            failure.code()
        }
    }
}

fn dispatch(cli: Cli, out: &mut Output) -> Result<Code, Failure> {
    // What tells of the program itself needs no configuration, not even a right one.
    match &cli.command {
        Some(Command::Version) => return meta::version(out),
        Some(Command::Completions { shell }) => return meta::completions(out, *shell),
        Some(Command::Man) => return meta::man(out),
        Some(Command::Leak(leak::Command::Rules(args))) => return leak::rules::run(out, *args),
        _ => {}
    }
    let mut flags = cli.global.flags();
    if matches!(cli.command, Some(Command::Demo(_))) {
        if cli.global.names_database() {
            return Err(Failure::usage(
                "the demo is a database of its own; leave out --profile and --database",
            ));
        }
        flags.profile = Some(PRIVATE.to_owned());
    }
    let config = Config::load(&flags, &Env::of_process())?;
    cli.global.start_log(&config)?;
    let runtime = Runtime::new()
        .map_err(|error| Failure::new(Code::Failed, format!("cannot start threads: {error}")))?;
    let ended = runtime.block_on(wired(cli, config, out));
    // A thread that still waits for stdin must not keep the process.
    runtime.shutdown_background();
    ended
}

/// Runs the command with everything it needs, and puts it all away again.
async fn wired(cli: Cli, config: Config, out: &mut Output) -> Result<Code, Failure> {
    let opener = Arc::new(Opener::new(config));
    let mut cx = Context {
        out: std::mem::replace(out, cli.global.output()),
        opener: Arc::clone(&opener),
        signals: Signals::listen()?,
        progress: cli.global.wants_progress(),
        verbose: cli.global.wants_more(),
    };
    let named = cli.global.names_database();
    let ended = command(&mut cx, cli.command, named).await;
    let flushed = cx.out.flush();
    opener.leave().await;
    // Whatever was finished all the same: who sent a signal is told that it was heard.
    match cx.signals.code() {
        Some(code) => Ok(code),
        None => ended.and_then(|code| flushed.map(|()| code)),
    }
}

async fn command(cx: &mut Context, command: Option<Command>, named: bool) -> Result<Code, Failure> {
    match command {
        None | Some(Command::Console) => {
            let chosen_by = if named {
                console::ChosenBy::Flag
            } else {
                console::ChosenBy::Default
            };
            console::run(cx, chosen_by).await
        }
        Some(Command::Demo(args)) => console::demo(cx, args).await,
        Some(Command::DrfCreateToken(args)) => tokens::generate::drf(cx, args).await,
        Some(Command::Token(command)) => tokens::run(cx, command).await,
        Some(Command::Verify(args)) => verify::run(cx, args).await,
        Some(Command::User(command)) => users::run(cx, command).await,
        Some(Command::Leak(command)) => leak::run(cx, command).await,
        Some(Command::Serve(args)) => serve::run(cx, args).await,
        Some(Command::Private(command)) => private::run(cx, command).await,
        Some(Command::Doctor(args)) => doctor::run(cx, args).await,
        Some(Command::Audit(args)) => audit::run(cx, args).await,
        Some(Command::Migrate(args)) => migrate::run(cx, args).await,
        Some(Command::Profile(command)) => profile::run(cx, command, named).await,
        Some(Command::Completions { shell }) => meta::completions(&mut cx.out, shell),
        Some(Command::Man) => meta::man(&mut cx.out),
        Some(Command::Version) => meta::version(&mut cx.out),
    }
}
