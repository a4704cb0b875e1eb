//! `/ca`: how to make a device trust this server, with the authority's certificate in the forms that devices want.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rustls::pki_types::CertificateDer;

use super::{Tls, fingerprint, hex, sha256};

/// What the pages say about this server.
pub(crate) struct Site {
    name: String,
    authority: Option<Authority>,
}

struct Authority {
    der: CertificateDer<'static>,
    pem: String,
    fingerprint: String,
}

impl Site {
    pub(crate) fn new(name: &str, der: &CertificateDer<'static>, pem: &str) -> Self {
        let authority = Authority { der: der.clone(), pem: pem.to_owned(), fingerprint: fingerprint(der) };
        Site { name: name.to_owned(), authority: Some(authority) }
    }

    pub(crate) fn without_authority(name: &str) -> Self {
        Site { name: name.to_owned(), authority: None }
    }

    pub(crate) fn authority_der(&self) -> Option<CertificateDer<'static>> {
        self.authority.as_ref().map(|authority| authority.der.clone())
    }

    pub(crate) fn authority_fingerprint(&self) -> Option<String> {
        self.authority.as_ref().map(|authority| authority.fingerprint.clone())
    }
}

/// The routes `/ca…` and the answers to ACME challenges.
pub(crate) fn router(tls: Arc<Tls>) -> Router {
    Router::new()
        .route("/ca", get(page))
        .route("/ca/style.css", get(style))
        .route("/ca.crt", get(certificate_der))
        .route("/ca.pem", get(certificate_pem))
        .route("/ca.mobileconfig", get(mobileconfig))
        .route("/.well-known/acme-challenge/{token}", get(acme_challenge))
        .with_state(tls)
}

async fn page(State(tls): State<Arc<Tls>>, headers: HeaderMap) -> Response {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let html = match &tls.site.authority {
        Some(authority) => trust_page(&tls.site.name, &authority.fingerprint, Device::of(agent)),
        None => include_str!("pages/none.html").replace("{{name}}", &escape(&tls.site.name)),
    };
    answer("text/html; charset=utf-8", html)
}

async fn style() -> Response {
    answer("text/css; charset=utf-8", include_str!("pages/ca.css"))
}

async fn certificate_der(State(tls): State<Arc<Tls>>) -> Response {
    with_authority(&tls, |authority| answer("application/x-x509-ca-cert", authority.der.to_vec()))
}

async fn certificate_pem(State(tls): State<Arc<Tls>>) -> Response {
    with_authority(&tls, |authority| answer("application/x-pem-file", authority.pem.clone()))
}

async fn mobileconfig(State(tls): State<Arc<Tls>>) -> Response {
    let name = &tls.site.name;
    with_authority(&tls, |authority| answer("application/x-apple-aspen-config", profile(name, authority)))
}

async fn acme_challenge(State(tls): State<Arc<Tls>>, Path(token): Path<String>) -> Response {
    match tls.acme.as_ref().and_then(|acme| acme.http_answer(&token)) {
        Some(answer) => ([(CONTENT_TYPE, "application/octet-stream")], answer).into_response(),
        None => (StatusCode::NOT_FOUND, "no such challenge\n").into_response(),
    }
}

fn with_authority(tls: &Tls, answer: impl FnOnce(&Authority) -> Response) -> Response {
    match &tls.site.authority {
        Some(authority) => answer(authority),
        None => (StatusCode::NOT_FOUND, "this server uses a certificate of its own\n").into_response(),
    }
}

fn answer(content_type: &'static str, body: impl Into<axum::body::Body>) -> Response {
    ([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], body.into()).into_response()
}

/// Which instructions are open when the page comes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Ios,
    Android,
    Mac,
    Windows,
    Linux,
}

impl Device {
    /// Guesses the device by `User-Agent`. All the instructions are on the page, so a wrong guess costs one tap.
    fn of(agent: &str) -> Self {
        let has = |word: &str| agent.contains(word);
        if has("iPhone") || has("iPad") {
            Device::Ios
        } else if has("Android") {
            Device::Android
        } else if has("Windows") {
            Device::Windows
        } else if has("Mac OS") || has("Macintosh") {
            Device::Mac
        } else {
            Device::Linux
        }
    }

    fn id(self) -> &'static str {
        match self {
            Device::Ios => "ios",
            Device::Android => "android",
            Device::Mac => "mac",
            Device::Windows => "windows",
            Device::Linux => "linux",
        }
    }
}

fn trust_page(name: &str, fingerprint: &str, device: Device) -> String {
    let closed = format!(r#"<details id="{}">"#, device.id());
    let open = format!(r#"<details id="{}" open>"#, device.id());
    include_str!("pages/ca.html")
        .replacen(&closed, &open, 1)
        .replace("{{name}}", &escape(name))
        .replace("{{fingerprint}}", fingerprint)
}

/// A configuration profile for iOS, iPadOS and macOS that holds the certificate.
fn profile(name: &str, authority: &Authority) -> String {
    let body: String = authority.pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let digest = sha256(&authority.der);
    // The same authority always gives the same identifiers, so installing twice replaces.
    let uuid = |tag: u8| {
        let digits = hex(&sha256(&[&digest[..], &[tag]].concat()));
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_ascii_uppercase();
        format!("{}-{}-4{}-A{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    };
    include_str!("pages/ca.mobileconfig")
        .replace("{{name}}", &escape(name))
        .replace("{{certificate}}", &body)
        .replace("{{id}}", hex(&digest).get(..16).unwrap_or_default())
        .replace("{{certificate_uuid}}", &uuid(1))
        .replace("{{profile_uuid}}", &uuid(2))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_for_the_visiting_device_are_open() {
        let agents = [
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", Device::Ios),
            ("Mozilla/5.0 (Linux; Android 15; Pixel 9)", Device::Android),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", Device::Mac),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", Device::Windows),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0)", Device::Linux),
        ];
        for (agent, device) in agents {
            assert_eq!(Device::of(agent), device);
            let page = trust_page("Parlour", "AB:CD", device);
            assert_eq!(page.matches(" open>").count(), 1, "{device:?}");
            assert!(page.contains(&format!(r#"<details id="{}" open>"#, device.id())));
        }
    }

    #[test]
    fn the_pages_need_nothing_that_the_content_security_policy_forbids() {
        let pages = [trust_page("<i>&", "AB:CD", Device::Linux), include_str!("pages/none.html").into()];
        for page in pages {
            for forbidden in ["<script", "<style", " style=", " onclick", "http://", "https://", "<i>"] {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
        }
        assert!(!include_str!("pages/ca.css").contains("url("));
    }
}
