//! The gate: whose key is this, from memory where Postgres promises to tell of changes, else from the database. The
//! listener asks it for every request.

mod callers;
mod names;
mod uses;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::known::{Emptying, Entry, Hit, Known, Mark};
use super::{Error, Ops};
use crate::db::changes::{self, Heard};
use crate::db::lookup::{self, Holder, Lookup};
use crate::domain::moment::Moment;
use crate::domain::principal::{Denied, Holds, Presented, Principal};
use crate::domain::token::DrfKey;
use crate::text;
pub use callers::Caller;
use callers::Callers;
use names::Names;
pub use uses::Pace;
use uses::Uses;

/// How large and how patient a gate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// So many keys are remembered, about.
    pub known: usize,
    /// So many connections look unknown keys up.
    pub connections: usize,
    /// So many unknown keys may wait; one more is refused at once.
    pub waiting: usize,
    /// So long an unknown key may wait for the database.
    pub deadline: Duration,
    /// When the last uses of tokens are written down.
    pub uses: Pace,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            // A million, and in each part of the memory as many as fill its table.
            known: 1 << 20,
            connections: 2,
            waiting: 10_000,
            deadline: Duration::from_secs(2),
            uses: Pace::default(),
        }
    }
}

/// Whether keys may be answered from memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sure {
    /// Postgres tells of every change.
    Sure,
    /// It does not, for this reason: every key is looked up.
    NotSure(String),
}

/// What a gate did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateStats {
    /// Keys in memory.
    pub known: usize,
    /// Answers from memory.
    pub hits: u64,
    /// Keys that the database was asked for.
    pub look_ups: u64,
    /// How often it was asked whose refused keys were.
    pub name_questions: u64,
}

