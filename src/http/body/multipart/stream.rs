//! The bytes of a multipart body as Django's parser pulls them: in chunks, with bytes put back. Where a chunk ends
//! decides what becomes of a part that is not read to its end, so the chunks are Django's too. `LazyStream`, `ChunkIter`
//! and `BoundaryIter` of `django/http/multipartparser.py`.

use std::collections::VecDeque;
use std::ops::Range;

/// Bytes that Django's upload handlers ask for at a time.
const CHUNK: usize = 64 * 1024;

/// The same number of bytes was put back too often: Django takes that for an attack.
pub(super) struct Stuck;

/// A stretch of the body that has been pulled but not used, and the sizes put back since the last pull.
#[derive(Default)]
struct Held {
    range: Range<usize>,
    put_back: VecDeque<usize>,
}

impl Held {
    fn take(&mut self) -> Option<Range<usize>> {
        let range = self.range.clone();
        self.range.start = self.range.end;
        (!range.is_empty()).then_some(range)
    }

    fn pulled(&mut self, range: &Range<usize>) {
        self.range = range.end..range.end;
        self.put_back.clear();
    }

    fn put_back(&mut self, bytes: usize) -> Result<(), Stuck> {
        if bytes == 0 {
            return Ok(());
        }
        self.put_back.push_front(bytes);
        self.put_back.truncate(50);
        self.range.start = self.range.start.saturating_sub(bytes);
        let equal = self.put_back.iter().filter(|size| **size == bytes).count();
        if equal > 40 { Err(Stuck) } else { Ok(()) }
    }
}

/// The whole body.
pub(super) struct Source<'b> {
    body: &'b [u8],
    held: Held,
}

impl<'b> Source<'b> {
    pub(super) fn new(body: &'b [u8]) -> Self {
        Self {
            body,
            held: Held::default(),
        }
    }

    fn next(&mut self) -> Option<Range<usize>> {
        if let Some(range) = self.held.take() {
            return Some(range);
        }
        let start = self.held.range.end;
        let end = self.body.len().min(start + CHUNK);
        (start < end).then(|| {
            self.held.pulled(&(start..end));
            start..end
        })
    }

    fn slice(&self, range: Range<usize>) -> &'b [u8] {
        self.body.get(range).unwrap_or_default()
    }
}

/// What stands before the next separator, or before the end.
pub(super) struct Part<'s, 'b> {
    source: &'s mut Source<'b>,
    separator: &'s [u8],
    held: Held,
    is_done: bool,
}

impl<'s, 'b> Part<'s, 'b> {
    /// The next part, unless the body is at its end.
    pub(super) fn next(
        source: &'s mut Source<'b>,
        separator: &'s [u8],
    ) -> Result<Option<Self>, Stuck> {
        // Django looks for a byte and puts it back. Both are remembered.
        let Some(range) = source.next() else {
            return Ok(None);
        };
        source.held.put_back(range.len() - 1)?;
        source.held.put_back(1)?;
        Ok(Some(Self {
            source,
            separator,
            held: Held::default(),
            is_done: false,
        }))
    }

    /// The next piece of the part, as long as it comes; it may be empty.
    pub(super) fn next_piece(&mut self) -> Result<Option<&'b [u8]>, Stuck> {
        Ok(self.next_range()?.map(|range| self.source.slice(range)))
    }

    /// Up to `wanted` bytes.
    pub(super) fn read(&mut self, wanted: usize) -> Result<&'b [u8], Stuck> {
        let mut read: Option<Range<usize>> = None;
        while read.as_ref().map_or(0, Range::len) < wanted {
            let Some(range) = self.next_range()? else {
                break;
            };
            let start = read.map_or(range.start, |read| read.start);
            let end = range.end.min(start.saturating_add(wanted));
            self.put_back(range.end - end)?;
            read = Some(start..end);
        }
        Ok(self.source.slice(read.unwrap_or_default()))
    }

    /// Puts the last `bytes` back.
    pub(super) fn put_back(&mut self, bytes: usize) -> Result<(), Stuck> {
        self.held.put_back(bytes)
    }

    fn next_range(&mut self) -> Result<Option<Range<usize>>, Stuck> {
        if let Some(range) = self.held.take() {
            return Ok(Some(range));
        }
        let range = self.pull()?;
        if let Some(range) = &range {
            self.held.pulled(range);
        }
        Ok(range)
    }

    /// Takes from the source what is surely of this part.
    fn pull(&mut self) -> Result<Option<Range<usize>>, Stuck> {
        if self.is_done {
            return Ok(None);
        }
        // CR LF before the separator, and two dashes or CR LF behind it.
        let rollback = self.separator.len() + 6;
        let mut pulled: Option<Range<usize>> = None;
        while pulled.as_ref().map_or(0, Range::len) <= rollback {
            let Some(range) = self.source.next() else {
                self.is_done = true;
                break;
            };
            pulled = Some(pulled.map_or(range.start, |pulled| pulled.start)..range.end);
        }
        let Some(Range { start, end }) = pulled else {
            return Ok(None);
        };
        let chunk = self.source.slice(start..end);
        if let Some(at) = find(chunk, self.separator) {
            self.source
                .held
                .put_back(chunk.len() - at - self.separator.len())?;
            self.is_done = true;
            let before = chunk.get(..at).unwrap_or_default();
            let before = before.strip_suffix(b"\n").unwrap_or(before);
            let before = before.strip_suffix(b"\r").unwrap_or(before);
            return Ok(Some(start..start + before.len()));
        }
        if chunk.len() <= rollback {
            self.is_done = true;
            return Ok(Some(start..end));
        }
        self.source.held.put_back(rollback)?;
        Ok(Some(start..end - rollback))
    }
}

/// Where `wanted` begins.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
