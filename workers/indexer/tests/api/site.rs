//! A web app next to the API.

use super::Served;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use indexer::api;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A folder such as a build leaves.
fn app() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("assets")).unwrap();
    for (name, text) in [
        ("index.html", "the page"),
        ("icon.svg", "<svg/>"),
        (".hidden", "secret"),
        ("assets/app-1a2b.js", "the script"),
        ("assets/app-1a2b.js.br", "br"),
        ("assets/app-1a2b.js.gz", "gz"),
        ("assets/engine.wasm", "wasm"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("/etc/hostname", dir.path().join("link.txt")).unwrap();
    dir
}

#[tokio::test]
async fn a_web_app_is_served_next_to_the_api() {
    let served = Served::new().await;
    let dir = app();
    let api = api::router(served.store.clone(), CancellationToken::new());
    let config = serde_json::json!({ "cluster": "localnet", "faucet": true });
    let router = api::site(api, dir.path(), &config).unwrap();
    let ask = async |path: &str, name: header::HeaderName, value: &str| {
        let request = Request::get(path).header(name, value).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let said = |name: &str| parts.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        (
            parts.status.as_u16(),
            body,
            said("content-type"),
            said("cache-control"),
            said("content-encoding"),
            said("etag"),
        )
    };
    let get = async |path: &str, accept: &str| ask(path, header::ACCEPT_ENCODING, accept).await;
    let html = "text/html; charset=utf-8";
    for path in ["/", "/index.html", "/jobs/abc", "/deep/er/"] {
        let (status, body, kind, caching, _, _) = get(path, "").await;
        assert_eq!(
            (status, body.as_str(), kind.as_str(), caching.as_str()),
            (200, "the page", html, "no-cache"),
            "{path}"
        );
    }
    let script = "/assets/app-1a2b.js";
    let cases = [
        ("", "the script", ""),
        ("gzip", "gz", "gzip"),
        ("gzip, br", "br", "br"),
        ("gzip;q=1.0, br;q=0", "gz", "gzip"),
        ("deflate", "the script", ""),
    ];
    for (accept, text, encoding) in cases {
        let (status, body, kind, caching, encoded, _) = get(script, accept).await;
        assert_eq!((status, body.as_str(), encoded.as_str()), (200, text, encoding), "{accept}");
        assert_eq!(
            (kind.as_str(), caching.as_str()),
            ("text/javascript; charset=utf-8", "public, max-age=31536000, immutable")
        );
    }
    assert_eq!(get("/assets/engine.wasm", "br").await.2, "application/wasm");
    let (status, body, kind, ..) = get("/config.json", "").await;
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), config);
    // Missing and hidden files, links, paths outside the folder and the compressed variants themselves are not found.
    for path in [
        "/nothing.js",
        "/.hidden",
        "/link.txt",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/assets/app-1a2b.js.br",
    ] {
        assert_eq!(get(path, "").await.0, 404, "{path}");
    }
    let tag = get("/", "").await.5;
    assert_eq!(ask("/", header::IF_NONE_MATCH, &tag).await.0, 304);
    // The API is still served.
    assert_eq!(get("/v1/nothing", "").await.0, 404);
    assert!(get("/v1/network", "").await.1.contains("jobs_settled"));
    let response = router
        .clone()
        .oneshot(Request::get("/jobs").body(Body::empty()).unwrap())
        .await
        .unwrap();
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
    let written = router.oneshot(Request::post("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(written.status(), StatusCode::METHOD_NOT_ALLOWED);

    let empty = tempfile::tempdir().unwrap();
    for folder in [empty.path(), std::path::Path::new("/nowhere/at/all")] {
        let error = api::site(api::router(served.store.clone(), CancellationToken::new()), folder, &config);
        let error = error.err().unwrap().to_string();
        assert!(error.contains("build it") && error.contains(folder.to_str().unwrap()), "{error}");
    }
}
