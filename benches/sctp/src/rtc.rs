//! `rtc-sctp`, which brings too many crates along to be an oracle of the tests.

use crate::{
    net::Peer,
    stacks::{Stack, remote},
};
use bytes::Bytes;
use std::{collections::VecDeque, sync::Arc, time::Instant};

pion_like!(
    RtcSctp,
    rtc_sctp,
    rtc_sctp::Endpoint::new(
        remote(),
        rtc_shared::TransportProtocol::UDP,
        Arc::new(rtc_sctp::EndpointConfig::default()),
        Some(Arc::new(rtc_sctp::ServerConfig::new(rtc_sctp::TransportConfig::default()))),
    ),
    |endpoint: &mut rtc_sctp::Endpoint, now| endpoint
        .connect(now, rtc_sctp::ClientConfig::new(rtc_sctp::TransportConfig::default()), remote())
        .unwrap(),
    |endpoint: &mut rtc_sctp::Endpoint, now, data| endpoint.handle(now, remote(), None, data),
    |transmit: rtc_shared::TransportMessage<rtc_sctp::Payload>| match transmit.message {
        rtc_sctp::Payload::RawEncode(packets) => packets,
        _ => Vec::new(),
    },
    |stream: &mut rtc_sctp::Stream<'_>, now, payload: &Bytes| stream.write_chunk(now, payload).is_ok(),
    |stream: &mut rtc_sctp::Stream<'_>, now| {
        stream.stop(now).unwrap();
    }
);
