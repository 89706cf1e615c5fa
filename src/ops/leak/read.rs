//! From a text or a file to a case: scanned away from the threads that wait for sockets, asked about, and each key that
//! matters with the line it was found in. The console asks for it; nothing of the text itself is kept.

use std::collections::HashMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::case::Case;
use super::excerpt::excerpt;
use super::input::Source;
use super::name::masked;
use super::sight::{Sighting, Sightings};
use super::{Finding, Verdict};
use crate::domain::scan::Scanner;
use crate::domain::secret::Secret;
use crate::domain::token::Fingerprint;
use crate::ops::{Error, Ops};

/// More different keys than this are in no log that somebody handles at a console.
const MOST_SIGHTINGS: usize = 2_000_000;
/// So many findings are listed.
const MOST_LISTED: usize = 10_000;
/// A file is read in pieces of this size.
const PIECE: usize = 1024 * 1024;
/// So much of a file around a key is read for its excerpt; more than an excerpt shows.
const AROUND: u64 = 512;

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

/// A question about a leak: what is known already, and what comes to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Keys that were found before; they are asked about again.
    pub known: Vec<Sighting>,
    /// The case that they belong to, if it is kept.
    pub case: Option<i64>,
    /// Lines that were read before.
    pub lines: u64,
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
    /// How many look like keys and are none.
    pub others: usize,
}

/// What the scanner found in one text.
#[derive(Debug, Default)]
struct Scanned {
    sightings: Sightings,
    /// Of each sighting the place where it was found first.
    first: Vec<Range<u64>>,
    /// Every place, in the order of the text; beyond a bound none, and no excerpt is made then.
    places: Vec<Range<u64>>,
    lines: u64,
    full: bool,
}

impl Scanned {
    fn add(&mut self, candidate: crate::domain::scan::Candidate) {
        if self.sightings.len() >= MOST_SIGHTINGS {
            self.full = true;
            return;
        }
        let place = candidate.place.clone();
        let at = self.sightings.add(candidate);
        if at == self.first.len() {
            self.first.push(place.clone());
        }
        if self.places.len() < MOST_SIGHTINGS {
            self.places.push(place);
        }
    }

    fn count_lines(&mut self, piece: &[u8]) {
        self.lines += memchr::memchr_iter(b'\n', piece).count() as u64;
    }

    /// The line of each wanted key, by the place of its sighting.
    fn excerpts(&self, wanted: &[usize], input: &Input) -> Result<Vec<String>, Error> {
        let none = 0..0;
        let places: Vec<&Range<u64>> = wanted
            .iter()
            .map(|at| self.first.get(*at).unwrap_or(&none))
            .collect();
        if self.places.len() >= MOST_SIGHTINGS {
            return Ok(vec![String::new(); wanted.len()]);
        }
        match input {
            Input::Pasted(text) => {
                let line = |place| excerpt(text.expose().as_bytes(), &self.places, place);
                Ok(places.into_iter().map(line).collect())
            }
            Input::File(path) => {
                let windows = read_windows(path, &places).map_err(|error| cannot(path, &error))?;
                let lines = places.into_iter().zip(windows);
                Ok(lines
                    .map(|(place, window)| self.excerpt_of(place, &window))
                    .collect())
            }
        }
    }

    fn excerpt_of(&self, place: &Range<u64>, window: &[u8]) -> String {
        let Range {
            start: from,
            end: to,
        } = around(place);
        let shifted =
            |place: &Range<u64>| place.start.saturating_sub(from)..place.end.saturating_sub(from);
        let first = self.places.partition_point(|other| other.end <= from);
        let near = self.places[first..]
            .iter()
            .take_while(|other| other.start < to);
        let near: Vec<Range<u64>> = near.map(shifted).collect();
        excerpt(window, &near, &shifted(place))
    }
}

/// What is read around a key for its excerpt.
const fn around(place: &Range<u64>) -> Range<u64> {
    place.start.saturating_sub(AROUND)..place.end.saturating_add(AROUND)
}

/// Reads a file once more, since it may be packed, and gives what stands around each of `places`.
fn read_windows(path: &Path, places: &[&Range<u64>]) -> std::io::Result<Vec<Zeroizing<Vec<u8>>>> {
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
            } = around(places[at]);
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
        while first < order.len() && around(places[order[first]]).end <= end {
            first += 1;
        }
        base = end;
    }
    Ok(windows)
}

