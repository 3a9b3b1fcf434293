//! Serves a built single-page app next to the API.

use crate::{Error, Result};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, fs, io, path::Path, sync::Arc};

/// The page that answers every path of the app's own router.
const PAGE: &str = "/index.html";
/// Where builds put files whose names change with their content.
const ASSETS: &str = "/assets/";
/// Headers of every answer. Scripts and WebAssembly may come from this origin only; which nodes and stores the app connects to is up to its
/// user.
const GUARDS: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; \
         connect-src 'self' http: https: ws: wss:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];
/// Encodings that builds compress files in, best first: name and ending of the file.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// A file ready to be sent.
struct File {
    plain: Bytes,
    /// The file in each of [`ENCODINGS`], if the build has it.
    compressed: [Option<Bytes>; 2],
    kind: &'static str,
    tag: String,
}

impl File {
    fn new(path: &str, plain: &Bytes, compressed: [Option<Bytes>; 2]) -> Self {
        Self {
            plain: plain.clone(),
            compressed,
            kind: kind(path),
            tag: format!("\"{}\"", hex::encode(Sha256::digest(plain))),
        }
    }
}

/// Files by path, `/index.html` among them.
type Files = HashMap<String, File>;

/// Wallets' name for the chain with this genesis hash. Any chain that is not public counts as a local one.
pub fn chain_of(genesis: &str) -> &'static str {
    match genesis {
        "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d" => "solana:mainnet",
        "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG" => "solana:devnet",
        "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY" => "solana:testnet",
        _ => "solana:localnet",
    }
}

/// Adds the single-page app that was built into `folder` to `api`, which [`super::router`] made, and serves `config` as `/config.json`.
///
/// The folder is read once, now: nothing outside it can be requested, and a new build is served after the next start. Symbolic links are
/// not followed. Paths without a dot that name no file belong to the app's router and are answered with `index.html`. Browsers cache files
/// under `/assets/` forever and revalidate all others; `NAME.br` and `NAME.gz` are sent for `NAME` to clients that accept them.
///
/// # Errors
/// The folder cannot be read, or has no `index.html`.
pub fn site(api: Router, folder: &Path, config: &Value) -> Result<Router> {
    let mut built = HashMap::new();
    let failed = |cause| Error::Site {
        folder: folder.to_owned(),
        cause,
    };
    read(folder, "", &mut built).map_err(failed)?;
    if !built.contains_key(PAGE) {
        return Err(failed(io::Error::other("it has no index.html")));
    }
    built.insert("/config.json".to_owned(), config.to_string().into());
    let is_variant = |path: &str| {
        let mut endings = ENCODINGS.iter();
        endings.any(|(_, ending)| path.strip_suffix(ending).is_some_and(|of| built.contains_key(of)))
    };
    let plain = built.iter().filter(|(path, _)| !is_variant(path));
    let with_variants = plain.map(|(path, bytes)| {
        let compressed = ENCODINGS.map(|(_, ending)| built.get(&format!("{path}{ending}")).cloned());
        (path.clone(), File::new(path, bytes, compressed))
    });
    let files: Files = with_variants.collect();
    Ok(api.fallback_service(get(send).with_state(Arc::new(files))))
}

fn read(folder: &Path, under: &str, files: &mut HashMap<String, Bytes>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (kind, path) = (entry.file_type()?, format!("{under}/{name}"));
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            read(&entry.path(), &path, files)?;
        } else if kind.is_file() {
            files.insert(path, fs::read(entry.path())?.into());
        }
    }
    Ok(())
}

/// The content type of a file.
fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

async fn send(State(files): State<Arc<Files>>, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let is_own = !path.rsplit('/').next().is_some_and(|last| last.contains('.'));
    let page = || is_own.then(|| files.get(PAGE)).flatten();
    let mut response = match files.get(path).or_else(page) {
        Some(file) => answer(file, path, &headers),
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    };
    for (name, value) in GUARDS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn answer(file: &File, path: &str, headers: &HeaderMap) -> Response {
    let caching = match path.starts_with(ASSETS) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let always = [
        (header::CACHE_CONTROL, caching),
        (header::ETAG, &file.tag),
        (header::VARY, "accept-encoding"),
    ];
    let asked = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
            .unwrap_or_default()
    };
    if asked(header::IF_NONE_MATCH).split(',').any(|tag| tag.trim() == file.tag) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    let accepted = asked(header::ACCEPT_ENCODING);
    let compressed = ENCODINGS.iter().zip(&file.compressed);
    let best = compressed
        .filter(|((name, _), _)| takes(accepted, name))
        .find_map(|((name, _), bytes)| Some((*name, bytes.clone()?)));
    let kind = [(header::CONTENT_TYPE, file.kind)];
    match best {
        Some((name, bytes)) => (always, kind, [(header::CONTENT_ENCODING, name)], Body::from(bytes)).into_response(),
        None => (always, kind, Body::from(file.plain.clone())).into_response(),
    }
}

/// Whether an `Accept-Encoding` header accepts this encoding.
fn takes(accepted: &str, name: &str) -> bool {
    accepted.split(',').any(|one| {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        coding.trim().eq_ignore_ascii_case(name) && weight.is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::chain_of;

    #[test]
    fn a_chain_is_known_by_its_genesis_hash() {
        for (genesis, chain) in [
            ("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d", "solana:mainnet"),
            ("EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG", "solana:devnet"),
            ("4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY", "solana:testnet"),
            ("11111111111111111111111111111111", "solana:localnet"),
        ] {
            assert_eq!(chain_of(genesis), chain);
        }
    }
}
