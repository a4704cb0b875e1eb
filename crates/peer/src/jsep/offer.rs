//! Offers (RFC 9429 §5.2).

use super::section::{self, RtpLines, TransportLines};
use super::transceiver::Transceiver;
use super::transport::{BundlePolicy, TransportId};
use super::{Created, Jsep, Section, User};
use crate::random::Rng;
use parlour_sdp::{Attribute, MediaDescription, MediaKind, SessionDescription, Setup};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A section as it will be offered.
struct Planned {
    section: Section,
    /// It goes on from a description that was applied.
    existing: bool,
    bundle_only: bool,
}

impl Planned {
    fn is_live(&self) -> bool {
        !self.section.rejected
    }
}

impl Jsep {
    /// Makes an offer and remembers it. `restart` asks for new ICE credentials on all transports.
    pub(crate) fn create_offer(&mut self, restart: bool, rng: &mut Rng) -> Arc<Created> {
        let mut plan = self.plan_sections();
        self.plan_transports(&mut plan);
        let mut sdp = self.session(self.settings.clone().ice_options().collect());
        let bundles = self.bundles_to_offer(&plan);
        sdp.attributes.extend(bundles.iter().map(|mids| section::group("BUNDLE", mids.clone())));
        self.push_lip_sync(&mut sdp, &plan);
        sdp.attributes.push(Attribute::ExtmapAllowMixed);
        let mut numbers = self.payload_types.clone();
        let mut extensions = self.extension_ids.clone();
        let live = plan.iter().filter(|planned| planned.is_live()).map(|planned| &planned.section);
        let speakers = section::speakers(&bundles, live);
        for planned in &plan {
            let section = &planned.section;
            let mut media = match self.user_transceiver(section) {
                _ if !planned.is_live() => section::rejected(section),
                Some(transceiver) => {
                    let capabilities = self.settings.capabilities(transceiver.kind);
                    let offered = capabilities.offered(&transceiver.preferred_codecs, &mut numbers);
                    let offered = self.in_order_of_answer(transceiver, section, offered);
                    let send_rids = if transceiver.direction.sends() { rids(transceiver) } else { Vec::new() };
                    let lines = RtpLines {
                        direction: transceiver.direction,
                        codecs: offered,
                        extensions: extensions.offered(&capabilities.header_extensions),
                        send_rids,
                        receive_rids: Vec::new(),
                        rtcp_mux_only: !planned.existing,
                        rtcp_rsize: true,
                    };
                    section::rtp(&self.settings, section, transceiver, lines)
                }
                None => section::data(&self.settings, section, true),
            };
            self.offer_transport(&mut media, planned, restart, &speakers, rng);
            sdp.media.push(media);
        }
        section::repeat_transports(&mut sdp, plan.iter().map(|planned| &planned.section), &speakers);
        let created = Created {
            text: sdp.to_string(),
            sdp,
            sections: plan.into_iter().map(|planned| planned.section).collect(),
            changes: self.changes,
        };
        let created = Arc::new(created);
        self.last_offer = Some(created.clone());
        created
    }

