//! What `leak scan --regenerate` and `--revoke` do about the live keys, and the report of the case.

use std::path::Path;

use serde::Serialize;

use super::scan::Scanned;
use crate::cli::consent::{Consent, Extent};
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::output;
use crate::cli::report::Report;
use crate::domain::token::CoveredKey;
use crate::ops::leak::{Case, Deed, Format, Response, Saved, masked};
use crate::ops::{Error, Mode, Ops};
use crate::text;

/// What is done about what was found.
#[derive(Debug)]
pub struct Wish {
    pub deed: Option<Deed>,
    pub consent: Consent,
    pub report: Option<Report>,
}

#[derive(Debug, Serialize)]
struct DoneJson<'a> {
    username: &'a str,
    key: Option<&'a CoveredKey>,
    result: &'static str,
    leak: i64,
}

/// Does what is wished, all or none, and writes the report. True when no live key is left.
pub async fn run(
    cx: &mut Context,
    ops: &Ops,
    scanned: Scanned,
    mut wish: Wish,
) -> Result<bool, Failure> {
    let (live, graced) = (scanned.live, scanned.graced);
    if scanned.findings.is_empty() || (wish.deed.is_none() && wish.report.is_none()) {
        if let Some(report) = &mut wish.report {
            report.write_text(&nothing(report.path(), &scanned.source, ops))?;
        }
        return Ok(live + graced == 0);
    }
    let mut case = ops.open_case(scanned.findings, scanned.source).await?;
    let deed = wish.deed.filter(|_| live > 0);
    let done = match deed {
        Some(deed) => act(cx, ops, &mut case, deed, live, wish.consent).await,
        None => Ok(()),
    };
    if let Some(report) = &mut wish.report {
        if done.is_ok() && deed.is_none() {
            ops.save_case(&mut case).await?;
        }
        report.write_text(&ops.report(&case, format(report.path()))?)?;
        cx.out.note(&format!(
            "{}the report is {}",
            match case.saved {
                Saved::Yes => format!("leak {}: ", case.number),
                Saved::No => String::new(),
            },
            masked(&report.path().display().to_string())
        ));
    }
    done?;
    Ok((live == 0 || deed.is_some()) && graced == 0)
}

async fn act(
    cx: &mut Context,
    ops: &Ops,
    case: &mut Case,
    deed: Deed,
    live: usize,
    consent: Consent,
) -> Result<(), Failure> {
    let verb = match deed {
        Deed::Regenerate => "Regenerate",
        Deed::Revoke => "Revoke",
    };
    let (extent, plan) = match live {
        1 => (Extent::One, format!("{verb} 1 live key")),
        many => (Extent::Several(many), format!("{verb} {many} live keys")),
    };
    // The plan is on the screen before anybody is asked about it.
    cx.out.flush()?;
    consent.get(&cx.signals, ops.place(), extent, &plan).await?;
    if case.chosen().count() < live {
        let said = format!(
            "{live} live keys are more than one run handles; scan fewer files at a time. Nothing was changed"
        );
        return Err(Error::Invalid(said).into());
    }
    let response = ops.respond(case, deed, Mode::Apply).await?;
    tell(cx, case, &response)
}

fn tell(cx: &mut Context, case: &Case, response: &Response) -> Result<(), Failure> {
    for row in &response.rows {
        let finding = case
            .findings
            .iter()
            .find(|finding| finding.key.fingerprint == row.key);
        let key = finding.map(|finding| &finding.key);
        let result = match row.done.what {
            Deed::Regenerate => "regenerated",
            Deed::Revoke => "revoked",
        };
        if cx.is_json() {
            cx.out.json(&DoneJson {
                username: &row.username,
                key,
                result,
                leak: response.leak,
            })?;
        } else {
            let key = key.map_or_else(|| "-".to_owned(), ToString::to_string);
            cx.out.line(&format!("{result}  {}  {key}", row.username))?;
        }
    }
    if let Some(warning) = &response.warning {
        output::note(&format!("warning: {}", text::safe(warning)));
    }
    if !cx.is_json() {
        let mut said = format!("leak {}: the old keys get 401 from now on", response.leak);
        if !response.issued.is_empty() {
            said += "; `tokenward token show --reveal USERNAME` shows a new one";
        }
        cx.out.note(&said);
    }
    Ok(())
}

/// A name that ends in `.json` asks for JSON.
pub fn format(path: &Path) -> Format {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("json") => Format::Json,
        _ => Format::Markdown,
    }
}

/// The report of a text without a key, which is no case.
fn nothing(path: &Path, source: &str, ops: &Ops) -> String {
    let place = &ops.place().name;
    match format(path) {
        Format::Markdown => {
            let (place, source) = (text::safe(place), text::safe(source));
            format!("# No key of {place} found\n\n- Searched: {source}\n")
        }
        Format::Json => {
            let value = serde_json::json!({"database": place, "source": source, "keys": []});
            format!("{value:#}\n")
        }
    }
}
