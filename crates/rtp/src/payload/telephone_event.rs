//! Telephone events (RFC 4733): keys pressed during a call.

/// The key of a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtmfKey(u8);

impl DtmfKey {
    /// The key with this character: 0 to 9, `*`, `#`, A to D in either case.
    pub fn from_char(key: char) -> Option<Self> {
        let place = "0123456789*#ABCD".find(key.to_ascii_uppercase())?;
        u8::try_from(place).ok().map(Self)
    }

    /// The key of this event code, 0 to 15 (RFC 4733 §3.2).
    pub fn from_event(event: u8) -> Option<Self> {
        (event < 16).then_some(Self(event))
    }

    /// The event code.
    pub fn event(self) -> u8 {
        self.0
    }

    /// Its character.
    pub fn to_char(self) -> char {
        char::from(b"0123456789*#ABCD".get(usize::from(self.0)).copied().unwrap_or(b'?'))
    }
}

/// One payload of an event (RFC 4733 §2.3).
///
/// All packets of an event have the timestamp of its start; the first one has the marker; the one with the end goes out
/// three times.
///
/// ```text
/// |     event     |E|R| volume    |          duration             |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// The event code; below 16 it is a key.
    pub event: u8,
    /// The event is over.
    pub end: bool,
    /// Decibels below the reference, 0 to 63.
    pub volume: u8,
    /// Time since the start in units of the RTP clock.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload; `None` if it is too short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let [event, bits, d0, d1] = *payload.first_chunk()?;
        Some(Self { event, end: bits & 0x80 != 0, volume: bits & 0x3f, duration: u16::from_be_bytes([d0, d1]) })
    }

    /// Appends the payload.
    pub fn write(&self, out: &mut Vec<u8>) {
        let [d0, d1] = self.duration.to_be_bytes();
        out.extend_from_slice(&[self.event, u8::from(self.end) << 7 | self.volume & 0x3f, d0, d1]);
    }

    /// The key that was pressed.
    pub fn key(&self) -> Option<DtmfKey> {
        DtmfKey::from_event(self.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back() {
        let event = TelephoneEvent { event: 11, end: true, volume: 10, duration: 1600 };
        let mut out = Vec::new();
        event.write(&mut out);
        assert_eq!(out, [11, 0x8a, 6, 0x40]);
        assert_eq!(TelephoneEvent::parse(&out), Some(event));
        assert_eq!(event.key().map(DtmfKey::to_char), Some('#'));
        assert_eq!(TelephoneEvent::parse(&out[..3]), None);
    }

    #[test]
    fn keys_are_the_sixteen_of_rfc_4733() {
        for (code, key) in (0..).zip("0123456789*#ABCD".chars()) {
            assert_eq!(DtmfKey::from_char(key).map(DtmfKey::event), Some(code));
        }
        assert_eq!(DtmfKey::from_char('d'), DtmfKey::from_char('D'));
        assert_eq!(DtmfKey::from_char(','), None);
    }
}
