//! What the command is told: one JSON object a change. Whole keys are in it only where the site asked for that, and of a
//! backfill, which may make a million tokens, there are the counts.

use serde::Serialize;
use zeroize::Zeroizing;

use super::{Job, NewKey};
use crate::domain::audit::Verb;
use crate::domain::moment::Moment;
use crate::domain::token::{CoveredKey, DrfKey, KeyStart, KnoxKey};
use crate::domain::user::UserId;
use crate::ops::{Aim, Ops};

/// What the command reads on stdin: one JSON object and the end of a line.
#[derive(Debug, Serialize)]
struct Event<'a> {
    verb: &'static str,
    /// None where no single user is meant.
    username: Option<&'a str>,
    user_id: Option<UserId>,
    /// `drf`, `knox`, or `user` where it is no token that was changed.
    kind: &'static str,
    /// First characters: of the old key where one was retired, else of the new one.
    key_start: Option<&'a str>,
    leak: Option<i64>,
    database: &'a str,
    at: Moment,
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_key: Option<&'a str>,
    #[serde(flatten)]
    counts: Option<Counts>,
}

/// How far a backfill came.
#[derive(Clone, Debug, Serialize)]
pub(in crate::ops) struct Counts {
    /// Tokens that were made.
    pub(in crate::ops) made: u64,
    /// Users who had got one meanwhile.
    pub(in crate::ops) already: u64,
    /// `done`, `stopped` or `failed`.
    pub(in crate::ops) ended: &'static str,
}

/// A change, as it is told.
struct Change<'a> {
    verb: Verb,
    whom: Option<(&'a str, UserId)>,
    kind: &'static str,
    key: Option<KeyStart>,
    new_key: Option<&'a str>,
    counts: Option<Counts>,
}

impl Ops {
    /// A token of `aim` was changed: the command is told. `new` is his new key.
    pub(in crate::ops) fn run_hook(&self, verb: Verb, aim: &Aim, new: Option<&DrfKey>) {
        let start = aim.seen.as_ref().map(|seen| seen.start().clone());
        self.tell_hooks(Change {
            verb,
            whom: Some((&aim.username, aim.id)),
            kind: "drf",
            key: start.or_else(|| new.map(|new| CoveredKey::of(new).start().clone())),
            new_key: new.map(|key| key.expose().as_str()),
            counts: None,
        });
    }

    /// The same for a token of knox, or for all of a user's, where hooks are run for logins.
    pub(in crate::ops) fn run_knox_hook(
        &self,
        verb: Verb,
        whom: (&str, UserId),
        start: Option<KeyStart>,
        new: Option<&KnoxKey>,
    ) {
        self.at_a_login().tell_hooks(Change {
            verb,
            whom: Some(whom),
            kind: "knox",
            key: start,
            new_key: new.map(|key| key.expose().as_str()),
            counts: None,
        });
    }

    /// A user was made or changed; of his password nothing is told.
    pub(in crate::ops) fn run_user_hook(&self, verb: Verb, whom: (&str, UserId)) {
        self.tell_hooks(Change {
            verb,
            whom: Some(whom),
            kind: "user",
            key: None,
            new_key: None,
            counts: None,
        });
    }

    /// A backfill came to its end.
    pub(in crate::ops) fn run_backfill_hook(&self, counts: Counts) {
        self.tell_hooks(Change {
            verb: Verb::Backfill,
            whom: None,
            kind: "drf",
            key: None,
            new_key: None,
            counts: Some(counts),
        });
    }

    fn tell_hooks(&self, change: Change<'_>) {
        let Some(hooks) = &self.hooks else {
            return;
        };
        let is_told = hooks.inner.settings.key == NewKey::Told;
        let event = Event {
            verb: change.verb.name(),
            username: change.whom.map(|(name, _)| name),
            user_id: change.whom.map(|(_, id)| id),
            kind: change.kind,
            key_start: change.key.as_ref().map(KeyStart::as_str),
            leak: self.leak,
            database: &self.place().name,
            at: Moment::now(),
            by: self.inner.actor.to_string(),
            new_key: change.new_key.filter(|_| is_told),
            counts: change.counts,
        };
        // Large enough at once: growing would leave copies of a key behind in freed memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        let written = serde_json::to_writer(&mut *bytes, &event);
        bytes.push(b'\n');
        let name = change.whom.map_or("", |(name, _)| name);
        let job = Job {
            ops: self.with_hooks(None),
            username: name.to_owned(),
            verb: change.verb,
            key: change.key,
            event: bytes,
        };
        match written {
            Ok(()) => hooks.take(job),
            Err(error) => hooks.fail(format!("hook: {error}")),
        }
    }
}
