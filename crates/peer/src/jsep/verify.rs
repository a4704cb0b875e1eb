//! What a description of the other side must hold (RFC 9429 §5.8.3).

use super::signaling::SdpType;
use super::transport::RemoteTransport;
use super::{Jsep, User};
use crate::error::Error;
use parlour_sdp::{Attribute, MediaDescription, SessionDescription, Setup};
use std::collections::HashSet;

impl Jsep {
    pub(super) fn verify_remote(&self, sdp: &SessionDescription, kind: SdpType) -> Result<(), Error> {
        let mut mids = HashSet::new();
        for mid in sdp.media.iter().filter_map(MediaDescription::mid) {
            if !mids.insert(mid) {
                return Err(invalid(format!("two sections are called {mid}")));
            }
        }
        for mid in sdp.groups().filter(|group| group.semantics == "BUNDLE").flat_map(|group| &group.mids) {
            if !mids.contains(mid.as_str()) {
                return Err(invalid(format!("the bundle has a section {mid} that is not there")));
            }
        }
        for (index, media) in sdp.media.iter().enumerate() {
            if !media.is_rejected() {
                verify_section(index, media, sdp, kind)?;
            }
        }
        if kind.is_answer() { self.verify_answer(sdp) } else { self.verify_offer(sdp) }
    }

    /// Sections never leave, and change only where one was rejected (RFC 3264 §8).
    fn verify_offer(&self, sdp: &SessionDescription) -> Result<(), Error> {
        if sdp.media.len() < self.sections.len() {
            return Err(invalid(format!("{} sections, but there were {}", sdp.media.len(), self.sections.len())));
        }
        for (index, (section, media)) in self.sections.iter().zip(&sdp.media).enumerate() {
            let renamed = section.mid_is_told && media.mid().is_some_and(|mid| mid != section.mid);
            if !section.rejected && (renamed || media.kind != section.kind) {
                return Err(invalid(format!("section {index} became another while it was in use")));
            }
        }
        Ok(())
    }

    /// Section by section as in the offer (RFC 3264 §6).
    fn verify_answer(&self, sdp: &SessionDescription) -> Result<(), Error> {
        if sdp.media.len() != self.sections.len() {
            return Err(invalid(format!("{} sections answer {}", sdp.media.len(), self.sections.len())));
        }
        let Some(offer) = &self.pending_local else { return Ok(()) };
        for (index, ((section, media), offered)) in
            self.sections.iter().zip(&sdp.media).zip(&offer.sdp.media).enumerate()
        {
            if media.kind != section.kind || !same_protocol(&media.protocol, &section.protocol) {
                return Err(invalid(format!("section {index} is of another kind than offered")));
            }
            if media.mid().is_some_and(|mid| mid != section.mid) {
                return Err(invalid(format!("section {index} is not called {} as offered", section.mid)));
            }
            if media.is_rejected() {
                continue;
            }
            if offered.is_rejected() {
                return Err(invalid(format!("section {index} is accepted, but was not offered")));
            }
            let bundled = sdp.groups().any(|group| group.semantics == "BUNDLE" && group.mids.contains(&section.mid));
            if offered.ice_credentials(&offer.sdp).is_none() && !bundled {
                return Err(invalid(format!(
                    "section {index} is accepted outside of the bundle, but offered only in it"
                )));
            }
            let rids: Vec<&str> = offered.rids().map(|rid| rid.id.as_str()).collect();
            let asked = media.simulcast().map(|simulcast| simulcast.recv.as_slice()).unwrap_or_default();
            if let Some(stranger) = asked.iter().flatten().find(|stream| !rids.contains(&stream.rid.as_str())) {
                return Err(invalid(format!("layer {} was not offered", stranger.rid)));
            }
        }
        Ok(())
    }

