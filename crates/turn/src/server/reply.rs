//! Writing responses: with integrity for those who have proved themselves, and short for those who have not.

use super::auth::Identity;
use super::{Server, Via};
use crate::{Ecn, FiveTuple, Outbox};
use parlour_stun::attribute::{ErrorCode, Nonce, PasswordAlgorithms, Realm, UnknownAttributes};
use parlour_stun::{AttributeType, Class, Message, MessageWriter};
use std::time::Instant;

/// The longest realm with which a challenge fits in twice the 28 bytes of the shortest Allocate request.
const SHORT_REALM: usize = 8;

/// Bytes of IP and UDP header, which count when an answer is weighed against its request.
fn overhead(tuple: &FiveTuple) -> usize {
    if tuple.client.is_ipv4() { 28 } else { 48 }
}

/// Sends one message to a client.
pub(super) fn send(out: &mut Outbox<Via>, tuple: FiveTuple, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<usize> {
    out.push(Via::Client(tuple), tuple.client, Ecn::NotCapable, false, write)
}

/// Sends a response with integrity, and FINGERPRINT if the request had one.
pub(super) fn respond(
    out: &mut Outbox<Via>,
    tuple: FiveTuple,
    request: &Message<'_>,
    identity: &Identity,
    class: Class,
    fill: impl FnOnce(&mut MessageWriter<'_>),
) {
    send(out, tuple, |buffer| {
        let mut writer = MessageWriter::response(buffer, class, request);
        fill(&mut writer);
        writer.integrity(&identity.key);
        if request.fingerprint().is_some() {
            writer.fingerprint();
        }
        writer.finish().is_ok()
    });
}

impl Server {
    /// Refuses a request of somebody who has proved who it is.
    pub(super) fn refuse(
        &mut self,
        out: &mut Outbox<Via>,
        tuple: FiveTuple,
        request: &Message<'_>,
        identity: &Identity,
        code: u16,
    ) {
        self.counters.refused += 1;
        respond(out, tuple, request, identity, Class::Error, |writer| writer.put(&ErrorCode::of(code)));
    }

    /// Answers 420 and lists what was not understood (RFC 8489 §6.3.1).
    pub(super) fn refuse_unknown(
        &mut self,
        out: &mut Outbox<Via>,
        tuple: FiveTuple,
        request: &Message<'_>,
        identity: &Identity,
        unknown: impl Iterator<Item = AttributeType>,
    ) {
        self.counters.refused += 1;
        let list = UnknownAttributes::value_of(unknown);
        respond(out, tuple, request, identity, Class::Error, |writer| {
            writer.put(&ErrorCode::of(ErrorCode::UNKNOWN_ATTRIBUTE));
            writer.put_raw(AttributeType::UNKNOWN_ATTRIBUTES, &list);
        });
    }

    /// Whether an answer may be sent to somebody who has not proved anything. A stream has shown that its address is
    /// real and may ask, but guesses at passwords are counted there too.
    fn may_answer(&mut self, now: Instant, tuple: &FiveTuple, request: &Message<'_>) -> bool {
        let guess = request.has_integrity() || request.has_integrity_sha256();
        let may = (tuple.transport.is_stream() && !guess) || self.limiter.take(now, tuple.client.ip());
        if !may {
            self.counters.limited += 1;
        }
        may
    }

    /// Answers 400 without integrity, in 28 bytes.
    pub(super) fn bad_request(&mut self, now: Instant, out: &mut Outbox<Via>, tuple: FiveTuple, request: &Message<'_>) {
        if !self.may_answer(now, &tuple, request) {
            return;
        }
        self.counters.refused += 1;
        send(out, tuple, |buffer| {
            let mut writer = MessageWriter::response(buffer, Class::Error, request);
            writer.put(&ErrorCode { code: ErrorCode::BAD_REQUEST, reason: "" });
            writer.finish().is_ok()
        });
    }

    /// Answers 401 or 438 with a nonce (RFC 8489 §9.2.4), in at most twice the bytes of the request.
    ///
    /// A request long enough gets the features of RFC 8489. The 28 bytes that a browser sends first get a short nonce,
    /// no reason phrase and no algorithms, which with a realm of up to eight bytes takes 56. With a longer realm the
    /// packets are weighed with their IP and UDP headers. What is shorter still is no useful request, and gets 400.
    pub(super) fn challenge(
        &mut self,
        now: Instant,
        out: &mut Outbox<Via>,
        tuple: FiveTuple,
        request: &Message<'_>,
        code: u16,
    ) {
        if !self.may_answer(now, &tuple, request) {
            return;
        }
        let unix_s = self.unix_s(now);
        let client = tuple.client.ip();
        let length = request.as_bytes().len();
        let budget = if tuple.transport.is_stream() { usize::MAX } else { 2 * length };
        let fingerprint = request.fingerprint().is_some();
        let realm = self.auth.realm();
        let headers = if realm.len() > SHORT_REALM { overhead(&tuple) } else { 0 };
        let forms = [
            (ErrorCode::of(code), false, budget),
            (ErrorCode { code, reason: "" }, false, budget),
            (ErrorCode { code, reason: "" }, true, budget.saturating_add(headers)),
        ];
        for (error, short, budget) in forms {
            let nonces = &self.auth.nonces;
            let nonce =
                if short { nonces.short_for_address(client, unix_s) } else { nonces.for_address(client, unix_s) };
            let algorithms = self.auth.is_modern() && !short;
            let sent = send(out, tuple, |buffer| {
                let mut writer = MessageWriter::response(buffer, Class::Error, request);
                writer.put(&error);
                writer.put(&Realm(realm));
                writer.put(&Nonce(&nonce));
                if algorithms {
                    writer.put(&PasswordAlgorithms::SHA256_MD5);
                }
                if fingerprint {
                    writer.fingerprint();
                }
                writer.finish().is_ok_and(|length| length <= budget)
            });
            if sent.is_some() {
                self.counters.challenges += 1;
                return;
            }
        }
        self.counters.refused += 1;
        send(out, tuple, |buffer| {
            let mut writer = MessageWriter::response(buffer, Class::Error, request);
            writer.put(&ErrorCode { code: ErrorCode::BAD_REQUEST, reason: "" });
            writer.finish().is_ok()
        });
    }
}
