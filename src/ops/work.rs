//! A change on its way: its transaction, who makes it, and the line that it leaves. Where our schema is, the line goes
//! into the same transaction, and neither is there without the other; else into the local file, which is opened before.

use std::time::Duration;

use super::audit::{Mark, OpenAudit, Pending, Unwritten, append, blocking};
use super::{Error, Mode, Ops};
use crate::db::audit as table;
use crate::db::compat::SharedAudit;
use crate::db::leaks::{self, Fate, TransactionId};
use crate::db::{self, Conn, Tx};
use crate::domain::audit::{Entry, Verb};
use crate::domain::moment::Moment;
use crate::domain::token::KeyStart;
use crate::domain::user::UserId;
use crate::text;

/// Where the lines of a change go.
#[derive(Debug)]
enum Book {
    /// Into our schema.
    Shared,
    /// Into the local file.
    Local(OpenAudit),
    /// Nowhere: nothing is changed, and there is no schema to try it on.
    None,
}

/// A change that was begun. Dropped without [`Ops::finish`] it is rolled back.
pub(super) struct Work {
    tx: Tx,
    book: Book,
    mode: Mode,
    verb: Verb,
    lines: Vec<Entry>,
    /// The transaction's number, where its fate is to be known whatever happens.
    id: Option<TransactionId>,
}

/// So long the server is asked what became of a transaction, and so often.
const ASKED_FOR: Duration = Duration::from_secs(20);
const ASKED_EVERY: Duration = Duration::from_millis(250);

impl Work {
    /// The connection, for the queries.
    pub(super) fn conn(&mut self) -> &mut Conn {
        self.tx.conn()
    }

    /// The transaction.
    pub(super) const fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// Asks for the transaction's number: where the answer to COMMIT is lost, what became of it is looked up then.
    ///
    /// # Errors
    /// When the database is away.
    pub(super) async fn number(&mut self) -> Result<(), Error> {
        self.id = Some(leaks::transaction_id(self.tx.conn()).await?);
        Ok(())
    }

    /// Takes it back, and leaves no line: there was nothing to change.
    ///
    /// # Errors
    /// When the connection broke; it is taken back all the same.
    pub(super) async fn cancel(self) -> Result<(), Error> {
        Ok(self.tx.rollback().await?)
    }
}

impl Ops {
    /// The same operations, in answer to the leak of this number: what they change says so.
    #[must_use]
    pub fn for_leak(&self, leak: i64) -> Self {
        Self {
            leak: Some(leak),
            ..self.clone()
        }
    }

    /// The same operations, but our listener takes a key that they retire until then.
    #[must_use]
    pub fn with_grace(&self, until: Moment) -> Self {
        Self {
            grace: Some(until),
            ..self.clone()
        }
    }

    /// Whether lines go into our schema.
    pub(super) fn writes_shared(&self) -> bool {
        !self.place().read_only
            && matches!(
                self.db().shape().audit,
                SharedAudit::There { insert: true, .. }
            )
    }

    /// Begins a change. The audit is opened before anything is changed.
    ///
    /// # Errors
    /// When the audit cannot be written, or the database is away.
    pub(super) async fn begin(&self, mode: Mode, verb: Verb) -> Result<Work, Error> {
        if mode == Mode::Apply {
            self.settle_audit().await;
        }
        let local = || match mode {
            Mode::Apply => self.inner.audit.open().map(Book::Local),
            Mode::DryRun => Ok(Book::None),
        };
        let (mut tx, book);
        if self.writes_shared() {
            tx = self.db().begin().await?;
            let is_there = self.tell_triggers(tx.conn(), verb.name()).await?;
            book = if is_there { Book::Shared } else { local()? };
        } else {
            book = local()?;
            tx = self.db().begin().await?;
        }
        Ok(Work {
            tx,
            book,
            mode,
            verb,
            lines: Vec::new(),
            id: None,
        })
    }

