//! Fuzz targets: what reads bytes from the network must bear any bytes.
//!
//! Each target is a function of one input that panics when a promise is broken. `cargo xtask fuzz` feeds it inputs that libFuzzer makes up; the tests of this
//! crate feed it the seeds, among which are the inputs that once broke something.

mod ice_agent;
mod ice_mdns;
mod ice_network;
mod rtcp;
mod rtp_packet;
mod rtp_payload;
mod sctp_association;
mod sctp_packet;
mod sdp;
mod signaling_hub;
mod socketio_packet;
mod srtp;
mod stun_message;
mod turn_client;
mod turn_server;

pub use ice_agent::ice_agent;
pub use ice_mdns::ice_mdns;
pub use ice_network::ice_network;
pub use rtcp::rtcp;
pub use rtp_packet::rtp_packet;
pub use rtp_payload::rtp_payload;
pub use sctp_association::sctp_association;
pub use sctp_packet::sctp_packet;
pub use sdp::sdp;
pub use signaling_hub::signaling_hub;
pub use socketio_packet::socketio_packet;
pub use srtp::srtp;
pub use stun_message::stun_message;
pub use turn_client::turn_client;
pub use turn_server::turn_server;

/// A target: its name, and what runs one input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, in the order of their names.
pub const TARGETS: &[Target] = &[
    ("ice_agent", ice_agent),
    ("ice_mdns", ice_mdns),
    ("ice_network", ice_network),
    ("rtcp", rtcp),
    ("rtp_packet", rtp_packet),
    ("rtp_payload", rtp_payload),
    ("sctp_association", sctp_association),
    ("sctp_packet", sctp_packet),
    ("sdp", sdp),
    ("signaling_hub", signaling_hub),
    ("socketio_packet", socketio_packet),
    ("srtp", srtp),
    ("stun_message", stun_message),
    ("turn_client", turn_client),
    ("turn_server", turn_server),
];
