//! What all screens share: the clock, the connection, questions and changes under way, dialogs, the message line.
//! Each screen's `update` is given it; the view reads it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use ratatui::layout::Size;

use crate::domain::audit::Verb;
use crate::domain::moment::Moment;
use crate::ops::progress::Progress;
use crate::ops::{Change, Error};
use crate::tui::effect::{Deed, Effect, Order, Question, Slot, Ticket};
use crate::tui::keys::{Action, KeyMap, Kind};
use crate::tui::look::Look;
use crate::tui::modal::{self, Modal};
use crate::tui::model::{
    Clock, Doing, Doubt, Job, Last, Link, Manner, Notice, Place, Stopping, Tone,
};
use crate::tui::{ProfileInfo, Settings, TimeStyle};

/// Said to who wants a change before another has come to its end.
pub const STILL: &str = "A change is still under way; try again when it is done.";

/// A question that is waited for.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    ticket: Ticket,
    since: Instant,
    manner: Manner,
}

/// What all screens share: the clock, the connection, dialogs, questions under way.
#[derive(Debug)]
pub struct Cx {
    /// The present.
    pub clock: Clock,
    /// The local time zone.
    pub zone: TimeZone,
    /// How times are written.
    pub time: TimeStyle,
    /// The terminal's size.
    pub size: Size,
    /// Colours and glyphs.
    pub look: Look,
    /// Which keys actions have.
    pub keys: KeyMap,
    /// `[ui]`.
    pub settings: Settings,
    /// Where the listener would be found: `http://127.0.0.1:8000`.
    pub listens_at: String,
    /// What can be connected to.
    pub profiles: Vec<ProfileInfo>,
    /// The profile in use or being connected to.
    pub profile: String,
    /// How the connection is.
    pub link: Link,
    /// Where we are.
    pub place: Option<Place>,
    /// Dialogs, the top one last.
    pub modals: Vec<Modal>,
    /// The message line.
    pub notice: Option<Notice>,
    /// A change that runs; there is one at a time.
    pub deed: Option<Doing>,
    /// Long work that runs.
    pub job: Option<Job>,
    /// The last change of one key, which can be taken back.
    pub last: Option<Last>,
    /// When the last key came.
    pub touched: Instant,
    /// Whether something failed as if the database were away.
    pub doubt: Doubt,
    /// How long the last answer took.
    pub took: Duration,
    waiting: BTreeMap<Slot, Waiting>,
    tickets: u64,
}

/// A good message goes by itself after this long.
const NOTICE_STAYS: Duration = Duration::from_secs(20);
/// The longest wait between two tries of a database that is away.
const RETRY_MAX: Duration = Duration::from_secs(15);

impl Cx {
    /// Before anything happened.
    #[must_use]
    pub fn new(clock: Clock, zone: TimeZone, size: Size, settings: Settings) -> Self {
        Self {
            clock,
            zone,
            time: settings.time,
            size,
            look: settings.look,
            keys: KeyMap::default(),
            settings,
            listens_at: String::new(),
            profiles: Vec::new(),
            profile: String::new(),
            link: Link::Unchosen,
            place: None,
            modals: Vec::new(),
            notice: None,
            deed: None,
            job: None,
            last: None,
            touched: clock.at,
            doubt: Doubt::No,
            took: Duration::ZERO,
            waiting: BTreeMap::new(),
            tickets: 0,
        }
    }

    /// A ticket never given before.
    pub fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Asks `question` in `slot`, in place of what was asked there before.
    pub fn ask(&mut self, slot: Slot, manner: Manner, question: Question) -> Effect {
        let ticket = self.wait(slot, manner);
        Effect::Ask {
            slot,
            ticket,
            question,
        }
    }

    /// Notes that an answer is waited for in `slot`.
    pub fn wait(&mut self, slot: Slot, manner: Manner) -> Ticket {
        let ticket = self.ticket();
        let since = self.clock.at;
        self.waiting.insert(
            slot,
            Waiting {
                ticket,
                since,
                manner,
            },
        );
        ticket
    }

    /// Takes an answer in: `None` if nobody waits for it any more, or if it was cancelled. What it tells of the
    /// connection is noted on the way.
    pub fn settle<T>(
        &mut self,
        slot: Slot,
        ticket: Ticket,
        outcome: Result<T, Error>,
    ) -> Option<Result<T, Error>> {
        let asked = self.waiting.get(&slot)?;
        if asked.ticket != ticket {
            return None;
        }
        self.took = self.clock.at.saturating_duration_since(asked.since);
        self.heard(&outcome);
        self.settle_local(slot, ticket, outcome)
    }

