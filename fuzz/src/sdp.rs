//! What parses prints, parses again to the same, and prints the same.

use parlour_sdp::{Candidate, SessionDescription, codec};

/// Runs one input.
pub fn sdp(bytes: &[u8]) {
    if let Some(candidate) = std::str::from_utf8(bytes).ok().and_then(Candidate::parse) {
        let _ = candidate.to_string();
    }
    let Ok(description) = SessionDescription::parse(bytes) else { return };
    let printed = description.to_string();
    // Printing may add the line ends that a lenient reading did without, beyond the limits of a reading.
    if let Ok(again) = printed.parse::<SessionDescription>() {
        assert_eq!(again, description);
        assert_eq!(again.to_string(), printed);
    } else {
        assert!(printed.len() > 8 << 10);
    }
    for media in &description.media {
        let codecs = media.codecs();
        codec::matching(&codecs, &codecs);
        media.candidates().for_each(drop);
        media.fingerprints(&description);
        media.ice_credentials(&description);
    }
}
