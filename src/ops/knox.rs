//! django-rest-knox's side: keys verified, and its login, logout and logoutall (`knox.auth`, `knox.views`). The
//! listener asks.

use std::time::Duration;

use super::{Error, Mode, Ops};
use crate::db::compat::Knox;
use crate::db::{self, Stop, Tx, knox_tokens, logins, users};
use crate::domain::audit::Verb;
use crate::domain::moment::Moment;
use crate::domain::principal::{Account, Principal};
use crate::domain::token::{KeyStart, KnoxDigest, KnoxKey};
use crate::domain::user::UserId;
use crate::text;

/// How long a token lives: knox's `TOKEN_TTL`.
const HOURS_TO_LIVE: u32 = 10;

/// So long an answer waits for what has expired to be deleted.
const PATIENCE: Duration = Duration::from_secs(1);

/// A knox token with its key, which nobody can read again.
#[derive(Clone, Debug)]
pub struct KnoxIssued {
    /// The key.
    pub key: KnoxKey,
    /// When it ends.
    pub expiry: Moment,
}

/// A change of knox's tokens.
#[derive(Clone, Copy)]
enum KnoxChange {
    Insert,
    Delete,
}

impl Ops {
    /// Whether the database has tokens of knox that we can work on.
    #[must_use]
    pub fn has_knox(&self) -> bool {
        self.why_no_knox().is_none()
    }

    /// Why not, for the log; `None` when it has.
    #[must_use]
    pub fn why_no_knox(&self) -> Option<String> {
        match &self.db().shape().knox {
            Knox::Ready { .. } => None,
            Knox::Absent => Some("No knox_authtoken. Is knox migrated?".to_owned()),
            Knox::Unfit(why) => Some(why.clone()),
        }
    }

    /// Who stands behind `key`.
    ///
    /// Where the look comes upon users with tokens that have expired, those are deleted as knox does; a role that may
    /// not leaves them.
    ///
    /// # Errors
    /// [`Error::Denied`] when nobody does; also when the database is away or has no tokens of knox.
    pub async fn knox_verify(&self, key: &KnoxKey) -> Result<Principal, Error> {
        self.allow_knox(None)?;
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let now = Moment::now();
        let work = knox_tokens::find_presented(&mut conn, self.db().site(), key, now);
        let found = self.db().obey(&self.cancel, stop, work).await?;
        drop(conn);
        if !found.overdue.is_empty() {
            let (ops, owners) = (self.clone(), found.overdue);
            let work = tokio::spawn(async move { ops.delete_expired(&owners, now).await });
            // Done before the answer, as in knox. But somebody may hold a lock on a row, and the answer does not hang on
            // it: then the work goes on by itself, for as long as a connection waits for a lock.
            let _ = tokio::time::timeout(PATIENCE, work).await;
        }
        Ok(found.verdict?)
    }

    /// Makes a token for who gave his password (`knox.views.LoginView`), and notes the login as Django's signal
    /// `user_logged_in` does. A user may have any number of them.
    ///
    /// # Errors
    /// [`Error::MissingRight`] or [`Error::ReadOnly`] when none may be made.
    pub async fn knox_login(&self, account: &Account) -> Result<KnoxIssued, Error> {
        self.allow_knox(Some(KnoxChange::Insert))?;
        let key = KnoxKey::make("")?;
        let now = Moment::now();
        let expiry = now.plus_hours(HOURS_TO_LIVE);
        let mut work = self.begin(Mode::Apply, Verb::Login).await?;
        let inserted = knox_tokens::insert_token(work.conn(), account.id, &key, now, expiry).await;
        match self.db().explain(inserted).await {
            Err(db::Error::Orphan(_)) => return Err(Error::no_user(&account.username)),
            other => other?,
        }
        self.note_login(work.tx(), account, now).await?;
        let start = key.start();
        self.finish(work, &account.username, Some(&start)).await?;
        let whom = (account.username.as_str(), account.id);
        self.run_knox_hook(Verb::Login, whom, Some(start), Some(&key));
        Ok(KnoxIssued { key, expiry })
    }

    /// Deletes the token of this digest (`knox.views.LogoutView`). One that is gone already is no error there.
    ///
    /// # Errors
    /// [`Error::MissingRight`] or [`Error::ReadOnly`] when it may not be deleted.
    pub async fn knox_logout(&self, digest: &KnoxDigest) -> Result<(), Error> {
        self.allow_knox(Some(KnoxChange::Delete))?;
        let mut work = self.begin(Mode::Apply, Verb::Logout).await?;
        let deleted = knox_tokens::delete_token(work.conn(), digest).await;
        let Some((user, token_key)) = self.db().explain(deleted).await? else {
            return work.cancel().await;
        };
        let name = self.name_of(work.tx(), user).await?;
        let start = KeyStart::of(&token_key);
        let done = self.finish(work, &name, Some(&start)).await;
        self.forget(user);
        done?;
        self.run_knox_hook(Verb::Logout, (&name, user), Some(start), None);
        Ok(())
    }

