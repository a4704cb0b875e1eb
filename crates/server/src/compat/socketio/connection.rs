//! The task of one client's WebSocket.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink as _, Stream as _};
use hyper::upgrade::OnUpgrade;
use parlour_signaling::message::ErrorCode;
use parlour_signaling::socketio::Packet;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::relay::hear;
use super::session::{Beginning, Session};
use crate::App;
use crate::lifecycle::Alive;
use crate::ws::talk::{self, CONTROL_FRAMES, End, NO_CODE, Socket, Talk, shut};

/// How long a client may take to change to its WebSocket: as long as with Socket.IO's own server.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves a client that begins on a WebSocket.
pub(super) async fn run(app: Arc<App>, upgrade: OnUpgrade, beginning: Beginning) {
    let alive = app.enter();
    let Some(socket) = Box::pin(talk::take_over(upgrade, app.message_bytes())).await else { return };
    let session = app.compat.socketio.open(&app, beginning);
    serve(app, socket, session, alive).await;
}

/// Serves a client that changes from requests to a WebSocket.
pub(super) async fn run_upgrade(app: Arc<App>, upgrade: OnUpgrade, session: Arc<Session>) {
    let Some((socket, alive)) = Box::pin(change(&app, upgrade, &session)).await else {
        session.abandon_upgrade();
        return;
    };
    serve(app, socket, session, alive).await;
}

/// Waits until the client has changed over. `None` if it does not.
async fn change(app: &App, upgrade: OnUpgrade, session: &Session) -> Option<(Socket, Alive)> {
    let mut socket = talk::take_over(upgrade, app.message_bytes()).await?;
    let changed = tokio::time::timeout(UPGRADE_TIMEOUT, probe(&mut socket, session)).await;
    match changed.is_ok_and(|changed| changed).then(|| session.finish_upgrade()).flatten() {
        Some(alive) => Some((socket, alive)),
        None => {
            session.abandon_upgrade();
            shut(app, socket, NO_CODE, Utf8Bytes::default()).await;
            None
        }
    }
}

/// Answers the client's probe. True once the client changes over.
async fn probe(socket: &mut Socket, session: &Session) -> bool {
    for _ in 0..CONTROL_FRAMES {
        let text = match poll_fn(|cx| Pin::new(&mut *socket).poll_next(cx)).await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            _ => return false,
        };
        match Packet::parse(&text) {
            Ok(Packet::Ping("probe")) => {
                let answer = Message::text(Packet::Pong("probe").to_string());
                let sent = Pin::new(&mut *socket).start_send(answer).is_ok()
                    && poll_fn(|cx| Pin::new(&mut *socket).poll_flush(cx)).await.is_ok();
                if !sent || !session.probed() {
                    return false;
                }
            }
            Ok(Packet::Upgrade) => return true,
            _ => return false,
        }
    }
    false
}

async fn serve(app: Arc<App>, socket: Socket, session: Arc<Session>, _alive: Alive) {
    let mut talk = Talk::new(socket, Arc::clone(&session.outbox));
    let end = poll_fn(|cx| {
        if session.poll_over(cx).is_ready() {
            return std::task::Poll::Ready(End::Close { code: NO_CODE, reason: "" });
        }
        talk.poll(cx, &app.metrics, |text| {
            let _ = hear(&app, &session, text);
        })
    })
    .await;
    Box::pin(finish(app, talk, session, end)).await;
}

/// Says the last words and closes.
async fn finish(app: Arc<App>, mut talk: Talk, session: Arc<Session>, end: End) {
    let handle = &app.compat.socketio;
    let code = match end {
        End::Gone => None,
        End::Close { code, .. } => Some(code),
        End::Broken(code) => {
            handle.cut(&app, &session, code);
            Some(if code == ErrorCode::TooLarge { u16::from(CloseCode::Size) } else { NO_CODE })
        }
    };
    handle.depart(&app, &session);
    if let Some(code) = code {
        let _ = talk.take_rest();
        shut(&app, talk.socket, code, Utf8Bytes::default()).await;
    }
    handle.end(&app, &session);
}
