//! What Engine.IO packets (protocol 3 and 4) a client may send.
//!
//! The library below takes more: binary attachments, as many as a client announces, and texts that it cannot cut. Neither is of use for
//! signaling, so they end here.

/// How many bytes of a packet tell whether it may pass.
pub(super) const START: usize = 3;

/// Whether a packet that begins like this may pass. The first byte is the kind of Engine.IO packet; in a message the second one is the kind of
/// Socket.IO packet, and behind it stand a namespace, a number, or what it is about.
pub(super) fn allowed(start: &[u8]) -> bool {
    match start {
        // Close, ping, pong, upgrade, no operation; and the probes `2probe` and `3probe`.
        [b'1' | b'2' | b'3' | b'5' | b'6'] | [b'2' | b'3', b'p', ..] => true,
        // Connect and disconnect; event and acknowledgement.
        [b'4', b'0' | b'1', ..] | [b'4', b'2' | b'3', b'[' | b'/' | b'0'..=b'9', ..] => true,
        _ => false,
    }
}

fn packet_allowed(packet: &[u8]) -> bool {
    allowed(packet.get(..START).unwrap_or(packet))
}

/// Whether all packets in the body of a polling request may pass.
pub(super) fn body_allowed(protocol: Protocol, body: &[u8]) -> bool {
    match protocol {
        Protocol::V4 => body.split(|byte| *byte == 0x1e).all(packet_allowed),
        Protocol::V3 => std::str::from_utf8(body).is_ok_and(v3_allowed),
    }
}

/// The revision of Engine.IO, as `EIO` in the query says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Of Socket.IO 1 and 2.
    V3,
    /// Of Socket.IO 3 and later.
    V4,
}

/// Protocol 3 puts the length before each packet, in the units of JavaScript's strings.
fn v3_allowed(mut body: &str) -> bool {
    while !body.is_empty() {
        let Some((length, rest)) = body.split_once(':') else { return false };
        let Ok(mut units) = length.parse::<usize>() else { return false };
        let mut end = 0;
        for letter in rest.chars() {
            if units == 0 {
                break;
            }
            let Some(less) = units.checked_sub(letter.len_utf16()) else { return false };
            units = less;
            end += letter.len_utf8();
        }
        let (Some(packet), Some(after)) = (rest.get(..end), rest.get(end..)) else { return false };
        if units > 0 || !packet_allowed(packet.as_bytes()) {
            return false;
        }
        body = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_signaling_pass_and_others_do_not() {
        for packet in ["1", "2", "3", "2probe", "3probe", "5", "6", "40", "40{\"token\":1}", "41", "42[\"x\"]", "431[]"]
        {
            assert!(packet_allowed(packet.as_bytes()), "{packet}");
        }
        for packet in ["", "0", "7", "4", "42", "42{}", "45-1[]", "46", "44", "bAAAA", "\u{e9}1234", "hello"] {
            assert!(!packet_allowed(packet.as_bytes()), "{packet}");
        }
    }

    #[test]
    fn bodies_of_both_protocols_are_looked_through() {
        assert!(body_allowed(Protocol::V4, b"40\x1e42[\"a\"]\x1e3"));
        assert!(!body_allowed(Protocol::V4, b"40\x1ebAAAA"));
        assert!(!body_allowed(Protocol::V4, b""));
        assert!(body_allowed(Protocol::V3, "2:40".as_bytes()));
        assert!(body_allowed(Protocol::V3, "9:42[\"\u{e4}\",1]1:2".as_bytes()));
        assert!(body_allowed(Protocol::V3, "8:42[\"\u{1f600}\"]".as_bytes()), "two units");
        for body in ["x", "5:40", "99999999999999999999:4", "2:bA", "1:\u{1f600}", ":"] {
            assert!(!body_allowed(Protocol::V3, body.as_bytes()), "{body}");
        }
    }
}
