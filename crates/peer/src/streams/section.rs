//! What descriptions say of the streams of a transceiver, in the form in which packets ask for it.

use super::format::Format;
use crate::jsep::transceiver::{EncodingSsrcs, TrackKind, Transceiver, TransceiverId};
use crate::jsep::transport::TransportId;
use parlour_rtp::extension::{ExtensionForm, ExtensionKind, ExtensionMap};
use parlour_sdp::codec::Codec;
use parlour_sdp::{Direction, Extmap};
use std::sync::Arc;

/// A codec that was negotiated, by its payload type.
#[derive(Clone, Debug)]
pub(crate) struct Coding {
    pub(crate) payload_type: u8,
    pub(crate) clock_rate: u32,
    pub(crate) mime_type: Arc<str>,
    /// None if frames of it cannot be read or sent.
    pub(crate) format: Option<Format>,
    /// It retransmits this payload type (RFC 4588).
    pub(crate) repairs: Option<u8>,
    /// It carries something of its own, that a sender would take as its codec.
    pub(crate) is_primary: bool,
    pub(crate) nack: bool,
    pub(crate) pli: bool,
    pub(crate) fir: bool,
}

impl Coding {
    fn of(kind: TrackKind, codec: &Codec) -> Self {
        let kind_name = if kind == TrackKind::Audio { "audio" } else { "video" };
        let auxiliary = ["rtx", "red", "ulpfec", "flexfec-03", "CN", "telephone-event"];
        Self {
            payload_type: codec.payload_type,
            clock_rate: codec.clock_rate,
            mime_type: format!("{kind_name}/{}", codec.name).into(),
            format: Format::of(kind, codec),
            repairs: codec.associated_payload_type(),
            is_primary: !auxiliary.iter().any(|name| codec.is(name)),
            nack: codec.has_feedback("nack", None),
            pli: codec.has_feedback("nack", Some("pli")),
            fir: codec.has_feedback("ccm", Some("fir")),
        }
    }
}

/// One encoding of a sender.
#[derive(Clone, Debug)]
pub(crate) struct EncodingToSend {
    pub(crate) rid: Option<Arc<str>>,
    pub(crate) ssrcs: EncodingSsrcs,
    pub(crate) active: bool,
    /// The payload type to send if a frame does not say.
    pub(crate) payload_type: Option<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) id: TransceiverId,
    pub(crate) kind: TrackKind,
    pub(crate) mid: Option<Arc<str>>,
    pub(crate) stopped: bool,
    /// Where its packets come.
    pub(crate) receive_transport: Option<TransportId>,
    pub(crate) receptive: bool,
    pub(crate) receive: Vec<Coding>,
    /// Where its packets go.
    pub(crate) send_transport: Option<TransportId>,
    pub(crate) sends: bool,
    pub(crate) send: Vec<Coding>,
    pub(crate) encodings: Vec<EncodingToSend>,
    pub(crate) reduced_size_rtcp: bool,
}

impl Section {
    pub(crate) fn of(transceiver: &Transceiver) -> Self {
        let codings = |codecs: &[Codec]| codecs.iter().map(|codec| Coding::of(transceiver.kind, codec)).collect();
        let send: Vec<Coding> = codings(&transceiver.sender.codecs);
        let encodings = transceiver.sender.encodings.iter().zip(&transceiver.sender.ssrcs);
        let encodings = encodings.map(|(encoding, ssrcs)| {
            let wanted = encoding.codec.as_ref();
            let wanted = wanted.and_then(|wanted| transceiver.sender.codecs.iter().find(|known| wanted.is(known)));
            let first = || send.iter().find(|coding| coding.is_primary).map(|coding| coding.payload_type);
            EncodingToSend {
                rid: encoding.rid.as_deref().map(Into::into),
                ssrcs: *ssrcs,
                active: encoding.active,
                payload_type: wanted.map(|codec| codec.payload_type).or_else(first),
            }
        });
        let encodings = encodings.collect();
        Self {
            id: transceiver.id,
            kind: transceiver.kind,
            mid: transceiver.mid.as_deref().map(Into::into),
            stopped: transceiver.stopped || transceiver.stopping,
            receive_transport: transceiver.receiver.transport,
            receptive: transceiver.receptive,
            receive: codings(&transceiver.receiver.codecs),
            send_transport: transceiver.sender.transport,
            sends: !transceiver.stopping && transceiver.current_direction.is_some_and(Direction::sends),
            send,
            encodings,
            reduced_size_rtcp: transceiver.sender.reduced_size_rtcp,
        }
    }

    pub(crate) fn received_as(&self, payload_type: u8) -> Option<&Coding> {
        self.receive.iter().find(|coding| coding.payload_type == payload_type)
    }

    pub(crate) fn sent_as(&self, payload_type: u8) -> Option<&Coding> {
        self.send.iter().find(|coding| coding.payload_type == payload_type)
    }

    /// What retransmits this payload type.
    pub(crate) fn repair_of(&self, payload_type: u8) -> Option<u8> {
        self.send.iter().find(|coding| coding.repairs == Some(payload_type)).map(|coding| coding.payload_type)
    }
}

/// Which number stands for which header extension in one direction of a transport: the same in all its sections (RFC 8285
/// §5).
#[derive(Clone, Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) map: ExtensionMap,
    pub(crate) form: ExtensionForm,
}

impl Extensions {
    /// Adds the lines of a section; `both` takes only those that may go both ways.
    pub(crate) fn add(&mut self, lines: &[Extmap], both: bool) {
        for line in lines {
            let one_way = line.direction.is_some_and(|direction| direction != Direction::SendRecv);
            let Some(kind) = ExtensionKind::from_uri(&line.uri).filter(|_| !(both && one_way)) else { continue };
            let Ok(id) = u8::try_from(line.id) else { continue };
            if self.map.id_of(kind).is_none() && self.map.kind_of(id).is_none() {
                self.map.insert(id, kind);
                if id > 14 {
                    self.form = ExtensionForm::TwoByte;
                }
            }
        }
    }
}
