//! Follows the bytes of an HTTP/1 connection far enough to know where each request's headers begin and end, and what
//! they say of the body's length.
//!
//! hyper accepts two equal `Content-Length`, and of a length beside `Transfer-Encoding` it keeps one and tells nobody.
//! A proxy in front of us may have kept the other: that is how requests are smuggled (RFC 9112, section 6.3 and 11.2).
//! We see the bytes first, so we can refuse.

/// Where the next byte of a connection belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Between two requests.
    Between,
    /// In a request's line or headers.
    Head,
    /// In a body; so many bytes of it are still to come.
    Body(u64),
    /// Nothing more is known: a chunked body, or a head that is refused.
    Unknown,
    /// HTTP/2, which has its own ways to tell where things end.
    Http2,
}

/// What a stretch of bytes was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing wrong.
    Fine,
    /// The headers contradict themselves or are too large. Only the first so many bytes may go on; the headers do not
    /// end in them.
    Wrong(usize),
}

/// The scanner of one connection.
#[derive(Debug)]
pub(super) struct Scanner {
    place: Place,
    /// Whether the current line is the request's first.
    first_line: bool,
    line: Line,
    length: Option<u64>,
    chunked: bool,
    heads: u64,
    /// How many bytes the current head has so far, and how many are too many.
    head: usize,
    too_many: usize,
}

/// The beginning of the current line. A length that does not fit is none that anybody would send.
#[derive(Debug)]
struct Line {
    bytes: [u8; Self::KEPT],
    len: usize,
    cut: bool,
}

impl Line {
    const KEPT: usize = 64;

    const fn new() -> Self {
        Self {
            bytes: [0; Self::KEPT],
            len: 0,
            cut: false,
        }
    }

    fn clear(&mut self) {
        self.len = 0;
        self.cut = false;
    }

    fn push(&mut self, more: &[u8]) {
        let taken = more.len().min(Self::KEPT - self.len);
        self.bytes[self.len..self.len + taken].copy_from_slice(&more[..taken]);
        self.len += taken;
        self.cut |= taken < more.len();
    }

    fn text(&self) -> &[u8] {
        let text = &self.bytes[..self.len];
        text.strip_suffix(b"\r").unwrap_or(text)
    }
}

/// HTTP/2 begins like this (RFC 9113, section 3.4). In HTTP/1 it is a line that hyper refuses.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

impl Scanner {
    /// For a connection whose requests have heads of less than `too_many` bytes.
    pub(super) const fn new(too_many: usize) -> Self {
        Self {
            place: Place::Between,
            first_line: true,
            line: Line::new(),
            length: None,
            chunked: false,
            heads: 0,
            head: 0,
            too_many,
        }
    }

    /// For a connection that is known not to be HTTP/1.
    pub(super) const fn blind() -> Self {
        let mut scanner = Self::new(usize::MAX);
        scanner.place = Place::Http2;
        scanner
    }

    /// Where the next byte belongs.
    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// How many requests have begun: tells one head from the next, where both came in one read.
    pub(super) const fn heads(&self) -> u64 {
        self.heads
    }

    /// Reads on.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Found {
        let mut at = 0;
        while at < bytes.len() {
            match self.place {
                Place::Unknown | Place::Http2 => return Found::Fine,
                Place::Body(left) => {
                    let here = (bytes.len() - at) as u64;
                    if left > here {
                        self.place = Place::Body(left - here);
                        return Found::Fine;
                    }
                    // No more than `here`, which came from a `usize`.
                    at += usize::try_from(left).unwrap_or(bytes.len());
                    self.place = Place::Between;
                }
                Place::Between => {
                    // hyper skips empty lines before a request (RFC 9112, section 2.2).
                    if matches!(bytes[at], b'\r' | b'\n') {
                        at += 1;
                    } else {
                        self.begin();
                    }
                }
                Place::Head => {
                    let Some(end) = memchr::memchr(b'\n', &bytes[at..]) else {
                        self.line.push(&bytes[at..]);
                        self.head += bytes.len() - at;
                        return Found::Fine;
                    };
                    self.line.push(&bytes[at..at + end]);
                    self.head += end + 1;
                    at += end + 1;
                    if !self.end_line() {
                        self.place = Place::Unknown;
                        // Without the line's end, which might be that of the headers.
                        return Found::Wrong(at - 1);
                    }
                    self.line.clear();
                }
            }
        }
        Found::Fine
    }

    fn begin(&mut self) {
        self.place = Place::Head;
        self.first_line = true;
        self.line.clear();
        self.length = None;
        self.chunked = false;
        self.heads += 1;
        self.head = 0;
    }

    /// Takes a whole line; false when it contradicts one before, or ends a head that is too large.
    fn end_line(&mut self) -> bool {
        let text = self.line.text();
        if self.first_line {
            self.first_line = false;
            if text.starts_with(PREFACE) {
                self.place = Place::Http2;
            }
            return true;
        }
        if text.is_empty() {
            self.end_head();
            return self.head < self.too_many;
        }
        // Most names differ from both in their first letter.
        let is_length = named(text, b"content-length");
        let is_coding = !is_length && named(text, b"transfer-encoding");
        if !is_length && !is_coding {
            return true;
        }
        if self.length.is_some() || self.chunked || self.line.cut {
            return false;
        }
        if is_coding {
            self.chunked = true;
            return true;
        }
        // What is no number hyper refuses, and of a body that it refuses nothing has to be known.
        self.length = Some(value(text).unwrap_or(0));
        true
    }

    fn end_head(&mut self) {
        self.place = if self.chunked {
            // The answer to such a request closes the connection, so nothing that follows is a request.
            Place::Unknown
        } else {
            match self.length {
                None | Some(0) => Place::Between,
                Some(length) => Place::Body(length),
            }
        };
    }
}

