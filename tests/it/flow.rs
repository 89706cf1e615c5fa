//! The main job by keys alone, in a terminal as people have it, large and small: find a user, generate, copy,
//! regenerate, see the old key dead and the new one live, revoke, backfill the rest, read the audit, quit. After each
//! step the database is asked, the audit in it too, not the screen.

mod hooks;
mod leak;
mod listener;
mod undo;

use std::path::Path;
use std::time::{Duration, Instant};

use tokenward::domain::audit::Verb;

use crate::support::place::{self, Place};
use crate::support::pty::{Setting, Terminal};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokenward");

/// A dialog takes no key in its first 300 ms, and keys that come together are taken for a paste.
const HUMAN: Duration = Duration::from_millis(350);

/// How long a file may take to say what was already seen on the screen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Users without a token, 2 of them inactive, among them erin, of whom this is about.
const USERS: i64 = 40;

/// One person at one terminal.
struct Console {
    place: Place,
    terminal: Terminal,
}

impl Console {
    async fn start(rows: u16, columns: u16) -> Self {
        Self::start_with(rows, columns, "127.0.0.1:0").await
    }

    /// The same with a listener that is to be found at `bind`.
    async fn start_with(rows: u16, columns: u16, bind: &str) -> Self {
        let told = format!("[listener]\nbind = \"{bind}\"\n");
        Self::start_on(place::fresh().await, rows, columns, &told).await
    }

    /// The same on `place`, with `told` in the config.
    async fn start_on(place: Place, rows: u16, columns: u16, told: &str) -> Self {
        place
            .sql(&format!(
                "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, \
                 is_active, date_joined) SELECT '!', false, name, '', '', name || '@example.com', false, n > 2, now() \
                 FROM (SELECT n, CASE n WHEN {USERS} THEN 'erin' ELSE 'user' || lpad(n::text, 3, '0') END \
                 FROM generate_series(1, {USERS}) n) made (n, name)"
            ))
            .await;
        let state = place.folder().join("state");
        // Whatever clipboard the machine has: this one can be read in what the program writes.
        let config = place.folder().join("config.toml");
        let told = format!("[ui]\nclipboard = \"osc52\"\n{told}");
        std::fs::write(&config, told).unwrap();
        let setting = Setting::at(place.folder())
            .with("DATABASE_URL", place.url().expose())
            .with("TOKENWARD_CONFIG", &config)
            .with("XDG_STATE_HOME", &state);
        let terminal = Terminal::start(Path::new(PROGRAM), &[], &setting, rows, columns);
        terminal.wait_for(&["erin", "user001"]);
        Self { place, terminal }
    }

    /// One key, then what it brings.
    fn press(&mut self, key: &str, brings: &[&str]) {
        self.terminal.press(key);
        self.terminal.wait_for(brings);
    }

    /// Letters one by one, as a person types them: together they would be a paste. Each is waited for.
    fn type_slowly(&mut self, text: &str, before: &str) {
        for end in 1..=text.len() {
            let seen = format!("{before}{}", &text[..end]);
            self.press(&text[end - 1..end], &[&seen]);
        }
    }

    /// Reads the dialog, then answers it.
    fn answer(&mut self, key: &str, brings: &[&str]) {
        std::thread::sleep(HUMAN);
        self.press(key, brings);
    }

    /// Closes the dialog that has `text`.
    fn close(&mut self, text: &str) {
        std::thread::sleep(HUMAN);
        self.terminal.press("\u{1b}");
        self.terminal.wait_gone(text);
    }

    /// Pastes as a terminal does that was asked to mark pastes: each line ends as Enter would end it.
    fn paste(&mut self, text: &str, brings: &[&str]) {
        let text = text.replace('\n', "\r");
        self.press(&format!("\u{1b}[200~{text}\u{1b}[201~"), brings);
    }

    async fn key_of(&self, name: &str) -> Option<String> {
        let question = format!(
            "SELECT (SELECT key FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id WHERE username = '{name}')"
        );
        self.place.one(&question).await
    }

    async fn tokens(&self) -> i64 {
        self.place.one("SELECT count(*) FROM authtoken_token").await
    }

