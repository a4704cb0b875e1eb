//! What the app asks the server about itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Client, headers, json};
use crate::{App, at_port};

/// `/v1/info`.
#[derive(Serialize)]
struct Info<'a> {
    name: &'a str,
    version: &'static str,
    /// The same host by HTTPS; `null` if HTTPS is off.
    https: Option<String>,
    /// Whether a camera needs that address: browsers give it to secure pages only, and to those of this very machine.
    secure_hint: bool,
    auth: &'static str,
    p2p_max: u32,
    /// Addresses for other devices.
    lan: Vec<String>,
}

pub(super) async fn info(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let client = request.extensions().get::<Client>();
    let secure = client.is_some_and(|client| client.tls || client.peer.ip().to_canonical().is_loopback());
    let https = app.https_port().and_then(|port| {
        let host = headers::host(&request)?;
        Some(format!("https://{}", at_port(host.host(), port, 443)))
    });
    let info = Info {
        name: &app.config.name,
        version: env!("CARGO_PKG_VERSION"),
        secure_hint: !secure && https.is_some(),
        https,
        auth: app.config.auth.mode.as_str(),
        p2p_max: app.config.room.p2p_max,
        lan: app.lan_urls(),
    };
    json(StatusCode::OK, &info)
}
