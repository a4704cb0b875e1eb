//! Applying a description of ours (RFC 9429 §5.9, §5.11; W3C webrtc-pc §4.4.1.4).

use super::signaling::{Description, SdpType};
use super::tracks::Effects;
use super::transport::{DtlsRole, IceParameters, Transport};
use super::{Applied, Created, Jsep, User, codecs, section};
use crate::error::Error;
use crate::random::Rng;
use parlour_sdp::{MediaDescription, SessionDescription, Setup};
use std::sync::Arc;

impl Jsep {
    pub(super) fn apply_local(
        &mut self,
        description: &Description,
        effects: &mut Effects,
        rng: &mut Rng,
    ) -> Result<(), Error> {
        let kind = description.kind;
        let created = if kind == SdpType::Offer { self.last_offer.clone() } else { self.last_answer.clone() };
        let created: Arc<Created> =
            created.filter(|created| created.text == description.sdp).ok_or_else(|| section::missing("description"))?;
        let sdp = created.sdp.clone();
        self.learn(&sdp);
        if kind == SdpType::Offer {
            self.sections = created.sections.clone();
            self.take_up_transports();
            self.associate_offered();
        }
        self.set_local_transports(&sdp, kind)?;
        for index in 0..sdp.media.len() {
            let Some(media) = sdp.media.get(index) else { continue };
            if kind.is_answer() {
                self.decide_on_section(index, media.is_rejected());
            }
            self.apply_local_section(index, media, &sdp, kind, effects, rng);
        }
        self.set_local_data(&sdp, kind);
        if kind.is_answer() {
            self.note_bundles(&sdp);
        }
        let applied = Some(Arc::new(Applied { kind, sdp }));
        match kind {
            SdpType::Answer => {
                self.current_local = applied;
                self.current_remote = self.pending_remote.take();
                self.pending_local = None;
            }
            _ => self.pending_local = applied,
        }
        Ok(())
    }

    fn take_up_transports(&mut self) {
        for id in self.sections.iter().filter_map(|section| section.transport) {
            self.transports.entry(id).or_insert_with(|| Transport::new(id));
        }
    }

    /// Transceivers whose sections are new get their names and transports.
    fn associate_offered(&mut self) {
        let sections = self.sections.clone();
        for section in sections.iter().filter(|section| !section.rejected) {
            let User::Transceiver(id) = section.user else { continue };
            let Some(transceiver) = self.transceiver_mut(id).filter(|transceiver| transceiver.jsep_mid.is_none())
            else {
                continue;
            };
            transceiver.jsep_mid = Some(section.mid.clone());
            transceiver.mid = Some(section.mid.clone());
            transceiver.sender.transport = section.transport;
            transceiver.receiver.transport = section.transport;
        }
    }

    /// Credentials and roles, from the sections that speak for a transport.
    fn set_local_transports(&mut self, sdp: &SessionDescription, kind: SdpType) -> Result<(), Error> {
        for (section, media) in self.sections.iter().zip(&sdp.media) {
            let Some(ice) = IceParameters::of(media, sdp) else { continue };
            let transport = section.transport.and_then(|id| self.transports.get_mut(&id));
            let transport = transport.ok_or_else(|| section::missing("transport"))?;
            transport.set_local(ice);
            transport.restarting = false;
            transport.set_ice_role(kind == SdpType::Offer);
            if kind.is_answer() {
                let role = if media.setup(sdp) == Some(Setup::Active) { DtlsRole::Client } else { DtlsRole::Server };
                transport.dtls_role = Some(role);
            }
        }
        Ok(())
    }

    fn apply_local_section(
        &mut self,
        index: usize,
        media: &MediaDescription,
        sdp: &SessionDescription,
        kind: SdpType,
        effects: &mut Effects,
        rng: &mut Rng,
    ) {
        let Some(User::Transceiver(id)) = self.sections.get(index).map(|section| section.user) else { return };
        let remote = self.pending_remote.clone().filter(|_| kind.is_answer());
        let their = remote.as_ref().and_then(|remote| remote.sdp.media.get(index));
        let layers = their.map(|their| self.layers_to_receive(their));
        let Some(transceiver) = self.transceiver_mut(id).filter(|transceiver| !transceiver.stopped) else { return };
        if media.is_rejected() {
            // W3C webrtc-pc says nothing of it; were the transceiver to live on, it would need negotiation for ever.
            if kind == SdpType::Answer && transceiver.stop() {
                effects.end.push(id);
            }
            return;
        }
        let direction = media.direction(sdp);
        let ours = media.codecs();
        transceiver.receptive = direction.receives();
        transceiver.receiver.extensions = media.extmaps().cloned().collect();
        transceiver.receiver.codecs = match (direction.receives(), their) {
            (false, _) => Vec::new(),
            (true, Some(their)) => codecs::receivable(&ours, &their.codecs()),
            (true, None) => ours.clone(),
        };
        let Some(their) = their else { return };
        transceiver.receiver.rids = layers.unwrap_or_default();
        transceiver.sender.prune_layers(
            |rid| media.rids().any(|known| known.id == rid && known.direction == parlour_sdp::RidDirection::Send),
            rng,
        );
        transceiver.sender.codecs = codecs::sendable(&ours, &their.codecs());
        transceiver.sender.extensions = media.extmaps().cloned().collect();
        transceiver.sender.reduced_size_rtcp = media.has(&parlour_sdp::Attribute::RtcpRsize);
        transceiver.sender.last_returned = None;
        let fired = transceiver.fired_direction.is_some_and(parlour_sdp::Direction::receives);
        transceiver.set_current_direction(direction);
        if !direction.receives() && fired {
            self.set_associated_remote_streams(id, Vec::new(), effects);
            self.process_removal(id, effects);
        }
        if let Some(transceiver) = self.transceiver_mut(id) {
            transceiver.fired_direction = Some(direction);
        }
    }

    /// SCTP begins with an offer, and is agreed on by an answer (RFC 8841 §10).
    pub(super) fn set_local_data(&mut self, sdp: &SessionDescription, kind: SdpType) {
        let data = self
            .sections
            .iter()
            .zip(&sdp.media)
            .find(|(section, media)| section.user == User::Data && !media.is_rejected());
        let transport = data.and_then(|(section, _)| section.transport);
        let found = data.is_some();
        match kind {
            SdpType::Offer => {
                if found && self.sctp.is_none() {
                    self.new_sctp();
                }
                if let Some(sctp) = self.sctp.as_mut().filter(|_| found) {
                    sctp.transport = transport;
                }
            }
            _ if found => {
                let remote = self.pending_remote.clone();
                if let Some(remote) = remote {
                    self.agree_on_sctp(&remote.sdp);
                }
            }
            _ => self.sctp = None,
        }
    }
}

impl super::transceiver::Sender {
    /// Layers that were not agreed on are given up; without any, the first encoding goes on alone (W3C webrtc-pc
    /// §4.4.1.4).
    pub(super) fn prune_layers(&mut self, agreed: impl Fn(&str) -> bool, rng: &mut Rng) {
        if self.encodings.len() < 2 {
            return;
        }
        let stays: Vec<bool> =
            self.encodings.iter().map(|encoding| encoding.rid.as_deref().is_some_and(&agreed)).collect();
        if stays.iter().any(|stays| *stays) {
            let mut keep = stays.iter();
            self.encodings.retain(|_| keep.next().copied().unwrap_or_default());
            let mut keep = stays.iter();
            self.ssrcs.retain(|_| keep.next().copied().unwrap_or_default());
        } else {
            self.encodings.truncate(1);
        }
        self.match_sources(rng);
    }
}
