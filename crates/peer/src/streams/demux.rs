//! Which transceiver an RTP packet is for (RFC 9143 §9.2, RFC 8852).

use super::section::Section;
use crate::jsep::transceiver::TransceiverId;
use crate::jsep::transport::TransportId;
use parlour_rtp::RtpPacket;
use parlour_rtp::extension::{ExtensionMap, Mid, RepairedRtpStreamId, RtpStreamId};
use std::collections::HashMap;
use std::sync::Arc;

/// More sources than this are not remembered; packets that name their section are found all the same.
const MAX_SOURCES: usize = 1024;

/// Where a packet belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) transceiver: TransceiverId,
    /// The simulcast layer that it is of, or that it repairs.
    pub(crate) rid: Option<Arc<str>>,
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
        packet: &RtpPacket<'_>,
        map: &ExtensionMap,
        sections: &[Section],
        told: impl FnOnce(u32) -> Option<TransceiverId>,
    ) -> Option<Route> {
        let ssrc = packet.ssrc().0;
        let here = || sections.iter().filter(|known| known.receive_transport == Some(transport) && !known.stopped);
        let payload_type = packet.payload_type().get();
        let wants = |known: &&Section| known.receptive && known.received_as(payload_type).is_some();
        let remembered = self.sources.get(&(transport, ssrc));
        let id = match packet.extension::<Mid<'_>>(map) {
            Some(Mid(mid)) => here().find(|known| known.mid.as_deref() == Some(mid))?.id,
            None => match (remembered, told(ssrc)) {
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
        let rid = packet.extension::<RtpStreamId<'_>>(map).map(|RtpStreamId(rid)| rid);
        let rid = rid.or_else(|| packet.extension::<RepairedRtpStreamId<'_>>(map).map(|RepairedRtpStreamId(rid)| rid));
        if let Some(known) = remembered.filter(|known| known.transceiver == id)
            && (rid.is_none() || rid == known.rid.as_deref())
        {
            return Some(known.clone());
        }
        let route = Route { transceiver: id, rid: rid.map(Into::into) };
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
    use crate::jsep::transceiver::{TrackKind, Transceiver};
    use parlour_rtp::extension::ExtensionKind;
    use parlour_sdp::Direction;

    const TRANSPORT: TransportId = TransportId(1);

    fn sections() -> Vec<Section> {
        let mut rng: crate::Rng = Box::new(|bytes| bytes.fill(1));
        let mut make = |nth: u32, kind, capabilities: &Capabilities| {
            let mut new =
                Transceiver::new(TransceiverId(nth), kind, Direction::RecvOnly, vec![Encoding::single(kind)], &mut rng);
            new.mid = Some(nth.to_string());
            new.receptive = true;
            new.receiver.transport = Some(TRANSPORT);
            new.receiver.codecs = capabilities.offered(&[], &mut PayloadTypes::default());
            Section::of(&new)
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

    fn route(demux: &mut Demux, at: TransportId, all: &[Section], bytes: &[u8], told: Option<u32>) -> Option<Route> {
        let mut map = ExtensionMap::default();
        map.insert(4, ExtensionKind::Mid);
        map.insert(10, ExtensionKind::RtpStreamId);
        map.insert(11, ExtensionKind::RepairedRtpStreamId);
        let packet = RtpPacket::parse(bytes).unwrap();
        demux.route(at, &packet, &map, all, |ssrc| (told == Some(ssrc)).then_some(TransceiverId(3)))
    }

    fn find(demux: &mut Demux, all: &[Section], bytes: &[u8]) -> Option<(u32, Option<String>)> {
        let route = route(demux, TRANSPORT, all, bytes, None)?;
        Some((route.transceiver.0, route.rid.map(|rid| rid.to_string())))
    }

    /// RFC 9143 §9.2: the name of the section counts, and the source is remembered by it; another name moves it.
    #[test]
    fn a_source_belongs_to_the_section_that_it_named() {
        let (mut demux, all) = (Demux::default(), sections());
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
        let (mut demux, all) = (Demux::default(), sections());
        assert_eq!(find(&mut demux, &all, &packet(111, 1, &[])), Some((1, None)));
        let told = route(&mut demux, TRANSPORT, &all, &packet(96, 5, &[]), Some(5));
        assert_eq!(told.unwrap().transceiver.0, 3);
        assert_eq!(find(&mut demux, &all, &packet(77, 1, &[])), None, "no such payload type");
        assert_eq!(route(&mut demux, TransportId(2), &all, &packet(111, 1, &[]), None), None, "another transport");
    }

    /// RFC 8852 §3: the layer is named in the first packets only.
    #[test]
    fn layers_are_remembered() {
        let (mut demux, all) = (Demux::default(), sections());
        let named = packet(96, 7, &[(4, "2"), (10, "hi")]);
        assert_eq!(find(&mut demux, &all, &named), Some((2, Some("hi".into()))));
        assert_eq!(find(&mut demux, &all, &packet(96, 7, &[])), Some((2, Some("hi".into()))));
        let repair = packet(97, 8, &[(4, "2"), (11, "hi")]);
        assert_eq!(find(&mut demux, &all, &repair), Some((2, Some("hi".into()))));
    }

    /// W3C webrtc-pc §5.4: what is not receptive gets nothing.
    #[test]
    fn nobody_gets_what_was_not_negotiated() {
        let (mut demux, mut all) = (Demux::default(), sections());
        all[0].receptive = false;
        assert_eq!(find(&mut demux, &all, &packet(111, 1, &[])), None);
        assert_eq!(find(&mut demux, &all, &packet(111, 1, &[(4, "1")])), None);
    }
}
