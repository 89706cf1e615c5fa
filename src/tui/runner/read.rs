//! Questions that take more than one call of an operation.

use std::time::Instant;

use crate::ops::{Audience, BackfillPlan, Error, Ops};
use crate::tui::effect::Sealed;
use crate::tui::screens::backfill::Seen;
use crate::tui::screens::test_keys::Tried;

/// Tests a key and takes the time.
pub async fn try_key(ops: &Ops, key: Sealed) -> Result<Tried, Error> {
    let key = key.into_secret();
    let start = Instant::now();
    let verdict = ops.verify(&key).await?;
    let took = start.elapsed();
    let answers = verdict.answers(&key);
    Ok(Tried {
        verdict,
        answers,
        took,
    })
}

/// The numbers that a backfill is decided on. Those of the usual plans follow from the table's own; only others
/// are counted apart.
pub async fn count(ops: &Ops, plan: BackfillPlan) -> Result<Seen, Error> {
    let counts = ops.counts().await?;
    let todo = match (plan.audience, plan.filter.is_empty()) {
        (Audience::Active, true) => counts.active.without(),
        (Audience::All, true) => counts.active.without() + counts.inactive.without(),
        (Audience::Staff, _) | (_, false) => ops.count_backfill(&plan).await?,
    };
    Ok(Seen { plan, counts, todo })
}
