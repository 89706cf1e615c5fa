//! From a text or a file to a case: scanned away from the threads that wait for sockets, asked about part by part, and each
//! key that matters with the line it was found in. The console asks for it; nothing of the text itself is kept, and of a
//! dump full of look-alikes no more than a bounded memory of them.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::case::Case;
use super::excerpt::excerpt;
use super::input::Source;
use super::listing::Listing;
use super::name::masked;
use super::near::AROUND;
use super::sight::Sighting;
use super::{Finding, Verdict};
use crate::domain::scan::{Candidate, Scanner};
use crate::domain::secret::Secret;
use crate::domain::token::Fingerprint;
use crate::ops::{Error, Ops};

/// So many candidates are asked about at a time.
const BATCH: usize = 4_096;
/// Parts that wait for the database; when it is full, reading waits.
const WAITING: usize = 2;
/// A text is read in pieces of this size.
const PIECE: usize = 1024 * 1024;

/// What is to be read.
#[derive(Clone, Debug)]
pub enum Input {
    /// A text that was pasted.
    Pasted(Secret<String>),
    /// A file.
    File(PathBuf),
}

impl PartialEq for Input {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pasted(one), Self::Pasted(two)) => Fingerprint::of(one) == Fingerprint::of(two),
            (Self::File(one), Self::File(two)) => one == two,
            (Self::Pasted(_), Self::File(_)) | (Self::File(_), Self::Pasted(_)) => false,
        }
    }
}

impl Input {
    fn open(&self) -> Result<Box<dyn std::io::Read + '_>, Error> {
        let path = match self {
            Self::Pasted(text) => return Ok(Box::new(text.expose().as_bytes())),
            Self::File(path) => path,
        };
        let failed = |error| cannot(path, &error);
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            let name = masked(&path.display().to_string());
            return Err(Error::Invalid(format!(
                "{} is no file that can be read twice; pipe it into: tokenward leak scan",
                crate::text::safe(&name)
            )));
        }
        Ok(Box::new(Source::open(path).map_err(failed)?))
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        match self {
            Self::Pasted(_) => Error::Internal(format!("reading that text failed: {error}")),
            Self::File(path) => cannot(path, error),
        }
    }

    /// What its lines are said to be of.
    fn name(&self) -> Option<Arc<str>> {
        match self {
            Self::Pasted(_) => None,
            Self::File(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                Some(masked(&name.display().to_string()).into())
            }
        }
    }
}

/// A question about a leak: what is known already, and what comes to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Keys that were found before; they are asked about again.
    pub known: Vec<Sighting>,
    /// The case that they belong to, if it is kept.
    pub case: Option<i64>,
    /// Also the keys that only the case's file knows.
    pub whole: bool,
    /// Lines that were read before.
    pub lines: u64,
    /// Those of them that were pasted: what is pasted now goes on with them.
    pub pasted: u64,
    /// Texts that were read before, in words: `pasted text`.
    pub source: String,
    /// What is read now; nothing: only asked again.
    pub input: Option<Input>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The case with every finding that matters, those that can be acted on first.
    pub case: Case,
    /// For each key of the new text the line that it was found in, masked.
    pub excerpts: HashMap<Fingerprint, String>,
    /// Lines that were read in all.
    pub lines: u64,
    /// Those of them that were pasted.
    pub pasted: u64,
    /// How many look like keys and are none.
    pub others: usize,
}

/// Scans `input`, hands over what is found in parts, and counts the lines. Nobody listens any more when the asking failed.
fn scan(
    input: &Input,
    parts: &mpsc::Sender<Vec<Candidate>>,
    cancel: &CancellationToken,
) -> Result<u64, Error> {
    let mut source = input.open()?;
    let mut scanner = Scanner::new();
    let mut piece = Zeroizing::new(vec![0; PIECE]);
    let (mut lines, mut last) = (0, b'\n');
    let mut part = Vec::new();
    loop {
        if cancel.is_cancelled() || parts.is_closed() {
            return Err(Error::Cancelled);
        }
        let many = read_some(&mut source, &mut piece).map_err(|error| input.failed(&error))?;
        if many == 0 {
            break;
        }
        let read = &piece[..many];
        scanner.feed(read, &mut |candidate| {
            hand_over(&mut part, candidate, parts);
        });
        lines += memchr::memchr_iter(b'\n', read).count() as u64;
        last = read[many - 1];
    }
    scanner.finish(&mut |candidate| hand_over(&mut part, candidate, parts));
    // A last part that nobody takes is told by the one who does not.
    let _ = parts.blocking_send(part);
    Ok(lines + u64::from(last != b'\n'))
}

