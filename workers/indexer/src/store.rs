//! The database: SQLite in a file, or PostgreSQL.

use crate::{
    Error, Result,
    books::{self, Step},
    follow::Taken,
};
use solana_address::Address;
use solana_signature::Signature;
use sqlx::{
    Any, AnyPool, Row,
    any::{AnyArguments, AnyPoolOptions, AnyRow},
    migrate::Migrator,
    query::Query,
};
use std::sync::Arc;
use tokio::sync::{Mutex, watch};

/// Connections for queries. Indexing has one of its own, as an abandoned query may hold its connection for long.
const CONNECTIONS: u32 = 8;
/// How a connection to SQLite begins.
const SQLITE: &[&str] = &[
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA busy_timeout = 5000",
];
/// How a connection for queries to PostgreSQL begins. Nobody waits longer for an answer, but PostgreSQL would go on and keep the connection
/// from others.
const POSTGRES_QUERIES: &[&str] = &["SET statement_timeout = '10s'"];
/// Events in one transaction while the books are rebuilt.
const REBUILD_BATCH: u32 = 1_000;

/// The schema, version by version.
static MIGRATIONS: Migrator = sqlx::migrate!();

/// The database of the market's history.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    /// The one connection that writes what is indexed.
    intake: AnyPool,
    /// URL without credentials.
    url: String,
    /// Number of the newest event, for those who wait for more.
    newest: watch::Sender<i64>,
    /// Whether all that had happened before this run has been indexed.
    caught_up: watch::Sender<bool>,
    /// Figures of the whole market as they were last computed.
    figures: Arc<Mutex<Vec<(String, i64)>>>,
}

