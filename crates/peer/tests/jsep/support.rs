//! A peer with the events that it told.

use parlour_peer::{
    Certificate, Configuration, Description, Error, Event, OfferOptions, OperationId, Outcome, PeerConnection, Rng,
    SignalingState, TransceiverId,
};
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);

/// The same numbers for the same seed (xorshift64).
pub(crate) fn rng(seed: u64) -> Rng {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Box::new(move |bytes| {
        for byte in bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = (state >> 32) as u8;
        }
    })
}

pub(crate) struct Peer {
    pub(crate) pc: PeerConnection,
    /// All events but the ends of operations.
    pub(crate) told: Vec<Event>,
}

impl Peer {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, Configuration::default())
    }

    pub(crate) fn with(seed: u64, mut configuration: Configuration) -> Self {
        static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
        configuration.certificates = vec![CERTIFICATE.get_or_init(|| Certificate::generate(NOW).unwrap()).clone()];
        Self { pc: PeerConnection::new(configuration, NOW, rng(seed)).unwrap(), told: Vec::new() }
    }

    /// With a certificate that no other peer has.
    pub(crate) fn own(seed: u64, mut configuration: Configuration) -> Self {
        configuration.certificates = vec![Certificate::generate(NOW).unwrap()];
        Self { pc: PeerConnection::new(configuration, NOW, rng(seed)).unwrap(), told: Vec::new() }
    }

    /// Polls until nothing is left; what was told since the last call.
    pub(crate) fn run(&mut self) -> Vec<Event> {
        while let Some(event) = self.pc.poll_event() {
            if !matches!(event, Event::Settled { .. }) {
                self.told.push(event);
            }
        }
        std::mem::take(&mut self.told)
    }

    /// Polls until the operation has ended.
    pub(crate) fn finish(&mut self, operation: Result<OperationId, Error>) -> Result<Outcome, Error> {
        let operation = operation?;
        loop {
            match self.pc.poll_event().expect("the operation never ends") {
                Event::Settled { operation: ended, result } if ended == operation => return result,
                Event::Settled { .. } => {}
                event => self.told.push(event),
            }
        }
    }

    pub(crate) fn set_local(&mut self, description: Option<Description>) -> Result<(), Error> {
        let operation = self.pc.set_local_description(description);
        self.finish(operation).map(|_| ())
    }

    pub(crate) fn set_remote(&mut self, description: Description) -> Result<(), Error> {
        let operation = self.pc.set_remote_description(description);
        self.finish(operation).map(|_| ())
    }

    pub(crate) fn create_offer(&mut self) -> Result<Description, Error> {
        let operation = self.pc.create_offer(OfferOptions::default());
        self.finish(operation).map(description)
    }

    pub(crate) fn create_answer(&mut self) -> Result<Description, Error> {
        let operation = self.pc.create_answer();
        self.finish(operation).map(description)
    }

    /// Makes an offer and sets it.
    pub(crate) fn offer(&mut self) -> Description {
        self.set_local(None).unwrap();
        assert_eq!(self.pc.signaling_state(), SignalingState::HaveLocalOffer);
        self.pc.local_description().unwrap()
    }

    /// Takes an offer and answers it.
    pub(crate) fn answer(&mut self, offer: Description) -> Description {
        self.set_remote(offer).unwrap();
        self.set_local(None).unwrap();
        assert_eq!(self.pc.signaling_state(), SignalingState::Stable);
        self.pc.local_description().unwrap()
    }

    pub(crate) fn transceiver(&self, nth: usize) -> &parlour_peer::Transceiver {
        self.pc.transceivers().nth(nth).unwrap()
    }

    pub(crate) fn id(&self, nth: usize) -> TransceiverId {
        self.transceiver(nth).id()
    }
}

fn description(outcome: Outcome) -> Description {
    match outcome {
        Outcome::Description(description) => description,
        Outcome::Done => panic!("no description"),
    }
}

/// One whole exchange, offered by the first.
pub(crate) fn negotiate(a: &mut Peer, b: &mut Peer) {
    let offer = a.offer();
    let answer = b.answer(offer);
    a.set_remote(answer).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
}

pub(crate) fn parse(description: &Description) -> parlour_sdp::SessionDescription {
    description.sdp.parse().unwrap()
}

pub(crate) fn track(kind: parlour_peer::TrackKind, name: &str) -> parlour_peer::LocalTrack {
    parlour_peer::LocalTrack::new(kind, name)
}
