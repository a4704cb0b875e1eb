//! How two peers reach each other safely: certificates, ICE, DTLS, and what goes through: SRTP and SCTP.

pub(crate) mod candidate;
pub(crate) mod certificate;
pub(crate) mod data;
pub(crate) mod dtls;
pub(crate) mod link;
