//! Which of flags, environment and files wins, and that every problem of all of them is told.

use super::*;
use std::os::unix::fs::PermissionsExt;

const FILE: &str = r#"
default_profile = "dev"
[profile.dev]
url = "postgres://dev-host/app"
[profile.prod]
url = "postgres://u:hunter2@prod-host/app"
protected = true
read_only = true
schema = "app"
"#;

/// A home folder with a configuration file in it.
struct Home(tempfile::TempDir);

impl Home {
    fn with(config: &str) -> Self {
        let home = Self(tempfile::tempdir().expect("a temporary folder"));
        let path = home.config_file();
        dirs::make_private(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, config).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("closed");
        home
    }

    fn config_file(&self) -> PathBuf {
        self.0.path().join(".config/tokenward/config.toml")
    }

    fn load(&self, flags: &Flags, vars: &[(&str, &str)]) -> Result<Config, Problems> {
        let home = [("HOME", self.0.path().to_str().expect("UTF-8"))];
        Config::load(flags, &home.iter().chain(vars).copied().collect())
    }

    fn fails(&self, flags: &Flags, vars: &[(&str, &str)]) -> String {
        let problems = self
            .load(flags, vars)
            .expect_err("there is a problem")
            .to_string();
        problems.replace(&self.config_file().display().to_string(), "F")
    }
}

fn profile(name: &str) -> Flags {
    Flags {
        profile: Some(name.to_owned()),
        ..Flags::default()
    }
}

fn database(url: &str) -> Flags {
    Flags {
        database: Some(url.into()),
        ..Flags::default()
    }
}

/// The chosen database in short: its name, and its URL if it has one.
fn chosen(config: &Config) -> (Option<&str>, Option<&str>) {
    let url = match &config.profile.place {
        Place::Url(DatabaseUrl {
            source: UrlSource::Inline(url),
            ..
        }) => Some(url.expose().as_str()),
        Place::Url(DatabaseUrl {
            source: UrlSource::Command(_) | UrlSource::Variable(_),
            ..
        }) => {
            panic!("no such profile in these tests")
        }
        Place::Private => None,
    };
    (config.profile.name.as_deref(), url)
}

#[test]
fn the_first_that_names_a_database_wins() {
    let dev = (Some("dev"), Some("postgres://dev-host/app"));
    let prod = (Some("prod"), Some("postgres://u:hunter2@prod-host/app"));
    let private = (Some("private"), None);
    let bare = |url| (None, Some(url));
    let none = Flags::default();
    let named = ("TOKENWARD_PROFILE", "prod");
    let url = ("DATABASE_URL", "postgres://env-host/app");
    let home = Home::with(FILE);
    for (flags, vars, expected) in [
        (database("host=flag"), &[named, url][..], bare("host=flag")),
        (profile("dev"), &[named, url], dev),
        (profile("private"), &[named, url], private),
        (none.clone(), &[named, url], prod),
        (none.clone(), &[url], bare("postgres://env-host/app")),
        (none.clone(), &[("DATABASE_URL", "")], dev),
        (
            none.clone(),
            &[("TOKENWARD_PROFILE", "private"), url],
            private,
        ),
        (none.clone(), &[], dev),
    ] {
        let config = home.load(&flags, vars).expect("a good configuration");
        assert_eq!(chosen(&config), expected, "{flags:?} {vars:?}");
    }
    let config = Home::with("").load(&none, &[]).expect("an empty file");
    assert_eq!(chosen(&config), private);
    let config = Home::with(&FILE.replace("\"dev\"", "\"private\"")).load(&none, &[]);
    assert_eq!(chosen(&config.expect("a good configuration")), private);
}

