//! Streams of RTP: which transceiver a packet belongs to.

pub(crate) mod demux;
