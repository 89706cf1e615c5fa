//! Where a text to be scanned comes from: a file or a pipe, packed or not. What it is its first bytes say, never its name;
//! it is unpacked as it is read, in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read};
use std::path::Path;

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// So much is read of a file at a time.
const PIECE: usize = 128 * 1024;

/// A frame of zstd may ask for more memory than anybody wants to give. zstd itself never does unless it is told to.
const LARGEST_WINDOW: u64 = 16 * 1024 * 1024;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What others pack with, and who unpacks it.
const OTHERS: [(&[u8], &str); 4] = [
    (b"BZh", "bzip2 -dc"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz -dc"),
    (&[0x04, 0x22, 0x4d, 0x18], "lz4 -dc"),
    (b"PK\x03\x04", "unzip -p"),
];

type Inner = Box<dyn BufRead + Send>;

/// An unpacked text.
pub struct Source(Box<dyn Read + Send>);

impl Source {
    /// Of the file at `path`.
    ///
    /// # Errors
    /// When it cannot be opened, or its packing is none that is known here.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(Error::new(
                ErrorKind::IsADirectory,
                "it is a folder; name the files in it",
            ));
        }
        Self::of(file)
    }

    /// Of whatever `reader` gives.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn of(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(PIECE, reader);
        let start = start(&mut reader)?;
        let reader: Inner = Box::new(reader);
        let unpacked: Box<dyn Read + Send> = match packing(&start) {
            Packing::None => return Ok(Self::text(reader, &start)),
            Packing::Gzip => Box::new(MultiGzDecoder::new(reader)),
            Packing::Zstd => Box::new(Zstd::new(reader)),
            Packing::Other(command) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "it is packed in a way that is not read here; use: {command} FILE | tokenward leak scan"
                    ),
                ));
            }
        };
        let mut reader = BufReader::with_capacity(PIECE, unpacked);
        let start = self::start(&mut reader)?;
        Ok(Self::text(Box::new(reader), &start))
    }

    /// Windows' shells write UTF-16, and say so at its beginning.
    fn text(reader: Inner, start: &[u8]) -> Self {
        match Encoding::for_bom(start) {
            Some((wide, _)) if wide == UTF_16LE || wide == UTF_16BE => Self(Box::new(Wide {
                inner: reader,
                decoder: wide.new_decoder(),
                ended: false,
            })),
            _ => Self(Box::new(reader)),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

enum Packing {
    None,
    Gzip,
    Zstd,
    Other(&'static str),
}

fn packing(start: &[u8]) -> Packing {
    // Frames to be skipped, which parallel packers write first.
    let skippable = matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
    if start.starts_with(GZIP) {
        Packing::Gzip
    } else if start.starts_with(ZSTD) || skippable {
        Packing::Zstd
    } else {
        let other = OTHERS.iter().find(|(magic, _)| start.starts_with(magic));
        other.map_or(Packing::None, |(_, command)| Packing::Other(command))
    }
}

/// The first bytes, which stay in the reader: what a pipe gave with its first read that had any.
fn start(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    loop {
        match reader.fill_buf() {
            Ok(bytes) => return Ok(bytes[..bytes.len().min(8)].to_vec()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Frames of zstd, one behind the other.
struct Zstd {
    source: Inner,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl Zstd {
    fn new(source: Inner) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        Self {
            source,
            decoder,
            in_frame: false,
        }
    }

    /// Begins the next frame; false at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = (&mut self.source).take(u64::from(length));
                    io::copy(&mut skipped, &mut io::sink())?;
                }
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(false)
    }
}

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.in_frame || self.begin()? {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.source, one);
                decoded.map_err(|error| broken(&error))?;
            }
            let many = self.decoder.read(buffer)?;
            if many > 0 || buffer.is_empty() {
                return Ok(many);
            }
            self.in_frame = false;
        }
        Ok(0)
    }
}

fn broken(error: &FrameDecoderError) -> Error {
    Error::new(ErrorKind::InvalidData, format!("zstd: {error}"))
}

/// UTF-16 as UTF-8.
struct Wide {
    inner: Inner,
    decoder: Decoder,
    ended: bool,
}

impl Read for Wide {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let bytes = self.inner.fill_buf()?;
            let last = bytes.is_empty();
            let (_, read, written, _) = self.decoder.decode_to_utf8(bytes, buffer, last);
            self.inner.consume(read);
            self.ended = last;
            if written > 0 || (read == 0 && !last) {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const TEXT: &str = "one\ntwo\nthree\n";

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        let mut text = String::new();
        Source::of(io::Cursor::new(bytes))?.read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    }

    fn zstd(text: &str) -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(text.as_bytes(), level)
    }

    #[test]
    fn packed_text_is_unpacked_whatever_its_name() {
        let skipped = [0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [
            TEXT.as_bytes().to_vec(),
            gzip(TEXT),
            [gzip("one\n"), gzip("two\nthree\n")].concat(),
            zstd(TEXT),
            [skipped.to_vec(), zstd("one\n"), zstd("two\nthree\n")].concat(),
            wide(&format!("\u{feff}{TEXT}")),
        ] {
            assert_eq!(
                read(bytes.clone()).unwrap(),
                TEXT,
                "{}",
                bytes.escape_ascii()
            );
        }
        assert_eq!(read(Vec::new()).unwrap(), "");
        assert_eq!(read(gzip("")).unwrap(), "");
        let large = "0123456789".repeat(100_000);
        assert_eq!(read(gzip(&large)).unwrap(), large);
        assert_eq!(read(zstd(&large)).unwrap(), large);
    }

    #[test]
    fn what_is_broken_or_unknown_is_said() {
        for mut bytes in [gzip(&TEXT.repeat(50)), zstd(&TEXT.repeat(50))] {
            bytes.truncate(bytes.len() - 12);
            read(bytes).unwrap_err();
        }
        let error = read(b"BZh91AY".to_vec()).unwrap_err().to_string();
        assert!(error.contains("bzip2 -dc FILE"), "{error}");
        let error = Source::open(Path::new("/")).err().unwrap().to_string();
        assert!(error.contains("folder"), "{error}");
        // A window of a gigabyte.
        let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
        read(greedy.to_vec()).unwrap_err();
    }
}
