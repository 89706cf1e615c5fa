//! `profile`: which databases the configuration names, whether it is right, and where it is.

use clap::Subcommand;
use serde::Serialize;

use super::context::Context;
use super::exit::{Code, Failure, code_of};
use super::opener::{Say, label};
use super::output::Tone;
use super::output::table::Cell;
use crate::config::{Access, Place, Profile, Protection, UrlSource};
use crate::ops::{Change, Ops};

/// `profile …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the profiles
    List,
    /// Check the configuration and connect to each profile, or to the one named by -p
    Check,
    /// Print where the configuration is looked for
    Path,
}

#[derive(Debug, Serialize)]
struct ProfileJson<'a> {
    name: &'a str,
    source: &'static str,
    protected: bool,
    read_only: bool,
    chosen: bool,
}

#[derive(Debug, Serialize)]
struct CheckJson<'a> {
    name: &'a str,
    ok: bool,
    said: &'a str,
}

/// Runs `profile …`. `named`: whether a flag named one database.
pub async fn run(cx: &mut Context, command: Command, named: bool) -> Result<Code, Failure> {
    match command {
        Command::List => list(cx),
        Command::Check => check(cx, named).await,
        Command::Path => {
            let path = cx.config().dirs.config_file.clone();
            let path = path.to_string_lossy();
            if cx.is_json() {
                cx.out.json(&serde_json::json!({"path": path}))?;
            } else {
                cx.out.line(&path)?;
            }
            Ok(Code::Done)
        }
    }
}

const fn source(profile: &Profile) -> &'static str {
    match &profile.place {
        Place::Private => "private",
        Place::Url(url) => match url.source {
            UrlSource::Inline(_) => "url",
            UrlSource::Command(_) => "url_command",
            UrlSource::Variable(_) => "url_env",
        },
    }
}

fn list(cx: &mut Context) -> Result<Code, Failure> {
    let chosen = cx.config().profile.name.clone();
    let mut lines = Vec::new();
    for profile in cx.opener.all() {
        let is_chosen = profile.name == chosen;
        let protected = profile.protection == Protection::Protected;
        let read_only = profile.access == Access::ReadOnly;
        if cx.is_json() {
            cx.out.json(&ProfileJson {
                name: &label(&profile),
                source: source(&profile),
                protected,
                read_only,
                chosen: is_chosen,
            })?;
            continue;
        }
        let mut words = Vec::new();
        for (holds, word) in [
            (is_chosen, "chosen"),
            (protected, "PROTECTED"),
            (read_only, "READ ONLY"),
        ] {
            if holds {
                words.push(word);
            }
        }
        lines.push(vec![
            Cell::plain(label(&profile)),
            Cell::plain(source(&profile)),
            Cell::plain(words.join(", ")),
        ]);
    }
    if !cx.is_json() {
        cx.out
            .rows(&["PROFILE", "FROM", "STATE"], &lines, &mut None)?;
    }
    Ok(Code::Done)
}

async fn check(cx: &mut Context, named: bool) -> Result<Code, Failure> {
    let profiles = if named {
        vec![cx.config().profile.clone()]
    } else {
        cx.opener.all()
    };
    let mut columns = None;
    let mut worst = Code::Done;
    for profile in profiles {
        let opened = async {
            Ok::<_, Failure>(Box::pin(cx.opener.open_profile(&profile, Say::Stderr)).await)
        };
        let (ok, said) = match cx.signals.or_stop(opened).await? {
            Ok(ops) => (true, describe(&ops)),
            Err(error) => {
                worst = code_of(&error);
                (false, error.to_string())
            }
        };
        let name = label(&profile);
        if cx.is_json() {
            cx.out.json(&CheckJson {
                name: &name,
                ok,
                said: &said,
            })?;
        } else {
            let word = if ok {
                Cell::toned("ok", Tone::Good)
            } else {
                Cell::toned("FAILED", Tone::Bad)
            };
            let row = vec![Cell::plain(name), word, Cell::plain(said)];
            cx.out
                .rows(&["PROFILE", "STATE", ""], &[row], &mut columns)?;
        }
    }
    Ok(worst)
}

/// Where it is and what may be done there.
fn describe(ops: &Ops) -> String {
    let place = ops.place();
    let may: Vec<&str> = [
        (Change::Generate, "generate"),
        (Change::Regenerate, "regenerate"),
        (Change::Revoke, "revoke"),
        (Change::UserCreate, "create users"),
        (Change::UserOff, "change users"),
    ]
    .into_iter()
    .filter(|(change, _)| ops.refusal(*change).is_none())
    .map(|(_, word)| word)
    .collect();
    let may = if may.is_empty() {
        "may only read".to_owned()
    } else {
        format!("may {}", may.join(", "))
    };
    if place.target.is_empty() {
        may
    } else {
        format!("{}; {may}", place.target)
    }
}
