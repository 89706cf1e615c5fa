//! `leak scan`: whose keys are in these files? Each key is told once a file, as soon as the database has answered; what is
//! none is not told, since hashes of Git look like keys too.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::respond::{self, Wish};
use super::row;
use super::stream::{self, Event, Input};
use crate::cli::consent::Consent;
use crate::cli::context::{Context, allow};
use crate::cli::exit::{Code, Failure};
use crate::cli::output;
use crate::cli::report::Report;
use crate::domain::moment::Moment;
use crate::domain::scan::Candidate;
use crate::ops::Ops;
use crate::ops::leak::{
    Beginning, Deed, Finding, Judging, Known, Line, Mark, Memory, Sightings, Verdict, holds_key,
};
use crate::text;

/// `leak scan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Logs, dumps, any text; packed with gzip or zstd too. None, or -: stdin
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Replace every live key that is found, in one transaction, all or none
    #[arg(long)]
    regenerate: bool,
    /// Delete the token of every live key that is found, in one transaction, all or none
    #[arg(long, conflicts_with = "regenerate")]
    revoke: bool,
    #[command(flatten)]
    consent: Consent,
    /// Write what was found and done to this new file, without any key: Markdown, or JSON if its name ends so
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What was found in all files.
#[derive(Debug)]
pub struct Scanned {
    /// What is or was a key, each once.
    pub findings: Vec<Finding>,
    /// How many of them open doors, those included that are too many to be kept.
    pub live: usize,
    /// How many are retired and open our listener's still, in their grace.
    pub graced: usize,
    /// What was read, in words.
    pub source: String,
}

/// More findings are told, but are in no case.
const MOST_KEPT: usize = 20_000;

/// Runs `leak scan`.
pub async fn run(cx: &mut Context, args: Args) -> Result<Code, Failure> {
    let mut inputs: Vec<Input> = args.files.into_iter().map(Input::of).collect();
    if inputs.is_empty() {
        inputs.push(Input::Stdin);
    }
    for input in &inputs {
        if let Input::File(path) = input
            && holds_key(path.as_os_str().as_encoded_bytes())
            && !path.exists()
        {
            return Err(Failure::usage(
                "the text is read from files or stdin, never from arguments, which others on this machine can see; \
                 consider the key that was given there as leaked",
            ));
        }
    }
    let ops = cx.ops().await?;
    let deed = match (args.regenerate, args.revoke) {
        (true, _) => Some(Deed::Regenerate),
        (_, true) => Some(Deed::Revoke),
        _ => None,
    };
    if let Some(deed) = deed {
        allow(&ops, deed.change())?;
    }
    let wish = Wish {
        deed,
        consent: args.consent,
        report: args.report.as_deref().map(Report::create).transpose()?,
    };
    let files = inputs.len();
    let mut scan = Scan::begin(&ops, &inputs).await;
    scan.all(cx, inputs).await?;
    let failed = scan.failed;
    if !cx.is_json() {
        cx.out.note(&scan.summary());
    }
    // Of a folder of logs some may be gone, but nothing read is nothing done.
    if failed == files && !scan.any {
        return Err(Failure::new(
            Code::Failed,
            "nothing could be read; name files that are there, or pipe the text in",
        ));
    }
    let scanned = scan.end();
    let handled = respond::run(cx, &ops, scanned, wish).await?;
    Ok(match (handled, failed) {
        (false, _) => Code::Found,
        (true, 0) => Code::Done,
        (true, _) => Code::Partly,
    })
}

/// One run.
struct Scan<'a> {
    ops: &'a Ops,
    judging: Judging,
    names: Vec<Arc<str>>,
    memory: Memory,
    findings: Vec<Finding>,
    tally: Tally,
    /// Files that could not be read, or not to their end.
    failed: usize,
    /// Whether any candidate came.
    any: bool,
}

/// Distinct keys by what they are worth.
#[derive(Debug, Default)]
struct Tally {
    live: usize,
    inert: usize,
    retired: usize,
    /// Of those the ones in their grace.
    graced: usize,
    partial: usize,
    others: usize,
    not_asked: usize,
}

