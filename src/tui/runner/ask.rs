//! Questions: what each asks of the operations, within its deadline, and which message carries the answer home.

use crate::tui::effect::{Question, Slot, Ticket};
use crate::tui::message::Message;
use crate::tui::screens::test_keys::leak;
use crate::tui::screens::{audit, backfill, test_keys, users};

use super::Runner;
use super::limits::{Late, Limits};
use super::read::{count, try_key};

impl Runner {
    /// Asks `question`, in place of what was asked in `slot`.
    pub(super) fn ask(&mut self, slot: Slot, ticket: Ticket, question: Question) {
        let token = self.renew(slot);
        let Some(ops) = self.ops.as_ref().map(|ops| ops.cancellable(token.clone())) else {
            return;
        };
        let deadline = question.deadline();
        let limits = Limits { token, deadline };
        match question {
            Question::Ping => {
                let work = async move { ops.ping().await.map(drop) };
                self.answer(limits.hold(work, Late::Away), move |outcome| {
                    Message::Ponged { ticket, outcome }
                });
            }
            Question::Users(query) => {
                let work = async move { ops.page_users(&query).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Users(users::Message::Paged {
                        slot,
                        ticket,
                        outcome,
                    })
                });
            }
            Question::Estimate => {
                let work = async move { ops.estimate_users().await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Users(users::Message::Counted { ticket, outcome })
                });
            }
            Question::Detail(id) => {
                let work = async move { ops.user_detail(id).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Users(users::Message::Detailed { ticket, outcome })
                });
            }
            Question::Verify(key) => {
                let work = async move { try_key(&ops, key).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::TestKeys(test_keys::Message::Verified { ticket, outcome })
                });
            }
            Question::Leak(reading) => {
                let work = async move { ops.read_leak(reading).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    let read = leak::Message::Read { ticket, outcome };
                    Message::TestKeys(test_keys::Message::Leak(read))
                });
            }
            Question::Counts(plan) => {
                let work = async move { count(&ops, plan).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Backfill(backfill::Message::Counted { ticket, outcome })
                });
            }
            Question::Audit(query) => {
                let work = async move { ops.audit(&query).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Audit(audit::Message::Read { ticket, outcome })
                });
            }
            Question::HandOut(aims, what) => {
                let work = async move { ops.hand_out(&aims, what.purpose()).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::HandedOut {
                        ticket,
                        what,
                        outcome,
                    }
                });
            }
            Question::Reveal(aim, wanted) => {
                let work = async move { ops.reveal(&aim, wanted.purpose()).await };
                self.answer(limits.hold(work, Late::Slow), move |outcome| {
                    Message::Revealed {
                        ticket,
                        wanted,
                        outcome,
                    }
                });
            }
        }
    }
}
