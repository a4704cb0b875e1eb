//! Two programs that negotiate perfectly (W3C webrtc-pc §10.7) over a slow channel, whatever they do and whenever: in the
//! end both are stable, agree, and need nothing.

use crate::support::Peer;
use parlour_peer::{
    Description, Event, OperationId, SdpType, SignalingState, TrackKind, TransceiverDirection, TransceiverInit,
};
use proptest::prelude::*;
use std::collections::VecDeque;

/// What a program does with its connection.
#[derive(Clone, Debug)]
enum Act {
    AddTrack(TrackKind),
    AddTransceiver(TrackKind),
    AddData,
    RemoveTrack(usize),
    SetDirection(usize, TransceiverDirection),
    Stop(usize),
    RestartIce,
    /// Takes one message out of the channel.
    Receive,
    /// Lets one event happen.
    Poll,
}

/// What a pending operation is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To offer, because it is needed.
    Offer,
    /// To take what came.
    Take(SdpType),
    /// To answer what came.
    Answer,
}

struct Side {
    peer: Peer,
    polite: bool,
    making_offer: bool,
    taking_answer: bool,
    pending: Vec<(OperationId, Purpose)>,
    inbox: VecDeque<Description>,
    outbox: Vec<Description>,
    tracks: usize,
}

impl Side {
    fn new(seed: u64, polite: bool) -> Self {
        Self {
            peer: Peer::new(seed),
            polite,
            making_offer: false,
            taking_answer: false,
            pending: Vec::new(),
            inbox: VecDeque::new(),
            outbox: Vec::new(),
            tracks: 0,
        }
    }

    fn chain(&mut self, purpose: Purpose, operation: Result<OperationId, parlour_peer::Error>) {
        self.pending.push((operation.unwrap(), purpose));
    }

    /// Whether anything happened.
    fn poll(&mut self) -> bool {
        let Some(event) = self.peer.pc.poll_event() else { return false };
        match event {
            Event::NegotiationNeeded => {
                self.making_offer = true;
                let operation = self.peer.pc.set_local_description(None);
                self.chain(Purpose::Offer, operation);
            }
            Event::Settled { operation, result } => {
                let place = self.pending.iter().position(|(known, _)| *known == operation).unwrap();
                let (_, purpose) = self.pending.remove(place);
                result.unwrap_or_else(|error| panic!("{error}"));
                match purpose {
                    Purpose::Offer | Purpose::Answer => {
                        self.making_offer &= purpose != Purpose::Offer;
                        self.outbox.push(self.peer.pc.local_description().unwrap());
                    }
                    Purpose::Take(SdpType::Offer) => {
                        let operation = self.peer.pc.set_local_description(None);
                        self.chain(Purpose::Answer, operation);
                    }
                    Purpose::Take(_) => self.taking_answer = false,
                }
            }
            _ => {}
        }
        true
    }

    fn receive(&mut self) -> bool {
        let Some(description) = self.inbox.pop_front() else { return false };
        let offer = description.kind == SdpType::Offer;
        let stable = self.peer.pc.signaling_state() == SignalingState::Stable;
        let ready = !self.making_offer && (stable || self.taking_answer);
        if offer && !ready && !self.polite {
            return true;
        }
        self.taking_answer = !offer;
        let kind = description.kind;
        let operation = self.peer.pc.set_remote_description(description);
        self.chain(Purpose::Take(kind), operation);
        true
    }

    fn act(&mut self, act: &Act) {
        let pick = |peer: &Peer, nth: usize| {
            let count = peer.pc.transceivers().count();
            (count > 0).then(|| peer.id(nth % count))
        };
        match act {
            Act::AddTrack(kind) => {
                self.tracks += 1;
                let track = crate::support::track(*kind, &self.tracks.to_string());
                self.peer.pc.add_track(track, &["stream"]).unwrap();
            }
            Act::AddTransceiver(kind) => {
                self.peer.pc.add_transceiver(*kind, TransceiverInit::default()).unwrap();
            }
            Act::AddData => {
                self.peer.pc.create_data_channel("", Default::default()).unwrap();
            }
            Act::RemoveTrack(nth) => {
                if let Some(id) = pick(&self.peer, *nth) {
                    self.peer.pc.remove_track(id).unwrap();
                }
            }
            Act::SetDirection(nth, direction) => {
                if let Some(id) = pick(&self.peer, *nth) {
                    // Refused on stopped ones.
                    let _ = self.peer.pc.set_direction(id, *direction);
                }
            }
            Act::Stop(nth) => {
                if let Some(id) = pick(&self.peer, *nth) {
                    self.peer.pc.stop_transceiver(id).unwrap();
                }
            }
            Act::RestartIce => self.peer.pc.restart_ice(),
            Act::Receive => {
                self.receive();
            }
            Act::Poll => {
                self.poll();
            }
        }
    }
}

