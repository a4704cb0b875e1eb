//! Applying a description of the other side (RFC 9429 §5.10, §5.11; W3C webrtc-pc §4.4.1.4).

use super::base64;
use super::encodings::{Encoding, MAX_ENCODINGS, scale_by_halves};
use super::signaling::{Description, SdpType};
use super::tracks::Effects;
use super::transceiver::{TrackKind, Transceiver, TransceiverId};
use super::transport::{DtlsRole, RemoteTransport, Transport, TransportId};
use super::{Applied, Jsep, Sctp, Section, User, codecs};
use crate::error::Error;
use crate::random::Rng;
use parlour_sdp::{Attribute, Direction, MediaDescription, RidDirection, SessionDescription, Setup};
use std::sync::Arc;

impl Jsep {
    pub(super) fn apply_remote(
        &mut self,
        description: &Description,
        effects: &mut Effects,
        rng: &mut Rng,
    ) -> Result<(), Error> {
        let kind = description.kind;
        let sdp: SessionDescription = description.sdp.parse()?;
        self.verify_remote(&sdp, kind)?;
        self.remote_trickles =
            Some(sdp.media.iter().any(|media| media.ice_options(&sdp).iter().any(|option| option == "trickle")));
        if kind == SdpType::Offer {
            self.learn(&sdp);
            self.match_sections(&sdp, rng);
        }
        self.assign_transports(&sdp);
        self.set_remote_transports(&sdp, kind)?;
        for (index, media) in sdp.media.iter().enumerate() {
            self.apply_remote_section(index, media, &sdp, kind, effects, rng);
        }
        self.set_remote_data(&sdp, kind);
        if kind.is_answer() {
            self.note_bundles(&sdp);
        }
        let applied = Some(Arc::new(Applied { kind, sdp }));
        match kind {
            SdpType::Answer => {
                self.current_remote = applied;
                self.current_local = self.pending_local.take();
                self.pending_remote = None;
            }
            _ => self.pending_remote = applied,
        }
        Ok(())
    }

    /// Finds or makes the user of each offered section (RFC 9429 §5.10).
    fn match_sections(&mut self, sdp: &SessionDescription, rng: &mut Rng) {
        for (index, media) in sdp.media.iter().enumerate() {
            let goes_on = self.sections.get(index).is_some_and(|section| {
                let renamed = section.mid_is_told && media.mid().is_some_and(|mid| mid != section.mid);
                !renamed && (!section.rejected || media.is_rejected())
            });
            if goes_on {
                continue;
            }
            if let Some(User::Transceiver(old)) = self.sections.get(index).map(|section| section.user)
                && let Some(old) = self.transceiver_mut(old)
            {
                (old.jsep_mid, old.mid) = (None, None);
            }
            let mid = media.mid().map_or_else(|| self.new_mid(&[]), str::to_owned);
            self.used_mids.insert(mid.clone());
            let user = match (User::of_section(media), TrackKind::of(&media.kind)) {
                (None, Some(track_kind)) => User::Transceiver(self.find_transceiver(track_kind, media, sdp, &mid, rng)),
                (user, _) => user.unwrap_or(User::Unknown),
            };
            let section = Section {
                mid,
                mid_is_told: media.mid().is_some(),
                kind: media.kind.clone(),
                protocol: media.protocol.clone(),
                format: media.formats.first().cloned().unwrap_or_else(|| "0".into()),
                user,
                transport: None,
                rejected: false,
            };
            match self.sections.get_mut(index) {
                Some(place) => *place = section,
                None => self.sections.push(section),
            }
        }
    }

    /// One that `addTrack` made and that waits for a section, or a new one.
    fn find_transceiver(
        &mut self,
        kind: TrackKind,
        media: &MediaDescription,
        sdp: &SessionDescription,
        mid: &str,
        rng: &mut Rng,
    ) -> TransceiverId {
        let wants_ours = media.direction(sdp).receives() && !media.is_rejected();
        let waits = |transceiver: &&mut Transceiver| {
            transceiver.kind == kind
                && transceiver.made_by_add_track
                && transceiver.jsep_mid.is_none()
                && !transceiver.stopping
        };
        let waiting = self.transceivers.iter_mut().filter(|_| wants_ours).find(waits);
        if let Some(found) = waiting {
            found.jsep_mid = Some(mid.to_owned());
            return found.id;
        }
        let id = self.new_transceiver_id();
        let mut new = Transceiver::new(id, kind, Direction::RecvOnly, vec![Encoding::single(kind)], rng);
        new.jsep_mid = Some(mid.to_owned());
        new.made_by_offer = true;
        self.transceivers.push(new);
        id
    }

