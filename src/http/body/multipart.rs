//! A `multipart/form-data` body, read as Django's `MultiPartParser` reads it (`django/http/multipartparser.py`): lenient
//! with what is cut short, ill-formed or without a boundary, and with quirks that a client can see. [`super::fields()`] calls
//! it. A stricter parser would refuse what Django takes, so this follows Django's, piece by piece.

mod file;
mod stream;

use super::charset::Charset;
use super::error::BodyError;
use super::fields::{FileName, Members, Text, Value};
use super::params::Header;
use super::{limits, python};
use crate::http::base64;
use stream::{Part, Source, Stuck};

/// Bytes that the headers of a part may have.
const HEADERS: usize = 1024;

impl From<Stuck> for BodyError {
    fn from(Stuck: Stuck) -> Self {
        Self::Excessive
    }
}

/// Reads the fields of a login; the last value of each counts, and a file before any text.
pub(super) fn parse(
    content_type: &str,
    body: &[u8],
    charset: &Charset,
) -> Result<Members, BodyError> {
    let mut form = Form {
        charset,
        read: 0,
        fields: 0,
        files: 0,
        open: None,
        texts: Members::default(),
        uploads: Vec::new(),
    };
    let separator = [b"--", boundary(content_type)?.as_bytes()].concat();
    let mut source = Source::new(body);
    while let Some(mut part) = Part::next(&mut source, &separator)? {
        let headers = Headers::read(&mut part)?;
        form.complete_file();
        form.take(&headers, &mut part)?;
    }
    // A file that no other part follows is never complete.
    let mut members = form.texts;
    for (name, file) in form.uploads {
        members.set(&name, Value::File(file));
    }
    Ok(members)
}

/// The boundary that the type names. Unlike REST framework before it, Django's parser minds the type's letter case.
fn boundary(content_type: &str) -> Result<String, BodyError> {
    let error = |text: String| Err(BodyError::Multipart(text));
    if !content_type.starts_with("multipart/") {
        return error(format!("Invalid Content-Type: {content_type}"));
    }
    if !content_type.is_ascii() {
        return error(format!(
            "Invalid non-ASCII Content-Type in multipart: {content_type}"
        ));
    }
    let header = Header::parse(content_type).ok();
    let Some(boundary) = header.as_ref().and_then(|header| header.param("boundary")) else {
        return error("Invalid boundary in multipart: None".to_owned());
    };
    let is_valid = boundary.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && (1..=201).contains(&boundary.len());
    if is_valid && !boundary.ends_with(' ') {
        Ok(boundary.to_owned())
    } else {
        error(format!("Invalid boundary in multipart: {boundary}"))
    }
}

/// What has been read of a form.
struct Form<'c> {
    charset: &'c Charset,
    /// Bytes that count against [`limits::BYTES`].
    read: usize,
    fields: usize,
    files: usize,
    /// A file that is complete once another part begins.
    open: Option<(String, FileName)>,
    texts: Members,
    uploads: Vec<(String, FileName)>,
}

impl Form<'_> {
    fn complete_file(&mut self) {
        self.uploads.extend(self.open.take());
    }

    fn take(&mut self, headers: &Headers, part: &mut Part<'_, '_>) -> Result<(), BodyError> {
        match headers.kind {
            Kind::Raw | Kind::Field => {
                self.fields += 1;
                // Two more for what stands before the first boundary and after the last.
                if self.fields > limits::FIELDS + 2 {
                    return Err(BodyError::Excessive);
                }
            }
            Kind::File => {}
        }
        let Some(name) = headers.name() else {
            return Ok(());
        };
        let name = self.charset.lossy(python::strip_bytes(name.as_bytes()));
        match headers.kind {
            Kind::Raw => Ok(()),
            Kind::Field => self.take_field(&name, headers, part),
            Kind::File => self.take_file(&name, headers, part),
        }
    }

    fn take_field(
        &mut self,
        name: &str,
        headers: &Headers,
        part: &mut Part<'_, '_>,
    ) -> Result<(), BodyError> {
        let raw = part.read(limits::BYTES - self.read)?;
        self.read += raw.len() + name.chars().count() + 2;
        if self.read > limits::BYTES {
            return Err(BodyError::Excessive);
        }
        let decoded = headers.is_base64().then(|| base64::decode(raw)).flatten();
        let text = self
            .charset
            .lossy(decoded.as_ref().map_or(raw, |decoded| decoded.as_slice()));
        self.texts.set(name, Value::Text(Text::from(text)));
        Ok(())
    }

    fn take_file(
        &mut self,
        name: &str,
        headers: &Headers,
        part: &mut Part<'_, '_>,
    ) -> Result<(), BodyError> {
        self.files += 1;
        if self.files > limits::FILES {
            return Err(BodyError::Excessive);
        }
        let Some(file_name) = file::named(&self.charset.lossy(headers.file_name().as_bytes()))
        else {
            // The rest of the part stays where it is, and is taken for another part: so does Django.
            return Ok(());
        };
        if headers.is_base64() {
            file::check_base64(part)?;
        } else {
            while part.next_piece()?.is_some() {}
        }
        self.open = Some((name.to_owned(), file_name));
        Ok(())
    }
}

/// What a part is.
#[derive(Clone, Copy)]
enum Kind {
    /// Without `Content-Disposition`: what stands outside the boundaries, or nonsense.
    Raw,
    Field,
    File,
}

/// The headers of a part.
struct Headers {
    kind: Kind,
    disposition: Option<Header>,
    transfer_encoding: Option<String>,
}

impl Headers {
    /// Reads them off the part, if there are any; what follows them stays.
    fn read(part: &mut Part<'_, '_>) -> Result<Self, BodyError> {
        let mut headers = Self {
            kind: Kind::Raw,
            disposition: None,
            transfer_encoding: None,
        };
        let start = part.read(HEADERS)?;
        let Some(end) = start.windows(4).position(|four| four == b"\r\n\r\n") else {
            part.put_back(start.len())?;
            return match start.len() {
                HEADERS.. => Err(BodyError::Multipart(
                    "Request max total header size exceeded.".to_owned(),
                )),
                0..HEADERS => Ok(headers),
            };
        };
        part.put_back(start.len() - end - 4)?;
        for line in lines(start.get(..end).unwrap_or_default()) {
            headers.take(line);
        }
        Ok(headers)
    }

    fn take(&mut self, line: &[u8]) {
        let Some(header) = std::str::from_utf8(line)
            .ok()
            .and_then(|line| Header::parse(line).ok())
        else {
            return;
        };
        match header.value.split_once(':') {
            Some(("content-disposition", _)) => {
                let is_file = header
                    .param("filename")
                    .is_some_and(|name| !name.is_empty());
                self.kind = if is_file { Kind::File } else { Kind::Field };
                self.disposition = Some(header);
            }
            Some(("content-transfer-encoding", value)) => {
                self.transfer_encoding = Some(python::strip(value).to_owned());
            }
            Some(_) | None => {}
        }
    }

    fn name(&self) -> Option<&str> {
        self.disposition.as_ref()?.param("name")
    }

    fn file_name(&self) -> &str {
        self.disposition
            .as_ref()
            .and_then(|header| header.param("filename"))
            .unwrap_or_default()
    }

    fn is_base64(&self) -> bool {
        self.transfer_encoding.as_deref() == Some("base64")
    }
}

/// Splits at CR LF.
fn lines(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        lines.push(bytes.get(..end).unwrap_or_default());
        bytes = bytes.get(end + 2..).unwrap_or_default();
    }
    lines.push(bytes);
    lines
}
