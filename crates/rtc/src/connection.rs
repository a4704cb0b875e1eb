//! Connections (W3C webrtc-pc §4.4).

use crate::channel::DataChannel;
use crate::configuration::Configuration;
use crate::core::Shared;
use crate::driver;
use crate::event::Events;
use crate::socket::Socket;
use crate::transceiver::Transceiver;
use parlour_peer::{
    Certificate, ConnectionState, DataChannelInit, Description, Error, GatheringState, IceCandidateInit,
    IceTransportState, LocalTrack, OfferOptions, OperationId, Outcome, SignalingState, TrackKind, TransceiverInit,
};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};

/// `RTCPeerConnection`.
///
/// Clones are handles of the same connection. Dropping the last one closes it, at once and with word to the other side.
#[derive(Clone)]
pub struct PeerConnection(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.change(|core| core.pc.close());
    }
}

impl fmt::Debug for PeerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConnection")
            .field("signaling_state", &self.signaling_state())
            .field("connection_state", &self.connection_state())
            .finish_non_exhaustive()
    }
}

/// Starts an operation of the chain, and waits for its end. It goes on if nobody waits any more.
pub(crate) async fn operate(
    shared: &Arc<Shared>,
    start: impl FnOnce(&mut parlour_peer::PeerConnection) -> Result<OperationId, Error>,
) -> Result<Outcome, Error> {
    let ended = shared.change(|core| {
        let operation = start(&mut core.pc)?;
        let (settle, ended) = oneshot::channel();
        core.waiting.insert(operation, settle);
        Ok::<_, Error>(ended)
    })?;
    // In a browser it would never settle (W3C webrtc-pc §4.4.1.2); here that would be a task that never ends.
    ended.await.unwrap_or_else(|_| Err(Error::InvalidState("the connection was closed meanwhile".into())))
}