#[test]
fn no_file_is_fine_unless_it_was_asked_for() {
    let home = Home(tempfile::tempdir().expect("a temporary folder"));
    let config = home.load(&Flags::default(), &[]).expect("no file");
    assert_eq!(chosen(&config), (Some("private"), None));
    let missing = "/nowhere/c.toml: no such file; is --config or TOKENWARD_CONFIG right?";
    let flags = Flags {
        config: Some("/nowhere/c.toml".into()),
        ..Flags::default()
    };
    assert_eq!(home.fails(&flags, &[]), missing);
    assert_eq!(
        home.fails(
            &Flags::default(),
            &[("TOKENWARD_CONFIG", "/nowhere/c.toml")]
        ),
        missing
    );
}

#[test]
fn a_wrong_choice_is_never_the_private_database() {
    let home = Home::with(FILE);
    let none = Flags::default();
    assert_eq!(
        home.fails(&profile("prdo"), &[]),
        "--profile: no profile `prdo` in F; did you mean `prod`?"
    );
    assert_eq!(
        home.fails(&none, &[("TOKENWARD_PROFILE", "staging")]),
        "TOKENWARD_PROFILE: no profile `staging` in F; `tokenward profile list` shows those it has"
    );
    assert_eq!(
        Home::with("").fails(&profile("prod"), &[]),
        "--profile: no profile `prod` in F; it has none, so give --database URL or write one"
    );
    assert_eq!(
        home.fails(&none, &[("DATABASE_URL", "mysql://u:hunter2@h/db")]),
        "DATABASE_URL: the database URL starts with `mysql://`, not `postgres://`; \
         tokenward works on Postgres only"
    );
    assert_eq!(
        home.fails(&database(""), &[]),
        "--database: the database URL is empty; write postgres://USER@HOST/NAME"
    );
    let both = Flags {
        database: Some("host=x".into()),
        ..profile("private")
    };
    assert!(home.fails(&both, &[]).contains("name two databases"));
}

#[test]
fn a_profile_lends_its_settings_to_a_url() {
    let home = Home::with(FILE);
    let both = Flags {
        database: Some("host=replica".into()),
        ..profile("prod")
    };
    let config = home.load(&both, &[]).expect("a good configuration");
    assert_eq!(chosen(&config), (Some("prod"), Some("host=replica")));
    assert_eq!(config.profile.protection, Protection::Protected);
    assert_eq!(config.profile.schema.as_deref(), Some("app"));
    // Only where a flag named both: a profile from the environment has nothing to do with the flag's URL.
    let config = home.load(&database("host=x"), &[("TOKENWARD_PROFILE", "prod")]);
    assert_eq!(
        config.expect("a good configuration").profile.protection,
        Protection::Open
    );
}

#[test]
fn read_only_by_precedence() {
    use Access::{ReadOnly, ReadWrite};
    let home = Home::with(FILE);
    let flag = |name: &str, read_only, write| Flags {
        read_only,
        write,
        ..profile(name)
    };
    for (flags, variable, expected) in [
        (flag("dev", false, false), "", ReadWrite),
        (flag("prod", false, false), "", ReadOnly),
        (flag("prod", false, true), "", ReadWrite),
        (flag("dev", true, false), "", ReadOnly),
        (flag("dev", false, false), "1", ReadOnly),
        (flag("dev", false, true), "1", ReadWrite),
        (flag("dev", true, false), "0", ReadOnly),
        (flag("prod", false, false), "0", ReadWrite),
        (flag("private", true, false), "", ReadOnly),
        (flag("private", false, false), "true", ReadOnly),
    ] {
        let config = home
            .load(&flags, &[("TOKENWARD_READ_ONLY", variable)])
            .expect("good");
        assert_eq!(config.profile.access, expected, "{flags:?} {variable:?}");
    }
    let config = home.load(&flag("dev", true, false), &[]).expect("good");
    assert!(
        config
            .profiles
            .iter()
            .all(|profile| profile.access == ReadOnly),
        "the others too"
    );
}

