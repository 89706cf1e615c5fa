//! The configuration: flag beats environment beats profile beats default, through one function, and every problem
//! is reported at once. The command line fills [`Flags`] and calls [`Config::load`]; all else reads the result.

mod choice;
pub mod dirs;
pub mod env;
mod file;
pub mod hooks;
mod input;
pub mod listener;
pub mod problem;
pub mod profile;
mod section;
pub mod ui;
pub mod url;

use std::path::PathBuf;

pub use dirs::Dirs;
pub use env::Env;
pub use hooks::Hook;
pub use listener::Listener;
pub use problem::{Problem, Problems};
pub use profile::{Access, Hue, PRIVATE, Place, Profile, Protection};
pub use ui::{Clipboard, Glyphs, KeyEntries, KeyEntry, TimeStyle, Ui};
pub use url::{DatabaseUrl, Origin, UrlSource};

use crate::domain::secret::Secret;
use file::{Asked, File};

/// A configuration file with every name and a word on each; the README shows it.
pub const EXAMPLE: &str = include_str!("config/example.toml");

/// The flags that every command takes, as the person gave them.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--profile`.
    pub profile: Option<String>,
    /// `--database`.
    pub database: Option<Secret<String>>,
    /// `--read-only`.
    pub read_only: bool,
    /// `--write`, which the command line refuses beside `--read-only`.
    pub write: bool,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--log-file`.
    pub log_file: Option<PathBuf>,
    /// `--env-file`.
    pub env_file: Option<PathBuf>,
    /// `--no-color`.
    pub no_color: bool,
}

/// What a new token looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenFormat {
    /// 40 hex digits, as Django REST framework makes them.
    #[default]
    Drf,
    /// `twd_`, 30 random characters and a CRC-32 in base 62.
    Checksum,
}

/// Whether output may be coloured at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Where it goes to a terminal.
    Auto,
    /// Never: `--no-color`, `NO_COLOR`, or `TERM=dumb`.
    Off,
}

/// Everything that was configured, settled for this run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database to open.
    pub profile: Profile,
    /// Every profile of the file, in its order. Their access is settled by flag and environment too.
    pub profiles: Vec<Profile>,
    /// Where files are.
    pub dirs: Dirs,
    /// What a new token looks like.
    pub token_format: TokenFormat,
    /// How the console looks and behaves.
    pub ui: Ui,
    /// How the listener listens and what it answers.
    pub listener: Listener,
    /// What is run after a change, if anything is.
    pub hook: Option<Hook>,
    /// The console's own keys, for it to check.
    pub keys: KeyEntries,
    /// Whether output may be coloured.
    pub color: Color,
    /// `TOKENWARD_OPERATOR`: the name in the audit, if not the system's user.
    pub operator: Option<String>,
    /// The environment, with what `--env-file` added: for [`DatabaseUrl::resolve`] and the `PG*` variables.
    /// `TZ` is not looked at here; the time library reads it.
    pub env: Env,
}

impl Config {
    /// Reads the environment file and the configuration file and settles what flags and environment say.
    ///
    /// # Errors
    /// With every problem of all of them. A database that is named but wrong is one; the private database is never
    /// taken instead.
    pub fn load(flags: &Flags, env: &Env) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut env = env.clone();
        if let Some(path) = &flags.env_file {
            problems.keep(env.add_file(path));
        }
        let dirs = problems.keep(Dirs::find(flags, &env));
        let by_environment = problems.keep(choice::access_of_environment(&env)).flatten();
        let operator = problems.keep(choice::operator(&env)).flatten();
        let Some(dirs) = dirs else {
            return Err(problems);
        };
        let by_name = flags.config.is_some() || env.get("TOKENWARD_CONFIG").is_some();
        let asked = if by_name { Asked::ByName } else { Asked::Usual };
        let file = File::read(&dirs.config_file, asked, &env, &mut problems);
        let Some(mut file) = file else {
            return Err(problems);
        };
        for profile in &mut file.profiles {
            profile.access = choice::access(flags, by_environment, profile.access);
        }
        let chosen = problems
            .keep(choice::database(flags, &env, &file, &dirs.config_file))
            .flatten();
        let Some(mut profile) = chosen.filter(|_| problems.is_empty()) else {
            return Err(problems);
        };
        profile.access = choice::access(flags, by_environment, profile.access);
        Ok(Self {
            profile,
            profiles: file.profiles,
            dirs,
            token_format: file.token_format,
            ui: file.ui,
            listener: file.listener,
            hook: file.hook,
            keys: file.keys,
            color: choice::color(flags, &env),
            operator,
            env,
        })
    }
}

#[cfg(test)]
mod tests;
