use super::{ExtensionKind, HeaderExtension, put};

/// A quarter turn, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Upright.
    #[default]
    None,
    /// Turn the picture by 90° clockwise to see it upright.
    Clockwise90,
    /// Turn the picture by 180°.
    Half,
    /// Turn the picture by 270° clockwise.
    Clockwise270,
}

/// How the camera is held (3GPP TS 26.114 §7.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoOrientation {
    /// Whether it is a back-facing camera.
    pub back_camera: bool,
    /// Whether to flip the picture left to right.
    pub flip: bool,
    /// How to turn the picture.
    pub rotation: Rotation,
}

impl HeaderExtension<'_> for VideoOrientation {
    const KIND: ExtensionKind = ExtensionKind::VideoOrientation;

    fn parse(data: &[u8]) -> Option<Self> {
        let byte = *data.first()?;
        let rotation = match byte & 3 {
            0 => Rotation::None,
            1 => Rotation::Clockwise90,
            2 => Rotation::Half,
            _ => Rotation::Clockwise270,
        };
        Some(Self { back_camera: byte & 8 != 0, flip: byte & 4 != 0, rotation })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        put(out, &[u8::from(self.back_camera) << 3 | u8::from(self.flip) << 2 | self.rotation as u8])
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn bits_match_3gpp() {
        round_trip(VideoOrientation { back_camera: true, flip: false, rotation: Rotation::Clockwise270 }, &[0x0b]);
        round_trip(VideoOrientation { back_camera: false, flip: true, rotation: Rotation::Clockwise90 }, &[0x05]);
    }
}
