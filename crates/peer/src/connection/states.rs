//! What is told of transports, one by one and together (W3C webrtc-pc §4.3.2-4, §5.5, §5.6).

use super::PeerConnection;
use crate::error::Error;
use crate::event::Event;
use crate::jsep::transport::TransportId;
use crate::transport::candidate;
use crate::transport::link::DtlsTransportState;
use parlour_ice::{ConnectionState as IceTransportState, GatheringState};

/// `RTCPeerConnectionState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// Nothing has begun.
    #[default]
    New,
    /// Ways are looked for, or handshakes are under way.
    Connecting,
    /// All transports work.
    Connected,
    /// A transport has lost its way, perhaps for a moment.
    Disconnected,
    /// A transport has failed.
    Failed,
    /// The connection was closed.
    Closed,
}

/// The visible slots of one transport.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TransportSlots {
    pub(crate) ice: IceTransportState,
    pub(crate) gathering: GatheringState,
    pub(crate) dtls: DtlsTransportState,
}

/// The states of a connection as they were last told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct States {
    pub(crate) ice: IceTransportState,
    pub(crate) gathering: GatheringState,
    pub(crate) connection: ConnectionState,
}

/// `iceConnectionState` of open transports: the first that holds (W3C webrtc-pc §4.3.3).
pub(crate) fn ice_connection_state(transports: &[TransportSlots]) -> IceTransportState {
    use IceTransportState::{Checking, Closed, Completed, Connected, Disconnected, Failed, New};
    let any = |state| transports.iter().any(|transport| transport.ice == state);
    let all = |states: &[IceTransportState]| transports.iter().all(|transport| states.contains(&transport.ice));
    if any(Failed) {
        Failed
    } else if any(Disconnected) {
        Disconnected
    } else if all(&[New, Closed]) {
        New
    } else if any(New) || any(Checking) {
        Checking
    } else if all(&[Completed, Closed]) {
        Completed
    } else {
        Connected
    }
}

/// `connectionState` of open transports: the first that holds (W3C webrtc-pc §4.3.4).
pub(crate) fn connection_state(transports: &[TransportSlots]) -> ConnectionState {
    use IceTransportState::{Checking, Closed, Disconnected, Failed, New};
    let ice = |states: &[IceTransportState]| transports.iter().any(|transport| states.contains(&transport.ice));
    let dtls = |states: &[DtlsTransportState]| transports.iter().any(|transport| states.contains(&transport.dtls));
    let is_new = |transport: &TransportSlots| {
        matches!(transport.ice, New | Closed)
            && matches!(transport.dtls, DtlsTransportState::New | DtlsTransportState::Closed)
    };
    if ice(&[Failed]) || dtls(&[DtlsTransportState::Failed]) {
        ConnectionState::Failed
    } else if ice(&[Disconnected]) {
        ConnectionState::Disconnected
    } else if transports.iter().all(is_new) {
        ConnectionState::New
    } else if ice(&[New, Checking]) || dtls(&[DtlsTransportState::New, DtlsTransportState::Connecting]) {
        ConnectionState::Connecting
    } else {
        ConnectionState::Connected
    }
}

/// `iceGatheringState` (W3C webrtc-pc §4.3.2).
pub(crate) fn gathering_state(transports: &[TransportSlots]) -> GatheringState {
    let any = |state| transports.iter().any(|transport| transport.gathering == state);
    if any(GatheringState::Gathering) {
        GatheringState::Gathering
    } else if !transports.is_empty() && !any(GatheringState::New) {
        GatheringState::Complete
    } else {
        GatheringState::New
    }
}

impl PeerConnection {
    /// `iceConnectionState`.
    pub fn ice_connection_state(&self) -> IceTransportState {
        if self.is_closed { IceTransportState::Closed } else { self.states.ice }
    }

    /// `iceGatheringState`.
    pub fn ice_gathering_state(&self) -> GatheringState {
        self.states.gathering
    }

    /// `connectionState`.
    pub fn connection_state(&self) -> ConnectionState {
        if self.is_closed { ConnectionState::Closed } else { self.states.connection }
    }

    /// `RTCIceTransport.state` and `RTCDtlsTransport.state`; closed for transports that are gone.
    pub fn transport_state(&self, transport: TransportId) -> (IceTransportState, DtlsTransportState) {
        match self.slots.get(&transport) {
            Some(slots) if !self.is_closed => (slots.ice, slots.dtls),
            _ => (IceTransportState::Closed, DtlsTransportState::Closed),
        }
    }

    /// Slots for the transports that descriptions have now.
    pub(super) fn match_slots(&mut self) {
        let Self { slots, jsep, events, .. } = self;
        slots.retain(|id, slots| {
            let stays = jsep.transports.contains_key(id);
            if !stays && slots.dtls != DtlsTransportState::Closed {
                events.push_back(Event::DtlsTransportStateChange(*id, DtlsTransportState::Closed));
                events.push_back(Event::IceTransportStateChange(*id, IceTransportState::Closed));
            }
            stays
        });
        for id in jsep.transports.keys() {
            slots.entry(*id).or_default();
        }
        self.update_states();
    }