fn hand_over(
    part: &mut Vec<Candidate>,
    candidate: Candidate,
    parts: &mpsc::Sender<Vec<Candidate>>,
) {
    part.push(candidate);
    if part.len() >= BATCH {
        // As above.
        let _ = parts.blocking_send(std::mem::take(part));
    }
}

/// The line of each of `wanted`, in which all `places` are masked.
fn excerpts(
    wanted: &[Range<u64>],
    places: &[Range<u64>],
    input: &Input,
) -> Result<Vec<String>, Error> {
    match input {
        Input::Pasted(text) => {
            let line = |place| excerpt(text.expose().as_bytes(), places, place);
            Ok(wanted.iter().map(line).collect())
        }
        Input::File(path) => {
            let windows = read_windows(path, wanted).map_err(|error| cannot(path, &error))?;
            let lines = wanted.iter().zip(windows);
            Ok(lines
                .map(|(place, window)| excerpt_of(place, places, &window))
                .collect())
        }
    }
}

fn excerpt_of(place: &Range<u64>, places: &[Range<u64>], window: &[u8]) -> String {
    let Range {
        start: from,
        end: to,
    } = around(place);
    let shifted =
        |place: &Range<u64>| place.start.saturating_sub(from)..place.end.saturating_sub(from);
    let first = places.partition_point(|other| other.end <= from);
    let near = places[first..].iter().take_while(|other| other.start < to);
    let near: Vec<Range<u64>> = near.map(shifted).collect();
    excerpt(window, &near, &shifted(place))
}

/// What is read around a key for its excerpt.
const fn around(place: &Range<u64>) -> Range<u64> {
    place.start.saturating_sub(AROUND)..place.end.saturating_add(AROUND)
}

/// Reads a file once more, since it may be packed, and gives what stands around each of `places`.
fn read_windows(path: &Path, places: &[Range<u64>]) -> std::io::Result<Vec<Zeroizing<Vec<u8>>>> {
    let mut windows = vec![Zeroizing::new(Vec::new()); places.len()];
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|at| places[*at].start);
    let (mut source, mut piece) = (Source::open(path)?, Zeroizing::new(vec![0; PIECE]));
    let (mut base, mut first) = (0, 0);
    while first < order.len() {
        let many = read_some(&mut source, &mut piece)?;
        if many == 0 {
            break;
        }
        let end = base + many as u64;
        for &at in &order[first..] {
            let Range {
                start: from,
                end: to,
            } = around(&places[at]);
            if from >= end {
                break;
            }
            let part = from.max(base)..to.min(end);
            // Both lie in this piece.
            let inside = |offset: u64| usize::try_from(offset - base).unwrap_or(many);
            if part.start < part.end {
                windows[at].extend_from_slice(&piece[inside(part.start)..inside(part.end)]);
            }
        }
        while first < order.len() && around(&places[order[first]]).end <= end {
            first += 1;
        }
        base = end;
    }
    Ok(windows)
}

