//! A Postgres server of the user's own, so that tokenward does its whole job with nothing set up. The command
//! line opens it when no profile and no URL names another database; the tests stand on it as well.
//!
//! Any number of tokenward processes share it. [`open`] joins the server or starts it, and makes it the first
//! time; the [`Lease`] it gives keeps it running; the last one to leave stops it. It listens on a Unix socket
//! in a closed folder only, asks for a random password (SCRAM), and loses no committed row.
//!
//! Two locks keep order. Whoever makes or starts the server holds `in-use.lock` shared and `making.lock` alone;
//! whoever stops or removes it holds `in-use.lock` alone, and so knows that nobody makes or starts it either.

mod account;
mod databases;
mod error;
mod home;
mod lease;
mod lock;
mod making;
mod postmaster;
mod programs;
mod server;
mod socket;

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

pub use databases::{Dropped, Ensured, drop_database, ensure_database};
pub use error::Error;
pub use home::Home;
pub use lease::Lease;

use crate::domain::secret::Secret;
use databases::MAINTENANCE;
use home::{Place, remove_if_there};
use lease::{Share, begin_stop, connect};
use lock::{Attempt, Lock, Mode};
use postmaster::{Running, State, state};
use programs::Search;
use server::{STEP, Settled, settle, wait_until_down};

/// How long to wait for another tokenward that makes, starts or stops the server: longer than each of these may
/// take, so that its error comes first.
const LOCK_PATIENCE: Duration = Duration::from_secs(320);

/// How long a server that looks ready may keep us at the door.
const ENTRY_PATIENCE: Duration = Duration::from_secs(15);

/// How often a server that goes down as soon as it is up is started.
const STARTS: usize = 3;

/// How it stands with the private database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// There is no data folder.
    NotMade,
    /// It is made, and no server runs, or it is just shutting down.
    Stopped {
        /// The major version of Postgres that made it.
        version: String,
    },
    /// The server runs.
    Running {
        /// Its major version.
        version: String,
        /// Its process.
        pid: i32,
        /// Whether a tokenward uses it now.
        used: Used,
        /// How long it runs.
        until: Until,
    },
}

/// Whether a tokenward uses the server at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// At least one does.
    Now,
    /// None does: it was asked to keep running, or its last user was killed.
    ByNobody,
}

/// How long the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until its last user leaves.
    LastLeaves,
    /// Until [`stop`], because of [`keep_running`].
    Stopped,
}

/// What [`stop`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    /// It ran, and is down now.
    Stopped,
    /// It did not run.
    WasDown,
}

/// Joins the private server if it seems to run. Nobody is asked: a first connection tells whether it lets us in, and
/// where it does not, [`open`] finds out why. That spares a short command the half of its time.
///
/// # Errors
/// If the files cannot be read, or the lock does not become free in time.
pub async fn join(home: &Home) -> Result<Option<Lease>, Error> {
    let share = share(home).await?;
    let Some((place, running)) = seems_up(home)? else {
        return Ok(None);
    };
    Ok(Some(Lease {
        share,
        running,
        password: making::read_password(&place)?,
        data: place.data(),
    }))
}

/// A share of the server: while it is held nobody stops it.
async fn share(home: &Home) -> Result<Share, Error> {
    home.make()?;
    let lock = Lock::take(home, &home.in_use(), Mode::Shared, LOCK_PATIENCE).await?;
    Ok(Share::new(home.clone(), lock))
}

/// The server, if its files say that it takes connections.
fn seems_up(home: &Home) -> Result<Option<(Place, Running)>, Error> {
    let Some(place) = Place::find(home)? else {
        return Ok(None);
    };
    Ok(match state(&place)? {
        State::Ready(running) => Some((place, running)),
        State::Down(_) | State::Starting { .. } | State::Stopping { .. } => None,
    })
}

/// Joins the private server, starting it and making it as needed, and checks that it lets us in. `say` gets a line for
/// each step of a first start, and one where a start takes long.
///
/// # Errors
/// Any [`Error`]; each says what to do. Every wait has a deadline.
pub async fn open(home: &Home, say: &mut (dyn FnMut(&str) + Send)) -> Result<Lease, Error> {
    let share = share(home).await?;
    if let Some((place, running)) = seems_up(home)?
        && let Entry::In(password) = enter(&place, &running).await?
    {
        return Ok(Lease {
            share,
            running,
            password,
            data: place.data(),
        });
    }
    let _making = Lock::take(home, &home.making(), Mode::Exclusive, LOCK_PATIENCE).await?;
    let place = Place::make(home, say)?;
    for _ in 0..STARTS {
        let running = bring_up(home, &place, say).await?;
        if let Entry::In(password) = enter(&place, &running).await? {
            return Ok(Lease {
                share,
                running,
                password,
                data: place.data(),
            });
        }
    }
    Err(Error::StartFailed {
        log: home.log(),
        said: home.log_tail(0),
    })
}

