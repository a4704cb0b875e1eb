//! H.265 in descriptions (RFC 7798 §7).

use crate::attribute::format::Fmtp;

fn number(parameters: &Fmtp, name: &str, default: u8) -> u8 {
    parameters.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The profile; 1 (Main) if not told.
pub fn profile(parameters: &Fmtp) -> u8 {
    number(parameters, "profile-id", 1)
}

/// The tier: 0 main, 1 high; 0 if not told.
pub fn tier(parameters: &Fmtp) -> u8 {
    number(parameters, "tier-flag", 0)
}

/// Thirty times the level's number; 93 (3.1) if not told.
pub fn level(parameters: &Fmtp) -> u8 {
    number(parameters, "level-id", 93)
}

/// Whether profile, tier and transmission mode are the same.
pub fn matches(a: &Fmtp, b: &Fmtp) -> bool {
    let mode = |parameters: &Fmtp| parameters.parameter("tx-mode").unwrap_or("SRST").to_owned();
    profile(a) == profile(b) && tier(a) == tier(b) && mode(a) == mode(b)
}

/// The level to answer with: the lower one.
pub fn answer_level(ours: &Fmtp, theirs: &Fmtp) -> u8 {
    level(ours).min(level(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profile_tier_and_mode_count_and_the_level_is_the_lower_one() {
        let of = |text: &str| Fmtp { format: "96".to_owned(), text: text.to_owned() };
        let ours = of("level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST");
        assert!(matches(&ours, &of("")));
        assert!(!matches(&ours, &of("profile-id=2")));
        assert!(!matches(&ours, &of("tier-flag=1")));
        assert!(!matches(&ours, &of("tx-mode=MRST")));
        assert_eq!(answer_level(&ours, &of("")), 93);
    }
}
