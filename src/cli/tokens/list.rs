//! `token list` and `token show`. A list is written page by page as it is read; keys stay covered unless `--reveal` is
//! given, and then each one that is shown leaves a line in the audit.

use std::net::IpAddr;

use serde::Serialize;

use super::KIND;
use crate::cli::context::Context;
use crate::cli::exit::{Code, Failure};
use crate::cli::output;
use crate::cli::output::table::Cell;
use crate::cli::pages::{self, Pages};
use crate::cli::users::state;
use crate::domain::filter::Filter;
use crate::domain::last_use::LastUse;
use crate::domain::moment::Moment;
use crate::domain::user::{TokenInfo, UserId, UserRow, Username};
use crate::ops::{self, Aim, Ops, Purpose};

/// `token list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only tokens of users whom this filter finds
    #[arg(long, value_name = "FILTER", value_parser = pages::filter, allow_hyphen_values = true)]
    filter: Option<Filter>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show whole keys; each is audited
    #[arg(long)]
    reveal: bool,
    /// Write CSV for a spreadsheet; for programs --json is exact
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// `token show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Whose token
    username: String,
    /// Show the whole key; this is audited
    #[arg(long)]
    reveal: bool,
}

const HEADER: [&str; 6] = ["USER", "KIND", "KEY", "CREATED", "LAST USED", "STATE"];

#[derive(Debug, Serialize)]
struct TokenJson<'a> {
    username: &'a str,
    user_id: UserId,
    kind: &'static str,
    key: &'a str,
    created: Moment,
    /// Left out where nobody knows.
    #[serde(skip_serializing_if = "LastUse::is_unknown")]
    last_used: &'a LastUse,
    #[serde(skip_serializing_if = "<[IpAddr]>::is_empty")]
    last_used_from: &'a [IpAddr],
    state: &'static str,
}

/// Runs `token list`.
pub async fn list(cx: &mut Context, args: ListArgs) -> Result<Code, Failure> {
    let ops = cx.ops().await?;
    let filter = pages::with_token(args.filter.unwrap_or_default());
    let mut pages = Pages::new(filter, args.limit);
    let mut columns = None;
    let mut code = Code::Done;
    if args.csv {
        cx.out.csv(&HEADER)?;
    }
    while let Some(rows) = pages.next(&ops).await? {
        let mut lines = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(token) = &row.token else { continue };
            let mut key = token.key.to_string();
            if args.reveal {
                match reveal(&ops, row).await {
                    Ok(whole) => key = whole,
                    Err(ops::Error::Conflict(said)) => {
                        output::note(&said);
                        code = Code::Partly;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if cx.is_json() {
                cx.out.json(&json(row, &key, token))?;
            } else {
                lines.push(cells(row, &key, token));
            }
        }
        if args.csv {
            for line in &lines {
                let fields: Vec<&str> = line.iter().map(Cell::text).collect();
                cx.out.csv(&fields)?;
            }
        } else if !cx.is_json() {
            cx.out.rows(&HEADER, &lines, &mut columns)?;
        }
        cx.out.flush()?;
    }
    cx.out.note_if_empty(columns.is_none() && !args.csv);
    Ok(code)
}

async fn reveal(ops: &Ops, row: &UserRow) -> Result<String, ops::Error> {
    let issued = ops.reveal(&Aim::from(row), Purpose::Show).await?;
    Ok(issued.key.expose().clone())
}

fn json<'a>(row: &'a UserRow, key: &'a str, token: &'a TokenInfo) -> TokenJson<'a> {
    TokenJson {
        username: &row.user.username,
        user_id: row.user.id,
        kind: KIND,
        key,
        created: token.created,
        last_used: &token.last_use,
        last_used_from: token.last_use.addresses(),
        state: row.state(Moment::now()).word(),
    }
}

fn cells(row: &UserRow, key: &str, token: &TokenInfo) -> Vec<Cell> {
    vec![
        Cell::plain(&*row.user.username),
        Cell::plain(KIND),
        Cell::plain(key),
        Cell::plain(token.created.rfc3339()),
        Cell::plain(token.last_use.rfc3339()),
        state(row),
    ]
}

/// Runs `token show`.
pub async fn show(cx: &mut Context, args: ShowArgs) -> Result<Code, Failure> {
    let name = Username::new(args.username).map_err(ops::Error::from)?;
    let ops = cx.ops().await?;
    let detail = ops.find_user(&name).await?;
    let row = &detail.row;
    let Some(token) = &row.token else {
        return Err(
            ops::Error::NotFound(format!("{name} has no token; generate makes one")).into(),
        );
    };
    let key = if args.reveal {
        reveal(&ops, row).await?
    } else {
        token.key.to_string()
    };
    if cx.is_json() {
        cx.out.json(&json(row, &key, token))?;
        return Ok(Code::Done);
    }
    let lines = [
        ("User", row.user.username.clone()),
        ("Key", format!("{KIND} {key}")),
        ("Created", token.created.rfc3339()),
        ("Used", token.last_use.in_full(Moment::now())),
        ("State", row.state(Moment::now()).word().to_owned()),
        ("Reach", detail.reach()),
    ];
    cx.out.facts(&lines)?;
    Ok(Code::Done)
}
