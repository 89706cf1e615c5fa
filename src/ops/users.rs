//! Users: listed, shown, made, switched on and off, given a password.

use super::{Aim, Change, Error, Mode, Ops};
use crate::db::users::{self, UsersQuery};
use crate::db::{self, Conn, Stop, retired_keys, site::Site, uses};
use crate::domain::audit::Verb;
use crate::domain::moment::Moment;
use crate::domain::page::Page;
use crate::domain::password;
use crate::domain::secret::Secret;
use crate::domain::token::KeyStart;
use crate::domain::user::{NewUser, User, UserId, UserRow, Username};

/// A user with all that is told of him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDetail {
    /// The user and his token.
    pub row: UserRow,
    /// Names of his groups.
    pub groups: Vec<String>,
    /// How many permissions he has of his own.
    pub permissions: u64,
    /// Keys that were replaced and that our listener still takes, the one that works for longest first.
    pub graces: Vec<(KeyStart, Moment)>,
}

impl UserDetail {
    /// `SUPERUSER, staff, 2 groups`: what his key can do.
    #[must_use]
    pub fn reach(&self) -> String {
        reach(&self.row.user, self.groups.len() as u64, self.permissions)
    }
}

/// What the key of a user in so many groups, and with so many permissions of his own, can do.
pub(super) fn reach(user: &User, groups: u64, permissions: u64) -> String {
    let count = |n: u64, one: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {one}s")),
    };
    let parts = [
        user.is_superuser.then(|| "SUPERUSER".to_owned()),
        user.is_staff.then(|| "staff".to_owned()),
        count(groups, "group"),
        count(permissions, "permission"),
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    if said.is_empty() {
        "no groups".to_owned()
    } else {
        said.join(", ")
    }
}

