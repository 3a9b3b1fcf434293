//! Model packages over HTTP: `GET /models/{name}/{file}`, so that a browser can check a result itself.

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::{collections::HashMap, fs, path, sync::Arc};

/// Files of a package that are served, and what a browser is told they are.
const FILES: [(&str, &str); 5] = [
    ("model.json", "application/json"),
    ("tensors.safetensors", "application/octet-stream"),
    ("prompts.json", "application/json"),
    ("sample.png", "image/png"),
    ("CARD.md", "text/plain; charset=utf-8"),
];

/// Files by the names of their package and their own.
pub(crate) type Packages = HashMap<(String, &'static str), (&'static str, Bytes)>;

/// Reads the packages in the folders of `folder` once: nothing else can be asked for.
pub(crate) fn read(folder: &path::Path) -> Result<Packages> {
    let unreadable = || {
        format!(
            "the model packages in {} cannot be read; name their folder with --models",
            folder.display()
        )
    };
    let mut packages = Packages::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let files = FILES.map(|(file, kind)| (file, kind, entry.path().join(file)));
        for (file, kind, path) in files.into_iter().filter(|(_, _, path)| path.is_file()) {
            let bytes = fs::read(path).with_context(unreadable)?;
            packages.insert((name.clone(), file), (kind, bytes.into()));
        }
    }
    ensure!(
        !packages.is_empty(),
        "there is no model package in {}; name their folder with --models",
        folder.display()
    );
    Ok(packages)
}

/// Serves them.
pub(crate) fn router(packages: Packages) -> Router {
    Router::new()
        .route("/models/{name}/{file}", get(send))
        .with_state(Arc::new(packages))
}

async fn send(State(packages): State<Arc<Packages>>, Path((name, file)): Path<(String, String)>) -> Response {
    let known = FILES.into_iter().find(|(known, _)| *known == file);
    match known.and_then(|(file, _)| packages.get(&(name, file))) {
        Some((kind, bytes)) => {
            let headers = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache")];
            (headers, bytes.clone()).into_response()
        }
        None => (StatusCode::NOT_FOUND, "no model package has such a file\n").into_response(),
    }
}
