//! `private`: the private database, by hand. Everything else starts and stops it by itself.

use clap::Subcommand;
use serde::Serialize;

use super::consent::{Consent, Extent};
use super::context::Context;
use super::exit::{Code, Failure};
use super::opener::{MAIN, Say};
use super::output;
use crate::config::PRIVATE;
use crate::db::private::{self, Status, StopOutcome, Until, Used};
use crate::ops::PlaceInfo;

/// `private …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server, and keep it running until `stop`
    Start,
    /// Stop the server
    Stop,
    /// Say how it stands
    Status,
    /// Start the server too, and print its address, with the password, for psql and Django
    Url,
    /// Delete the private database and everything in it
    Drop(Consent),
}

#[derive(Debug, Serialize)]
struct StatusJson<'a> {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_use: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<bool>,
    folder: &'a str,
}

/// Runs `private …`.
pub async fn run(cx: &mut Context, command: Command) -> Result<Code, Failure> {
    let home = cx.opener.home();
    match command {
        Command::Start => {
            let pid = start(cx).await?;
            say_state(cx, &format!("running, process {pid}"))
        }
        Command::Stop => match private::stop(&home).await? {
            StopOutcome::Stopped => say_state(cx, "stopped"),
            StopOutcome::WasDown => say_state(cx, "not running"),
        },
        Command::Status => status(cx),
        Command::Url => {
            // Whoever reads the address needs a server that is still there when we are gone, with the database in it.
            let kept_before = kept(cx)?;
            start(cx).await?;
            let url = cx.opener.private_url(MAIN, Say::Stderr).await?;
            if cx.is_json() {
                cx.out.json(&serde_json::json!({"url": url.expose()}))?;
            } else {
                cx.out.line(url.expose())?;
            }
            if !kept_before {
                cx.out
                    .note("the server runs now until `tokenward private stop`");
            }
            Ok(Code::Done)
        }
        Command::Drop(consent) => {
            if private::status(&home)? == Status::NotMade {
                return say_state(cx, "there is none");
            }
            let place = PlaceInfo {
                name: PRIVATE.to_owned(),
                ..PlaceInfo::default()
            };
            let plan = format!("Delete everything in {}", home.base().display());
            let signals = &cx.signals;
            consent
                .get(signals, &place, Extent::Everything, &plan)
                .await?;
            private::remove(&home).await?;
            say_state(cx, "deleted")
        }
    }
}

/// Starts the server, which then runs until `stop`, and makes the database in it. Gives the server's process.
async fn start(cx: &Context) -> Result<i32, Failure> {
    let home = cx.opener.home();
    let mut say = output::note;
    let started = private::keep_running(&home, &mut say);
    let lease = cx.signals.or_stop(started).await?;
    let pid = lease.pid();
    lease.leave().await?;
    let opened = Box::pin(cx.opener.open_named(PRIVATE, Say::Stderr));
    cx.signals.or_stop(opened).await?;
    Ok(pid)
}

fn say_state(cx: &mut Context, state: &str) -> Result<Code, Failure> {
    if cx.is_json() {
        cx.out.json(&serde_json::json!({"private": state}))?;
    } else {
        cx.out.line(&format!("private database: {state}"))?;
    }
    Ok(Code::Done)
}

fn kept(cx: &Context) -> Result<bool, Failure> {
    Ok(match private::status(&cx.opener.home())? {
        Status::Running { until, .. } => until == Until::Stopped,
        Status::NotMade | Status::Stopped { .. } => false,
    })
}

fn status(cx: &mut Context) -> Result<Code, Failure> {
    let home = cx.opener.home();
    let folder = home.base().to_string_lossy().into_owned();
    let status = private::status(&home)?;
    let none = StatusJson {
        state: "not made",
        version: None,
        pid: None,
        in_use: None,
        kept: None,
        folder: &folder,
    };
    let (json, words) = match &status {
        Status::NotMade => (none, format!("not made yet; it will be in {folder}")),
        Status::Stopped { version } => (
            StatusJson {
                state: "stopped",
                version: Some(version),
                ..none
            },
            format!("stopped; Postgres {version}, in {folder}"),
        ),
        Status::Running {
            version,
            pid,
            used,
            until,
        } => {
            let used_words = match used {
                Used::Now => "in use",
                Used::ByNobody => "used by nobody now",
            };
            let until_words = match until {
                Until::LastLeaves => "stops when its last user leaves",
                Until::Stopped => "runs until `tokenward private stop`",
            };
            (
                StatusJson {
                    state: "running",
                    version: Some(version),
                    pid: Some(*pid),
                    in_use: Some(*used == Used::Now),
                    kept: Some(*until == Until::Stopped),
                    ..none
                },
                format!(
                    "running, process {pid}; Postgres {version}, in {folder}; {used_words}; {until_words}"
                ),
            )
        }
    };
    if cx.is_json() {
        cx.out.json(&json)?;
    } else {
        cx.out.line(&format!("private database: {words}"))?;
    }
    Ok(Code::Done)
}
