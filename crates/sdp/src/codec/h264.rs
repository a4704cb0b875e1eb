//! H.264 in descriptions (RFC 6184 §8).

use crate::attribute::format::Fmtp;

/// A set of coding tools that a decoder must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// What all browsers have.
    ConstrainedBaseline,
    /// With flexible macroblock order and redundant slices, in theory.
    Baseline,
    /// With B-frames and CABAC.
    Main,
    /// High without interlaced coding and B-frames.
    ConstrainedHigh,
    /// With the 8x8 transform.
    High,
    /// 4:4:4 without loss.
    PredictiveHigh444,
}

/// How much a decoder can decode: ten times the level's number, and 9 for level 1b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// Level 1b, which lies between 1 and 1.1.
    pub const L1B: Self = Self(9);

    /// A level by ten times its number, as 31 for 3.1.
    pub const fn new(ten_times: u8) -> Self {
        Self(ten_times)
    }

    /// Ten times its number; 9 is level 1b.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Where it stands among the levels.
    fn rank(self) -> u16 {
        if self == Self::L1B { 105 } else { u16::from(self.0) * 10 }
    }

    /// The lower of two levels.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }
}

/// The three bytes that name profile and level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileLevelId {
    /// The profile.
    pub profile: Profile,
    /// The level.
    pub level: Level,
}

impl ProfileLevelId {
    /// What browsers take for granted if nothing is said: constrained baseline at level 3.1. (RFC 6184 §8.1 says baseline at
    /// level 1, which no sender that leaves it out has meant.)
    pub const DEFAULT: Self = Self { profile: Profile::ConstrainedBaseline, level: Level(31) };

    /// Reads six hexadecimal digits; `None` for profiles that WebRTC does not use.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let [_, idc, iop, level] = u32::from_str_radix(text, 16).ok()?.to_be_bytes();
        // RFC 6184 Table 5, by profile_idc and the bits of profile-iop that must be set or clear.
        let profile = match (idc, iop) {
            (0x42, iop) if iop & 0x4f == 0x40 => Profile::ConstrainedBaseline,
            (0x4d, iop) if iop & 0x8f == 0x80 => Profile::ConstrainedBaseline,
            (0x58, iop) if iop & 0xcf == 0xc0 => Profile::ConstrainedBaseline,
            (0x42, iop) if iop & 0x4f == 0x00 => Profile::Baseline,
            (0x58, iop) if iop & 0xcf == 0x80 => Profile::Baseline,
            (0x4d, iop) if iop & 0xaf == 0x00 => Profile::Main,
            (0x64, 0x00) => Profile::High,
            (0x64, 0x0c) => Profile::ConstrainedHigh,
            (0xf4, 0x00) => Profile::PredictiveHigh444,
            _ => return None,
        };
        let is_1b = level == 11 && iop & 0x10 != 0 && matches!(idc, 0x42 | 0x4d | 0x58);
        Some(Self { profile, level: if is_1b { Level::L1B } else { Level(level) } })
    }

    /// The six digits.
    pub fn to_hex(self) -> String {
        let (idc, iop) = match self.profile {
            Profile::ConstrainedBaseline => (0x42, 0xe0),
            Profile::Baseline => (0x42, 0x00),
            Profile::Main => (0x4d, 0x00),
            Profile::ConstrainedHigh => (0x64, 0x0c),
            Profile::High => (0x64, 0x00),
            Profile::PredictiveHigh444 => (0xf4, 0x00),
        };
        match (self.level, self.profile) {
            (Level::L1B, Profile::ConstrainedBaseline | Profile::Baseline | Profile::Main) => {
                format!("{idc:02x}{:02x}0b", iop | 0x10)
            }
            (level, _) => format!("{idc:02x}{iop:02x}{:02x}", level.0),
        }
    }

    /// What parameters say; `None` for a profile that WebRTC does not use.
    pub fn of(parameters: &Fmtp) -> Option<Self> {
        parameters.parameter("profile-level-id").map_or(Some(Self::DEFAULT), Self::parse)
    }
}

/// The packetization mode; 0 if not told.
pub fn packetization_mode(parameters: &Fmtp) -> u8 {
    parameters.parameter("packetization-mode").and_then(|mode| mode.parse().ok()).unwrap_or(0)
}

