//! Which transceiver an RTP packet is for (RFC 9143 §9.2, RFC 8852).

use crate::jsep::extensions::uri;
use crate::jsep::transceiver::{Transceiver, TransceiverId};
use crate::jsep::transport::TransportId;
use parlour_rtp::RtpPacket;
use std::collections::HashMap;

/// More sources than this are not remembered; packets that name their section are found all the same.
const MAX_SOURCES: usize = 1024;

/// Where a packet belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) transceiver: TransceiverId,
    /// The simulcast layer that it is of, or that it repairs.
    pub(crate) rid: Option<String>,
}

/// Remembers which source is whose.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    sources: HashMap<(TransportId, u32), Route>,
}

impl Demux {
    /// Finds the transceiver: by the name of the section in the packet, or else by its source, told in a description or
    /// seen before, or else by a payload type that only one section has. `None` for a packet that is nobody's, or that
    /// nobody wants now.
    pub(crate) fn route(
        &mut self,
        transport: TransportId,
        packet: &[u8],
        transceivers: &[Transceiver],
        told: impl FnOnce(u32) -> Option<TransceiverId>,
    ) -> Option<Route> {
        let packet = RtpPacket::parse(packet).ok()?;
        let ssrc = packet.ssrc().0;
        let here = || transceivers.iter().filter(|known| known.receiver.transport == Some(transport) && !known.stopped);
        // Numbers mean the same in all sections of a transport (RFC 8285 §5).
        let value = |name: &str| {
            let mut ids = here().flat_map(|known| &known.receiver.extensions).filter(|extmap| extmap.uri == name);
            let id = ids.next()?.id;
            let element = packet.extensions().find(|element| u16::from(element.id) == id)?;
            std::str::from_utf8(element.data).ok().map(|text| text.trim_end_matches('\0').to_owned())
        };
        let payload_type = packet.payload_type().get();
        let wants = |known: &&Transceiver| {
            known.receptive && known.receiver.codecs.iter().any(|codec| codec.payload_type == payload_type)
        };
        let remembered = self.sources.get(&(transport, ssrc)).cloned();
        let id = match value(uri::MID) {
            Some(mid) => here().find(|known| known.mid.as_deref() == Some(mid.as_str()))?.id,
            None => match (&remembered, told(ssrc)) {
                (Some(route), _) => route.transceiver,
                (None, Some(id)) => id,
                (None, None) => {
                    let mut candidates = here().filter(wants);
                    let only = candidates.next()?.id;
                    if candidates.next().is_some() {
                        return None;
                    }
                    only
                }
            },
        };
        here().find(|known| known.id == id).filter(wants)?;
        let rid = value(uri::RTP_STREAM_ID).or_else(|| value(uri::REPAIRED_RTP_STREAM_ID));
        let before = remembered.filter(|route| route.transceiver == id);
        let rid = rid.or_else(|| before.and_then(|route| route.rid));
        let route = Route { transceiver: id, rid };
        if self.sources.len() < MAX_SOURCES || self.sources.contains_key(&(transport, ssrc)) {
            self.sources.insert((transport, ssrc), route.clone());
        }
        Some(route)
    }

