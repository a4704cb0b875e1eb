//! Tracks of the other side: which streams they are in, and what the program is told (W3C webrtc-pc §5.1.3).

use super::signaling::SignalingState;
use super::transceiver::TransceiverId;
use super::{Jsep, User};
use parlour_sdp::Direction;

/// A `track` event to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrackEvent {
    pub(crate) transceiver: TransceiverId,
    pub(crate) streams: Vec<String>,
}

/// What applying a description makes known, in the order in which it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    pub(crate) signaling_state: Option<SignalingState>,
    pub(crate) mute: Vec<TransceiverId>,
    pub(crate) remove: Vec<(String, TransceiverId)>,
    pub(crate) add: Vec<(String, TransceiverId)>,
    pub(crate) tracks: Vec<TrackEvent>,
    /// Tracks that end in tasks of their own.
    pub(crate) end: Vec<TransceiverId>,
}

impl Jsep {
    /// Whose stream this source is, as the other side's description tells it (RFC 5576).
    pub(crate) fn told_source(&self, ssrc: u32) -> Option<TransceiverId> {
        let remote = self.remote_description()?;
        let tells = |media: &parlour_sdp::MediaDescription| media.ssrcs().any(|line| line.ssrc == ssrc);
        let (section, _) = self.sections.iter().zip(&remote.sdp.media).find(|(_, media)| tells(media))?;
        match section.user {
            User::Transceiver(id) => Some(id),
            _ => None,
        }
    }

    /// "Process remote tracks".
    pub(super) fn process_remote_tracks(
        &mut self,
        id: TransceiverId,
        direction: Option<Direction>,
        msids: Vec<String>,
        effects: &mut Effects,
    ) {
        let added = self.set_associated_remote_streams(id, msids, effects);
        let Some(transceiver) = self.transceiver_mut(id) else { return };
        let receives = direction.is_some_and(Direction::receives);
        let received = transceiver.fired_direction.is_some_and(Direction::receives);
        if receives && (!received || added) {
            effects.tracks.push(TrackEvent { transceiver: id, streams: transceiver.receiver.streams.clone() });
        }
        if !receives {
            transceiver.receptive = false;
        }
        if !receives && received {
            self.process_removal(id, effects);
        }
        if let Some(transceiver) = self.transceiver_mut(id) {
            transceiver.fired_direction = direction;
        }
    }

    /// "Process the removal of a remote track".
    pub(super) fn process_removal(&mut self, id: TransceiverId, effects: &mut Effects) {
        if self.transceiver(id).is_some_and(|transceiver| !transceiver.receiver.muted) {
            effects.mute.push(id);
        }
    }

    /// "Set the associated remote streams". Whether the track is in a stream that it was not in.
    pub(super) fn set_associated_remote_streams(
        &mut self,
        id: TransceiverId,
        msids: Vec<String>,
        effects: &mut Effects,
    ) -> bool {
        let Some(transceiver) = self.transceiver_mut(id) else { return false };
        let before = std::mem::replace(&mut transceiver.receiver.streams, msids.clone());
        let gone = before.iter().filter(|stream| !msids.contains(stream));
        effects.remove.extend(gone.map(|stream| (stream.clone(), id)));
        let count = effects.add.len();
        let new = msids.into_iter().filter(|stream| !before.contains(stream));
        effects.add.extend(new.map(|stream| (stream, id)));
        effects.add.len() > count
    }
}
