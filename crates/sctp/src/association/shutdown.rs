//! The end by agreement (RFC 9260 §9.2): nothing is lost.

use super::{Association, CloseReason, Event, State, handshake::Attempt};
use crate::{
    Error, Tsn,
    packet::Control,
    time::{Nanos, nanos},
};
use std::time::Instant;

impl Association {
    /// Ends the association once all messages have arrived at the peer. No more are taken.
    pub fn shutdown(&mut self, now: Instant) -> Result<(), Error> {
        let now = self.clock.at(now);
        match self.state {
            State::Established => self.state = State::ShutdownPending,
            State::Closed | State::CookieWait(_) | State::CookieEchoed(..) => self.end(CloseReason::Shutdown),
            State::Ended => return Err(Error::Closed),
            _ => {}
        }
        self.settle(now);
        Ok(())
    }

    /// Goes on once everything has been acknowledged.
    pub(super) fn advance_shutdown(&mut self, now: Nanos) {
        if !self.outbound.is_drained() {
            return;
        }
        let attempt = Attempt::new(now, self.outbound.rtt.rto());
        match self.state {
            State::ShutdownPending => self.state = State::ShutdownSent(attempt),
            State::ShutdownReceived => self.state = State::ShutdownAckSent(attempt),
            _ => {}
        }
    }

    pub(super) fn write_shutdown(&mut self, out: &mut Vec<u8>) {
        match &mut self.state {
            State::ShutdownSent(attempt) if attempt.due => {
                attempt.due = false;
                let cumulative = self.inbound.as_ref().map_or(0, |i| i.received.cumulative());
                Control::Shutdown(Tsn::wire(cumulative)).write(out);
            }
            State::ShutdownAckSent(attempt) if attempt.due => {
                attempt.due = false;
                Control::ShutdownAck.write(out);
            }
            _ => {}
        }
    }

    pub(super) fn shutdown_deadline(&self) -> Option<Nanos> {
        match &self.state {
            State::ShutdownSent(attempt) | State::ShutdownAckSent(attempt) => Some(attempt.deadline()),
            _ => None,
        }
    }

    pub(super) fn shutdown_timeout(&mut self, now: Nanos) {
        let (rto, rto_max) = (self.outbound.rtt.rto(), nanos(self.config.rto_max));
        // Without a limit of the program's, five attempts: nothing depends on the answer any more.
        let most = self.config.max_retransmissions.unwrap_or(5);
        let (State::ShutdownSent(attempt) | State::ShutdownAckSent(attempt)) = &mut self.state else { return };
        if attempt.expired(now, rto, rto_max, Some(most)) {
            self.end(CloseReason::TimedOut);
        }
    }

    pub(super) fn on_shutdown(&mut self, now: Nanos, cumulative: Tsn) {
        self.acknowledge(now, cumulative);
        match &mut self.state {
            State::Established | State::ShutdownPending => {
                self.state = State::ShutdownReceived;
                self.events.push_back(Event::ShuttingDown);
            }
            // Both at once.
            State::ShutdownSent(_) => {
                self.state = State::ShutdownAckSent(Attempt::new(now, self.outbound.rtt.rto()));
            }
            State::ShutdownAckSent(attempt) => attempt.due = true,
            _ => {}
        }
    }

    pub(super) fn repeat_shutdown_ack(&mut self) {
        if let State::ShutdownAckSent(attempt) = &mut self.state {
            attempt.due = true;
        }
    }

    pub(super) fn on_shutdown_ack(&mut self) {
        if matches!(self.state, State::ShutdownSent(_) | State::ShutdownAckSent(_)) {
            self.reply(self.peer_tag, |out| Control::ShutdownComplete { reflected: false }.write(out));
            self.end(CloseReason::Shutdown);
        }
    }

    pub(super) fn on_shutdown_complete(&mut self) {
        if matches!(self.state, State::ShutdownAckSent(_)) {
            self.end(CloseReason::Shutdown);
        }
    }
}
