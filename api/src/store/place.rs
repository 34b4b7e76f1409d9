//! Where a store is: a file of `SQLite`, or a database of `PostgreSQL` by its URL.

use std::fmt;
use std::path::PathBuf;

/// Where a store is.
#[derive(Clone)]
pub(crate) enum StorePlace {
    /// A file of `SQLite`.
    File(PathBuf),
    /// A database of `PostgreSQL`.
    Postgres(Box<postgres::Config>),
}

impl StorePlace {
    /// Parses what a user names. An error never shows the URL: it may hold a password.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if is_url {
            let wrong = "it cannot be read as a URL of PostgreSQL: postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require";
            return text.parse().map(|config| Self::Postgres(Box::new(config))).map_err(|_| wrong.to_owned());
        }
        if text.contains("://") || text.is_empty() || text == "-" {
            return Err("a store is a file, or postgres://USER:PASSWORD@HOST/DATABASE".to_owned());
        }
        Ok(Self::File(PathBuf::from(text)))
    }

    /// As flags and files name it, without what may be secret.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Postgres(config) => {
                format!("postgres://{}/{}", host(config), config.get_dbname().unwrap_or_default())
            }
        }
    }

    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl PartialEq for StorePlace {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Postgres(one), Self::Postgres(other)) => {
                let of = |config: &postgres::Config| {
                    let password = config.get_password().map(<[u8]>::to_vec);
                    (config.get_user().map(str::to_owned), password, config.get_dbname().map(str::to_owned))
                };
                of(one) == of(other)
                    && one.get_hosts() == other.get_hosts()
                    && one.get_ports() == other.get_ports()
            }
            _ => false,
        }
    }
}

/// Without user and password.
impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(config) => {
                write!(f, "the database {} of {}", config.get_dbname().unwrap_or("of its user"), host(config))
            }
        }
    }
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first of its hosts.
fn host(config: &postgres::Config) -> String {
    match config.get_hosts().first() {
        Some(postgres::config::Host::Tcp(name)) => name.clone(),
        Some(postgres::config::Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file_or_a_database_and_its_password_is_never_shown() {
        assert!(
            matches!(StorePlace::parse("a.db").unwrap(), StorePlace::File(path) if path.as_os_str() == "a.db")
        );
        let place = StorePlace::parse("postgres://u:SECRET@db.example:5433/demur?sslmode=require").unwrap();
        assert_eq!(
            format!("{place} {place:?}"),
            "the database demur of db.example the database demur of db.example"
        );
        assert_eq!(place.address(), "postgres://db.example/demur");
        let other = StorePlace::parse("postgres://u:OTHER@db.example:5433/demur?sslmode=require").unwrap();
        assert!(place == place.clone() && place != other);
        for wrong in
            ["postgres://u:SECRET@h:port/d", "postgresql://h/d?SECRET=1", "mysql://u:SECRET@h/d", "-", ""]
        {
            let error = StorePlace::parse(wrong).unwrap_err();
            assert!(error.contains("postgres://USER") && !error.contains("SECRET"), "{wrong}: {error}");
        }
    }
}
