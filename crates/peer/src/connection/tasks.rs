//! Tasks: what changes slots, one after the other (W3C webrtc-pc §4.4.1).

use super::PeerConnection;
use crate::channels::ChannelId;
use crate::error::{Error, ErrorDetail};
use crate::event::{Event, OperationId, Outcome};
use crate::jsep::Effects;
use crate::jsep::candidates::IceCandidateInit;
use crate::jsep::encodings::Encoding;
use crate::jsep::signaling::{Description, SdpType, Side, SignalingState};
use crate::jsep::transceiver::{LocalTrack, TransceiverId};
use crate::jsep::transport::TransportId;
use crate::transport::link::DtlsTransportState;
use parlour_sctp::ChannelEvent;
use std::sync::Arc;

pub(super) enum Task {
    /// Makes an offer, and applies it if that was asked for.
    FinishOffer {
        operation: OperationId,
        restart: bool,
        apply: bool,
    },
    /// Makes an answer, and applies it as this type if that was asked for.
    FinishAnswer {
        operation: OperationId,
        apply: Option<SdpType>,
    },
    /// Applies a description.
    Apply {
        operation: OperationId,
        side: Side,
        description: Description,
    },
    /// Takes our offer back for one of theirs.
    RollBackThenApply {
        operation: OperationId,
        description: Description,
    },
    AddCandidate {
        operation: OperationId,
        candidate: IceCandidateInit,
    },
    ReplaceTrack {
        operation: OperationId,
        transceiver: TransceiverId,
        track: Option<LocalTrack>,
    },
    SetParameters {
        operation: OperationId,
        transceiver: TransceiverId,
        encodings: Vec<Encoding>,
    },
    /// What `getParameters()` gave is no longer what `setParameters()` takes.
    ForgetParameters(TransceiverId),
    NegotiationNeeded,
    IceState {
        transport: TransportId,
        state: parlour_ice::ConnectionState,
    },
    Gathering {
        transport: TransportId,
        fragment: String,
        state: parlour_ice::GatheringState,
    },
    Candidate {
        transport: TransportId,
        fragment: String,
        candidate: parlour_ice::Candidate,
    },
    IceRequest {
        transport: TransportId,
        event: Box<parlour_ice::Event>,
    },
    DtlsState {
        transport: TransportId,
        state: DtlsTransportState,
        error: Option<Error>,
    },
    Channels(ChannelEvent),
    Buffered {
        channel: ChannelId,
        amount: usize,
    },
    /// A channel that the other side never heard of is closed.
    ChannelGone(ChannelId),
    EndTrack(TransceiverId),
    /// RTP has come for a muted track.
    Unmute(TransceiverId),
    /// A source of the track has said goodbye.
    Mute(TransceiverId),
    KeyFrameRequested {
        transceiver: TransceiverId,
        rid: Option<Arc<str>>,
    },
    /// Transports have come or gone with a description.
    MatchTransports,
}

impl PeerConnection {
    pub(super) fn commit(&mut self, task: Task) {
        // Descriptions and channels may have changed, and what is closed may be closed by the program.
        self.unsettled |= !matches!(
            task,
            Task::Buffered { .. } | Task::Channels(ChannelEvent::Message(..)) | Task::KeyFrameRequested { .. }
        );
        match task {
            Task::FinishOffer { operation, restart, apply } => {
                self.prepare_association();
                let text = self.jsep.create_offer(restart, &mut self.rng).text.clone();
                let description = Description::new(SdpType::Offer, text);
                self.created(operation, description, apply.then_some(SdpType::Offer));
            }
            Task::FinishAnswer { operation, apply } => {
                self.prepare_association();
                match self.jsep.create_answer(&mut self.rng) {
                    Ok(created) => {
                        let description = Description::new(SdpType::Answer, created.text.clone());
                        self.created(operation, description, apply);
                    }
                    Err(error) => self.settle(operation, Err(error)),
                }
            }
            Task::Apply { operation, side, description } => self.commit_description(operation, side, description),
            Task::RollBackThenApply { operation, description } => {
                match self.jsep.apply(Side::Local, &Description::rollback(), &mut self.rng) {
                    Ok(effects) => {
                        self.tell(effects, Vec::new());
                        self.tasks.push_back(Task::Apply { operation, side: Side::Remote, description });
                    }
                    Err(error) => self.settle(operation, Err(error)),
                }
            }
            Task::AddCandidate { operation, candidate } => {
                let resolved = self.jsep.resolve_remote_candidate(&candidate);
                let result = resolved.map(|resolved| {
                    resolved.into_iter().for_each(|resolved| self.jsep.add_remote_candidate(resolved));
                    Outcome::Done
                });
                self.settle(operation, result);
            }
            Task::ReplaceTrack { operation, transceiver, track } => {
                if let Some(transceiver) = self.jsep.transceiver_mut(transceiver) {
                    transceiver.sender.track = track;
                }
                self.settle(operation, Ok(Outcome::Done));
            }
            Task::SetParameters { operation, transceiver, encodings } => {
                if let Some(transceiver) = self.jsep.transceiver_mut(transceiver) {
                    transceiver.sender.last_returned = None;
                    transceiver.sender.encodings = encodings;
                }
                self.streams.look_again();
                self.settle(operation, Ok(Outcome::Done));
            }
            Task::ForgetParameters(transceiver) => {
                if let Some(transceiver) = self.jsep.transceiver_mut(transceiver) {
                    transceiver.sender.last_returned = None;
                }
            }
            Task::NegotiationNeeded => self.commit_negotiation_needed(),
            Task::IceState { transport, state } => self.commit_ice_state(transport, state),
            Task::Gathering { transport, fragment, state } => self.commit_gathering(transport, &fragment, state),
            Task::Candidate { transport, fragment, candidate } => {
                self.commit_candidate(transport, &fragment, &candidate);
            }
            Task::IceRequest { transport, event } => self.events.push_back(Event::IceRequest(transport, event)),
            Task::DtlsState { transport, state, error } => self.commit_dtls_state(transport, state, error),
            Task::Channels(event) => self.commit_channels(event),
            Task::Buffered { channel, amount } => self.commit_buffered(channel, amount),
            Task::ChannelGone(channel) => self.commit_channel_gone(channel),
            Task::MatchTransports => self.match_slots(),
            Task::EndTrack(id) => self.end_track(id),
            Task::Unmute(id) => self.unmute(id),
            Task::Mute(id) => self.mute(id),
            Task::KeyFrameRequested { transceiver, rid } => {
                self.events.push_back(Event::KeyFrameRequested { transceiver, rid });
            }
        }
    }

