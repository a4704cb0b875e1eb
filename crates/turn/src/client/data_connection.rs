//! The stream that carries one TCP connection to a peer (RFC 6062 §4.4).

use super::response::is_genuine;
use super::transaction::authenticate;
use super::{Challenge, Config, Failure, Session};
use parlour_stun::attribute::{ConnectionId, ErrorCode, Nonce, Realm};
use parlour_stun::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};
use std::time::{Duration, Instant};

/// The server closes a connection that is not bound in this time (RFC 6062 §5.2).
const PATIENCE: Duration = Duration::from_secs(30);

/// How far a [`DataConnection`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataConnectionState {
    /// The request is under way.
    Binding,
    /// What follows on the stream is the peer's bytes, and the other way round.
    Bound,
    /// Close the stream.
    Failed(Failure),
}

/// Binds a new stream to a connection that waits at the server. Send what [`poll_transmit`](Self::poll_transmit)
/// gives as the first bytes of the stream, and pass the first message that comes back.
#[derive(Debug)]
pub struct DataConnection {
    config: Config,
    session: Session,
    connection: u32,
    id: TransactionId,
    outgoing: Option<Vec<u8>>,
    challenged: bool,
    deadline: Instant,
    state: DataConnectionState,
}

impl DataConnection {
    pub(super) fn new(now: Instant, config: &Config, session: &Session, id: TransactionId, connection: u32) -> Self {
        let mut this = Self {
            config: config.clone(),
            session: session.clone(),
            connection,
            id,
            outgoing: None,
            challenged: false,
            deadline: now + PATIENCE,
            state: DataConnectionState::Binding,
        };
        this.write();
        this
    }

    fn write(&mut self) {
        let mut bytes = Vec::new();
        let mut writer = MessageWriter::new(&mut bytes, Class::Request, Method::CONNECTION_BIND, self.id);
        writer.put(&ConnectionId(self.connection));
        authenticate(&mut writer, &self.config, &self.session);
        match writer.finish() {
            Ok(_) => self.outgoing = Some(bytes),
            Err(_) => self.state = DataConnectionState::Failed(Failure::Incomprehensible),
        }
    }

    /// How far it is.
    pub fn state(&self) -> &DataConnectionState {
        &self.state
    }

    /// The bytes to send next, if any.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.take()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` once it is decided.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.state == DataConnectionState::Binding).then_some(self.deadline)
    }

    /// Gives up at the deadline.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.state == DataConnectionState::Binding && now >= self.deadline {
            self.state = DataConnectionState::Failed(Failure::Timeout);
        }
    }

    /// Takes the message that answers the request.
    pub fn handle_message(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            self.state = DataConnectionState::Failed(Failure::Incomprehensible);
            return;
        };
        if self.state != DataConnectionState::Binding || message.transaction_id() != self.id {
            return;
        }
        let error = message.get::<ErrorCode<'_>>().ok().flatten();
        if message.class() == Class::Success && is_genuine(&message, &self.session) {
            self.state = DataConnectionState::Bound;
        } else if error.is_some_and(|error| error.code == ErrorCode::STALE_NONCE) && !self.challenged {
            self.retry(&message);
        } else {
            let failure = error.map_or(Failure::IntegrityViolated, |error| Failure::refused(&error));
            self.state = DataConnectionState::Failed(failure);
        }
    }

    fn retry(&mut self, message: &Message<'_>) {
        let (Ok(Some(realm)), Ok(Some(nonce))) = (message.get::<Realm<'_>>(), message.get::<Nonce<'_>>()) else {
            self.state = DataConnectionState::Failed(Failure::Incomprehensible);
            return;
        };
        let challenge = Challenge {
            realm: realm.0.to_owned(),
            nonce: nonce.0.to_owned(),
            password_algorithms: message.value(AttributeType::PASSWORD_ALGORITHMS).map(<[u8]>::to_vec),
        };
        self.challenged = true;
        match Session::new(&self.config, &challenge) {
            Ok(session) => {
                self.session = session;
                // A new transaction, whose id need not be guessed by anyone: the old one's is spent.
                self.id = TransactionId(self.id.0.map(|byte| byte.wrapping_add(1)));
                self.write();
            }
            Err(bid_down) => self.state = DataConnectionState::Failed(Failure::BidDown(bid_down)),
        }
    }
}
