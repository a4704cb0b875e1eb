//! One transport: ICE finds the way, DTLS says who is there, SRTP and SCTP go through (RFC 7983, RFC 5764 §5.1.2).

use super::certificate::Certificate;
use super::dtls::{DtlsAssociation, DtlsOutput, DtlsVersions};
use crate::error::Error;
use crate::jsep::transport::{DtlsRole, IceParameters, RemoteTransport, Transport, TransportId};
use crate::transport::candidate;
use parlour_ice::{Agent, Meta, Options, Parameters, Socket, StreamId, Transmit};
use parlour_sdp::Fingerprint;
use parlour_srtp::{SrtpReceiver, SrtpSender};
use parlour_stun::{PacketKind, classify};
use std::collections::VecDeque;
use std::time::Instant;

/// Datagrams of DTLS that came before the answer which tells our role; they are sent again anyway.
const MAX_EARLY: usize = 8;
/// Packets that wait for a way.
const MAX_WAITING: usize = 256;
/// Buffers that are kept for the next packets.
const MAX_SPARE: usize = 64;

/// `RTCDtlsTransportState`.
///
/// ```text
/// new ──▶ connecting ──▶ connected ──▶ closed
///              └────────────┴──▶ failed
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DtlsTransportState {
    /// Nothing was tried.
    #[default]
    New,
    /// The handshake is under way.
    Connecting,
    /// The other side is who it said it is.
    Connected,
    /// It was ended.
    Closed,
    /// Something was wrong.
    Failed,
}

/// What a link tells its connection.
pub(crate) enum LinkEvent {
    Ice(Box<parlour_ice::Event>),
    Dtls(DtlsTransportState, Option<Error>),
    /// A packet of SCTP.
    Data(Vec<u8>),
    Rtp(Vec<u8>),
    Rtcp(Vec<u8>),
}

/// What the agent knows of the other side.
#[derive(Default)]
struct Far {
    ice: Option<IceParameters>,
    /// How many of the described candidates.
    given: usize,
    ended: bool,
}

pub(crate) struct Link {
    pub(crate) id: TransportId,
    agent: Agent,
    local: IceParameters,
    /// Our credentials before a restart that is not answered yet.
    before: Option<IceParameters>,
    far: Far,
    /// What the other side's end was before our restart.
    stale: Option<Far>,
    dtls: Option<DtlsAssociation>,
    dtls_state: DtlsTransportState,
    /// Whose end the association was begun with; another one is another association.
    far_end: Option<(Vec<Fingerprint>, Option<String>)>,
    srtp: Option<Box<(SrtpSender, SrtpReceiver)>>,
    early: Vec<Vec<u8>>,
    /// The other side reads DTLS that rides on checks.
    rides: bool,
    /// What was said last in the handshake, while nobody knows whether it came.
    flight: Vec<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
    pub(crate) events: VecDeque<LinkEvent>,
}

