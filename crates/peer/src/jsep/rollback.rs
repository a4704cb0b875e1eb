//! Taking an offer back (RFC 9429 §5.7, W3C webrtc-pc §4.4.1.4).

use super::encodings::Encoding;
use super::signaling::SignalingState;
use super::tracks::Effects;
use super::transceiver::{Transceiver, TransceiverId};
use super::transport::{Transport, TransportId};
use super::{Jsep, Sctp, Section};
use crate::random::Rng;
use parlour_sdp::codec::Codec;
use std::collections::BTreeMap;

/// What was true when the state was last stable, as far as a rollback brings it back.
#[derive(Clone)]
pub(super) struct Stable {
    sections: Vec<Section>,
    transports: BTreeMap<TransportId, Transport>,
    sctp: Option<Sctp>,
    remote_trickles: Option<bool>,
    transceivers: Vec<StableTransceiver>,
}

#[derive(Clone)]
struct StableTransceiver {
    id: TransceiverId,
    mid: Option<String>,
    sender_transport: Option<TransportId>,
    receiver_transport: Option<TransportId>,
    /// Encodings that a request for simulcast may have replaced.
    ridless_encodings: Option<Vec<Encoding>>,
    streams: Vec<String>,
    codecs: Vec<Codec>,
}

impl Stable {
    pub(super) fn of(jsep: &Jsep) -> Self {
        let transceiver = |transceiver: &Transceiver| StableTransceiver {
            id: transceiver.id,
            mid: transceiver.jsep_mid.clone(),
            sender_transport: transceiver.sender.transport,
            receiver_transport: transceiver.receiver.transport,
            ridless_encodings: transceiver.sender.is_ridless().then(|| transceiver.sender.encodings.clone()),
            streams: transceiver.receiver.streams.clone(),
            codecs: transceiver.receiver.codecs.clone(),
        };
        Self {
            sections: jsep.sections.clone(),
            transports: jsep.transports.clone(),
            sctp: jsep.sctp.clone(),
            remote_trickles: jsep.remote_trickles,
            transceivers: jsep.transceivers.iter().map(transceiver).collect(),
        }
    }

    pub(super) fn transport(&self, id: TransportId) -> Option<&Transport> {
        self.transports.get(&id)
    }
}

impl Jsep {
    pub(super) fn roll_back(&mut self, effects: &mut Effects, rng: &mut Rng) {
        let Some(stable) = self.stable.take() else { return };
        let theirs = self.signaling_state == SignalingState::HaveRemoteOffer;
        let gathered = std::mem::replace(&mut self.transports, stable.transports.clone());
        for (id, transport) in &mut self.transports {
            // What was gathered meanwhile for credentials that stay is not lost.
            if let Some(now) = gathered.get(id).filter(|now| now.local == transport.local) {
                transport.candidates.clone_from(&now.candidates);
                transport.gathered = now.gathered;
            }
        }
        self.sections.clone_from(&stable.sections);
        self.sctp.clone_from(&stable.sctp);
        self.remote_trickles = stable.remote_trickles;
        let ids: Vec<TransceiverId> = self.transceivers.iter().map(|transceiver| transceiver.id).collect();
        for id in ids {
            let before = stable.transceivers.iter().find(|before| before.id == id);
            self.restore(id, before, rng);
            let Some(transceiver) = self.transceiver(id) else { continue };
            if theirs && !transceiver.stopped {
                let streams = before.map(|before| before.streams.clone()).unwrap_or_default();
                self.process_remote_tracks(id, transceiver.current_direction, streams, effects);
            }
            let Some(transceiver) = self.transceiver_mut(id) else { continue };
            // Only a remote offer makes transceivers that have a name and were not there before.
            if theirs && before.is_none() && transceiver.made_by_offer && !transceiver.touched_by_add_track {
                if transceiver.stop() {
                    effects.end.push(id);
                }
                self.transceivers.retain(|transceiver| transceiver.id != id);
            }
        }
        (self.pending_local, self.pending_remote) = (None, None);
    }

    fn restore(&mut self, id: TransceiverId, before: Option<&StableTransceiver>, rng: &mut Rng) {
        let Some(transceiver) = self.transceiver_mut(id) else { return };
        let mid = before.and_then(|before| before.mid.clone());
        if mid.is_none() {
            (transceiver.jsep_mid, transceiver.mid) = (None, None);
        }
        let sender = &mut transceiver.sender;
        sender.transport = before.and_then(|before| before.sender_transport);
        transceiver.receiver.transport = before.and_then(|before| before.receiver_transport);
        transceiver.receiver.codecs = before.map(|before| before.codecs.clone()).unwrap_or_default();
        let has_rids = sender.encodings.iter().any(|encoding| encoding.rid.is_some());
        if let Some(encodings) = before.and_then(|before| before.ridless_encodings.clone())
            && has_rids
        {
            sender.encodings = encodings;
            sender.match_sources(rng);
        }
    }
}