impl Store {
    /// Opens the database at `url` (`sqlite://FILE` or `postgres://…`), migrates it and rebuilds the books if a migration emptied them.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let is_sqlite = url.starts_with("sqlite:");
        let failed = |cause| Error::Database { url: shown(url), cause };
        let with_options = match is_sqlite && !url.contains('?') {
            true => format!("{url}?mode=rwc"),
            false => url.to_owned(),
        };
        let [for_intake, for_queries] = match is_sqlite {
            true => [SQLITE; 2],
            false => [&[][..], POSTGRES_QUERIES],
        };
        let intake = pool(for_intake, 1).connect(&with_options).await.map_err(failed)?;
        let migrated = MIGRATIONS.run(&intake).await;
        migrated.map_err(|cause| failed(sqlx::Error::Migrate(Box::new(cause))))?;
        while rebuild(&intake).await.map_err(failed)? {}
        let pool = pool(for_queries, CONNECTIONS).connect(&with_options).await.map_err(failed)?;
        let store = Self {
            pool,
            intake,
            url: shown(url),
            newest: watch::Sender::new(0),
            caught_up: watch::Sender::new(false),
            figures: Arc::default(),
        };
        store.newest.send_replace(store.newest_event().await?);
        Ok(store)
    }

    /// The database's URL without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The error of a query.
    pub(crate) fn failed(&self, cause: sqlx::Error) -> Error {
        Error::Database {
            url: self.url.clone(),
            cause,
        }
    }

    /// Binds an empty database to the chain with this genesis hash.
    ///
    /// # Errors
    /// The database belongs to another chain.
    pub async fn belong_to(&self, genesis: &str) -> Result<()> {
        let insert = sqlx::query("INSERT INTO chain (genesis) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM chain)")
            .bind(genesis.to_owned())
            .execute(&self.pool)
            .await;
        insert.map_err(|cause| self.failed(cause))?;
        let known: String = sqlx::query_scalar("SELECT genesis FROM chain")
            .fetch_one(&self.pool)
            .await
            .map_err(|cause| self.failed(cause))?;
        match known == genesis {
            true => Ok(()),
            false => Err(Error::OtherChain {
                url: self.url.clone(),
                genesis: known,
            }),
        }
    }

    /// The newest transaction of a program that has been indexed.
    pub async fn cursor(&self, program: &Address) -> Result<Option<Signature>> {
        let found = sqlx::query("SELECT signature FROM cursors WHERE program = $1")
            .bind(program.to_string())
            .fetch_optional(&self.intake)
            .await
            .map_err(|cause| self.failed(cause))?;
        Ok(found.and_then(|row| row.get::<String, _>(0).parse().ok()))
    }

    /// Writes a round of transactions, in order, with the programs' new cursors: all of it or nothing. Known transactions are skipped.
    pub async fn write(&self, round: &[Taken], cursors: &[(Address, Signature)]) -> Result<()> {
        let newest = self.write_all(round, cursors).await.map_err(|cause| self.failed(cause))?;
        self.newest.send_replace(newest);
        Ok(())
    }

    /// Returns the number of the newest event after it.
    async fn write_all(&self, round: &[Taken], cursors: &[(Address, Signature)]) -> std::result::Result<i64, sqlx::Error> {
        let mut work = self.intake.begin().await?;
        // Writes first, as SQLite cannot wait for its turn in a transaction that has read before it writes.
        for (program, signature) in cursors {
            let upsert = "INSERT INTO cursors (program, signature) VALUES ($1, $2) \
                          ON CONFLICT (program) DO UPDATE SET signature = excluded.signature";
            sqlx::query(upsert)
                .bind(program.to_string())
                .bind(signature.to_string())
                .execute(&mut *work)
                .await?;
        }
        let mut id: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM events")
            .fetch_one(&mut *work)
            .await?;
        for taken in round {
            let signature = taken.signature.to_string();
            let slot = count(taken.slot);
            let is_new = sqlx::query(
                "INSERT INTO transactions (signature, slot, fee, compute_units, time) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(&signature)
            .bind(slot)
            .bind(count(taken.fee))
            .bind(count(taken.compute_units))
            .bind(taken.time)
            .execute(&mut *work)
            .await?
            .rows_affected();
            if is_new == 0 {
                continue;
            }
            for event in &taken.events {
                id = id.saturating_add(1);
                let data = serde_json::Value::Object(event.values.clone()).to_string();
                sqlx::query("INSERT INTO events (id, signature, slot, time, program, name, data) VALUES ($1, $2, $3, $4, $5, $6, $7)")
                    .bind(id)
                    .bind(&signature)
                    .bind(slot)
                    .bind(taken.time)
                    .bind(event.program)
                    .bind(event.name)
                    .bind(data)
                    .execute(&mut *work)
                    .await?;
                for address in books::addresses(&event.values) {
                    sqlx::query("INSERT INTO mentions (address, event) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                        .bind(address)
                        .bind(id)
                        .execute(&mut *work)
                        .await?;
                }
                let step = Step {
                    work: &mut work,
                    values: &event.values,
                    id,
                    time: taken.time,
                    signature: &signature,
                };
                books::apply(step, event.program, event.name).await?;
            }
        }
        work.commit().await?;
        Ok(id)
    }

    /// The newest event that a webhook took. A new webhook starts with the next event, once the past has been indexed.
    pub(crate) async fn webhook(&self, url: &str) -> Result<i64> {
        let found = sqlx::query_scalar("SELECT event FROM webhooks WHERE url = $1")
            .bind(url.to_owned())
            .fetch_optional(&self.pool)
            .await;
        if let Some(event) = found.map_err(|cause| self.failed(cause))? {
            return Ok(event);
        }
        // Cannot fail: this store owns the sender.
        let _ = self.caught_up.subscribe().wait_for(|caught_up| *caught_up).await;
        let newest = self.newest_event().await?;
        let insert = sqlx::query("INSERT INTO webhooks (url, event) VALUES ($1, $2)")
            .bind(url.to_owned())
            .bind(newest)
            .execute(&self.pool)
            .await;
        insert.map(|_| newest).map_err(|cause| self.failed(cause))
    }

    /// Notes that all of the past has been indexed.
    pub(crate) fn catch_up(&self) {
        self.caught_up.send_replace(true);
    }

    /// Records the newest event that a webhook took.
    pub(crate) async fn webhook_took(&self, url: &str, event: i64) -> Result<()> {
        let update = sqlx::query("UPDATE webhooks SET event = $2 WHERE url = $1")
            .bind(url.to_owned())
            .bind(event)
            .execute(&self.pool)
            .await;
        update.map(drop).map_err(|cause| self.failed(cause))
    }

    async fn newest_event(&self) -> Result<i64> {
        let newest = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM events")
            .fetch_one(&self.pool)
            .await;
        newest.map_err(|cause| self.failed(cause))
    }

    /// The number of the newest event, and its changes.
    pub fn watch(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    /// Figures as they were last computed.
    pub(crate) fn figures(&self) -> &Mutex<Vec<(String, i64)>> {
        &self.figures
    }

    /// The rows of a query.
    pub(crate) async fn rows(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>> {
        query.fetch_all(&self.pool).await.map_err(|cause| self.failed(cause))
    }

    /// The rows of a long query while nothing is being indexed: the intake's connection has no time limit.
    pub(crate) async fn all_rows(&self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>> {
        query.fetch_all(&self.intake).await.map_err(|cause| self.failed(cause))
    }
}

/// A pool of connections that begin with these statements.
fn pool(begin: &'static [&'static str], connections: u32) -> AnyPoolOptions {
    let options = AnyPoolOptions::new().max_connections(connections);
    options.after_connect(move |connection, _| {
        Box::pin(async move {
            for statement in begin {
                sqlx::query(*statement).execute(&mut *connection).await?;
            }
            Ok(())
        })
    })
}

/// Version of the schema, and of what the books keep in it.
pub(crate) fn version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Applies the next events to books that a migration has emptied, all or none, so that a killed process resumes there. Returns whether
/// there may be more.
async fn rebuild(pool: &AnyPool) -> std::result::Result<bool, sqlx::Error> {
    let mut work = pool.begin().await?;
    // Writes first, as above. This also makes one of two processes wait for the other.
    sqlx::query("UPDATE rebuild SET event = event").execute(&mut *work).await?;
    let last: Option<i64> = sqlx::query_scalar("SELECT event FROM rebuild").fetch_optional(&mut *work).await?;
    let Some(last) = last else { return Ok(false) };
    let next = sqlx::AssertSqlSafe(format!(
        "SELECT id, signature, time, program, name, data FROM events WHERE id > $1 ORDER BY id LIMIT {REBUILD_BATCH}"
    ));
    let events = sqlx::query(next).bind(last).fetch_all(&mut *work).await?;
    for event in &events {
        let [signature, program, name, data] = [1, 3, 4, 5].map(|column| event.get::<String, _>(column));
        let step = Step {
            work: &mut work,
            values: &serde_json::from_str(&data).map_err(|cause| sqlx::Error::Decode(Box::new(cause)))?,
            id: event.get(0),
            time: event.get(2),
            signature: &signature,
        };
        books::apply(step, &program, &name).await?;
    }
    match events.last().map(|event| event.get::<i64, _>(0)) {
        Some(newest) => {
            tracing::info!(newest, "rebuilding the books from the events");
            sqlx::query("UPDATE rebuild SET event = $1")
                .bind(newest)
                .execute(&mut *work)
                .await?
        }
        None => sqlx::query("DELETE FROM rebuild").execute(&mut *work).await?,
    };
    work.commit().await?;
    Ok(true)
}

/// A URL without user, password and settings, which may be secret.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let place = match scheme {
        "sqlite" => rest,
        _ => rest.rsplit_once('@').map_or(rest, |(_, place)| place),
    };
    format!("{scheme}://{}", place.split('?').next().unwrap_or_default())
}

/// A number as the databases store it. Slots, lamports and $IO stay far below the limit.
pub(crate) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{CONNECTIONS, Store, shown};
    use crate::PROGRAMS;
    use solana_signature::Signature;

    #[tokio::test]
    async fn queries_that_keep_their_connections_do_not_block_indexing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}/history.db", dir.path().display())).await.unwrap();
        let mut kept = Vec::new();
        for _ in 0..CONNECTIONS {
            kept.push(store.pool.acquire().await.unwrap());
        }
        let (program, cursor) = (PROGRAMS[0], Signature::default());
        store.write(&[], &[(program, cursor)]).await.unwrap();
        assert_eq!(store.cursor(&program).await.unwrap(), Some(cursor));
    }

    #[test]
    fn a_url_is_shown_without_secrets() {
        for (url, wanted) in [
            ("postgres://me:secret@host:5432/history", "postgres://host:5432/history"),
            ("postgres://me:se?cr@et@host/history?password=secret", "postgres://host/history"),
            ("postgres://host/history?user=me&password=secret", "postgres://host/history"),
            ("sqlite:///a@b/history.db?mode=ro", "sqlite:///a@b/history.db"),
        ] {
            assert_eq!(shown(url), wanted);
        }
    }
}
