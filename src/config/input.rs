//! Reads a small text file whole, with its access rights. The configuration and `.env` files come in here, so
//! that one place bounds their size and words what may go wrong.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::problem::Problem;

/// The most bytes a file may have. Nobody writes so many by hand; `/dev/zero` has more.
const LIMIT: u64 = 1 << 20;

/// A file's text and its permission bits.
#[derive(Default)]
pub(super) struct Input {
    pub(super) text: String,
    pub(super) mode: u32,
}

/// The file at `path`, or none if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Input>, Problem> {
    let fails = |error: &std::io::Error| Problem::file(path, format!("cannot be read: {error}"));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fails(&error)),
    };
    let mode = file
        .metadata()
        .map_err(|error| fails(&error))?
        .permissions()
        .mode();
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| fails(&error))?;
    if bytes.len() as u64 > LIMIT {
        return Err(Problem::file(
            path,
            "is larger than 1 MiB; is it the right file?",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        Problem::at(path, line, "is not UTF-8 text; save it as UTF-8")
    })?;
    Ok(Some(Input {
        text,
        mode: mode & 0o777,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_encodings_are_bounded() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), b"one\ntwo\xff\n").expect("written");
        let problem = read(file.path()).err().expect("not UTF-8");
        assert_eq!(problem.line, Some(2));
        std::fs::write(file.path(), vec![b'#'; (1 << 20) + 1]).expect("written");
        assert!(
            read(file.path())
                .err()
                .expect("too large")
                .message
                .contains("larger than 1 MiB")
        );
        assert!(
            read(Path::new("/nowhere/at/all"))
                .expect("missing is fine")
                .is_none()
        );
        assert!(
            read(Path::new("/"))
                .err()
                .expect("a folder")
                .message
                .contains("cannot be read")
        );
    }
}