    /// Which section goes where: those that were there stay in their places, places that were rejected are taken again, and
    /// the rest follows, media first.
    fn plan_sections(&self) -> Vec<Planned> {
        let associated: HashSet<_> = self.sections.iter().map(|section| section.user).collect();
        let mut waiting = self
            .transceivers
            .iter()
            .filter(|transceiver| !transceiver.stopping && !associated.contains(&User::Transceiver(transceiver.id)))
            .map(|transceiver| (User::Transceiver(transceiver.id), transceiver.kind.media()));
        let has_data = self.sections.iter().any(|section| section.user == User::Data && !section.rejected);
        let mut data = (self.data_wanted && !has_data).then_some((User::Data, MediaKind::Application));
        let mut taken: Vec<Section> = Vec::new();
        let mut fresh = |user, kind: MediaKind| {
            let is_data = kind == MediaKind::Application;
            let section = Section {
                mid: self.new_mid(&taken),
                mid_is_told: true,
                kind,
                protocol: if is_data { "UDP/DTLS/SCTP" } else { "UDP/TLS/RTP/SAVPF" }.into(),
                format: if is_data { "webrtc-datachannel" } else { "0" }.into(),
                user,
                transport: None,
                rejected: false,
            };
            taken.push(section.clone());
            Planned { section, existing: false, bundle_only: false }
        };
        let mut plan = Vec::new();
        for section in &self.sections {
            if section.rejected
                && let Some((user, kind)) = waiting.next().or_else(|| data.take())
            {
                plan.push(fresh(user, kind));
                continue;
            }
            let stopped = match section.user {
                User::Transceiver(id) => self.transceiver(id).is_none_or(|transceiver| transceiver.stopping),
                User::Data => false,
                User::Unknown => true,
            };
            let section = Section { rejected: section.rejected || stopped, ..section.clone() };
            plan.push(Planned { section, existing: true, bundle_only: false });
        }
        plan.extend(waiting.chain(data).map(|(user, kind)| fresh(user, kind)));
        plan
    }

    /// Gives new sections their transports: that of the bundle if one was agreed on, or else as the policy says.
    fn plan_transports(&mut self, plan: &mut [Planned]) {
        let agreed: Option<TransportId> = self.bundles.iter().flatten().next().and_then(|bundle| {
            let live = plan.iter().find(|planned| planned.is_live() && bundle.contains(&planned.section.mid));
            live.and_then(|planned| planned.section.transport)
        });
        let mut kinds_with_transport: Vec<MediaKind> = plan
            .iter()
            .filter(|planned| planned.is_live() && planned.section.transport.is_some())
            .map(|planned| planned.section.kind.clone())
            .collect();
        let mut tag = plan.iter().filter(|planned| planned.is_live()).find_map(|planned| planned.section.transport);
        for planned in plan.iter_mut().filter(|planned| planned.is_live() && planned.section.transport.is_none()) {
            if agreed.is_some() {
                planned.section.transport = agreed;
                continue;
            }
            let kind = planned.section.kind.clone();
            let own = match self.settings.bundle_policy {
                BundlePolicy::MaxCompat => true,
                BundlePolicy::Balanced => !kinds_with_transport.contains(&kind),
                BundlePolicy::MaxBundle => false,
            };
            match tag.filter(|_| !own) {
                Some(tag) => {
                    planned.section.transport = Some(tag);
                    planned.bundle_only = self.bundles.is_none();
                }
                None => {
                    let id = self.new_transport_id();
                    planned.section.transport = Some(id);
                    tag = tag.or(Some(id));
                    kinds_with_transport.push(kind);
                }
            }
        }
    }

    /// What was bundled stays so, and what is new joins (RFC 9429 §5.2.2).
    fn bundles_to_offer(&self, plan: &[Planned]) -> Vec<Vec<String>> {
        let live = || plan.iter().filter(|planned| planned.is_live()).map(|planned| planned.section.mid.clone());
        let mut bundles = match &self.bundles {
            None => vec![live().collect()],
            Some(agreed) => {
                let mut bundles: Vec<Vec<String>> = agreed
                    .iter()
                    .map(|bundle| live().filter(|mid| bundle.contains(mid)).collect())
                    .filter(|bundle: &Vec<String>| !bundle.is_empty())
                    .collect();
                let new = plan.iter().filter(|planned| planned.is_live() && !self.was_answered(&planned.section.mid));
                let new: Vec<String> = new.map(|planned| planned.section.mid.clone()).collect();
                match bundles.first_mut() {
                    Some(first) => first.extend(new),
                    None => bundles.push(new),
                }
                bundles
            }
        };
        bundles.retain(|bundle: &Vec<String>| !bundle.is_empty());
        bundles
    }

