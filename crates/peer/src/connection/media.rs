//! Tracks and transceivers (W3C webrtc-pc §5).

use super::PeerConnection;
use super::tasks::Task;
use crate::error::Error;
use crate::event::OperationId;
use crate::jsep::codecs::RtpCodec;
use crate::jsep::encodings::{self, Encoding, SendParameters};
use crate::jsep::transceiver::{LocalTrack, TrackKind, Transceiver, TransceiverDirection, TransceiverId};
use crate::random;
use parlour_sdp::Direction;

/// `RTCRtpTransceiverInit`.
#[derive(Clone, Debug, PartialEq)]
pub struct TransceiverInit {
    /// What to send at first.
    pub track: Option<LocalTrack>,
    /// Which ways media shall flow.
    pub direction: TransceiverDirection,
    /// The streams in which the other side finds the track.
    pub streams: Vec<String>,
    /// The encodings; empty for a plain one.
    pub send_encodings: Vec<Encoding>,
}

impl Default for TransceiverInit {
    fn default() -> Self {
        Self { track: None, direction: TransceiverDirection::SendRecv, streams: Vec::new(), send_encodings: Vec::new() }
    }
}

impl PeerConnection {
    /// `addTrack()`: sends the track over a transceiver that has never sent, or over a new one.
    ///
    /// Fails with [`Error::InvalidAccess`] if the track is sent already.
    pub fn add_track(&mut self, track: LocalTrack, streams: &[&str]) -> Result<TransceiverId, Error> {
        self.check_open()?;
        let live = |transceiver: &&mut Transceiver| !transceiver.stopped;
        if self.jsep.transceivers.iter_mut().filter(live).any(|known| known.sender.track.as_ref() == Some(&track)) {
            return Err(Error::InvalidAccess(format!("track {} is sent already", track.id)));
        }
        let streams = unique(streams.iter().map(|stream| (*stream).to_owned()));
        let reusable = |transceiver: &&mut Transceiver| {
            transceiver.sender.track.is_none()
                && transceiver.kind == track.kind
                && !transceiver.stopping
                && !transceiver.has_sent
        };
        let id = match self.jsep.transceivers.iter_mut().find(reusable) {
            Some(transceiver) => {
                transceiver.direction = Direction::new(true, transceiver.direction.receives());
                transceiver.sender.track = Some(track);
                transceiver.sender.streams = streams;
                transceiver.touched_by_add_track = true;
                transceiver.id
            }
            None => {
                let id = self.jsep.new_transceiver_id();
                let encodings = vec![Encoding::single(track.kind)];
                let mut new = Transceiver::new(id, track.kind, Direction::SendRecv, encodings, &mut self.rng);
                new.made_by_add_track = true;
                new.touched_by_add_track = true;
                new.sender.track = Some(track);
                new.sender.streams = streams;
                self.jsep.transceivers.push(new);
                id
            }
        };
        self.changed();
        Ok(id)
    }

    /// `removeTrack()`: the sender sends nothing any more; the transceiver stays.
    pub fn remove_track(&mut self, sender: TransceiverId) -> Result<(), Error> {
        self.check_open()?;
        if !self.jsep.was_made_here(sender) {
            return Err(Error::InvalidAccess("the sender is not of this connection".into()));
        }
        let Some(transceiver) = self.jsep.transceiver_mut(sender) else { return Ok(()) };
        if transceiver.stopping || transceiver.sender.track.take().is_none() {
            return Ok(());
        }
        transceiver.direction = Direction::new(false, transceiver.direction.receives());
        self.changed();
        Ok(())
    }

    /// `addTransceiver()`.
    pub fn add_transceiver(&mut self, kind: TrackKind, init: TransceiverInit) -> Result<TransceiverId, Error> {
        self.check_open()?;
        if init.track.as_ref().is_some_and(|track| track.kind != kind) {
            return Err(Error::Type("the track is of another kind than the transceiver".into()));
        }
        let direction =
            init.direction.described().ok_or_else(|| Error::Type("a transceiver cannot begin stopped".into()))?;
        let settings = self.jsep.settings.clone();
        let capable = |codec: &RtpCodec| settings.capabilities(kind).has(codec);
        let encodings = encodings::for_new_transceiver(kind, init.send_encodings, capable)?;
        let id = self.jsep.new_transceiver_id();
        let mut new = Transceiver::new(id, kind, direction, encodings, &mut self.rng);
        new.sender.track = init.track;
        new.sender.streams = unique(init.streams.into_iter());
        self.jsep.transceivers.push(new);
        self.changed();
        Ok(id)
    }

    /// `transceiver.direction = …`.
    pub fn set_direction(&mut self, id: TransceiverId, direction: TransceiverDirection) -> Result<(), Error> {
        self.check_open()?;
        let transceiver = self.find_transceiver(id)?;
        if transceiver.stopping {
            return Err(Error::InvalidState("the transceiver is stopped".into()));
        }
        let direction =
            direction.described().ok_or_else(|| Error::Type("call stop_transceiver to stop a transceiver".into()))?;
        if transceiver.direction != direction {
            if let Some(transceiver) = self.jsep.transceiver_mut(id) {
                transceiver.direction = direction;
            }
            self.changed();
        }
        Ok(())
    }

