//! Offer and answer by the public interface: RFC 9429 and the slots of W3C webrtc-pc.

mod browsers;
mod chain;
mod connect;
mod dialogs;
mod media;
mod perfect_negotiation;
mod states;
mod support;
mod transceivers;
