//! AV1 in descriptions (RTP Payload Format For AV1, §7.2).

use crate::attribute::format::Fmtp;

fn number(parameters: &Fmtp, name: &str, default: u8) -> u8 {
    parameters.parameter(name).and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The profile; 0 (Main) if not told.
pub fn profile(parameters: &Fmtp) -> u8 {
    number(parameters, "profile", 0)
}

/// The index of the level; 5 (3.1) if not told.
pub fn level_index(parameters: &Fmtp) -> u8 {
    number(parameters, "level-idx", 5)
}

/// The tier: 0 main, 1 high; 0 if not told.
pub fn tier(parameters: &Fmtp) -> u8 {
    number(parameters, "tier", 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_main_3_1() {
        let of = |text: &str| Fmtp { format: "45".to_owned(), text: text.to_owned() };
        assert_eq!((profile(&of("")), level_index(&of("")), tier(&of(""))), (0, 5, 0));
        let all = of("level-idx=13;profile=1;tier=1");
        assert_eq!((profile(&all), level_index(&all), tier(&all)), (1, 13, 1));
    }
}
