//! From an HTTP request to a WebSocket (RFC 6455 §4.2).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    CONNECTION, HeaderName, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use parlour_signaling::message::{ErrorCode, SUBPROTOCOL};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::connection::{self, Admission};
use crate::App;
use crate::http::{Client, headers, problem};

/// Answers `/v1/ws`: checks the request and hands the connection over to its task.
pub(crate) async fn upgrade(State(app): State<Arc<App>>, mut request: Request<Body>) -> Response<Body> {
    if let Some(refusal) = origin_refused(&app, &request) {
        return refusal;
    }
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(refusal) => return *refusal,
    };
    let offers_ours = has_token(request.headers(), &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    if !offers_ours && request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return problem(
            StatusCode::BAD_REQUEST,
            "unknown_version",
            "This server speaks the WebSocket subprotocol `parlour.v1` only.",
        );
    }

    let client = app.client(&request);
    let admission = match app.limits.connection(client) {
        Some(slot) => Admission::Welcome(slot),
        None => Admission::Refused(ErrorCode::TooManyConnections),
    };
    let secure = request.extensions().get::<Client>().is_some_and(|client| client.tls);
    tracing::debug!(%client, secure, "signaling connection");
    let host = headers::host(&request).map_or_else(|| "localhost".into(), |host| host.host().into());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(connection::run(app, upgraded, client, host, admission));

    let mut response = switch_protocols(accept);
    if offers_ours {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}

/// The refusal of a request from a page whose origin may not connect.
pub(crate) fn origin_refused(app: &App, request: &Request<Body>) -> Option<Response<Body>> {
    let origin = request.headers().get(ORIGIN)?;
    if headers::origin_allowed(origin, headers::host(request).as_ref(), &app.config.origins) {
        return None;
    }
    app.metrics.refused("wrong_origin");
    Some(problem(
        StatusCode::FORBIDDEN,
        "wrong_origin",
        "Pages of this origin may not connect. Open the app from this server, or name the origin in the server's setting `origins`.",
    ))
}

/// The answer that turns the connection into a WebSocket.
pub(crate) fn switch_protocols(accept: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// Checks the opening handshake (RFC 6455 §4.2.1) and answers its key (§4.2.2); or the answer to a request that is none.
pub(crate) fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Box<Response<Body>>> {
    derive_accept(headers).map_err(|why| {
        let mut answer = problem(StatusCode::UPGRADE_REQUIRED, "not_a_websocket", why);
        answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        Box::new(answer)
    })
}

fn derive_accept(headers: &HeaderMap) -> Result<HeaderValue, &'static str> {
    if !has_token(headers, &CONNECTION, "upgrade") || !has_token(headers, &UPGRADE, "websocket") {
        return Err("This address speaks WebSocket: connect with ws:// or wss://.");
    }
    if headers.get(SEC_WEBSOCKET_VERSION).map(HeaderValue::as_bytes) != Some(b"13") {
        return Err("This server speaks WebSocket version 13 (RFC 6455).");
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or("The header Sec-WebSocket-Key is missing.")?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| "The header Sec-WebSocket-Key is not valid.")
}

/// Whether a list header has `token` in it, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|entry| entry.trim().eq_ignore_ascii_case(token))
}
