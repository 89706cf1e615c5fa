//! Users and tokens in pages: read one after the other and forgotten once written, so that a million rows take no more
//! memory than a thousand. `token list`, `user list` and every `--filter` go through here.

use crate::domain::filter::{Filter, Test, Word};
use crate::domain::page::{Sort, Start};
use crate::domain::user::UserRow;
use crate::ops::{Aim, Error, Ops, Reach, UsersQuery};

/// Rows asked for at once.
const PAGE: usize = 1_000;

/// No change is asked of more rows than this in one command: they are all held until it is confirmed.
const MOST: usize = 1_000_000;

/// The pages of one list.
#[derive(Debug)]
pub struct Pages {
    query: UsersQuery,
    /// How many rows are still wanted.
    left: usize,
    more: bool,
}

impl Pages {
    /// The users that `filter` lets pass, by name; at most `limit` where one is given.
    pub fn new(filter: Filter, limit: Option<usize>) -> Self {
        Self {
            query: UsersQuery {
                filter,
                sort: Sort::default(),
                start: Start::First,
                limit: PAGE,
                reach: Reach::Far,
            },
            left: limit.unwrap_or(usize::MAX),
            more: true,
        }
    }

    /// The next page; `None` after the last one.
    pub async fn next(&mut self, ops: &Ops) -> Result<Option<Vec<UserRow>>, Error> {
        if !self.more || self.left == 0 {
            return Ok(None);
        }
        self.query.limit = self.left.min(PAGE);
        let page = ops.page_users(&self.query).await?;
        self.left -= page.rows.len().min(self.left);
        self.more = page.more_after;
        if let Some(last) = page.rows.last() {
            self.query.start = Start::After(last.cursor(self.query.sort));
        }
        Ok((!page.rows.is_empty()).then_some(page.rows))
    }
}

/// `filter`, and who has a token.
pub fn with_token(mut filter: Filter) -> Filter {
    filter.words.push(Word {
        negated: true,
        test: Test::NoToken,
    });
    filter
}

/// Everybody that `filter` lets pass, to aim a change at.
pub async fn aims(ops: &Ops, filter: Filter) -> Result<Vec<Aim>, Error> {
    let mut aims = Vec::new();
    let mut pages = Pages::new(filter, Some(MOST + 1));
    while let Some(rows) = pages.next(ops).await? {
        aims.extend(rows.iter().map(Aim::from));
    }
    if aims.len() > MOST {
        return Err(Error::Invalid(format!(
            "--filter finds more than {MOST} users, too many for one command; narrow it"
        )));
    }
    Ok(aims)
}

/// Reads `--filter`.
pub fn filter(line: &str) -> Result<Filter, String> {
    let filter = Filter::parse(line).map_err(|error| error.to_string())?;
    if filter.wants_marked() {
        return Err("is:marked means marks in the console; there are none here".to_owned());
    }
    Ok(filter)
}

/// Reads the `--filter` of a change, which may not mean everybody by mistake: `--filter "$UNSET"`.
pub fn some_filter(line: &str) -> Result<Filter, String> {
    let filter = filter(line)?;
    if filter.is_empty() {
        return Err("an empty filter would mean everybody; say whom".to_owned());
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_never_means_everybody_by_mistake() {
        assert!(some_filter(" ").is_err());
        assert!(some_filter("is:off").is_ok());
        assert!(filter("").is_ok());
        assert!(filter("is:marked").is_err());
    }
}
