//! `user list` and `user show`.

use serde::Serialize;

use super::state;
use crate::cli::context::Context;
use crate::cli::exit::{Code, Failure};
use crate::cli::output::table::Cell;
use crate::cli::pages::{self, Pages};
use crate::domain::filter::Filter;
use crate::domain::last_use::LastUse;
use crate::domain::moment::Moment;
use crate::domain::token::CoveredKey;
use crate::domain::user::{User, UserRow, Username};
use crate::ops;

/// `user list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only users whom this filter finds
    #[arg(long, value_name = "FILTER", value_parser = pages::filter, allow_hyphen_values = true)]
    filter: Option<Filter>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Write CSV for a spreadsheet; for programs --json is exact
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// `user show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Who
    username: String,
}

const HEADER: [&str; 7] = ["USER", "ID", "EMAIL", "ROLE", "LAST LOGIN", "KEY", "STATE"];

/// A user as scripts read him.
#[derive(Debug, Serialize)]
struct UserJson<'a> {
    #[serde(flatten)]
    user: &'a User,
    token: Option<TokenJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<u64>,
}

#[derive(Debug, Serialize)]
struct TokenJson<'a> {
    key: &'a CoveredKey,
    created: Moment,
    /// Left out where nobody knows.
    #[serde(skip_serializing_if = "LastUse::is_unknown")]
    last_used: &'a LastUse,
}

impl<'a> UserJson<'a> {
    fn of(row: &'a UserRow) -> Self {
        Self {
            user: &row.user,
            token: row.token.as_ref().map(|token| TokenJson {
                key: &token.key,
                created: token.created,
                last_used: &token.last_use,
            }),
            groups: None,
            permissions: None,
        }
    }
}

/// Runs `user list`.
pub async fn list(cx: &mut Context, args: ListArgs) -> Result<Code, Failure> {
    let ops = cx.ops().await?;
    let mut pages = Pages::new(args.filter.unwrap_or_default(), args.limit);
    let mut columns = None;
    if args.csv {
        cx.out.csv(&HEADER)?;
    }
    while let Some(rows) = pages.next(&ops).await? {
        if cx.is_json() {
            for row in &rows {
                cx.out.json(&UserJson::of(row))?;
            }
        } else {
            let lines: Vec<Vec<Cell>> = rows.iter().map(cells).collect();
            if args.csv {
                for line in &lines {
                    let fields: Vec<&str> = line.iter().map(Cell::text).collect();
                    cx.out.csv(&fields)?;
                }
            } else {
                cx.out.rows(&HEADER, &lines, &mut columns)?;
            }
        }
        cx.out.flush()?;
    }
    cx.out.note_if_empty(columns.is_none() && !args.csv);
    Ok(Code::Done)
}

fn cells(row: &UserRow) -> Vec<Cell> {
    let user = &row.user;
    let key = row.token.as_ref().map(|token| token.key.to_string());
    vec![
        Cell::plain(&*user.username),
        Cell::plain(user.id.to_string()),
        Cell::plain(or_dash(&user.email)),
        Cell::plain(role(user)),
        Cell::plain(when(user.last_login)),
        Cell::plain(key.unwrap_or_else(|| "-".to_owned())),
        state(row),
    ]
}

const fn role(user: &User) -> &'static str {
    if user.is_superuser {
        "superuser"
    } else if user.is_staff {
        "staff"
    } else {
        "-"
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn when(moment: Option<Moment>) -> String {
    moment.map_or_else(|| "-".to_owned(), Moment::rfc3339)
}

/// Runs `user show`.
pub async fn show(cx: &mut Context, args: ShowArgs) -> Result<Code, Failure> {
    let name = Username::new(args.username).map_err(ops::Error::from)?;
    let ops = cx.ops().await?;
    let detail = ops.find_user(&name).await?;
    let (row, user) = (&detail.row, &detail.row.user);
    if cx.is_json() {
        cx.out.json(&UserJson {
            groups: Some(&detail.groups),
            permissions: Some(detail.permissions),
            ..UserJson::of(row)
        })?;
        return Ok(Code::Done);
    }
    let active = if user.is_active { "active" } else { "OFF" };
    let token = row.token.as_ref().map_or_else(
        || "none".to_owned(),
        |token| format!("drf {}, made {}", token.key, token.created.rfc3339()),
    );
    cx.out.facts(&[
        ("User", user.username.clone()),
        ("Id", user.id.to_string()),
        ("State", active.to_owned()),
        ("Name", or_dash(&user.full_name).to_owned()),
        ("Email", or_dash(&user.email).to_owned()),
        ("Reach", detail.reach()),
        ("Groups", or_dash(&detail.groups.join(", ")).to_owned()),
        ("Login", when(user.last_login)),
        ("Joined", when(user.date_joined)),
        ("Token", token),
    ])?;
    Ok(Code::Done)
}