impl Ops {
    /// A page of users.
    ///
    /// # Errors
    /// When the database is away, or the reading is cancelled.
    pub async fn page_users(&self, query: &UsersQuery) -> Result<Page<UserRow>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let site = self.db().site();
        let work = async {
            let mut page = users::page_users(&mut conn, site, query, Moment::now()).await?;
            uses::add_last_uses(&mut conn, site, &mut page.rows).await?;
            Ok(page)
        };
        Ok(self.db().obey(&self.cancel, stop, work).await?)
    }

    /// About how many users there are; exact when they are few.
    ///
    /// # Errors
    /// When the database is away, or the reading is cancelled.
    pub async fn estimate_users(&self) -> Result<u64, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let count = users::estimate_users(&mut conn, self.db().site());
        Ok(self.db().obey(&self.cancel, stop, count).await?)
    }

    /// The user of this name.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none.
    pub async fn find_user(&self, name: &Username) -> Result<UserDetail, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = async {
            let site = self.db().site();
            let row = users::find_by_name(&mut conn, site, name).await?;
            detail(&mut conn, site, row).await
        };
        let found = self.db().obey(&self.cancel, stop, work).await?;
        found.ok_or_else(|| Error::no_user(name.as_str()))
    }

    /// The user of this id.
    ///
    /// # Errors
    /// [`Error::NotFound`] when he is gone.
    pub async fn user_detail(&self, id: UserId) -> Result<UserDetail, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = async {
            let site = self.db().site();
            let row = users::find_by_id(&mut conn, site, id).await?;
            let mut detail = detail(&mut conn, site, row).await?;
            if let Some(detail) = detail.as_mut().filter(|_| self.db().shape().grace) {
                detail.graces = retired_keys::load_graces(&mut conn, id).await?;
            }
            Ok(detail)
        };
        let found = self.db().obey(&self.cancel, stop, work).await?;
        found.ok_or_else(|| Error::NotFound(format!("the user with id {id} is gone")))
    }

    /// Makes a user; without a password he cannot log in with one (Django, `set_unusable_password`).
    ///
    /// # Errors
    /// [`Error::Conflict`] when the name is taken, [`Error::Invalid`] for a password that cannot be stored.
    pub async fn create_user(
        &self,
        new: NewUser,
        password: Option<Secret<String>>,
        mode: Mode,
    ) -> Result<User, Error> {
        self.allow(Change::UserCreate)?;
        if !self.db().site().is_django() {
            return Err(Error::Invalid(format!(
                "{} is a user table of the site's own; only the site knows how to make a user in it",
                self.db().site().user_table.replace('"', "")
            )));
        }
        let encoded = match password {
            Some(clear) => encode(clear).await?,
            None => password::unusable()?,
        };
        let mut work = self.begin(mode, Verb::UserCreate).await?;
        let inserted = users::insert_user(work.conn(), &new, &encoded, Moment::now()).await;
        let user = match self.db().explain(inserted).await {
            Err(db::Error::Duplicate(_)) => {
                return Err(Error::Conflict(format!(
                    "there is a user {} already",
                    new.username
                )));
            }
            other => other?,
        };
        self.finish(work, &user.username, None).await?;
        if mode == Mode::Apply {
            self.run_user_hook(Verb::UserCreate, (&user.username, user.id));
        }
        Ok(user)
    }

    /// Sets a password, in Django's own form.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user is gone, [`Error::Invalid`] for a password that cannot be stored.
    pub async fn set_password(
        &self,
        aim: &Aim,
        password: Secret<String>,
        mode: Mode,
    ) -> Result<(), Error> {
        self.allow(Change::UserPassword)?;
        if !self.db().site().has_password {
            return Err(Error::Invalid(
                "this site's user table has no password column".to_owned(),
            ));
        }
        let encoded = encode(password).await?;
        self.change_user(
            aim,
            Change::UserPassword,
            users::UserChange::Password(encoded),
            mode,
        )
        .await
    }

    /// Switches a user on or off: off refuses his key and his password alike, and keeps both.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user is gone.
    pub async fn set_active(&self, aim: &Aim, active: bool, mode: Mode) -> Result<(), Error> {
        let change = if active {
            Change::UserOn
        } else {
            Change::UserOff
        };
        self.allow(change)?;
        if !self.db().site().has_is_active {
            return Err(Error::Invalid(
                "this site's user table has no is_active column".to_owned(),
            ));
        }
        self.change_user(aim, change, users::UserChange::Active(active), mode)
            .await
    }

    async fn change_user(
        &self,
        aim: &Aim,
        change: Change,
        to: users::UserChange,
        mode: Mode,
    ) -> Result<(), Error> {
        let mut work = self.begin(mode, change.verb()).await?;
        let updated = users::update_user(work.conn(), self.db().site(), aim.id, &to).await;
        if !self.db().explain(updated).await? {
            return Err(Error::no_user(&aim.username));
        }
        let done = self.finish(work, &aim.username, None).await;
        self.forget(aim.id);
        done?;
        if mode == Mode::Apply {
            self.run_user_hook(change.verb(), (&aim.username, aim.id));
        }
        Ok(())
    }
}

/// Adds to a row that was found what else is told of its user.
pub(super) async fn detail(
    conn: &mut Conn,
    site: &Site,
    row: Option<UserRow>,
) -> Result<Option<UserDetail>, db::Error> {
    let Some(mut row) = row else { return Ok(None) };
    uses::add_last_uses(conn, site, std::slice::from_mut(&mut row)).await?;
    let (groups, permissions) = users::load_reach(conn, site, row.user.id).await?;
    Ok(Some(UserDetail {
        row,
        groups,
        permissions,
        graces: Vec::new(),
    }))
}

/// Hashes on a thread of its own: a quarter of a second of computing must not hold up the others' answers.
async fn encode(clear: Secret<String>) -> Result<Secret<String>, Error> {
    let hashed = tokio::task::spawn_blocking(move || password::encode(&clear)).await;
    match hashed {
        Ok(encoded) => Ok(encoded?),
        Err(error) => Err(Error::Internal(format!(
            "hashing the password failed: {error}"
        ))),
    }
}

impl From<password::Error> for Error {
    fn from(error: password::Error) -> Self {
        match error {
            password::Error::Empty | password::Error::TooLong | password::Error::Nul => {
                Self::Invalid(error.to_string())
            }
            password::Error::Hash(_) | password::Error::NoRandomness(_) => {
                Self::Internal(error.to_string())
            }
        }
    }
}
