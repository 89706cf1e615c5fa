//! Folders in which something is in the way: leftovers, another version, too long a path, no right.

use super::*;

#[tokio::test]
async fn a_path_too_long_for_a_socket_works_all_the_same() {
    let folder = folder();
    let base = folder
        .path()
        .join("long".repeat(20))
        .join("path with, \"signs\" ".repeat(3))
        .join("tokenward");
    let home = Home::at(base);
    let lease = open(&home).await;
    assert!(
        lease.socket_folder().as_os_str().len() < 90,
        "{}",
        lease.socket_folder().display()
    );
    assert_eq!(mode(lease.socket_folder()), 0o700);
    connect(&lease, "postgres")
        .await
        .batch_execute("SELECT 1")
        .await
        .unwrap();
    let socket_folder = lease.socket_folder().to_owned();
    lease.leave().await.unwrap();
    private::remove(&home).await.unwrap();
    assert!(!socket_folder.exists());
}

#[tokio::test]
async fn leftovers_of_a_power_cut_are_cleared_and_another_version_is_left_alone() {
    let folder = folder();
    let home = home_in(&folder);
    let lease = open(&home).await;
    let (data, run) = (
        lease.data_folder().to_owned(),
        lease.socket_folder().to_owned(),
    );
    lease.leave().await.unwrap();
    wait_until_stopped(&home).await;

    // After a power cut the number of the server may be another process of the same user.
    let owner = fs::metadata(&data).unwrap();
    let mut sleeper = Command::new("sleep");
    sleeper.arg("600");
    if Uid::effective().is_root() {
        std::os::unix::process::CommandExt::uid(&mut sleeper, owner.uid());
    }
    let mut sleeper = sleeper.spawn().unwrap();
    let text = format!(
        "{}\n{}\n1700000000\n5432\n{}\n\n 1 1\nready   \n",
        sleeper.id(),
        data.display(),
        run.display()
    );
    for path in [data.join("postmaster.pid"), run.join(".s.PGSQL.5432.lock")] {
        fs::write(&path, &text).unwrap();
        std::os::unix::fs::lchown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let lease = open(&home).await;
    assert!(
        sleeper.try_wait().unwrap().is_none(),
        "an innocent process was stopped"
    );
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    lease.leave().await.unwrap();
    wait_until_stopped(&home).await;

    // The same with a file that never got its content.
    fs::write(data.join("postmaster.pid"), "").unwrap();
    open(&home).await.leave().await.unwrap();
    wait_until_stopped(&home).await;

    let version = data.join("PG_VERSION");
    let made_by = fs::read_to_string(&version).unwrap();
    fs::write(&version, "9.6\n").unwrap();
    let list = || {
        let mut names: Vec<_> = fs::read_dir(&data)
            .unwrap()
            .flatten()
            .map(|entry| {
                (
                    entry.file_name(),
                    entry.metadata().unwrap().modified().unwrap(),
                )
            })
            .collect();
        names.sort();
        names
    };
    let before = list();
    let error = private::open(&home, &mut |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::VersionMismatch { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("made by Postgres 9.6") && text.contains(&format!("{} in /", made_by.trim())),
        "{text}"
    );
    assert_eq!(list(), before);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = private::open(&Home::at(file.join("tokenward")), &mut |_| {})
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("cannot create") && text.contains("XDG_DATA_HOME") && text.contains("/file"),
        "{text}"
    );

    let others = if Uid::effective().is_root() {
        let path = folder.path().join("others");
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::lchown(&path, Some(65534), None).unwrap();
        path
    } else {
        PathBuf::from("/usr")
    };
    let error = private::open(&Home::at(others), &mut |_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotYours { .. }), "{error}");
}
