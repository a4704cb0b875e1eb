//! Offer and answer (RFC 9429), and the slots of W3C webrtc-pc that they change.
//!
//! [`Jsep`] makes descriptions ([`offer`], [`answer`]) and applies them ([`local`], [`remote`], [`rollback`]). A
//! description is applied to a copy of all slots, which takes their place when every step has succeeded. What has to be
//! told to the program comes out as [`Effects`], in the order of the W3C algorithm.

mod answer;
mod base64;
pub(crate) mod candidates;
pub(crate) mod codecs;
pub(crate) mod encodings;
pub(crate) mod extensions;
mod local;
mod needed;
mod offer;
mod remote;
mod rollback;
mod section;
pub(crate) mod signaling;
mod tracks;
pub(crate) mod transceiver;
pub(crate) mod transport;
mod verify;

pub(crate) use tracks::Effects;

use crate::error::Error;
use crate::random::{self, Rng};
use codecs::{Capabilities, PayloadTypes};
use extensions::ExtensionIds;
use parlour_sdp::{Fingerprint, MediaKind, SessionDescription};
use rollback::Stable;
use signaling::{Description, SdpType, Side, SignalingState};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use transceiver::{TrackKind, Transceiver, TransceiverId};
use transport::{BundlePolicy, IceParameters, Transport, TransportId};

/// What descriptions are made of, beside the transceivers.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) bundle_policy: BundlePolicy,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) audio: Capabilities,
    pub(crate) video: Capabilities,
    pub(crate) accept_simulcast: bool,
    pub(crate) max_message_size: u64,
    pub(crate) cname: String,
    pub(crate) tls_id: String,
    /// Whether DTLS may ride on checks, which the descriptions must say.
    pub(crate) sped: bool,
    /// Our INIT chunk, if the handshake of SCTP may be left out (draft-hancke-tsvwg-snap).
    pub(crate) sctp_init: Option<Vec<u8>>,
}

impl Settings {
    /// The words of `a=ice-options` (RFC 8839 §5.6).
    pub(crate) fn ice_options(&self) -> impl Iterator<Item = String> {
        ["trickle", "ice2"].into_iter().chain(self.sped.then_some("sped")).map(str::to_owned)
    }
}

impl Settings {
    pub(crate) fn capabilities(&self, kind: TrackKind) -> &Capabilities {
        match kind {
            TrackKind::Audio => &self.audio,
            TrackKind::Video => &self.video,
        }
    }
}

/// Who uses a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum User {
    Transceiver(TransceiverId),
    Data,
    /// Something that this peer does not know. It is rejected.
    Unknown,
}

/// A section of the descriptions, by its index.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) mid: String,
    /// Whether the descriptions say the name, or this peer made it up for one that does not (RFC 9429 §5.10).
    pub(crate) mid_is_told: bool,
    pub(crate) kind: MediaKind,
    pub(crate) protocol: String,
    pub(crate) format: String,
    pub(crate) user: User,
    pub(crate) transport: Option<TransportId>,
    /// An answer rejected it, so that its place may be taken.
    pub(crate) rejected: bool,
}

/// A description that was applied.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub(crate) kind: SdpType,
    pub(crate) sdp: SessionDescription,
}

/// A description that was made and not yet applied.
#[derive(Clone, Debug)]
pub(crate) struct Created {
    pub(crate) text: String,
    pub(crate) sdp: SessionDescription,
    /// The sections as they will be, if it is an offer.
    pub(crate) sections: Vec<Section>,
    /// [`Jsep::changes`] when it was made.
    pub(crate) changes: u64,
}

/// `RTCSctpTransport` as far as descriptions say (W3C webrtc-pc §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sctp {
    /// Names the association: a new one has a new number.
    pub(crate) generation: u32,
    pub(crate) transport: Option<TransportId>,
    pub(crate) remote_port: u16,
    /// The largest message that the other side takes; `None` for any.
    pub(crate) max_message_size: Option<u64>,
    /// Whether an answer has made it real.
    pub(crate) agreed: bool,
    /// The other side's INIT chunk, if both descriptions have one.
    pub(crate) peer_init: Option<Vec<u8>>,
}

