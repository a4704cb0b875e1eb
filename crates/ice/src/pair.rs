//! Candidate pairs and what is known of each (RFC 8445 §6.1.2).

use crate::config::Role;
use crate::liveness::Liveness;
use crate::transport::StreamId;
use parlour_stun::TransactionId;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Names a pair for as long as its agent lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PairId(pub u32);

/// Where the checks of a pair stand (RFC 8445 §6.1.2.6).
///
/// ```text
/// Frozen ──▶ Waiting ──▶ InProgress ──▶ Succeeded
///    ▲          ▲            │              │ consent lost
///    │          └─triggered──┴──▶ Failed ◀──┘
///    └── parked: another pair is nominated
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairState {
    /// Waits for another pair of its foundation, or is not needed now.
    Frozen,
    /// Its check is due when its turn comes.
    Waiting,
    /// A check was sent and has not been answered.
    InProgress,
    /// A check was answered: the pair is valid.
    Succeeded,
    /// No check was answered.
    Failed,
}

/// A check that may still be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) id: TransactionId,
    pub(crate) at: Instant,
    /// The role that it claimed, so that a late 487 does not swap twice.
    pub(crate) role: Role,
    /// The nomination that it carried.
    pub(crate) nomination: Option<u32>,
}

/// How many checks of a pair are remembered.
const MAX_SENT: usize = 64;

/// Counters of a pair (W3C webrtc-stats, RTCIceCandidatePairStats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairCounters {
    /// Packets of the application sent.
    pub packets_sent: u64,
    /// Packets of the application received.
    pub packets_received: u64,
    /// Bytes of the application sent.
    pub bytes_sent: u64,
    /// Bytes of the application received.
    pub bytes_received: u64,
    /// Checks received.
    pub requests_received: u64,
    /// Checks sent, consent checks excluded.
    pub requests_sent: u64,
    /// Answers received.
    pub responses_received: u64,
    /// Answers sent.
    pub responses_sent: u64,
    /// Consent checks sent.
    pub consent_requests_sent: u64,
    /// Packets of the application that could not be sent.
    pub packets_discarded: u64,
    /// Bytes of the application that could not be sent.
    pub bytes_discarded: u64,
}

/// A pair.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) id: PairId,
    pub(crate) local: usize,
    pub(crate) remote: usize,
    /// Where checks go: the remote candidate's address, or the NAT64 form of it.
    pub(crate) address: SocketAddr,
    pub(crate) stream: Option<StreamId>,
    pub(crate) priority: u64,
    pub(crate) state: PairState,
    pub(crate) sent: VecDeque<Sent>,
    /// When this run of checks began, and how many were sent in it.
    pub(crate) started: Option<Instant>,
    pub(crate) sends: u32,
    /// When an unanswered check is sent again.
    pub(crate) next_send: Option<Instant>,
    /// A check was answered, and consent has not ended.
    pub(crate) valid: bool,
    /// The other agent has sent a check on it with the right password, or answered one.
    pub(crate) authenticated: bool,
    /// Nominated, with this number; 0 where there are no numbers.
    pub(crate) nominated: Option<u32>,
    /// The nomination to carry out: asked for by checks if controlling, waited with until valid if controlled.
    pub(crate) nominating: Option<u32>,
    /// Not to be checked while another pair is nominated and alive.
    pub(crate) parked: bool,
    /// Checked beside the nominated pair, to have it ready.
    pub(crate) backup: bool,
    /// The local candidate as the other agent sees it, if it is not the one that was paired.
    pub(crate) mapped: Option<usize>,
    pub(crate) live: Liveness,
    pub(crate) counters: PairCounters,
}

impl Pair {
    pub(crate) fn new(id: PairId, local: usize, remote: usize, address: SocketAddr, priority: u64) -> Self {
        Self {
            id,
            local,
            remote,
            address,
            stream: None,
            priority,
            state: PairState::Waiting,
            sent: VecDeque::new(),
            started: None,
            sends: 0,
            next_send: None,
            valid: false,
            authenticated: false,
            nominated: None,
            nominating: None,
            parked: false,
            backup: false,
            mapped: None,
            live: Liveness::default(),
            counters: PairCounters::default(),
        }
    }

    /// Valid, and nothing speaks against it.
    pub(crate) fn is_alive(&self) -> bool {
        self.valid && !self.live.dead
    }

    /// Whether its checks may still bring it to life by themselves.
    pub(crate) fn is_unresolved(&self) -> bool {
        !self.parked && matches!(self.state, PairState::Waiting | PairState::InProgress | PairState::Frozen)
    }

    /// Begins a new run of checks.
    pub(crate) fn wait(&mut self) {
        self.parked = false;
        self.next_send = None;
        self.started = None;
        self.sends = 0;
        if !self.valid {
            self.state = PairState::Waiting;
        }
    }

    /// Ends the checks without a verdict.
    pub(crate) fn park(&mut self) {
        if !self.valid {
            self.parked = true;
            self.backup = false;
            self.state = PairState::Frozen;
            self.next_send = None;
        }
    }

    pub(crate) fn fail(&mut self) {
        self.state = PairState::Failed;
        self.valid = false;
        self.next_send = None;
        self.nominated = None;
        self.live.stop();
    }

    pub(crate) fn remember(&mut self, sent: Sent) {
        if self.sent.len() == MAX_SENT {
            self.sent.pop_front();
        }
        self.sent.push_back(sent);
    }

    /// How long to wait for an answer to the last check. The other side's own check says that there is a path: then only
    /// loss can be the reason for silence.
    pub(crate) fn wait_for_answer(&self) -> Duration {
        const LOST: Duration = Duration::from_millis(200);
        let wait = Self::patience(self.sends);
        if self.authenticated && self.sends < 40 { wait.min(LOST) } else { wait }
    }

    /// How long to wait for an answer to the `sends`-th check of a run before the next one: at once often, so that a
    /// filter that ate the first ones costs no time, later seldom.
    pub(crate) fn patience(sends: u32) -> Duration {
        Duration::from_millis(match sends {
            0..=2 => 50,
            3 => 100,
            4 => 200,
            5 => 400,
            6..=14 => 500,
            15 => 1_000,
            16 => 2_000,
            17 => 4_000,
            _ => 8_000,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_go_out_at_0_50_100_200_400_ms_and_then_ever_less_often() {
        let mut at = Duration::ZERO;
        let mut offsets = vec![0];
        for sends in 1..=19 {
            at += Pair::patience(sends);
            offsets.push(at.as_millis());
        }
        assert_eq!(offsets[..8], [0, 50, 100, 200, 400, 800, 1_300, 1_800]);
        assert!(offsets.windows(3).skip(3).all(|w| w[2] - w[1] >= w[1] - w[0]));
        assert!(*offsets.last().unwrap() > 20_000);
    }
}
