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

    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

/// Without user and password.
impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Postgres(config) => {
                let host = match config.get_hosts().first() {
                    Some(postgres::config::Host::Tcp(name)) => name.clone(),
                    Some(postgres::config::Host::Unix(path)) => path.display().to_string(),
                    None => "localhost".to_owned(),
                };
                write!(f, "the database {} of {host}", config.get_dbname().unwrap_or("of its user"))
            }
        }
    }
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
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
        for wrong in
            ["postgres://u:SECRET@h:port/d", "postgresql://h/d?SECRET=1", "mysql://u:SECRET@h/d", "-", ""]
        {
            let error = StorePlace::parse(wrong).unwrap_err();
            assert!(error.contains("postgres://USER") && !error.contains("SECRET"), "{wrong}: {error}");
        }
    }
}
