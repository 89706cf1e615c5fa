//! Sending text to the clipboard: through tmux's own buffer inside tmux, else through a local program, else through
//! the terminal (OSC 52); and clearing it again if it still holds what we sent. The runner calls it.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::tui::Clipboard;
use crate::tui::effect::Sealed;

/// A program has so long to take or give the text.
const PATIENCE: Duration = Duration::from_secs(3);

/// A program that reaches a clipboard.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// What messages call it.
    pub name: &'static str,
    /// The environment variable without which it cannot work.
    needs: Option<&'static str>,
    copy: &'static [&'static str],
    read: &'static [&'static str],
    /// What clears it; each line one call, fed with nothing.
    clear: &'static [&'static [&'static str]],
}

const TMUX: Tool = Tool {
    name: "tmux",
    needs: Some("TMUX"),
    copy: &["tmux", "load-buffer", "-w", "-"],
    read: &["tmux", "show-buffer"],
    // The buffer goes; a space takes its place in the terminal's clipboard, which tmux cannot empty.
    clear: &[
        &["tmux", "delete-buffer"],
        &["tmux", "set-buffer", "-w", " "],
        &["tmux", "delete-buffer"],
    ],
};

const LOCAL: &[Tool] = &[
    Tool {
        name: "wl-copy",
        needs: Some("WAYLAND_DISPLAY"),
        copy: &["wl-copy"],
        read: &["wl-paste", "--no-newline"],
        clear: &[&["wl-copy", "--clear"]],
    },
    Tool {
        name: "xclip",
        needs: Some("DISPLAY"),
        copy: &["xclip", "-selection", "clipboard"],
        read: &["xclip", "-selection", "clipboard", "-o"],
        clear: &[&["xclip", "-selection", "clipboard"]],
    },
    Tool {
        name: "xsel",
        needs: Some("DISPLAY"),
        copy: &["xsel", "--clipboard", "--input"],
        read: &["xsel", "--clipboard", "--output"],
        clear: &[&["xsel", "--clipboard", "--clear"]],
    },
    Tool {
        name: "pbcopy",
        needs: None,
        copy: &["pbcopy"],
        read: &["pbpaste"],
        clear: &[&["pbcopy"]],
    },
];

/// The way to the clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Through a program.
    Tool(&'static Tool),
    /// Through the terminal.
    Osc52,
}

/// Chooses the way.
///
/// # Errors
/// In words, when the wished way cannot be gone.
pub fn route(wish: Clipboard) -> Result<Route, String> {
    let usable = |tool: &&'static Tool| {
        let env = tool
            .needs
            .is_none_or(|name| env::var_os(name).is_some_and(|value| !value.is_empty()));
        env && tool.copy.first().is_some_and(|program| is_on_path(program))
    };
    let local = || LOCAL.iter().find(usable).map(Route::Tool);
    let tmux = || Some(&TMUX).filter(usable).map(Route::Tool);
    match wish {
        Clipboard::Auto => Ok(tmux().or_else(local).unwrap_or(Route::Osc52)),
        Clipboard::Tmux => tmux().ok_or_else(|| "this is not a tmux session".to_owned()),
        Clipboard::Local => local().ok_or_else(|| {
            "found none of wl-copy, xclip, xsel, pbcopy that could work here".to_owned()
        }),
        Clipboard::Osc52 => Ok(Route::Osc52),
        Clipboard::Off => Err("ui.clipboard is \"off\"".to_owned()),
    }
}

fn is_on_path(program: &str) -> bool {
    let is_program = |path: &Path| {
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| is_program(&folder.join(program))))
}

impl Tool {
    /// Sends `text`.
    ///
    /// # Errors
    /// In words.
    pub async fn copy(&self, text: &Sealed) -> Result<(), String> {
        let first = run(self.copy, text.expose()).await;
        if first.is_err() && self.copy.contains(&"-w") {
            // tmux before 3.2 knows no -w; its own buffer is still something.
            let plain: Vec<&str> = self
                .copy
                .iter()
                .copied()
                .filter(|word| *word != "-w")
                .collect();
            return run(&plain, text.expose()).await.map(drop);
        }
        first.map(drop)
    }

    /// Clears the clipboard if it still holds `text`.
    pub async fn clear(&self, text: &Sealed) {
        if run(self.read, "")
            .await
            .is_ok_and(|held| held.trim_end() == text.expose())
        {
            for call in self.clear {
                // Nobody waits for the answer, and there is nobody left to tell.
                let _ = run(call, "").await;
            }
        }
    }
}

/// Runs a program with `fed` on its standard input; gives its output.
async fn run(words: &[&str], fed: &str) -> Result<String, String> {
    let [program, rest @ ..] = words else {
        return Err("no program".to_owned());
    };
    let work = async {
        let mut child = Command::new(program)
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{program} did not start: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            let fed = stdin.write_all(fed.as_bytes()).await;
            fed.map_err(|error| format!("{program} did not take the text: {error}"))?;
        }
        // Not `wait_with_output`: wl-copy and xclip stay in the background and keep the pipe open.
        let status = child
            .wait()
            .await
            .map_err(|error| format!("{program} failed: {error}"))?;
        if !status.success() {
            return Err(format!("{program} failed ({status})"));
        }
        let mut held = String::new();
        if let Some(stdout) = child.stdout.take() {
            use tokio::io::AsyncReadExt;
            let mut limited = stdout.take(64 * 1024);
            let read = limited.read_to_string(&mut held);
            let _ = timeout(Duration::from_millis(300), read).await;
        }
        Ok(held)
    };
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(format!("{program} did not answer in 3 s")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_gets_the_text_and_its_answer_comes_back() {
        assert_eq!(run(&["cat"], "9944b091").await, Ok("9944b091".to_owned()));
        assert!(
            run(&["false"], "")
                .await
                .unwrap_err()
                .contains("false failed")
        );
        assert!(
            run(&["no-such-program-here"], "")
                .await
                .unwrap_err()
                .contains("did not start")
        );
    }

    #[test]
    fn what_was_switched_off_is_not_used() {
        assert!(route(Clipboard::Off).unwrap_err().contains("off"));
        assert_eq!(route(Clipboard::Osc52), Ok(Route::Osc52));
    }
}
