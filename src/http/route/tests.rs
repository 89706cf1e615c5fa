use super::*;

fn route(path: &str, answers: Answers) -> Route {
    Route::new(path, answers, None, None, None).unwrap()
}

/// The reference site's routes.
fn site() -> Routes {
    let rate = Rate::parse("5/min");
    let own = vec![
        route("/api-token-auth/", Answers::Obtain),
        Route::new(
            "/api-token-auth-throttled/",
            Answers::Obtain,
            None,
            None,
            rate,
        )
        .unwrap(),
        Route::new("/api/bearer/", Answers::Whoami, None, Some("Bearer"), None).unwrap(),
        Route::new(
            "/api/knox/",
            Answers::Whoami,
            Some(Tokens::Knox),
            None,
            None,
        )
        .unwrap(),
        route("/api/auth/login/", Answers::KnoxLogin),
        route("/api/auth/logout/", Answers::KnoxLogout),
    ];
    Routes::new(own, None, None).unwrap()
}

fn says(routes: &Routes, target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    match routes.find(path, query) {
        Found::Route(place, route) => {
            assert_eq!(routes.all()[place].path, route.path);
            route.answers.word().to_owned()
        }
        Found::Slash(to) => to.to_str().unwrap().to_owned(),
        Found::Nothing => "404".to_owned(),
    }
}

#[test]
fn paths_are_known_as_the_reference_site_knows_them() {
    let routes = site();
    for (target, expected) in [
        ("/api/example/", "whoami"),
        ("/api/ex%61mple/", "whoami"),
        ("/api%2Fexample/", "whoami"),
        ("/api/example%2f", "whoami"),
        ("/%61pi/example/", "whoami"),
        ("/api/example/?", "whoami"),
        ("/api/example", "/api/example/"),
        ("/api%2Fexample", "/api/example/"),
        ("/api/ex%61mple", "/api/example/"),
        ("/api/example?", "/api/example/"),
        ("/api/example?&", "/api/example/?&"),
        ("/api/example?x=1&y=%20", "/api/example/?x=1&y=%20"),
        ("/api/example?x=%ff", "/api/example/?x=%ff"),
        ("/api/example?x=<>", "/api/example/?x=%3C%3E"),
        ("/api/example?x=\"", "/api/example/?x=%22"),
        (
            "/api/example?x={|}^`\\",
            "/api/example/?x=%7B%7C%7D%5E%60%5C",
        ),
        (
            "/api/example?x='()*~!;:@,$[]",
            "/api/example/?x='()*~!;:@,$[]",
        ),
        ("/api/example?x=%zz", "/api/example/?x=%zz"),
        ("/api/example?a?b", "/api/example/?a?b"),
        ("/api/example?x=é", "/api/example/?x=%C3%A9"),
        ("/api-token-auth", "/api-token-auth/"),
        ("/api-token-auth-ex", "/api-token-auth-ex/"),
        ("/api/auth/login", "/api/auth/login/"),
        ("/auth", "auth"),
        ("/auth/", "auth"),
        ("/auth/api/x", "auth"),
        ("/authority", "404"),
        ("/introspect", "404"),
        ("/api/auth", "404"),
        ("/api/auth/", "404"),
        ("/api-token-auth-", "404"),
        ("//api/example/", "404"),
        ("//api/example", "404"),
        ("/api//example/", "404"),
        ("/api/./example/", "404"),
        ("/api/x/../example/", "404"),
        ("/api/example/%00", "404"),
        ("/api/example/%0A", "404"),
        ("/api/example%0A", "404"),
        ("/api/example%20", "404"),
        ("/api/example%", "404"),
        ("/api/example%/", "404"),
        ("/api/example%2", "404"),
        ("/api/ex%2561mple/", "404"),
        ("/api/example/;x", "404"),
        ("/api/example;x/", "404"),
        ("/api/example/.json", "404"),
        ("/api/example.json", "404"),
        ("/API/EXAMPLE/", "404"),
        ("/api/example%3F/", "404"),
        ("/api/example+", "404"),
        ("/%ff/", "404"),
        ("/api/example/%ff", "404"),
        ("/%e9", "404"),
        ("/", "404"),
        ("*", "404"),
    ] {
        assert_eq!(says(&routes, target), expected, "{target}");
    }
}