    /// `transceiver.stop()`: sends and receives nothing from now on; the next exchange of descriptions takes it away.
    pub fn stop_transceiver(&mut self, id: TransceiverId) -> Result<(), Error> {
        self.check_open()?;
        let Some(transceiver) = self.jsep.transceiver_mut(id) else { return Ok(()) };
        if transceiver.stopping {
            return Ok(());
        }
        if transceiver.stop_sending_and_receiving() {
            self.tasks.push_back(Task::EndTrack(id));
        }
        self.changed();
        Ok(())
    }

    /// `transceiver.setCodecPreferences()`: the codecs to negotiate, the best first; none for all in the usual order.
    pub fn set_codec_preferences(&mut self, id: TransceiverId, codecs: &[RtpCodec]) -> Result<(), Error> {
        let kind = self.find_transceiver(id)?.kind;
        let mut wanted: Vec<RtpCodec> = Vec::new();
        for codec in codecs {
            if !self.jsep.settings.capabilities(kind).has(codec) {
                return Err(Error::InvalidModification(format!("codec {} is not among the capabilities", codec.name)));
            }
            if !wanted.iter().any(|known| known.matches(codec)) {
                wanted.push(codec.clone());
            }
        }
        if !wanted.is_empty() && wanted.iter().all(RtpCodec::is_auxiliary) {
            return Err(Error::InvalidModification("at least one codec must carry media of its own".into()));
        }
        if let Some(transceiver) = self.jsep.transceiver_mut(id) {
            transceiver.preferred_codecs = wanted;
        }
        self.jsep.changes += 1;
        Ok(())
    }

    /// `sender.setStreams()`.
    pub fn set_streams(&mut self, sender: TransceiverId, streams: &[&str]) -> Result<(), Error> {
        self.check_open()?;
        self.find_transceiver(sender)?;
        if let Some(transceiver) = self.jsep.transceiver_mut(sender) {
            transceiver.sender.streams = unique(streams.iter().map(|stream| (*stream).to_owned()));
        }
        self.changed();
        Ok(())
    }

    /// `sender.getParameters()`. The same until the next task.
    pub fn get_parameters(&mut self, sender: TransceiverId) -> Result<SendParameters, Error> {
        let transaction_id = random::hex_id(&mut self.rng);
        let cname = self.jsep.settings.cname.clone();
        self.find_transceiver(sender)?;
        let Some(transceiver) = self.jsep.transceiver_mut(sender) else {
            return Err(Error::InvalidState("the transceiver is gone".into()));
        };
        let slots = &mut transceiver.sender;
        if let Some(known) = &slots.last_returned {
            return Ok(known.clone());
        }
        let parameters = SendParameters {
            transaction_id,
            encodings: slots.encodings.clone(),
            codecs: slots.codecs.clone(),
            header_extensions: slots.extensions.iter().map(|extmap| (extmap.id, extmap.uri.clone())).collect(),
            cname,
            reduced_size_rtcp: slots.reduced_size_rtcp,
        };
        slots.last_returned = Some(parameters.clone());
        self.tasks.push_back(Task::ForgetParameters(sender));
        Ok(parameters)
    }

    /// `sender.setParameters()`, with what [`get_parameters`](Self::get_parameters) gave since the last task.
    pub fn set_parameters(&mut self, sender: TransceiverId, parameters: SendParameters) -> Result<OperationId, Error> {
        let transceiver = self.find_transceiver(sender)?;
        if transceiver.stopping {
            return Err(Error::InvalidState("the transceiver is stopped".into()));
        }
        let Some(known) = &transceiver.sender.last_returned else {
            return Err(Error::InvalidState("the parameters were not read before".into()));
        };
        let unchanged = SendParameters { encodings: known.encodings.clone(), ..parameters.clone() };
        if unchanged != *known {
            return Err(Error::InvalidModification("only the encodings of the parameters".into()));
        }
        let kind = transceiver.kind;
        let capabilities = self.jsep.settings.capabilities(kind);
        let choosable = |codec: &RtpCodec| match known.codecs.is_empty() {
            true => capabilities.has(codec),
            false => known.codecs.iter().any(|known| codec.is(known)),
        };
        let encodings =
            encodings::for_new_parameters(kind, parameters.encodings, &transceiver.sender.encodings, choosable)?;
        let operation = self.new_operation();
        self.tasks.push_back(Task::SetParameters { operation, transceiver: sender, encodings });
        Ok(operation)
    }

    pub(super) fn find_transceiver(&self, id: TransceiverId) -> Result<&Transceiver, Error> {
        self.jsep.transceiver(id).ok_or_else(|| Error::InvalidState("the transceiver is gone".into()))
    }

    fn changed(&mut self) {
        self.jsep.changes += 1;
        self.update_negotiation_needed();
    }
}

fn unique(streams: impl Iterator<Item = String>) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for stream in streams {
        if !list.contains(&stream) {
            list.push(stream);
        }
    }
    list
}