impl PeerConnection {
    /// Makes a connection, and the stream of its events. Its sockets are served by a task on the runtime of the caller.
    ///
    /// # Errors
    /// [`Error::Syntax`], [`Error::NotSupported`] and [`Error::InvalidAccess`] for servers that cannot be used,
    /// [`Error::InvalidAccess`] for a certificate that has expired, [`Error::Operation`] if there is no tokio runtime, or no
    /// socket can be had.
    pub fn new(configuration: Configuration) -> Result<(Self, Events), Error> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| Error::Operation(format!("a connection needs a tokio runtime: {error}")))?;
        let addresses = configuration.addresses.list();
        let peer = configuration.into_peer()?;
        let mut pc = parlour_peer::PeerConnection::new(peer, unix_time(), Box::new(parlour_net::random))?;
        let mut sockets = Vec::new();
        let mut failed = None;
        for ip in addresses {
            match Socket::bind(ip) {
                Ok(socket) => sockets.push(socket),
                // An interface may have gone away since it was listed.
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed.filter(|_| sockets.is_empty()) {
            return Err(Error::Operation(format!("no UDP socket could be opened: {error}")));
        }
        let now = crate::core::now();
        for socket in &sockets {
            pc.add_socket(now, parlour_peer::Socket::new(socket.local()));
        }
        let (tell, told) = mpsc::unbounded_channel();
        let shared = Shared::new(pc, sockets, tell);
        let events = Events { told, shared: Arc::downgrade(&shared) };
        runtime.spawn(driver::run(shared.clone()));
        Ok((Self(Arc::new(Handle { shared })), events))
    }

    /// `generateCertificate()`: ECDSA over P-256, for 30 days. May serve many connections, which the other sides can tell.
    ///
    /// # Errors
    /// [`Error::Operation`] if the system has no randomness.
    pub fn generate_certificate() -> Result<Certificate, Error> {
        Certificate::generate(unix_time())
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }

    fn look<T>(&self, look: impl FnOnce(&parlour_peer::PeerConnection) -> T) -> T {
        look(&self.shared().lock().pc)
    }

    /// `createOffer()`.
    ///
    /// # Errors
    /// [`Error::InvalidState`] outside the states that allow an offer.
    pub async fn create_offer(&self, options: OfferOptions) -> Result<Description, Error> {
        operate(self.shared(), |pc| pc.create_offer(options)).await.and_then(description)
    }

    /// `createAnswer()`.
    ///
    /// # Errors
    /// [`Error::InvalidState`] without an offer to answer.
    pub async fn create_answer(&self) -> Result<Description, Error> {
        operate(self.shared(), parlour_peer::PeerConnection::create_answer).await.and_then(description)
    }

    /// `setLocalDescription()`. Without a description, what the state calls for is made.
    ///
    /// # Errors
    /// [`Error::InvalidModification`] if it is not the one that was made last, [`Error::InvalidState`] if it does not fit
    /// the state.
    pub async fn set_local_description(&self, description: Option<Description>) -> Result<(), Error> {
        operate(self.shared(), |pc| pc.set_local_description(description)).await.map(|_| ())
    }

    /// `setRemoteDescription()`. An offer that meets an offer of ours takes ours back first.
    ///
    /// # Errors
    /// [`Error::Rtc`] with the line of a syntax error, [`Error::InvalidAccess`] for content that cannot be,
    /// [`Error::InvalidState`] if it does not fit the state.
    pub async fn set_remote_description(&self, description: Description) -> Result<(), Error> {
        operate(self.shared(), |pc| pc.set_remote_description(description)).await.map(|_| ())
    }

    /// `addIceCandidate()`.
    ///
    /// # Errors
    /// [`Error::Type`] for one that names no section, [`Error::InvalidState`] before the remote description,
    /// [`Error::Operation`] for one that is malformed or of an unknown section.
    pub async fn add_ice_candidate(&self, candidate: IceCandidateInit) -> Result<(), Error> {
        operate(self.shared(), |pc| pc.add_ice_candidate(candidate)).await.map(|_| ())
    }

    /// `restartIce()`.
    pub fn restart_ice(&self) {
        self.shared().change(|core| core.pc.restart_ice());
    }

    /// `createDataChannel()`.
    ///
    /// # Errors
    /// [`Error::Type`] for names or options that cannot be, [`Error::Operation`] for an id in use,
    /// [`Error::InvalidState`] on a closed connection.
    pub fn create_data_channel(&self, label: &str, init: DataChannelInit) -> Result<DataChannel, Error> {
        let id = self.shared().change(|core| core.pc.create_data_channel(label, init))?;
        let gone = || Error::InvalidState("the connection was closed meanwhile".into());
        DataChannel::new(self.shared().clone(), id).ok_or_else(gone)
    }

    /// `addTrack()`.
    ///
    /// # Errors
    /// [`Error::InvalidAccess`] for a track that is sent already, [`Error::InvalidState`] on a closed connection.
    pub fn add_track(&self, track: LocalTrack, streams: &[&str]) -> Result<Transceiver, Error> {
        let id = self.shared().change(|core| core.pc.add_track(track, streams))?;
        Ok(Transceiver::new(self.shared().clone(), id))
    }

    /// `removeTrack()`.
    ///
    /// # Errors
    /// [`Error::InvalidAccess`] for a sender of another connection, [`Error::InvalidState`] on a closed connection.
    pub fn remove_track(&self, sender: &Transceiver) -> Result<(), Error> {
        self.shared().change(|core| core.pc.remove_track(sender.id()))
    }

    /// `addTransceiver()`.
    ///
    /// # Errors
    /// [`Error::Type`] and [`Error::Range`] for encodings that cannot be, [`Error::InvalidState`] on a closed connection.
    pub fn add_transceiver(&self, kind: TrackKind, init: TransceiverInit) -> Result<Transceiver, Error> {
        let id = self.shared().change(|core| core.pc.add_transceiver(kind, init))?;
        Ok(Transceiver::new(self.shared().clone(), id))
    }

    /// `getTransceivers()`, in the order of their making.
    pub fn transceivers(&self) -> Vec<Transceiver> {
        let ids: Vec<_> = self.look(|pc| pc.transceivers().map(parlour_peer::Transceiver::id).collect());
        ids.into_iter().map(|id| Transceiver::new(self.shared().clone(), id)).collect()
    }

    /// `localDescription`.
    pub fn local_description(&self) -> Option<Description> {
        self.look(parlour_peer::PeerConnection::local_description)
    }

    /// `remoteDescription`.
    pub fn remote_description(&self) -> Option<Description> {
        self.look(parlour_peer::PeerConnection::remote_description)
    }

    /// `localDescription` with all candidates, once they are gathered: for signaling that carries one message each way.
    ///
    /// # Errors
    /// [`Error::InvalidState`] if there is no local description, or the connection is closed.
    pub async fn gathered_description(&self) -> Result<Description, Error> {
        poll_fn(|cx| {
            let mut core = self.shared().lock();
            let none = || Error::InvalidState("there is no local description to wait for".into());
            let Some(description) = core.pc.local_description().filter(|_| !core.pc.is_closed()) else {
                return Poll::Ready(Err(none()));
            };
            if core.pc.ice_gathering_state() == GatheringState::Complete {
                return Poll::Ready(Ok(description));
            }
            core.watchers.register(cx);
            Poll::Pending
        })
        .await
    }

    /// Waits until the connection is connected.
    ///
    /// # Errors
    /// [`Error::Operation`] if it has failed, [`Error::InvalidState`] if it was closed.
    pub async fn connected(&self) -> Result<(), Error> {
        poll_fn(|cx| {
            let mut core = self.shared().lock();
            match core.pc.connection_state() {
                ConnectionState::Connected => Poll::Ready(Ok(())),
                ConnectionState::Failed => Poll::Ready(Err(Error::Operation("the connection has failed".into()))),
                ConnectionState::Closed => Poll::Ready(Err(Error::InvalidState("the connection is closed".into()))),
                _ => {
                    core.watchers.register(cx);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// `signalingState`.
    pub fn signaling_state(&self) -> SignalingState {
        self.look(parlour_peer::PeerConnection::signaling_state)
    }

    /// `connectionState`.
    pub fn connection_state(&self) -> ConnectionState {
        self.look(parlour_peer::PeerConnection::connection_state)
    }

    /// `iceConnectionState`.
    pub fn ice_connection_state(&self) -> IceTransportState {
        self.look(parlour_peer::PeerConnection::ice_connection_state)
    }

    /// `iceGatheringState`.
    pub fn ice_gathering_state(&self) -> GatheringState {
        self.look(parlour_peer::PeerConnection::ice_gathering_state)
    }

    /// `sctp.maxMessageSize`: the largest message that the other side takes, once it has said so.
    pub fn max_message_size(&self) -> Option<u64> {
        self.look(parlour_peer::PeerConnection::max_message_size)
    }

    /// `close()`: at once and for good. Whoever waits for something of this connection is told so.
    pub fn close(&self) {
        self.shared().change(|core| {
            core.pc.close();
            core.end();
        });
    }
}

fn description(outcome: Outcome) -> Result<Description, Error> {
    match outcome {
        Outcome::Description(description) => Ok(description),
        Outcome::Done => Err(Error::Operation("no description came of it".into())),
    }
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
