//! When a client is asked whether it is still there, and when it is taken for gone. Told in virtual time.

use std::time::{Duration, Instant};

use parlour_signaling::socketio::Revision;

/// How often the other end is asked: as Socket.IO's own server does.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(25);

/// How long the answer may take.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Who asks, and how it stands.
///
/// Revision 4: `Quiet` until 25 s have passed, ask, `Asked` until a pong comes, `Quiet`; or 20 s pass, and the client is gone.
/// Revision 3: `Listening`, anew with each of the client's pings; 45 s without one, and it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heartbeat {
    /// The server asks next.
    Quiet { ask_at: Instant },
    /// The server has asked.
    Asked { until: Instant },
    /// The client asks.
    Listening { until: Instant },
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    Ask,
    Gone,
}

impl Heartbeat {
    pub(super) fn new(revision: Revision, now: Instant) -> Self {
        match revision {
            Revision::V3 => Self::Listening { until: now + PING_INTERVAL + PING_TIMEOUT },
            Revision::V4 => Self::Quiet { ask_at: now + PING_INTERVAL },
        }
    }

    /// A ping or a pong has come. False if it was not the client's turn to say that.
    pub(super) fn heard(&mut self, now: Instant, pong: bool) -> bool {
        match self {
            Self::Listening { .. } if !pong => *self = Self::new(Revision::V3, now),
            Self::Asked { .. } if pong => *self = Self::new(Revision::V4, now),
            // Twice the same answer does no harm.
            Self::Quiet { .. } if pong => {}
            _ => return false,
        }
        true
    }

    /// When to look again.
    pub(super) fn due(&self) -> Instant {
        match *self {
            Self::Quiet { ask_at } => ask_at,
            Self::Asked { until } | Self::Listening { until } => until,
        }
    }

    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        if now < self.due() {
            return Beat::Nothing;
        }
        match self {
            Self::Quiet { .. } => {
                *self = Self::Asked { until: now + PING_TIMEOUT };
                Beat::Ask
            }
            Self::Asked { .. } | Self::Listening { .. } => Beat::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_asks_and_waits_for_the_answer() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(Revision::V4, start);
        assert_eq!(heartbeat.beat(at(24)), Beat::Nothing);
        assert_eq!(heartbeat.beat(at(25)), Beat::Ask);
        assert!(!heartbeat.heard(at(26), false), "the client does not ask");
        assert!(heartbeat.heard(at(30), true));
        assert_eq!(heartbeat.due(), at(55));
        assert_eq!(heartbeat.beat(at(55)), Beat::Ask);
        assert_eq!(heartbeat.beat(at(74)), Beat::Nothing);
        assert_eq!(heartbeat.beat(at(75)), Beat::Gone);
    }

    #[test]
    fn in_revision_3_the_client_asks() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut heartbeat = Heartbeat::new(Revision::V3, start);
        assert!(!heartbeat.heard(at(1), true), "nobody asked it");
        assert!(heartbeat.heard(at(25), false));
        assert_eq!(heartbeat.beat(at(69)), Beat::Nothing);
        assert_eq!(heartbeat.beat(at(70)), Beat::Gone);
    }
}
