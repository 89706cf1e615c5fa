//! How the console feels on a million users: the first frame after `exec`, a key's way to the screen, a filter's
//! answer, and the memory it takes. The real program in a pseudo-terminal, on a private server that runs already.
//!
//! `cargo bench --bench console`; `TOKENWARD_BENCH_USERS` makes it another number.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program that prints figures or stops"
)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[path = "../tests/it/support/pty.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod pty;

use pty::{Setting, Terminal};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokenward");

fn main() {
    let users = std::env::var("TOKENWARD_BENCH_USERS").unwrap_or_else(|_| "1000000".to_owned());
    let home = tempfile::tempdir().expect("a folder");
    open_to_the_server(home.path());
    let setting = Setting::at(home.path());
    private(home.path(), "start");

    let made = Instant::now();
    let mut terminal = console(&["demo", "--users", &users], &setting);
    println!(
        "demo of {users} users made and shown: {:.1} s (must: 60)",
        made.elapsed().as_secs_f64()
    );
    quit(&mut terminal);

    first_frame(&setting);
    key_to_frame(&setting);
    private(home.path(), "stop");
}

fn first_frame(setting: &Setting) {
    let mut frames = Vec::new();
    let mut rows = Vec::new();
    for _ in 0..21 {
        let start = Instant::now();
        let mut terminal = Terminal::start(Path::new(PROGRAM), &[], setting, 30, 100);
        frames.push(terminal.wait_for(&["[1 Users]"]) - start);
        quit(&mut terminal);
        let start = Instant::now();
        let mut terminal = Terminal::start(Path::new(PROGRAM), &["demo"], setting, 30, 100);
        rows.push(terminal.wait_for(&["alice.adams"]) - start);
        quit(&mut terminal);
    }
    println!(
        "first frame after exec: median {} ms (must: under 50)",
        millis(median(&mut frames))
    );
    println!(
        "first rows after exec:  median {} ms",
        millis(median(&mut rows))
    );
}

fn key_to_frame(setting: &Setting) {
    let mut terminal = console(&["demo"], setting);
    let mut moving = Vec::new();
    for round in 0..400 {
        let key = match round % 20 {
            9 => "\u{4}",
            19 => "\u{15}",
            n if n < 10 => "j",
            _ => "k",
        };
        moving.push(frame_after(&mut terminal, key));
    }
    report("moving", &mut moving);

    let mut typing = Vec::new();
    let mut answers = Vec::new();
    for (text, answer) in [
        ("zoe.zell", "zoe.zeller"),
        ("noor.pa", "noor.patel"),
        ("sven.q", "sven.quinn"),
    ] {
        for _ in 0..7 {
            terminal.press("/");
            terminal.wait_for(&["/"]);
            let (last, first) = text.split_at(text.len() - 1);
            for key in last.chars() {
                typing.push(frame_after(&mut terminal, &key.to_string()));
            }
            terminal.wait_for(&[&last[..last.len() - 1]]);
            let start = Instant::now();
            terminal.press(first);
            answers.push(
                terminal
                    .wait_for(&[answer])
                    .saturating_duration_since(start),
            );
            terminal.press("\u{1b}");
            std::thread::sleep(Duration::from_millis(60));
            terminal.press("\u{1b}");
            terminal.wait_for(&["alice.adams"]);
        }
    }
    report("typing a filter", &mut typing);
    println!(
        "answer of a filter: median {} ms (must: under 100)",
        millis(median(&mut answers))
    );

    terminal.press("G");
    terminal.wait_gone("alice.adams");
    for _ in 0..200 {
        frame_after(&mut terminal, "\u{15}");
    }
    println!(
        "memory of the console: {:.1} MB (must: under 40)",
        memory(terminal.pid())
    );
    quit(&mut terminal);
}

/// Presses a key and waits for what it changes on the screen.
fn frame_after(terminal: &mut Terminal, key: &str) -> Duration {
    // Whatever the console still has to say of the last key comes first.
    std::thread::sleep(Duration::from_millis(20));
    let written = terminal.written();
    let start = Instant::now();
    terminal.press(key);
    terminal
        .wait_output(written)
        .saturating_duration_since(start)
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100];
    let (middle, count) = (millis(times[times.len() / 2]), times.len());
    println!(
        "key to frame, {what}: median {middle} ms, p99 {} ms of {count} (must: under 16)",
        millis(p99)
    );
}

fn console(arguments: &[&str], setting: &Setting) -> Terminal {
    let terminal = Terminal::start(Path::new(PROGRAM), arguments, setting, 30, 100);
    let deadline = Instant::now() + Duration::from_mins(3);
    while !terminal.screen().contains("alice.adams") {
        assert!(
            Instant::now() < deadline,
            "no list; the screen is\n{}",
            terminal.screen()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    terminal
}

fn quit(terminal: &mut Terminal) {
    terminal.press("q");
    assert_eq!(terminal.wait_exit(), 0, "{}", terminal.screen());
}

fn private(home: &Path, word: &str) {
    let mut command = Command::new(PROGRAM);
    command
        .args(["private", word])
        .env_clear()
        .env("HOME", home);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    assert!(command.status().expect("the program starts").success());
}

/// Resident memory in MB, as `ps` tells it.
fn memory(pid: u32) -> f64 {
    let ps = Command::new("ps")
        .args(["-o", "rss=", "-p", &pid.to_string()])
        .output()
        .expect("ps");
    let kilobytes: f64 = String::from_utf8_lossy(&ps.stdout)
        .trim()
        .parse()
        .expect("a number");
    kilobytes / 1024.0
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// Started by root, the private server runs as somebody else, who must be able to enter.
fn open_to_the_server(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("our folder");
}
