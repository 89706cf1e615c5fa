//! A sort order and a place in it, turned into WHERE and ORDER BY.

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Timestamptz};

use super::filters::Condition;
use super::rows::{Id, Instant};
use super::schema::{auth_user, authtoken_token, time_or};
use super::users::{Reach, Users, UsersQuery};
use crate::domain::moment::Moment;
use crate::domain::page::{Cursor, CursorValue, Direction, Page, Sort, SortKey, Start};

/// How one page is read. A page that ends at a place is read backwards from there and turned around.
pub struct Way {
    sort: Sort,
    sifting: bool,
    /// The direction in which the rows are read.
    reading: Direction,
    backwards: bool,
    place: Option<Cursor>,
}

impl Way {
    /// The way to the page that `query` asks for.
    ///
    /// Postgres takes a search in the middle of texts to find far more than it does, and so would walk the index of
    /// names, row by row, until it has a page: for a rare text through the whole table in the worst of orders. Such a
    /// search is sifted: read as the table lies, then sorted. The pages after it walk, since they come only where much
    /// was found, and a list of it all must not read the whole table for each of them.
    pub fn of(query: &UsersQuery) -> Self {
        let sort = query.sort;
        let sifting = query.reach == Reach::Far
            && query.filter.has_text()
            && matches!(query.start, Start::First | Start::Last);
        let (backwards, place) = match &query.start {
            Start::First => (false, None),
            Start::Last => (true, None),
            Start::After(cursor) => (false, Some(cursor.clone())),
            Start::Before(cursor) => (true, Some(cursor.clone())),
        };
        let reading = if backwards {
            sort.direction.reversed()
        } else {
            sort.direction
        };
        Self {
            sort,
            sifting,
            reading,
            backwards,
            place,
        }
    }

    /// What holds of every row beyond the place, in reading order.
    pub fn condition(&self) -> Option<Condition> {
        let place = self.place.as_ref()?;
        let id = Id(place.id);
        Some(match (&place.value, self.reading) {
            // Written as a range with an exception, not as a choice of two: Postgres then walks an index from
            // the place on. Names are unique in Django but need not be in a column that a site chose.
            (CursorValue::Name(name), Direction::Ascending) => Box::new(
                auth_user::username.ge(name.clone()).and(
                    auth_user::username
                        .gt(name.clone())
                        .or(auth_user::id.gt(id)),
                ),
            ),
            (CursorValue::Name(name), Direction::Descending) => Box::new(
                auth_user::username.le(name.clone()).and(
                    auth_user::username
                        .lt(name.clone())
                        .or(auth_user::id.lt(id)),
                ),
            ),
            (CursorValue::Time(time), way) => self.beyond_time(*time, id, way),
            (CursorValue::Id, Direction::Ascending) => Box::new(auth_user::id.gt(id)),
            (CursorValue::Id, Direction::Descending) => Box::new(auth_user::id.lt(id)),
        })
    }

    fn beyond_time(&self, time: Option<Moment>, id: Id, way: Direction) -> Condition {
        let at = Instant(time.unwrap_or(Moment::DISTANT_PAST));
        let none = Instant(Moment::DISTANT_PAST);
        match (self.sort.key, way) {
            (SortKey::Login, Direction::Ascending) => {
                let login = || time_or(auth_user::last_login, none);
                Box::new(login().ge(at).and(login().gt(at).or(auth_user::id.gt(id))))
            }
            (SortKey::Login, Direction::Descending) => {
                let login = || time_or(auth_user::last_login, none);
                Box::new(login().le(at).and(login().lt(at).or(auth_user::id.lt(id))))
            }
            (SortKey::LastUse, Direction::Ascending) => {
                let used = || time_or(last_use(), none);
                Box::new(used().ge(at).and(used().gt(at).or(auth_user::id.gt(id))))
            }
            (SortKey::LastUse, Direction::Descending) => {
                let used = || time_or(last_use(), none);
                Box::new(used().le(at).and(used().lt(at).or(auth_user::id.lt(id))))
            }
            (SortKey::User | SortKey::Created | SortKey::Id, Direction::Ascending) => {
                let created = || time_or(authtoken_token::created.nullable(), none);
                Box::new(
                    created()
                        .ge(at)
                        .and(created().gt(at).or(auth_user::id.gt(id))),
                )
            }
            (SortKey::User | SortKey::Created | SortKey::Id, Direction::Descending) => {
                let created = || time_or(authtoken_token::created.nullable(), none);
                Box::new(
                    created()
                        .le(at)
                        .and(created().lt(at).or(auth_user::id.lt(id))),
                )
            }
        }
    }

