//! Whether the descriptions lag behind what the program wants (W3C webrtc-pc §4.7.3).

use super::extensions::intersection;
use super::signaling::SdpType;
use super::transceiver::Transceiver;
use super::{Jsep, User, section};
use parlour_sdp::{Msid, SessionDescription};

impl Jsep {
    /// "Check if negotiation is needed".
    pub(crate) fn is_negotiation_needed(&self) -> bool {
        if !self.credentials_to_replace.is_empty() {
            return true;
        }
        let has_data = self.current_local.is_some()
            && self.sections.iter().any(|section| section.user == User::Data && !section.rejected);
        if self.data_wanted && !has_data {
            return true;
        }
        self.transceivers.iter().any(|transceiver| self.lags_behind(transceiver))
    }

    fn lags_behind(&self, transceiver: &Transceiver) -> bool {
        if transceiver.stopping && !transceiver.stopped {
            return true;
        }
        let section = transceiver.mid.as_ref().and_then(|mid| self.sections.iter().find(|section| section.mid == *mid));
        let Some((section, local)) = section.zip(self.current_local.as_ref()) else { return !transceiver.stopped };
        if transceiver.stopped {
            return !section.rejected;
        }
        let Some(media) = find(&local.sdp, &self.sections, &section.mid) else { return true };
        if transceiver.direction.sends() {
            let told: Vec<&Msid> = media.msids().collect();
            let wanted: Vec<Msid> = section::msids(transceiver).collect();
            if told.len() != wanted.len() || wanted.iter().any(|msid| !told.contains(&msid)) {
                return true;
            }
        }
        let described = media.direction(&local.sdp);
        let remote = self.current_remote.as_ref();
        let theirs =
            remote.and_then(|remote| Some(find(&remote.sdp, &self.sections, &section.mid)?.direction(&remote.sdp)));
        let theirs = theirs.unwrap_or_default().reversed();
        if local.kind == SdpType::Offer {
            described != transceiver.direction && theirs != transceiver.direction
        } else {
            described != intersection(transceiver.direction, theirs)
        }
    }
}

/// The section by its name, or by its place if descriptions do not say names.
fn find<'a>(
    sdp: &'a SessionDescription,
    sections: &[super::Section],
    mid: &str,
) -> Option<&'a parlour_sdp::MediaDescription> {
    sdp.media_by_mid(mid).or_else(|| {
        let place = sections.iter().position(|section| section.mid == mid && !section.mid_is_told)?;
        sdp.media.get(place)
    })
}