/// The gate; cheap to clone. Its connections and tasks end with the last clone.
#[derive(Clone, Debug)]
pub struct Gate {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    ops: Ops,
    known: Arc<Known>,
    lookup: Lookup,
    names: Names,
    callers: Callers,
    uses: Uses,
    listening: JoinHandle<()>,
    hits: AtomicU64,
    look_ups: AtomicU64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Gate {
    /// Opens a gate on the database of `ops`, which from now on tells it of its own changes. It serves at once; until
    /// Postgres has promised to tell of changes, every key is looked up.
    #[must_use]
    pub fn open(ops: &Ops, settings: GateSettings) -> Self {
        let known = Arc::new(Known::new(settings.known));
        *ops.known_slot() = Arc::downgrade(&known);
        let stamps = Arc::clone(&known);
        let lookup = Lookup::start(
            ops.db(),
            lookup::Settings {
                connections: settings.connections,
                waiting: settings.waiting,
                deadline: settings.deadline,
            },
            move || stamps.stamp(),
        );
        let names = Names::start(ops, Arc::clone(&known));
        let listening = tokio::spawn(listen(ops.clone(), Arc::clone(&known)));
        Self {
            inner: Arc::new(Inner {
                ops: ops.clone(),
                known,
                lookup,
                names,
                callers: Callers::default(),
                uses: Uses::start(ops, settings.uses),
                listening,
                hits: AtomicU64::new(0),
                look_ups: AtomicU64::new(0),
            }),
        }
    }

    /// Who stands behind `presented`. It is only asked about: nobody uses it by that.
    ///
    /// # Errors
    /// [`Error::Denied`] as REST framework and knox would, [`Error::Unavailable`] when the database is needed and does
    /// not answer in time.
    pub async fn verify(&self, presented: &Presented) -> Result<Principal, Error> {
        self.answer(presented, None).await
    }

    /// Who stands behind `presented`, which somebody at `address` shows to be let in by. That is a use of the token, and is
    /// noted.
    ///
    /// # Errors
    /// As [`Gate::verify`].
    pub async fn admit(&self, presented: &Presented, address: IpAddr) -> Result<Principal, Error> {
        self.answer(presented, Some(address)).await
    }

    async fn answer(
        &self,
        presented: &Presented,
        address: Option<IpAddr>,
    ) -> Result<Principal, Error> {
        let inner = &*self.inner;
        let mark = Mark::of(presented);
        let from = address.and_then(|address| inner.uses.mark_of(address));
        if let Some(Hit { entry, is_new_use }) = inner.known.find(mark, Moment::now, from) {
            inner.hits.fetch_add(1, Relaxed);
            let principal = judge(presented, entry)?;
            if is_new_use && let Some(address) = address {
                inner.uses.note(&principal, address);
            }
            return Ok(principal);
        }
        inner.look_ups.fetch_add(1, Relaxed);
        // On the heap, for a request with a known key shall not carry the room for a look-up.
        let principal = Box::pin(inner.look_up(presented, mark)).await?;
        if let Some(address) = address {
            inner.uses.note(&principal, address);
        }
        Ok(principal)
    }

    /// Writes down the uses that still wait, if that does not take long: before the last clone of the gate goes.
    pub async fn write_uses(&self) {
        self.inner.uses.flush().await;
    }

    /// Whose key it was that was just refused, if our schema or this process remembers and tells in time.
    pub async fn retired(&self, key: &DrfKey) -> Option<Arc<str>> {
        self.inner.names.whose(key).await
    }

    /// Notes that somebody at `address` called with a retired key of `username`, and gives how often that was.
    #[must_use]
    pub fn note_caller(&self, username: &Arc<str>, address: IpAddr) -> u64 {
        self.inner.callers.note(username, address, Moment::now())
    }

    /// Who still calls with a retired key, and from where; the last one first.
    #[must_use]
    pub fn callers(&self) -> Vec<Caller> {
        self.inner.callers.list()
    }

    /// Whether keys may be answered from memory at this moment.
    #[must_use]
    pub fn sure(&self) -> Sure {
        self.inner.known.doubt().map_or(Sure::Sure, Sure::NotSure)
    }

    /// What it did so far.
    #[must_use]
    pub fn stats(&self) -> GateStats {
        GateStats {
            known: self.inner.known.len(),
            hits: self.inner.hits.load(Relaxed),
            look_ups: self.inner.look_ups.load(Relaxed),
            name_questions: self.inner.names.questions(),
        }
    }
}

impl Inner {
    /// Asks the database, and remembers what it says.
    async fn look_up(&self, presented: &Presented, mark: Mark) -> Result<Principal, Error> {
        let found = self.lookup.find(presented.clone()).await?;
        let now = Moment::now();
        let holder = match (&found.holder, presented) {
            (None, Presented::Drf(_)) if found.is_doubtful => {
                let why = "the database did not tell in time whether a key is in its grace";
                return Err(Error::Unavailable(why.to_owned()));
            }
            (None, Presented::Drf(_)) => return Err(Denied::InvalidToken.into()),
            (Some(holder), _)
                if !has_ended(holder.expiry, now) && !has_ended(holder.other_expiry, now) =>
            {
                holder
            }
            // Knox deletes what has expired when it comes by; also of others whose keys begin alike.
            (None | Some(_), Presented::Knox(key)) if self.ops.has_knox() => {
                return self.ops.knox_verify(key).await;
            }
            (None | Some(_), Presented::Drf(_) | Presented::Knox(_)) => {
                return Err(Denied::InvalidToken.into());
            }
        };
        self.known.remember(mark, &found);
        let Holder {
            account,
            created,
            expiry,
            other_expiry: _,
        } = holder.clone();
        judge(
            presented,
            Entry {
                account,
                created,
                expiry,
            },
        )
    }
}

/// Knox compares so: at its very end a token is still good (`TokenAuthentication._cleanup_token`).
fn has_ended(end: Option<Moment>, now: Moment) -> bool {
    end.is_some_and(|end| end < now)
}

fn judge(presented: &Presented, entry: Entry) -> Result<Principal, Error> {
    if !entry.account.is_active {
        return Err(Denied::Inactive.into());
    }
    Ok(Principal {
        account: Arc::new(entry.account),
        token: match presented {
            Presented::Drf(_) => Holds::Drf,
            Presented::Knox(key) => Holds::Knox(key.digest()),
        },
        created: entry.created,
        expiry: entry.expiry,
    })
}

/// Hears of changes for as long as the gate is open.
async fn listen(ops: Ops, known: Arc<Known>) {
    let mut doubt = None;
    let heard = |heard| {
        log(&mut doubt, &heard);
        match known.hear(heard) {
            Emptying::Due => {
                let known = Arc::clone(&known);
                tokio::task::spawn_blocking(move || known.empty());
            }
            Emptying::No => {}
        }
    };
    match changes::listen(ops.db().clone(), heard).await {}
}

/// Says once that it is sure or not, and why; a connection that fails the same way again is no news.
fn log(doubt: &mut Option<String>, heard: &Heard) {
    match heard {
        Heard::Sure { .. } if doubt.take().is_some() => {
            tracing::info!("keys are answered from memory: Postgres tells of changes");
        }
        Heard::NotSure(why) if doubt.as_ref() != Some(why) => {
            let said = text::safe(why);
            tracing::warn!("every key is looked up, for changes may go unheard: {said}");
            *doubt = Some(why.clone());
        }
        Heard::Sure { .. } | Heard::NotSure(_) | Heard::Changed(_) | Heard::AllChanged => {}
    }
}