/// Whether profile and packetization mode are the same.
pub fn matches(a: &Fmtp, b: &Fmtp) -> bool {
    let profile = |parameters| ProfileLevelId::of(parameters).map(|id| id.profile);
    packetization_mode(a) == packetization_mode(b) && profile(a).is_some_and(|ours| profile(b) == Some(ours))
}

/// The profile and level to answer with: our own level if both sides allow levels to differ, or else the lower one
/// (RFC 6184 §8.2.2). `None` if the profiles differ.
pub fn answer(ours: &Fmtp, theirs: &Fmtp) -> Option<ProfileLevelId> {
    let (our_id, their_id) = (ProfileLevelId::of(ours)?, ProfileLevelId::of(theirs)?);
    let differs = |parameters: &Fmtp| parameters.parameter("level-asymmetry-allowed") == Some("1");
    let level = if differs(ours) && differs(theirs) { our_id.level } else { our_id.level.min(their_id.level) };
    (our_id.profile == their_id.profile).then_some(ProfileLevelId { profile: our_id.profile, level })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(text: &str) -> Fmtp {
        Fmtp { format: "96".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn profiles_match_rfc_6184_table_5() {
        for (text, profile, level) in [
            ("42e01f", Profile::ConstrainedBaseline, 31),
            ("42C02A", Profile::ConstrainedBaseline, 42),
            ("4d8033", Profile::ConstrainedBaseline, 51),
            ("58f014", Profile::ConstrainedBaseline, 20),
            ("42001f", Profile::Baseline, 31),
            ("58a01f", Profile::Baseline, 31),
            ("4d001f", Profile::Main, 31),
            ("4d400a", Profile::Main, 10),
            ("640c1f", Profile::ConstrainedHigh, 31),
            ("64001f", Profile::High, 31),
            ("f4001f", Profile::PredictiveHigh444, 31),
            ("42f00b", Profile::ConstrainedBaseline, 9),
            ("42100b", Profile::Baseline, 9),
        ] {
            let wanted = ProfileLevelId { profile, level: Level(level) };
            assert_eq!(ProfileLevelId::parse(text), Some(wanted), "{text}");
            assert_eq!(ProfileLevelId::parse(&wanted.to_hex()), Some(wanted), "{text}");
        }
        for text in ["", "42e01", "42e01ff", "gggggg", "64ff1f", "6e001f", "+2e01f"] {
            assert_eq!(ProfileLevelId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn mode_and_profile_must_agree_and_levels_need_not() {
        let of = |mode: u8, id: &str| parameters(&format!("packetization-mode={mode};profile-level-id={id}"));
        assert!(matches(&of(1, "42e01f"), &of(1, "42e034")));
        assert!(matches(&of(1, "42e01f"), &of(1, "4d8014")), "two names of one profile");
        assert!(!matches(&of(1, "42e01f"), &of(0, "42e01f")));
        assert!(!matches(&of(1, "42e01f"), &of(1, "42001f")));
        assert!(!matches(&of(1, "ffffff"), &of(1, "ffffff")), "a profile that nobody knows");
        assert!(matches(&parameters(""), &of(0, "42e00a")));
    }

    #[test]
    fn the_answer_has_the_lower_level_unless_both_allow_a_difference() {
        let of = |id: &str, asymmetry: &str| parameters(&format!("profile-level-id={id}{asymmetry}"));
        let hex = |ours: &Fmtp, theirs: &Fmtp| answer(ours, theirs).map(ProfileLevelId::to_hex);
        let allowed = ";level-asymmetry-allowed=1";
        assert_eq!(hex(&of("42e034", allowed), &of("42e01f", allowed)).as_deref(), Some("42e034"));
        assert_eq!(hex(&of("42e034", allowed), &of("42e01f", "")).as_deref(), Some("42e01f"));
        assert_eq!(hex(&of("42e00a", ""), &of("42f00b", "")).as_deref(), Some("42e00a"), "1 is below 1b");
        assert_eq!(hex(&of("42e00b", ""), &of("42f00b", "")).as_deref(), Some("42f00b"), "1b is below 1.1");
        assert_eq!(hex(&of("42e01f", ""), &of("64001f", "")), None);
    }
}
