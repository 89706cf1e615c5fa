//! Changes: what each asks of the operations. None is ever dropped in the middle; when its deadline passes we stop waiting
//! and it goes on by itself.

use std::future::Future;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::domain::moment::Moment;
use crate::domain::user::NewUser;
use crate::ops::{self, Aim, BackfillPlan, Change, Changed, Control, Error, Handle, Mode, Ops};
use crate::tui::effect::{Deed, Order, Ticket};
use crate::tui::message::Message;
use crate::tui::screens::test_keys::leak;
use crate::tui::screens::{backfill, test_keys, users};

use super::limits::fault;
use super::{Answer, Runner};

/// We stop waiting for a change after this long; it is not cut off.
const DEED_DEADLINE: Duration = Duration::from_mins(1);
/// Progress is told so often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

impl Runner {
    /// Begins `deed`.
    pub(super) fn deed(&mut self, ticket: Ticket, deed: Deed) {
        let Some(ops) = self.ops.clone() else {
            return;
        };
        match deed {
            Deed::One(change, aim) => {
                let whom = aim.clone();
                let work = self.lasting(async move { one(&ops, change, &aim).await });
                self.answer(work, move |outcome| {
                    Message::Users(users::Message::Changed {
                        ticket,
                        change,
                        aim: whom,
                        outcome,
                    })
                });
            }
            Deed::Grace(aim, grace) => {
                let whom = aim.clone();
                let work = self.lasting(async move {
                    // It begins with the change, by the database's clock.
                    let until = ops.grace_end(grace).await?;
                    let ops = ops.with_grace(until);
                    ops.regenerate(&aim, Mode::Apply).await.map(Changed::Issued)
                });
                self.answer(work, move |outcome| {
                    Message::Users(users::Message::Changed {
                        ticket,
                        change: Change::Regenerate,
                        aim: whom,
                        outcome,
                    })
                });
            }
            Deed::Undo => {
                let work = self.lasting(async move { ops.undo().await });
                self.answer(work, move |outcome| {
                    Message::Users(users::Message::Undone { ticket, outcome })
                });
            }
            Deed::Many(change, aims) => self.many(ops, ticket, change, aims),
            Deed::Backfill(plan) => self.backfill(ops, ticket, plan),
            Deed::Create(username) => {
                let work = self.lasting(async move {
                    let new = NewUser {
                        username,
                        email: String::new(),
                        is_staff: false,
                        is_superuser: false,
                    };
                    ops.create_user(new, None, Mode::Apply).await
                });
                self.answer(work, move |outcome| {
                    Message::Users(users::Message::Created { ticket, outcome })
                });
            }
            Deed::Password(aim, password) => {
                self.user_deed(ticket, Change::UserPassword, aim, move |aim| async move {
                    ops.set_password(&aim, password.into_secret(), Mode::Apply)
                        .await
                });
            }
            Deed::On(aim) => self.user_deed(ticket, Change::UserOn, aim, move |aim| async move {
                ops.set_active(&aim, true, Mode::Apply).await
            }),
            Deed::Off(aim) => self.user_deed(ticket, Change::UserOff, aim, move |aim| async move {
                ops.set_active(&aim, false, Mode::Apply).await
            }),
            Deed::Leak(mut case, deed) => {
                let work = self.lasting(async move {
                    let response = ops.respond(&mut case, deed, Mode::Apply).await?;
                    Ok((case, response))
                });
                self.leak(work, move |outcome| leak::Message::Responded {
                    ticket,
                    deed,
                    outcome,
                });
            }
            Deed::Told(mut case, keys) => {
                let work = self.lasting(async move {
                    ops.note_told(&mut case, &keys).await?;
                    Ok(case)
                });
                self.leak(work, move |outcome| leak::Message::NotedTold {
                    ticket,
                    outcome,
                });
            }
            Deed::Report(mut case, format) => {
                let work = self.lasting(async move {
                    ops.save_case(&mut case).await?;
                    let text = case.report(&ops.place().name, Moment::now(), format)?;
                    Ok((case, text))
                });
                self.leak(work, move |outcome| leak::Message::Reported {
                    ticket,
                    format,
                    outcome,
                });
            }
        }
    }

