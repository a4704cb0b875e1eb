//! Two peers on a network in virtual time: ICE, DTLS, SRTP and SCTP together.

use crate::support::{Peer, parse, track};
use parlour_netsim::{Event as NetEvent, HostId, LinkSpec, Loss, Network, Packet};
use parlour_peer::{
    ChannelId, ChannelState, Configuration, ConnectionState, DataChannelInit, Description, DtlsTransportState,
    DtlsVersions, Error, ErrorDetail, Event, GatheringState, IceTransportState, Meta, OfferOptions, Outcome, Payload,
    Socket, TrackKind, TransportId, Via,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) const DELAY: Duration = Duration::from_millis(25);

/// Two peers, each with one address, whose programs tell each other candidates at once.
pub(crate) struct World {
    pub(crate) net: Network,
    pub(crate) ends: [(HostId, Peer); 2],
    /// What was sent, by whom.
    pub(crate) sent: Vec<(usize, Packet)>,
    /// Nothing arrives any more.
    pub(crate) cut: bool,
}

impl World {
    pub(crate) fn new(seed: u64, link: LinkSpec, configurations: [Configuration; 2]) -> Self {
        let mut net = Network::new(seed);
        let internet = net.segment();
        let mut nth = 0;
        let ends = configurations.map(|configuration| {
            nth += 1;
            let host = net.host();
            let address: SocketAddr = format!("203.0.113.{nth}:4000").parse().unwrap();
            net.attach(host, internet, &[address.ip()], link.clone());
            let mut peer = Peer::own(seed + nth, configuration);
            peer.pc.add_socket(net.now(), Socket::new(address));
            (host, peer)
        });
        Self { net, ends, sent: Vec::new(), cut: false }
    }

    fn plain(versions: [DtlsVersions; 2]) -> Self {
        let with = |dtls_versions| Configuration { dtls_versions, ..Configuration::default() };
        Self::new(1, LinkSpec::delay(DELAY), versions.map(with))
    }

    pub(crate) fn peer(&mut self, nth: usize) -> &mut Peer {
        &mut self.ends[nth].1
    }

    /// One exchange of descriptions, which takes no time; `change` may alter what the first hears.
    pub(crate) fn negotiate(&mut self, change: impl FnOnce(&mut Description)) {
        let offer = self.peer(0).offer();
        let mut answer = self.peer(1).answer(offer);
        change(&mut answer);
        self.peer(0).set_remote(answer).unwrap();
    }

