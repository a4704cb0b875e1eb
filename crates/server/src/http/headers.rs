//! The headers that tell browsers what pages from here may do.

use axum::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request};

use crate::config::Origin;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What the app needs; everything else that a browser may offer is off by its default or not asked for.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), screen-wake-lock=(self), autoplay=(self), \
     clipboard-write=(self), speaker-selection=(self), geolocation=(), payment=(), usb=(), serial=(), bluetooth=(), hid=()",
);

/// The host that a request was sent to, as the client wrote it: `Host`, or `:authority` in HTTP/2 (RFC 9110 §7.2).
pub(crate) fn host<B>(request: &Request<B>) -> Option<Authority> {
    match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => request.headers().get(HOST)?.to_str().ok()?.parse().ok(),
    }
}

/// Adds the security headers to a response.
pub(crate) fn secure(headers: &mut HeaderMap, host: Option<&Authority>, tls: bool, hsts: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    if tls && hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    let html = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if html {
        headers.insert(PERMISSIONS_POLICY, PERMISSIONS);
    }
    // A page of another part of the server may bring a narrower policy.
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, if html { page_policy(host, tls) } else { FILE_POLICY });
    }
}

/// For what is no page: nothing may run or load, should a browser take it for one.
const FILE_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The content security policy of the app (CSP Level 3).
///
/// `'self'` covers WebSockets in today's browsers, but not in Safari before 15.4, so the address is named as well.
fn page_policy(host: Option<&Authority>, tls: bool) -> HeaderValue {
    let scheme = if tls { "wss" } else { "ws" };
    // The client writes this name: anything but a plain host and port could bring directives of its own.
    let plain = |host: &&Authority| host.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b));
    let socket = host.filter(plain).map(|host| format!(" {scheme}://{}", host.as_str())).unwrap_or_default();
    let policy = format!(
        "default-src 'self'; connect-src 'self'{socket}; img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    // An authority has no character that a header may not have; should one slip through, the policy without it is the stricter one.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'"))
}

/// Whether a page from `origin` may open a WebSocket on `host`: the same host and port, or one that the configuration names.
///
/// The scheme is not compared, so that a proxy may end TLS in front of the server. `null` (a file, a sandboxed frame) is refused.
pub(crate) fn origin_allowed(origin: &HeaderValue, host: Option<&Authority>, extra: &[Origin]) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let named = |allowed: &Origin| match allowed {
        Origin::Any => true,
        Origin::Exact(allowed) => allowed.eq_ignore_ascii_case(origin),
    };
    if extra.iter().any(named) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let (Ok(authority), Some(host)) = (authority.parse::<Authority>(), host) else { return false };
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    authority.host().eq_ignore_ascii_case(host.host()) && port(&authority) == port(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: &str, host: &str, extra: &[&str]) -> bool {
        let extra: Vec<Origin> = extra.iter().map(|origin| Origin::Exact((*origin).to_owned())).collect();
        origin_allowed(&HeaderValue::from_str(origin).unwrap(), host.parse().ok().as_ref(), &extra)
    }

    #[test]
    fn only_pages_of_the_same_host_may_connect() {
        assert!(allowed("https://meet.example:8443", "meet.example:8443", &[]));
        assert!(allowed("https://meet.example", "meet.example:443", &[]));
        assert!(allowed("https://Meet.Example", "meet.example", &[]));
        assert!(allowed("http://[::1]:8080", "[::1]:8080", &[]));
        assert!(!allowed("https://evil.example", "meet.example", &[]));
        assert!(!allowed("https://meet.example.evil.example", "meet.example", &[]));
        assert!(!allowed("http://meet.example:8081", "meet.example:8080", &[]), "another port is another origin");
        assert!(!allowed("null", "meet.example", &[]));
        assert!(!allowed("file://", "meet.example", &[]));
        assert!(allowed("https://app.example", "meet.example", &["https://app.example"]));
        assert!(!allowed("http://app.example", "meet.example", &["https://app.example"]));
    }

    #[test]
    fn the_page_policy_has_nothing_unsafe_and_names_the_socket() {
        let policy = page_policy("meet.example:8443".parse().ok().as_ref(), true);
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("connect-src 'self' wss://meet.example:8443;"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        let made_up = page_policy("meet.example;script-src'*'".parse().ok().as_ref(), true);
        assert!(!made_up.to_str().unwrap().contains("script-src"), "{made_up:?}");
    }
}
