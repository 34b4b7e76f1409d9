//! A store in a database of `PostgreSQL`, in a schema `demur` of its own, so that several machines share it.

use std::borrow::Cow;
use std::error::Error;

use anyhow::{Context, bail};
use bytes::BytesMut;
use postgres::config::SslMode;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls};

use crate::client;
use crate::store::postgres_tls::Tls;
use crate::store::value::{Row, Value};

impl ToSql for Value<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(of, out),
            Self::Real(number) => number.to_sql(of, out),
            Self::Text(text) => text.as_ref().to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::FLOAT8, Type::TEXT].contains(of)
    }

    to_sql_checked!();
}

/// Connects by TLS, unless the URL says `sslmode=disable`.
///
/// # Errors
/// When the server cannot be reached, or lets nobody in.
pub(super) fn open(config: &Config) -> anyhow::Result<Client> {
    let mut client = if config.get_ssl_mode() == SslMode::Disable {
        config.connect(NoTls)
    } else {
        by_tls(config, Tls(client::trust(&[b"postgresql"])?))
    }
    .context(
        "cannot connect (add sslmode=disable to the URL where the server has no TLS, or no certificate that is trusted)",
    )?;
    client.batch_execute("CREATE SCHEMA IF NOT EXISTS demur; SET search_path TO demur")?;
    Ok(client)
}

/// Connects by TLS or not at all. `prefer`, the default of other clients, would send the password and all
/// prompts in the clear wherever a server, or whoever answers in its place, says that it has no TLS.
fn by_tls(config: &Config, tls: Tls) -> Result<Client, postgres::Error> {
    config.clone().ssl_mode(SslMode::Require).connect(tls)
}

pub(super) fn execute(client: &mut Client, statement: &str, values: &[Value<'_>]) -> anyhow::Result<u64> {
    Ok(client.execute(statement, &given(values))?)
}

pub(super) fn query(client: &mut Client, statement: &str, values: &[Value<'_>]) -> anyhow::Result<Vec<Row>> {
    let found = client.query(statement, &given(values))?;
    found
        .iter()
        .map(|row| (0..row.len()).map(|at| cell(row, at)).collect::<anyhow::Result<_>>().map(Row))
        .collect()
}

fn given<'v>(values: &'v [Value<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn cell(row: &postgres::Row, at: usize) -> anyhow::Result<Value<'static>> {
    let of = row.columns()[at].type_();
    Ok(match of {
        of if *of == Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map_or(Value::Null, Value::Integer),
        of if *of == Type::FLOAT8 => row.try_get::<_, Option<f64>>(at)?.map_or(Value::Null, Value::Real),
        of if *of == Type::TEXT => {
            row.try_get::<_, Option<String>>(at)?.map_or(Value::Null, |text| Value::Text(Cow::Owned(text)))
        }
        of => bail!("the store has a column of the type {of}: something else has changed it"),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use rustls::{ClientConfig, RootCertStore};

    use super::*;

    #[test]
    fn a_server_that_says_it_has_no_tls_gets_no_password() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let served = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            // The question whether there is TLS, to which `N` is no.
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(b"N").unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            rest
        });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let config: Config = format!("postgres://u:SECRET@127.0.0.1:{port}/d").parse().unwrap();
        assert!(by_tls(&config, Tls(Arc::new(tls))).is_err());
        assert_eq!(served.join().unwrap(), b"", "nothing is sent after that");
    }
}