    /// Descriptions have changed who is where.
    pub(crate) fn forget(&mut self, stays: impl Fn(TransportId, TransceiverId) -> bool) {
        self.sources.retain(|(transport, _), route| stays(*transport, route.transceiver));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsep::codecs::{Capabilities, PayloadTypes};
    use crate::jsep::encodings::Encoding;
    use crate::jsep::transceiver::TrackKind;
    use parlour_sdp::{Direction, Extmap};

    const TRANSPORT: TransportId = TransportId(1);

    fn transceivers() -> Vec<Transceiver> {
        let mut rng: crate::Rng = Box::new(|bytes| bytes.fill(1));
        let mut make = |nth: u32, kind, capabilities: &Capabilities| {
            let mut new =
                Transceiver::new(TransceiverId(nth), kind, Direction::RecvOnly, vec![Encoding::single(kind)], &mut rng);
            new.mid = Some(nth.to_string());
            new.receptive = true;
            new.receiver.transport = Some(TRANSPORT);
            new.receiver.codecs = capabilities.offered(&[], &mut PayloadTypes::default());
            let names = [(4, uri::MID), (10, uri::RTP_STREAM_ID), (11, uri::REPAIRED_RTP_STREAM_ID)];
            new.receiver.extensions =
                names.map(|(id, uri)| Extmap { id, direction: None, uri: uri.into(), attributes: None }).to_vec();
            new
        };
        vec![
            make(1, TrackKind::Audio, &Capabilities::audio()),
            make(2, TrackKind::Video, &Capabilities::video()),
            make(3, TrackKind::Video, &Capabilities::video()),
        ]
    }

    fn packet(payload_type: u8, ssrc: u8, extensions: &[(u8, &str)]) -> Vec<u8> {
        let mut elements = Vec::new();
        for (id, text) in extensions {
            elements.push(id << 4 | (text.len() as u8 - 1));
            elements.extend_from_slice(text.as_bytes());
        }
        elements.resize(elements.len().next_multiple_of(4), 0);
        let mut packet =
            vec![0x90, payload_type, 0, 1, 0, 0, 0, 1, 0, 0, 0, ssrc, 0xbe, 0xde, 0, (elements.len() / 4) as u8];
        packet.extend(elements);
        packet.extend([1, 2, 3]);
        packet
    }

    fn find(demux: &mut Demux, all: &[Transceiver], bytes: &[u8]) -> Option<(u32, Option<String>)> {
        demux.route(TRANSPORT, bytes, all, |_| None).map(|route| (route.transceiver.0, route.rid))
    }

    /// RFC 9143 §9.2: the name of the section counts, and the source is remembered by it; another name moves it.
    #[test]
    fn a_source_belongs_to_the_section_that_it_named() {
        let (mut demux, all) = (Demux::default(), transceivers());
        assert_eq!(find(&mut demux, &all, &packet(96, 7, &[])), None, "two sections have VP8");
        assert_eq!(find(&mut demux, &all, &packet(96, 7, &[(4, "3")])), Some((3, None)));
        assert_eq!(find(&mut demux, &all, &packet(96, 7, &[])), Some((3, None)));
        assert_eq!(find(&mut demux, &all, &packet(96, 7, &[(4, "2")])), Some((2, None)));
        assert_eq!(find(&mut demux, &all, &packet(96, 7, &[])), Some((2, None)));
        assert_eq!(find(&mut demux, &all, &packet(96, 8, &[(4, "9")])), None, "nobody is called so");
    }

    /// RFC 9143 §9.2: a payload type of one section only, or a source that a description told.
    #[test]
    fn without_a_name_payload_type_and_description_decide() {
        let (mut demux, all) = (Demux::default(), transceivers());
        assert_eq!(find(&mut demux, &all, &packet(111, 1, &[])), Some((1, None)));
        let told = demux.route(TRANSPORT, &packet(96, 5, &[]), &all, |ssrc| (ssrc == 5).then_some(TransceiverId(3)));
        assert_eq!(told.unwrap().transceiver.0, 3);
        assert_eq!(find(&mut demux, &all, &packet(77, 1, &[])), None, "no such payload type");
        assert_eq!(demux.route(TransportId(2), &packet(111, 1, &[]), &all, |_| None), None, "another transport");
    }

    /// RFC 8852 §3: the layer is named in the first packets only.
    #[test]
    fn layers_are_remembered() {
        let (mut demux, all) = (Demux::default(), transceivers());
        let named = packet(96, 7, &[(4, "2"), (10, "hi")]);
        assert_eq!(find(&mut demux, &all, &named), Some((2, Some("hi".into()))));
        assert_eq!(find(&mut demux, &all, &packet(96, 7, &[])), Some((2, Some("hi".into()))));
        let repair = packet(97, 8, &[(4, "2"), (11, "hi")]);
        assert_eq!(find(&mut demux, &all, &repair), Some((2, Some("hi".into()))));
    }

    /// W3C webrtc-pc §5.4: what is not receptive gets nothing.
    #[test]
    fn nobody_gets_what_was_not_negotiated() {
        let (mut demux, mut all) = (Demux::default(), transceivers());
        all[0].receptive = false;
        assert_eq!(find(&mut demux, &all, &packet(111, 1, &[])), None);
        assert_eq!(find(&mut demux, &all, &packet(111, 1, &[(4, "1")])), None);
    }
}
