//! `doctor`: what is unhealthy in a database, one line a finding, and what mends it. Nothing is changed. Keys stay covered.

use serde::Serialize;

use super::context::Context;
use super::exit::{Code, Failure};
use super::opener::{Say, label};
use super::output;
use crate::domain::moment::Moment;
use crate::domain::token::KeyStart;
use crate::domain::user::UserId;
use crate::ops::doctor::{Check, Comparison, Examination, Finding, Next};
use crate::ops::{Error, Ops};
use crate::text;

/// `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look for keys of this profile's database too: keys that live in both
    #[arg(long, value_name = "PROFILE")]
    compare: Option<String>,
}

/// So many findings of one check are told to a person who did not ask for more.
const TOLD: u64 = 20;

#[derive(Debug, Serialize)]
struct FindingJson<'a> {
    check: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login: Option<Moment>,
    detail: &'a str,
    next: String,
}

/// What was found.
#[derive(Debug, Default)]
struct Tally {
    live: u64,
    others: u64,
    /// Of the check at hand.
    here: u64,
    /// Where this role may not look.
    unseen: bool,
}

/// Runs `doctor`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let ops = cx.ops().await?;
    let other = match &args.compare {
        Some(name) => Some(open_other(cx, &ops, name).await?),
        None => None,
    };
    let mut tally = Tally::default();
    for check in Check::ALL {
        let mut examination = Examination::new(check);
        loop {
            match examination.next(&ops).await {
                Ok(Some(found)) => tell(cx, &mut tally, &found)?,
                Ok(None) => break,
                Err(Error::MissingRight(why)) => {
                    output::note(&format!("{} was not looked at: {why}", check.word()));
                    tally.unseen = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        end(cx, &mut tally, check)?;
    }
    if let Some(other) = &other {
        let mut comparison = Comparison::default();
        loop {
            match comparison.next(&ops, other).await {
                Ok(Some(found)) => tell(cx, &mut tally, &found)?,
                Ok(None) => break,
                Err(Error::MissingRight(why)) => {
                    output::note(&format!("keys of knox were not compared: {why}"));
                    tally.unseen = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        end(cx, &mut tally, Check::Shared)?;
    }
    cx.out.note(&summary(&tally, &ops, other.as_ref()));
    Ok(match tally {
        Tally { live: 1.., .. } => Code::Found,
        Tally { unseen: true, .. } => Code::Partly,
        Tally { .. } => Code::Done,
    })
}

/// The database that the keys are compared with.
async fn open_other(cx: &Context, ops: &Ops, name: &str) -> Result<Ops, Failure> {
    if label(&cx.config().profile) == name {
        return Err(Failure::usage(format!(
            "--compare {}: that is the database which is examined; name another profile, `tokenward profile list` \
             lists them",
            text::safe(name)
        )));
    }
    let opened = Box::pin(cx.opener.open_named(name, Say::Stderr));
    let other = cx.signals.or_stop(opened).await?;
    if other.is_same_database(ops).await? {
        return Err(Failure::usage(format!(
            "--compare {}: that profile leads to the same database, so it would find every key; name another one",
            text::safe(name)
        )));
    }
    Ok(other.cancellable(cx.stop()))
}

fn tell(cx: &mut Context, tally: &mut Tally, found: &[Finding]) -> Result<(), Failure> {
    for finding in found {
        if finding.is_live() {
            tally.live += 1;
        } else {
            tally.others += 1;
        }
        tally.here += 1;
        if cx.is_json() {
            cx.out.json(&json(finding))?;
        } else if tally.here <= TOLD || cx.verbose {
            cx.out.line(&line(finding))?;
        }
    }
    cx.out.flush()
}

/// Ends a check: tells how much more it found than was told.
fn end(cx: &mut Context, tally: &mut Tally, check: Check) -> Result<(), Failure> {
    let here = std::mem::take(&mut tally.here);
    if here <= TOLD || cx.verbose || cx.is_json() {
        return Ok(());
    }
    let all = match check.filter() {
        Some(filter) => format!("tokenward token list --filter '{filter}'"),
        None => "-v tells all".to_owned(),
    };
    let more = here - TOLD;
    cx.out
        .line(&format!("{}  and {more} more; {all}", check.word()))
}

fn line(finding: &Finding) -> String {
    let (word, detail) = (finding.check.word(), &finding.detail);
    let next = next(finding);
    match (covered(finding), &finding.owner) {
        (Some(key), Some(owner)) => {
            let verdict = verdict(finding).unwrap_or("-");
            format!(
                "{word}  {key}  {verdict}  {}  {detail}; {next}",
                owner.username
            )
        }
        (_, _) => format!("{word}  {detail}; {next}"),
    }
}

/// Its key as it may be seen.
fn covered(finding: &Finding) -> Option<String> {
    let start = finding.key.as_ref().map(KeyStart::as_str)?;
    Some(format!("{start}…"))
}

/// The word of its key.
fn verdict(finding: &Finding) -> Option<&'static str> {
    finding.owner.as_ref()?;
    Some(if finding.is_live() { "LIVE" } else { "INERT" })
}

fn next(finding: &Finding) -> String {
    let name = finding.owner.as_ref().map_or("", |owner| &owner.username);
    match &finding.next {
        Next::Regenerate => format!("tokenward token regenerate {}", word(name)),
        Next::Revoke => format!("tokenward token revoke {}", word(name)),
        Next::Sql(statement) => statement.to_string(),
    }
}

/// `name` as one word of a shell's.
fn word(name: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "._@+-".contains(character);
    let quoted = if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    };
    if name.starts_with('-') {
        format!("-- {quoted}")
    } else {
        quoted
    }
}

fn json(finding: &Finding) -> FindingJson<'_> {
    let owner = finding.owner.as_ref();
    FindingJson {
        check: finding.check.word(),
        key: covered(finding),
        verdict: verdict(finding),
        username: owner.map(|owner| &*owner.username),
        user_id: owner.map(|owner| owner.id),
        last_login: owner.and_then(|owner| owner.last_login),
        detail: &finding.detail,
        next: next(finding),
    }
}

fn summary(tally: &Tally, ops: &Ops, other: Option<&Ops>) -> String {
    let mut place = ops.place().name.clone();
    if let Some(other) = other {
        place = format!("{place} and {}", other.place().name);
    }
    let what = match (tally.live, tally.others) {
        (0, 0) => "nothing unhealthy was found".to_owned(),
        (1, others) => format!("1 live key to deal with, {others} others"),
        (live, others) => format!("{live} live keys to deal with, {others} others"),
    };
    format!("{place}: {what}. Nothing was changed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word_of_a_shell() {
        assert_eq!(word("alice.w"), "alice.w");
        assert_eq!(word("o'brien"), r"'o'\''brien'");
        assert_eq!(word("-rf $x"), "-- '-rf $x'");
        assert_eq!(word(""), "''");
    }
}