#[test]
fn colour_is_off_when_anyone_says_so() {
    let home = Home::with("");
    let flag = Flags {
        no_color: true,
        ..Flags::default()
    };
    for (flags, vars, expected) in [
        (
            Flags::default(),
            [("NO_COLOR", ""), ("TERM", "xterm")],
            Color::Auto,
        ),
        (
            Flags::default(),
            [("NO_COLOR", "1"), ("TERM", "xterm")],
            Color::Off,
        ),
        (
            Flags::default(),
            [("NO_COLOR", ""), ("TERM", "dumb")],
            Color::Off,
        ),
        (flag, [("NO_COLOR", ""), ("TERM", "xterm")], Color::Off),
    ] {
        assert_eq!(
            home.load(&flags, &vars).expect("good").color,
            expected,
            "{vars:?}"
        );
    }
}

#[test]
fn problems_of_all_sources_come_together() {
    let home = Home::with("colour = 1\n[profile.prod]\nurl = 5\n");
    let env_file = home.0.path().join("env");
    std::fs::write(&env_file, "nonsense\n").expect("written");
    let flags = Flags {
        env_file: Some(env_file.clone()),
        ..profile("prod")
    };
    let vars = [
        ("TOKENWARD_READ_ONLY", "maybe"),
        ("TOKENWARD_OPERATOR", "a\nb"),
    ];
    let said = home.fails(&flags, &vars);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            format!("{}:1: not of the form NAME=value", env_file.display()).as_str(),
            "TOKENWARD_READ_ONLY must be 1 or 0",
            "TOKENWARD_OPERATOR must have at most 100 characters, all of them visible",
            "F:1: unknown name `colour` in the top level",
            "F:3: `url` in [profile.prod] must be text in quotes, not an integer",
        ],
        "and `prod` is not said to be missing"
    );
}

#[test]
fn a_broken_file_does_not_make_its_profiles_missing() {
    let said = Home::with("[profile.prod]\nurl = \n").fails(&profile("prod"), &[]);
    assert!(
        said.starts_with("F:2: ") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn an_environment_file_counts_as_environment() {
    let home = Home::with(FILE);
    let env_file = home.0.path().join("env");
    std::fs::write(
        &env_file,
        "TOKENWARD_PROFILE=prod\nTOKENWARD_OPERATOR=Ann\nPGUSER=ann\n",
    )
    .expect("written");
    let flags = Flags {
        env_file: Some(env_file),
        ..Flags::default()
    };
    let config = home.load(&flags, &[]).expect("good");
    assert_eq!(config.profile.name.as_deref(), Some("prod"));
    assert_eq!(config.operator.as_deref(), Some("Ann"));
    assert_eq!(
        config.env.get("PGUSER").and_then(|user| user.to_str()),
        Some("ann")
    );
    let config = home
        .load(&flags, &[("TOKENWARD_PROFILE", "dev")])
        .expect("good");
    assert_eq!(
        config.profile.name.as_deref(),
        Some("dev"),
        "the real environment wins"
    );
    assert_eq!(
        home.load(&Flags::default(), &[]).expect("good").operator,
        None,
        "only when named"
    );
}

#[test]
fn no_password_in_debug() {
    let flags = Flags {
        database: Some("postgres://u:hunter2@h/db".into()),
        ..profile("prod")
    };
    let vars = [
        ("PGPASSWORD", "hunter2"),
        ("DATABASE_URL", "postgres://u:hunter2@h/db"),
    ];
    let config = Home::with(FILE).load(&flags, &vars).expect("good");
    let shown = format!("{flags:?} {config:#?}");
    assert!(
        shown.contains("prod") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn flag_beats_environment_beats_profile_beats_default() {
    use choice::settle;
    assert_eq!(settle(Some(1), Some(2), Some(3), 4), 1);
    assert_eq!(settle(None, Some(2), Some(3), 4), 2);
    assert_eq!(settle(None, None, Some(3), 4), 3);
    assert_eq!(settle(None, None, None, 4), 4);
}
