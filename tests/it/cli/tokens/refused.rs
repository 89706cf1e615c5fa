//! What is refused or goes wrong, and what is said of it: by the profile, by the database, by a pipe, by the disk.

use super::*;

#[tokio::test]
async fn a_protected_or_read_only_profile_refuses_in_words() {
    let place = place::fresh().await;
    users(&place, &["ann"]).await;
    give(&place, "ann", KEY).await;
    let program = Program::new();
    let url = place.url();
    let url = url.expose();
    program.write_config(&format!(
        "[profile.prod]\nurl = \"{url}\"\nprotected = true\n[profile.look]\nurl = \"{url}\"\nread_only = true\n"
    ));
    let err = program
        .run(&["-p", "prod", "token", "revoke", "ann"])
        .fails(5);
    assert!(err.contains("prod is protected: give --yes"), "{err}");
    let err = program
        .run(&["-p", "look", "token", "revoke", "ann"])
        .fails(5);
    assert!(err.contains("READ ONLY"), "{err}");
    let err = program
        .run(&["-p", "look", "token", "backfill", "--yes"])
        .fails(5);
    assert!(err.contains("READ ONLY"), "{err}");
    // What changes nothing needs nobody's yes.
    program
        .run(&["-p", "prod", "token", "generate", "ann"])
        .ok();
    program.run(&["-p", "look", "token", "list"]).ok();
    let out = program
        .run(&["-p", "look", "--write", "token", "revoke", "ann"])
        .ok();
    assert_eq!(out, "revoked  ann  9944b091…\n");
}

#[tokio::test]
async fn a_role_without_a_right_is_told_which() {
    let place = place::fresh().await;
    users(&place, &["ann"]).await;
    give(&place, "ann", KEY).await;
    let url = place
        .url_of_role(
            "app_ro",
            "GRANT SELECT ON auth_user, authtoken_token TO {role}",
        )
        .await;
    let program = Program::new().with("DATABASE_URL", url.expose());
    let err = program.run(&["token", "regenerate", "ann"]).fails(3);
    let role = place.role("app_ro");
    assert_eq!(
        err,
        format!("tokenward: Role {role} may not update authtoken_token.\n")
    );
    program.run(&["token", "list"]).ok();
}

#[tokio::test]
async fn new_keys_that_nobody_could_read_are_told_of() {
    let place = place::fresh().await;
    users(&place, &["ann", "bea"]).await;
    give(&place, "ann", KEY).await;
    give(&place, "bea", &KEY.replace('9', "8")).await;
    let program = Program::on(&place);
    let words = [
        "token",
        "regenerate",
        "ann",
        "bea",
        "--yes",
        "--report",
        "r",
    ];
    let mut child = program.command(&words).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    let err = ran.fails(4);
    assert!(
        err.contains("2 tokens on ") && err.contains("token show --reveal"),
        "{err}"
    );
    assert_ne!(key_of(&place, "bea").await, KEY.replace('9', "8"));
    let report = std::fs::read_to_string(program.path("r")).unwrap();
    assert_eq!(report.matches("\"done\"").count(), 2, "{report}");
}

/// Only Linux can reserve room for a line, and mount a small disk for one process.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_under_the_audit_is_met_before_anything_is_changed() {
    let place = place::fresh().await;
    // Else the audit is in the database.
    place.sql("DROP SCHEMA tokenward CASCADE").await;
    users(&place, &["ann", "bea"]).await;
    give(&place, "ann", KEY).await;
    let program = Program::on(&place);
    std::fs::create_dir(program.path("state")).unwrap();
    let on_a_full_disk = |words: &[&str]| -> Ran {
        let tokenward = program.command(words);
        // A mount of its own is for root, or for a user whom the system lets be root of a namespace.
        let mut command = std::process::Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command
            .args(["--mount", "sh", "-c"])
            .arg(
                "mount -t tmpfs -o size=16k none state && mkdir -m 700 state/tokenward && \
                 : > state/tokenward/audit.jsonl && cat /dev/zero > state/fill 2> /dev/null; \
                 exec \"$0\" \"$@\"",
            )
            .arg(tokenward.get_program())
            .args(tokenward.get_args())
            .current_dir(program.path(""))
            .env_clear()
            .envs(
                tokenward
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(std::process::Stdio::null());
        command.output().unwrap().into()
    };
    for words in [
        &["token", "regenerate", "ann"][..],
        &["token", "revoke", "ann"],
        &["token", "generate", "bea"],
        &["token", "backfill", "--yes"],
        &["user", "off", "ann"],
    ] {
        let err = on_a_full_disk(words).fails(1);
        assert!(
            err.contains("No space left") && err.contains("nothing was changed"),
            "{words:?}: {err}"
        );
    }
    assert_eq!(key_of(&place, "ann").await, KEY);
    assert_eq!(key_of(&place, "bea").await, "");
    let active = "SELECT is_active::text FROM auth_user WHERE username = 'ann'";
    assert_eq!(place.one::<String>(active).await, "true");
}