    /// Tells the triggers of our schema that what this transaction does has its line. Gives whether the schema is there.
    pub(super) async fn tell_triggers(&self, conn: &mut Conn, verb: &str) -> Result<bool, Error> {
        Ok(table::set_context(conn, &self.context(verb)).await?)
    }

    fn context<'a>(&'a self, verb: &'a str) -> table::Context<'a> {
        table::Context {
            actor: &self.inner.actor,
            verb,
            leak: self.leak,
            // Whoever found a key that leaked must not go on with it.
            grace: self.grace.filter(|_| self.leak.is_none()),
        }
    }

    /// Notes whom a change hits; it may be many.
    pub(super) fn note(&self, work: &mut Work, whom: &str, key: Option<&KeyStart>) {
        let line = self.entry(work.verb, whom, key, "done");
        work.lines.push(line);
    }

    /// The same where one change is made of several.
    pub(super) fn note_as(&self, work: &mut Work, verb: Verb, whom: &str, key: Option<&KeyStart>) {
        work.lines.push(self.entry(verb, whom, key, "done"));
    }

    /// Tells the triggers that what comes next in this change is `verb`.
    pub(super) async fn tell_of(&self, work: &mut Work, verb: Verb) -> Result<(), db::Error> {
        if matches!(work.book, Book::Shared) {
            table::set_context(work.conn(), &self.context(verb.name())).await?;
        }
        Ok(())
    }

    /// Tells the triggers that the line of this change is about all keys of `owner`.
    pub(super) async fn tell_owner(&self, work: &mut Work, owner: UserId) -> Result<(), db::Error> {
        if matches!(work.book, Book::Shared) {
            table::set_owner(work.conn(), owner).await?;
        }
        Ok(())
    }

    /// Ends a change of `whom`: notes it, and commits it with its lines.
    ///
    /// # Errors
    /// As [`Ops::commit`].
    pub(super) async fn finish(
        &self,
        mut work: Work,
        whom: &str,
        key: Option<&KeyStart>,
    ) -> Result<(), Error> {
        self.note(&mut work, whom, key);
        self.commit(work, whom).await
    }

    /// Commits a change with the lines that were noted; a dry run is rolled back. `whom` is who it was about, for messages.
    ///
    /// # Errors
    /// When it was not made, or nobody knows; also when it was, and the local file could not be written.
    pub(super) async fn commit(&self, work: Work, whom: &str) -> Result<(), Error> {
        let Work {
            mut tx,
            book,
            mode,
            verb,
            mut lines,
            id,
        } = work;
        if matches!(book, Book::Shared) && !lines.is_empty() {
            let written = table::insert_lines(tx.conn(), &lines).await;
            let written = self.db().explain(written).await;
            written.map_err(|error| Unwritten::Table(error).instead_of(verb))?;
        }
        if mode == Mode::DryRun {
            return Ok(tx.rollback().await?);
        }
        let pending = match &book {
            Book::Local(_) if !lines.is_empty() => {
                let prepared = self.prepare(tx.conn(), &lines).await?;
                Some(prepared.map_err(|missing| missing.instead_of(verb))?)
            }
            Book::Local(_) | Book::Shared | Book::None => None,
        };
        let outcome = match (self.db().explain(tx.commit().await).await, id) {
            (Err(db::Error::Unavailable(why)), Some(id)) => self.look_up_commit(&id, &why).await,
            (outcome, _) => outcome.map_err(|error| Error::at_commit(error, whom)),
        };
        if let Err(error) = &outcome {
            let result = error.to_string();
            for line in &mut lines {
                line.result.clone_from(&result);
            }
        }
        match (outcome, book) {
            (Ok(()), Book::Shared | Book::None) => Ok(()),
            (Ok(()), Book::Local(file)) => append(file, lines, pending)
                .await
                .map_err(|missing| missing.after(verb)),
            // A change that failed is the news, even where that cannot be written down.
            (Err(error), Book::Shared) => {
                if self.write_shared(&lines).await.is_err()
                    && let Ok(file) = self.inner.audit.open()
                {
                    let _ = append(file, lines, None).await;
                }
                Err(error)
            }
            (Err(error), Book::Local(file)) => {
                // Where the answer was lost, the next who writes or reads asks what it was.
                let is_known = !matches!(error, Error::Unavailable(_));
                let _ = append(file, lines, pending.filter(|_| is_known)).await;
                Err(error)
            }
            (Err(error), Book::None) => Err(error),
        }
    }

