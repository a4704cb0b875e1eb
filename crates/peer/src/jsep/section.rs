//! Sections as text: what offers and answers have in common (RFC 9429 §5.2.1, §5.3.1).

use super::base64;
use super::transceiver::Transceiver;
use super::transport::{IceParameters, Transport, TransportId, default_address};
use super::{Jsep, SCTP_PORT, Section, Settings};
use crate::error::Error;
use crate::random::Rng;
use parlour_sdp::codec::Codec;
use parlour_sdp::{
    Attribute, Candidate, Direction, Extmap, Group, MediaDescription, MediaKind, Msid, Rid, RidDirection, Rtpmap,
    SessionDescription, Setup, Simulcast, SimulcastStream, SsrcAttribute, SsrcGroup,
};
use std::collections::HashMap;

/// The attributes that only the section has which speaks for a transport: those of the categories IDENTICAL and TRANSPORT
/// (RFC 8859 §4).
pub(super) struct TransportLines<'a> {
    pub(super) ice: IceParameters,
    pub(super) setup: Setup,
    pub(super) candidates: &'a [Candidate],
    pub(super) gathered: bool,
}

impl<'a> TransportLines<'a> {
    /// With the credentials and candidates that the transport has, or with new credentials.
    pub(super) fn of(transport: Option<&'a Transport>, fresh: bool, setup: Setup, rng: &mut Rng) -> Self {
        match transport.and_then(|transport| Some((transport, transport.local.clone()?))) {
            Some((transport, ice)) if !fresh => {
                Self { ice, setup, candidates: &transport.candidates, gathered: transport.gathered }
            }
            _ => Self { ice: IceParameters::generate(rng), setup, candidates: &[], gathered: false },
        }
    }
}

/// What a section for media says beside the transport.
pub(super) struct RtpLines {
    pub(super) direction: Direction,
    pub(super) codecs: Vec<Codec>,
    pub(super) extensions: Vec<Extmap>,
    pub(super) send_rids: Vec<String>,
    pub(super) receive_rids: Vec<String>,
    pub(super) rtcp_mux_only: bool,
    pub(super) rtcp_rsize: bool,
}

/// A section that is rejected.
pub(super) fn rejected(section: &Section) -> MediaDescription {
    let mut media = MediaDescription::new(section.kind.clone(), &section.protocol, vec![section.format.clone()]);
    media.port = 0;
    if section.mid_is_told {
        media.attributes.push(Attribute::Mid(section.mid.clone()));
    }
    if section.kind != MediaKind::Application {
        media.attributes.push(Attribute::Direction(Direction::Inactive));
    }
    media
}

/// A section for the media of a transceiver.
pub(super) fn rtp(
    settings: &Settings,
    section: &Section,
    transceiver: &Transceiver,
    lines: RtpLines,
) -> MediaDescription {
    let formats = lines.codecs.iter().map(|codec| codec.payload_type.to_string()).collect();
    let mut media = MediaDescription::new(section.kind.clone(), &section.protocol, formats);
    let out = &mut media.attributes;
    if section.mid_is_told {
        out.push(Attribute::Mid(section.mid.clone()));
    }
    out.push(Attribute::Direction(lines.direction));
    out.extend(lines.codecs.iter().map(|codec| {
        Attribute::Rtpmap(Rtpmap {
            payload_type: codec.payload_type,
            encoding: codec.name.clone(),
            clock_rate: codec.clock_rate,
            channels: codec.channels,
        })
    }));
    let told = lines.codecs.iter().filter(|codec| !codec.parameters.text.is_empty());
    out.extend(told.map(|codec| Attribute::Fmtp(codec.parameters.clone())));
    out.extend(settings.capabilities(transceiver.kind).max_ptime.map(Attribute::MaxPtime));
    out.extend(lines.extensions.into_iter().map(Attribute::Extmap));
    out.extend(lines.codecs.iter().flat_map(|codec| codec.feedback.iter().cloned().map(Attribute::RtcpFb)));
    // Also where the other side does not want to receive now (RFC 9429 §5.3.1).
    if transceiver.direction.sends() {
        out.extend(msids(transceiver).map(Attribute::Msid));
    }
    push_simulcast(out, &lines.send_rids, &lines.receive_rids);
    if lines.direction.sends() && lines.send_rids.is_empty() {
        push_sources(out, settings, transceiver, &lines.codecs);
    }
    // Both are of category IDENTICAL and need not be repeated in bundled sections, but Chromium wants the first in each.
    out.push(Attribute::RtcpMux);
    if lines.rtcp_mux_only {
        out.push(Attribute::RtcpMuxOnly);
    }
    if lines.rtcp_rsize {
        out.push(Attribute::RtcpRsize);
    }
    media
}

