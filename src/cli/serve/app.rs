//! From the configuration and the operations to what answers the listener's requests.

use crate::cli::exit::{Code, Failure};
use crate::config::{self, Config};
use crate::http::dispatch::App;
use crate::http::route::{Credential, Problem, Route, Routes};
use crate::ops::Ops;
use crate::ops::gate::{Gate, GateSettings};
use crate::ops::hashing::Hashing;

/// What answers, with its hashing threads, and the gate that it asks.
///
/// # Errors
/// When the configuration's routes cannot be served, its secret cannot be had, or the system refuses a thread.
pub async fn build(config: &Config, ops: Ops) -> Result<(App, Gate), Failure> {
    let listener = &config.listener;
    let credential = match &listener.introspect_secret {
        None => None,
        Some(source) => {
            let secret = source.resolve(&config.env).await;
            let secret = secret.map_err(|problem| Failure::usage(problem.to_string()))?;
            Some(Credential::parse(secret).map_err(wrong)?)
        }
    };
    let routes = routes(config, credential.as_ref())?;
    let hashing = Hashing::for_this_machine().map_err(|error| {
        Failure::new(
            Code::Failed,
            format!("cannot start the threads that check passwords: {error}"),
        )
    })?;
    let hashing = hashing.preferring(listener.password_hasher);
    if let Some(usual) = ops.usual_password().await? {
        // A format that we do not know is not imitated; Django's own default is.
        let _ = hashing.imitate(&usual);
    }
    let gate = Gate::open(&ops, GateSettings::default());
    let known = gate.clone();
    let app = App::new(
        routes,
        (ops, gate, hashing),
        listener.failed_logins,
        credential,
    );
    Ok((app, known))
}

/// The built-in routes and the configuration's. What does not fit together is told with its line.
fn routes(config: &Config, credential: Option<&Credential>) -> Result<Routes, Failure> {
    let listener = &config.listener;
    let mut own = Vec::with_capacity(listener.routes.len());
    for route in &listener.routes {
        let keyword = route.keyword.as_deref();
        let made = Route::new(
            &route.path,
            route.answers,
            route.tokens,
            keyword,
            route.rate,
        );
        own.push(made.map_err(|problem| {
            let file = &config.dirs.config_file;
            let problem = config::Problem::at(file, route.line, problem.to_string());
            Failure::usage(problem.to_string())
        })?);
    }
    Routes::new(own, listener.obtain_rate, credential).map_err(wrong)
}

/// A problem of several routes together, or of the credential.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the argument of map_err"
)]
fn wrong(problem: Problem) -> Failure {
    Failure::usage(problem.to_string())
}