impl Link {
    pub(crate) fn new(
        now: Instant,
        transport: &Transport,
        local: &IceParameters,
        config: parlour_ice::Config,
        sockets: &[Socket],
        rng: crate::Rng,
    ) -> Self {
        let mut agent = Agent::new(config, rng);
        // Ours are always well-formed.
        let _ = agent.set_local_credentials(&local.username_fragment, &local.password);
        for socket in sockets {
            agent.add_socket(now, socket.clone());
        }
        Self {
            id: transport.id,
            agent,
            local: local.clone(),
            before: None,
            far: Far::default(),
            stale: None,
            dtls: None,
            dtls_state: DtlsTransportState::New,
            far_end: None,
            srtp: None,
            early: Vec::new(),
            rides: false,
            flight: Vec::new(),
            outgoing: VecDeque::new(),
            spare: Vec::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn agent_mut(&mut self) -> &mut Agent {
        &mut self.agent
    }

    pub(crate) fn add_socket(&mut self, now: Instant, socket: &Socket) {
        self.agent.add_socket(now, socket.clone());
        self.collect(now, None);
    }

    /// The user name fragment that local candidates belong to.
    pub(crate) fn fragment(&self) -> &str {
        &self.local.username_fragment
    }

    /// Whether checks that name this fragment are for this link.
    pub(crate) fn is_known_as(&self, fragment: &[u8]) -> bool {
        let ours = [Some(&self.local), self.before.as_ref()];
        ours.into_iter().flatten().any(|known| known.username_fragment.as_bytes() == fragment)
    }

    pub(crate) fn dtls(&self) -> Option<&DtlsAssociation> {
        self.dtls.as_ref()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.dtls_state == DtlsTransportState::Connected
    }

    /// Does what the descriptions say now.
    pub(crate) fn follow(
        &mut self,
        now: Instant,
        transport: &Transport,
        certificate: &Certificate,
        versions: DtlsVersions,
    ) {
        if let Some(local) = transport.local.as_ref().filter(|local| **local != self.local) {
            self.restart(now, local.clone());
        }
        // Until both sides have described their ends nothing may flow, and until ours follows a restart of theirs the old
        // way is kept.
        if let (Some(remote), Some(role), false) = (&transport.remote, transport.dtls_role, transport.restarting) {
            self.follow_ice(now, remote);
            self.follow_dtls(now, remote, role, certificate, versions);
        }
        self.collect(now, transport.dtls_role);
    }

    /// Our credentials are others: a restart, or one that is taken back.
    fn restart(&mut self, now: Instant, local: IceParameters) {
        let taken_back = self.before.as_ref() == Some(&local);
        let before = std::mem::replace(&mut self.local, local);
        self.before = (!taken_back).then_some(before);
        if taken_back && self.agent.abandon_restart(now) {
            self.far = self.stale.take().unwrap_or_default();
            return;
        }
        // Ours are always well-formed.
        let _ = self.agent.restart_as(now, &self.local.username_fragment, &self.local.password);
        let far = std::mem::take(&mut self.far);
        self.stale = (!taken_back).then_some(far);
    }

    fn follow_ice(&mut self, now: Instant, remote: &RemoteTransport) {
        // The credentials of before our restart are not the answer to it.
        if self.stale.as_ref().is_some_and(|stale| stale.ice.as_ref() == Some(&remote.ice)) {
            return;
        }
        self.stale = None;
        if self.far.ice.as_ref() != Some(&remote.ice) {
            let parameters = Parameters {
                ufrag: remote.ice.username_fragment.clone(),
                pwd: remote.ice.password.clone(),
                lite: remote.ice_lite,
                options: Options { trickle: true, ice2: true, sped: remote.sped, ..Options::default() },
            };
            self.rides = remote.sped && self.agent.local_parameters().options.sped;
            if !self.rides {
                self.agent.handshake_done();
            }
            if self.agent.set_remote_parameters(now, &parameters).is_err() {
                return;
            }
            self.far = Far { ice: Some(remote.ice.clone()), ..Far::default() };
        }
        let fragment = Some(remote.ice.username_fragment.as_str());
        for told in remote.candidates.iter().skip(self.far.given) {
            if let Some(candidate) = candidate::to_agent(told) {
                self.agent.add_remote_candidate(now, candidate, fragment);
            }
        }
        self.far.given = remote.candidates.len();
        if remote.end_of_candidates && !self.far.ended {
            self.agent.end_of_remote_candidates(now, fragment);
            self.far.ended = true;
        }
    }

    fn follow_dtls(
        &mut self,
        now: Instant,
        remote: &RemoteTransport,
        role: DtlsRole,
        certificate: &Certificate,
        versions: DtlsVersions,
    ) {
        let is_same = |(fingerprints, id): &(_, _)| *fingerprints == remote.fingerprints && *id == remote.tls_id;
        let same = self.far_end.as_ref().is_some_and(is_same);
        // The client waits for a way, so that its first flight is not lost, unless the checks carry it.
        if same || (role == DtlsRole::Client && !self.rides && self.agent.selected_pair().is_none()) {
            return;
        }
        self.far_end = Some((remote.fingerprints.clone(), remote.tls_id.clone()));
        self.srtp = None;
        match DtlsAssociation::new(now, role, versions, certificate, remote.fingerprints.clone()) {
            Ok(association) => {
                self.dtls = Some(association);
                self.set_dtls_state(DtlsTransportState::Connecting, None);
                self.drive(now, role, |dtls, out| dtls.handle_timeout(now, out));
                for datagram in std::mem::take(&mut self.early) {
                    self.drive(now, role, |dtls, out| dtls.handle_datagram(now, &datagram, out));
                }
            }
            Err(error) => self.set_dtls_state(DtlsTransportState::Failed, Some(error)),
        }
    }

    /// Takes a datagram; whether it was for this link.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        meta: Meta,
        datagram: &mut [u8],
        role: Option<DtlsRole>,
    ) -> bool {
        let data = self.agent.handle_datagram(now, meta, datagram).map(|received| received.data);
        let taken = data.is_some();
        if let Some(data) = data {
            let mut buffer = self.spare.pop().unwrap_or_default();
            buffer.extend_from_slice(data);
            self.handle_data(now, buffer, role);
        }
        self.collect(now, role);
        taken
    }

    pub(crate) fn handle_stream_data(&mut self, now: Instant, stream: StreamId, bytes: &[u8], role: Option<DtlsRole>) {
        let mut came = Vec::new();
        self.agent.handle_stream_data(now, stream, bytes, &mut |received| came.push(received.data.to_vec()));
        for data in came {
            self.handle_data(now, data, role);
        }
        self.collect(now, role);
    }

    /// What came by a pair that ICE has checked.
    fn handle_data(&mut self, now: Instant, mut data: Vec<u8>, role: Option<DtlsRole>) {
        match (classify(&data), role) {
            (Some(PacketKind::Dtls), Some(role)) if self.dtls.is_some() => {
                self.drive(now, role, |dtls, out| dtls.handle_datagram(now, &data, out));
            }
            (Some(PacketKind::Dtls), _)
                if self.dtls_state == DtlsTransportState::New && self.early.len() < MAX_EARLY =>
            {
                self.early.push(data);
            }
            (Some(PacketKind::Rtp), _) => {
                let Some(srtp) = &mut self.srtp else { return };
                let is_rtcp = data.get(1).is_some_and(|byte| (192..=223).contains(byte));
                let length = if is_rtcp { srtp.1.unprotect_rtcp(&mut data) } else { srtp.1.unprotect_rtp(&mut data) };
                // What is not authentic was counted there and is dropped.
                let Ok(length) = length else { return };
                data.truncate(length);
                self.events.push_back(if is_rtcp { LinkEvent::Rtcp(data) } else { LinkEvent::Rtp(data) });
            }
            _ => {}
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, role: Option<DtlsRole>) {
        self.agent.handle_timeout(now);
        if let Some(role) = role {
            self.drive(now, role, |dtls, out| dtls.handle_timeout(now, out));
        }
        self.collect(now, role);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let dtls = self.dtls.as_ref().and_then(DtlsAssociation::poll_timeout);
        [self.agent.poll_timeout(), dtls].into_iter().flatten().min()
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        if let Some(transmit) = self.agent.poll_transmit(now, out) {
            return Some(transmit);
        }
        while let Some(packet) = self.outgoing.pop_front() {
            match self.agent.send(now, &packet, out) {
                Ok(transmit) => {
                    self.keep(packet);
                    return Some(transmit);
                }
                Err(parlour_ice::SendError::NoPath) => {
                    self.outgoing.push_front(packet);
                    return None;
                }
                // Lost, as on any path.
                Err(parlour_ice::SendError::NotSent(_)) => {}
            }
        }
        None
    }

    /// Sends a packet of SCTP.
    pub(crate) fn send_data(&mut self, now: Instant, role: DtlsRole, packet: &[u8]) {
        self.drive(now, role, |dtls, out| dtls.send(now, packet, out));
    }

    /// Whether packets can be sealed.
    pub(crate) fn has_keys(&self) -> bool {
        self.srtp.is_some()
    }

    /// Whether it will never connect any more.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.dtls_state, DtlsTransportState::Closed | DtlsTransportState::Failed)
    }

    /// Whether so much waits that another frame would have to wait long.
    pub(crate) fn is_full(&self) -> bool {
        self.outgoing.len() >= MAX_WAITING
    }

    /// Seals and sends a packet of RTP or RTCP. False if there are no keys, or it does not fit.
    pub(crate) fn send_media(&mut self, packet: &[u8], is_rtcp: bool) -> bool {
        let sealed = self.seal(packet, is_rtcp);
        sealed.map(|sealed| queue(&mut self.outgoing, sealed)).is_some()
    }

    /// Seals and sends a packet of a frame, which is sent whole: look before it whether there is room. How it was sealed is
    /// appended to `copy`.
    pub(crate) fn send_rtp(&mut self, packet: &[u8], copy: &mut Vec<u8>) -> bool {
        let Some(sealed) = self.seal(packet, false) else { return false };
        copy.extend_from_slice(&sealed);
        self.outgoing.push_back(sealed);
        true
    }

    /// Sends a packet that was sealed before.
    pub(crate) fn send_sealed(&mut self, sealed: &[u8]) {
        let mut packet = self.spare.pop().unwrap_or_default();
        packet.extend_from_slice(sealed);
        queue(&mut self.outgoing, packet);
    }

    fn seal(&mut self, packet: &[u8], is_rtcp: bool) -> Option<Vec<u8>> {
        let srtp = self.srtp.as_mut()?;
        let profile = srtp.0.profile();
        let mut sealed = self.spare.pop().unwrap_or_default();
        sealed.extend_from_slice(packet);
        sealed.resize(packet.len() + profile.rtp_tag_length().max(profile.rtcp_overhead()) + 4, 0);
        let length = if is_rtcp {
            srtp.0.protect_rtcp(&mut sealed, packet.len())
        } else {
            srtp.0.protect_rtp(&mut sealed, packet.len())
        };
        match length {
            Ok(length) => {
                sealed.truncate(length);
                Some(sealed)
            }
            Err(_) => {
                self.keep(sealed);
                None
            }
        }
    }

    /// Keeps a buffer for the next packets.
    pub(crate) fn keep(&mut self, mut packet: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            packet.clear();
            self.spare.push(packet);
        }
    }

