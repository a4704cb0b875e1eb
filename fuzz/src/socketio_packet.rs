//! Packets of Engine.IO and Socket.IO, alone and in bodies of requests of both revisions.

use parlour_signaling::socketio::{Message, Packet, Revision, append, packets};

/// Runs one input.
pub fn socketio_packet(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    packet(text);
    for revision in [Revision::V3, Revision::V4] {
        let mut length = 0;
        let (mut again, mut whole) = (String::new(), true);
        for (number, found) in packets(revision, text).enumerate() {
            let Ok(found) = found else {
                whole = false;
                break;
            };
            packet(found);
            length += found.len();
            assert!(number <= text.len() && length <= text.len(), "more comes out than went in");
            append(revision, found, &mut again);
        }
        // Revision 3 has several ways to write a length, and revision 4 cannot say that an empty packet is the first one.
        if whole && revision == Revision::V3 {
            assert!(packets(revision, &again).eq(packets(revision, text)), "{again}");
        }
        if whole && revision == Revision::V4 && !text.starts_with('\u{1e}') {
            assert_eq!(again, text);
        }
    }
}

fn packet(text: &str) {
    if let Ok(packet) = Packet::parse(text) {
        assert_eq!(packet.to_string(), text);
        if let Packet::Message(text) = packet
            && let Ok(message) = Message::parse(text)
        {
            assert_eq!(Message::parse(&message.to_string()), Ok(message));
        }
    }
}
