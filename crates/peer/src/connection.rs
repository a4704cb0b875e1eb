//! One connection: the slots, the operations chain and the queue of tasks (W3C webrtc-pc §4.4).
//!
//! Nothing visible changes but in calls of the program and in tasks. [`PeerConnection::poll_event`] commits one task at a
//! time: first all its slots change, then its events come out.

mod data;
mod media;
mod network;
mod operations;
mod rtp;
mod states;
mod tasks;

use crate::channels::{ChannelId, DataChannels};
use crate::error::Error;
use crate::event::{Event, OperationId, Outcome};
use crate::jsep::codecs::Capabilities;
use crate::jsep::signaling::{Description, SignalingState};
use crate::jsep::transceiver::{Transceiver, TransceiverId};
use crate::jsep::transport::{BundlePolicy, Transport, TransportId};
use crate::jsep::{Jsep, Settings};
use crate::random::{self, Rng};
use crate::streams::Streams;
use crate::transport::certificate::Certificate;
use crate::transport::data::DataLink;
use crate::transport::dtls::DtlsVersions;
use crate::transport::link::Link;
pub use media::TransceiverInit;
pub use network::Transmit;
use operations::Chained;
pub use operations::OfferOptions;
pub use rtp::{MediaPacket, SenderState};
pub use states::ConnectionState;
use states::{States, TransportSlots};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tasks::Task;

/// `RTCConfiguration`, and what this peer can do.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// How to deal with peers that do not bundle.
    pub bundle_policy: BundlePolicy,
    /// What to show in DTLS. One is made if there is none.
    pub certificates: Vec<Certificate>,
    /// Codecs and header extensions of sound.
    pub audio: Capabilities,
    /// Codecs and header extensions of pictures.
    pub video: Capabilities,
    /// Whether to take several layers of a track if the other side wants to send them (RFC 8853).
    pub accept_simulcast: bool,
    /// The largest message that is taken on a data channel, in bytes; 0 for any.
    pub max_message_size: u64,
    /// Servers and policies of ICE. The role is found by the descriptions.
    pub ice: parlour_ice::Config,
    /// Which versions of DTLS to speak.
    pub dtls_versions: DtlsVersions,
    /// Saves round trips with peers that can do so as well: DTLS rides on the checks of ICE, and SCTP needs no handshake
    /// (draft-hancke-webrtc-sped, draft-hancke-tsvwg-snap).
    pub warp: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            bundle_policy: BundlePolicy::default(),
            certificates: Vec::new(),
            audio: Capabilities::audio(),
            video: Capabilities::video(),
            accept_simulcast: true,
            max_message_size: 262_144,
            ice: parlour_ice::Config::default(),
            dtls_versions: DtlsVersions::default(),
            warp: true,
        }
    }
}

/// `RTCPeerConnection`, without I/O.
///
/// Methods that give a promise in JavaScript give an [`OperationId`] here; [`Event::Settled`] tells how it ended.
///
/// ```
/// use parlour_peer::{Configuration, Event, Outcome, PeerConnection, SdpType, TrackKind};
/// use std::time::Duration;
///
/// # let mut state = 1u8;
/// # let rng = Box::new(move |bytes: &mut [u8]| bytes.fill_with(|| { state = state.wrapping_mul(73).wrapping_add(41); state }));
/// let mut connection = PeerConnection::new(Configuration::default(), Duration::from_secs(1_800_000_000), rng)?;
/// connection.add_transceiver(TrackKind::Audio, Default::default())?;
/// let operation = connection.set_local_description(None)?;
/// while let Some(event) = connection.poll_event() {
///     if event == (Event::Settled { operation, result: Ok(Outcome::Done) }) {
///         let offer = connection.local_description().unwrap();
///         assert_eq!(offer.kind, SdpType::Offer);
///     }
/// }
/// # Ok::<(), parlour_peer::Error>(())
/// ```
pub struct PeerConnection {
    pub(crate) jsep: Jsep,
    channels: DataChannels,
    certificates: Vec<Certificate>,
    is_closed: bool,
    negotiation_needed: bool,
    /// `[[UpdateNegotiationNeededFlagOnEmptyChain]]`.
    update_on_empty_chain: bool,
    chain: VecDeque<Chained>,
    tasks: VecDeque<Task>,
    events: VecDeque<Event>,
    next_operation: u64,
    states: States,
    slots: BTreeMap<TransportId, TransportSlots>,
    ice: parlour_ice::Config,
    dtls_versions: DtlsVersions,
    warp: bool,
    /// The time of the last call that told it.
    latest: Option<Instant>,
    /// What the first association of SCTP is grown from, as descriptions tell how it begins.
    first_sctp: Option<[u8; 32]>,
    sockets: Vec<parlour_ice::Socket>,
    links: Vec<Link>,
    /// Links that have ended and may still have something to send.
    leaving: Vec<Link>,
    data: Option<DataLink>,
    /// Packets of SCTP that came in the same breath as the end of the handshake.
    early_data: Vec<(TransportId, Vec<u8>)>,
    media: VecDeque<MediaPacket>,
    streams: Streams,
    said_goodbye: bool,
    /// Something has changed that the links and the association do not know.
    unsettled: bool,
    /// Channels that the association does not know.
    unopened: Vec<ChannelId>,
    messages_held: bool,
    packet: Vec<u8>,
    pub(crate) rng: Rng,
}

