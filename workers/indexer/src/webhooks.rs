//! Webhooks: each posts the events that a service wants, in order and at least once.
//!
//! The body is the event as in `/v1/events`. `Ionet-Event` is its number, which stays the same in retries; `Ionet-Signature` is `sha256=`
//! and the HMAC-SHA256 of the body under the webhook's secret. Any answer but 2xx is followed by a retry, with exponential backoff;
//! redirects are not followed. The database has each webhook's newest event under its URL. A new webhook starts with the next event.

use crate::{Error, Result, Store, api::events_after, books, follow::LOG_CUT};
use chain::idl;
use daemon::Backoff;
use hmac::{Hmac, Mac};
use reqwest::{Client, Url, redirect::Policy};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;
use std::{collections::BTreeSet, fs, path::Path, time::Duration};
use tokio_util::sync::CancellationToken;

/// Backoff between retries of a post.
pub const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
/// Backoff while the database fails. It is ours, and posts are due as soon as it is back.
const DATABASE: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
/// Timeout of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Shortest secret, in bytes: 128 bits if it is random.
const SECRET: usize = 16;

/// A service to post events to. Not `Debug`, because it has a secret.
pub struct Webhook {
    url: Url,
    entry: Entry,
    client: Client,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    webhook: Vec<Entry>,
}

/// A webhook in the file. It gets the events of these programs, with these names, that name one of these addresses; an empty list means all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    secret: String,
    #[serde(default)]
    programs: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
}

/// Reads webhooks from a TOML file.
///
/// # Errors
/// The file cannot be read, or has an invalid value.
pub fn read(file: &Path) -> Result<Vec<Webhook>> {
    let refuse = |reason: String| Error::Webhooks {
        file: file.to_owned(),
        reason,
    };
    let text = fs::read_to_string(file).map_err(|error| refuse(format!("{error}; check the path")))?;
    // Not the whole error, which quotes lines of the file, secrets included.
    let parsed: File = toml::from_str(&text).map_err(|error| refuse(format!("{}; correct it", error.message())))?;
    let mut hooks: Vec<Webhook> = Vec::new();
    for (entry, number) in parsed.webhook.into_iter().zip(1..) {
        let hook = Webhook::new(entry).map_err(|reason| refuse(format!("webhook {number}: {reason}")))?;
        if hooks.iter().any(|other| other.url == hook.url) {
            return Err(refuse(format!("webhook {number} has the URL of another; give each its own")));
        }
        hooks.push(hook);
    }
    Ok(hooks)
}

/// Refuses filters by what does not exist: an event with a misspelt name would never come.
fn exist(programs: &[String], names: &[String]) -> std::result::Result<(), String> {
    let is_wanted = |program: &str| programs.is_empty() || programs.iter().any(|wanted| wanted == program);
    let known = idl::events().map(|(program, _)| program).collect();
    among("there is no program", programs, &known)?;
    let known = idl::events().filter(|(program, _)| is_wanted(program)).map(|(_, name)| name);
    among("the programs have no event", names, &known.chain([LOG_CUT]).collect())
}

fn among(lacking: &str, filter: &[String], known: &BTreeSet<&str>) -> std::result::Result<(), String> {
    match filter.iter().find(|name| !known.contains(name.as_str())) {
        Some(name) => Err(format!(
            "{lacking} {name:?}; choose among {}",
            Vec::from_iter(known.iter().copied()).join(", ")
        )),
        None => Ok(()),
    }
}

impl Webhook {
    fn new(entry: Entry) -> std::result::Result<Self, String> {
        let url = Url::parse(&entry.url).ok();
        let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        let url = url.ok_or("the url is not an http(s) URL; give one")?;
        if entry.secret.len() < SECRET {
            return Err(format!("the secret is shorter than {SECRET} bytes; give a random one"));
        }
        if let Some(wrong) = entry.addresses.iter().find(|text| text.parse::<solana_address::Address>().is_err()) {
            return Err(format!("{wrong:?} is not an address"));
        }
        exist(&entry.programs, &entry.names)?;
        let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE).no_proxy().build();
        Ok(Self {
            url,
            entry,
            client: client.map_err(|_| "TLS is not available on this system")?,
        })
    }

    /// Posts events until `stop`, each until it is accepted, with the waits of `retry` between its posts.
    pub async fn deliver(self, store: Store, retry: Backoff, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.deliver_all(&store, retry) => {}
        }
    }

    async fn deliver_all(&self, store: &Store, mut retry: Backoff) {
        let (mut watch, mut database) = (store.watch(), DATABASE);
        loop {
            watch.mark_unchanged();
            match self.deliver_some(store, &mut retry).await {
                Ok(were_any) => {
                    database.reset();
                    if !were_any && watch.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(webhook = %self.shown(), %error, "a webhook waits for the database");
                    database.wait().await;
                }
            }
        }
    }

    /// Posts the wanted ones among the next events; returns whether there were any events.
    async fn deliver_some(&self, store: &Store, retry: &mut Backoff) -> Result<bool> {
        let url = self.url.as_str();
        let last = store.webhook(url).await?;
        let events = events_after(store, last).await?;
        let number = |event: &Map<String, Value>| event.get("id").and_then(Value::as_i64).unwrap_or(last);
        for event in events.iter().filter(|event| self.entry.wants(event)) {
            while let Err(reason) = self.post(number(event), event).await {
                tracing::warn!(webhook = %self.shown(), number = number(event), reason, "a webhook did not accept an event; trying again");
                retry.wait().await;
            }
            retry.reset();
            store.webhook_took(url, number(event)).await?;
        }
        let Some(newest) = events.last().map(number) else {
            return Ok(false);
        };
        store.webhook_took(url, newest).await?;
        Ok(true)
    }

    async fn post(&self, number: i64, event: &Map<String, Value>) -> std::result::Result<(), String> {
        let body = Value::from(event.clone()).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(self.entry.secret.as_bytes()).map_err(|error| error.to_string())?;
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = self
            .client
            .post(self.url.clone())
            .body(body)
            .header("content-type", "application/json");
        let request = request.header("ionet-event", number).header("ionet-signature", signature);
        // Request errors include the URL, which may contain a key.
        let answer = request.send().await.map_err(|error| error.without_url().to_string())?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(format!("it answered {}", answer.status())),
        }
    }

    /// The URL without the parts that may be secret.
    fn shown(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

impl Entry {
    fn wants(&self, event: &Map<String, Value>) -> bool {
        let text = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let among = |list: &[String], one: &str| list.is_empty() || list.iter().any(|item| item == one);
        let data = event.get("data").and_then(Value::as_object);
        let named = || data.map(books::addresses).unwrap_or_default();
        among(&self.programs, text("program"))
            && among(&self.names, text("name"))
            && (self.addresses.is_empty() || named().iter().any(|address| among(&self.addresses, address)))
    }
}
