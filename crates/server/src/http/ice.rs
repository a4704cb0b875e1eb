//! `/v1/ice`: STUN and TURN servers with fresh credentials, for the connection test before any room is joined, for calls that outlive their
//! first credentials, and for pages of other sites that are allowed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    AUTHORIZATION, ORIGIN, RETRY_AFTER, VARY,
};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use parlour_signaling::Auth;
use parlour_signaling::message::IceServer;
use serde::Serialize;

use super::{headers, json, problem};
use crate::App;

/// Answers `GET`.
pub(super) async fn servers(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let origin = match allowed_origin(&app, &request) {
        Ok(origin) => origin,
        Err(refusal) => return *refusal,
    };
    let asked = Asked::of(&app, &request);
    let mut response = answer(&app, asked).await;
    share(&mut response, origin);
    response
}

/// Answers `OPTIONS`, by which browsers ask whether a page of another site may send `Authorization`.
pub(super) async fn preflight(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let origin = match allowed_origin(&app, &request) {
        Ok(origin) => origin,
        Err(refusal) => return *refusal,
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    share(&mut response, origin);
    response
}

/// The page's origin if there is one and it is allowed.
fn allowed_origin(app: &App, request: &Request<Body>) -> Result<Option<HeaderValue>, Box<Response<Body>>> {
    let Some(origin) = request.headers().get(ORIGIN) else { return Ok(None) };
    if headers::origin_allowed(origin, headers::host(request).as_ref(), &app.config.origins) {
        return Ok(Some(origin.clone()));
    }
    app.metrics.refused("wrong_origin");
    Err(Box::new(problem(
        StatusCode::FORBIDDEN,
        "wrong_origin",
        "Pages of this origin may not ask. Open the app from this server, or name the origin in the server's setting `origins`.",
    )))
}

fn share(response: &mut Response<Body>, origin: Option<HeaderValue>) {
    response.headers_mut().insert(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

/// What a request says.
struct Asked {
    client: IpAddr,
    /// The name by which the client has reached us.
    host: String,
    /// The password, or a token.
    given: Option<String>,
    room: String,
}

impl Asked {
    fn of(app: &App, request: &Request<Body>) -> Self {
        let given = request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
        Self {
            client: app.client(request),
            host: headers::host(request).map_or_else(|| "localhost".to_owned(), |host| host.host().to_owned()),
            given: given.map(|value| value.strip_prefix("Bearer ").unwrap_or_default().to_owned()),
            room: request.uri().query().and_then(room_of).unwrap_or_default(),
        }
    }
}

async fn answer(app: &App, asked: Asked) -> Response<Body> {
    #[derive(Serialize)]
    struct Ice {
        ice_servers: Vec<IceServer>,
    }
    let Asked { client, host, given, room } = asked;
    if given.is_none() && !matches!(app.auth, Auth::Open) {
        return json(StatusCode::OK, &Ice { ice_servers: app.ice.without_credentials(&host) });
    }
    if let Err(wait) = app.limits.join(client, Instant::now()) {
        let mut response = problem(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_joins",
            "Too many requests from this address. Wait a moment.",
        );
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return response;
    }
    let unix_s = crate::shards::now().unix_ms / 1000;
    let known = match (&app.auth, given) {
        (Auth::Open, _) => true,
        (Auth::Token(keys), Some(token)) => keys.verify(&token, &room, unix_s).is_ok(),
        (Auth::Password(hash), Some(password)) => {
            let hash = hash.clone();
            // Slow on purpose, so not on a thread that others wait for.
            tokio::task::spawn_blocking(move || hash.matches(&password)).await.unwrap_or(false)
        }
        (_, None) => false,
    };
    if !known {
        app.metrics.refused("not_permitted");
        return problem(
            StatusCode::UNAUTHORIZED,
            "not_permitted",
            "Send `Authorization: Bearer` with the password, or with a token and `?room=` its room.",
        );
    }
    let id = format!("ip-{client}");
    json(StatusCode::OK, &Ice { ice_servers: app.ice.servers(&id, &host, unix_s) })
}

/// The value of `room` in a query.
fn room_of(query: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Query {
        room: String,
    }
    let uri = format!("/?{query}").parse().ok()?;
    axum::extract::Query::<Query>::try_from_uri(&uri).ok().map(|asked| asked.0.room)
}