    fn created(&mut self, operation: OperationId, description: Description, apply: Option<SdpType>) {
        match apply {
            Some(kind) => {
                let description = Description { kind, ..description };
                self.tasks.push_back(Task::Apply { operation, side: Side::Local, description });
            }
            None => self.settle(operation, Ok(Outcome::Description(description))),
        }
    }

    fn commit_description(&mut self, operation: OperationId, side: Side, description: Description) {
        // "If any promises from setParameters are not settled, start the process over."
        if self.tasks.iter().any(|task| matches!(task, Task::SetParameters { .. })) {
            self.tasks.push_back(Task::Apply { operation, side, description });
            return;
        }
        match self.jsep.apply(side, &description, &mut self.rng) {
            Ok(effects) => {
                if self.signaling_state() == SignalingState::Stable {
                    self.negotiation_needed = false;
                    self.update_negotiation_needed();
                }
                let failed = self.number_channels();
                self.tell(effects, failed);
                self.settle(operation, Ok(Outcome::Done));
            }
            Err(error) => self.settle(operation, Err(error)),
        }
    }

    /// The events of an applied description, in the order of W3C webrtc-pc §4.4.1.4.
    fn tell(&mut self, effects: Effects, failed: Vec<ChannelId>) {
        self.tasks.push_back(Task::MatchTransports);
        let Effects { signaling_state, mute, remove, add, tracks, end } = effects;
        self.tasks.extend(end.into_iter().map(Task::EndTrack));
        self.events.extend(signaling_state.map(Event::SignalingStateChange));
        self.events.extend(failed.into_iter().map(|channel| {
            let message = "no stream is free for the channel".to_owned();
            let error = Error::Rtc { detail: ErrorDetail::DataChannelFailure, sdp_line_number: None, message };
            Event::ChannelError { channel, error }
        }));
        for id in mute {
            if let Some(transceiver) = self.jsep.transceiver_mut(id) {
                transceiver.receiver.muted = true;
            }
            self.events.push_back(Event::TrackMuted(id));
        }
        let removed = |(stream, transceiver)| Event::StreamRemovedTrack { stream, transceiver };
        self.events.extend(remove.into_iter().map(removed));
        let added = |(stream, transceiver)| Event::StreamAddedTrack { stream, transceiver };
        self.events.extend(add.into_iter().map(added));
        let told =
            tracks.into_iter().map(|track| Event::Track { transceiver: track.transceiver, streams: track.streams });
        self.events.extend(told);
    }

    fn commit_negotiation_needed(&mut self) {
        if !self.chain.is_empty() {
            self.update_on_empty_chain = true;
            return;
        }
        if self.signaling_state() != SignalingState::Stable {
            return;
        }
        let needed = self.jsep.is_negotiation_needed();
        if needed && !self.negotiation_needed {
            self.events.push_back(Event::NegotiationNeeded);
        }
        self.negotiation_needed = needed;
    }

    fn unmute(&mut self, id: TransceiverId) {
        let Some(transceiver) = self.jsep.transceiver_mut(id) else { return };
        transceiver.receiver.unmuting = false;
        // Not if it was stopped, or lost its direction, meanwhile.
        if transceiver.receptive && transceiver.receiver.muted {
            transceiver.receiver.muted = false;
            self.events.push_back(Event::TrackUnmuted(id));
        }
    }

    /// W3C webrtc-pc §9.3: a source that leaves mutes its track.
    fn mute(&mut self, id: TransceiverId) {
        let Some(transceiver) = self.jsep.transceiver_mut(id) else { return };
        if !transceiver.receiver.muted && !transceiver.receiver.ended {
            transceiver.receiver.muted = true;
            self.events.push_back(Event::TrackMuted(id));
        }
    }

    fn end_track(&mut self, id: TransceiverId) {
        // The transceiver may have left already; its track ends all the same.
        match self.jsep.transceiver_mut(id) {
            Some(transceiver) if transceiver.receiver.ended => return,
            Some(transceiver) => transceiver.receiver.ended = true,
            None => {}
        }
        self.events.push_back(Event::TrackEnded(id));
    }
}
