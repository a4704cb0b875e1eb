//! The five verbs: datagrams and time in, datagrams and times out.

use super::PeerConnection;
use super::tasks::Task;
use crate::error::Error;
use crate::jsep::transport::{DtlsRole, TransportId};
use crate::random;
use crate::transport::data::DataLink;
use crate::transport::link::{Link, LinkEvent};
use parlour_ice::{Meta, Role, Socket, StreamId, Via};
use parlour_stun::{AttributeType, Message, PacketKind, classify};
use std::sync::Arc;
use std::time::Instant;

/// A datagram, or bytes of a stream, to send; they are in the buffer that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Whose it is: streams are named by transport.
    pub transport: TransportId,
    /// By what to send it.
    pub via: Via,
    /// How many bytes were appended.
    pub len: usize,
}

impl Transmit {
    fn of(transport: TransportId, transmit: parlour_ice::Transmit) -> Self {
        Self { transport, via: transmit.via, len: transmit.len }
    }
}

impl PeerConnection {
    /// Gives the connection a UDP socket, bound to an address and not to a wildcard. At any time.
    pub fn add_socket(&mut self, now: Instant, socket: Socket) {
        for link in &mut self.links {
            link.add_socket(now, &socket);
        }
        self.sockets.push(socket);
        self.settle_links(now);
    }

    /// Takes bytes of a stream that [`Event::IceRequest`](crate::Event::IceRequest) asked for.
    pub fn handle_stream_data(&mut self, now: Instant, transport: TransportId, stream: StreamId, bytes: &[u8]) {
        if let Some(link) = self.links.iter_mut().find(|link| link.id == transport) {
            let role = self.jsep.transports.get(&transport).and_then(|transport| transport.dtls_role);
            link.handle_stream_data(now, stream, bytes, role);
        }
        self.settle_links(now);
    }

    /// Takes a datagram that came to one of the sockets.
    pub fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        // A check names whose it is; others would refuse it.
        let named = checked_fragment(datagram).and_then(|name| self.links.iter().find(|link| link.is_known_as(name)));
        let named = named.map(|link| link.id);
        for link in self.links.iter_mut().filter(|link| named.is_none_or(|id| link.id == id)) {
            let role = self.jsep.transports.get(&link.id).and_then(|transport| transport.dtls_role);
            if link.handle_datagram(now, meta, datagram, role) {
                break;
            }
        }
        self.settle_links(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for link in &mut self.links {
            let role = self.jsep.transports.get(&link.id).and_then(|transport| transport.dtls_role);
            link.handle_timeout(now, role);
        }
        if let Some(data) = &mut self.data {
            data.sctp.handle_timeout(now);
        }
        self.run_streams(now);
        self.settle_links(now);
    }

