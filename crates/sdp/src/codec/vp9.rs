//! VP9 in descriptions (RFC 9628 §6).

use crate::attribute::format::Fmtp;

/// The profile; 0 if not told.
pub fn profile(parameters: &Fmtp) -> u8 {
    parameters.parameter("profile-id").and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_profile_0() {
        let of = |text: &str| Fmtp { format: "98".to_owned(), text: text.to_owned() };
        assert_eq!(profile(&of("")), 0);
        assert_eq!(profile(&of("profile-id=2")), 2);
    }
}
