use super::{ExtensionKind, HeaderExtension, put};

/// What the picture shows, so that a receiver can choose its way of smoothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoContentType {
    /// A camera.
    #[default]
    Unspecified,
    /// A screen.
    ScreenShare,
}

impl HeaderExtension<'_> for VideoContentType {
    const KIND: ExtensionKind = ExtensionKind::VideoContentType;

    fn parse(data: &[u8]) -> Option<Self> {
        // Older senders put experiment numbers into the upper bits.
        Some(if data.first()? & 1 != 0 { Self::ScreenShare } else { Self::Unspecified })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        put(out, &[*self as u8])
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn screens_are_marked() {
        round_trip(VideoContentType::ScreenShare, &[1]);
        round_trip(VideoContentType::Unspecified, &[0]);
    }
}
