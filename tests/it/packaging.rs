//! The units in `packaging/` are what systemd understands, and hold our listener as tightly as they say.

use std::path::{Path, PathBuf};
use std::process::Command;

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

#[test]
fn systemd_understands_the_units() {
    // Beside the real ones, with a program that is there.
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenward.service", "tokenward.socket"] {
        let unit = std::fs::read_to_string(packaging().join(name)).unwrap();
        let unit = unit.replace("/usr/bin/tokenward", env!("CARGO_BIN_EXE_tokenward"));
        std::fs::write(folder.path().join(name), unit).unwrap();
    }
    let checked = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(folder.path().join("tokenward.service"))
        .arg(folder.path().join("tokenward.socket"))
        .output();
    let Ok(checked) = checked else {
        // Only systemd knows what it understands; where it is not, nobody will start the units either.
        return;
    };
    let said = String::from_utf8_lossy(&checked.stderr);
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("tokenward"))
        .collect();
    assert_eq!(ours, [""; 0], "{said}");
}

#[test]
fn the_service_holds_on_to_nothing_it_does_not_need() {
    let unit = std::fs::read_to_string(packaging().join("tokenward.service")).unwrap();
    for line in [
        "Type=notify",
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "MemoryDenyWriteExecute=yes",
        "SystemCallFilter=@system-service",
        "WatchdogSec=10s",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
}
