//! Responses: whether to believe them, and what follows (RFC 8489 §9.2.5, RFC 8656 §7.3, §8.3, §10.3, §12.3).

use super::config::Challenge;
use super::transaction::{Kind, Transaction};
use super::{
    Allocation, CHANNEL_REFRESH, Client, Due, Event, Failure, PERMISSION_REFRESH, REFRESH_AHEAD, Session, State,
};
use parlour_stun::attribute::{
    AlternateDomain, AlternateServer, ConnectionId, ErrorCode, Lifetime, MobilityTicket, Nonce, Realm,
    ReservationToken, XorMappedAddress, XorRelayedAddress,
};
use parlour_stun::{AttributeType, Class, Integrity, Message};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What must be understood and is.
const KNOWN: &[AttributeType] = &[
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::USERHASH,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::LIFETIME,
    AttributeType::XOR_RELAYED_ADDRESS,
    AttributeType::XOR_MAPPED_ADDRESS,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::CONNECTION_ID,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::XOR_PEER_ADDRESS,
];

/// Challenges that one request answers before it gives up: a 401, and a nonce that has become stale meanwhile.
const MAX_CHALLENGES: u8 = 2;

/// Whether an answer was made with the password.
pub(super) fn is_genuine(message: &Message<'_>, session: &Session) -> bool {
    message.verify(&session.key) == Integrity::Valid
}

impl Client {
    pub(super) fn handle_response(&mut self, now: Instant, message: &Message<'_>) {
        let id = message.transaction_id();
        let Some(at) = self.transactions.iter().position(|t| t.id == id && t.kind.method() == message.method()) else {
            return;
        };
        let error = match (message.class(), message.get::<ErrorCode<'_>>()) {
            (Class::Error, Ok(Some(error))) => Some(error),
            (Class::Error, _) => return,
            _ => None,
        };
        let code = error.map_or(0, |error| error.code);
        let genuine = self.session.as_ref().is_some_and(|session| is_genuine(message, session));
        let Some(transaction) = self.transactions.get_mut(at) else {
            return;
        };
        let challenge = matches!(code, ErrorCode::UNAUTHENTICATED | ErrorCode::STALE_NONCE);
        if transaction.authenticated && !genuine && !challenge {
            // As if it had never come; a stream has no second chance (RFC 8489 §9.2.5).
            transaction.violated |= message.has_integrity() || message.has_integrity_sha256();
            if self.config.transport.is_stream() && code != ErrorCode::BAD_REQUEST {
                let transaction = self.transactions.swap_remove(at);
                self.fail(&transaction.kind, Failure::IntegrityViolated);
            }
            return;
        }
        let transaction = self.transactions.swap_remove(at);
        if message.unknown_attributes(KNOWN).next().is_some() {
            return self.fail(&transaction.kind, Failure::Incomprehensible);
        }
        match error {
            None => self.succeed(now, transaction.kind, message),
            Some(_) if challenge => self.challenged(now, transaction, message, code),
            Some(error) => self.refused(now, transaction, message, &error, genuine),
        }
    }

    fn challenged(&mut self, now: Instant, transaction: Transaction, message: &Message<'_>, code: u16) {
        let refused = Failure::Refused { code, reason: "the credentials are not accepted".to_owned() };
        let (Ok(Some(realm)), Ok(Some(nonce))) = (message.get::<Realm<'_>>(), message.get::<Nonce<'_>>()) else {
            return self.fail(&transaction.kind, Failure::Incomprehensible);
        };
        let challenge = Challenge {
            realm: realm.0.to_owned(),
            nonce: nonce.0.to_owned(),
            password_algorithms: message.value(AttributeType::PASSWORD_ALGORITHMS).map(<[u8]>::to_vec),
        };
        // A 401 to a request that already answered one in this realm means that the password is wrong.
        let same_realm = self.session.as_ref().is_some_and(|session| session.realm == challenge.realm);
        let wrong = code == ErrorCode::UNAUTHENTICATED && transaction.authenticated && same_realm;
        if wrong || transaction.challenges >= MAX_CHALLENGES {
            return self.fail(&transaction.kind, refused);
        }
        let lost_algorithms = self.session.as_ref().is_some_and(|session| session.chosen.is_some())
            && challenge.password_algorithms.is_none();
        if lost_algorithms {
            return self.fail(&transaction.kind, Failure::BidDown(parlour_stun::BidDown::AlgorithmsRemoved));
        }
        match Session::new(&self.config, &challenge) {
            Ok(session) => {
                self.session = Some(session);
                self.start_again(now, transaction.kind, transaction.challenges + 1);
            }
            Err(bid_down) => self.fail(&transaction.kind, Failure::BidDown(bid_down)),
        }
    }

    fn refused(
        &mut self,
        now: Instant,
        transaction: Transaction,
        message: &Message<'_>,
        error: &ErrorCode<'_>,
        genuine: bool,
    ) {
        let alternate = message.get::<AlternateServer>().ok().flatten();
        match (error.code, alternate) {
            // Only the true server may send us elsewhere (RFC 8489 §14.8).
            (ErrorCode::TRY_ALTERNATE, Some(AlternateServer(server))) if genuine => {
                let domain = message.get::<AlternateDomain<'_>>().ok().flatten().map(|domain| domain.0.to_owned());
                self.over();
                self.events.push_back(Event::TryAlternate { server, domain });
            }
            (ErrorCode::ALLOCATION_MISMATCH, _) => self.mismatched(now, &transaction.kind, error, genuine),
            // The allocation in the way is another user's.
            (ErrorCode::WRONG_CREDENTIALS, _) if transaction.kind == Kind::Clear => {
                self.finish(Failure::refused(&ErrorCode::of(ErrorCode::ALLOCATION_MISMATCH)));
            }
            _ => self.fail(&transaction.kind, Failure::refused(error)),
        }
    }