    /// The same for an answer that did not come from the database: it tells nothing of the connection.
    pub fn settle_local<T>(
        &mut self,
        slot: Slot,
        ticket: Ticket,
        outcome: Result<T, Error>,
    ) -> Option<Result<T, Error>> {
        if self.waiting.get(&slot)?.ticket != ticket {
            return None;
        }
        self.waiting.remove(&slot);
        match outcome {
            Err(Error::Cancelled) => None,
            other => Some(other),
        }
    }

    /// Notes what any answer tells of the connection.
    pub fn heard<T>(&mut self, outcome: &Result<T, Error>) {
        match outcome {
            // It may also be a lock that somebody else holds: a ping tells the two apart.
            Err(Error::Unavailable(_)) => self.doubt = Doubt::Yes,
            // A fault of ours, a deadline that passed, a full queue: none tells anything of the database.
            Err(Error::Cancelled | Error::Busy | Error::Internal(_)) => {}
            Ok(_) | Err(_) if self.place.is_some() => {
                self.link = Link::Live {
                    heard: self.clock.at,
                };
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// A ping was not answered: the database is away.
    pub fn lose(&mut self) {
        self.doubt = Doubt::No;
        let now = self.clock.at;
        let (since, tries) = match self.link {
            Link::Offline { since, tries, .. } => (since, tries + 1),
            Link::Live { .. } => (now, 0),
            Link::Unchosen | Link::Connecting { .. } => return,
        };
        let wait = Duration::from_secs(1 << tries.min(4)).min(RETRY_MAX);
        self.link = Link::Offline {
            since,
            retry: now + wait,
            tries,
        };
    }

    /// Whether an answer is waited for in `slot`.
    #[must_use]
    pub fn is_waiting(&self, slot: Slot) -> bool {
        self.waiting.contains_key(&slot)
    }

    /// For how long a person has been waiting.
    #[must_use]
    pub fn loading(&self) -> Option<Duration> {
        let loud = self
            .waiting
            .values()
            .filter(|waiting| waiting.manner == Manner::Loud);
        loud.map(|waiting| self.clock.at.saturating_duration_since(waiting.since))
            .max()
    }

    /// Stops waiting for `slot`.
    pub fn cancel(&mut self, slot: Slot) -> Vec<Effect> {
        match self.waiting.remove(&slot) {
            Some(_) => vec![Effect::Cancel(slot)],
            None => Vec::new(),
        }
    }

    /// Stops waiting for everything a person waits for.
    pub fn cancel_loud(&mut self) -> Vec<Effect> {
        let loud: Vec<Slot> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.manner == Manner::Loud)
            .map(|(slot, _)| *slot)
            .collect();
        loud.into_iter()
            .flat_map(|slot| self.cancel(slot))
            .collect()
    }

    /// Stops waiting for everything: another database is connected to.
    pub fn cancel_all(&mut self) -> Vec<Effect> {
        let slots: Vec<Slot> = self.waiting.keys().copied().collect();
        slots
            .into_iter()
            .flat_map(|slot| self.cancel(slot))
            .collect()
    }

    /// Makes a change, unless one is under way: two at a time could aim at the same row. Beside a backfill, which
    /// only adds and may take long, a short change can be made.
    pub fn begin(&mut self, deed: Deed) -> Vec<Effect> {
        let job = match &deed {
            Deed::Many(change, aims) => Some((change.verb(), Some(aims.len() as u64))),
            // Its first report tells the total.
            Deed::Backfill(_) => Some((Verb::Backfill, None)),
            Deed::One(..)
            | Deed::Grace(..)
            | Deed::Undo
            | Deed::Create(_)
            | Deed::Password(..)
            | Deed::On(_)
            | Deed::Off(_)
            | Deed::Leak(..)
            | Deed::Told(..)
            | Deed::Report(..) => None,
        };
        let beside = |running: &Job| running.verb == Verb::Backfill && job.is_none();
        if self.deed.is_some() || self.job.as_ref().is_some_and(|running| !beside(running)) {
            self.say(Tone::Bad, STILL);
            return Vec::new();
        }
        if matches!(deed, Deed::Leak(..)) {
            // Nothing is given back after a leak.
            self.last = None;
        }
        let ticket = self.ticket();
        match job {
            Some((verb, total)) => {
                let progress = Progress {
                    total,
                    ..Progress::default()
                };
                self.job = Some(Job {
                    ticket,
                    verb,
                    progress,
                    stopping: Stopping::No,
                });
            }
            None => {
                self.deed = Some(Doing {
                    ticket,
                    since: self.clock.at,
                });
            }
        }
        vec![Effect::Do { ticket, deed }]
    }

    /// Whether a short change is under way.
    #[must_use]
    pub const fn is_changing(&self) -> bool {
        self.deed.is_some()
    }

    /// Takes in how a change went; `None` if it was not the one that runs.
    pub fn done<T>(
        &mut self,
        ticket: Ticket,
        outcome: Result<T, Error>,
    ) -> Option<Result<T, Error>> {
        let deed = self.deed.take_if(|deed| deed.ticket == ticket).is_some();
        let job = self.job.take_if(|job| job.ticket == ticket).is_some();
        if !(deed || job) {
            return None;
        }
        self.heard(&outcome);
        Some(outcome)
    }

    /// Tells the long work that runs to stop.
    pub fn stop_job(&mut self) -> Vec<Effect> {
        match &mut self.job {
            Some(job) => {
                job.stopping = Stopping::Asked;
                vec![Effect::Job(Order::Stop)]
            }
            None => Vec::new(),
        }
    }

    /// Opens a dialog over whatever is there.
    pub fn open(&mut self, kind: modal::Kind) {
        let opened = self.clock.at;
        self.modals.push(Modal { opened, kind });
    }

    /// Says something in the message line.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        let since = self.clock.at;
        self.notice = Some(Notice {
            tone,
            text: text.into(),
            since,
        });
    }

    /// Says why something failed.
    pub fn fail(&mut self, error: &Error) {
        self.say(Tone::Bad, error.to_string());
    }

    /// Why `change` cannot be made now; `None` if it can.
    #[must_use]
    pub fn refusal(&self, change: Change) -> Option<String> {
        match self.link {
            Link::Live { .. } => {}
            Link::Offline { .. } => {
                return Some(
                    "The database is away; nothing can be changed until it is back (Ctrl-r tries now)."
                        .to_owned(),
                );
            }
            Link::Unchosen | Link::Connecting { .. } => {
                return Some("Not connected yet; nothing can be changed.".to_owned());
            }
        }
        let refusals = &self.place.as_ref()?.refusals;
        refusals
            .iter()
            .find(|(refused, _)| *refused == change)
            .map(|(_, why)| why.clone())
    }

    /// Whether hints and help offer `action`: not where the database or the profile forbids it. A connection that
    /// is away for a moment takes nothing out of them.
    #[must_use]
    pub fn offers(&self, action: &Action) -> bool {
        match action.kind {
            Kind::Looks | Kind::Serves => true,
            Kind::Touches(change) => self.grants(change),
        }
    }

    /// Whether database and profile allow `change`, be the connection away or not.
    #[must_use]
    pub fn grants(&self, change: Change) -> bool {
        let refusals = self.place.as_ref().map(|place| place.refusals.iter());
        refusals.is_none_or(|mut refusals| refusals.all(|(refused, _)| *refused != change))
    }

    /// The command that does the same in a shell, its words after the profile given; empty where there is none.
    #[must_use]
    pub fn same_as(&self, words: &str) -> String {
        let here = |profile: &&ProfileInfo| profile.name == self.profile;
        let command = self.profiles.iter().find(here);
        match command.and_then(|profile| profile.command.as_ref()) {
            Some(command) => format!("{command} {words}"),
            None => String::new(),
        }
    }

    /// The database's name, for titles: `dev`.
    #[must_use]
    pub fn place_name(&self) -> &str {
        self.place
            .as_ref()
            .map_or(self.profile.as_str(), |place| place.info.name.as_str())
    }

    /// Lets go of messages that stood long enough.
    pub fn forget_notice(&mut self) {
        let now = self.clock.at;
        self.notice = self.notice.take().filter(|notice| {
            notice.tone == Tone::Bad || now.saturating_duration_since(notice.since) < NOTICE_STAYS
        });
    }

    /// `at` as the person wants times written.
    #[must_use]
    pub fn time_of(&self, at: Moment) -> String {
        match self.time {
            TimeStyle::Relative => at.age(self.clock.now).to_string(),
            TimeStyle::Local => at.minute_in(&self.zone),
            TimeStyle::Utc => at.minute_in(&TimeZone::UTC),
        }
    }
}
