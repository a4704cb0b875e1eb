//! Where an exchange of descriptions stands, and which description may come next.

use std::fmt;

/// What a description is for (W3C webrtc-pc §4.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SdpType {
    /// Proposes.
    Offer,
    /// Accepts for now; another answer follows.
    PrAnswer,
    /// Accepts, and ends the exchange.
    Answer,
    /// Takes the offer back.
    Rollback,
}

impl SdpType {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::PrAnswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        }
    }

    /// Whether it answers an offer, for now or for good.
    pub(crate) const fn is_answer(self) -> bool {
        matches!(self, Self::PrAnswer | Self::Answer)
    }
}

impl fmt::Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A description with its type (W3C webrtc-pc §4.6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What it is for.
    pub kind: SdpType,
    /// The text; empty in a rollback.
    pub sdp: String,
}

impl Description {
    /// A description of this type with this text.
    pub fn new(kind: SdpType, sdp: impl Into<String>) -> Self {
        Self { kind, sdp: sdp.into() }
    }

    /// Takes the pending offer back.
    pub fn rollback() -> Self {
        Self::new(SdpType::Rollback, "")
    }
}

/// Whose description it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Local,
    Remote,
}

/// How far the exchange of descriptions is (W3C webrtc-pc §4.3.1, RFC 9429 §3.2).
///
/// ```text
///             local offer                    remote answer
///   stable ───────────────▶ have-local-offer ─────────────▶ stable
///      │                       │  remote pranswer ▲
///      │                       ▼                  │ remote answer
///      │                    have-remote-pranswer ─┘
///      │ remote offer                    local answer
///      └──────────────────▶ have-remote-offer ───────────▶ stable
///                              │  local pranswer  ▲
///                              ▼                  │ local answer
///                           have-local-pranswer ──┘
/// ```
///
/// The same description again keeps the state; a rollback leads from both offer states to stable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignalingState {
    /// No exchange is under way.
    #[default]
    Stable,
    /// We offered.
    HaveLocalOffer,
    /// They offered.
    HaveRemoteOffer,
    /// They offered and we answered for now.
    HaveLocalPranswer,
    /// We offered and they answered for now.
    HaveRemotePranswer,
    /// The connection is closed.
    Closed,
}

impl SignalingState {
    /// The state after a description, or `None` if it may not come now.
    pub(crate) const fn after(self, kind: SdpType, side: Side) -> Option<Self> {
        use SdpType::{Answer, Offer, PrAnswer, Rollback};
        use SignalingState::{HaveLocalOffer, HaveLocalPranswer, HaveRemoteOffer, HaveRemotePranswer, Stable};
        match (side, kind, self) {
            (Side::Local, Offer, Stable | HaveLocalOffer) => Some(HaveLocalOffer),
            (Side::Remote, Offer, Stable | HaveRemoteOffer) => Some(HaveRemoteOffer),
            (Side::Local, PrAnswer, HaveRemoteOffer | HaveLocalPranswer) => Some(HaveLocalPranswer),
            (Side::Remote, PrAnswer, HaveLocalOffer | HaveRemotePranswer) => Some(HaveRemotePranswer),
            (Side::Local, Answer, HaveRemoteOffer | HaveLocalPranswer)
            | (Side::Remote, Answer, HaveLocalOffer | HaveRemotePranswer)
            | (_, Rollback, HaveLocalOffer | HaveRemoteOffer) => Some(Stable),
            _ => None,
        }
    }

    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::HaveLocalOffer => "have-local-offer",
            Self::HaveRemoteOffer => "have-remote-offer",
            Self::HaveLocalPranswer => "have-local-pranswer",
            Self::HaveRemotePranswer => "have-remote-pranswer",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for SignalingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