    /// There is no allocation where one is needed, or there is one where none may be (437).
    fn mismatched(&mut self, now: Instant, kind: &Kind, error: &ErrorCode<'_>, genuine: bool) {
        match kind {
            Kind::Release => self.finish(Failure::Released),
            // What was in the way has ended by itself (RFC 8656 §8.3).
            Kind::Clear => self.start(now, Kind::Allocate),
            // An earlier client of this socket was served and never heard of it, or has gone without a word that came
            // through. Another socket, as RFC 8656 §7.4 advises, is not this client's to take; and what this user has
            // left behind, it may end.
            Kind::Allocate if genuine && !self.cleared => {
                self.cleared = true;
                self.start(now, Kind::Clear);
            }
            _ => self.finish(Failure::refused(error)),
        }
    }

    /// A request has failed for good.
    pub(super) fn fail(&mut self, kind: &Kind, failure: Failure) {
        match kind {
            Kind::Release => self.finish(Failure::Released),
            Kind::Allocate | Kind::Refresh | Kind::Move | Kind::Clear => self.finish(failure),
            Kind::Permission(peers) => {
                peers.iter().for_each(|peer| {
                    self.permissions.remove(peer);
                });
                self.events.push_back(Event::PermissionRefused(peers.clone(), failure));
            }
            Kind::Channel(number, peer) => {
                self.peers.remove(peer);
                self.channels.remove(number);
                self.events.push_back(Event::ChannelRefused(*peer, failure));
            }
            Kind::Connect(peer) => self.events.push_back(Event::ConnectRefused(*peer, failure)),
        }
    }

    fn succeed(&mut self, now: Instant, kind: Kind, message: &Message<'_>) {
        match kind {
            Kind::Allocate => self.allocated(now, message),
            Kind::Refresh | Kind::Move => {
                let lifetime = lifetime_of(message);
                if let State::Allocated(allocation) = &mut self.state {
                    allocation.lifetime = lifetime.unwrap_or(allocation.lifetime);
                    if let Ok(Some(ticket)) = message.get::<MobilityTicket<'_>>() {
                        allocation.ticket = Some(ticket.0.to_vec());
                    }
                    let lifetime = allocation.lifetime;
                    self.schedule_refresh(now, lifetime);
                }
                if kind == Kind::Move {
                    self.events.push_back(Event::Moved);
                }
            }
            Kind::Release => self.finish(Failure::Released),
            Kind::Clear => self.start(now, Kind::Allocate),
            Kind::Permission(peers) => {
                for peer in &peers {
                    self.permissions.insert(*peer, true);
                    self.schedule(now + PERMISSION_REFRESH, Due::Permission(*peer));
                }
                self.events.push_back(Event::Permitted(peers));
            }
            Kind::Channel(_, peer) => {
                self.permissions.insert(peer.ip(), true);
                self.schedule(now + PERMISSION_REFRESH, Due::Permission(peer.ip()));
                self.schedule(now + CHANNEL_REFRESH, Due::Channel(peer));
                let first = self.peers.get_mut(&peer).is_some_and(|known| !std::mem::replace(&mut known.bound, true));
                if first {
                    self.events.push_back(Event::ChannelBound(peer));
                }
            }
            Kind::Connect(peer) => match message.get::<ConnectionId>() {
                Ok(Some(ConnectionId(connection))) => {
                    self.events.push_back(Event::PeerConnected { peer, connection });
                }
                _ => self.events.push_back(Event::ConnectRefused(peer, Failure::Incomprehensible)),
            },
        }
    }

    fn allocated(&mut self, now: Instant, message: &Message<'_>) {
        let relayed: Vec<SocketAddr> =
            message.get_all::<XorRelayedAddress>().filter_map(|address| Some(address.ok()?.0)).collect();
        let (false, Some(lifetime)) = (relayed.is_empty(), lifetime_of(message)) else {
            return self.finish(Failure::Incomprehensible);
        };
        let ticket = message.get::<MobilityTicket<'_>>().ok().flatten().map(|ticket| ticket.0.to_vec());
        self.state = State::Allocated(Allocation { relayed: relayed.clone(), lifetime, ticket });
        self.schedule_refresh(now, lifetime);
        self.events.push_back(Event::Allocated {
            relayed,
            mapped: message.get::<XorMappedAddress>().ok().flatten().map(|address| address.0),
            lifetime,
            reservation_token: message.get::<ReservationToken>().ok().flatten().map(|token| token.0),
        });
    }

    fn schedule_refresh(&mut self, now: Instant, lifetime: Duration) {
        let wait = lifetime.checked_sub(REFRESH_AHEAD).filter(|wait| *wait > lifetime / 2).unwrap_or(lifetime / 2);
        self.schedule(now + wait, Due::Allocation);
    }
}

fn lifetime_of(message: &Message<'_>) -> Option<Duration> {
    let Lifetime(seconds) = message.get().ok()??;
    // A server may say what it likes; nobody refreshes less often than hourly, nor in a busy loop.
    Some(Duration::from_secs(u64::from(seconds.clamp(10, 3_600))))
}
