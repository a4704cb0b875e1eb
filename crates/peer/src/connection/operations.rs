//! The operations chain: one at a time, the first at once (W3C webrtc-pc §4.4.1.2).

use super::PeerConnection;
use super::tasks::Task;
use crate::error::Error;
use crate::event::{OperationId, Outcome};
use crate::jsep::candidates::IceCandidateInit;
use crate::jsep::signaling::{Description, SdpType, Side, SignalingState};
use crate::jsep::transceiver::{LocalTrack, TransceiverId};

/// `RTCOfferOptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferOptions {
    /// Asks for new ICE credentials.
    pub ice_restart: bool,
}

pub(super) struct Chained {
    id: OperationId,
    operation: Operation,
}

enum Operation {
    CreateOffer(OfferOptions),
    CreateAnswer,
    SetLocal { kind: Option<SdpType>, sdp: String },
    SetRemote(Description),
    AddCandidate(IceCandidateInit),
    ReplaceTrack { transceiver: TransceiverId, track: Option<LocalTrack> },
}

impl PeerConnection {
    /// `createOffer()`. Settles with the offer.
    pub fn create_offer(&mut self, options: OfferOptions) -> Result<OperationId, Error> {
        self.chain_operation(Operation::CreateOffer(options))
    }

    /// `createAnswer()`. Settles with the answer.
    pub fn create_answer(&mut self) -> Result<OperationId, Error> {
        self.chain_operation(Operation::CreateAnswer)
    }

    /// `setLocalDescription()`. Without a description, what the state calls for is made; so is the text if it is empty.
    pub fn set_local_description(&mut self, description: Option<Description>) -> Result<OperationId, Error> {
        let (kind, sdp) = description.map_or((None, String::new()), |given| (Some(given.kind), given.sdp));
        self.chain_operation(Operation::SetLocal { kind, sdp })
    }

    /// `setRemoteDescription()`. An offer that meets an offer of ours takes ours back first.
    pub fn set_remote_description(&mut self, description: Description) -> Result<OperationId, Error> {
        self.chain_operation(Operation::SetRemote(description))
    }

    /// `addIceCandidate()`.
    pub fn add_ice_candidate(&mut self, candidate: IceCandidateInit) -> Result<OperationId, Error> {
        candidate.check()?;
        self.chain_operation(Operation::AddCandidate(candidate))
    }

    /// `replaceTrack()` on the sender of a transceiver. Nothing is negotiated.
    pub fn replace_track(
        &mut self,
        transceiver: TransceiverId,
        track: Option<LocalTrack>,
    ) -> Result<OperationId, Error> {
        let kind = self.find_transceiver(transceiver)?.kind;
        if track.as_ref().is_some_and(|track| track.kind != kind) {
            return Err(Error::Type("the track is of another kind than the transceiver".into()));
        }
        self.chain_operation(Operation::ReplaceTrack { transceiver, track })
    }

    pub(super) fn new_operation(&mut self) -> OperationId {
        self.next_operation += 1;
        OperationId(self.next_operation)
    }

    fn chain_operation(&mut self, operation: Operation) -> Result<OperationId, Error> {
        self.check_open()?;
        let id = self.new_operation();
        self.chain.push_back(Chained { id, operation });
        if self.chain.len() == 1 {
            self.start_first();
        }
        Ok(id)
    }

    /// The result of an operation is being told: the next one starts before the program can act on it.
    pub(super) fn advance_chain(&mut self, settled: OperationId) {
        if self.chain.front().is_none_or(|first| first.id != settled) {
            return;
        }
        self.chain.pop_front();
        if !self.chain.is_empty() {
            self.start_first();
        } else if std::mem::take(&mut self.update_on_empty_chain) {
            self.update_negotiation_needed();
        }
    }