impl PeerConnection {
    /// Makes a connection. `unix_time` is the time since 1970, which certificates are checked against; `rng` is a
    /// cryptographic generator.
    ///
    /// Fails with [`Error::InvalidAccess`] if a certificate has expired.
    pub fn new(configuration: Configuration, unix_time: Duration, mut rng: Rng) -> Result<Self, Error> {
        let Configuration {
            bundle_policy,
            mut certificates,
            audio,
            video,
            accept_simulcast,
            max_message_size,
            ice,
            dtls_versions,
            warp,
        } = configuration;
        if certificates.iter().any(|certificate| certificate.expires() <= unix_time) {
            return Err(Error::InvalidAccess("a certificate has expired".into()));
        }
        if certificates.is_empty() {
            certificates.push(Certificate::generate(unix_time)?);
        }
        let settings = Settings {
            bundle_policy,
            fingerprints: certificates.iter().map(Certificate::fingerprint).collect(),
            audio,
            video,
            accept_simulcast,
            max_message_size,
            cname: random::hex_id(&mut rng),
            tls_id: random::hex_id(&mut rng),
            sped: warp,
            sctp_init: None,
        };
        let ice = parlour_ice::Config { sped: warp, ..ice };
        let streams = Streams::new(unix_time, settings.cname.clone(), &mut rng);
        Ok(Self {
            jsep: Jsep::new(settings, &mut rng),
            channels: DataChannels::default(),
            certificates,
            is_closed: false,
            negotiation_needed: false,
            update_on_empty_chain: false,
            chain: VecDeque::new(),
            tasks: VecDeque::new(),
            events: VecDeque::new(),
            next_operation: 0,
            states: States::default(),
            slots: BTreeMap::new(),
            ice,
            dtls_versions,
            warp,
            latest: None,
            first_sctp: None,
            sockets: Vec::new(),
            links: Vec::new(),
            leaving: Vec::new(),
            data: None,
            early_data: Vec::new(),
            media: VecDeque::new(),
            streams,
            said_goodbye: false,
            unsettled: false,
            unopened: Vec::new(),
            messages_held: false,
            packet: Vec::new(),
            rng,
        })
    }

    /// The next event. Commits tasks until one has something to tell; `None` when no task is left.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if let Event::Settled { operation, .. } = &event {
                    self.advance_chain(*operation);
                }
                return Some(event);
            }
            let task = self.tasks.pop_front()?;
            self.commit(task);
        }
    }

    /// `signalingState`.
    pub fn signaling_state(&self) -> SignalingState {
        self.jsep.signaling_state
    }

    /// `localDescription`: the pending one, or else the current one.
    pub fn local_description(&self) -> Option<Description> {
        self.jsep.local_description().map(|applied| applied.describe())
    }

    /// `currentLocalDescription`.
    pub fn current_local_description(&self) -> Option<Description> {
        self.jsep.current_local.as_ref().map(|applied| applied.describe())
    }

    /// `pendingLocalDescription`.
    pub fn pending_local_description(&self) -> Option<Description> {
        self.jsep.pending_local.as_ref().map(|applied| applied.describe())
    }

    /// `remoteDescription`: the pending one, or else the current one.
    pub fn remote_description(&self) -> Option<Description> {
        self.jsep.remote_description().map(|applied| applied.describe())
    }

    /// `currentRemoteDescription`.
    pub fn current_remote_description(&self) -> Option<Description> {
        self.jsep.current_remote.as_ref().map(|applied| applied.describe())
    }

    /// `pendingRemoteDescription`.
    pub fn pending_remote_description(&self) -> Option<Description> {
        self.jsep.pending_remote.as_ref().map(|applied| applied.describe())
    }

    /// `canTrickleIceCandidates`: none before the first remote description.
    pub fn can_trickle_ice_candidates(&self) -> Option<bool> {
        self.jsep.remote_trickles
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// `getTransceivers()`, in the order of their making.
    pub fn transceivers(&self) -> impl Iterator<Item = &Transceiver> {
        self.jsep.transceivers.iter()
    }

    /// One of the transceivers; none once it was negotiated away.
    pub fn transceiver(&self, id: TransceiverId) -> Option<&Transceiver> {
        self.jsep.transceiver(id)
    }

    /// The transports as the descriptions have them.
    pub fn transports(&self) -> impl Iterator<Item = &Transport> {
        self.jsep.transports.values()
    }

    /// The certificates that are shown.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// `restartIce()`: the next offer has new credentials. No event comes of it before the first negotiation.
    pub fn restart_ice(&mut self) {
        let local = [&self.jsep.current_local, &self.jsep.pending_local].into_iter().flatten();
        let credentials = local.flat_map(|applied| {
            applied.sdp.media.iter().filter_map(|media| crate::jsep::transport::IceParameters::of(media, &applied.sdp))
        });
        self.jsep.credentials_to_replace = credentials.collect();
        self.jsep.changes += 1;
        self.update_negotiation_needed();
    }

    /// `close()`: at once and for good. Operations under way never settle; the tracks of receivers end.
    pub fn close(&mut self) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        self.unsettled = true;
        self.chain.clear();
        self.tasks.clear();
        self.events.clear();
        self.jsep.signaling_state = SignalingState::Closed;
        self.close_channels();
        for transceiver in &mut self.jsep.transceivers {
            if !transceiver.stopped && transceiver.stop() {
                self.tasks.push_back(Task::EndTrack(transceiver.id));
            }
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed { Err(Error::InvalidState("the connection is closed".into())) } else { Ok(()) }
    }

    fn settle(&mut self, operation: OperationId, result: Result<Outcome, Error>) {
        self.events.push_back(Event::Settled { operation, result });
    }

    /// "Update the negotiation-needed flag" (W3C webrtc-pc §4.7.3).
    fn update_negotiation_needed(&mut self) {
        if self.chain.is_empty() {
            self.tasks.push_back(Task::NegotiationNeeded);
        } else {
            self.update_on_empty_chain = true;
        }
    }
}
