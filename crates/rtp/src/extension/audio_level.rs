use super::{ExtensionKind, HeaderExtension, put};

/// How loud a packet of audio is (RFC 6464 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Whether the sender takes it for speech. Meaningful only if `vad=on` was negotiated.
    pub voice: bool,
    /// Decibels below the loudest, 0 to 127; 127 is silence.
    pub level: u8,
}

impl HeaderExtension<'_> for AudioLevel {
    const KIND: ExtensionKind = ExtensionKind::AudioLevel;

    fn parse(data: &[u8]) -> Option<Self> {
        let byte = *data.first()?;
        Some(Self { voice: byte & 0x80 != 0, level: byte & 0x7f })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        put(out, &[u8::from(self.voice) << 7 | self.level & 0x7f])
    }
}

/// How loud each contributing source of a mix is, in the order of the CSRCs (RFC 6465 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsrcAudioLevels<'a>(
    /// One byte a source: decibels below the loudest in the low seven bits.
    pub &'a [u8],
);

impl<'a> HeaderExtension<'a> for CsrcAudioLevels<'a> {
    const KIND: ExtensionKind = ExtensionKind::CsrcAudioLevels;

    fn parse(data: &'a [u8]) -> Option<Self> {
        (!data.is_empty() && data.len() <= 15).then_some(Self(data))
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        put(out, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn levels_match_rfc_6464_and_6465() {
        round_trip(AudioLevel { voice: true, level: 5 }, &[0x85]);
        round_trip(AudioLevel { voice: false, level: 127 }, &[0x7f]);
        round_trip(CsrcAudioLevels(&[1, 2, 3]), &[1, 2, 3]);
        assert_eq!(CsrcAudioLevels::parse(&[]), None);
    }
}