    /// One transport for each bundle, and one for each section that is in none (RFC 9143 §7).
    fn assign_transports(&mut self, sdp: &SessionDescription) {
        let live: Vec<usize> =
            (0..).zip(&sdp.media).filter(|(_, media)| !media.is_rejected()).map(|(at, _)| at).collect();
        let mut shared = Vec::new();
        let mut alone = live.clone();
        for group in sdp.groups().filter(|group| group.semantics == "BUNDLE") {
            let place = |mid: &String| {
                live.iter().copied().find(|at| sdp.media.get(*at).is_some_and(|media| media.mid() == Some(mid)))
            };
            let members: Vec<usize> = group.mids.iter().filter_map(place).collect();
            if members.is_empty() {
                continue;
            }
            let known = members.iter().find_map(|at| self.sections.get(*at)?.transport);
            let id = known.unwrap_or_else(|| self.add_transport());
            members.iter().for_each(|at| self.set_section_transport(*at, id));
            alone.retain(|at| !members.contains(at));
            shared.push(id);
        }
        for at in alone {
            let own = self.sections.get(at).and_then(|section| section.transport).filter(|id| !shared.contains(id));
            let own = own.unwrap_or_else(|| self.add_transport());
            self.set_section_transport(at, own);
        }
    }

    fn set_section_transport(&mut self, index: usize, id: TransportId) {
        if let Some(section) = self.sections.get_mut(index) {
            section.transport = Some(id);
        }
    }

    fn add_transport(&mut self) -> TransportId {
        let id = self.new_transport_id();
        self.transports.insert(id, Transport::new(id));
        id
    }

    /// Credentials, fingerprints and roles, from the first section of each transport.
    fn set_remote_transports(&mut self, sdp: &SessionDescription, kind: SdpType) -> Result<(), Error> {
        let mut spoken_for: Vec<TransportId> = Vec::new();
        // The sections in the order of their bundles, as the first of a bundle speaks for it.
        let place = |mid: &str| sdp.groups().flat_map(|group| &group.mids).position(|known| known == mid);
        let mut order: Vec<(usize, &MediaDescription)> = sdp.media.iter().enumerate().collect();
        order.sort_by_key(|(_, media)| media.mid().and_then(place).unwrap_or(usize::MAX));
        for (index, media) in order.into_iter().filter(|(_, media)| !media.is_rejected()) {
            let Some(id) = self.sections.get(index).and_then(|section| section.transport) else { continue };
            if spoken_for.contains(&id) {
                continue;
            }
            let Some(mut new) = RemoteTransport::of(media, sdp) else { continue };
            spoken_for.push(id);
            if kind.is_answer() {
                self.verify_restart(id, &new)?;
            }
            let Some(transport) = self.transports.get_mut(&id) else { continue };
            if let Some(before) = &transport.remote {
                if before.ice == new.ice {
                    let known = std::mem::take(&mut new.candidates);
                    let fresh = known.into_iter().filter(|candidate| !before.candidates.contains(candidate));
                    new.candidates = before.candidates.iter().cloned().chain(fresh).collect();
                    new.end_of_candidates |= before.end_of_candidates;
                } else {
                    transport.restarting = kind == SdpType::Offer && transport.local.is_some();
                }
                if !new.continues(before) {
                    transport.dtls_role = None;
                }
            }
            let setup = new.setup;
            transport.remote = Some(new);
            transport.set_ice_role(kind.is_answer());
            if kind.is_answer() {
                let role = if setup == Setup::Active { DtlsRole::Server } else { DtlsRole::Client };
                transport.dtls_role = Some(role);
            }
        }
        Ok(())
    }

    fn apply_remote_section(
        &mut self,
        index: usize,
        media: &MediaDescription,
        sdp: &SessionDescription,
        kind: SdpType,
        effects: &mut Effects,
        rng: &mut Rng,
    ) {
        let Some((user, transport)) = self.sections.get(index).map(|section| (section.user, section.transport)) else {
            return;
        };
        if kind.is_answer() {
            self.decide_on_section(index, media.is_rejected());
        }
        let User::Transceiver(id) = user else { return };
        let ours = self.pending_local.as_ref().filter(|_| kind.is_answer());
        let ours = ours.and_then(|local| local.sdp.media.get(index)).map(MediaDescription::codecs);
        let proposed = if kind == SdpType::Offer { layers_to_send(media) } else { Vec::new() };
        let Some(transceiver) = self.transceiver_mut(id) else { return };
        if !proposed.is_empty() && transceiver.sender.is_ridless() {
            transceiver.sender.encodings = proposed;
            transceiver.sender.last_returned = None;
            transceiver.sender.match_sources(rng);
        }
        if kind.is_answer() {
            let asked = media.simulcast().map(|simulcast| simulcast.recv.as_slice()).unwrap_or_default();
            let is_asked = |rid: &str| asked.iter().flatten().any(|stream| stream.rid == rid);
            transceiver.sender.prune_layers(is_asked, rng);
        }
        transceiver.mid.clone_from(&transceiver.jsep_mid);
        let rejected = media.is_rejected();
        let direction = if rejected { Direction::Inactive } else { media.direction(sdp).reversed() };
        let mut msids: Vec<String> = Vec::new();
        for stream in media.msids().map(|msid| &msid.stream).filter(|stream| *stream != "-") {
            if direction.receives() && !msids.contains(stream) {
                msids.push(stream.clone());
            }
        }
        if transceiver.stopped {
            return;
        }
        self.process_remote_tracks(id, Some(direction), msids, effects);
        let Some(transceiver) = self.transceiver_mut(id) else { return };
        if let Some(ours) = ours.filter(|_| !rejected) {
            let theirs = media.codecs();
            transceiver.receiver.codecs =
                if direction.receives() { codecs::receivable(&ours, &theirs) } else { Vec::new() };
            transceiver.sender.codecs = codecs::sendable(&ours, &theirs);
            transceiver.sender.extensions = media.extmaps().cloned().collect();
            transceiver.sender.reduced_size_rtcp = media.has(&Attribute::RtcpRsize);
            transceiver.sender.last_returned = None;
        }
        if kind.is_answer() {
            transceiver.set_current_direction(direction);
        }
        transceiver.sender.transport = transport;
        transceiver.receiver.transport = transport;
        if rejected && transceiver.stop() {
            effects.end.push(id);
        }
    }

