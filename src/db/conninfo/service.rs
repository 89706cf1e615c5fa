//! `pg_service.conf`: named sets of connection parameters, read as libpq reads them (Postgres manual, "The Connection
//! Service File"): the user's own file first, then the machine's.

use std::path::{Path, PathBuf};

use super::{Environment, Error, parse, read_small};
use crate::domain::secret::Secret;

/// The parameters of the service `name`; where one comes twice the first one counts, as in libpq.
pub(super) fn load(
    name: &str,
    file: Option<&str>,
    environment: &Environment,
) -> Result<parse::Pairs, Error> {
    let own = match file {
        Some(file) => Some(PathBuf::from(file)),
        None => environment
            .in_home(".pg_service.conf")
            .filter(|file| file.exists()),
    };
    let system = Some(environment.system_service_file()).filter(|file| file.exists());
    let files: Vec<PathBuf> = own.into_iter().chain(system).collect();
    for file in &files {
        let text = read_small(file)?;
        if let Some(pairs) = section(&text, name, file)? {
            return Ok(pairs);
        }
    }
    Err(Error::NoService {
        service: name.to_owned(),
        files,
    })
}

/// The lines of `[name]` in `text`, or nothing if there is no such section.
fn section(text: &Secret<String>, name: &str, file: &Path) -> Result<Option<parse::Pairs>, Error> {
    let mut found: Option<parse::Pairs> = None;
    for (number, line) in text.expose().lines().enumerate() {
        let broken = |why| Error::ServiceLine {
            file: file.to_owned(),
            line: number + 1,
            why,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if header.strip_suffix(']') == Some(name) {
                found = Some(Vec::new());
            }
            continue;
        }
        let Some(pairs) = &mut found else { continue };
        if line.starts_with("ldap") {
            return Err(broken("a look-up in LDAP, which tokenward cannot do"));
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| broken("a line that is not key=value"))?;
        let key = parse::known(key.trim_end())
            .map_err(|_| broken("a key that is no connection parameter"))?;
        if matches!(key.name, "service" | "servicefile") {
            return Err(broken("a service inside a service"));
        }
        if !pairs.iter().any(|(given, _)| given.name == key.name) {
            pairs.push((key, Secret::from(value.trim_start())));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Result<Option<Vec<(&'static str, String)>>, Error> {
        let pairs = section(&Secret::from(text), name, Path::new("f"))?;
        Ok(pairs.map(|pairs| {
            pairs
                .into_iter()
                .map(|(key, value)| (key.name, value.expose().clone()))
                .collect()
        }))
    }

    #[test]
    fn the_first_section_and_the_first_value_count() {
        let text = "# ours\n[a]\nhost=h1\n[b]\n host = h2 \nhost=h3\nport=5433\n\n[b]\nuser=late\n";
        assert_eq!(
            of("b", text).unwrap().unwrap(),
            [("host", "h2".into()), ("port", "5433".into())]
        );
        assert_eq!(of("c", text).unwrap(), None);
    }

    #[test]
    fn a_broken_line_is_told_by_number_and_not_by_text() {
        let error = of("a", "[a]\nhost=h\npasswort=hunter2\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 3") && !error.contains("hunter2"),
            "{error}"
        );
        assert!(
            of("a", "[a]\nhunter2\n")
                .unwrap_err()
                .to_string()
                .contains("key=value")
        );
        assert!(
            of("a", "[a]\nservice=b\n")
                .unwrap_err()
                .to_string()
                .contains("a service inside a service")
        );
    }
}