/// Whether the header line `text` is called `name`, in any case.
fn named(text: &[u8], name: &[u8]) -> bool {
    text.len() > name.len()
        && (text[0] | 0x20) == name[0]
        && text[name.len()] == b':'
        && text[..name.len()].eq_ignore_ascii_case(name)
}

/// The number after the colon of the line `text`.
fn value(text: &[u8]) -> Option<u64> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let digits = text[colon + 1..].trim_ascii();
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a connection stands after `bytes`, and whether all was fine; the same in one read and byte by byte.
    fn after(bytes: &[u8]) -> (Place, bool) {
        let mut whole = Scanner::new(8192);
        let fine = whole.read(bytes) == Found::Fine;
        let mut split = Scanner::new(8192);
        let split_fine = bytes
            .iter()
            .all(|byte| split.read(std::slice::from_ref(byte)) == Found::Fine);
        assert_eq!(
            (whole.place(), whole.heads(), fine),
            (split.place(), split.heads(), split_fine),
            "{}",
            bytes.escape_ascii()
        );
        (whole.place(), fine)
    }

    #[test]
    fn requests_follow_each_other() {
        let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();
        let post = b"POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\n\r\n".as_slice();
        for (parts, place) in [
            (vec![get], Place::Between),
            (vec![b"\r\n\r\n", get], Place::Between),
            (vec![get, b"GE"], Place::Head),
            (vec![post], Place::Body(3)),
            (vec![post, b"a\n"], Place::Body(1)),
            (vec![post, b"abc"], Place::Between),
            (vec![post, b"abc", post, b"a"], Place::Body(2)),
            (vec![post, b"abc", get, b"G"], Place::Head),
        ] {
            assert_eq!(after(&parts.concat()), (place, true), "{parts:?}");
        }
        let mut scanner = Scanner::new(8192);
        scanner.read(&[get, get, post].concat());
        assert_eq!(scanner.heads(), 3);
    }

    #[test]
    fn what_contradicts_itself_is_found() {
        let length = "Content-Length: 5\r\n";
        let chunked = "Transfer-Encoding: chunked\r\n";
        let spaces = format!("Content-Length:{}5\r\n", " ".repeat(80));
        for headers in [
            format!("{length}{length}"),
            format!("{length}Content-Length: 6\r\n"),
            format!("{length}Host: a\r\n{chunked}"),
            format!("{chunked}{length}"),
            format!("{chunked}{chunked}"),
            format!("{length}content-length:\r\n"),
            spaces,
        ] {
            let bytes = format!("POST / HTTP/1.1\r\n{headers}\r\n");
            assert_eq!(after(bytes.as_bytes()), (Place::Unknown, false), "{bytes}");
        }
    }

    #[test]
    fn the_rest_of_a_chunked_connection_and_http_2_are_not_looked_at() {
        let chunked =
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(after(chunked.as_bytes()), (Place::Unknown, true));
        let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nContent-Length: 1\r\nContent-Length: 2\r\n";
        assert_eq!(after(http2.as_bytes()), (Place::Http2, true));
    }

    #[test]
    fn a_head_has_fewer_bytes_than_the_limit() {
        for (filler, fine) in [(8192 - 39 - 1, true), (8192 - 39, false)] {
            let head = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nX-Filler: {}\r\n\r\n",
                "x".repeat(filler)
            );
            assert_eq!(head.len() < 8192, fine);
            assert_eq!(after(head.as_bytes()).1, fine, "{}", head.len());
        }
    }

    #[test]
    fn only_the_whole_name_counts() {
        let bytes = b"GET / HTTP/1.1\r\nX-Content-Length: 1\r\nContent-Lengthy: 2\r\nCookie: content-length: 3\r\n\r\n";
        assert_eq!(after(bytes), (Place::Between, true));
    }
}
