//! `tokenward leak scan` against `LC_ALL=C grep -Eo '[0-9a-f]{40}'`: whole processes on the same log, turn by turn, what
//! they write read through a pipe. tokenward asks its database about what it finds meanwhile; grep asks nobody.
//!
//! ```text
//! cargo bench --bench leak_scan                                      1 GB
//! TOKENWARD_BENCH_BYTES=100000000 cargo bench --bench leak_scan
//! ```
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program that prints figures or stops"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "a rate has no use for the 53rd bit"
)]

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokenward");

/// How often each of the two runs.
const TURNS: usize = 5;

/// Users whose keys are in the log.
const USERS: usize = 20;

/// Commits that are deployed again and again; their hashes look like keys.
const COMMITS: u64 = 20_000;

fn main() {
    let bytes: usize = match std::env::var("TOKENWARD_BENCH_BYTES") {
        Ok(count) => count.parse().expect("a number in TOKENWARD_BENCH_BYTES"),
        Err(_) => 1_000_000_000,
    };
    let home = tempfile::tempdir().expect("a folder");
    open_to_the_server(home.path());
    let log = home.path().join("app.log");
    let _ = run(tokenward(home.path()).args(["private", "start"]));
    let keys: Vec<String> = (0..USERS).map(|nth| key_of(home.path(), nth)).collect();
    write_log(&log, bytes, &keys);

    let (mut ours, mut theirs, mut peak) = (Vec::new(), Vec::new(), 0);
    let mut told = 0;
    for turn in 0..=TURNS {
        let scanned = run(tokenward(home.path())
            .args(["leak", "scan", "-q"])
            .arg(&log));
        let mut grep = Command::new("grep");
        grep.env("LC_ALL", "C")
            .args(["-Eo", "[0-9a-f]{40}"])
            .arg(&log);
        let grepped = run(&mut grep);
        // The first turn brings the log into memory.
        if turn > 0 {
            ours.push(scanned.time);
            theirs.push(grepped.time);
            peak = peak.max(scanned.peak_kilobytes);
            told = scanned.lines;
        }
    }
    let _ = run(tokenward(home.path()).args(["private", "stop"]));

    assert_eq!(told, USERS, "each live key is told once");
    let (ours, theirs) = (
        median(&mut ours).as_secs_f64(),
        median(&mut theirs).as_secs_f64(),
    );
    let megabytes = bytes as f64 / 1e6;
    println!("log                             {megabytes:.0} MB");
    println!(
        "tokenward leak scan             median {ours:.2} s, {:.0} MB/s",
        megabytes / ours
    );
    println!(
        "grep -Eo '[0-9a-f]{{40}}'         median {theirs:.2} s, {:.0} MB/s",
        megabytes / theirs
    );
    println!(
        "time, as a share of grep's      {:.2} (must not be over 1)",
        ours / theirs
    );
    println!(
        "peak memory                     {:.1} MB (must be under 50)",
        peak as f64 / 1e3
    );
}

/// One line a request, as proxies and applications write them.
fn write_log(path: &Path, bytes: usize, keys: &[String]) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("the log"));
    let mut dice = Dice(0x9944_b091);
    let mut written = 0;
    while written < bytes {
        let (a, b, c) = (dice.next(), dice.next(), dice.next());
        let (seconds, key) = (a % 60, &keys[dice.below(keys.len())]);
        let ip = format!("10.{}.{}.{}", b % 256, b / 256 % 256, b / 65_536 % 256);
        let line = match dice.below(1_000) {
            0..800 => format!(
                "{ip} - - [14/Mar/2026:10:12:{seconds:02} +0000] \"GET /api/v1/items/{}/?page={} HTTP/1.1\" 200 {} \
                 \"https://example.com/app/\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/122.0 Safari/537.36\" rt=0.{:03}\n",
                a % 1_000_000,
                b % 99,
                c % 100_000,
                c % 1_000
            ),
            800..900 => format!(
                "2026-03-14T10:12:{seconds:02}Z INFO request_id={:08x}-{:04x}-4{:03x}-a{:03x}-{:012x} user=u{} took={}ms\n",
                a >> 32,
                b & 0xffff,
                b >> 20 & 0xfff,
                c & 0xfff,
                c >> 16,
                a % 1_000_000,
                b % 999
            ),
            900..950 => format!(
                "2026-03-14T10:12:{seconds:02}Z deploy commit {} by ci\n",
                commit(a % COMMITS)
            ),
            950..980 => format!(
                "2026-03-14T10:12:{seconds:02}Z session {} opened\n",
                (0..14).map(|_| base64(dice.next())).collect::<String>()
            ),
            980..995 => format!(
                "{ip} \"POST /api-token-auth/ HTTP/1.1\" 200 52 rt=0.{:03}\n",
                c % 1_000
            ),
            _ => {
                format!("{ip} \"GET /api/example/ HTTP/1.1\" 200 \"Authorization: Token {key}\"\n")
            }
        };
        written += line.len();
        out.write_all(line.as_bytes()).expect("room for the log");
    }
    out.flush().expect("room for the log");
}

/// A hash for each number, always the same one.
fn commit(number: u64) -> String {
    let mut dice = Dice(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    dice.next();
    format!(
        "{:016x}{:016x}{:08x}",
        dice.next(),
        dice.next(),
        dice.next() >> 32
    )
}

fn base64(bits: u64) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |nth: u32| DIGITS[usize::try_from(bits >> (nth * 6) & 63).unwrap_or(0)];
    (0..8).map(|nth| char::from(digit(nth))).collect()
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % most
    }
}

fn key_of(home: &Path, nth: usize) -> String {
    let name = format!("bench{nth}");
    let _ = run(tokenward(home).args(["user", "create", &name, "--no-password"]));
    let made = tokenward(home)
        .args(["token", "generate", "--raw", &name])
        .output();
    let made = made.expect("the program starts").stdout;
    String::from_utf8(made).expect("a key").trim().to_owned()
}

fn tokenward(home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

struct Ran {
    time: Duration,
    lines: usize,
    peak_kilobytes: u64,
}

fn run(command: &mut Command) -> Ran {
    let start = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut out = child.stdout.take().expect("a pipe");
    let status = format!("/proc/{}/status", child.id());
    // It only grows, so looking now and then is enough.
    let watch = std::thread::spawn(move || {
        let mut peak = 0;
        while let Some(now) = std::fs::read_to_string(&status)
            .ok()
            .and_then(|text| peak_of(&text))
        {
            peak = now;
            std::thread::sleep(Duration::from_millis(10));
        }
        peak
    });
    let (mut piece, mut lines) = (vec![0; 64 * 1024], 0);
    loop {
        let many = out.read(&mut piece).expect("what it writes");
        if many == 0 {
            break;
        }
        lines += piece[..many].split(|byte| *byte == b'\n').count() - 1;
    }
    let status = child.wait().expect("its end");
    let time = start.elapsed();
    assert!(
        matches!(status.code(), Some(0 | 10)),
        "{command:?}: {status}"
    );
    Ran {
        time,
        lines,
        peak_kilobytes: watch.join().expect("the watch"),
    }
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Started by root, the private server runs as somebody else, who must be able to enter.
fn open_to_the_server(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("our folder");
}
