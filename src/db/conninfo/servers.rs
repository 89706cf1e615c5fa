//! The servers a connection names: hosts, addresses and ports put side by side, each with the password that is its
//! own, since `.pgpass` has passwords by host.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::given::{Given, Origin};
use super::{Environment, Error, passfile};
use crate::domain::secret::Secret;

const DEFAULT_PORT: u16 = 5432;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket in this folder.
    Socket(PathBuf),
    /// TCP.
    Tcp {
        /// The host's name, which a certificate must bear; the address where no name was given.
        name: String,
        /// Its address, if that was given too and saves looking it up.
        address: Option<IpAddr>,
    },
}

/// A password and where it was found.
#[derive(Clone, Debug)]
pub struct Password {
    /// The password.
    pub secret: Secret<String>,
    /// Where it was found, to tell the user which one was refused.
    pub origin: Origin,
}

/// One server that may be tried.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub place: Place,
    /// Its port; with a socket, part of the socket's name.
    pub port: u16,
    /// The password for it.
    pub password: Option<Password>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Socket(folder) => write!(f, "{}/.s.PGSQL.{}", folder.display(), self.port),
            Place::Tcp { name, .. } if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Place::Tcp { name, .. } => write!(f, "{name}:{}", self.port),
        }
    }
}

/// All servers of the connection, at least one.
pub(super) fn all(
    given: &Given,
    environment: &Environment,
    user: &str,
    database: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<Server>, Error> {
    let hosts = given.list("host");
    let addresses = given.list("hostaddr");
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(Error::Uneven {
            hosts: hosts.len(),
            others: addresses.len(),
            what: "addresses",
            or_one: "",
        });
    }
    let count = hosts.len().max(addresses.len()).max(1);
    let ports = given.list("port");
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::Uneven {
            hosts: count,
            others: ports.len(),
            what: "ports",
            or_one: ", or one for all",
        });
    }
    let mut servers = Vec::with_capacity(count);
    for index in 0..count {
        let port = ports
            .get(index)
            .or_else(|| ports.first().filter(|_| ports.len() == 1))
            .copied();
        servers.push(Server {
            place: place(
                given,
                hosts.get(index).copied(),
                addresses.get(index).copied(),
            )?,
            port: match port.unwrap_or_default() {
                "" => DEFAULT_PORT,
                port => {
                    let number = port.parse().ok().filter(|&port| port > 0);
                    number.ok_or_else(|| {
                        given.bad(
                            "port",
                            "a number from 1 to 65535, or several with commas between",
                        )
                    })?
                }
            },
            password: None,
        });
    }
    fill_passwords(&mut servers, given, environment, user, database, warnings);
    Ok(servers)
}

fn place(given: &Given, host: Option<&str>, address: Option<&str>) -> Result<Place, Error> {
    let host = host.filter(|host| !host.is_empty());
    let address = address.filter(|address| !address.is_empty());
    let address: Option<IpAddr> = address
        .map(|address| {
            address
                .parse()
                .map_err(|_| given.bad("hostaddr", "an IPv4 or IPv6 address"))
        })
        .transpose()?;
    Ok(match (host, address) {
        (None, None) => Place::Socket(Environment::default_socket_folder().into()),
        (Some(host), None) if host.starts_with('/') => Place::Socket(host.into()),
        (Some(host), None) if host.starts_with('@') => {
            return Err(given.bad(
                "host",
                "a name, an address or the folder of a socket; abstract sockets do not work",
            ));
        }
        (Some(host), address) => Place::Tcp {
            name: host.to_owned(),
            address,
        },
        (None, Some(address)) => Place::Tcp {
            name: address.to_string(),
            address: Some(address),
        },
    })
}

/// Gives each server its password: the one that was given, else that of the first matching line of the password file.
fn fill_passwords(
    servers: &mut [Server],
    given: &Given,
    environment: &Environment,
    user: &str,
    database: &str,
    warnings: &mut Vec<String>,
) {
    if let Some((secret, origin)) = given.with_origin("password") {
        for server in servers {
            server.password = Some(Password {
                secret: secret.clone(),
                origin: origin.clone(),
            });
        }
        return;
    }
    let named = given.get("passfile").map(PathBuf::from);
    let Some(file) = named.or_else(|| environment.in_home(".pgpass")) else {
        return;
    };
    match passfile::load(&file) {
        Ok(None) => {}
        Ok(Some(text)) => {
            for server in servers {
                let port = server.port.to_string();
                server.password =
                    passfile::find(&text, [host_in_passfile(server), &port, database, user]).map(
                        |secret| Password {
                            secret,
                            origin: Origin::PasswordFile(file.clone()),
                        },
                    );
            }
        }
        Err(warning) => warnings.push(warning),
    }
}

/// The name under which the password file knows a server: `localhost` for the usual socket.
fn host_in_passfile(server: &Server) -> &str {
    match &server.place {
        Place::Socket(folder) if folder == Path::new(Environment::default_socket_folder()) => {
            "localhost"
        }
        Place::Socket(folder) => folder.to_str().unwrap_or_default(),
        Place::Tcp { name, .. } => name,
    }
}