    /// Appends the next datagram to send to `out`; none if there is none now.
    ///
    /// After any other call, poll this and then [`poll_event`](Self::poll_event), until neither has anything: the time
    /// that comes with this call is also when the transports take up what the descriptions say, and tasks that have
    /// ended may have something to send.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        if self.unsettled {
            self.settle_links(now);
        }
        loop {
            for link in &mut self.links {
                if let Some(transmit) = link.poll_transmit(now, out) {
                    return Some(Transmit::of(link.id, transmit));
                }
            }
            if !self.send_data_packet(now) {
                break;
            }
        }
        if self.is_closed {
            // Only now, as what was said last had to go out first.
            for mut link in self.links.extract_if(.., |link| link.is_flushed()) {
                link.close_agent(now);
                self.leaving.push(link);
            }
        }
        while let Some(link) = self.leaving.last_mut() {
            if let Some(transmit) = link.poll_transmit(now, out) {
                return Some(Transmit::of(link.id, transmit));
            }
            self.leaving.pop();
        }
        None
    }

    /// Whether the connection is closed and everything was said that had to be said.
    pub fn is_finished(&self) -> bool {
        self.is_closed && self.said_goodbye && self.links.is_empty() && self.leaving.is_empty()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called. Ask again after any other call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let data = self.data.as_ref().and_then(|data| data.sctp.poll_timeout());
        let streams = self.streams.poll_timeout();
        self.links.iter().filter_map(Link::poll_timeout).chain(data).chain(streams).min()
    }

    /// Brings the links to where the descriptions are, and takes up what they have to tell.
    pub(super) fn settle_links(&mut self, now: Instant) {
        self.latest = Some(now);
        self.unsettled = false;
        if !self.is_closed {
            self.follow_descriptions(now);
            self.follow_streams();
        } else if !self.said_goodbye {
            self.say_goodbye(now);
        }
        self.collect_links(now);
        self.follow_data(now);
        self.collect_data();
    }

    fn follow_descriptions(&mut self, now: Instant) {
        let Self { links, leaving, jsep, .. } = self;
        for mut link in links.extract_if(.., |link| !jsep.transports.contains_key(&link.id)) {
            link.close_agent(now);
            leaving.push(link);
        }
        let Some(certificate) = self.certificates.first() else { return };
        for transport in jsep.transports.values() {
            let Some(local) = &transport.local else { continue };
            let known = links.iter().position(|link| link.id == transport.id);
            let place = known.unwrap_or_else(|| {
                let role = if transport.controlling == Some(false) { Role::Controlled } else { Role::Controlling };
                let config = parlour_ice::Config { role, ..self.ice.clone() };
                let rng = random::fork(&mut self.rng);
                links.push(Link::new(now, transport, local, config, &self.sockets, rng));
                links.len() - 1
            });
            if let Some(link) = links.get_mut(place) {
                link.follow(now, transport, certificate, self.dtls_versions);
            }
        }
    }

    /// The other side learns of the end at once: SCTP is aborted, DTLS closed.
    fn say_goodbye(&mut self, now: Instant) {
        self.said_goodbye = true;
        self.leave_streams();
        if let Some(data) = &mut self.data {
            data.sctp.abort("closed");
        }
        while self.send_data_packet(now) {}
        self.data = None;
        for link in &mut self.links {
            if let Some(role) = self.jsep.transports.get(&link.id).and_then(|transport| transport.dtls_role) {
                link.close_dtls(now, role);
            }
        }
    }

    fn collect_links(&mut self, now: Instant) {
        for place in 0..self.links.len() {
            while let Some((id, event)) =
                self.links.get_mut(place).and_then(|link| Some((link.id, link.events.pop_front()?)))
            {
                let task = match event {
                    LinkEvent::Data(packet) => {
                        if let Some(data) = self.data.as_mut().filter(|data| data.transport == id) {
                            data.sctp.handle_datagram(now, &packet);
                        } else if self.early_data.len() < 16 {
                            self.early_data.push((id, packet));
                        }
                        continue;
                    }
                    LinkEvent::Rtp(bytes) => {
                        self.receive_rtp(now, id, bytes);
                        continue;
                    }
                    LinkEvent::Rtcp(bytes) => {
                        self.receive_rtcp(now, id, &bytes);
                        if let Some(link) = self.links.get_mut(place) {
                            link.keep(bytes);
                        }
                        continue;
                    }
                    LinkEvent::Dtls(state, error) => Task::DtlsState { transport: id, state, error },
                    LinkEvent::Ice(event) => {
                        // The handshake may wait for a way.
                        self.unsettled |= matches!(*event, parlour_ice::Event::SelectedPair { .. });
                        let fragment =
                            || self.links.get(place).map(|link| link.fragment().to_owned()).unwrap_or_default();
                        match *event {
                            parlour_ice::Event::State(state) => Task::IceState { transport: id, state },
                            parlour_ice::Event::Gathering(state) => {
                                Task::Gathering { transport: id, fragment: fragment(), state }
                            }
                            parlour_ice::Event::LocalCandidate(candidate) => {
                                Task::Candidate { transport: id, fragment: fragment(), candidate }
                            }
                            other => Task::IceRequest { transport: id, event: Box::new(other) },
                        }
                    }
                };
                // After the end nothing is told.
                if !self.is_closed {
                    self.tasks.push_back(task);
                }
            }
        }
    }

    /// The ICE agent of a transport, to answer what [`Event::IceRequest`](crate::Event::IceRequest) asks for.
    pub fn ice_agent(&mut self, transport: TransportId) -> Option<&mut parlour_ice::Agent> {
        self.unsettled = true;
        self.links.iter_mut().find(|link| link.id == transport).map(Link::agent_mut)
    }

    /// The association begins when the transport of the data section is connected (RFC 8841 §10).
    fn follow_data(&mut self, now: Instant) {
        let Some(sctp) = self.jsep.sctp.clone().filter(|sctp| sctp.agreed && !self.is_closed) else { return };
        if let Some(data) = self.data.as_mut().filter(|data| data.generation == sctp.generation) {
            data.sctp.set_max_message_size(data.limit(&sctp));
            for channel in self.unopened.drain(..) {
                if let Some(channel) = self.channels.get(channel) {
                    data.open(now, channel);
                }
            }
            return;
        }
        let Some((id, role)) = sctp.transport.zip(self.sctp_role()) else { return };
        if !self.links.iter().any(|link| link.id == id && link.is_connected()) {
            return;
        }
        let told = self.first_sctp.take();
        let peer_init = sctp.peer_init.as_deref().filter(|_| told.is_some());
        let seed = told.unwrap_or_else(|| self.draw());
        let mut data = DataLink::new(now, id, &sctp, self.jsep.settings.max_message_size, seed);
        data.connect(now, role, peer_init);
        for (from, packet) in std::mem::take(&mut self.early_data) {
            if from == id {
                data.sctp.handle_datagram(now, &packet);
            }
        }
        data.sctp.set_max_message_size(data.limit(&sctp));
        self.unopened.clear();
        for channel in &self.channels.list {
            data.open(now, channel);
        }
        self.data = Some(data);
    }

    /// Settles how the first association begins, for descriptions to tell (draft-hancke-tsvwg-snap).
    pub(super) fn prepare_association(&mut self) {
        if !self.warp || self.data.is_some() || self.jsep.settings.sctp_init.is_some() {
            return;
        }
        // Only programs that never tell the time do without.
        let Some(now) = self.latest else { return };
        let seed = self.draw();
        self.first_sctp = Some(seed);
        let init = DataLink::local_init(now, self.jsep.settings.max_message_size, seed);
        Arc::make_mut(&mut self.jsep.settings).sctp_init = Some(init);
    }

    fn draw(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        (self.rng)(&mut seed);
        seed
    }

    /// Hands the next packet of the association to its transport; whether there was one.
    fn send_data_packet(&mut self, now: Instant) -> bool {
        let Some(data) = &mut self.data else { return false };
        let role = self.jsep.transports.get(&data.transport).and_then(|transport| transport.dtls_role);
        let link = self.links.iter_mut().find(|link| link.id == data.transport);
        // What waits for a way must not push out what comes after it.
        let Some((link, role)) = link.filter(|link| !link.waits()).zip(role) else { return false };
        self.packet.clear();
        if data.sctp.poll_transmit(now, &mut self.packet).is_none() {
            return false;
        }
        link.send_data(now, role, &self.packet);
        self.collect_data();
        true
    }

    /// Makes tasks of what the association tells.
    pub(super) fn collect_data(&mut self) {
        let Some(data) = &mut self.data else { return };
        while !self.messages_held
            && let Some(event) = data.sctp.poll_event()
        {
            if !self.is_closed {
                self.tasks.push_back(Task::Channels(event));
            }
        }
        let tasks = &mut self.tasks;
        data.drained(|channel, amount| tasks.push_back(Task::Buffered { channel, amount }));
    }

    /// Which role DTLS has on a transport.
    pub fn dtls_role(&self, transport: TransportId) -> Option<DtlsRole> {
        self.jsep.transports.get(&transport)?.dtls_role
    }

    /// The certificate of the other side as DER, once it was shown and is the one that was named.
    pub fn remote_certificate(&self, transport: TransportId) -> Option<&[u8]> {
        let link = self.links.iter().find(|link| link.id == transport)?;
        link.dtls().map(|dtls| dtls.peer_certificate()).filter(|der| !der.is_empty())
    }

    /// The version of DTLS, as `FEFC` for 1.3, and the name of the SRTP profile.
    pub fn security(&self, transport: TransportId) -> Option<(&'static str, Option<&'static str>)> {
        let link = self.links.iter().find(|link| link.id == transport)?;
        let dtls = link.dtls()?;
        Some((dtls.version()?, dtls.profile().map(parlour_srtp::ProtectionProfile::name)))
    }

    pub(super) fn misuse(error: &parlour_sctp::Error) -> Error {
        use parlour_sctp::Error as Sctp;
        match error {
            Sctp::MessageTooLarge { .. } | Sctp::NameTooLong(_) => Error::Type(error.to_string()),
            Sctp::BufferFull { .. } | Sctp::ChannelId(_) | Sctp::NoFreeId => Error::Operation(error.to_string()),
            _ => Error::InvalidState(error.to_string()),
        }
    }
}

/// The user name fragment of the agent that a check is for (RFC 8445 §7.2.2).
fn checked_fragment(datagram: &[u8]) -> Option<&[u8]> {
    if classify(datagram) != Some(PacketKind::Stun) {
        return None;
    }
    Message::parse(datagram).ok()?.value(AttributeType::USERNAME)?.split(|byte| *byte == b':').next()
}