impl Tally {
    fn add(&mut self, finding: &Finding) {
        if finding.is_retired() && finding.works(Moment::now()) {
            self.graced += 1;
        }
        let count = match &finding.verdict {
            Verdict::Live(_) => &mut self.live,
            Verdict::Inert(..) => &mut self.inert,
            Verdict::Retired(_) => &mut self.retired,
            Verdict::Partial(Beginning::NotAsked) => &mut self.not_asked,
            Verdict::Partial(Beginning::Of(owners)) if !owners.is_empty() => &mut self.partial,
            Verdict::Partial(Beginning::Was(_)) => &mut self.partial,
            Verdict::Partial(Beginning::Of(_)) | Verdict::Unknown => &mut self.others,
        };
        *count += 1;
    }
}

impl<'a> Scan<'a> {
    async fn begin(ops: &'a Ops, inputs: &[Input]) -> Self {
        Self {
            ops,
            judging: ops.judging().await,
            names: inputs.iter().map(|input| input.name().into()).collect(),
            memory: Memory::default(),
            findings: Vec::new(),
            tally: Tally::default(),
            failed: 0,
            any: false,
        }
    }

    async fn all(&mut self, cx: &mut Context, inputs: Vec<Input>) -> Result<(), Failure> {
        if inputs.contains(&Input::Stdin) && std::io::stdin().is_terminal() {
            cx.out.note("Paste the text, then press Enter and Ctrl-d.");
        }
        let read = Arc::new(AtomicU64::new(0));
        let mut events = stream::start(inputs, Arc::clone(&read), cx.stop());
        let stop = cx.stop();
        let mut gauge = Gauge::new(cx.progress, read);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    None => return Ok(()),
                    Some(Event::Found(batch)) => {
                        gauge.wipe();
                        self.any = true;
                        self.take(cx, batch).await?;
                        gauge.draw();
                    }
                    Some(Event::Failed(file, error)) => {
                        gauge.wipe();
                        self.failed += 1;
                        output::note(&format!("cannot read {}: {error}", self.names[file]));
                    }
                },
                () = stop.cancelled() => {
                    return Err(Failure::new(Code::Interrupted, "stopped; what was found until then is told"));
                }
                () = tokio::time::sleep(Gauge::STEP) => gauge.draw(),
            }
        }
    }

    /// Asks about what is new of a batch, and tells it.
    async fn take(
        &mut self,
        cx: &mut Context,
        batch: Vec<(usize, Candidate)>,
    ) -> Result<(), Failure> {
        let mut asked = Sightings::default();
        let mut places: Vec<(usize, usize, u64)> = Vec::new();
        let mut marks: Vec<Mark> = Vec::new();
        let mut seen = HashSet::new();
        for (file, candidate) in batch {
            let (line, mark) = (
                candidate.line,
                self.memory.mark(&candidate.key, candidate.shape),
            );
            match self.memory.get(mark) {
                Some(Known::No) => {}
                Some(Known::Yes {
                    file: told_in,
                    finding,
                }) => {
                    self.again(cx, (file, line), told_in, finding)?;
                    self.memory.set(mark, Known::Yes { file, finding });
                }
                None => {
                    let nth = asked.add_of(candidate, self.named(file).as_ref());
                    if nth == marks.len() {
                        marks.push(mark);
                    }
                    if seen.insert((nth, file)) {
                        places.push((nth, file, line));
                    }
                }
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let findings = self.judging.judge(asked.into_vec()).await?;
        for (nth, file, line) in places {
            if row::is_key(&findings[nth]) || cx.verbose {
                row::print(
                    cx,
                    &self.names[file],
                    line,
                    &findings[nth],
                    &self.ops.place().name,
                )?;
            }
            if row::is_key(&findings[nth]) {
                // Where it is kept is known when all are.
                self.memory.set(
                    marks[nth],
                    Known::Yes {
                        file,
                        finding: None,
                    },
                );
            }
        }
        for (finding, mark) in findings.into_iter().zip(marks) {
            self.keep(finding, mark);
        }
        cx.out.flush()
    }

    fn keep(&mut self, finding: Finding, mark: Mark) {
        self.tally.add(&finding);
        if !row::is_key(&finding) {
            self.memory.set(mark, Known::No);
            return;
        }
        if let Some(Known::Yes { file, .. }) = self.memory.get(mark)
            && self.findings.len() < MOST_KEPT
        {
            let kept = Some(self.findings.len());
            self.memory.set(
                mark,
                Known::Yes {
                    file,
                    finding: kept,
                },
            );
            self.findings.push(finding);
        }
    }

    /// The name of a file where there are several.
    fn named(&self, file: usize) -> Option<Arc<str>> {
        self.names
            .get(file)
            .filter(|_| self.names.len() > 1)
            .cloned()
    }

    /// A key that was told about before, at one more place.
    fn again(
        &mut self,
        cx: &mut Context,
        (file, line): (usize, u64),
        told_in: usize,
        finding: Option<usize>,
    ) -> Result<(), Failure> {
        let named = self.named(file);
        let Some(finding) = finding.and_then(|at| self.findings.get_mut(at)) else {
            return Ok(());
        };
        finding.sighting.lines.add(Line {
            file: named,
            number: line,
        });
        if file == told_in {
            return Ok(());
        }
        row::print(cx, &self.names[file], line, finding, &self.ops.place().name)
    }

    /// `2 live, 1 retired; 120 others are no keys of prod`
    fn summary(&self) -> String {
        let Tally {
            live,
            inert,
            retired,
            graced,
            partial,
            others,
            not_asked,
        } = self.tally;
        let counted = [
            (live, "live"),
            (inert, "inert"),
            (retired, "retired"),
            (partial, "cut"),
        ];
        let parts: Vec<String> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let place = text::safe(&self.ops.place().name);
        let mut said = if parts.is_empty() {
            format!("no key of {place} found")
        } else {
            parts.join(", ")
        };
        match others {
            0 => {}
            1 => {
                let _ = write!(
                    said,
                    "; 1 other text looks like a key and is none of {place}"
                );
            }
            many => {
                let _ = write!(
                    said,
                    "; {many} others look like keys and are none of {place}"
                );
            }
        }
        if graced > 0 {
            let _ = write!(
                said,
                "; {graced} of the retired still work here, which `tokenward token revoke USERNAME` ends"
            );
        }
        if not_asked > 0 {
            let _ = write!(said, "; {not_asked} cut keys were too many to look up");
        }
        said
    }

    fn end(self) -> Scanned {
        let source = match self.names.as_slice() {
            [one] => one.to_string(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => String::new(),
        };
        Scanned {
            findings: self.findings,
            live: self.tally.live,
            graced: self.tally.graced,
            source,
        }
    }
}

/// How much was read, on stderr once it takes longer than a second.
struct Gauge {
    wanted: bool,
    begun: Instant,
    read: Arc<AtomicU64>,
    drawn: bool,
}

impl Gauge {
    const STEP: Duration = Duration::from_millis(200);

    fn new(wanted: bool, read: Arc<AtomicU64>) -> Self {
        Self {
            wanted: wanted && std::io::stderr().is_terminal() && !std::io::stdin().is_terminal(),
            begun: Instant::now(),
            read,
            drawn: false,
        }
    }

    fn draw(&mut self) {
        let (took, read) = (self.begun.elapsed(), self.read.load(Relaxed));
        if self.wanted && took >= Duration::from_secs(1) {
            self.drawn = true;
            let megabytes = read / 1_000_000;
            let rate = u128::from(read) / took.as_millis().max(1) / 1_000;
            output::progress(&format!("{megabytes} MB read   {rate} MB/s"));
        }
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.drawn) {
            output::progress("");
        }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.wipe();
    }
}