    /// Whether an answer has decided on the section.
    fn was_answered(&self, mid: &str) -> bool {
        self.current_local.as_ref().is_some_and(|applied| applied.sdp.media_by_mid(mid).is_some())
    }

    /// Sections whose senders share a stream are to be played together, and groups of the last answer go on (RFC 9429
    /// §5.2.1, §5.2.2).
    fn push_lip_sync(&self, sdp: &mut SessionDescription, plan: &[Planned]) {
        let live = || plan.iter().filter(|planned| planned.is_live());
        let senders: Vec<(&str, &Transceiver)> = live()
            .filter_map(|planned| Some((planned.section.mid.as_str(), self.user_transceiver(&planned.section)?)))
            .filter(|(_, transceiver)| transceiver.direction.sends())
            .collect();
        let mut groups: Vec<Vec<String>> = Vec::new();
        let mut streams: Vec<&String> =
            senders.iter().flat_map(|(_, transceiver)| &transceiver.sender.streams).collect();
        streams.sort();
        streams.dedup();
        for stream in streams {
            let together = senders.iter().filter(|(_, transceiver)| transceiver.sender.streams.contains(stream));
            groups.push(together.map(|(mid, _)| (*mid).to_owned()).collect());
        }
        let current = [&self.current_local, &self.current_remote].into_iter().flatten();
        let answer = current.filter(|applied| applied.kind.is_answer());
        for before in answer.flat_map(|applied| applied.sdp.groups()).filter(|group| group.semantics == "LS") {
            let alive = |mid: &&String| live().any(|planned| planned.section.mid == **mid);
            let alive: Vec<String> = before.mids.iter().filter(alive).cloned().collect();
            if groups.iter().all(|group| !alive.iter().all(|mid| group.contains(mid))) {
                groups.push(alive);
            }
        }
        groups.retain(|group| group.len() > 1);
        groups.sort();
        groups.dedup();
        sdp.attributes.extend(groups.into_iter().map(|mids| section::group("LS", mids)));
    }

    /// As in the last answer, and what was not in it after that, unless the program has an order of its own.
    fn in_order_of_answer(
        &self,
        transceiver: &Transceiver,
        section: &Section,
        offered: Vec<parlour_sdp::codec::Codec>,
    ) -> Vec<parlour_sdp::codec::Codec> {
        let current = [&self.current_local, &self.current_remote].into_iter().flatten();
        let answer = current.filter(|applied| applied.kind.is_answer());
        let before = answer.filter_map(|applied| applied.sdp.media_by_mid(&section.mid)).next();
        match before {
            Some(before) if transceiver.preferred_codecs.is_empty() => {
                super::codecs::in_order_of(offered, &before.codecs())
            }
            _ => offered,
        }
    }

    fn offer_transport(
        &self,
        media: &mut MediaDescription,
        planned: &Planned,
        restart: bool,
        speakers: &HashMap<TransportId, String>,
        rng: &mut Rng,
    ) {
        let Some(id) = planned.section.transport.filter(|_| planned.is_live()) else { return };
        let known = self.transports.get(&id);
        let replaced = known
            .and_then(|transport| transport.local.as_ref())
            .is_some_and(|ice| restart || self.credentials_to_replace.contains(ice));
        if !replaced && let Some(transport) = known {
            section::set_default_address(media, &transport.candidates);
        }
        if speakers.get(&id) == Some(&planned.section.mid) {
            let lines = TransportLines::of(known, replaced, Setup::ActPass, rng);
            section::push_transport(media, &self.settings, lines);
        }
        if planned.bundle_only {
            media.port = 0;
            media.attributes.push(Attribute::BundleOnly);
        }
    }
}

/// The names of the layers, if there is more than one.
pub(super) fn rids(transceiver: &Transceiver) -> Vec<String> {
    match transceiver.sender.encodings.as_slice() {
        [_, _, ..] => transceiver.sender.encodings.iter().filter_map(|encoding| encoding.rid.clone()).collect(),
        _ => Vec::new(),
    }
}
