//! `tokenward drf_create_token` against `manage.py drf_create_token`: whole processes on the same database, a private
//! server that runs already, turn by turn.
//!
//! `TOKENWARD_BENCH_PYTHON=target/django-venv/bin/python cargo bench --bench drf_create_token`; the environment is the
//! one that `tests/django/run` makes.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program that prints figures or stops"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tokenward");

/// How often each of the two runs.
const TURNS: usize = 15;

fn main() {
    let python = std::env::var("TOKENWARD_BENCH_PYTHON")
        .expect("TOKENWARD_BENCH_PYTHON must name a python with the packages of tests/django/requirements.txt");
    let python = std::fs::canonicalize(Path::new(&python).parent().expect("a folder"))
        .expect("TOKENWARD_BENCH_PYTHON is there")
        .join("python");
    let home = tempfile::tempdir().expect("a folder");
    open_to_the_server(home.path());
    run(tokenward(home.path()).args(["private", "start"]));
    run(tokenward(home.path()).args(["user", "create", "bench", "--no-password"]));
    let url = tokenward(home.path())
        .args(["private", "url"])
        .output()
        .expect("the program starts")
        .stdout;
    let url = String::from_utf8(url).expect("a URL");

    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..TURNS {
        ours.push(run(
            tokenward(home.path()).args(["drf_create_token", "bench"])
        ));
        let mut django = Command::new(&python);
        django.args(["manage.py", "drf_create_token", "bench"]);
        django.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/django"));
        django
            .env("DATABASE_URL", url.trim())
            .env("DJANGO_SETTINGS_MODULE", "project.settings");
        theirs.push(run(&mut django));
    }
    run(tokenward(home.path()).args(["private", "stop"]));

    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let (ours_ms, theirs_ms) = (ours.as_secs_f64() * 1000.0, theirs.as_secs_f64() * 1000.0);
    println!("tokenward drf_create_token: median {ours_ms:.1} ms");
    println!("manage.py drf_create_token: median {theirs_ms:.1} ms");
    println!("times faster: {:.1} (must: 20)", theirs_ms / ours_ms);
}

fn tokenward(home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn run(command: &mut Command) -> Duration {
    command.stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().expect("the program starts");
    let time = start.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    time
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
