//! The task of one PeerJS client.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::Request;
use futures_util::Sink as _;
use hyper::upgrade::OnUpgrade;
use parlour_signaling::message::ErrorCode;
use parlour_signaling::{Frame, Text};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::message::{Incoming, error, id_taken};
use super::realm::{Attached, Conn};
use super::{CLOSE_ERROR, ID_BYTES, Link};
use crate::compat::pace::{Limits, Pace, Verdict};
use crate::compat::{admit, query};
use crate::limits::Slot;
use crate::ws::outbox::Outbox;
use crate::ws::talk::{self, End, NO_CODE, Socket, Talk, shut};
use crate::{App, lock, word};

/// Who a client says it is.
pub(super) struct Claim {
    id: Option<String>,
    token: Option<String>,
    key: Option<String>,
}

impl Claim {
    pub(super) fn of(request: &Request<Body>) -> Self {
        Self { id: query(request, "id"), token: query(request, "token"), key: query(request, "key") }
    }

    /// The id and the token, if all is there and the key is right.
    fn check(self, key: &str) -> Result<(String, String), &'static str> {
        let given = |value: Option<String>| value.filter(|value| !value.is_empty());
        let (Some(id), Some(token), Some(own)) = (given(self.id), given(self.token), given(self.key)) else {
            return Err("No id, token, or key supplied to websocket server");
        };
        if own != key {
            return Err("Invalid key provided");
        }
        if id.len() > ID_BYTES || token.len() > ID_BYTES {
            return Err("The id or the token is too long: 256 bytes at most");
        }
        Ok((id, token))
    }
}

/// Serves a client from its upgrade to its end.
pub(super) async fn run(app: Arc<App>, upgrade: OnUpgrade, client: IpAddr, claim: Claim) {
    let _live = app.enter();
    let Some((mut session, _slot)) = Box::pin(start(&app, upgrade, client, claim)).await else { return };
    app.metrics.peerjs_clients.increment(1.0);
    tracing::debug!(client = session.conn.0, id = %session.id, "PeerJS client connected");
    let end = session.talk().await;
    app.metrics.peerjs_clients.decrement(1.0);
    tracing::debug!(client = session.conn.0, "PeerJS client left");
    Box::pin(session.finish(end)).await;
}

/// A client that is in.
struct Session {
    talk: Talk,
    own: Own,
    app: Arc<App>,
}

/// What belongs to one client alone.
struct Own {
    id: Arc<str>,
    conn: Conn,
    link: Link,
    pace: Pace,
    limits: Limits,
}

impl std::ops::Deref for Session {
    type Target = Own;

    fn deref(&self) -> &Own {
        &self.own
    }
}

async fn start(app: &Arc<App>, upgrade: OnUpgrade, client: IpAddr, claim: Claim) -> Option<(Session, Slot)> {
    let socket = talk::take_over(upgrade, app.message_bytes()).await?;
    let (id, token) = match claim.check(&app.config.compat.peerjs_key) {
        Ok(claim) => claim,
        Err(why) => {
            refuse(app, socket, error(why), NO_CODE, "").await;
            return None;
        }
    };
    let realm = &app.compat.peerjs.realm;
    let there = lock(realm).len();
    // The realm itself refuses who is one too many: a client that comes again is not.
    let slot = match admit(app, client, there.min(app.config.limits.max_peers_total.saturating_sub(1) as usize)) {
        Ok(slot) => slot,
        Err(refused) => {
            refuse(app, socket, error(refused.advice()), CLOSE_ERROR, "").await;
            return None;
        }
    };
    let (id, conn, now) = (Arc::<str>::from(id), app.compat.peerjs.next_conn(), Instant::now());
    let link = Link(Arc::new(Outbox::default()));
    let attached = lock(realm).attach(now, (&id, &token), conn, &link, |link, frame| {
        link.send(frame);
    });
    match attached {
        Attached::New | Attached::Again => {}
        Attached::Taken => {
            refuse(app, socket, id_taken(), NO_CODE, "").await;
            return None;
        }
        Attached::Full => {
            app.metrics.refused("server_full");
            refuse(app, socket, error("Server has reached its concurrent user limit"), NO_CODE, "").await;
            return None;
        }
    }
    let talk = Talk::new(socket, Arc::clone(&link.0));
    let own = Own { id, conn, link, pace: Pace::new(now), limits: Limits::new(&app.config) };
    Some((Session { talk, own, app: Arc::clone(app) }, slot))
}

