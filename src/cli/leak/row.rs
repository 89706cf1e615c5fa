//! One line of `leak scan`: where a key stands, what may be shown of it, what it is worth and whose it is.

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::worth::Worth;
use crate::domain::moment::Moment;
use crate::ops::leak::{Beginning, Finding, Verdict};

#[derive(Debug, Serialize)]
struct RowJson<'a> {
    file: &'a str,
    line: u64,
    #[serde(flatten)]
    worth: Worth<'a>,
}

/// Whether the finding is or was a key, or may be the beginning of one.
pub fn is_key(finding: &Finding) -> bool {
    match &finding.verdict {
        Verdict::Live(_) | Verdict::Inert(..) | Verdict::Retired(_) => true,
        Verdict::Partial(Beginning::Of(owners)) => !owners.is_empty(),
        Verdict::Partial(Beginning::Was(keys)) => !keys.is_empty(),
        Verdict::Partial(Beginning::NotAsked) | Verdict::Unknown => false,
    }
}

/// Writes the line. `place` is the database's name.
pub fn print(
    cx: &mut Context,
    file: &str,
    line: u64,
    finding: &Finding,
    place: &str,
) -> Result<(), Failure> {
    let now = Moment::now();
    let detail = finding.detail(now, place);
    if cx.is_json() {
        let worth = Worth {
            detail: Some(detail),
            ..Worth::of_finding(finding, now)
        };
        return cx.out.json(&RowJson { file, line, worth });
    }
    let word = finding.verdict.word();
    let whose = finding.whose().unwrap_or("-");
    let mut said = format!("{file}:{line}  {}  {word}  {whose}", finding.key);
    let more = match &finding.verdict {
        Verdict::Live(holder) => {
            let user = &holder.user;
            let powerful =
                user.is_superuser || user.is_staff || holder.groups + holder.permissions > 0;
            if powerful {
                holder.reach()
            } else {
                String::new()
            }
        }
        Verdict::Inert(..) | Verdict::Retired(_) | Verdict::Unknown | Verdict::Partial(_) => detail,
    };
    if !more.is_empty() {
        said = format!("{said}  {more}");
    }
    cx.out.line(&said)
}