fn deliver(from: &mut Side, to: &mut Side) {
    to.inbox.extend(from.outbox.drain(..));
}

fn kind() -> impl Strategy<Value = TrackKind> {
    prop_oneof![Just(TrackKind::Audio), Just(TrackKind::Video)]
}

fn act() -> impl Strategy<Value = Act> {
    let direction = prop_oneof![
        Just(TransceiverDirection::SendRecv),
        Just(TransceiverDirection::SendOnly),
        Just(TransceiverDirection::RecvOnly),
        Just(TransceiverDirection::Inactive),
    ];
    prop_oneof![
        2 => kind().prop_map(Act::AddTrack),
        2 => kind().prop_map(Act::AddTransceiver),
        1 => Just(Act::AddData),
        1 => (0usize..8).prop_map(Act::RemoveTrack),
        2 => (0usize..8, direction).prop_map(|(nth, direction)| Act::SetDirection(nth, direction)),
        1 => (0usize..8).prop_map(Act::Stop),
        1 => Just(Act::RestartIce),
        6 => Just(Act::Receive),
        10 => Just(Act::Poll),
    ]
}

fn converge(a: &mut Side, b: &mut Side) {
    for _ in 0..1000 {
        deliver(a, b);
        deliver(b, a);
        let moved = [a.poll(), b.poll(), a.receive(), b.receive()];
        if !moved.contains(&true) && a.outbox.is_empty() && b.outbox.is_empty() {
            return;
        }
    }
    panic!("they never come to rest");
}

fn check(a: &Side, b: &Side) {
    for side in [a, b] {
        assert_eq!(side.peer.pc.signaling_state(), SignalingState::Stable);
        assert!(side.pending.is_empty());
        for transceiver in side.peer.pc.transceivers() {
            assert!(transceiver.mid().is_some() && !transceiver.stopped(), "{transceiver:?}");
        }
    }
    let mirrored = |direction| match direction {
        Some(TransceiverDirection::SendOnly) => Some(TransceiverDirection::RecvOnly),
        Some(TransceiverDirection::RecvOnly) => Some(TransceiverDirection::SendOnly),
        other => other,
    };
    let list = |side: &Side| {
        let mut all: Vec<_> = side
            .peer
            .pc
            .transceivers()
            .map(|known| (known.mid().unwrap().to_owned(), known.kind(), known.current_direction()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let theirs: Vec<_> = list(b).into_iter().map(|(mid, kind, direction)| (mid, kind, mirrored(direction))).collect();
    assert_eq!(list(a), theirs);
    let ours: Vec<_> = a
        .peer
        .pc
        .transports()
        .map(|known| (known.local().cloned(), known.remote().map(|far| far.ice.clone())))
        .collect();
    let theirs: Vec<_> = b
        .peer
        .pc
        .transports()
        .map(|known| (known.remote().map(|far| far.ice.clone()), known.local().cloned()))
        .collect();
    assert_eq!(ours, theirs, "both know the same transports");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn perfect_negotiation_comes_to_rest(
        seed in 1u64..1_000_000,
        acts in prop::collection::vec((any::<bool>(), act()), 0..80),
    ) {
        let (mut a, mut b) = (Side::new(seed, true), Side::new(seed + 1, false));
        for (first, act) in &acts {
            if *first { a.act(act) } else { b.act(act) }
            deliver(&mut a, &mut b);
            deliver(&mut b, &mut a);
        }
        converge(&mut a, &mut b);
        check(&a, &b);
    }
}

/// W3C webrtc-pc §10.7: both offer at once; the polite one gives way, and nothing is lost.
#[test]
fn glare_is_resolved() {
    let (mut a, mut b) = (Side::new(1, true), Side::new(2, false));
    a.act(&Act::AddTrack(TrackKind::Audio));
    b.act(&Act::AddTrack(TrackKind::Audio));
    b.act(&Act::AddTrack(TrackKind::Video));
    converge(&mut a, &mut b);
    check(&a, &b);
    assert_eq!(a.peer.pc.transceivers().count(), 2);
    let audio = a.peer.transceiver(0);
    assert_eq!(audio.current_direction(), Some(TransceiverDirection::SendRecv));
}
