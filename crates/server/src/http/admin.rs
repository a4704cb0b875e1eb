//! The administration interface: `/v1/rooms…`, with the administrator's token.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::{get, post};
use parlour_signaling::RoomOptions;
use parlour_signaling::message::{PeerId, Role, RoomId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq;

use super::{json, problem};
use crate::App;

/// Longest body of a request.
const BODY_BYTES: usize = 64 << 10;

/// How long a client may take to send it.
const BODY_TIME: Duration = Duration::from_secs(10);

pub(super) fn router(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/", get(list))
        .route("/{room}", get(show).put(put).delete(end).post(act))
        .route("/{room}/peers", get(peers))
        .route("/{room}/peers/{peer}", post(act_on_peer))
        .layer(from_fn_with_state(app, authorize))
}

impl App {
    /// Whether a request carries the administrator's token (RFC 6750 §2.1).
    pub(crate) fn is_admin(&self, headers: &HeaderMap) -> bool {
        let given =
            headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case("bearer")
                && bool::from(token.trim().as_bytes().ct_eq(self.admin_token.as_bytes()))
        })
    }
}

async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    if app.is_admin(request.headers()) {
        return next.run(request).await;
    }
    let message = "Send `Authorization: Bearer` with the administrator's token. It is the setting `auth.admin_token`, or in the file \
                   `admin-token` in the data directory.";
    let mut refusal = problem(StatusCode::UNAUTHORIZED, "token_required", message);
    refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refusal
}

async fn list(State(app): State<Arc<App>>) -> Response<Body> {
    let mut rooms: Vec<_> = app.shards.iter().flat_map(|shard| shard.with(|hub, _| hub.rooms())).collect();
    rooms.sort_by(|one, other| one.room.id.cmp(&other.room.id));
    json(StatusCode::OK, &serde_json::json!({ "rooms": rooms }))
}

async fn show(State(app): State<Arc<App>>, Path(room): Path<String>) -> Response<Body> {
    let Some(room) = RoomId::parse(&room) else { return bad_room() };
    match app.shards.of_room(&room).with(|hub, _| hub.room(&room)) {
        Some(info) => json(StatusCode::OK, &info),
        None => no_such_room(),
    }
}

async fn put(State(app): State<Arc<App>>, Path(room): Path<String>, request: Request) -> Response<Body> {
    let Some(room) = RoomId::parse(&room) else { return bad_room() };
    let options: RoomOptions = match body(request).await {
        Ok(options) => options,
        Err(refusal) => return refusal,
    };
    let done = app.shards.of_room(&room).with(|hub, now| hub.put_room(now, &room, options).then(|| hub.room(&room)));
    match done {
        Some(info) => json(StatusCode::OK, &info),
        None => problem(StatusCode::BAD_REQUEST, "bad_password", "The password is too long."),
    }
}

async fn end(State(app): State<Arc<App>>, Path(room): Path<String>) -> Response<Body> {
    let Some(room) = RoomId::parse(&room) else { return bad_room() };
    match app.shards.of_room(&room).with(|hub, now| hub.end(now, &room)) {
        true => done(),
        false => no_such_room(),
    }
}

async fn peers(State(app): State<Arc<App>>, Path(room): Path<String>) -> Response<Body> {
    let Some(room) = RoomId::parse(&room) else { return bad_room() };
    match app.shards.of_room(&room).with(|hub, _| hub.peers(&room)) {
        Some(peers) => json(StatusCode::OK, &serde_json::json!({ "peers": peers })),
        None => no_such_room(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockBody {
    #[serde(default = "yes")]
    on: bool,
}

fn yes() -> bool {
    true
}

/// `POST /v1/rooms/{room}:lock` and `:end`.
async fn act(State(app): State<Arc<App>>, Path(target): Path<String>, request: Request) -> Response<Body> {
    let (room, verb) = target.split_once(':').unwrap_or((&target, ""));
    let Some(room) = RoomId::parse(room) else { return bad_room() };
    let shard = app.shards.of_room(&room);
    let found = match verb {
        "lock" => match body::<LockBody>(request).await {
            Ok(LockBody { on }) => shard.with(|hub, now| hub.lock(now, &room, on)),
            Err(refusal) => return refusal,
        },
        "end" => shard.with(|hub, now| hub.end(now, &room)),
        _ => return problem(StatusCode::NOT_FOUND, "unsupported", "A room knows :lock and :end."),
    };
    if found { done() } else { no_such_room() }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KickBody {
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleBody {
    role: Role,
}

/// `POST /v1/rooms/{room}/peers/{peer}:kick`, `:admit` and `:role`.
async fn act_on_peer(
    State(app): State<Arc<App>>,
    Path((room, target)): Path<(String, String)>,
    request: Request,
) -> Response<Body> {
    let (peer, verb) = target.split_once(':').unwrap_or((&target, ""));
    let Some(room) = RoomId::parse(&room) else { return bad_room() };
    let peer = PeerId(peer.to_owned());
    let shard = app.shards.of_room(&room);
    let found = match verb {
        "kick" => match body::<KickBody>(request).await {
            Ok(KickBody { reason }) => shard.with(|hub, now| hub.kick(now, &room, &peer, reason.as_deref())),
            Err(refusal) => return refusal,
        },
        "role" => match body::<RoleBody>(request).await {
            Ok(RoleBody { role }) => shard.with(|hub, now| hub.set_role(now, &room, &peer, role)),
            Err(refusal) => return refusal,
        },
        "admit" => shard.with(|hub, now| hub.admit(now, &room, &peer)),
        _ => return problem(StatusCode::NOT_FOUND, "unsupported", "A participant knows :kick, :admit and :role."),
    };
    match found {
        true => done(),
        false => problem(StatusCode::NOT_FOUND, "no_such_peer", "There is no such participant in that room."),
    }
}

/// Reads a body in JSON. An empty one counts as `{}`.
async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Response<Body>> {
    let bytes = match tokio::time::timeout(BODY_TIME, to_bytes(request.into_body(), BODY_BYTES)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too long or broke off."));
        }
        Err(_) => return Err(problem(StatusCode::REQUEST_TIMEOUT, "idle_timeout", "The body did not come in time.")),
    };
    let bytes = if bytes.is_empty() { b"{}".as_slice() } else { &bytes };
    serde_json::from_slice(bytes)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, "bad_message", &format!("The body is not right: {error}.")))
}

fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn bad_room() -> Response<Body> {
    problem(StatusCode::BAD_REQUEST, "bad_room", "A room's name has 1 to 128 letters, digits, `-`, `_` and `.`.")
}

fn no_such_room() -> Response<Body> {
    problem(StatusCode::NOT_FOUND, "room_unknown", "There is no such room.")
}
