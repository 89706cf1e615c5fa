//! Settles what flags, environment and file say about the same thing: above all which database is opened.
//! [`super::Config::load`] is the caller.

use std::path::Path;

use super::env::Env;
use super::file::File;
use super::problem::{Problem, did_you_mean};
use super::profile::{Access, PRIVATE, Place, Profile};
use super::url::{DatabaseUrl, Origin, UrlSource};
use super::{Color, Flags};
use crate::domain::secret::Secret;

/// Flag beats environment beats profile beats default.
pub(super) fn settle<T>(
    flag: Option<T>,
    environment: Option<T>,
    profile: Option<T>,
    default: T,
) -> T {
    flag.or(environment).or(profile).unwrap_or(default)
}

/// What names a database.
enum Choice<'a> {
    Url(DatabaseUrl),
    Profile { name: &'a str, by: &'static str },
    Private,
}

/// The database to open: `--database`, `--profile`, `TOKENWARD_PROFILE`, `DATABASE_URL`, `default_profile`, or the
/// private one, whichever comes first. None when the file's fault keeps us from knowing; that is told already.
///
/// `--profile` beside `--database` lends the profile's other settings, so that its protection is not lost.
pub(super) fn database(
    flags: &Flags,
    env: &Env,
    file: &File,
    path: &Path,
) -> Result<Option<Profile>, Problem> {
    let url = |url: Secret<String>, from| {
        Choice::Url(DatabaseUrl {
            source: UrlSource::Inline(url),
            from,
        })
    };
    let by_flag = flags.profile.as_deref().map(|name| Choice::Profile {
        name,
        by: "--profile",
    });
    let by_flag = flags
        .database
        .clone()
        .map(|found| url(found, Origin::Flag))
        .or(by_flag);
    let by_env = env.text("TOKENWARD_PROFILE")?.map(|name| Choice::Profile {
        name,
        by: "TOKENWARD_PROFILE",
    });
    let database_url = env.text("DATABASE_URL")?;
    let by_env = by_env.or(database_url.map(|found| url(found.into(), Origin::Environment)));
    let by_file = file.default_profile.as_deref();
    let by_file = by_file.map(|name| Choice::Profile {
        name,
        by: "default_profile",
    });

    match settle(by_flag, by_env, by_file, Choice::Private) {
        Choice::Private => Ok(Some(Profile::private())),
        Choice::Profile { name, by } => profile(name, by, file, path),
        Choice::Url(url) => {
            let lender = flags
                .profile
                .as_deref()
                .filter(|_| url.from == Origin::Flag);
            let place = Place::Url(url.checked()?);
            match lender {
                None => Ok(Some(Profile::plain(None, place))),
                Some(PRIVATE) => Err(Problem::new(
                    "--database and `--profile private` name two databases; give one of them",
                )),
                Some(name) => Ok(profile(name, "--profile", file, path)?
                    .map(|profile| Profile { place, ..profile })),
            }
        }
    }
}

/// The profile called `name`, which `by` asked for.
fn profile(name: &str, by: &str, file: &File, path: &Path) -> Result<Option<Profile>, Problem> {
    if name == PRIVATE {
        return Ok(Some(Profile::private()));
    }
    if file.names.iter().any(|known| known == name) {
        // With a fault in it, it is among the names but not among the profiles.
        return Ok(file
            .profiles
            .iter()
            .find(|profile| profile.name.as_deref() == Some(name))
            .cloned());
    }
    let mut hint = did_you_mean(name, file.names.iter().map(String::as_str));
    if hint.is_empty() {
        hint = if file.names.is_empty() {
            "; it has none, so give --database URL or write one".to_owned()
        } else {
            "; `tokenward profile list` shows those it has".to_owned()
        };
    }
    let path = path.to_string_lossy();
    Err(Problem::new(format!(
        "{by}: no profile `{name}` in {path}{hint}"
    )))
}

/// `TOKENWARD_READ_ONLY`.
pub(super) fn access_of_environment(env: &Env) -> Result<Option<Access>, Problem> {
    let Some(value) = env.text("TOKENWARD_READ_ONLY")? else {
        return Ok(None);
    };
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(Some(Access::ReadOnly)),
        "0" | "false" | "no" | "off" => Ok(Some(Access::ReadWrite)),
        _ => Err(Problem::new("TOKENWARD_READ_ONLY must be 1 or 0")),
    }
}

/// Whether this run may change a database whose profile says `profile`.
pub(super) fn access(flags: &Flags, environment: Option<Access>, profile: Access) -> Access {
    let flag = match (flags.write, flags.read_only) {
        // Both together the command line refuses; should they come here all the same, the careful one wins.
        (_, true) => Some(Access::ReadOnly),
        (true, false) => Some(Access::ReadWrite),
        (false, false) => None,
    };
    settle(flag, environment, Some(profile), Access::ReadWrite)
}

/// Whether output may be coloured: see <https://no-color.org>.
pub(super) fn color(flags: &Flags, env: &Env) -> Color {
    let dumb = env.get("TERM").is_some_and(|term| term == "dumb");
    let environment = (dumb || env.get("NO_COLOR").is_some()).then_some(Color::Off);
    settle(
        flags.no_color.then_some(Color::Off),
        environment,
        None,
        Color::Auto,
    )
}

/// `TOKENWARD_OPERATOR`: it goes into every audit line, so it has to be one short line itself.
pub(super) fn operator(env: &Env) -> Result<Option<String>, Problem> {
    const LONGEST: usize = 100;
    let Some(name) = env.text("TOKENWARD_OPERATOR")? else {
        return Ok(None);
    };
    if name.chars().count() > LONGEST || crate::text::safe(name) != name {
        let must = "must have at most 100 characters, all of them visible";
        return Err(Problem::new(format!("TOKENWARD_OPERATOR {must}")));
    }
    Ok(Some(name.to_owned()))
}
