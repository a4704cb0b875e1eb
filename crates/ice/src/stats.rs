//! What getStats shows of a transport (W3C webrtc-stats §8.15 to §8.18).

use crate::candidate::Candidate;
use crate::config::Role;
use crate::event::ConnectionState;
use crate::pair::{PairCounters, PairId, PairState};
use std::time::Duration;

/// What an agent has counted. None of it is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that begin like STUN and are not, or whose FINGERPRINT is wrong.
    pub malformed: u64,
    /// Checks with a wrong user name or password.
    pub unauthenticated: u64,
    /// Responses that belong to no check, or were not made with the other agent's password.
    pub spoofed: u64,
    /// Candidates beyond the limits.
    pub refused_candidates: u64,
    /// Data from where no check has come.
    pub unexpected_data: u64,
    /// Pairs that were told to be unreachable (ICMP); their state stays.
    pub unreachable: u64,
    /// Changes of the selected pair.
    pub pair_changes: u32,
}

/// A candidate pair.
#[derive(Clone, Debug)]
pub struct PairStats {
    /// Its name.
    pub pair: PairId,
    /// This side's candidate.
    pub local: Candidate,
    /// The other side's.
    pub remote: Candidate,
    /// Where its checks stand.
    pub state: PairState,
    /// Its priority.
    pub priority: u64,
    /// Whether it is nominated.
    pub nominated: bool,
    /// Whether data goes by it.
    pub selected: bool,
    /// The last round trip.
    pub current_round_trip_time: Option<Duration>,
    /// All of them together.
    pub total_round_trip_time: Duration,
    /// The counters.
    pub counters: PairCounters,
}

/// All that getStats wants of one agent.
#[derive(Clone, Debug)]
pub struct Stats {
    /// The role.
    pub role: Role,
    /// The state.
    pub state: ConnectionState,
    /// This side's user name fragment.
    pub local_ufrag: String,
    /// This side's candidates.
    pub local_candidates: Vec<Candidate>,
    /// The other side's.
    pub remote_candidates: Vec<Candidate>,
    /// The pairs.
    pub pairs: Vec<PairStats>,
    /// What was counted.
    pub counters: Counters,
}
