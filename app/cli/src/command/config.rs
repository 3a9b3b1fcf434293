//! `ionet config`: shows and changes the config file.

use super::authorities;
use crate::{
    config::{Config, Key, default_path},
    context::Context,
    error::Result,
    output::{Answer, fields},
};
use clap::Subcommand;
use serde::Serialize;
use std::fmt;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the settings in the config file
    Get {
        /// Name of the setting [default: all of them]
        key: Option<Key>,
    },
    /// Show who holds the market's authorities on the chain
    Authorities,
    /// Change a setting in the config file
    Set {
        /// Name of the setting
        key: Key,
        /// New value; omit it to remove the setting
        value: Option<String>,
    },
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown {
    config: Config,
    /// The setting asked for, if only one was.
    #[serde(skip)]
    only: Option<Key>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.config.0.iter().map(|(key, value)| (key.name(), value.clone())).collect();
        if lines.is_empty() {
            let what = self.only.map_or("nothing", Key::name);
            let not = if self.only.is_some() { " not" } else { "" };
            return writeln!(f, "{what} is{not} set in {}", default_path().display());
        }
        fields(f, &lines)
    }
}

impl Command {
    /// `context` is built only by the subcommand that asks the chain.
    pub async fn run(self, context: impl FnOnce() -> Result<Context>) -> Result<Answer> {
        let path = default_path();
        let mut config = Config::load(&path)?;
        match self {
            Self::Authorities => return authorities::show(&context()?).await,
            Self::Get { key: only } => {
                config.0.retain(|key, _| only.is_none_or(|only| only == *key));
                return Ok(Answer::new(&Shown { config, only }));
            }
            Self::Set { key, value: Some(value) } => drop(config.0.insert(key, key.anywhere(value)?)),
            Self::Set { key, value: None } => drop(config.0.remove(&key)),
        }
        config.save(&path)?;
        Ok(Answer::new(&Shown { config, only: None }))
    }
}
