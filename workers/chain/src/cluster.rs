//! The URLs of a cluster.

use crate::{Error, Result};
use std::{fmt, str::FromStr};
use url::{Host, Url};

/// Port of JSON-RPC on the local network.
const LOCAL_PORT: u16 = 8899;

/// RPC and WebSocket URLs of a cluster, parsed from a moniker of the `solana` CLI or an RPC URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// URL of JSON-RPC.
    pub rpc: String,
    /// WebSocket URL of subscriptions.
    pub ws: String,
}

impl Cluster {
    /// A cluster with explicit URLs.
    pub fn new(rpc: impl Into<String>, ws: impl Into<String>) -> Self {
        Self {
            rpc: rpc.into(),
            ws: ws.into(),
        }
    }

    /// Whether this is the local network, at a loopback address.
    pub fn is_local(&self) -> bool {
        Url::parse(&self.rpc).is_ok_and(|url| {
            let here = match url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => address.is_loopback(),
                Some(Host::Ipv6(address)) => address.is_loopback(),
                None => false,
            };
            here && url.port() == Some(LOCAL_PORT)
        })
    }

    /// The RPC URL without user, path and query, in which hosted nodes carry API keys.
    pub fn shown(&self) -> String {
        match Url::parse(&self.rpc) {
            Ok(url) => url.origin().ascii_serialization(),
            Err(_) => "the given URL".to_owned(),
        }
    }
}

impl FromStr for Cluster {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // Repeat a misspelt moniker; anything longer may be a URL with a key in it.
        let refuse = || {
            let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            Error::Cluster(if is_word && text.len() <= 16 {
                format!("'{text}'")
            } else {
                "the given URL".to_owned()
            })
        };
        let rpc = match text {
            "l" | "localnet" | "localhost" => "http://127.0.0.1:8899",
            "d" | "devnet" => "https://api.devnet.solana.com",
            "t" | "testnet" => "https://api.testnet.solana.com",
            "m" | "mainnet" | "mainnet-beta" => "https://api.mainnet-beta.solana.com",
            url => url,
        };
        let mut ws = Url::parse(rpc).map_err(|_| refuse())?;
        let scheme = match ws.scheme() {
            "http" => "ws",
            "https" => "wss",
            _ => return Err(refuse()),
        };
        if ws.host_str().is_none() {
            return Err(refuse());
        }
        // Validators serve subscriptions on the port after that of RPC; hosted nodes, whose URLs have no port, on the same one.
        let port = ws.port().map(|port| port.checked_add(1).ok_or_else(refuse)).transpose()?;
        ws.set_scheme(scheme)
            .and_then(|()| ws.set_port(port).map_err(drop))
            .map_err(|()| refuse())?;
        Ok(Self::new(rpc, ws))
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn monikers_and_urls() {
        let cases = [
            ("localnet", "http://127.0.0.1:8899", "ws://127.0.0.1:8900/"),
            ("l", "http://127.0.0.1:8899", "ws://127.0.0.1:8900/"),
            ("devnet", "https://api.devnet.solana.com", "wss://api.devnet.solana.com/"),
            (
                "mainnet-beta",
                "https://api.mainnet-beta.solana.com",
                "wss://api.mainnet-beta.solana.com/",
            ),
            ("http://node:1234/path", "http://node:1234/path", "ws://node:1235/path"),
            (
                "https://rpc.example/?api-key=secret",
                "https://rpc.example/?api-key=secret",
                "wss://rpc.example/?api-key=secret",
            ),
        ];
        for (text, rpc, ws) in cases {
            assert_eq!(text.parse::<Cluster>().unwrap(), Cluster::new(rpc, ws), "{text}");
        }
        for (text, shown) in [
            ("", "''"),
            ("mainet", "'mainet'"),
            ("ftp://node", "the given URL"),
            ("http://", "the given URL"),
            ("http://node:65535", "the given URL"),
            ("rpc.example/?api-key=secret", "the given URL"),
            ("0f8fad5b-d9cb-469f-a165-70867728950e", "the given URL"),
        ] {
            assert!(
                matches!(text.parse::<Cluster>(), Err(Error::Cluster(said)) if said == shown),
                "{text}"
            );
        }
    }

    #[test]
    fn the_local_network_has_many_names() {
        let is_local = |url: &str| url.parse::<Cluster>().unwrap().is_local();
        let local = ["localnet", "http://localhost:8899", "http://127.0.0.1:8899/", "http://[::1]:8899"];
        assert!(local.into_iter().all(is_local));
        let other = ["devnet", "http://localhost:8900", "http://10.0.0.1:8899", "http://localhost"];
        assert!(!other.into_iter().any(is_local));
    }

    #[test]
    fn keys_in_a_url_are_not_shown() {
        let cluster: Cluster = "https://user:pass@rpc.example/secret?key=secret".parse().unwrap();
        assert_eq!(cluster.to_string(), "https://rpc.example");
    }
}