/// The streams of a sender, `-` if it has none (RFC 8830 §2).
pub(super) fn msids(transceiver: &Transceiver) -> impl Iterator<Item = Msid> {
    let streams = &transceiver.sender.streams;
    let none = streams.is_empty().then(|| "-".to_owned());
    streams.iter().cloned().chain(none).map(|stream| Msid { stream, track: None })
}

fn push_simulcast(out: &mut Vec<Attribute>, send: &[String], receive: &[String]) {
    for (rids, direction) in [(send, RidDirection::Send), (receive, RidDirection::Recv)] {
        out.extend(rids.iter().map(|id| {
            Attribute::Rid(Rid { id: id.clone(), direction, payload_types: Vec::new(), restrictions: Vec::new() })
        }));
    }
    let list = |rids: &[String]| {
        rids.iter().map(|rid| vec![SimulcastStream { rid: rid.clone(), paused: false }]).collect::<Vec<_>>()
    };
    if send.len() > 1 || receive.len() > 1 {
        out.push(Attribute::Simulcast(Simulcast { send: list(send), recv: list(receive) }));
    }
}

/// Sources told in advance, for those that do not know streams by their section's name (RFC 5576).
fn push_sources(out: &mut Vec<Attribute>, settings: &Settings, transceiver: &Transceiver, codecs: &[Codec]) {
    let Some(ssrcs) = transceiver.sender.ssrcs.first() else { return };
    let rtx = codecs.iter().any(|codec| codec.is("rtx"));
    if rtx {
        out.push(Attribute::SsrcGroup(SsrcGroup { semantics: "FID".into(), ssrcs: vec![ssrcs.media, ssrcs.rtx] }));
    }
    for ssrc in [Some(ssrcs.media), rtx.then_some(ssrcs.rtx)].into_iter().flatten() {
        out.push(Attribute::Ssrc(SsrcAttribute { ssrc, name: "cname".into(), value: Some(settings.cname.clone()) }));
    }
}

/// A section for data channels (RFC 8841). `init` has it tell our INIT chunk, if there is one.
pub(super) fn data(settings: &Settings, section: &Section, init: bool) -> MediaDescription {
    let mut media = MediaDescription::new(MediaKind::Application, &section.protocol, vec![section.format.clone()]);
    if section.mid_is_told {
        media.attributes.push(Attribute::Mid(section.mid.clone()));
    }
    if section.protocol == "DTLS/SCTP" {
        // The form of before RFC 8841, where the format is the port.
        let map =
            parlour_sdp::SctpMap { port: SCTP_PORT, application: "webrtc-datachannel".into(), streams: Some(1024) };
        media.attributes.push(Attribute::SctpMap(map));
        media.formats = vec![SCTP_PORT.to_string()];
    } else {
        media.attributes.push(Attribute::SctpPort(SCTP_PORT));
    }
    media.attributes.push(Attribute::MaxMessageSize(settings.max_message_size));
    let told = settings.sctp_init.as_ref().filter(|_| init);
    media.attributes.extend(told.map(|chunk| Attribute::SctpInit(base64::encode(chunk))));
    media
}

