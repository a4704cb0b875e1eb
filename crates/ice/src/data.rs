//! Data of the application: by the selected pair out, by any proved pair in.

use crate::agent::Agent;
use crate::pair::PairId;
use crate::requests::Arrival;
use crate::transport::Transmit;
use std::time::Instant;
use thiserror::Error;

/// Data that came from the other agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'d> {
    /// The pair by which it came.
    pub pair: PairId,
    /// What came.
    pub data: &'d [u8],
}

/// Data cannot be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// No pair works yet, or none any more.
    #[error("there is no path to the other side; wait for a SelectedPair event")]
    NoPath,
    /// The pair's connection, or its relay, takes nothing now.
    #[error("the path takes no packet of {0} bytes now")]
    NotSent(usize),
}

impl Agent {
    /// Appends to `out` the packet that carries `data` by the selected pair, for the caller to send.
    ///
    /// # Errors
    /// There is no pair with consent, or the data does not fit.
    pub fn send(&mut self, now: Instant, data: &[u8], out: &mut Vec<u8>) -> Result<Transmit, SendError> {
        let generation = self.active().and_then(|index| self.generations.get_mut(index)).ok_or(SendError::NoPath)?;
        let selected = generation.selected.ok_or(SendError::NoPath)?;
        let route = generation.pair(selected).and_then(|pair| generation.route(pair, &self.transports));
        let pair = generation.pair_mut(selected).ok_or(SendError::NoPath)?;
        let start = out.len();
        let via = route.and_then(|route| self.transports.write(route, data, out));
        let Some(via) = via else {
            out.truncate(start);
            pair.counters.packets_discarded += 1;
            pair.counters.bytes_discarded += data.len() as u64;
            return Err(SendError::NotSent(data.len()));
        };
        // While the other side is silent the timer runs from the first packet; later ones do not move it.
        let woken = pair.live.data_sent_at.is_none_or(|at| pair.live.received_at.is_some_and(|heard| heard >= at));
        pair.live.data_sent_at = Some(now);
        pair.counters.packets_sent += 1;
        pair.counters.bytes_sent += data.len() as u64;
        if woken {
            self.wake_by(now);
        }
        Ok(Transmit { via, len: out.len() - start })
    }

    /// The pair that data goes by.
    pub fn selected_pair(&self) -> Option<PairId> {
        self.active().and_then(|index| self.generations.get(index)).and_then(|generation| generation.selected)
    }

    /// Takes data, if the other side has proved that it sends from there: a check with the right password has come by
    /// this pair, or an answer.
    pub(crate) fn receive<'d>(&mut self, now: Instant, arrival: Arrival, data: &'d [u8]) -> Option<Received<'d>> {
        let mut first = false;
        let mut found = None;
        for generation in &mut self.generations {
            let selected = generation.selected;
            let comes_by = |pair: &&mut crate::pair::Pair| {
                pair.local == arrival.local
                    && pair.address == arrival.from
                    && pair.stream == arrival.stream
                    && pair.authenticated
            };
            if let Some(pair) = generation.pairs.iter_mut().find(comes_by) {
                let expected = pair.live.expects_within();
                first = pair.live.data_received_at.is_none_or(|at| at + std::time::Duration::from_secs(2) < now)
                    || Some(pair.id) != selected
                    || pair.live.dead
                    // Somebody must wake up if the next packets do not come.
                    || expected.is_some_and(|quiet| self.wake.is_none_or(|at| at > now + quiet));
                pair.live.received_data(now);
                pair.counters.packets_received += 1;
                pair.counters.bytes_received += data.len() as u64;
                found = Some(pair.id);
                break;
            }
        }
        let Some(pair) = found else {
            self.counters.unexpected_data += 1;
            return None;
        };
        if first {
            self.advance(now);
        }
        Some(Received { pair, data })
    }
}
