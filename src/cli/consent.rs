//! Before a change: is it small enough to be meant, or does somebody have to say so? The same questions as in the
//! console's dialogs; where nobody can be asked, `--yes` says it.

use clap::Args;

use super::exit::{Code, Failure};
use super::prompt;
use super::signals::Signals;
use crate::ops::PlaceInfo;
use crate::text;

/// `--yes`.
#[derive(Clone, Copy, Debug, Args)]
pub struct Consent {
    /// Go on without asking
    #[arg(short, long)]
    pub yes: bool,
}

/// How much a change touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// One row.
    One,
    /// Several rows.
    Several(usize),
    /// Any number of new rows; nothing that exists is touched.
    Adds,
    /// A whole database, by its name.
    Everything,
}

impl Consent {
    /// Asks about `plan` (`Regenerate 12 keys`) where it must be asked.
    ///
    /// # Errors
    /// Exit 5 where nobody can be asked, 1 where the answer is another one.
    pub async fn get(
        self,
        signals: &Signals,
        place: &PlaceInfo,
        extent: Extent,
        plan: &str,
    ) -> Result<(), Failure> {
        let Some(expected) = expected(place, extent).filter(|_| !self.yes) else {
            return Ok(());
        };
        let name = text::safe(&place.name);
        if !prompt::somebody_there() {
            let why = if place.protected {
                format!("{name} is protected")
            } else {
                "nobody can be asked here".to_owned()
            };
            return Err(Failure::new(
                Code::Refused,
                format!("{plan} on {name}? {why}: give --yes to go on. Nothing was changed."),
            ));
        }
        let question = format!("{plan} on {name}? Type  {expected}  to go on: ");
        if prompt::answer(signals, &question).await? == expected {
            Ok(())
        } else {
            Err(Failure::new(
                Code::Failed,
                "not confirmed. Nothing was changed.",
            ))
        }
    }
}

/// What must be typed, if anything.
fn expected(place: &PlaceInfo, extent: Extent) -> Option<String> {
    let name = || place.name.clone();
    match (place.protected, extent) {
        (false, Extent::One) => None,
        (false, Extent::Several(count)) => Some(count.to_string()),
        (false, Extent::Adds) => Some("y".to_owned()),
        (true, Extent::One | Extent::Adds) | (_, Extent::Everything) => Some(name()),
        (true, Extent::Several(count)) => Some(format!("{} {count}", name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_are_those_of_the_dialogs() {
        let place = |protected| PlaceInfo {
            name: "prod".into(),
            protected,
            ..PlaceInfo::default()
        };
        let asks = |protected, extent| expected(&place(protected), extent);
        assert_eq!(asks(false, Extent::One), None);
        assert_eq!(asks(false, Extent::Several(12)).as_deref(), Some("12"));
        assert_eq!(asks(false, Extent::Adds).as_deref(), Some("y"));
        assert_eq!(asks(true, Extent::One).as_deref(), Some("prod"));
        assert_eq!(asks(true, Extent::Several(12)).as_deref(), Some("prod 12"));
        assert_eq!(asks(true, Extent::Adds).as_deref(), Some("prod"));
        assert_eq!(asks(false, Extent::Everything).as_deref(), Some("prod"));
    }
}
