//! Keys inside base64: a secret of Kubernetes, a mail, a header in a dump. The stretch around a place is decoded and
//! searched like any other text; a long one in tiles, so that nothing is decoded twice.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::anchors::{base64_byte, find_plain};
use super::look_at_plain;
use super::window::{Found, Window};

/// Text cut out of the middle has no padding and may end anywhere.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// So many characters are decoded before a place and behind it.
const BEFORE: usize = 512;
const BEHIND: usize = 1400;
/// No key with all that has to be seen of it is longer.
const OVERLAP: usize = 160;

/// Characters of base64 with the places they stand at.
struct Stretch {
    chars: Zeroizing<Vec<u8>>,
    places: Vec<usize>,
    /// Whether there are more behind it.
    goes_on: bool,
}

/// The window's place is in base64, so far into a group of four. `decoded` is how far into the text was decoded before.
pub(super) fn look(window: &Window<'_>, phase: u8, decoded: &mut u64, tell: &mut dyn FnMut(Found)) {
    if window.absolute(window.at) < *decoded {
        return;
    }
    let Some(stretch) = stretch(window, phase) else {
        return;
    };
    let Some(clear) = decode(&stretch.chars) else {
        return;
    };
    let known = std::mem::replace(decoded, window.absolute(stretch.done()));
    let until = *decoded;
    for (at, what) in find_plain(&clear) {
        let inner = Window::around(&clear, 0, at, !stretch.goes_on);
        look_at_plain(&inner, what, &mut |mut found| {
            let Some(place) = stretch.place(&found.place) else {
                return;
            };
            found.place = window.absolute(place.start)..window.absolute(place.end);
            if (known..until).contains(&found.place.start) {
                tell(found);
            }
        });
    }
}

fn stretch(window: &Window<'_>, phase: u8) -> Option<Stretch> {
    let mut places = Vec::with_capacity(BEFORE + BEHIND);
    let mut at = window.at;
    if window.get(at) == Some(b'\n') && window.bytes[..at].ends_with(b"\r") {
        at -= 1;
    }
    while places.len() < BEFORE {
        match before(window, at) {
            Some(place) => places.push(place),
            None => break,
        }
        at = places[places.len() - 1];
    }
    places.reverse();
    // The first one decoded begins a group.
    let first = (places.len() + 4 - usize::from(phase)) % 4;
    let enough = places.len() + BEHIND;
    let mut next = here_or_after(window, window.at);
    while let Some(place) = next
        && places.len() < enough
    {
        places.push(place);
        next = here_or_after(window, place + 1);
    }
    places.drain(..first.min(places.len()));
    let chars = places.iter().map(|place| window.bytes[*place]).collect();
    (!places.is_empty()).then_some(Stretch {
        chars: Zeroizing::new(chars),
        places,
        goes_on: next.is_some(),
    })
}

/// The character before `at`, over the end of a line if there is one.
fn before(window: &Window<'_>, at: usize) -> Option<usize> {
    let last = |end: usize| {
        end.checked_sub(1)
            .filter(|at| base64_byte(window.bytes[*at]))
    };
    if let Some(place) = last(at) {
        return Some(place);
    }
    let near = &window.bytes[at.saturating_sub(INDENT)..at];
    let blanks = near
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t'));
    let line = window.bytes[..at - blanks.count()].strip_suffix(b"\n")?;
    last(line.strip_suffix(b"\r").unwrap_or(line).len())
}

const INDENT: usize = 64;

/// The character at `at`, or the first one of the next line if this one ends here.
fn here_or_after(window: &Window<'_>, at: usize) -> Option<usize> {
    if base64_byte(window.get(at)?) {
        return Some(at);
    }
    let rest = window.rest(at);
    let line = rest
        .strip_prefix(b"\r")
        .unwrap_or(rest)
        .strip_prefix(b"\n")?;
    let blanks = line
        .iter()
        .take(INDENT)
        .take_while(|byte| matches!(byte, b' ' | b'\t'));
    let place = window.bytes.len() - line.len() + blanks.count();
    window
        .get(place)
        .filter(|byte| base64_byte(*byte))
        .map(|_| place)
}

impl Stretch {
    /// How far keys in it are told about. What begins behind is for the next stretch.
    fn done(&self) -> usize {
        let last = self.places.len() - 1;
        if self.goes_on {
            self.places[last.saturating_sub(OVERLAP)]
        } else {
            self.places[last] + 1
        }
    }

    /// Where decoded bytes stand in the window.
    fn place(&self, clear: &std::ops::Range<u64>) -> Option<std::ops::Range<usize>> {
        let first = usize::try_from(clear.start * 4 / 3).ok()?;
        let behind = usize::try_from((clear.end * 4).div_ceil(3)).ok()?;
        let last = behind.saturating_sub(1).min(self.places.len() - 1);
        Some(*self.places.get(first)?..self.places[last] + 1)
    }
}

/// What base64 of either alphabet says.
pub(super) fn decode(chars: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut chars = Zeroizing::new(chars.to_vec());
    if chars.len() % 4 == 1 {
        chars.pop();
    }
    for byte in chars.iter_mut() {
        match byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
    ENGINE.decode(&*chars).ok().map(Zeroizing::new)
}