    /// ICE restarts on both sides or on none, and DTLS begins anew only with it (RFC 9429 §5.10, §5.11).
    pub(super) fn verify_restart(&self, id: super::TransportId, new: &RemoteTransport) -> Result<(), Error> {
        let Some(before) = self.stable.as_ref().and_then(|stable| stable.transport(id)) else { return Ok(()) };
        let (Some(our_ice), Some(remote)) = (&before.local, &before.remote) else { return Ok(()) };
        let ours = self.transports.get(&id).and_then(|transport| transport.local.as_ref()) != Some(our_ice);
        let theirs = remote.ice != new.ice;
        match (ours, theirs) {
            (true, false) => Err(invalid("the offer restarts ICE, but the answer does not".into())),
            (false, true) => Err(invalid("the answer restarts ICE, but the offer does not".into())),
            (false, false) if !new.continues(remote) => {
                Err(invalid("the fingerprint or the tls-id changed without a restart of ICE".into()))
            }
            _ => Ok(()),
        }
    }
}

fn verify_section(
    index: usize,
    media: &MediaDescription,
    sdp: &SessionDescription,
    kind: SdpType,
) -> Result<(), Error> {
    let group = sdp.groups().find(|group| {
        group.semantics == "BUNDLE" && media.mid().is_some_and(|mid| group.mids.iter().any(|known| known == mid))
    });
    let speaks = match group {
        Some(group) => {
            let is_live = |mid: &&String| sdp.media_by_mid(mid).is_some_and(|media| !media.is_rejected());
            group.mids.iter().find(is_live).map(String::as_str) == media.mid()
        }
        None => true,
    };
    let is_rtp = media.protocol.contains("RTP/");
    if speaks {
        if media.ice_credentials(sdp).is_none() {
            return Err(invalid(format!("section {index} has no ICE credentials")));
        }
        if media.fingerprints(sdp).is_empty() {
            return Err(invalid(format!("section {index} has no fingerprint")));
        }
        match (media.setup(sdp), kind.is_answer()) {
            (Some(Setup::HoldConn), _) => return Err(invalid(format!("section {index} holds the connection"))),
            (Some(Setup::ActPass) | None, true) => {
                return Err(invalid(format!("section {index} leaves open who starts DTLS")));
            }
            _ => {}
        }
        if is_rtp && !media.has(&Attribute::RtcpMux) {
            return Err(invalid(format!("section {index} does not multiplex RTCP")));
        }
    }
    for stream in media.simulcast().iter().flat_map(|simulcast| simulcast.send.iter().chain(&simulcast.recv)).flatten()
    {
        if media.rids().all(|rid| rid.id != stream.rid) {
            return Err(invalid(format!("layer {} of section {index} has no a=rid", stream.rid)));
        }
    }
    let codecs = media.codecs();
    for rtx in codecs.iter().filter(|codec| codec.is("rtx")) {
        let repeated = rtx.associated_payload_type();
        if repeated.is_some_and(|number| codecs.iter().all(|codec| codec.payload_type != number)) {
            return Err(invalid(format!("payload type {} repeats one that is not there", rtx.payload_type)));
        }
    }
    Ok(())
}

/// `UDP/…` and `TCP/…` differ only in the default candidate (RFC 8839 §4.2.1.2).
fn same_protocol(a: &str, b: &str) -> bool {
    let bare = |protocol: &str| protocol.trim_start_matches("UDP/").trim_start_matches("TCP/").to_owned();
    bare(a) == bare(b)
}

fn invalid(message: String) -> Error {
    Error::InvalidAccess(message)
}

impl User {
    /// Who would use a section like this one; the transceiver is found later.
    pub(super) fn of_section(media: &MediaDescription) -> Option<Self> {
        if media.is_data_channel() {
            return Some(Self::Data);
        }
        let is_media = super::TrackKind::of(&media.kind).is_some() && media.protocol.contains("TLS/RTP/SAVP");
        (!is_media).then_some(Self::Unknown)
    }
}
