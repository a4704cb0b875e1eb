//! The state cookie (RFC 9260 §5.1.3): all that an association needs, authenticated, so that nothing is kept before it comes back.

use crate::{
    Tsn,
    packet::{Init, Support},
    time::Nanos,
};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

const MAC: usize = 20;
const BODY: usize = 44;

/// Keys and random numbers, all from one seed of the caller.
pub(crate) struct Secrets {
    seed: [u8; 32],
    drawn: u64,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Secrets { seed, drawn: 0 }
    }

    fn mac(&self, purpose: u8, bytes: &[u8]) -> Option<Hmac<Sha1>> {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.seed).ok()?;
        mac.update(&[purpose]);
        mac.update(bytes);
        Some(mac)
    }

    /// A number that nobody can guess.
    pub(crate) fn random_u64(&mut self) -> u64 {
        self.drawn += 1;
        let digest = self.mac(0, &self.drawn.to_be_bytes()).map(|mac| mac.finalize().into_bytes());
        digest.and_then(|d| d.first_chunk().copied()).map_or(self.drawn, u64::from_be_bytes)
    }

    /// A verification tag: never 0 (RFC 9260 §5.3.1).
    pub(crate) fn tag(&mut self) -> u32 {
        (self.random_u64() as u32).max(1)
    }
}

/// What the cookie carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    pub(crate) local_tag: u32,
    pub(crate) peer_tag: u32,
    pub(crate) local_tsn: Tsn,
    pub(crate) peer_tsn: Tsn,
    pub(crate) peer_window: u32,
    /// What the peer wants to send on, and what it can receive on.
    pub(crate) peer_outgoing: u16,
    pub(crate) peer_incoming: u16,
    pub(crate) peer_support: Support,
    /// The tags of the association that existed when the cookie was made (RFC 9260 §5.2.2); 0 if there was none.
    pub(crate) tie_tags: (u32, u32),
    pub(crate) created: Nanos,
}

impl Cookie {
    pub(crate) fn new(peer: &Init<'_>, local_tag: u32, local_tsn: Tsn, tie_tags: (u32, u32), created: Nanos) -> Self {
        Cookie {
            local_tag,
            peer_tag: peer.tag,
            local_tsn,
            peer_tsn: peer.tsn,
            peer_window: peer.window,
            peer_outgoing: peer.outgoing,
            peer_incoming: peer.incoming,
            peer_support: peer.support,
            tie_tags,
            created,
        }
    }

    pub(crate) fn seal(&self, secrets: &Secrets) -> Vec<u8> {
        let mut out = Vec::with_capacity(BODY + MAC);
        for word in [
            self.local_tag,
            self.peer_tag,
            self.local_tsn.0,
            self.peer_tsn.0,
            self.peer_window,
            u32::from(self.peer_outgoing) << 16 | u32::from(self.peer_incoming),
            self.tie_tags.0,
            self.tie_tags.1,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        let s = self.peer_support;
        let bits = [s.forward_tsn, s.reconfig, s.interleaving, s.zero_checksum];
        let bits = bits.into_iter().rev().fold(0u32, |sum, bit| sum << 1 | u32::from(bit));
        out.extend_from_slice(&bits.to_be_bytes());
        out.extend_from_slice(&self.created.to_be_bytes());
        if let Some(mac) = secrets.mac(1, &out) {
            out.extend_from_slice(&mac.finalize().into_bytes());
        }
        out
    }

    /// The cookie if it was sealed with `secrets` and nobody has touched it.
    pub(crate) fn open(bytes: &[u8], secrets: &Secrets) -> Option<Self> {
        let (body, mac) = bytes.split_at_checked(BODY)?;
        secrets.mac(1, body)?.verify_slice(mac).ok()?;
        let (words, _) = body.as_chunks::<4>();
        let word = |at: usize| words.get(at).map_or(0, |w| u32::from_be_bytes(*w));
        let bit = |at: u32| word(8) >> at & 1 != 0;
        Some(Cookie {
            local_tag: word(0),
            peer_tag: word(1),
            local_tsn: Tsn(word(2)),
            peer_tsn: Tsn(word(3)),
            peer_window: word(4),
            peer_outgoing: (word(5) >> 16) as u16,
            peer_incoming: word(5) as u16,
            tie_tags: (word(6), word(7)),
            peer_support: Support {
                forward_tsn: bit(0),
                reconfig: bit(1),
                interleaving: bit(2),
                zero_checksum: bit(3),
            },
            created: u64::from(word(9)) << 32 | u64::from(word(10)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie() -> Cookie {
        Cookie {
            local_tag: 1,
            peer_tag: u32::MAX,
            local_tsn: Tsn(3),
            peer_tsn: Tsn(4),
            peer_window: 5,
            peer_outgoing: 0xfffe,
            peer_incoming: 7,
            peer_support: Support { forward_tsn: true, reconfig: false, interleaving: true, zero_checksum: true },
            tie_tags: (8, 9),
            created: 1 << 40 | 10,
        }
    }

    /// RFC 9260 §5.1.3: made here, back unchanged, or worth nothing.
    #[test]
    fn a_cookie_comes_back_whole_or_not_at_all() {
        let secrets = Secrets::new([7; 32]);
        let mut bytes = cookie().seal(&secrets);
        assert_eq!(Cookie::open(&bytes, &secrets), Some(cookie()));
        assert_eq!(Cookie::open(&bytes, &Secrets::new([8; 32])), None, "another side's key");
        for at in 0..bytes.len() {
            assert_eq!(Cookie::open(&bytes[..at], &secrets), None, "cut at {at}");
            bytes[at] ^= 1;
            assert_eq!(Cookie::open(&bytes, &secrets), None, "changed at {at}");
            bytes[at] ^= 1;
        }
    }

    #[test]
    fn random_numbers_follow_from_the_seed_and_do_not_repeat() {
        let (mut a, mut b, mut c) = (Secrets::new([1; 32]), Secrets::new([1; 32]), Secrets::new([2; 32]));
        let draw = |s: &mut Secrets| (0..50).map(|_| s.random_u64()).collect::<Vec<_>>();
        let (x, y, z) = (draw(&mut a), draw(&mut b), draw(&mut c));
        assert_eq!(x, y);
        assert!(x.iter().all(|n| !z.contains(n)));
        assert_eq!(x.iter().collect::<std::collections::BTreeSet<_>>().len(), 50);
    }
}