/// The SCTP port within DTLS, the same on both sides as nobody else is there.
pub(crate) const SCTP_PORT: u16 = 5000;

/// All slots that descriptions change.
#[derive(Clone)]
pub(crate) struct Jsep {
    pub(crate) settings: Arc<Settings>,
    pub(crate) signaling_state: SignalingState,
    pub(crate) current_local: Option<Arc<Applied>>,
    pub(crate) pending_local: Option<Arc<Applied>>,
    pub(crate) current_remote: Option<Arc<Applied>>,
    pub(crate) pending_remote: Option<Arc<Applied>>,
    pub(crate) last_offer: Option<Arc<Created>>,
    pub(crate) last_answer: Option<Arc<Created>>,
    pub(crate) transceivers: Vec<Transceiver>,
    pub(crate) sections: Vec<Section>,
    pub(crate) transports: BTreeMap<TransportId, Transport>,
    /// The groups of the last answer; none before it.
    pub(crate) bundles: Option<Vec<Vec<String>>>,
    pub(crate) sctp: Option<Sctp>,
    /// A data channel was created, so that a section for data is wanted.
    pub(crate) data_wanted: bool,
    pub(crate) credentials_to_replace: HashSet<IceParameters>,
    pub(crate) remote_trickles: Option<bool>,
    /// Counts what changes the descriptions to make.
    pub(crate) changes: u64,
    stable: Option<Arc<Stable>>,
    payload_types: PayloadTypes,
    extension_ids: ExtensionIds,
    used_mids: HashSet<String>,
    session_id: u64,
    session_version: u64,
    next_transceiver: u32,
    next_transport: u32,
    next_sctp: u32,
}

impl Jsep {
    pub(crate) fn new(settings: Settings, rng: &mut Rng) -> Self {
        Self {
            settings: Arc::new(settings),
            signaling_state: SignalingState::Stable,
            current_local: None,
            pending_local: None,
            current_remote: None,
            pending_remote: None,
            last_offer: None,
            last_answer: None,
            transceivers: Vec::new(),
            sections: Vec::new(),
            transports: BTreeMap::new(),
            bundles: None,
            sctp: None,
            data_wanted: false,
            credentials_to_replace: HashSet::new(),
            remote_trickles: None,
            changes: 0,
            stable: None,
            payload_types: PayloadTypes::default(),
            extension_ids: ExtensionIds::default(),
            used_mids: HashSet::new(),
            session_id: random::session_id(rng),
            session_version: 0,
            next_transceiver: 0,
            next_transport: 0,
            next_sctp: 0,
        }
    }

    pub(crate) fn local_description(&self) -> Option<&Arc<Applied>> {
        self.pending_local.as_ref().or(self.current_local.as_ref())
    }

    pub(crate) fn remote_description(&self) -> Option<&Arc<Applied>> {
        self.pending_remote.as_ref().or(self.current_remote.as_ref())
    }

    pub(crate) fn transceiver(&self, id: TransceiverId) -> Option<&Transceiver> {
        self.transceivers.iter().find(|transceiver| transceiver.id == id)
    }

    pub(crate) fn transceiver_mut(&mut self, id: TransceiverId) -> Option<&mut Transceiver> {
        self.transceivers.iter_mut().find(|transceiver| transceiver.id == id)
    }

    pub(crate) fn new_transceiver_id(&mut self) -> TransceiverId {
        self.next_transceiver += 1;
        TransceiverId(self.next_transceiver)
    }

    /// Whether this connection has ever made a transceiver with this name.
    pub(crate) fn was_made_here(&self, id: TransceiverId) -> bool {
        (1..=self.next_transceiver).contains(&id.0)
    }

    fn new_transport_id(&mut self) -> TransportId {
        self.next_transport += 1;
        TransportId(self.next_transport)
    }