    fn leak<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
        say: impl FnOnce(Result<T, Error>) -> leak::Message + Send + 'static,
    ) {
        self.answer(work, |outcome| {
            Message::TestKeys(test_keys::Message::Leak(say(outcome)))
        });
    }

    fn user_deed<F, W>(&self, ticket: Ticket, change: Change, aim: Aim, deed: W)
    where
        W: FnOnce(Aim) -> F,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let work = self.lasting(deed(aim.clone()));
        self.answer(work, move |outcome| {
            Message::Users(users::Message::UserChanged {
                ticket,
                change,
                aim,
                outcome,
            })
        });
    }

    /// Work that is never dropped in the middle: when we stop waiting for it, it goes on by itself.
    fn lasting<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static {
        let task = self.deeds.spawn(work);
        async move {
            match timeout(DEED_DEADLINE, task).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panicked)) => Err(fault(&panicked)),
                Err(_) => Err(Error::Internal(format!(
                    "no answer in {} s; whether the change was made is not known yet: look at the row again",
                    DEED_DEADLINE.as_secs()
                ))),
            }
        }
    }

    fn many(&mut self, ops: Ops, ticket: Ticket, change: Change, aims: Vec<Aim>) {
        let control = self.job(ticket);
        let task = self.deeds.spawn(async move {
            let report = ops.change_many(change, aims, Mode::Apply, control).await;
            // Of many keys none is the last.
            ops.forget_last();
            report
        });
        let work = async move { task.await.unwrap_or_else(|panicked| Err(fault(&panicked))) };
        self.answer(work, move |outcome| {
            Message::Users(users::Message::ManyChanged {
                ticket,
                change,
                outcome,
            })
        });
    }

    fn backfill(&mut self, ops: Ops, ticket: Ticket, plan: BackfillPlan) {
        let control = self.job(ticket);
        let task = self
            .deeds
            .spawn(async move { ops.backfill(&plan, Mode::Apply, control).await });
        let work = async move { task.await.unwrap_or_else(|panicked| Err(fault(&panicked))) };
        self.answer(work, move |outcome| {
            Message::Backfill(backfill::Message::Backfilled { ticket, outcome })
        });
    }

    /// What long work is given, its other end kept here and watched.
    fn job(&mut self, ticket: Ticket) -> Control {
        let (control, handle) = ops::control();
        self.watch(ticket, &handle);
        self.job = Some(handle);
        control
    }

    /// Tells of progress, the newest only, until the work is over.
    fn watch(&self, ticket: Ticket, handle: &Handle) {
        let mut seen = handle.progress();
        let answers = self.answers.clone();
        tokio::spawn(async move {
            while seen.changed().await.is_ok() {
                let progress = seen.borrow_and_update().clone();
                let told = answers
                    .send(Answer::Told(Message::Progressed { ticket, progress }))
                    .await;
                if told.is_err() {
                    break;
                }
                sleep(PROGRESS_EVERY).await;
            }
        });
    }

    pub(super) fn order(&self, order: Order) {
        if let Some(job) = &self.job {
            match order {
                Order::Stop => job.cancel(),
                Order::Pause => job.pause(),
                Order::Resume => job.resume(),
            }
        }
    }
}

async fn one(ops: &Ops, change: Change, aim: &Aim) -> Result<Changed, Error> {
    match change {
        Change::Generate => ops.generate(aim, Mode::Apply).await.map(Changed::Issued),
        Change::Regenerate => ops.regenerate(aim, Mode::Apply).await.map(Changed::Issued),
        Change::Revoke => ops.revoke(aim, Mode::Apply).await.map(Changed::Revoked),
        Change::UserCreate | Change::UserPassword | Change::UserOn | Change::UserOff => Err(
            Error::Internal(format!("{} is not a change of a token", change.verb())),
        ),
    }
}