    pub(super) fn commit_ice_state(&mut self, id: TransportId, state: IceTransportState) {
        let Some(slots) = self.slots.get_mut(&id).filter(|slots| slots.ice != state) else { return };
        slots.ice = state;
        self.events.push_back(Event::IceTransportStateChange(id, state));
        self.update_states();
    }

    pub(super) fn commit_dtls_state(&mut self, id: TransportId, state: DtlsTransportState, error: Option<Error>) {
        let Some(slots) = self.slots.get_mut(&id).filter(|slots| slots.dtls != state) else { return };
        slots.dtls = state;
        self.events.extend(error.map(|error| Event::DtlsTransportError(id, error)));
        self.events.push_back(Event::DtlsTransportStateChange(id, state));
        self.update_states();
    }

    /// The end of candidates is told before the state, and `null` after it (W3C webrtc-pc §5.6).
    pub(super) fn commit_gathering(&mut self, id: TransportId, fragment: &str, state: GatheringState) {
        if state == GatheringState::Complete
            && let Some(end) = self.jsep.add_local_candidate(id, fragment, None)
        {
            self.events.push_back(Event::IceCandidate(Some(end)));
        }
        if let Some(slots) = self.slots.get_mut(&id) {
            slots.gathering = state;
        }
        self.update_states();
    }

    pub(super) fn commit_candidate(&mut self, id: TransportId, fragment: &str, candidate: &parlour_ice::Candidate) {
        // Whoever has a candidate is gathering.
        if let Some(slots) = self.slots.get_mut(&id).filter(|slots| slots.gathering == GatheringState::New) {
            slots.gathering = GatheringState::Gathering;
            self.update_states();
        }
        let described = candidate::to_description(candidate, fragment);
        if let Some(init) = self.jsep.add_local_candidate(id, fragment, Some(described)) {
            self.events.push_back(Event::IceCandidate(Some(init)));
        }
    }

    fn update_states(&mut self) {
        let open: Vec<TransportSlots> = self.slots.values().copied().collect();
        let gathering = gathering_state(&open);
        if self.states.gathering != gathering {
            self.states.gathering = gathering;
            self.events.push_back(Event::IceGatheringStateChange(gathering));
            if gathering == GatheringState::Complete {
                self.events.push_back(Event::IceCandidate(None));
            }
        }
        let ice = ice_connection_state(&open);
        if self.states.ice != ice {
            self.states.ice = ice;
            self.events.push_back(Event::IceConnectionStateChange(ice));
        }
        let connection = connection_state(&open);
        if self.states.connection != connection {
            self.states.connection = connection;
            self.events.push_back(Event::ConnectionStateChange(connection));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DtlsTransportState as Dtls;
    use IceTransportState as Ice;

    fn slots(states: &[(Ice, Dtls)]) -> Vec<TransportSlots> {
        states.iter().map(|(ice, dtls)| TransportSlots { ice: *ice, dtls: *dtls, ..Default::default() }).collect()
    }

    /// W3C webrtc-pc §4.3.3 and §4.3.4, row by row.
    #[test]
    fn states_of_transports_make_the_state_of_the_connection() {
        for (transports, ice, connection) in [
            (slots(&[]), Ice::New, ConnectionState::New),
            (slots(&[(Ice::New, Dtls::New)]), Ice::New, ConnectionState::New),
            (slots(&[(Ice::Checking, Dtls::New)]), Ice::Checking, ConnectionState::Connecting),
            (slots(&[(Ice::Connected, Dtls::New)]), Ice::Connected, ConnectionState::Connecting),
            (slots(&[(Ice::Connected, Dtls::Connecting)]), Ice::Connected, ConnectionState::Connecting),
            (slots(&[(Ice::Connected, Dtls::Connected)]), Ice::Connected, ConnectionState::Connected),
            (slots(&[(Ice::Completed, Dtls::Connected)]), Ice::Completed, ConnectionState::Connected),
            (
                slots(&[(Ice::Completed, Dtls::Connected), (Ice::Connected, Dtls::Connected)]),
                Ice::Connected,
                ConnectionState::Connected,
            ),
            (
                slots(&[(Ice::New, Dtls::New), (Ice::Connected, Dtls::Connected)]),
                Ice::Checking,
                ConnectionState::Connecting,
            ),
            (
                slots(&[(Ice::Disconnected, Dtls::Connected), (Ice::Checking, Dtls::New)]),
                Ice::Disconnected,
                ConnectionState::Disconnected,
            ),
            (
                slots(&[(Ice::Failed, Dtls::Connected), (Ice::Disconnected, Dtls::New)]),
                Ice::Failed,
                ConnectionState::Failed,
            ),
            (slots(&[(Ice::Connected, Dtls::Failed)]), Ice::Connected, ConnectionState::Failed),
        ] {
            assert_eq!(ice_connection_state(&transports), ice, "{transports:?}");
            assert_eq!(connection_state(&transports), connection, "{transports:?}");
        }
    }
}