    fn start_first(&mut self) {
        let Some(Chained { id, operation }) = self.chain.front() else { return };
        let id = *id;
        let started = match operation {
            Operation::CreateOffer(options) => self.start_offer(id, options.ice_restart, false),
            Operation::CreateAnswer => self.start_answer(id, None),
            Operation::SetLocal { kind, sdp } => self.start_local(id, *kind, sdp.clone()),
            Operation::SetRemote(description) => Ok(self.start_remote(id, description.clone())),
            Operation::AddCandidate(candidate) => {
                let candidate = candidate.clone();
                self.jsep
                    .resolve_remote_candidate(&candidate)
                    .map(|resolved| resolved.map(|_| Task::AddCandidate { operation: id, candidate }))
            }
            Operation::ReplaceTrack { transceiver, track } => {
                let (transceiver, track) = (*transceiver, track.clone());
                match self.jsep.transceiver(transceiver) {
                    Some(found) if !found.stopping => {
                        Ok(Some(Task::ReplaceTrack { operation: id, transceiver, track }))
                    }
                    _ => Err(Error::InvalidState("the transceiver is stopped".into())),
                }
            }
        };
        match started {
            Ok(Some(task)) => self.tasks.push_back(task),
            Ok(None) => self.settle(id, Ok(Outcome::Done)),
            Err(error) => self.settle(id, Err(error)),
        }
    }

    fn start_offer(&self, operation: OperationId, restart: bool, apply: bool) -> Result<Option<Task>, Error> {
        match self.signaling_state() {
            SignalingState::Stable | SignalingState::HaveLocalOffer => {
                Ok(Some(Task::FinishOffer { operation, restart, apply }))
            }
            state => Err(Error::InvalidState(format!("an offer cannot be made in state {state}"))),
        }
    }

    fn start_answer(&self, operation: OperationId, apply: Option<SdpType>) -> Result<Option<Task>, Error> {
        match self.signaling_state() {
            SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPranswer => {
                Ok(Some(Task::FinishAnswer { operation, apply }))
            }
            state => Err(Error::InvalidState(format!("an answer cannot be made in state {state}"))),
        }
    }

    fn start_local(&self, operation: OperationId, kind: Option<SdpType>, sdp: String) -> Result<Option<Task>, Error> {
        use SignalingState::{HaveLocalOffer, HaveRemotePranswer, Stable};
        let implied = match self.signaling_state() {
            Stable | HaveLocalOffer | HaveRemotePranswer => SdpType::Offer,
            _ => SdpType::Answer,
        };
        let kind = kind.unwrap_or(implied);
        let created = match kind {
            SdpType::Rollback => return self.start_rollback(operation, Side::Local),
            SdpType::Offer => &self.jsep.last_offer,
            SdpType::Answer | SdpType::PrAnswer => &self.jsep.last_answer,
        };
        if !sdp.is_empty() && created.as_ref().is_none_or(|created| created.text != sdp) {
            return Err(Error::InvalidModification(format!("the {kind} is not the one that was made last")));
        }
        let accurate = created.as_ref().filter(|created| !sdp.is_empty() || created.changes == self.jsep.changes);
        match accurate {
            Some(created) => {
                let description = Description::new(kind, created.text.clone());
                Ok(Some(Task::Apply { operation, side: Side::Local, description }))
            }
            None if kind == SdpType::Offer => self.start_offer(operation, false, true),
            None => self.start_answer(operation, Some(kind)),
        }
    }

    fn start_remote(&self, operation: OperationId, description: Description) -> Option<Task> {
        let fits = self.signaling_state().after(description.kind, Side::Remote).is_some();
        if description.kind == SdpType::Offer && !fits {
            return Some(Task::RollBackThenApply { operation, description });
        }
        Some(Task::Apply { operation, side: Side::Remote, description })
    }

    fn start_rollback(&self, operation: OperationId, side: Side) -> Result<Option<Task>, Error> {
        let state = self.signaling_state();
        match state.after(SdpType::Rollback, side) {
            Some(_) => Ok(Some(Task::Apply { operation, side, description: Description::rollback() })),
            None => Err(Error::InvalidState(format!("there is nothing to take back in state {state}"))),
        }
    }
}
