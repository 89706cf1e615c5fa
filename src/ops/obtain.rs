//! Logging in with a name and a password: REST framework's `obtain_auth_token`, and the check behind HTTP Basic
//! (`django.contrib.auth.backends.ModelBackend`). The listener asks.

use super::hashing::{Checked, Hashing};
use super::{Aim, Error, Mode, Ops};
use crate::db::logins::{self, Login};
use crate::db::{self, Stop, drf_tokens};
use crate::domain::principal::{Account, Denied};
use crate::domain::secret::Secret;
use crate::domain::token::{DrfKey, Origin};
use crate::domain::user::UserId;
use crate::text;

/// A token for who gave his password.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// The key.
    pub key: DrfKey,
    /// Whose it is.
    pub account: Account,
    /// Found or made.
    pub made: Origin,
}

/// Stands for the password of who has none: Django's mark of an unusable one (`UNUSABLE_PASSWORD_PREFIX`). Checking it
/// costs a hash and fails, so who asks for names finds none by the clock.
const UNUSABLE: &str = "!";

/// The name of the hasher that made `encoded`.
fn hasher_of(encoded: &Secret<String>) -> &str {
    let encoded = encoded.expose();
    encoded.split_once('$').map_or(encoded, |(name, _)| name)
}

impl Ops {
    /// The user's token, made if he has none: Django's `Token.objects.get_or_create` after `authenticate`. Of two at the
    /// same moment one makes it and both get it. His `last_login` stays.
    ///
    /// # Errors
    /// [`Error::Denied`] as [`Ops::check_password`]; [`Error::MissingRight`] or [`Error::ReadOnly`] when a token would
    /// have to be made and may not.
    pub async fn obtain(
        &self,
        hashing: &Hashing,
        username: &str,
        password: &Secret<String>,
    ) -> Result<Obtained, Error> {
        let account = self.check_password(hashing, username, password).await?;
        let found = {
            let mut conn = self.db().conn().await?;
            let stop = Stop::of(&conn);
            let work = drf_tokens::find_token(&mut conn, account.id);
            self.db().obey(&self.cancel, stop, work).await?
        };
        if let Some(stored) = found {
            return Ok(Obtained {
                key: stored.key,
                account,
                made: Origin::Existing,
            });
        }
        let aim = Aim {
            id: account.id,
            username: account.username.as_str().to_owned(),
            seen: None,
        };
        match self.at_a_login().generate(&aim, Mode::Apply).await {
            Ok(issued) => Ok(Obtained {
                key: issued.key,
                account,
                made: issued.origin,
            }),
            // Deleted since his password was checked: by now he is nobody.
            Err(Error::NotFound(_)) => Err(Denied::Credentials.into()),
            Err(other) => Err(other),
        }
    }

    /// Whose name and password these are. An unknown name costs what a wrong password does. A password that is right
    /// and of a form that Django would replace is written anew, also of a user who is off: Django's order too.
    ///
    /// # Errors
    /// [`Denied::Credentials`] for a wrong password, an unknown or inactive user, one without a usable password;
    /// [`Error::Busy`] when too many passwords wait to be checked.
    pub async fn check_password(
        &self,
        hashing: &Hashing,
        username: &str,
        password: &Secret<String>,
    ) -> Result<Account, Error> {
        // No connection is held while hashing: that takes a hundred times as long as everything else.
        let login = self.find_login(username).await?;
        let encoded = login
            .as_ref()
            .and_then(|login| login.encoded.clone())
            .unwrap_or_else(|| Secret::from(UNUSABLE));
        let checked = hashing.check(encoded.clone(), password.clone()).await?;
        let Some(Login { account, .. }) = login else {
            return Err(Denied::Credentials.into());
        };
        match checked {
            Checked::Wrong => return Err(Denied::Credentials.into()),
            Checked::Right => {}
            Checked::RightButOld(new) => self.upgrade(&account, &encoded, &new).await,
        }
        if account.is_active {
            Ok(account)
        } else {
            Err(Denied::Credentials.into())
        }
    }

    /// A stored password of the hasher that most of the site's users have, as far as a look at some of them
    /// tells: what a check for a name that nobody has should cost.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn usual_password(&self) -> Result<Option<Secret<String>>, Error> {
        /// Enough to tell the rule from the exception.
        const SOME: i64 = 200;
        let mut conn = self.db().conn().await?;
        let some = logins::load_some_passwords(&mut conn, self.db().site(), SOME).await;
        let some = match some {
            // Then nobody logs in here either.
            Err(db::Error::Right(_)) => return Ok(None),
            some => some?,
        };
        let count = |hasher: &str| {
            some.iter()
                .filter(|other| hasher_of(other) == hasher)
                .count()
        };
        let usual = some.iter().max_by_key(|encoded| count(hasher_of(encoded)));
        Ok(usual.cloned())
    }

    async fn find_login(&self, username: &str) -> Result<Option<Login>, Error> {
        let mut conn = self.db().conn().await?;
        let stop = Stop::of(&conn);
        let work = logins::find_login(&mut conn, self.db().site(), username);
        Ok(self.db().obey(&self.cancel, stop, work).await?)
    }

    /// Writes a password anew. It was right, whatever becomes of this: a failure is only told to the log.
    async fn upgrade(&self, account: &Account, old: &Secret<String>, new: &Secret<String>) {
        let access = &self.db().shape().access;
        if access.read_only || !access.update_password {
            self.inner.told.upgrade.call_once(|| {
                tracing::warn!(
                    "role {} may not update {}.password on {}: passwords of an outdated form stay so",
                    access.role,
                    self.user_table(),
                    self.place().name
                );
            });
            return;
        }
        if let Err(error) = self.swap_password(account.id, old, new).await {
            tracing::warn!(
                "the password of {} could not be written in the form of today: {}",
                text::safe(&account.username),
                text::safe(&error.to_string())
            );
        }
    }

    async fn swap_password(
        &self,
        user: UserId,
        old: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<bool, db::Error> {
        let mut conn = self.db().conn().await?;
        let swapped = logins::swap_password(&mut conn, self.db().site(), user, old, new).await;
        self.db().explain(swapped).await
    }
}