/// Adds what the section says for its transport. The multiplexing lines come last, as in the examples of RFC 9429 §7.
pub(super) fn push_transport(media: &mut MediaDescription, settings: &Settings, lines: TransportLines<'_>) {
    let is_mux = |line: &Attribute| matches!(line, Attribute::RtcpMux | Attribute::RtcpMuxOnly | Attribute::RtcpRsize);
    let mux: Vec<Attribute> = media.attributes.extract_if(.., |line| is_mux(line)).collect();
    let out = &mut media.attributes;
    out.push(Attribute::IceUfrag(lines.ice.username_fragment));
    out.push(Attribute::IcePwd(lines.ice.password));
    out.extend(settings.fingerprints.iter().cloned().map(Attribute::Fingerprint));
    out.push(Attribute::Setup(lines.setup));
    out.push(Attribute::TlsId(settings.tls_id.clone()));
    out.extend(mux);
    out.extend(lines.candidates.iter().cloned().map(Attribute::Candidate));
    if lines.gathered {
        out.push(Attribute::EndOfCandidates);
    }
}

/// Repeats in bundled sections what the one that speaks for the transport says of credentials and of DTLS. RFC 9143 §7.1.3
/// wants it there alone, but Firefox 153 crashes at an answer without a fingerprint in each section, and takes a restart of ICE
/// only from all sections together.
pub(super) fn repeat_transports<'a>(
    sdp: &mut SessionDescription,
    sections: impl Iterator<Item = &'a Section> + Clone,
    speakers: &HashMap<TransportId, String>,
) {
    let speaks = |section: &Section| section.transport.is_some_and(|id| speakers.get(&id) == Some(&section.mid));
    let is_repeated = |line: &&Attribute| {
        matches!(line, Attribute::IceUfrag(_) | Attribute::IcePwd(_) | Attribute::Fingerprint(_) | Attribute::Setup(_))
    };
    let mut told: HashMap<TransportId, Vec<Attribute>> = HashMap::new();
    for (section, media) in sections.clone().zip(&sdp.media).filter(|(section, _)| speaks(section)) {
        let lines = media.attributes.iter().filter(is_repeated).cloned().collect();
        told.extend(section.transport.map(|id| (id, lines)));
    }
    for (section, media) in sections.zip(&mut sdp.media) {
        // What may not be used outside its bundle says nothing of a transport (RFC 9143 §6).
        if media.is_rejected() || speaks(section) || media.has(&Attribute::BundleOnly) {
            continue;
        }
        let lines = section.transport.and_then(|id| told.get(&id));
        media.attributes.extend(lines.into_iter().flatten().cloned());
    }
}

/// Ports and addresses of a section whose transport has gathered something.
pub(super) fn set_default_address(media: &mut MediaDescription, candidates: &[Candidate]) {
    if let Some((port, connection)) = default_address(candidates) {
        media.port = port;
        media.connections = vec![connection];
    }
}

/// Which section speaks for each transport: the first of its bundle, or else the first one (RFC 9143 §7.1.3).
pub(super) fn speakers<'a>(
    bundles: &[Vec<String>],
    sections: impl Iterator<Item = &'a Section> + Clone,
) -> HashMap<TransportId, String> {
    let bundled = bundles.iter().flatten().filter_map(|mid| sections.clone().find(|section| section.mid == *mid));
    let mut speakers = HashMap::new();
    for section in bundled.chain(sections.clone()) {
        if let Some(id) = section.transport {
            speakers.entry(id).or_insert_with(|| section.mid.clone());
        }
    }
    speakers
}

/// What a group line says.
pub(super) fn group(semantics: &str, mids: Vec<String>) -> Attribute {
    Attribute::Group(Group { semantics: semantics.into(), mids })
}

impl Jsep {
    /// The lines before the first section.
    pub(super) fn session(&mut self, ice_options: Vec<String>) -> SessionDescription {
        self.session_version += 1;
        let mut session = SessionDescription::new(self.session_id, self.session_version);
        if !ice_options.is_empty() {
            session.attributes.push(Attribute::IceOptions(ice_options));
        }
        session
    }

    pub(super) fn user_transceiver(&self, section: &Section) -> Option<&Transceiver> {
        match section.user {
            super::User::Transceiver(id) => self.transceiver(id),
            _ => None,
        }
    }
}

/// A section that must be there and is not, which would be a fault of this crate.
pub(super) fn missing(what: &str) -> Error {
    Error::Operation(format!("the {what} is gone"))
}