    /// Puts `users` in reading order.
    pub fn order(&self, users: Users) -> Users {
        let none = Instant(Moment::DISTANT_PAST);
        let created = time_or(authtoken_token::created.nullable(), none);
        let used = time_or(last_use(), none);
        let login = time_or(auth_user::last_login, none);
        // The same order, by no column that an index has.
        let unindexed = auth_user::username.concat("");
        match (self.sort.key, self.reading) {
            (SortKey::User, Direction::Ascending) if self.sifting => {
                users.order_by((unindexed.asc(), auth_user::id.asc()))
            }
            (SortKey::User, Direction::Descending) if self.sifting => {
                users.order_by((unindexed.desc(), auth_user::id.desc()))
            }
            (SortKey::User, Direction::Ascending) => {
                users.order_by((auth_user::username.asc(), auth_user::id.asc()))
            }
            (SortKey::User, Direction::Descending) => {
                users.order_by((auth_user::username.desc(), auth_user::id.desc()))
            }
            (SortKey::Created, Direction::Ascending) => {
                users.order_by((created.asc(), auth_user::id.asc()))
            }
            (SortKey::Created, Direction::Descending) => {
                users.order_by((created.desc(), auth_user::id.desc()))
            }
            (SortKey::LastUse, Direction::Ascending) => {
                users.order_by((used.asc(), auth_user::id.asc()))
            }
            (SortKey::LastUse, Direction::Descending) => {
                users.order_by((used.desc(), auth_user::id.desc()))
            }
            (SortKey::Login, Direction::Ascending) => {
                users.order_by((login.asc(), auth_user::id.asc()))
            }
            (SortKey::Login, Direction::Descending) => {
                users.order_by((login.desc(), auth_user::id.desc()))
            }
            (SortKey::Id, Direction::Ascending) => users.order_by(auth_user::id.asc()),
            (SortKey::Id, Direction::Descending) => users.order_by(auth_user::id.desc()),
        }
    }

    /// Makes the page of what was read, which is one row more than `limit` where there is more.
    pub fn page<T>(&self, mut rows: Vec<T>, limit: usize) -> Page<T> {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let behind = self.place.is_some();
        if self.backwards {
            rows.reverse();
            Page {
                rows,
                more_before: more,
                more_after: behind,
            }
        } else {
            Page {
                rows,
                more_before: behind,
                more_after: more,
            }
        }
    }
}

/// The last use of the row's token: Diesel has no word for a table of ours that is joined with the token's.
fn last_use() -> SqlLiteral<Nullable<Timestamptz>> {
    sql(
        "(SELECT l.at FROM tokenward.last_use AS l WHERE l.kind = 'drf' \
          AND l.id = \"authtoken_token\".\"user_id\"::text AND l.made = \"authtoken_token\".\"created\")",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::UserId;

    fn place() -> Cursor {
        Cursor {
            value: CursorValue::Id,
            id: UserId::Int4(7),
        }
    }

    #[test]
    fn a_page_that_ends_at_a_place_is_turned_around() {
        let way = Way::of(&UsersQuery {
            start: Start::Before(place()),
            ..UsersQuery::default()
        });
        let page = way.page(vec![3, 2, 1], 2);
        assert_eq!(
            page,
            Page {
                rows: vec![2, 3],
                more_before: true,
                more_after: true
            }
        );
    }

    #[test]
    fn the_first_page_has_nothing_before_it() {
        let way = Way::of(&UsersQuery::default());
        let page = way.page(vec![1, 2], 2);
        assert_eq!(
            page,
            Page {
                rows: vec![1, 2],
                more_before: false,
                more_after: false
            }
        );
    }
}