    /// What an answer turns down, another section may take the place of.
    pub(super) fn decide_on_section(&mut self, index: usize, rejected: bool) {
        if let Some(section) = self.sections.get_mut(index) {
            section.rejected = rejected;
        }
    }

    /// What an answer bundles stays bundled.
    pub(super) fn note_bundles(&mut self, sdp: &SessionDescription) {
        let bundles = sdp.groups().filter(|group| group.semantics == "BUNDLE").map(|group| group.mids.clone());
        self.bundles = Some(bundles.filter(|mids| !mids.is_empty()).collect());
    }

    fn set_remote_data(&mut self, sdp: &SessionDescription, kind: SdpType) {
        let data = self
            .sections
            .iter()
            .zip(&sdp.media)
            .find(|(section, media)| section.user == User::Data && !media.is_rejected());
        let transport = data.and_then(|(section, _)| section.transport);
        match (kind, data.is_some()) {
            (SdpType::Offer, true) => {
                if self.sctp.is_none() {
                    self.new_sctp();
                }
                if let Some(sctp) = &mut self.sctp {
                    sctp.transport = transport;
                }
            }
            (SdpType::Offer, false) => {}
            (_, true) => {
                if let Some(sctp) = &mut self.sctp {
                    sctp.transport = transport;
                }
                self.agree_on_sctp(sdp);
            }
            (_, false) => self.sctp = None,
        }
    }

    pub(super) fn new_sctp(&mut self) {
        self.next_sctp += 1;
        self.sctp = Some(Sctp {
            generation: self.next_sctp,
            transport: None,
            remote_port: 0,
            max_message_size: Some(65_536),
            agreed: false,
            peer_init: None,
        });
    }

    /// Takes over what the other side says of its end (RFC 8841 §5, §6). Another port is another association.
    pub(super) fn agree_on_sctp(&mut self, remote: &SessionDescription) {
        let data = self
            .sections
            .iter()
            .zip(&remote.media)
            .find(|(section, media)| section.user == User::Data && !media.is_rejected());
        let Some((_, media)) = data else { return };
        let port = media.sctp_port().unwrap_or(super::SCTP_PORT);
        let changed = self.sctp.as_ref().is_some_and(|sctp| sctp.agreed && sctp.remote_port != port);
        if changed {
            self.next_sctp += 1;
        }
        let generation = self.next_sctp;
        if let Some(sctp) = &mut self.sctp {
            sctp.generation = generation;
            sctp.remote_port = port;
            sctp.max_message_size = Some(media.max_message_size()).filter(|size| *size != 0);
            sctp.agreed = true;
            // Ours is in the description if theirs is: an answer says it to an offer that has it.
            let told = media.attributes.iter().find_map(|attribute| match attribute {
                Attribute::SctpInit(text) => base64::decode(text),
                _ => None,
            });
            sctp.peer_init = told.filter(|_| self.settings.sctp_init.is_some());
        }
    }
}

/// The layers that the other side asks for, the first of alternatives, scaled so that the last is the largest (W3C
/// webrtc-pc §4.4.1.4).
fn layers_to_send(media: &MediaDescription) -> Vec<Encoding> {
    let asked = media.simulcast().map(|simulcast| simulcast.recv.as_slice()).unwrap_or_default();
    let mut layers: Vec<Encoding> = Vec::new();
    for rid in asked.iter().filter_map(|alternatives| Some(&alternatives.first()?.rid)) {
        let is_told = media.rids().any(|known| known.id == *rid && known.direction == RidDirection::Recv);
        let is_new = layers.iter().all(|layer| layer.rid.as_ref() != Some(rid));
        if is_told && is_new {
            layers.push(Encoding::with_rid(rid.clone()));
        }
    }
    layers.truncate(MAX_ENCODINGS);
    scale_by_halves(&mut layers);
    layers
}
