//! Time: what is due, and how fast clients may talk.

use std::time::{Duration, Instant};

use super::refusal::Refusal;
use super::session::{Abuse, Link, RoomIndex, SessionIndex};
use super::{Hub, Now, Pace};
use crate::frame::ConnId;
use crate::message::{ErrorCode, Reason};
use crate::timer::Subject;

/// How long a client may go on talking too fast.
const ABUSE: Duration = Duration::from_secs(10);

/// How long a client must keep within the rate until what it did before is forgotten.
const FORGIVEN: Duration = Duration::from_secs(2);

/// How many refused messages within that time are too many, however short it was: a hundred bursts, which no faulty client comes to.
const ABUSE_BURSTS: u32 = 100;

/// How often a client that talks too fast is told so, when it has not asked.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Farthest ahead that a timer is set; what is due later is looked at again then.
const HORIZON: Duration = Duration::from_secs(24 * 3600);

impl Hub {
    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((at, subject)) = self.timers.pop(now.instant) {
            match subject {
                Subject::Connection(conn) => self.connection_timer(at, ConnId(conn)),
                Subject::Session(index) => self.session_timer(now, at, index),
                Subject::Room(index) => self.room_timer(now, at, index),
            }
        }
    }

    fn connection_timer(&mut self, at: Instant, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        if connection.alarm.fired(at) && connection.session.is_none() {
            let refusal = Refusal::new(ErrorCode::IdleTimeout, "No `hello` came in time. Connect again.");
            self.refuse_connection(conn, &refusal);
        }
    }

    fn session_timer(&mut self, now: Now, at: Instant, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(index) else { return };
        if !session.alarm.fired(at) {
            return;
        }
        if session.expires.is_some_and(|expires| expires.saturating_mul(1000) <= now.unix_ms) {
            return self.end_session(now, index, Reason::Expired, None);
        }
        match session.link {
            Link::Up { heard, .. } if heard + self.config.idle_timeout <= now.instant => {
                self.disconnect(now, index, &Refusal::of(ErrorCode::IdleTimeout));
            }
            Link::Down { since, .. } if since + self.config.resume <= now.instant => {
                self.end_session(now, index, Reason::Timeout, None);
            }
            _ => self.arm_session(now, index),
        }
    }

    fn room_timer(&mut self, now: Now, at: Instant, index: RoomIndex) {
        let Some(room) = self.rooms.get_mut(index) else { return };
        if !room.alarm.fired(at) {
            return;
        }
        let empty = room.population() == 0 && !room.permanent;
        match room.empty.filter(|_| empty) {
            Some(since) if since + self.config.empty_timeout <= now.instant => self.forget_room(index),
            Some(_) => self.arm_room(index),
            None => self.review_hosts(now, index),
        }
    }

    /// Sets a session's timer for what is due first.
    pub(super) fn arm_session(&mut self, now: Now, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(index) else { return };
        let link = match session.link {
            Link::Up { heard, .. } => heard + self.config.idle_timeout,
            Link::Down { since, .. } => since + self.config.resume,
        };
        let expiry = session.expires.map(|expires| {
            let left = Duration::from_millis(expires.saturating_mul(1000).saturating_sub(now.unix_ms));
            now.instant + left.min(HORIZON)
        });
        let at = expiry.map_or(link, |expiry| expiry.min(link));
        self.timers.arm(&mut session.alarm, Subject::Session(index), at);
    }

    /// Sets a room's timer for what is due first.
    pub(super) fn arm_room(&mut self, index: RoomIndex) {
        let Some(room) = self.rooms.get_mut(index) else { return };
        let empty = room.empty.map(|since| since + self.config.empty_timeout);
        let hostless = room.hostless.map(|since| since + self.config.host_absence);
        if let Some(at) = [empty, hostless].into_iter().flatten().min() {
            self.timers.arm(&mut room.alarm, Subject::Room(index), at);
        }
    }

    /// Counts a message against the client's rate.
    pub(super) fn within_rate(&mut self, now: Now, index: SessionIndex) -> Pace {
        let rate = self.config.rate();
        let limit = self.config.burst.saturating_mul(ABUSE_BURSTS);
        let Some(session) = self.sessions.get_mut(index) else { return Pace::Fine };
        let at = now.instant;
        let Err(wait) = session.bucket.take(at, rate) else {
            if session.abuse.as_ref().is_some_and(|abuse| abuse.last + FORGIVEN <= at) {
                session.abuse = None;
            }
            return Pace::Fine;
        };
        let abuse = session.abuse.get_or_insert(Box::new(Abuse { since: at, last: at, told: at, refused: 0 }));
        if abuse.last + FORGIVEN <= at {
            **abuse = Abuse { since: at, last: at, told: at, refused: 0 };
        }
        abuse.last = at;
        abuse.refused += 1;
        let retry_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1);
        let message = format!("At most {} messages a second. Wait.", self.config.messages_per_s);
        let refusal = Refusal::new(ErrorCode::Rate, message).retry_ms(retry_ms);
        if abuse.since + ABUSE <= at || abuse.refused > limit {
            return Pace::Abuse(refusal);
        }
        let told = abuse.refused > 1 && abuse.told + TELL_EVERY > at;
        if !told {
            abuse.told = at;
        }
        Pace::Refused { refusal, told }
    }
}
