//! Where tokenward's files are: the XDG base directories, on macOS too, so that a colleague's path is yours.
//! The wiring asks once; logging, the audit and the private database use the answer.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Flags;
use super::choice::settle;
use super::env::Env;
use super::problem::{Problem, Problems};

/// The folders and files of this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// `--config`, `TOKENWARD_CONFIG`, or `$XDG_CONFIG_HOME/tokenward/config.toml`.
    pub config_file: PathBuf,
    /// `$XDG_DATA_HOME/tokenward`: the private database.
    pub data: PathBuf,
    /// `$XDG_STATE_HOME/tokenward`: logs and the local audit.
    pub state: PathBuf,
    /// `--log-file`, `TOKENWARD_LOG`, or `tokenward.log` in the state folder.
    pub log_file: PathBuf,
    /// `audit.jsonl` in the state folder.
    pub audit_file: PathBuf,
}

impl Dirs {
    /// Finds them all; creates none. A relative path in an XDG variable is ignored, as the
    /// [specification](https://specifications.freedesktop.org/basedir-spec/latest/) asks.
    ///
    /// # Errors
    /// When `HOME` is needed and is not an absolute path.
    pub fn find(flags: &Flags, env: &Env) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let absolute = |name: &str| env.path(name).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let mut base = |name: &str, below_home: &str| {
            let found = absolute(name).or_else(|| home.as_ref().map(|home| home.join(below_home)));
            if found.is_none() {
                problems.push(Problem::new(format!(
                    "neither {name} nor HOME is set to an absolute path; set HOME to your home folder"
                )));
            }
            found.unwrap_or_default().join("tokenward")
        };
        let config = base("XDG_CONFIG_HOME", ".config");
        let data = base("XDG_DATA_HOME", ".local/share");
        let state = base("XDG_STATE_HOME", ".local/state");
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            config_file: settle(
                flags.config.clone(),
                env.path("TOKENWARD_CONFIG"),
                None,
                config.join("config.toml"),
            ),
            log_file: settle(
                flags.log_file.clone(),
                env.path("TOKENWARD_LOG"),
                None,
                state.join("tokenward.log"),
            ),
            audit_file: state.join("audit.jsonl"),
            data,
            state,
        })
    }

    /// Makes the state folder, for its owner only.
    ///
    /// # Errors
    /// When it cannot be made or closed to others.
    pub fn make_state(&self) -> Result<(), Problem> {
        make_private(&self.state)
    }
}

/// Makes the folder at `path` and what is missing above it, mode 0700. One that exists is closed to others.
///
/// # Errors
/// When it cannot be made or closed to others.
pub fn make_private(path: &Path) -> Result<(), Problem> {
    let make = || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let mode = path.metadata()?.permissions().mode();
        if mode.trailing_zeros() >= 6 {
            Ok(())
        } else {
            std::fs::set_permissions(path, Permissions::from_mode(0o700))
        }
    };
    make().map_err(|error: std::io::Error| {
        Problem::file(
            path,
            format!("cannot make this folder with mode 0700: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(flags: &Flags, vars: &[(&str, &str)]) -> Result<Dirs, Problems> {
        Dirs::find(flags, &vars.iter().copied().collect())
    }

    #[test]
    fn below_home_by_default() {
        let dirs = find(
            &Flags::default(),
            &[("HOME", "/home/a"), ("XDG_DATA_HOME", "relative")],
        )
        .expect("found");
        assert_eq!(
            dirs.config_file,
            Path::new("/home/a/.config/tokenward/config.toml")
        );
        assert_eq!(
            dirs.data,
            Path::new("/home/a/.local/share/tokenward"),
            "a relative XDG path is ignored"
        );
        assert_eq!(dirs.state, Path::new("/home/a/.local/state/tokenward"));
        assert_eq!(
            dirs.log_file,
            Path::new("/home/a/.local/state/tokenward/tokenward.log")
        );
        assert_eq!(
            dirs.audit_file,
            Path::new("/home/a/.local/state/tokenward/audit.jsonl")
        );
    }

    #[test]
    fn xdg_needs_no_home() {
        let xdg = [
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_DATA_HOME", "/d"),
            ("XDG_STATE_HOME", "/s"),
        ];
        let dirs = find(&Flags::default(), &xdg).expect("found");
        assert_eq!(dirs.config_file, Path::new("/c/tokenward/config.toml"));
        assert_eq!(
            (dirs.data.as_path(), dirs.state.as_path()),
            (Path::new("/d/tokenward"), Path::new("/s/tokenward"))
        );
    }

    #[test]
    fn flag_beats_environment_beats_default() {
        let vars = [
            ("HOME", "/h"),
            ("TOKENWARD_CONFIG", "env.toml"),
            ("TOKENWARD_LOG", "/env.log"),
        ];
        let dirs = find(&Flags::default(), &vars).expect("found");
        assert_eq!(
            (dirs.config_file, dirs.log_file),
            ("env.toml".into(), "/env.log".into())
        );
        let flags = Flags {
            config: Some("flag.toml".into()),
            log_file: Some("flag.log".into()),
            ..Flags::default()
        };
        let dirs = find(&flags, &vars).expect("found");
        assert_eq!(
            (dirs.config_file, dirs.log_file),
            ("flag.toml".into(), "flag.log".into())
        );
    }

    #[test]
    fn no_home_names_each_variable_that_would_help() {
        let problems = find(
            &Flags::default(),
            &[("XDG_CONFIG_HOME", "/c"), ("HOME", "")],
        )
        .expect_err("no home");
        let text = problems.to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.contains("neither XDG_DATA_HOME nor HOME is set"),
            "{text}"
        );
    }

    #[test]
    fn folders_are_for_their_owner_only() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
        let deep = temp.path().join("state/tokenward");
        make_private(&deep).expect("made");
        assert_eq!(
            (mode(&deep), mode(&temp.path().join("state"))),
            (0o700, 0o700)
        );
        std::fs::set_permissions(&deep, Permissions::from_mode(0o755)).expect("opened");
        make_private(&deep).expect("closed");
        assert_eq!(mode(&deep), 0o700);
        let file = temp.path().join("file");
        std::fs::write(&file, "").expect("written");
        let problem = make_private(&file).expect_err("a file in the way");
        assert!(
            problem.to_string().contains("cannot make this folder"),
            "{problem}"
        );
    }
}
