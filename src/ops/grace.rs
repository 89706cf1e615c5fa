//! A grace for keys that are replaced: our listener takes the old one for a while, and Django does not. It stands on our
//! schema, which remembers the old key by a digest and ends the grace with whatever ends its user's access.

use std::time::Duration;

use super::{Error, Ops};
use crate::db::retired_keys;
use crate::domain::moment::Moment;

/// No grace is longer: whoever needs more time than this has two keys, not one.
pub const LONGEST: Duration = Duration::from_hours(30 * 24);

impl Ops {
    /// Whether a key that is replaced here can have a grace.
    #[must_use]
    pub fn takes_grace(&self) -> bool {
        self.writes_shared() && self.db().shape().grace
    }

    /// When a grace of so long would end, for [`Ops::with_grace`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where our schema is missing, and for a grace that is none or too long.
    pub async fn grace_end(&self, grace: Duration) -> Result<Moment, Error> {
        if grace.is_zero() || grace > LONGEST {
            return Err(Error::Invalid(format!(
                "a grace lasts between a second and {} days",
                LONGEST.as_secs() / 86_400
            )));
        }
        let end = if self.writes_shared() {
            let mut conn = self.db().conn().await?;
            retired_keys::find_grace_end(&mut conn, grace).await?
        } else {
            None
        };
        end.ok_or_else(|| {
            Error::Invalid(format!(
                "no grace on {}: it needs our own schema, which `tokenward migrate` makes, and a role that may use it; \
                 nothing was changed",
                self.place().name
            ))
        })
    }
}
