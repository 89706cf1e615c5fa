use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn home() -> (tempfile::TempDir, Environment) {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::new(Some("ann".to_owned()), Some(folder.path().to_owned()));
    // Without this the machine's own service file could change a test.
    let environment =
        environment.with("PGSYSCONFDIR", folder.path().join("none").to_str().unwrap());
    (folder, environment)
}

fn resolve(text: &str, environment: &Environment) -> Target {
    Target::resolve(&Secret::from(text), environment).unwrap()
}

fn refuse(text: &str, environment: &Environment) -> Error {
    Target::resolve(&Secret::from(text), environment).unwrap_err()
}

fn password(server: &Server) -> Option<&str> {
    server
        .password
        .as_ref()
        .map(|password| password.secret.expose().as_str())
}

#[test]
fn nothing_given_is_the_usual_socket_as_oneself() {
    let (_home, environment) = home();
    let target = resolve("", &environment);
    assert_eq!(
        (target.user.as_str(), target.database.as_str()),
        ("ann", "ann")
    );
    assert_eq!(
        target.servers[0].place,
        Place::Socket(Environment::default_socket_folder().into())
    );
    assert_eq!(target.servers[0].port, 5432);
    assert_eq!(target.tls.mode, SslMode::Prefer);
    assert_eq!(target.name(), "ann@local");
    assert_eq!(
        resolve("", &environment.with("PGUSER", "bob")).database,
        "bob",
        "the database follows the user"
    );
}

#[test]
fn string_before_service_before_environment() {
    let (folder, environment) = home();
    fs::write(
        folder.path().join(".pg_service.conf"),
        "[prod]\nhost=from-service\nport=6000\nuser=service\n",
    )
    .unwrap();
    let environment = environment
        .with("PGSERVICE", "prod")
        .with("PGHOST", "from-environment")
        .with("PGPORT", "7000")
        .with("PGDATABASE", "from_environment");
    let target = resolve("host=from-string", &environment);
    assert_eq!(
        target.describe(),
        "database from_environment at from-string:6000 as service"
    );
    assert_eq!(target.name(), "service@from-string");
    // An empty value hides what is below it, as in libpq.
    assert_eq!(resolve("dbname=''", &environment).database, "service");
    // `service=` in the string names another service than the environment does.
    assert!(
        matches!(refuse("service=test", &environment), Error::NoService { service, .. } if service == "test")
    );
}

#[test]
fn the_users_service_file_counts_before_the_machines() {
    let (folder, environment) = home();
    let machine = folder.path().join("etc");
    fs::create_dir(&machine).unwrap();
    fs::write(
        machine.join("pg_service.conf"),
        "[both]\nhost=machine\n[mine]\nhost=only-machine\n",
    )
    .unwrap();
    fs::write(folder.path().join("own.conf"), "[both]\nhost=own\n").unwrap();
    let environment = environment
        .with("PGSYSCONFDIR", machine.to_str().unwrap())
        .with(
            "PGSERVICEFILE",
            folder.path().join("own.conf").to_str().unwrap(),
        );
    assert_eq!(resolve("service=both", &environment).name(), "ann@own");
    assert_eq!(
        resolve("postgres://?service=mine", &environment).name(),
        "ann@only-machine"
    );
    let missing = environment.with("PGSERVICEFILE", "/nowhere/services");
    assert!(
        refuse("service=both", &missing)
            .to_string()
            .starts_with("cannot read /nowhere/services")
    );
}

