//! Tracks of the other side: which streams they are in, and what the program is told (W3C webrtc-pc §5.1.3).

use super::signaling::SignalingState;
use super::transceiver::TransceiverId;
use super::{Jsep, User};
use parlour_sdp::Direction;
use std::collections::HashMap;

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
    /// Whose streams the other side's sources are, as its description tells it (RFC 5576 §4.1), and which of them repair
    /// which (RFC 4588 §8.6).
    pub(crate) fn told_sources(&self) -> (HashMap<u32, TransceiverId>, HashMap<u32, u32>) {
        let (mut users, mut repairs) = (HashMap::new(), HashMap::new());
        let remote = self.remote_description();
        let media = remote.iter().flat_map(|remote| self.sections.iter().zip(&remote.sdp.media));
        for (section, media) in media.filter(|(_, media)| !media.is_rejected()) {
            let User::Transceiver(id) = section.user else { continue };
            users.extend(media.ssrcs().map(|line| (line.ssrc, id)));
            for group in media.ssrc_groups().filter(|group| group.semantics == "FID") {
                if let [source, repair] = group.ssrcs.as_slice() {
                    repairs.insert(*repair, *source);
                }
            }
        }
        (users, repairs)
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