    /// Deletes all of a user's tokens (`knox.views.LogoutAllView`).
    ///
    /// # Errors
    /// As [`Ops::knox_logout`].
    pub async fn knox_logout_all(&self, user: UserId) -> Result<(), Error> {
        self.allow_knox(Some(KnoxChange::Delete))?;
        let mut work = self.begin(Mode::Apply, Verb::Logoutall).await?;
        self.tell_owner(&mut work, user).await?;
        let deleted = knox_tokens::delete_all(work.conn(), user).await;
        if self.db().explain(deleted).await? == 0 {
            return work.cancel().await;
        }
        let name = self.name_of(work.tx(), user).await?;
        let done = self.finish(work, &name, None).await;
        self.forget(user);
        done?;
        self.run_knox_hook(Verb::Logoutall, (&name, user), None, None);
        Ok(())
    }

    /// Says why tokens of knox may not be deleted.
    pub(super) fn allow_knox_delete(&self) -> Result<(), Error> {
        self.allow_knox(Some(KnoxChange::Delete))
    }

    /// Says why the tokens of knox cannot be read, or changed so.
    fn allow_knox(&self, change: Option<KnoxChange>) -> Result<(), Error> {
        let shape = self.db().shape();
        let Knox::Ready { insert, delete } = shape.knox else {
            return Err(Error::MissingRight(self.why_no_knox().unwrap_or_default()));
        };
        let (may, verb) = match change {
            None => return Ok(()),
            Some(KnoxChange::Insert) => (insert, "insert into"),
            Some(KnoxChange::Delete) => (delete, "delete from"),
        };
        if shape.access.read_only {
            return Err(Error::ReadOnly(format!(
                "READ ONLY: this session on {} may not change anything.",
                self.place().name
            )));
        }
        if may {
            return match self.audit_refusal() {
                None => Ok(()),
                Some(why) => Err(Error::MissingRight(why)),
            };
        }
        Err(Error::MissingRight(format!(
            "Role {} may not {verb} knox_authtoken.",
            shape.access.role
        )))
    }

    /// Sets `last_login` where there is such a column and the role may: a login is no worse without.
    async fn note_login(&self, tx: &mut Tx, account: &Account, now: Moment) -> Result<(), Error> {
        let access = &self.db().shape().access;
        if !self.db().site().has_last_login {
            return Ok(());
        }
        if !access.update_last_login {
            self.inner.told.last_login.call_once(|| {
                tracing::warn!(
                    "role {} may not update {}.last_login on {}: logins are not noted there",
                    access.role,
                    self.user_table(),
                    self.place().name
                );
            });
            return Ok(());
        }
        let set = logins::set_last_login(tx.conn(), self.db().site(), account.id, now).await;
        Ok(self.db().explain(set).await?)
    }

    async fn name_of(&self, tx: &mut Tx, user: UserId) -> Result<String, Error> {
        let row = users::find_by_id(tx.conn(), self.db().site(), user).await?;
        Ok(row.map_or_else(|| user.to_string(), |row| row.user.username))
    }

    /// Deletes what has expired. A failure is only told to the log; and since nobody asked for it, the audit has no line
    /// of it. One at a time: if it waits for a lock, the others leave it to the next look, rather than wait with it on
    /// every connection of the pool.
    async fn delete_expired(&self, owners: &[UserId], now: Moment) {
        let Ok(_turn) = self.inner.cleaning.try_lock() else {
            return;
        };
        let may = self.allow_knox(Some(KnoxChange::Delete));
        let done = match may {
            Ok(()) => self.try_delete_expired(owners, now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            self.inner.told.expired.call_once(|| {
                tracing::warn!(
                    "expired tokens of knox on {} are refused, and stay in the table: {}",
                    self.place().name,
                    text::safe(&error.to_string())
                );
            });
        }
    }

    async fn try_delete_expired(&self, owners: &[UserId], now: Moment) -> Result<(), Error> {
        for owner in owners {
            // Each in a transaction of its own. Its triggers see by themselves that nothing was lost by it.
            let mut tx = self.db().begin().await?;
            knox_tokens::delete_expired(tx.conn(), *owner, now).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