#[test]
fn several_hosts_with_their_ports_addresses_and_passwords() {
    let (folder, environment) = home();
    let file = folder.path().join(".pgpass");
    fs::write(
        &file,
        "db1:5432:app:app:one\ndb2:6000:*:*:two\nlocalhost:*:*:*:socket\n",
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let target = resolve("postgres://app@db1,db2:6000,[::1]/app", &environment);
    assert_eq!(
        target.describe(),
        "database app at db1:5432, db2:6000, [::1]:5432 as app"
    );
    let passwords: Vec<_> = target.servers.iter().map(password).collect();
    assert_eq!(passwords, [Some("one"), Some("two"), None]);
    assert_eq!(
        password(&resolve("", &environment).servers[0]),
        Some("socket"),
        "the usual socket is localhost"
    );
    assert_eq!(
        password(&resolve("host=/elsewhere", &environment).servers[0]),
        None
    );

    let one_port = resolve("host=a,b port=6000", &environment);
    assert!(one_port.servers.iter().all(|server| server.port == 6000));
    let pinned = resolve("host=db.test hostaddr=127.0.0.1", &environment);
    assert_eq!(
        pinned.servers[0].place,
        Place::Tcp {
            name: "db.test".into(),
            address: "127.0.0.1".parse().ok()
        }
    );
    assert!(matches!(
        refuse("host=a,b,c port=1,2", &environment),
        Error::Uneven {
            hosts: 3,
            others: 2,
            ..
        }
    ));
    assert!(matches!(
        refuse("host=a,b hostaddr=::1", &environment),
        Error::Uneven {
            what: "addresses",
            ..
        }
    ));
}

#[test]
fn passwords_come_from_string_variable_and_file_in_that_order() {
    let (folder, environment) = home();
    let file = folder.path().join("pass");
    fs::write(&file, "*:*:*:*:from file\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let environment = environment.with("PGPASSFILE", file.to_str().unwrap());
    let target = resolve("postgres://db", &environment);
    assert_eq!(password(&target.servers[0]), Some("from file"));
    let environment = environment.with("PGPASSWORD", "from variable");
    let target = resolve("postgres://db", &environment);
    assert_eq!(password(&target.servers[0]), Some("from variable"));
    assert_eq!(
        target.servers[0].password.as_ref().unwrap().origin,
        Origin::Variable("PGPASSWORD")
    );
    let target = resolve("postgres://u:string@db", &environment);
    assert_eq!(password(&target.servers[0]), Some("string"));
    let shown = format!("{target:?} {environment:?}");
    assert!(
        !shown.contains("string\"") && !shown.contains("from variable"),
        "{shown}"
    );
}

#[test]
fn a_password_file_open_to_others_leaves_a_warning() {
    let (folder, environment) = home();
    let file = folder.path().join(".pgpass");
    fs::write(&file, "*:*:*:*:hunter2\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let target = resolve("host=db", &environment);
    assert!(target.servers[0].password.is_none());
    assert!(
        target.warnings[0].contains("others can read it"),
        "{:?}",
        target.warnings
    );
    assert!(
        resolve("host=db password=x", &environment)
            .warnings
            .is_empty(),
        "the file was not needed"
    );
}

#[test]
fn tls_follows_the_manual() {
    let (folder, environment) = home();
    let usual = folder.path().join(".postgresql/root.crt");
    assert_eq!(
        resolve("sslmode=verify-ca", &environment).tls.roots,
        Roots::Usual(usual)
    );
    let system = resolve("sslrootcert=system", &environment).tls;
    assert_eq!(
        (system.mode, system.roots),
        (SslMode::VerifyFull, Roots::System)
    );
    let error = refuse("sslrootcert=system sslmode=require", &environment).to_string();
    assert!(
        error.contains("verify-full when sslrootcert is system"),
        "{error}"
    );
    let set = environment
        .with("PGSSLMODE", "require")
        .with("PGSSLROOTCERT", "/r")
        .with("PGSSLCERT", "/c");
    let set = set
        .with("PGSSLKEY", "/k")
        .with("PGCHANNELBINDING", "require");
    let tls = resolve("", &set).tls;
    assert_eq!(
        (tls.mode, tls.roots),
        (SslMode::Require, Roots::File("/r".into()))
    );
    assert_eq!(tls.identity, Some(("/c".into(), "/k".into())));
    assert_eq!(tls.channel_binding, ChannelBinding::Require);
}

#[test]
fn the_rest_of_the_variables() {
    let (_home, environment) = home();
    let environment = environment
        .with("PGCONNECT_TIMEOUT", "7")
        .with("PGTARGETSESSIONATTRS", "prefer-standby")
        .with("PGLOADBALANCEHOSTS", "random")
        .with("PGAPPNAME", "mine")
        .with("PGOPTIONS", "-c geqo=off")
        .with("PGHOSTADDR", "10.0.0.1");
    let target = resolve(
        "tcp_user_timeout=2500 keepalives_idle=9 keepalives=0",
        &environment,
    );
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(
        (target.wanted, target.order),
        (Wanted::PreferStandby, Order::Random)
    );
    assert_eq!(target.application_name.as_deref(), Some("mine"));
    assert_eq!(target.options.as_deref(), Some("-c geqo=off"));
    assert_eq!(target.name(), "ann@10.0.0.1");
    assert_eq!(target.keepalive.user_timeout, Duration::from_millis(2500));
    assert_eq!(
        (target.keepalive.idle, target.keepalive.enabled),
        (Duration::from_secs(9), false)
    );
    assert_eq!(
        resolve("connect_timeout=0", &environment).connect_timeout,
        None
    );
}

#[test]
fn what_cannot_be_done_is_refused_and_the_place_named() {
    let (_home, environment) = home();
    let error = refuse("", &home().1.with("PGREQUIREPEER", "postgres")).to_string();
    assert!(
        error.contains("\"requirepeer\" (from PGREQUIREPEER)"),
        "{error}"
    );
    assert!(matches!(
        refuse("gssencmode=require", &environment),
        Error::Unsupported {
            key: "gssencmode",
            ..
        }
    ));
    assert!(matches!(
        refuse("sslnegotiation=direct", &environment),
        Error::Unsupported { .. }
    ));
    let fine = "gssencmode=disable sslnegotiation=postgres client_encoding=LATIN1 host=a";
    assert_eq!(resolve(fine, &environment).name(), "ann@a");
    for text in [
        "port=0",
        "port=x",
        "sslmode=on",
        "hostaddr=db1",
        "connect_timeout=1s",
        "target_session_attrs=rw",
    ] {
        let key = text.split('=').next().unwrap();
        let error = refuse(text, &environment).to_string();
        assert!(
            error.contains(&format!("\"{key}\" (from the connection string) must be")),
            "{error}"
        );
    }
    let error = refuse("postgres://app:hunter2/x@db/app", &environment).to_string();
    assert!(
        error.contains("@ as %40") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn the_process_gives_its_postgres_variables_and_no_others() {
    let environment = Environment::of_process();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    assert_eq!(environment.user(), user.map(|user| user.name).as_deref());
    assert!(std::env::var_os("PATH").is_some() && environment.get("PATH").is_none());
}
