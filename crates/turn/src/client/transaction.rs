//! Requests: written once, sent until answered.

use super::{Client, Config, Failure, Session, State};
use crate::server::RelayTransport;
use parlour_stun::attribute::{
    AdditionalAddressFamily, AddressFamily, ChannelNumberAttribute, ChosenPasswordAlgorithm, DontFragment, EvenPort,
    Lifetime, MobilityTicket, Nonce, PasswordAlgorithms, Realm, RequestedAddressFamily, RequestedTransport,
    ReservationToken, Software, Userhash, Username, XorPeerAddress,
};
use parlour_stun::{
    ChannelNumber, Class, MessageWriter, Method, RetransmitTimer, TimerAction, TransactionId, userhash,
};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Sent with the first request: enough bytes that the server may answer with all features of RFC 8489.
const SOFTWARE: Software<'static> = Software("Parlour TURN client, RFC 8656");

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Allocate,
    Refresh,
    /// Refresh with the ticket, from a new address.
    Move,
    /// Refresh with a lifetime of zero.
    Release,
    /// The same for an allocation that this client has not made, to make room for its own.
    Clear,
    Permission(Vec<IpAddr>),
    Channel(ChannelNumber, SocketAddr),
    Connect(SocketAddr),
}

impl Kind {
    pub(super) fn method(&self) -> Method {
        match self {
            Self::Allocate => Method::ALLOCATE,
            Self::Refresh | Self::Move | Self::Release | Self::Clear => Method::REFRESH,
            Self::Permission(_) => Method::CREATE_PERMISSION,
            Self::Channel(..) => Method::CHANNEL_BIND,
            Self::Connect(_) => Method::CONNECT,
        }
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: TransactionId,
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    pub(super) timer: RetransmitTimer,
    /// How often it was begun anew after a challenge.
    pub(super) challenges: u8,
    /// Whether it carries integrity, so that its answer must too.
    pub(super) authenticated: bool,
    /// Whether an answer came whose integrity is wrong.
    pub(super) violated: bool,
}

/// Appends the attributes that prove who sends a request.
pub(super) fn authenticate(writer: &mut MessageWriter<'_>, config: &Config, session: &Session) {
    if session.userhash {
        writer.put(&Userhash(userhash(&config.username, &session.realm)));
    } else {
        writer.put(&Username(&config.username));
    }
    writer.put(&Realm(&session.realm));
    writer.put(&Nonce(&session.nonce));
    if let (Some(algorithms), Some(chosen)) = (&session.algorithms, session.chosen) {
        writer.put(&PasswordAlgorithms(algorithms));
        writer.put(&ChosenPasswordAlgorithm(chosen.number()));
    }
    writer.integrity(&session.key);
}

impl Client {
    pub(super) fn start(&mut self, now: Instant, kind: Kind) {
        self.start_again(now, kind, 0);
    }

    /// Writes a request and queues it; `challenges` counts how often its like was challenged.
    pub(super) fn start_again(&mut self, now: Instant, kind: Kind, challenges: u8) {
        if matches!(self.state, State::Closed) {
            return;
        }
        let id = TransactionId::random(&mut self.rng);
        let mut bytes = Vec::new();
        let mut writer = MessageWriter::new(&mut bytes, Class::Request, kind.method(), id);
        self.fill(&kind, &mut writer);
        if let Some(session) = &self.session {
            authenticate(&mut writer, &self.config, session);
        }
        writer.fingerprint();
        if writer.finish().is_err() {
            return self.finish(Failure::Incomprehensible);
        }
        let timer = RetransmitTimer::start(now, self.config.policy());
        let authenticated = self.session.is_some();
        self.transactions.push(Transaction { id, kind, bytes, timer, challenges, authenticated, violated: false });
        self.outgoing.push_back(id);
    }

    fn fill(&self, kind: &Kind, writer: &mut MessageWriter<'_>) {
        let lifetime =
            self.config.lifetime.map(|lifetime| Lifetime(u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)));
        match kind {
            Kind::Allocate => self.fill_allocate(lifetime, writer),
            Kind::Refresh | Kind::Move => {
                if let Some(lifetime) = lifetime {
                    writer.put(&lifetime);
                }
                if let (Kind::Move, State::Allocated(super::Allocation { ticket: Some(ticket), .. })) =
                    (kind, &self.state)
                {
                    writer.put(&MobilityTicket(ticket));
                }
            }
            Kind::Release | Kind::Clear => writer.put(&Lifetime(0)),
            Kind::Permission(peers) => {
                peers.iter().for_each(|peer| writer.put(&XorPeerAddress(SocketAddr::new(*peer, 0))));
            }
            Kind::Channel(number, peer) => {
                writer.put(&ChannelNumberAttribute::from(*number));
                writer.put(&XorPeerAddress(*peer));
            }
            Kind::Connect(peer) => writer.put(&XorPeerAddress(*peer)),
        }
    }

    fn fill_allocate(&self, lifetime: Option<Lifetime>, writer: &mut MessageWriter<'_>) {
        let config = &self.config;
        writer.put(&match config.relay {
            RelayTransport::Udp => RequestedTransport::UDP,
            RelayTransport::Tcp => RequestedTransport::TCP,
        });
        if let Some(lifetime) = lifetime {
            writer.put(&lifetime);
        }
        if let Some(family) = config.family {
            writer.put(&RequestedAddressFamily(Ok(family)));
        }
        if config.dual {
            writer.put(&AdditionalAddressFamily(Ok(AddressFamily::Ipv6)));
        }
        if let Some(reserve_next) = config.even_port {
            writer.put(&EvenPort { reserve_next });
        }
        if let Some(token) = config.reservation_token {
            writer.put(&ReservationToken(token));
        }
        if config.dont_fragment {
            writer.put(&DontFragment);
        }
        if config.mobility {
            writer.put(&MobilityTicket(&[]));
        }
        writer.put(&SOFTWARE);
    }

    /// Sends again what is due, and gives up what was sent often enough.
    pub(super) fn retransmit(&mut self, now: Instant) {
        let mut given_up = Vec::new();
        for transaction in &mut self.transactions {
            match transaction.timer.handle_timeout(now) {
                TimerAction::Wait => {}
                TimerAction::Resend => self.outgoing.push_back(transaction.id),
                TimerAction::GiveUp => given_up.push(transaction.id),
            }
        }
        for id in given_up {
            if let Some(at) = self.transactions.iter().position(|transaction| transaction.id == id) {
                let transaction = self.transactions.swap_remove(at);
                let failure = if transaction.violated { Failure::IntegrityViolated } else { Failure::Timeout };
                self.fail(&transaction.kind, failure);
            }
        }
    }
}