    /// Takes all events and sends all packets that there are now.
    fn settle(&mut self) {
        let now = self.net.now();
        loop {
            let mut moved = false;
            for nth in [0, 1] {
                let mut bytes = Vec::new();
                let (host, peer) = &mut self.ends[nth];
                while let Some(transmit) = peer.pc.poll_transmit(now, &mut bytes) {
                    moved = true;
                    let Via::Udp { local, remote } = transmit.via else { panic!("UDP only") };
                    let packet = Packet::udp(local, remote, std::mem::take(&mut bytes));
                    self.sent.push((nth, packet.clone()));
                    if !self.cut {
                        self.net.send(*host, packet);
                    }
                }
                while let Some(event) = self.ends[nth].1.pc.poll_event() {
                    moved = true;
                    if let Event::IceCandidate(Some(candidate)) = &event {
                        // Before the other side has a description there is nothing to add it to; it is in there then.
                        let _ = self.ends[1 - nth].1.pc.add_ice_candidate(candidate.clone());
                    }
                    if !matches!(event, Event::Settled { .. }) {
                        self.ends[nth].1.told.push(event);
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Runs until that is so; false if it is not so after this time.
    pub(crate) fn run(&mut self, time: Duration, mut until: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.net.now() + time;
        loop {
            self.settle();
            if until(self) {
                return true;
            }
            if self.net.now() >= end {
                return false;
            }
            let due = self.ends.iter().filter_map(|(_, peer)| peer.pc.poll_timeout()).min();
            let next = due.map_or(end, |due| due.max(self.net.now() + Duration::from_micros(1))).min(end);
            match self.net.poll(next) {
                Some((host, NetEvent::Udp(mut packet))) => {
                    let now = self.net.now();
                    let meta = Meta { local: packet.dst, remote: packet.src };
                    let (_, peer) = self.ends.iter_mut().find(|(known, _)| *known == host).unwrap();
                    peer.pc.handle_datagram(now, meta, &mut packet.payload);
                }
                Some(_) => {}
                None => {
                    let now = self.net.now();
                    self.ends.iter_mut().for_each(|(_, peer)| peer.pc.handle_timeout(now));
                }
            }
        }
    }

    pub(crate) fn connected(&mut self) -> bool {
        self.ends.iter().all(|(_, peer)| peer.pc.connection_state() == ConnectionState::Connected)
    }

    pub(crate) fn transport(&self, nth: usize) -> TransportId {
        self.ends[nth].1.pc.transports().next().unwrap().id()
    }
}

fn states(peer: &Peer) -> Vec<ConnectionState> {
    let state = |event: &Event| if let Event::ConnectionStateChange(state) = event { Some(*state) } else { None };
    peer.told.iter().filter_map(state).collect()
}

fn messages(peer: &Peer) -> Vec<Payload> {
    let payload =
        |event: &Event| if let Event::ChannelMessage(_, payload) = event { Some(payload.clone()) } else { None };
    peer.told.iter().filter_map(payload).collect()
}

fn text(text: &'static str) -> Payload {
    Payload::Text(text.into())
}

fn all_open(world: &mut World) -> bool {
    world.ends.iter().all(|(_, peer)| {
        peer.pc.data_channels().count() > 0
            && peer.pc.data_channels().all(|channel| channel.ready_state() == ChannelState::Open)
    })
}

/// A world with an open channel, and its names on both sides.
fn with_channel(versions: [DtlsVersions; 2]) -> (World, [ChannelId; 2]) {
    let mut world = World::plain(versions);
    let ours = world.peer(0).pc.create_data_channel("chat", DataChannelInit::default()).unwrap();
    for nth in [0, 1] {
        world.peer(nth).pc.add_track(track(TrackKind::Audio, "a"), &["s"]).unwrap();
    }
    world.negotiate(|_| ());
    assert!(world.run(Duration::from_secs(5), all_open), "{versions:?}: {:?}", world.ends[0].1.told);
    let theirs = world.ends[1].1.pc.data_channels().next().unwrap().channel();
    (world, [ours, theirs])
}

const VERSIONS: [([DtlsVersions; 2], &str); 3] = [
    ([DtlsVersions::Any, DtlsVersions::Any], "FEFC"),
    ([DtlsVersions::Any, DtlsVersions::Only12], "FEFD"),
    ([DtlsVersions::Only12, DtlsVersions::Any], "FEFD"),
];

/// RFC 8831, RFC 5764: with DTLS 1.3 and with 1.2, messages and media go both ways.
#[test]
fn two_peers_connect() {
    for (versions, version) in VERSIONS {
        let (mut world, channels) = with_channel(versions);
        assert!(world.run(Duration::from_secs(1), World::connected));
        for nth in [0, 1] {
            let transport = world.transport(nth);
            let (found, profile) = world.peer(nth).pc.security(transport).unwrap();
            assert_eq!(found, version, "{versions:?}");
            assert!(profile.unwrap().starts_with("SRTP_AEAD_AES_"));
            assert_eq!(states(&world.ends[nth].1), [ConnectionState::Connecting, ConnectionState::Connected]);
            let channel = world.ends[nth].1.pc.data_channel(channels[nth]).unwrap();
            // RFC 8832 §6: the offerer is the DTLS server.
            assert_eq!((channel.label(), channel.id()), ("chat", Some(1)));
        }
        let now = world.net.now();
        world.peer(0).pc.send(now, channels[0], text("ping")).unwrap();
        world.peer(1).pc.send(now, channels[1], Payload::Binary(vec![7; 100_000].into())).unwrap();
        assert_eq!(world.ends[1].1.pc.data_channel(channels[1]).unwrap().buffered_amount(), 100_000);
        world.run(Duration::from_secs(2), |_| false);
        assert_eq!(messages(&world.ends[1].1), [text("ping")]);
        assert_eq!(messages(&world.ends[0].1), [Payload::Binary(vec![7; 100_000].into())]);
        assert_eq!(world.ends[1].1.pc.data_channel(channels[1]).unwrap().buffered_amount(), 0);
        let rtp = [0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3];
        let rtcp = [0x80, 201, 0, 1, 0, 0, 0, 9];
        for nth in [0, 1] {
            let transport = world.transport(nth);
            assert!(world.peer(nth).pc.send_media(transport, &rtp, false));
            assert!(world.peer(nth).pc.send_media(transport, &rtcp, true));
        }
        world.run(Duration::from_secs(1), |_| false);
        for nth in [0, 1] {
            let got: Vec<_> =
                std::iter::from_fn(|| world.peer(nth).pc.poll_media()).map(|packet| packet.bytes).collect();
            assert_eq!(got, [rtp.to_vec()]);
            // W3C webrtc-pc §5.3: a track begins muted, until something comes.
            let id = world.ends[nth].1.id(0);
            assert!(world.ends[nth].1.told.contains(&Event::TrackUnmuted(id)));
            assert!(!world.ends[nth].1.transceiver(0).receiver().muted);
        }
    }
}

/// How many round trips from "both descriptions known" to an open channel on both sides: with WARP on both sides, and
/// without on either.
#[test]
fn a_channel_opens_within_few_round_trips() {
    let any = DtlsVersions::Any;
    for (versions, warp, most) in [
        (any, [true, true], 2.0),
        (any, [false, false], 4.0),
        (any, [true, false], 4.0),
        (any, [false, true], 4.0),
        (DtlsVersions::Only12, [true, true], 3.0),
        (DtlsVersions::Only12, [false, false], 5.0),
    ] {
        let with = |warp| Configuration { dtls_versions: versions, warp, ..Configuration::default() };
        let mut world = World::new(1, LinkSpec::delay(DELAY), warp.map(with));
        world.peer(0).pc.create_data_channel("", DataChannelInit::default()).unwrap();
        world.negotiate(|_| ());
        let start = world.net.now();
        assert!(world.run(Duration::from_secs(5), all_open), "{versions:?} {warp:?}");
        let trips = (world.net.now() - start).as_secs_f64() / (4.0 * DELAY.as_secs_f64());
        println!("{versions:?} {warp:?}: {trips:.2} round trips, {} packets", world.sent.len());
        assert!(trips <= most + 0.1, "{versions:?} {warp:?}: {trips} round trips");
    }
}

/// draft-hancke-webrtc-sped, draft-hancke-tsvwg-snap: a lossy path delays what rides, and ends in nothing worse.
#[test]
fn what_rides_is_lost_and_comes_again() {
    for seed in 1..20 {
        let link = LinkSpec::delay(DELAY).with_loss(Loss::Random(0.2));
        let mut world = World::new(seed, link, [Configuration::default(), Configuration::default()]);
        world.peer(0).pc.create_data_channel("", DataChannelInit::default()).unwrap();
        world.negotiate(|_| ());
        assert!(world.run(Duration::from_secs(20), all_open), "seed {seed}");
    }
}

/// RFC 8827 §6.5: a certificate that was not named is found out, whoever starts the handshake, and nothing opens.
#[test]
fn a_stranger_is_found_out() {
    for setup in ["active", "passive"] {
        let mut world = World::plain([DtlsVersions::Any; 2]);
        world.peer(0).pc.create_data_channel("", DataChannelInit::default()).unwrap();
        let offer = world.peer(0).offer();
        let offer = Description::new(
            offer.kind,
            offer.sdp.replace("a=setup:actpass", if setup == "active" { "a=setup:actpass" } else { "a=setup:active" }),
        );
        let mut answer = world.peer(1).answer(offer);
        let named = parse(&answer).media[0].fingerprints(&parse(&answer))[0].to_string();
        let last = if named.ends_with("00") { "01" } else { "00" };
        let forged = format!("{}{last}", &named[..named.len() - 2]);
        answer.sdp = answer.sdp.replace(&named, &forged);
        world.peer(0).set_remote(answer).unwrap();
        assert!(
            world.run(Duration::from_secs(5), |world| {
                world.ends[0].1.pc.connection_state() == ConnectionState::Failed
            }),
            "{setup}"
        );
        let transport = world.transport(0);
        let peer = &world.ends[0].1;
        assert_eq!(peer.pc.transport_state(transport).1, DtlsTransportState::Failed);
        assert!(peer.told.iter().any(|event| matches!(
            event,
            Event::DtlsTransportError(_, Error::Rtc { detail: ErrorDetail::FingerprintFailure, .. })
        )));
        assert!(peer.pc.data_channels().all(|channel| channel.ready_state() == ChannelState::Connecting));
        assert!(peer.pc.remote_certificate(transport).is_none());
        assert!(!world.peer(0).pc.send_media(transport, &[0x80; 20], false), "there are no keys");
    }
}

/// W3C webrtc-pc §6.2.5, §4.4.2.2: who is left behind sees an error and then the end, and the one who closes nothing.
#[test]
fn closing_is_told_to_the_other_side() {
    let (mut world, channels) = with_channel([DtlsVersions::Any; 2]);
    world.peer(0).run();
    world.peer(0).pc.close();
    assert_eq!(world.ends[0].1.pc.data_channel(channels[0]).unwrap().ready_state(), ChannelState::Closed);
    let closed =
        |world: &mut World| world.ends[1].1.pc.data_channel(channels[1]).unwrap().ready_state() == ChannelState::Closed;
    assert!(world.run(Duration::from_secs(2), closed));
    let told: Vec<_> = world.ends[1]
        .1
        .told
        .iter()
        .filter(|event| matches!(event, Event::ChannelError { .. } | Event::ChannelClosed(_)))
        .collect();
    assert!(matches!(told[..], [Event::ChannelError { .. }, Event::ChannelClosed(_)]), "{told:?}");
    assert!(
        world.ends[0].1.told.iter().all(|event| matches!(event, Event::TrackEnded(_))),
        "{:?}",
        world.ends[0].1.told
    );
    assert_eq!(world.ends[0].1.pc.ice_connection_state(), IceTransportState::Closed);
}

/// RFC 8831 §6.7: a channel that one side closes is closed on both, and what was sent before arrives.
#[test]
fn a_channel_is_closed_after_what_was_sent() {
    let (mut world, channels) = with_channel([DtlsVersions::Any; 2]);
    let now = world.net.now();
    world.peer(0).pc.send(now, channels[0], text("last words")).unwrap();
    world.peer(0).pc.close_data_channel(channels[0]);
    assert_eq!(world.ends[0].1.pc.data_channel(channels[0]).unwrap().ready_state(), ChannelState::Closing);
    assert!(world.run(Duration::from_secs(3), |world| {
        (0..2)
            .all(|nth| world.ends[nth].1.pc.data_channel(channels[nth]).unwrap().ready_state() == ChannelState::Closed)
    }));
    assert_eq!(messages(&world.ends[1].1), [text("last words")]);
    let now = world.net.now();
    assert!(matches!(world.peer(0).pc.send(now, channels[0], text("more")), Err(Error::InvalidState(_))));
}

/// RFC 9429 §5.2.3.1: ICE restarts under an association that goes on.
#[test]
fn ice_restarts_under_a_channel() {
    let (mut world, channels) = with_channel([DtlsVersions::Any; 2]);
    let operation = world.peer(0).pc.create_offer(OfferOptions { ice_restart: true });
    let Outcome::Description(offer) = world.peer(0).finish(operation).unwrap() else { panic!() };
    world.peer(0).set_local(Some(offer.clone())).unwrap();
    let answer = world.peer(1).answer(offer);
    world.peer(0).set_remote(answer).unwrap();
    world.run(Duration::from_secs(3), |_| false);
    let now = world.net.now();
    world.peer(0).pc.send(now, channels[0], text("still here")).unwrap();
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(messages(&world.ends[1].1), [text("still here")]);
    assert!(world.connected());
    assert_eq!(states(&world.ends[0].1), [ConnectionState::Connecting, ConnectionState::Connected], "nobody noticed");
}

/// One packet in ten is lost: it takes longer, and nothing is missing.
#[test]
fn a_lossy_network_delays_and_loses_nothing() {
    for seed in 1..4 {
        let link = LinkSpec::delay(DELAY).with_loss(Loss::Random(0.05));
        let mut world = World::new(seed, link, [Configuration::default(), Configuration::default()]);
        let ours = world.peer(0).pc.create_data_channel("", DataChannelInit::default()).unwrap();
        world.negotiate(|_| ());
        assert!(world.run(Duration::from_secs(20), all_open), "seed {seed}");
        for nth in 0..20u8 {
            let now: Instant = world.net.now();
            world.peer(0).pc.send(now, ours, Payload::Binary(vec![nth; 2000].into())).unwrap();
        }
        assert!(world.run(Duration::from_secs(20), |world| messages(&world.ends[1].1).len() == 20), "seed {seed}");
        for (nth, payload) in messages(&world.ends[1].1).iter().enumerate() {
            assert_eq!(payload.bytes()[0], nth as u8);
        }
    }
}

fn modes() -> [DataChannelInit; 6] {
    let plain = DataChannelInit::default;
    [
        plain(),
        DataChannelInit { ordered: false, ..plain() },
        DataChannelInit { max_retransmits: Some(0), ..plain() },
        DataChannelInit { ordered: false, max_retransmits: Some(0), ..plain() },
        DataChannelInit { max_packet_life_time: Some(40), ..plain() },
        DataChannelInit { ordered: false, max_packet_life_time: Some(40), protocol: "game".into(), ..plain() },
    ]
}

/// RFC 8832 §5.1, RFC 3758: the other side learns the mode of a channel, and a lossy network shows it.
#[test]
fn channels_keep_their_promises() {
    const MESSAGES: u8 = 100;
    let link = LinkSpec::delay(DELAY).with_loss(Loss::Random(0.1));
    let mut world = World::new(7, link, [Configuration::default(), Configuration::default()]);
    let ours = modes().map(|init| world.peer(0).pc.create_data_channel(&init.protocol.clone(), init).unwrap());
    world.negotiate(|_| ());
    let open = |world: &mut World| all_open(world) && world.ends[1].1.pc.data_channels().count() == ours.len();
    assert!(world.run(Duration::from_secs(20), open));
    for nth in 0..MESSAGES {
        let now = world.net.now();
        for channel in ours {
            world.peer(0).pc.send(now, channel, Payload::Binary(vec![nth; 700].into())).unwrap();
        }
        world.run(Duration::from_millis(30), |_| false);
    }
    world.run(Duration::from_secs(20), |_| false);
    for (channel, init) in ours.into_iter().zip(modes()) {
        let id = world.ends[0].1.pc.data_channel(channel).unwrap().id();
        let mut theirs = world.ends[1].1.pc.data_channels().filter(|known| known.id() == id);
        let theirs = theirs.next().unwrap();
        assert_eq!(*theirs.init(), init);
        assert_eq!(theirs.label(), init.protocol);
        let got: Vec<u8> = world.ends[1]
            .1
            .told
            .iter()
            .filter_map(|event| match event {
                Event::ChannelMessage(channel, payload) if *channel == theirs.channel() => Some(payload.bytes()[0]),
                _ => None,
            })
            .collect();
        let mut sorted = got.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), got.len(), "{init:?}: nothing comes twice");
        let reliable = init.max_retransmits.is_none() && init.max_packet_life_time.is_none();
        assert_eq!(got.len() == usize::from(MESSAGES), reliable, "{init:?}: {} came", got.len());
        assert!(got.len() > 50, "{init:?}: {} came", got.len());
        // Only what is sent again is overtaken, as this network keeps the order.
        assert!(got.is_sorted() || !(init.ordered || init.max_retransmits == Some(0)), "{init:?}");
        assert!(!got.is_sorted() || init.ordered || !reliable, "{init:?}");
    }
}

/// W3C webrtc-pc §6.2: channels that both sides make by the same number open on both, and nobody is told of them.
#[test]
fn negotiated_channels_open_without_a_word() {
    let mut world = World::plain([DtlsVersions::Any; 2]);
    let init = DataChannelInit { negotiated: true, id: Some(42), ..DataChannelInit::default() };
    let channels = [0, 1].map(|nth| world.peer(nth).pc.create_data_channel("same", init.clone()).unwrap());
    world.negotiate(|_| ());
    assert!(world.run(Duration::from_secs(5), all_open));
    let now = world.net.now();
    world.peer(1).pc.send(now, channels[1], text("hello")).unwrap();
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(messages(&world.ends[0].1), [text("hello")]);
    assert!(world.ends.iter().all(|(_, peer)| !peer.told.iter().any(|event| matches!(event, Event::DataChannel(_)))));
}

fn rtp(payload_type: u8, sequence: u8) -> Vec<u8> {
    vec![0x80, payload_type, 0, sequence, 0, 0, 0, 1, 0, 0, 0, payload_type, 1, 2, 3]
}

fn payload_types(world: &mut World, nth: usize) -> Vec<u8> {
    std::iter::from_fn(|| world.peer(nth).pc.poll_media()).map(|packet| packet.bytes[1]).collect()
}

/// RFC 9429 §5.2.2: sound and pictures come to a connection that carries data, and go again; nothing else is disturbed.
#[test]
fn media_comes_and_goes_by_renegotiation() {
    let mut world = World::plain([DtlsVersions::Any; 2]);
    let channel = world.peer(0).pc.create_data_channel("", DataChannelInit::default()).unwrap();
    world.negotiate(|_| ());
    assert!(world.run(Duration::from_secs(5), all_open));
    let transports = [world.transport(0), world.transport(1)];
    for nth in [0, 1] {
        for (kind, name) in [(TrackKind::Audio, "a"), (TrackKind::Video, "v")] {
            world.peer(nth).pc.add_track(track(kind, name), &["s"]).unwrap();
        }
    }
    world.negotiate(|_| ());
    assert_eq!([world.transport(0), world.transport(1)], transports, "everything goes by the same bundle");
    for nth in [0, 1] {
        for payload_type in [111, 96] {
            assert!(world.peer(nth).pc.send_media(transports[nth], &rtp(payload_type, 1), false));
        }
    }
    world.run(Duration::from_secs(1), |_| false);
    for nth in [0, 1] {
        assert_eq!(payload_types(&mut world, nth), [111, 96]);
    }
    let video = world.ends[0].1.id(1);
    world.peer(0).pc.stop_transceiver(video).unwrap();
    world.negotiate(|_| ());
    assert_eq!(world.ends[1].1.pc.transceivers().count(), 1);
    for payload_type in [111, 96] {
        assert!(world.peer(0).pc.send_media(transports[0], &rtp(payload_type, 2), false));
    }
    let now = world.net.now();
    world.peer(0).pc.send(now, channel, text("still here")).unwrap();
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(payload_types(&mut world, 1), [111], "nobody wants pictures any more");
    assert_eq!(messages(&world.ends[1].1), [text("still here")]);
    assert_eq!(states(&world.ends[1].1), [ConnectionState::Connecting, ConnectionState::Connected]);
}

/// RFC 9429 §5.7: an offer that restarts ICE is taken back; the connection goes on as if nothing had been.
#[test]
fn a_restart_is_taken_back() {
    let (mut world, channels) = with_channel([DtlsVersions::Any; 2]);
    let operation = world.peer(0).pc.create_offer(OfferOptions { ice_restart: true });
    let Outcome::Description(offer) = world.peer(0).finish(operation).unwrap() else { panic!() };
    world.peer(0).set_local(Some(offer.clone())).unwrap();
    world.peer(1).set_remote(offer).unwrap();
    world.run(Duration::from_secs(1), |_| false);
    world.peer(0).set_local(Some(Description::rollback())).unwrap();
    world.peer(1).set_remote(Description::rollback()).unwrap();
    world.run(Duration::from_secs(40), |_| false);
    let now = world.net.now();
    world.peer(0).pc.send(now, channels[0], text("there")).unwrap();
    world.peer(1).pc.send(now, channels[1], text("and back")).unwrap();
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(messages(&world.ends[1].1), [text("there")]);
    assert_eq!(messages(&world.ends[0].1), [text("and back")]);
    assert!(world.connected());
    world.negotiate(|_| ());
    assert_eq!(states(&world.ends[0].1), [ConnectionState::Connecting, ConnectionState::Connected]);
}

/// RFC 7675 §5.1, RFC 9429 §5.2.3.1: a path that has died is told, and after a restart the same association goes on by
/// another one.
#[test]
fn a_dead_path_is_told_and_a_restart_finds_another() {
    let (mut world, channels) = with_channel([DtlsVersions::Any; 2]);
    world.cut = true;
    for wanted in [ConnectionState::Disconnected, ConnectionState::Failed] {
        let reached = |world: &mut World| world.ends[0].1.pc.connection_state() == wanted;
        assert!(world.run(Duration::from_secs(60), reached), "{wanted:?}");
    }
    let now = world.net.now();
    world.peer(0).pc.send(now, channels[0], text("are you there?")).unwrap();
    world.cut = false;
    let operation = world.peer(0).pc.create_offer(OfferOptions { ice_restart: true });
    let Outcome::Description(offer) = world.peer(0).finish(operation).unwrap() else { panic!() };
    world.peer(0).set_local(Some(offer.clone())).unwrap();
    let answer = world.peer(1).answer(offer);
    world.peer(0).set_remote(answer).unwrap();
    assert!(world.run(Duration::from_secs(5), World::connected));
    assert!(world.run(Duration::from_secs(20), |world| !messages(&world.ends[1].1).is_empty()));
    assert_eq!(messages(&world.ends[1].1), [text("are you there?")]);
}

/// RFC 9429 §4.1.18, RFC 8838: the offerer gathers as soon as its offer is applied, so that a description can carry all.
#[test]
fn descriptions_carry_what_was_gathered() {
    let mut world = World::plain([DtlsVersions::Any; 2]);
    world.peer(0).pc.create_data_channel("", DataChannelInit::default()).unwrap();
    let gathered = |world: &mut World, nth: usize| {
        world.settle();
        assert_eq!(world.peer(nth).pc.ice_gathering_state(), GatheringState::Complete);
        let description = world.peer(nth).pc.local_description().unwrap();
        assert_eq!(parse(&description).media[0].candidates().count(), 1, "{}", description.sdp);
        assert!(description.sdp.contains("a=end-of-candidates"));
        description
    };
    world.peer(0).offer();
    let offer = gathered(&mut world, 0);
    world.peer(1).answer(offer);
    let answer = gathered(&mut world, 1);
    world.peer(0).set_remote(answer).unwrap();
    assert!(world.run(Duration::from_secs(2), all_open));
}

/// RFC 8827 §6.5, RFC 3711 §3.3.2, RFC 9147 §4.5.1: whoever repeats what was sent, from where it came or from elsewhere, gets
/// no answer and changes nothing.
#[test]
fn what_is_sent_again_by_others_counts_for_nothing() {
    let (mut world, channels) = with_channel([DtlsVersions::Any; 2]);
    let now = world.net.now();
    let transport = world.transport(0);
    world.peer(0).pc.send(now, channels[0], text("once")).unwrap();
    assert!(world.peer(0).pc.send_media(transport, &rtp(111, 1), false));
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!((messages(&world.ends[1].1), payload_types(&mut world, 1)), (vec![text("once")], vec![111]));
    let sent: Vec<Packet> =
        world.sent.iter().filter(|(from, _)| *from == 0).map(|(_, packet)| packet.clone()).collect();
    let told = world.ends[1].1.told.len();
    let foreign: SocketAddr = "198.51.100.66:4000".parse().unwrap();
    for remote in [foreign, sent[0].src] {
        for packet in &sent {
            let now = world.net.now();
            let mut bytes = packet.payload.clone();
            world.peer(1).pc.handle_datagram(now, Meta { local: packet.dst, remote }, &mut bytes);
            let mut out = Vec::new();
            while let Some(transmit) = world.peer(1).pc.poll_transmit(now, &mut out) {
                let Via::Udp { remote: to, .. } = transmit.via else { panic!("UDP only") };
                let is_dtls = out.first().is_some_and(|byte| (20..64).contains(byte));
                assert!(to != foreign || !is_dtls, "nobody there was checked by ICE");
                out.clear();
            }
        }
    }
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!((messages(&world.ends[1].1), payload_types(&mut world, 1)), (vec![text("once")], vec![]));
    assert_eq!(world.ends[1].1.told.len(), told, "{:?}", &world.ends[1].1.told[told..]);
    let now = world.net.now();
    world.peer(0).pc.send(now, channels[0], text("and twice")).unwrap();
    world.run(Duration::from_secs(1), |_| false);
    assert_eq!(messages(&world.ends[1].1).len(), 2);
    assert!(world.connected());
}
