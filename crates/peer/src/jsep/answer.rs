//! Answers (RFC 9429 §5.3).

use super::offer::rids;
use super::section::{self, RtpLines, TransportLines};
use super::transceiver::Transceiver;
use super::transport::{BundlePolicy, DtlsRole, Transport, TransportId};
use super::{Applied, Created, Jsep, Section, User, codecs, extensions};
use crate::error::Error;
use crate::random::Rng;
use parlour_sdp::codec::Codec;
use parlour_sdp::{Attribute, MediaDescription, MediaKind, RidDirection, SessionDescription, Setup};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Jsep {
    /// Makes an answer to the pending offer and remembers it.
    pub(crate) fn create_answer(&mut self, rng: &mut Rng) -> Result<Arc<Created>, Error> {
        let Some(offer) = self.pending_remote.clone() else {
            return Err(Error::InvalidState("there is no offer to answer".into()));
        };
        let accepted = self.accepted_sections(&offer.sdp);
        let options: Vec<String> = self.settings.ice_options().collect();
        let offered_option =
            |option: &String| offer.sdp.media.iter().any(|media| media.ice_options(&offer.sdp).contains(option));
        let mut sdp = self.session(options.into_iter().filter(offered_option).collect());
        let mut bundles = Vec::new();
        for bundle in offer.sdp.groups().filter(|group| group.semantics == "BUNDLE") {
            let mids: Vec<String> =
                bundle.mids.iter().filter(|mid| self.is_accepted(&accepted, mid)).cloned().collect();
            if !mids.is_empty() {
                sdp.attributes.push(section::group("BUNDLE", mids.clone()));
                bundles.push(mids);
            }
        }
        self.push_lip_sync_answer(&mut sdp, &offer, &accepted);
        if offer.sdp.media.iter().any(|media| media.extmap_allow_mixed(&offer.sdp)) {
            sdp.attributes.push(Attribute::ExtmapAllowMixed);
        }
        let live = self.sections.iter().zip(&accepted).filter(|(_, accepted)| accepted.is_some());
        let speakers = section::speakers(&bundles, live.map(|(section, _)| section));
        for ((section, their), accepted) in self.sections.iter().zip(&offer.sdp.media).zip(&accepted) {
            let mut media = match (accepted, self.user_transceiver(section)) {
                (None, _) => section::rejected(section),
                (Some(codecs), Some(transceiver)) => self.answer_rtp(section, transceiver, their, &offer.sdp, codecs),
                (Some(_), None) => {
                    let init = their.attributes.iter().any(|attribute| matches!(attribute, Attribute::SctpInit(_)));
                    section::data(&self.settings, section, init)
                }
            };
            if accepted.is_some() {
                self.answer_transport(&mut media, section, &speakers, rng);
            }
            sdp.media.push(media);
        }
        section::repeat_transports(&mut sdp, self.sections.iter(), &speakers);
        let sections = self.sections.clone();
        let created = Arc::new(Created { text: sdp.to_string(), sdp, sections, changes: self.changes });
        self.last_answer = Some(created.clone());
        Ok(created)
    }

    /// For each section of the offer the codecs to answer with, or none to reject it (RFC 9429 §5.3.1).
    fn accepted_sections(&self, offer: &SessionDescription) -> Vec<Option<Vec<Codec>>> {
        let mut accepted: Vec<Option<Vec<Codec>>> = self
            .sections
            .iter()
            .zip(&offer.media)
            .map(|(section, their)| match section.user {
                _ if their.is_rejected() => None,
                User::Unknown => None,
                User::Data => Some(Vec::new()),
                User::Transceiver(id) => {
                    let transceiver = self.transceiver(id).filter(|transceiver| !transceiver.stopped)?;
                    Some(self.common_codecs(transceiver, their)).filter(|codecs| codecs::carries_media(codecs))
                }
            })
            .collect();
        self.reject_by_policy(&mut accepted, offer);
        for bundle in offer.groups().filter(|group| group.semantics == "BUNDLE") {
            // Without the section that speaks for the bundle there is no transport for the rest (RFC 9143 §7.3.3).
            let tag = bundle.mids.first();
            let has_own_transport = |media: &MediaDescription| media.ice_credentials(offer).is_some();
            if tag.is_some_and(|mid| self.is_accepted(&accepted, mid)) {
                continue;
            }
            for ((section, media), accepted) in self.sections.iter().zip(&offer.media).zip(&mut accepted) {
                if bundle.mids.contains(&section.mid) && !has_own_transport(media) {
                    *accepted = None;
                }
            }
        }
        accepted
    }

    fn is_accepted(&self, accepted: &[Option<Vec<Codec>>], mid: &str) -> bool {
        self.sections.iter().zip(accepted).any(|(section, accepted)| section.mid == mid && accepted.is_some())
    }

    /// What is not bundled with the first section (of its kind) is rejected by the stricter policies.
    fn reject_by_policy(&self, accepted: &mut [Option<Vec<Codec>>], offer: &SessionDescription) {
        let bundled_with = |a: &str, b: &str| {
            let has = |group: &parlour_sdp::Group, mid: &str| group.mids.iter().any(|known| known == mid);
            offer.groups().any(|group| group.semantics == "BUNDLE" && has(group, a) && has(group, b))
        };
        let mut firsts: Vec<(&MediaKind, &str)> = Vec::new();
        for (section, accepted) in self.sections.iter().zip(accepted) {
            let of_kind = |(kind, _): &&(&MediaKind, &str)| match self.settings.bundle_policy {
                BundlePolicy::MaxBundle => true,
                BundlePolicy::Balanced => **kind == section.kind,
                BundlePolicy::MaxCompat => false,
            };
            match firsts.iter().find(of_kind) {
                Some((_, first)) if !bundled_with(first, &section.mid) => *accepted = None,
                Some(_) => {}
                None if accepted.is_some() => firsts.push((&section.kind, &section.mid)),
                None => {}
            }
        }
    }

    /// The codecs of both sides. Codecs of ours that were not offered could be added, but no browser takes them up.
    fn common_codecs(&self, transceiver: &Transceiver, their: &MediaDescription) -> Vec<Codec> {
        let capabilities = self.settings.capabilities(transceiver.kind);
        let preferred = &transceiver.preferred_codecs;
        let ours = capabilities.offered(preferred, &mut self.payload_types.clone());
        codecs::answered(&ours, &their.codecs(), !preferred.is_empty())
    }

    fn answer_rtp(
        &self,
        section: &Section,
        transceiver: &Transceiver,
        their: &MediaDescription,
        offer: &SessionDescription,
        codecs: &[Codec],
    ) -> MediaDescription {
        let capabilities = self.settings.capabilities(transceiver.kind);
        let direction = extensions::intersection(their.direction(offer).reversed(), transceiver.direction);
        let wanted = their.simulcast().map(|simulcast| simulcast.recv.as_slice()).unwrap_or_default();
        let wanted: HashSet<&str> =
            wanted.iter().filter_map(|alternatives| Some(alternatives.first()?.rid.as_str())).collect();
        let send_rids = rids(transceiver).into_iter().filter(|rid| wanted.contains(rid.as_str())).collect();
        let lines = RtpLines {
            direction,
            codecs: codecs.to_vec(),
            extensions: extensions::answered(&capabilities.header_extensions, their.extmaps()),
            send_rids: if direction.sends() { send_rids } else { Vec::new() },
            receive_rids: if direction.receives() { self.layers_to_receive(their) } else { Vec::new() },
            rtcp_mux_only: false,
            rtcp_rsize: their.has(&Attribute::RtcpRsize),
        };
        section::rtp(&self.settings, section, transceiver, lines)
    }

    /// The layers that the other side wants to send, in its order, if we take them.
    pub(super) fn layers_to_receive(&self, their: &MediaDescription) -> Vec<String> {
        let Some(simulcast) = their.simulcast().filter(|_| self.settings.accept_simulcast) else { return Vec::new() };
        let mut layers: Vec<String> = Vec::new();
        for rid in simulcast.send.iter().filter_map(|alternatives| Some(&alternatives.first()?.rid)) {
            let is_told = their.rids().any(|known| known.id == *rid && known.direction == RidDirection::Send);
            if is_told && !layers.contains(rid) {
                layers.push(rid.clone());
            }
        }
        if layers.len() > 1 { layers } else { Vec::new() }
    }

    fn answer_transport(
        &self,
        media: &mut MediaDescription,
        section: &Section,
        speakers: &HashMap<TransportId, String>,
        rng: &mut Rng,
    ) {
        let Some(transport) = section.transport.and_then(|id| self.transports.get(&id)) else { return };
        let fresh = transport.restarting;
        if !fresh {
            section::set_default_address(media, &transport.candidates);
        }
        if speakers.get(&transport.id) == Some(&section.mid) {
            let lines = TransportLines::of(Some(transport), fresh, answering_setup(transport), rng);
            section::push_transport(media, &self.settings, lines);
        }
    }

    /// A group of the offer holds on this side if its senders share a stream or have none (RFC 9429 §5.3.1).
    fn push_lip_sync_answer(&self, sdp: &mut SessionDescription, offer: &Applied, accepted: &[Option<Vec<Codec>>]) {
        for group in offer.sdp.groups().filter(|group| group.semantics == "LS") {
            let members: Vec<(&str, &Transceiver)> = self
                .sections
                .iter()
                .zip(accepted)
                .filter(|(section, accepted)| accepted.is_some() && group.mids.contains(&section.mid))
                .filter_map(|(section, _)| Some((section.mid.as_str(), self.user_transceiver(section)?)))
                .collect();
            let streams = |member: &(&str, &Transceiver)| member.1.sender.streams.clone();
            let users = |stream: &String| members.iter().filter(|member| streams(member).contains(stream)).count();
            let shared = members.iter().flat_map(streams).max_by_key(users);
            let holds = |member: &&(&str, &Transceiver)| {
                let own = streams(member);
                own.is_empty() || shared.as_ref().is_some_and(|shared| own.contains(shared))
            };
            let mids: Vec<String> = members.iter().filter(holds).map(|(mid, _)| (*mid).to_owned()).collect();
            if mids.len() > 1 {
                sdp.attributes.push(section::group("LS", mids));
            }
        }
    }
}

/// Goes on in the role of the association that there is, or else leaves the start to us if we may (RFC 8842 §5.3).
fn answering_setup(transport: &Transport) -> Setup {
    let offered = transport.remote.as_ref().map(|remote| remote.setup);
    match (transport.dtls_role, offered) {
        (Some(DtlsRole::Server), _) | (None, Some(Setup::Active)) => Setup::Passive,
        (Some(DtlsRole::Client), _) | (None, _) => Setup::Active,
    }
}