    /// Ends DTLS and tells the other side.
    pub(crate) fn close_dtls(&mut self, now: Instant, role: DtlsRole) {
        self.drive(now, role, |dtls, out| {
            dtls.close(out);
            Ok(())
        });
    }

    pub(crate) fn close_agent(&mut self, now: Instant) {
        self.agent.close(now);
    }

    /// Whether packets wait for a way.
    pub(crate) fn waits(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether everything that waited was sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outgoing.is_empty() || self.agent.selected_pair().is_none()
    }

    fn collect(&mut self, now: Instant, role: Option<DtlsRole>) {
        while let Some(event) = self.agent.poll_event() {
            match event {
                // It came with a check whose password was right, which is as good as by a pair.
                parlour_ice::Event::Handshake(packet) => self.handle_data(now, packet, role),
                parlour_ice::Event::SelectedPair { .. } => {
                    // What could only ride until now goes by itself as well.
                    if self.dtls_state == DtlsTransportState::Connecting {
                        self.flight.iter().for_each(|packet| queue(&mut self.outgoing, packet.clone()));
                    }
                    self.events.push_back(LinkEvent::Ice(Box::new(event)));
                }
                event => self.events.push_back(LinkEvent::Ice(Box::new(event))),
            }
        }
    }

    fn set_dtls_state(&mut self, state: DtlsTransportState, error: Option<Error>) {
        if self.dtls_state != state {
            self.dtls_state = state;
            self.events.push_back(LinkEvent::Dtls(state, error));
        }
    }