fn read_some(source: &mut Source, piece: &mut [u8]) -> std::io::Result<usize> {
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

fn scan_text(text: &str) -> Scanned {
    let mut all = Scanned::default();
    let mut scanner = Scanner::new();
    scanner.feed(text.as_bytes(), &mut |candidate| all.add(candidate));
    scanner.finish(&mut |candidate| all.add(candidate));
    all.count_lines(text.as_bytes());
    if !text.is_empty() && !text.ends_with('\n') {
        all.lines += 1;
    }
    all
}

fn scan_file(path: &Path, cancel: &CancellationToken) -> Result<Scanned, Error> {
    let failed = |error| cannot(path, &error);
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        let name = masked(&path.display().to_string());
        return Err(Error::Invalid(format!(
            "{} is no file that can be read twice; pipe it into: tokenward leak scan",
            crate::text::safe(&name)
        )));
    }
    let mut source = Source::open(path).map_err(failed)?;
    let mut all = Scanned::default();
    let mut scanner = Scanner::new();
    let mut piece = Zeroizing::new(vec![0; PIECE]);
    let mut last = b'\n';
    loop {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let many = read_some(&mut source, &mut piece).map_err(failed)?;
        if many == 0 {
            break;
        }
        let read = &piece[..many];
        scanner.feed(read, &mut |candidate| all.add(candidate));
        all.count_lines(read);
        last = read[many - 1];
    }
    scanner.finish(&mut |candidate| all.add(candidate));
    all.lines += u64::from(last != b'\n');
    Ok(all)
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
            lines,
            source,
            input,
        } = reading;
        let (cancel, shared) = (self.cancel.clone(), input.clone());
        let scanned = blocking(move || match &shared {
            None => Ok(Scanned::default()),
            Some(Input::Pasted(text)) => Ok(scan_text(text.expose())),
            Some(Input::File(path)) => scan_file(path, &cancel),
        })
        .await?;
        if scanned.full {
            return Err(Error::Invalid(format!(
                "more than {MOST_SIGHTINGS} different texts there look like keys; give it in parts, or use: \
                 tokenward leak scan"
            )));
        }
        // What was listed once stays, also when it is none any more.
        let listed = Sightings::of(known.clone());
        let mut findings = self
            .judge_sightings(joined(known, &scanned.sightings, lines))
            .await?;
        let all = findings.len();
        findings.retain(|finding| finding.matters() || listed.find(&finding.sighting).is_some());
        findings.sort_by_key(|finding| (rank(&finding.verdict), first_line(finding)));
        let others = all - findings.len();
        if findings.len() > MOST_LISTED {
            return Err(Error::Invalid(format!(
                "{} keys there matter, more than can be listed ({MOST_LISTED}); give it in parts, or use: tokenward \
                 leak scan",
                findings.len()
            )));
        }
        let lines = lines + scanned.lines;
        let excerpts = match input {
            Some(input) => excerpts_of(&findings, scanned, input).await?,
            None => HashMap::new(),
        };
        let case = self.go_on_with_case(case, findings, source).await?;
        Ok(Read {
            case,
            excerpts,
            lines,
            others,
        })
    }
}

/// The keys that were known and those that came to them, whose lines are counted on.
fn joined(known: Vec<Sighting>, new: &Sightings, lines: u64) -> Vec<Sighting> {
    let mut all = Sightings::of(known);
    for sighting in new.iter() {
        all.join(sighting, lines);
    }
    all.into_vec()
}

async fn excerpts_of(
    findings: &[Finding],
    scanned: Scanned,
    input: Input,
) -> Result<HashMap<Fingerprint, String>, Error> {
    let wanted: Vec<(Fingerprint, usize)> = findings
        .iter()
        .filter_map(|finding| {
            let at = scanned.sightings.find(&finding.sighting)?;
            Some((finding.key.fingerprint, at))
        })
        .collect();
    blocking(move || {
        let places: Vec<usize> = wanted.iter().map(|(_, at)| *at).collect();
        let lines = scanned.excerpts(&places, &input)?;
        let keys = wanted.into_iter().map(|(key, _)| key);
        Ok(keys.zip(lines).collect())
    })
    .await
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
    finding.sighting.lines.first.first().copied().unwrap_or(0)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Internal(format!("reading that text failed: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
    const B: &str = "62b46a1599c62bcf9418ad846dd0e4bbdfc6ee4b";

    fn text() -> String {
        format!("one\nGET \"Authorization: Token {A}\" 200\nlast {B} of {A}")
    }

    #[test]
    fn a_file_is_read_as_a_paste_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        std::fs::write(&path, text()).unwrap();
        let of_file = scan_file(&path, &CancellationToken::new()).unwrap();
        let of_text = scan_text(&text());
        let pasted = Input::Pasted(Secret::new(text()));
        let file = Input::File(path);
        assert_eq!(of_text.lines, 3);
        for (scanned, input) in [(of_text, pasted), (of_file, file)] {
            assert_eq!(scanned.lines, 3);
            assert_eq!(scanned.sightings.len(), 2);
            let said = scanned.excerpts(&[0, 1], &input).unwrap();
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
        let scanned = scan_file(&path, &CancellationToken::new()).unwrap();
        assert!(written.len() > 2 * PIECE - 100);
        // In another order than that of the file.
        let said = scanned.excerpts(&[1, 0], &Input::File(path)).unwrap();
        assert_eq!(said, ["Token ████████ there", "Token ████████ here"]);
    }

    #[test]
    fn what_is_no_file_is_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let error = scan_file(folder.path(), &CancellationToken::new()).unwrap_err();
        assert!(error.to_string().contains("is no file"), "{error}");
        let missing = folder.path().join("missing");
        let error = scan_file(&missing, &CancellationToken::new()).unwrap_err();
        assert!(error.to_string().starts_with("cannot read"), "{error}");
    }

    #[test]
    fn lines_of_a_second_text_are_counted_on() {
        let first = scan_text(&text());
        let known: Vec<Sighting> = first.sightings.iter().cloned().collect();
        let second = scan_text(&format!("Token {A}\n"));
        let all = joined(known, &second.sightings, 3);
        assert_eq!(all.len(), 2);
        let a = all.iter().find(|sighting| sighting.key.expose() == A);
        assert_eq!(a.unwrap().lines.first, [2, 3, 4]);
    }
}