/// The server of `place`, up. The caller holds `making.lock`.
async fn bring_up(
    home: &Home,
    place: &Place,
    say: &mut (dyn FnMut(&str) + Send),
) -> Result<Running, Error> {
    if let Settled::Up(running) = settle(home, place).await? {
        return Ok(running);
    }
    let programs = Search::from_env().programs_for(place).await?;
    if place.version()?.is_none() {
        let (version, folder) = (programs.version, programs.folder.display());
        say(&format!(
            "making a private Postgres {version} in {} with {folder}",
            home.base().display()
        ));
        making::make_data(place, &programs).await?;
        say("starting it");
    }
    server::start(home, place, &programs, say).await
}

/// Whether a server that looked ready let us in.
enum Entry {
    In(Secret<String>),
    /// It went down at that moment: someone killed or stopped it.
    WentDown,
}

/// Checks that the server lets us in. It may look ready and not be: for an instant after it was killed, and
/// while it restarts itself because one of its processes crashed.
async fn enter(place: &Place, running: &Running) -> Result<Entry, Error> {
    let password = making::read_password(place)?;
    let begun = Instant::now();
    loop {
        match connect(running, &password, MAINTENANCE).await {
            Ok(_) => return Ok(Entry::In(password)),
            Err(Error::NotYet { .. }) if state(place)? != State::Ready(running.clone()) => {
                return Ok(Entry::WentDown);
            }
            Err(Error::NotYet { .. }) if begun.elapsed() < ENTRY_PATIENCE => {
                tokio::time::sleep(STEP).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// How it stands. Changes nothing.
///
/// # Errors
/// If the files cannot be read.
pub fn status(home: &Home) -> Result<Status, Error> {
    let Some(place) = existing(home)? else {
        return Ok(Status::NotMade);
    };
    let Some(version) = place.version()? else {
        return Ok(Status::NotMade);
    };
    match state(&place)? {
        State::Down(_) | State::Stopping { .. } => Ok(Status::Stopped { version }),
        State::Starting { pid } | State::Ready(Running { pid, .. }) => {
            let used = match Lock::open(&home.in_use())?.attempt(Mode::Exclusive)? {
                Attempt::Taken => Used::ByNobody,
                Attempt::HeldByOthers => Used::Now,
            };
            let until = if home.keep().exists() {
                Until::Stopped
            } else {
                Until::LastLeaves
            };
            Ok(Status::Running {
                version,
                pid,
                used,
                until,
            })
        }
    }
}

/// Starts the server as [`open`] does, and has it run until [`stop`], whoever leaves.
///
/// # Errors
/// As [`open`].
pub async fn keep_running(home: &Home, say: &mut (dyn FnMut(&str) + Send)) -> Result<Lease, Error> {
    let lease = open(home, say).await?;
    let marker = home.keep();
    fs::write(&marker, "kept running by `tokenward private start`\n")
        .map_err(Error::folder("write", &marker))?;
    Ok(lease)
}

/// Stops the server and waits until it is down.
///
/// # Errors
/// [`Error::InUse`] if another tokenward uses it; else if it cannot be stopped.
pub async fn stop(home: &Home) -> Result<StopOutcome, Error> {
    let Some(place) = existing(home)? else {
        return Ok(StopOutcome::WasDown);
    };
    let alone = Alone::take(home)?;
    alone.stop(home, &place).await
}

/// Stops the server and deletes everything it had: data, password and log.
///
/// # Errors
/// [`Error::InUse`] if another tokenward uses it; else if it cannot be stopped or deleted.
pub async fn remove(home: &Home) -> Result<(), Error> {
    let found = match existing(home) {
        Ok(None) => return Ok(()),
        Ok(Some(place)) => Some(place),
        // Its data is gone already; the link that leads there is all that is left.
        Err(Error::Gone { .. }) => None,
        Err(error) => return Err(error),
    };
    let alone = Alone::take(home)?;
    if let Some(place) = found {
        alone.stop(home, &place).await?;
        socket::forget(&place);
        making::remove_data(&place)?;
    }
    home.forget()
}

/// The place, if it is made and ours.
fn existing(home: &Home) -> Result<Option<Place>, Error> {
    match fs::symlink_metadata(home.base()) {
        Ok(_) => {
            home.check_owner()?;
            Place::find(home)
        }
        Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(Error::folder("look at", home.base())(problem)),
    }
}

/// `in-use.lock`, held alone: nobody uses the server, and nobody starts it.
struct Alone {
    _in_use: Lock,
}

impl Alone {
    fn take(home: &Home) -> Result<Self, Error> {
        let in_use = Lock::open(&home.in_use())?;
        match in_use.become_only_holder()? {
            Attempt::Taken => Ok(Self { _in_use: in_use }),
            Attempt::HeldByOthers => Err(Error::InUse),
        }
    }

    async fn stop(&self, home: &Home, place: &Place) -> Result<StopOutcome, Error> {
        let marker = home.keep();
        remove_if_there(&marker)?;
        let before = state(place)?;
        begin_stop(place)?;
        wait_until_down(home, place).await?;
        match before {
            State::Down(_) => Ok(StopOutcome::WasDown),
            State::Starting { .. } | State::Ready(_) | State::Stopping { .. } => {
                Ok(StopOutcome::Stopped)
            }
        }
    }
}