    /// A name of a section that was never used in this connection; short, so that it fits a header extension.
    fn new_mid(&self, also_used: &[Section]) -> String {
        let free = |mid: &String| !self.used_mids.contains(mid) && also_used.iter().all(|section| section.mid != *mid);
        (0u32..).map(|number| number.to_string()).find(free).unwrap_or_default()
    }

    /// Applies a description, a step of the W3C algorithm after the other. On an error nothing has changed.
    pub(crate) fn apply(&mut self, side: Side, description: &Description, rng: &mut Rng) -> Result<Effects, Error> {
        let kind = description.kind;
        let Some(after) = self.signaling_state.after(kind, side) else {
            return Err(Error::InvalidState(
                format!("a {side:?} {kind} in state {}", self.signaling_state).to_lowercase(),
            ));
        };
        let mut next = self.clone();
        let mut effects = Effects::default();
        if kind == SdpType::Offer && self.signaling_state == SignalingState::Stable {
            next.stable = Some(Arc::new(Stable::of(self)));
        }
        match (kind, side) {
            (SdpType::Rollback, _) => next.roll_back(&mut effects, rng),
            (_, Side::Local) => next.apply_local(description, &mut effects, rng)?,
            (_, Side::Remote) => next.apply_remote(description, &mut effects, rng)?,
        }
        next.signaling_state = after;
        if after == SignalingState::Stable {
            next.stable = None;
            next.close_unused_transports();
        }
        if kind == SdpType::Answer {
            next.conclude();
        }
        next.changes += 1;
        effects.signaling_state = (after != self.signaling_state).then_some(after);
        *self = next;
        Ok(effects)
    }

    /// What an answer ends: stopped transceivers whose sections are rejected leave (W3C webrtc-pc §4.4.1.4).
    fn conclude(&mut self) {
        let rejected = |transceiver: &Transceiver| {
            transceiver
                .mid
                .as_ref()
                .is_some_and(|mid| self.sections.iter().any(|section| section.mid == *mid && section.rejected))
        };
        let leaving: Vec<TransceiverId> = self
            .transceivers
            .iter()
            .filter(|transceiver| transceiver.stopped && rejected(transceiver))
            .map(|transceiver| transceiver.id)
            .collect();
        // One that was stopped before it had a section never gets one, and would ask for it for ever.
        let forgotten = |transceiver: &Transceiver| transceiver.stopping && transceiver.jsep_mid.is_none();
        self.transceivers.retain(|transceiver| !leaving.contains(&transceiver.id) && !forgotten(transceiver));
        (self.last_offer, self.last_answer) = (None, None);
        let credentials: Vec<IceParameters> =
            self.transports.values().filter_map(|transport| transport.local.clone()).collect();
        if credentials.iter().all(|ice| !self.credentials_to_replace.contains(ice)) {
            self.credentials_to_replace.clear();
        }
        // An encoding that asks for a codec which was not negotiated asks for none.
        for sender in self.transceivers.iter_mut().map(|transceiver| &mut transceiver.sender) {
            if sender.codecs.is_empty() {
                continue;
            }
            for encoding in &mut sender.encodings {
                encoding.codec =
                    encoding.codec.take().filter(|codec| sender.codecs.iter().any(|known| codec.is(known)));
            }
        }
    }

    fn close_unused_transports(&mut self) {
        let used: HashSet<TransportId> =
            self.sections.iter().filter(|section| !section.rejected).filter_map(|section| section.transport).collect();
        self.transports.retain(|id, _| used.contains(id));
    }

    /// Makes what is read from a section's codecs and extensions known to later offers.
    fn learn(&mut self, sdp: &SessionDescription) {
        for media in sdp.media.iter().filter(|media| !media.is_rejected()) {
            self.payload_types.learn(&media.codecs());
            self.extension_ids.learn(media.extmaps());
        }
        self.used_mids.extend(sdp.media.iter().filter_map(|media| media.mid()).map(str::to_owned));
    }
}