    /// Waits until the newest line of the audit is about `what` to `whom`.
    fn audited(&self, what: Verb, whom: &str, key: Option<&str>) {
        let begun = Instant::now();
        let prefix = key.map(|key| key[..8].to_owned());
        loop {
            let entry = self.place.audit().pop();
            let fits = entry.as_ref().is_some_and(|entry| {
                entry.what == what
                    && entry.whom == whom
                    && entry.key == prefix
                    && entry.result.starts_with("done")
            });
            if fits {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{what} of {whom}: {entry:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What is on the screen, or was ever written to it, holds no key in clear.
    fn assert_covered(&self, keys: &[&str]) {
        let written = String::from_utf8_lossy(&self.terminal.bytes()).into_owned();
        for key in keys {
            assert!(!written.contains(&key[8..]), "a key was shown");
        }
    }
}

fn covered(key: &str) -> String {
    format!("{}…", &key[..8])
}

/// The base64 of the clipboard's escape sequence: what was copied.
fn copied(key: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in key.as_bytes().chunks(3) {
        let at = |nth: usize| u32::from(three.get(nth).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for nth in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * nth) & 63) as usize];
            out.push(if nth <= three.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    out
}

/// The whole job in a terminal of this size.
async fn whole_job(rows: u16, columns: u16) {
    let mut console = Console::start(rows, columns).await;

    // Find erin.
    console.press("/", &["Esc leave the line"]);
    console.type_slowly("erin", "/");
    console.terminal.wait_gone("user001");
    console.press("\r", &["Enter open", "▸  erin"]);

    // Generate.
    console.press("N", &["Generate a token for erin", "y generate"]);
    assert_eq!(console.tokens().await, 0, "asking changes nothing");
    console.answer("y", &["The token of erin", "Esc done"]);
    let old = console.key_of("erin").await.expect("a token");
    assert_eq!(console.tokens().await, 1);
    console.audited(Verb::Generate, "erin", Some(&old));
    console.close("The token of erin");

    // Copy.
    console.press("y", &["Sent ", &covered(&old), "to the clipboard"]);
    console.audited(Verb::Copy, "erin", Some(&old));
    let written = String::from_utf8_lossy(&console.terminal.bytes()).into_owned();
    assert!(
        written.contains(&copied(&old)),
        "the terminal was given the key"
    );

    // Regenerate.
    console.press("R", &["Regenerate the key of erin", &covered(&old)]);
    console.answer("y", &["The new key of erin"]);
    let new = console.key_of("erin").await.expect("a token");
    assert_ne!(old, new);
    console.audited(Verb::Regenerate, "erin", Some(&old));
    console.answer("y", &["Sent ", &covered(&new)]);
    console.audited(Verb::Copy, "erin", Some(&new));
    console.close("The new key of erin");

    // The old key is dead, the new one lives.
    console.press("2", &["Paste a key"]);
    console.paste(&old, &["RETIRED", "401", "Invalid token."]);
    console.paste(&new, &["LIVE", "200", "erin"]);
    console.terminal.wait_gone("RETIRED");

    // Revoke.
    console.press("1", &["▸  erin"]);
    console.press("D", &["Revoke the key of erin", &covered(&new)]);
    console.answer("y", &["revoked."]);
    assert_eq!(console.tokens().await, 0);
    console.audited(Verb::Revoke, "erin", Some(&new));

    // Backfill the rest and watch it.
    let todo = USERS - 2;
    console.press("3", &["active users", &format!("{todo}  ◂ to do")]);
    console.press("B", &[&format!("Backfill {todo} tokens"), "y start"]);
    assert_eq!(console.tokens().await, 0, "asking changes nothing");
    console.answer("y", &["100 %", &format!("{todo} done"), "0  ◂ to do"]);
    assert_eq!(console.tokens().await, todo);
    let inactive: i64 = console
        .place
        .one("SELECT count(*) FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id WHERE NOT is_active")
        .await;
    assert_eq!(inactive, 0, "only the active ones");
    console.audited(Verb::Backfill, "", None);

    // The audit says it all.
    console.press(
        "5",
        &[
            "generate",
            "copy",
            "regenerate",
            "revoke",
            "backfill",
            "erin",
        ],
    );

    // Quit.
    console.assert_covered(&[&old, &new]);
    console.terminal.press("q");
    assert_eq!(console.terminal.wait_exit(), 0);
    console.terminal.look(|screen| {
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "pastes are still bracketed");
        assert_eq!(screen.contents().trim(), "", "nothing is left behind");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_job_by_keys_alone_in_a_usual_terminal() {
    whole_job(30, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_job_by_keys_alone_in_a_small_terminal() {
    whole_job(20, 60).await;
}