impl Session {
    async fn talk(&mut self) -> End {
        let (talk, own, app) = (&mut self.talk, &mut self.own, &self.app);
        poll_fn(|cx| talk.poll(cx, &app.metrics, |text| own.hear(app, text))).await
    }

    /// Says the last words and closes.
    async fn finish(mut self, end: End) {
        lock(&self.app.compat.peerjs.realm).detach(&self.own.id, self.own.conn);
        let close = match end {
            End::Gone => return,
            End::Close { code, reason } => (code, reason),
            End::Broken(code) => {
                self.app.metrics.refused(&word(&code));
                self.own.link.send(Frame::Text(error(advice(code))));
                let _ = self.talk.take_rest();
                match code {
                    ErrorCode::TooLarge => (u16::from(CloseCode::Size), "too_large"),
                    ErrorCode::Rate => (CLOSE_ERROR, "rate"),
                    _ => (CLOSE_ERROR, "bad_message"),
                }
            }
        };
        shut(&self.app, self.talk.socket, close.0, Utf8Bytes::from_static(close.1)).await;
    }
}

impl Own {
    fn hear(&mut self, app: &App, text: &str) {
        let now = Instant::now();
        match self.pace.count(now, &self.limits) {
            Verdict::Fine => {}
            Verdict::Refuse { tell, .. } => {
                app.metrics.refused("rate");
                if tell {
                    self.tell(&format!("At most {} messages a second. Wait.", self.limits.per_s));
                }
                return;
            }
            Verdict::Abuse => return self.cut(app, ErrorCode::Rate, "rate"),
        }
        let Some(message) = Incoming::parse(text) else {
            return self.cut(app, ErrorCode::BadMessage, "bad_message");
        };
        let mut deaf: Option<Link> = None;
        let mut realm = lock(&app.compat.peerjs.realm);
        realm.hear(now, &self.id, &message, |link, frame| {
            if !link.send(frame) {
                deaf = Some(link.clone());
            }
        });
        if let Some(deaf) = deaf {
            app.metrics.overflows.increment(1);
            deaf.close(CLOSE_ERROR, "slow");
            if let Some(dst) = &message.dst {
                realm.overflowed(&self.id, dst, |link, frame| {
                    link.send(frame);
                });
            }
        }
    }

    fn tell(&self, message: &str) {
        self.link.send(Frame::Text(error(message)));
    }

    /// Ends the connection for what the client did.
    fn cut(&self, app: &App, code: ErrorCode, reason: &'static str) {
        app.metrics.refused(reason);
        self.tell(advice(code));
        self.link.close(CLOSE_ERROR, reason);
    }
}

/// What a client that broke the rules can do.
fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TooLarge => "The message is too long. The operator can raise `limits.message_kib`.",
        ErrorCode::Rate => "Too many messages for too long. Send fewer.",
        _ => "This is not a message of PeerJS's protocol. Send JSON objects in text frames.",
    }
}

/// Turns a client away.
async fn refuse(app: &App, mut socket: Socket, message: Text, code: u16, reason: &'static str) {
    if let Ok(text) = Utf8Bytes::try_from(message.to_bytes()) {
        let _ = Pin::new(&mut socket).start_send(Message::Text(text));
    }
    shut(app, socket, code, Utf8Bytes::from_static(reason)).await;
}
