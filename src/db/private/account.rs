//! Who runs the server. Postgres refuses to run as root, and containers run as root, so there it gets an
//! unprivileged user; everyone else runs it as themselves.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

use super::error::Error;

/// The user that the server runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Whoever runs tokenward.
    Ourselves,
    /// We are root; this is the user that we start it as.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// The account for the server of `data`: its owner once it is made, else `postgres`, else `nobody`.
    pub fn for_server(data: &Path) -> Result<Self, Error> {
        if !Uid::effective().is_root() {
            return Ok(Self::Ourselves);
        }
        if let Ok(made) = fs::symlink_metadata(data)
            && made.uid() != 0
        {
            return Ok(Self::Other {
                uid: made.uid(),
                gid: made.gid(),
            });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::Other {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
            })
            .ok_or(Error::NoAccount)
    }

    /// The user id of the server's process and files.
    pub fn uid(self) -> u32 {
        match self {
            Self::Ourselves => Uid::effective().as_raw(),
            Self::Other { uid, .. } => uid,
        }
    }

    /// Makes `command` run as this account, without the groups of root, in a folder that everyone can enter.
    pub fn run(self, command: &mut Command) {
        // The server programs look up their own place and fail in a working folder that they may not read.
        command.current_dir("/");
        match self {
            Self::Ourselves => {}
            Self::Other { uid, gid } => {
                command.uid(uid).gid(gid);
            }
        }
    }

    /// Gives `path`, which we have made, to this account. Does not follow a link.
    pub fn own(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid } => lchown(path, Some(uid), Some(gid))
                .map_err(Error::folder("change the owner of", path)),
        }
    }

    /// Whether this account may enter `folder`, by the permission bits of it and of every folder above it.
    pub fn can_enter(self, folder: &Path) -> io::Result<bool> {
        match self {
            Self::Ourselves => Ok(true),
            Self::Other { uid, gid } => {
                for step in fs::canonicalize(folder)?.ancestors() {
                    let meta = fs::metadata(step)?;
                    let bit = if meta.uid() == uid {
                        0o100
                    } else if meta.gid() == gid {
                        0o010
                    } else {
                        0o001
                    };
                    if meta.mode() & bit == 0 {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

/// The name of a user, or their number where there is no name.
pub(super) fn name_of(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("user {uid}"),
    }
}