    /// Keeps the lines beside the local file until the transaction's end is known.
    async fn prepare(
        &self,
        conn: &mut Conn,
        lines: &[Entry],
    ) -> Result<Result<Pending, Unwritten>, Error> {
        let mark = Mark {
            server: table::find_server(conn).await?,
            reached: self.db().pool().servers(),
            transaction: leaks::transaction_id(conn).await?.as_str().to_owned(),
        };
        let (audit, lines) = (self.inner.audit.clone(), lines.to_vec());
        let kept = blocking(move || audit.prepare(mark, &lines)).await?;
        Ok(kept.map_err(|error| {
            let path = self.inner.audit.path().display();
            Unwritten::File(format!(
                "nothing could be written beside the audit {path}: {error}"
            ))
        }))
    }

    /// The answer to COMMIT did not come: asks the server, on another connection, what became of the transaction.
    async fn look_up_commit(&self, id: &TransactionId, why: &str) -> Result<(), Error> {
        let begun = tokio::time::Instant::now();
        let mut last = why.to_owned();
        while begun.elapsed() < ASKED_FOR {
            let asked = async {
                let mut conn = self.db().conn().await?;
                leaks::find_fate(&mut conn, id).await
            };
            match asked.await {
                Ok(Fate::Committed) => return Ok(()),
                Ok(Fate::Aborted) => {
                    return Err(Error::Unavailable(format!(
                        "the connection broke before the change was made ({}); nothing was changed, try again",
                        text::safe(why)
                    )));
                }
                Ok(Fate::Running | Fate::Forgotten) => {}
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
        Err(Error::Unavailable(format!(
            "the connection broke while the change was being committed, and the database does not tell what became of \
             it ({}); ask for the keys again before anything else",
            text::safe(&last)
        )))
    }

    /// Writes lines that belong to no change: into our schema, in a transaction of their own, or into the local file.
    ///
    /// # Errors
    /// When they could not be written.
    pub(super) async fn write_down(&self, lines: &[Entry]) -> Result<(), Unwritten> {
        if self.writes_shared() {
            match self.write_shared(lines).await {
                // Our schema was dropped since the database was opened.
                Err(db::Error::Other(_)) if self.is_shared_gone().await => {}
                outcome => return outcome.map_err(Unwritten::Table),
            }
        }
        let file = self.inner.audit.open().map_err(Unwritten::Unopened)?;
        append(file, lines.to_vec(), None).await
    }

    async fn is_shared_gone(&self) -> bool {
        let asked = async { table::is_there(&mut *self.db().conn().await?).await };
        matches!(asked.await, Ok(false))
    }

    async fn write_shared(&self, lines: &[Entry]) -> Result<(), db::Error> {
        let mut tx = self.db().begin().await?;
        table::insert_lines(tx.conn(), lines).await?;
        tx.commit().await
    }

    /// An audit line about `whom`, now.
    pub(super) fn entry(
        &self,
        what: Verb,
        whom: &str,
        key: Option<&KeyStart>,
        result: impl Into<String>,
    ) -> Entry {
        Entry {
            id: None,
            when: Moment::now().rfc3339(),
            actor: self.inner.actor.clone(),
            database: self.place().name.clone(),
            what,
            whom: whom.to_owned(),
            key: key.map(|key| key.as_str().to_owned()),
            for_leak: self.leak,
            result: result.into(),
            session: None,
        }
    }
}
