//! The web app: embedded in the binary, or read from a directory by those who work on it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Component, Path, PathBuf};

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::Bytes;

/// What stands in the browser when the server was built without the app.
const NO_APP: &str = include_str!("no_app.html");

/// Files whose name holds a hash of what is in them: they never change.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// All others are asked for again, and cost nothing when unchanged.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The files of the web app.
#[derive(Debug)]
pub(crate) enum Assets {
    /// In the binary.
    Embedded(HashMap<&'static str, Asset>),
    /// In a directory, read at each request.
    Directory(PathBuf),
}

/// A file in the binary, with what was compressed of it when it was built.
#[derive(Debug)]
pub(crate) struct Asset {
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
    etag: HeaderValue,
}

impl Assets {
    /// The app in `dir`, or the embedded one.
    pub(crate) fn load(dir: Option<&Path>) -> Self {
        match dir {
            Some(dir) => Self::Directory(dir.to_owned()),
            None => Self::Embedded(embedded()),
        }
    }

    /// The app's one page, which stands behind each of its addresses.
    pub(crate) async fn index(&self, request: &HeaderMap) -> Response<Body> {
        match self.file("index.html", request).await {
            Some(page) => page,
            None => {
                let mut page = Response::new(Body::from(NO_APP));
                page.headers_mut().insert(CONTENT_TYPE, mime("index.html"));
                page.headers_mut().insert(CACHE_CONTROL, REVALIDATE);
                page
            }
        }
    }

    /// The file at `path`, relative to the app's root. `None` if there is none.
    pub(crate) async fn file(&self, path: &str, request: &HeaderMap) -> Option<Response<Body>> {
        match self {
            Self::Embedded(files) => files.get(path).map(|file| file.respond(path, request)),
            Self::Directory(dir) => {
                let bytes = tokio::fs::read(inside(dir, path)?).await.ok()?;
                let mut response = Response::new(Body::from(bytes));
                response.headers_mut().insert(CONTENT_TYPE, mime(path));
                response.headers_mut().insert(CACHE_CONTROL, REVALIDATE);
                Some(response)
            }
        }
    }
}

impl Asset {
    fn respond(&self, path: &str, request: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(CACHE_CONTROL, if path.starts_with("assets/") { IMMUTABLE } else { REVALIDATE });
        // Also of what is not sent again: the headers of 304 replace those that the browser has kept (RFC 9111 §3.2), and the kind of
        // the file decides its security policy.
        headers.insert(CONTENT_TYPE, mime(path));
        let known = request.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
        if known.split(',').any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == self.etag.as_bytes()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let (bytes, encoding) = match (self.brotli, self.gzip) {
            (Some(brotli), _) if accepts(request, "br") => (brotli, Some("br")),
            (_, Some(gzip)) if accepts(request, "gzip") => (gzip, Some("gzip")),
            _ => (self.plain, None),
        };
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        *response.body_mut() = Body::from(Bytes::from_static(bytes));
        response
    }
}

/// Whether the client takes `coding` (RFC 9110 §12.5.3).
fn accepts(request: &HeaderMap, coding: &str) -> bool {
    let lines = request.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let refused = |weight: &str| weight.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding)) && !parts.any(refused)
    })
}

/// The file that `path` names in `dir`; `None` if it would lead out of it.
fn inside(dir: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| dir.join(path))
}

fn mime(path: &str) -> HeaderValue {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    HeaderValue::from_static(match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    })
}

#[cfg(all(feature = "web", web_dist))]
fn embedded() -> HashMap<&'static str, Asset> {
    use include_dir::{Dir, include_dir};

    static DIST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../web/dist");

    fn collect(dir: &'static Dir<'static>, files: &mut HashMap<&'static str, &'static [u8]>) {
        files.extend(dir.files().filter_map(|file| Some((file.path().to_str()?, file.contents()))));
        dir.dirs().for_each(|dir| collect(dir, files));
    }

    let mut files = HashMap::new();
    collect(&DIST, &mut files);
    assets(&files)
}

#[cfg(not(all(feature = "web", web_dist)))]
fn embedded() -> HashMap<&'static str, Asset> {
    assets(&HashMap::new())
}

/// Puts each file together with its compressed forms, `name.br` and `name.gz` beside it.
fn assets(files: &HashMap<&'static str, &'static [u8]>) -> HashMap<&'static str, Asset> {
    let compressed = |name: &str| name.ends_with(".br") || name.ends_with(".gz");
    let plain = files.iter().filter(|(name, _)| !compressed(name));
    plain
        .map(|(&name, &plain)| {
            let brotli = files.get(format!("{name}.br").as_str()).copied();
            let gzip = files.get(format!("{name}.gz").as_str()).copied();
            (name, Asset { plain, brotli, gzip, etag: etag(plain) })
        })
        .collect()
}

fn etag(bytes: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish())).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> Assets {
        let files: HashMap<&'static str, &'static [u8]> = HashMap::from([
            ("index.html", b"<!doctype html>".as_slice()),
            ("assets/app-1a2b.js", b"plain"),
            ("assets/app-1a2b.js.br", b"brotli"),
            ("assets/app-1a2b.js.gz", b"gzip"),
        ]);
        Assets::Embedded(assets(&files))
    }

    fn asking(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[tokio::test]
    async fn hashed_files_are_cached_for_ever_and_the_page_is_not() {
        let app = app();
        let script = app.file("assets/app-1a2b.js", &HeaderMap::new()).await.unwrap();
        assert_eq!(script.headers()[CACHE_CONTROL], IMMUTABLE);
        assert_eq!(script.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(app.index(&HeaderMap::new()).await.headers()[CACHE_CONTROL], REVALIDATE);
        assert!(app.file("assets/none.js", &HeaderMap::new()).await.is_none());
    }

    #[tokio::test]
    async fn the_best_coding_that_the_client_takes_is_sent() {
        let app = app();
        for (accept, coding) in
            [("gzip, br", Some("br")), ("gzip;q=0.5", Some("gzip")), ("br;q=0, gzip", Some("gzip")), ("identity", None)]
        {
            let script = app.file("assets/app-1a2b.js", &asking(ACCEPT_ENCODING, accept)).await.unwrap();
            assert_eq!(script.headers().get(CONTENT_ENCODING).map(|c| c.to_str().unwrap()), coding, "{accept}");
        }
    }

    #[tokio::test]
    async fn an_unchanged_file_is_not_sent_again() {
        let app = app();
        let tag = app.index(&HeaderMap::new()).await.headers()[ETAG].to_str().unwrap().to_owned();
        let again = app.index(&asking(IF_NONE_MATCH, &format!("\"x\", W/{tag}"))).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(app.index(&asking(IF_NONE_MATCH, "\"x\"")).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_directory_gives_nothing_from_outside() {
        let dir = tempfile::tempdir().unwrap();
        let web = dir.path().join("web");
        std::fs::create_dir(&web).unwrap();
        std::fs::write(dir.path().join("secret.txt"), "no").unwrap();
        std::fs::write(web.join("index.html"), "yes").unwrap();
        let app = Assets::load(Some(&web));
        assert!(app.file("index.html", &HeaderMap::new()).await.is_some());
        let absolute = dir.path().join("secret.txt");
        for path in ["../secret.txt", "./../secret.txt", absolute.to_str().unwrap()] {
            assert!(app.file(path, &HeaderMap::new()).await.is_none(), "{path}");
        }
    }
}