#[test]
fn own_routes_replace_the_default_ones() {
    let own =
        vec![Route::new("/api/example/", Answers::Whoami, None, Some("Bearer"), None).unwrap()];
    let rate = Rate::parse("10/min");
    let credential = Credential::parse(Secret::from("a-long-enough-secret")).unwrap();
    let routes = Routes::new(own, rate, Some(&credential)).unwrap();
    let told: Vec<_> = routes
        .all()
        .iter()
        .map(|r| (r.path.as_str(), r.keyword.as_str(), r.rate))
        .collect();
    let expected = [
        ("/api/example/", "Bearer", None),
        ("/api-token-auth/", "Token", rate),
        ("/api-token-auth-ex/", "Token", rate),
        ("/auth", "Token", None),
        ("/introspect", "Token", None),
    ];
    assert_eq!(told, expected);
    assert_eq!(routes.all()[0].challenge, "Bearer");
    assert_eq!(routes.all()[1].challenge, "Basic realm=\"api\"");
}

#[test]
fn what_cannot_work_is_refused_in_words() {
    let knox = Some(Tokens::Knox);
    let rate = Rate::parse("5/s");
    for (made, words) in [
        (
            Route::new("api/", Answers::Whoami, None, None, None),
            "does not start with a slash",
        ),
        (
            Route::new("/api", Answers::Whoami, None, None, None),
            "does not end with a slash",
        ),
        (
            Route::new("/auth/", Answers::Auth, None, None, None),
            "ends with a slash",
        ),
        (
            Route::new("//api/", Answers::Whoami, None, None, None),
            "an empty part",
        ),
        (
            Route::new("/a/../b/", Answers::Whoami, None, None, None),
            ". or ..",
        ),
        (
            Route::new("/a b/", Answers::Whoami, None, None, None),
            "escaped",
        ),
        (
            Route::new("/%61/", Answers::Whoami, None, None, None),
            "escaped",
        ),
        (
            Route::new("/é/", Answers::Whoami, None, None, None),
            "escaped",
        ),
        (
            Route::new("/a/", Answers::Obtain, knox, None, None),
            "takes no token",
        ),
        (
            Route::new("/a/", Answers::KnoxLogin, None, Some("X"), None),
            "takes no token",
        ),
        (
            Route::new("/a/", Answers::KnoxLogout, Some(Tokens::Both), None, None),
            "knox tokens only",
        ),
        (
            Route::new("/a/", Answers::Whoami, None, None, rate),
            "never comes to count",
        ),
        (
            Route::new("/a/", Answers::Whoami, None, Some("To ken"), None),
            "cannot be a keyword",
        ),
        (
            Route::new("/a/", Answers::Whoami, None, Some(""), None),
            "cannot be a keyword",
        ),
    ] {
        let said = made.unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
    let twice = vec![route("/a/", Answers::Whoami), route("/a/", Answers::Obtain)];
    let said = Routes::new(twice, None, None).unwrap_err().to_string();
    assert_eq!(
        said,
        "two routes have the path \"/a/\"; give each path once"
    );
    let blind = vec![route("/i", Answers::Introspect)];
    assert!(matches!(
        Routes::new(blind, None, None),
        Err(Problem::NoCredential(_))
    ));
    for weak in ["short", "with a blank in between", "höchst-geheim-und-lang"] {
        assert!(
            matches!(
                Credential::parse(Secret::from(weak)),
                Err(Problem::WeakCredential)
            ),
            "{weak}"
        );
    }
}

#[test]
fn format_is_read_as_a_query_of_django() {
    for (query, expected) in [
        ("", Format::Json),
        ("format", Format::Json),
        ("format=", Format::Json),
        ("format=json", Format::Json),
        ("format=js%6Fn", Format::Json),
        ("format=json&format=", Format::Json),
        ("format=xml&format=json", Format::Json),
        ("Format=xml", Format::Json),
        ("form+at=xml", Format::Json),
        ("=format", Format::Json),
        ("format[]=xml", Format::Json),
        ("x=%", Format::Json),
        ("format=JSON", Format::Unknown),
        ("format=json&format=xml", Format::Unknown),
        ("f%6frmat=xml", Format::Unknown),
        ("format=json+", Format::Unknown),
        ("format=+", Format::Unknown),
        ("format=json%00", Format::Unknown),
        ("format=json;x", Format::Unknown),
        ("format==json", Format::Unknown),
        ("&&format=xml", Format::Unknown),
        ("format=%FF", Format::Unknown),
        ("x=%zz&format=xml", Format::Unknown),
    ] {
        assert_eq!(format_of(query), expected, "{query}");
    }
    assert_eq!(format_of(&"&".repeat(999)), Format::Json);
    assert_eq!(format_of(&"&".repeat(1_000)), Format::TooMany);
}
