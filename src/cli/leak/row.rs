//! One line of `leak scan`: where a key stands, what may be shown of it, what it is worth and whose it is.

use std::net::IpAddr;

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::domain::moment::Moment;
use crate::domain::scan::Kind;
use crate::domain::token::CoveredKey;
use crate::domain::user::UserId;
use crate::ops::leak::{Beginning, Finding, Verdict};

#[derive(Debug, Serialize)]
struct RowJson<'a> {
    file: &'a str,
    line: u64,
    key: &'a CoveredKey,
    kind: &'static str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<Moment>,
    #[serde(skip_serializing_if = "<[IpAddr]>::is_empty")]
    last_used_from: &'a [IpAddr],
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leak: Option<i64>,
    detail: String,
}

/// Whether the finding is or was a key, or may be the beginning of one.
pub fn is_key(finding: &Finding) -> bool {
    match &finding.verdict {
        Verdict::Live(_) | Verdict::Inert(..) | Verdict::Retired(_) => true,
        Verdict::Partial(Beginning::Of(owners)) => !owners.is_empty(),
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
    let detail = finding.detail(Moment::now(), place);
    if cx.is_json() {
        return cx.out.json(&json(file, line, finding, detail));
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

fn json<'a>(file: &'a str, line: u64, finding: &'a Finding, detail: String) -> RowJson<'a> {
    let holder = finding.verdict.holder();
    let retired = match &finding.verdict {
        Verdict::Retired(retired) => Some(retired),
        Verdict::Live(_) | Verdict::Inert(..) | Verdict::Unknown | Verdict::Partial(_) => None,
    };
    let kind = match (holder, retired) {
        (Some(holder), _) => holder.token.word(),
        (None, Some(retired)) => retired.kind.word(),
        (None, None) => match finding.sighting.kind {
            Kind::Drf | Kind::Checksum(_) => "drf",
            Kind::Knox => "knox",
            Kind::Other => "other",
        },
    };
    RowJson {
        file,
        line,
        key: &finding.key,
        kind,
        verdict: finding.verdict.word(),
        username: finding.whose(),
        user_id: holder.map(|holder| holder.user.id),
        reach: holder.map(crate::ops::leak::Holder::reach),
        made: holder.map(|holder| holder.made),
        last_login: holder.and_then(|holder| holder.user.last_login),
        last_used: holder.and_then(|holder| holder.last_use.at()),
        last_used_from: holder.map_or(&[], |holder| holder.last_use.addresses()),
        retired: retired.map(|retired| retired.retired),
        by: retired.map(|retired| &*retired.by),
        leak: retired.and_then(|retired| retired.leak),
        detail,
    }
}
