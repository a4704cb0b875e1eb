//! Restarts: a new generation beside the old one, which carries data until the new one works (RFC 8445 §9).

use crate::agent::{Agent, FAREWELL};
use crate::checklist::Generation;
use crate::credentials::{Credentials, ParameterError, Parameters};
use crate::event::{Event, GatheringState};
use std::time::Instant;

impl Agent {
    /// Begins a new generation and gives its parameters, to be told to the other agent. All local candidates are told
    /// again by events, and servers that did not answer, or whose relay was lost, are asked again; those that still have
    /// to answer, if they do not. Data goes on by the old pair until a new one is valid.
    ///
    /// Whether the other agent has asked for it or not: both call this, then each
    /// [`set_remote_parameters`](Self::set_remote_parameters).
    pub fn restart(&mut self, now: Instant) -> Parameters {
        let next = Credentials::random(&mut self.rng);
        self.begin(now, next);
        self.local_parameters()
    }

    /// As [`restart`](Self::restart), with credentials that the caller has drawn and told: an offer names them before it
    /// is known whether it will be applied (RFC 9429 §5.2.3.1).
    ///
    /// # Errors
    /// They break the rules of RFC 8839 §5.4; nothing has changed.
    pub fn restart_as(&mut self, now: Instant, ufrag: &str, pwd: &str) -> Result<(), ParameterError> {
        let next = Credentials::new(ufrag, pwd)?;
        self.begin(now, next);
        Ok(())
    }

    /// Takes a restart back that the other agent has not answered (RFC 9429 §5.7): the generation before it is the
    /// current one again. `false`, and nothing has changed, if none is there that has worked.
    pub fn abandon_restart(&mut self, now: Instant) -> bool {
        if self.generations.len() < 2 {
            return false;
        }
        self.generations.remove(0);
        self.farewell = None;
        self.advance(now);
        true
    }

    fn begin(&mut self, now: Instant, next: Credentials) {
        self.generations.insert(0, Generation::new(next));
        // A generation that never worked has nothing to carry.
        if self.generations.get(1).is_some_and(|old| old.selected.is_none()) {
            self.generations.remove(1);
        }
        self.generations.truncate(2);
        self.farewell = None;
        self.forget_names();
        let shown: Vec<_> = self.local_candidates().cloned().collect();
        self.events.extend(shown.into_iter().map(Event::LocalCandidate));
        let complete = self.gathering.state == GatheringState::Complete;
        self.gather_again(now);
        self.update_gathering();
        if complete && self.gathering.state == GatheringState::Complete {
            self.events.push_back(Event::Gathering(GatheringState::Complete));
        }
        self.advance(now);
    }

    /// Lets the old generation go some time after the new one works.
    pub(crate) fn retire(&mut self, now: Instant) {
        let works = self.generations.first().is_some_and(|generation| generation.selected.is_some());
        if !works || self.generations.len() < 2 {
            // What has worked and does not any more has no claim to take the old one's place.
            self.farewell = None;
            return;
        }
        let until = *self.farewell.get_or_insert(now + FAREWELL);
        if until <= now {
            self.generations.truncate(1);
            self.farewell = None;
        }
    }
}