    fn drive(
        &mut self,
        now: Instant,
        role: DtlsRole,
        step: impl FnOnce(&mut DtlsAssociation, &mut dyn FnMut(DtlsOutput<'_>)) -> Result<(), Error>,
    ) {
        let Some(mut dtls) = self.dtls.take() else { return };
        let mut state = None;
        // The flight of the handshake, as long as checks may carry it.
        let mut flight = self.rides.then(Vec::new);
        let has_way = self.agent.selected_pair().is_some();
        let (outgoing, events, srtp) = (&mut self.outgoing, &mut self.events, &mut self.srtp);
        let result = step(&mut dtls, &mut |output| match output {
            DtlsOutput::Packet(packet) => {
                if let Some(flight) = &mut flight {
                    flight.push(packet.to_vec());
                }
                if flight.is_none() || has_way {
                    queue(outgoing, packet.to_vec());
                }
            }
            DtlsOutput::Connected(keys) => {
                *srtp = keys.map(|keys| {
                    let (ours, theirs) = match role {
                        DtlsRole::Client => (&keys.client, &keys.server),
                        DtlsRole::Server => (&keys.server, &keys.client),
                    };
                    Box::new((SrtpSender::new(ours), SrtpReceiver::new(theirs)))
                });
                state = Some(DtlsTransportState::Connected);
                // Before any data, which may come in the same datagram.
                events.push_back(LinkEvent::Dtls(DtlsTransportState::Connected, None));
            }
            DtlsOutput::Data(data) => events.push_back(LinkEvent::Data(data.to_vec())),
            DtlsOutput::Closed => {
                state = Some(DtlsTransportState::Closed);
                events.push_back(LinkEvent::Dtls(DtlsTransportState::Closed, None));
            }
        });
        if let Some(state) = state {
            self.dtls_state = state;
        }
        if let Some(flight) = flight.filter(|flight| !flight.is_empty()) {
            self.agent.set_handshake_flight(now, flight.iter().map(Vec::as_slice));
            self.flight = flight;
        }
        if self.rides && self.dtls_state != DtlsTransportState::Connecting {
            // The last flight goes on riding until the other side has it.
            self.rides = false;
            self.flight.clear();
            self.agent.handshake_done();
        }
        match result {
            Ok(()) => self.dtls = Some(dtls),
            Err(error) => {
                self.srtp = None;
                self.set_dtls_state(DtlsTransportState::Failed, Some(error));
            }
        }
    }
}

/// The newest are dropped when too many wait, as by a full socket.
fn queue(outgoing: &mut VecDeque<Vec<u8>>, packet: Vec<u8>) {
    if outgoing.len() < MAX_WAITING {
        outgoing.push_back(packet);
    }
}