fn read_some(source: &mut impl std::io::Read, piece: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match source.read(piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Error {
    let path = masked(&path.display().to_string());
    Error::Invalid(format!("cannot read {}: {error}", crate::text::safe(&path)))
}

impl Ops {
    /// Reads what `reading` has, asks about every key in it, and gives the case of all that matter.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the file cannot be read; when the database is away, or the reading is cancelled.
    pub async fn read_leak(&self, reading: Reading) -> Result<Read, Error> {
        let Reading {
            known,
            case,
            whole,
            lines,
            pasted,
            source,
            input,
        } = reading;
        let mut listing = Listing::begin(self, known).await?;
        let is_pasted = matches!(input, Some(Input::Pasted(_)));
        // Each file has lines of its own; what is pasted is one text.
        listing.before = if is_pasted { pasted } else { 0 };
        let (more, excerpts) = match input {
            Some(input) => self.read_input(&mut listing, input).await?,
            None => (0, HashMap::new()),
        };
        let Listing {
            findings, others, ..
        } = listing;
        let mut case = match case {
            Some(number) if whole => self.open_whole_case(number, findings, source).await?,
            case => self.go_on_with_case(case, findings, source).await?,
        };
        case.findings
            .sort_by_key(|finding| (rank(&finding.verdict), first_line(finding)));
        Ok(Read {
            case,
            excerpts,
            lines: lines + more,
            pasted: pasted + if is_pasted { more } else { 0 },
            others,
        })
    }

    async fn read_input(
        &self,
        listing: &mut Listing,
        input: Input,
    ) -> Result<(u64, HashMap<Fingerprint, String>), Error> {
        let input = Arc::new(input);
        listing.file = input.name();
        let (parts, mut came) = mpsc::channel(WAITING);
        let (scanned, cancel) = (Arc::clone(&input), self.cancel.clone());
        let scanning = tokio::task::spawn_blocking(move || scan(&scanned, &parts, &cancel));
        let mut taken = Ok(());
        while let Some(part) = came.recv().await {
            taken = listing.take(part).await;
            if taken.is_err() {
                break;
            }
        }
        drop(came);
        let scanned = scanning.await.map_err(|error| failed(&error))?;
        taken?;
        let lines = scanned?;
        let (keys, wanted): (Vec<Fingerprint>, Vec<Range<u64>>) =
            std::mem::take(&mut listing.first).into_iter().unzip();
        let places = std::mem::take(&mut listing.near).into_places();
        let excerpts = tokio::task::spawn_blocking(move || excerpts(&wanted, &places, &input))
            .await
            .map_err(|error| failed(&error))??;
        Ok((lines, keys.into_iter().zip(excerpts).collect()))
    }
}

/// What can be acted on comes first.
const fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Live(_) => 0,
        Verdict::Inert(..) => 1,
        Verdict::Retired(_) => 2,
        Verdict::Unknown => 3,
        Verdict::Partial(_) => 4,
    }
}

fn first_line(finding: &Finding) -> u64 {
    let lines = &finding.sighting.lines.first;
    lines.first().map_or(0, |line| line.number)
}

fn failed(error: &tokio::task::JoinError) -> Error {
    Error::Internal(format!("reading that text failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
    const B: &str = "62b46a1599c62bcf9418ad846dd0e4bbdfc6ee4b";

    fn text() -> String {
        format!("one\nGET \"Authorization: Token {A}\" 200\nlast {B} of {A}")
    }

    /// What is found in `input`, and how many lines it has.
    fn scanned(input: &Input) -> Result<(Vec<Candidate>, u64), Error> {
        let (parts, mut came) = mpsc::channel(1_000);
        let lines = scan(input, &parts, &CancellationToken::new())?;
        let mut all = Vec::new();
        while let Ok(part) = came.try_recv() {
            all.extend(part);
        }
        Ok((all, lines))
    }

    fn places(all: &[Candidate]) -> Vec<Range<u64>> {
        all.iter().map(|found| found.place.clone()).collect()
    }

    #[test]
    fn a_file_is_read_as_a_paste_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        std::fs::write(&path, text()).unwrap();
        for input in [Input::Pasted(Secret::new(text())), Input::File(path)] {
            let (all, lines) = scanned(&input).unwrap();
            assert_eq!((all.len(), lines), (3, 3));
            let places = places(&all);
            let said = excerpts(&places[..2], &places, &input).unwrap();
            assert_eq!(
                said,
                [
                    "GET \"Authorization: Token ████████\" 200",
                    "last ████████ of ████████"
                ]
            );
        }
    }

    #[test]
    fn the_lines_of_a_large_file_are_found_again_across_its_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let noise = "a line of noise\n".repeat(PIECE / 16 - 2);
        let written = format!("{noise}Token {A} here\n{noise}Token {B} there\n");
        std::fs::write(&path, &written).unwrap();
        let input = Input::File(path);
        let places = places(&scanned(&input).unwrap().0);
        assert!(written.len() > 2 * PIECE - 100);
        // In another order than that of the file.
        let wanted = [places[1].clone(), places[0].clone()];
        let said = excerpts(&wanted, &places, &input).unwrap();
        assert_eq!(said, ["Token ████████ there", "Token ████████ here"]);
    }

    #[test]
    fn what_is_no_file_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let error = scanned(&Input::File(folder.path().to_owned())).unwrap_err();
        assert!(error.to_string().contains("is no file"), "{error}");
        let missing = Input::File(folder.path().join("missing"));
        let error = scanned(&missing).unwrap_err();
        assert!(error.to_string().starts_with("cannot read"), "{error}");
    }
}
