//! What real encoders wrote comes back bit for bit: cut into packets, lost, sent again by RTX, shuffled, put together.

use parlour_rtp::extension::ExtensionForm;
use parlour_rtp::payload::av1::{Av1Depacketizer, Av1Packetizer};
use parlour_rtp::payload::h264::{self, H264Depacketizer, H264Packetizer, PacketizationMode};
use parlour_rtp::payload::h265::{self, H265Depacketizer, H265Packetizer};
use parlour_rtp::payload::opus::OpusPacket;
use parlour_rtp::payload::vp8::{self, Vp8Depacketizer, Vp8Packetizer};
use parlour_rtp::payload::vp9::{self, Vp9Depacketizer, Vp9Packetizer};
use parlour_rtp::payload::{Depacketizer, Packetizer, av1};
use parlour_rtp::rtx::{self, Restored};
use parlour_rtp::{
    PayloadType, RtpHeader, RtpPacket, RtpTimestamp, RtpWriter, SequenceNumber, SequenceUnwrapper, Ssrc,
};

const MAX_PAYLOAD: usize = 300;
const MEDIA: (Ssrc, PayloadType) = (Ssrc(1), PayloadType::from_low_bits(96));
const RTX: (Ssrc, PayloadType) = (Ssrc(2), PayloadType::from_low_bits(97));

fn data(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// The frames of an IVF file.
fn ivf(name: &str) -> Vec<Vec<u8>> {
    let file = data(name);
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<12>() {
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        frames.push(after[..length].to_vec());
        rest = &after[length..];
    }
    assert_eq!(frames.len(), 8, "{name}");
    frames
}

/// The access units of a byte stream, each from one delimiter to the next, with start codes of four bytes.
fn access_units(name: &str, starts: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let file = data(name);
    let mut starts_at: Vec<usize> =
        file.windows(3).enumerate().filter(|(_, code)| code == &[0, 0, 1]).map(|(at, _)| at).collect();
    starts_at.push(file.len());
    let mut units: Vec<Vec<u8>> = Vec::new();
    for pair in starts_at.windows(2) {
        let mut unit = &file[pair[0] + 3..pair[1]];
        while let Some((0, shorter)) = unit.split_last() {
            unit = shorter;
        }
        if units.is_empty() || starts(unit) {
            units.push(Vec::new());
        }
        let last = units.last_mut().unwrap();
        last.extend([0, 0, 0, 1]);
        last.extend(unit);
    }
    units
}

/// A whole packet for each payload of each frame; the sequence numbers wrap on the way.
fn packets<'f, P: Packetizer + 'f>(frames: &'f [Vec<u8>], packetize: impl Fn(&'f [u8], usize) -> P) -> Vec<Vec<u8>> {
    let mut sequence_number = SequenceNumber(65_520);
    let mut all = Vec::new();
    for (at, frame) in frames.iter().enumerate() {
        let mut packetizer = packetize(frame, at);
        let mut payload = Vec::new();
        while let Some(last) = {
            payload.clear();
            packetizer.next_payload(&mut payload)
        } {
            let header = RtpHeader {
                marker: last,
                payload_type: MEDIA.1,
                sequence_number,
                timestamp: RtpTimestamp(3000 * at as u32),
                ssrc: MEDIA.0,
            };
            let mut out = Vec::new();
            RtpWriter::new(&mut out, &header, &[], ExtensionForm::OneByte).payload(&payload);
            all.push(out);
            sequence_number = sequence_number.next();
        }
    }
    all
}

/// Every fifth packet is lost and comes later as RTX; the rest is displaced by up to nine places.
fn disturb(packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut random = 7u64;
    let mut placed: Vec<(u64, Vec<u8>)> = Vec::new();
    for (at, packet) in packets.into_iter().enumerate() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if at % 5 == 3 {
            let mut again = Vec::new();
            rtx::encapsulate(&packet, RTX.0, RTX.1, SequenceNumber(at as u16), &mut again).unwrap();
            placed.push((at as u64 + 20, again));
        } else {
            placed.push((at as u64 + (random >> 60), packet));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, packet)| packet).collect()
}

/// The frames in packets that arrive in any order.
fn frames(arrived: Vec<Vec<u8>>, mut depacketizer: impl Depacketizer) -> Vec<Vec<u8>> {
    let mut unwrapper = SequenceUnwrapper::default();
    let mut ordered = Vec::new();
    for mut packet in arrived {
        let start = match RtpPacket::parse(&packet).unwrap().ssrc() {
            ssrc if ssrc == RTX.0 => match rtx::restore(&mut packet, MEDIA.0, MEDIA.1).unwrap() {
                Restored::Original { start, .. } => start,
                Restored::Probe => continue,
            },
            _ => 0,
        };
        let packet = packet[start..].to_vec();
        let number = RtpPacket::parse(&packet).unwrap().sequence_number();
        ordered.push((unwrapper.unwrap(number), packet));
    }
    ordered.sort_by_key(|(number, _)| *number);
    let mut frames = vec![Vec::new()];
    for (_, packet) in &ordered {
        let packet = RtpPacket::parse(packet).unwrap();
        assert_eq!((packet.ssrc(), packet.payload_type()), MEDIA);
        depacketizer.push(packet.payload(), frames.last_mut().unwrap()).unwrap();
        if packet.marker() {
            frames.push(Vec::new());
        }
    }
    assert_eq!(frames.pop(), Some(Vec::new()), "the last packet ends a frame");
    frames
}

fn payloads(packets: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    packets.iter().map(|packet| RtpPacket::parse(packet).unwrap().payload())
}

#[test]
fn vp8_of_libvpx() {
    let sent = ivf("vp8.ivf");
    let descriptor = |at| vp8::Descriptor { picture_id: Some(vp8::PictureId::Long(at as u16)), ..Default::default() };
    let packets = packets(&sent, |frame, at| Vp8Packetizer::new(frame, descriptor(at), MAX_PAYLOAD).unwrap());
    let facts: Vec<_> = payloads(&packets).map(|payload| vp8::inspect(payload).unwrap()).collect();
    assert!(facts[0].starts_key_frame && facts[0].resolution == Some((160, 120)));
    assert_eq!(facts.iter().filter(|facts| facts.starts_key_frame).count(), 1);
    assert_eq!(frames(disturb(packets), Vp8Depacketizer), sent);
}

#[test]
fn vp9_of_libvpx() {
    let sent = ivf("vp9.ivf");
    let descriptor = |at| vp9::Descriptor {
        inter_picture: at > 0,
        picture_id: Some(vp8::PictureId::Long(at as u16)),
        layer: Some(vp9::LayerIndices::default()),
        tl0_pic_idx: Some(at as u8),
        structure: (at == 0).then(|| vp9::ScalabilityStructure::new(&[(160, 120)]).unwrap()),
        ..Default::default()
    };
    let packets = packets(&sent, |frame, at| Vp9Packetizer::new(frame, descriptor(at), MAX_PAYLOAD).unwrap());
    let key_frames = payloads(&packets).filter(|payload| vp9::Descriptor::parse(payload).unwrap().0.starts_key_frame());
    assert_eq!(key_frames.count(), 1);
    assert_eq!(frames(disturb(packets), Vp9Depacketizer), sent);
}

#[test]
fn av1_of_svt() {
    let sent = ivf("av1.ivf");
    let packets = packets(&sent, |frame, _| Av1Packetizer::new(frame, MAX_PAYLOAD).unwrap());
    assert!(payloads(&packets).next().is_some_and(av1::starts_key_frame));
    let without_delimiter: Vec<_> =
        sent.iter().map(|unit| unit.strip_prefix(&[0x12, 0]).expect("a temporal delimiter").to_vec()).collect();
    assert_eq!(frames(disturb(packets), Av1Depacketizer::default()), without_delimiter);
}

#[test]
fn h264_of_x264() {
    let with_delimiters = access_units("h264.h264", |unit| unit[0] & 0x1f == 9);
    assert_eq!(with_delimiters.len(), 8);
    let packets = packets(&with_delimiters, |unit, _| {
        H264Packetizer::new(unit, PacketizationMode::NonInterleaved, MAX_PAYLOAD).unwrap()
    });
    let facts: Vec<_> = payloads(&packets).map(|payload| h264::inspect(payload).unwrap()).collect();
    assert!(facts[0].has_sps && facts[0].has_pps && facts[0].starts_key_frame());
    assert_eq!(facts.iter().filter(|facts| facts.starts_idr).count(), 2, "two slices");
    let sent: Vec<_> = with_delimiters.iter().map(|unit| unit[6..].to_vec()).collect();
    assert_eq!(frames(disturb(packets), H264Depacketizer::default()), sent);
}

#[test]
fn h264_of_openh264() {
    // No delimiters: a picture begins with its parameter sets or with the slice that holds macroblock 0.
    let sent =
        access_units("openh264.h264", |unit| unit[0] & 0x1f == 7 || (unit[0] & 0x1f == 1 && unit[1] & 0x80 != 0));
    assert_eq!(sent.len(), 8);
    let packets =
        packets(&sent, |unit, _| H264Packetizer::new(unit, PacketizationMode::NonInterleaved, MAX_PAYLOAD).unwrap());
    let facts: Vec<_> = payloads(&packets).map(|payload| h264::inspect(payload).unwrap()).collect();
    assert!(facts[0].has_sps && facts[0].has_pps && facts[0].starts_key_frame());
    assert_eq!(facts.iter().filter(|facts| facts.starts_idr).count(), 2, "two slices");
    assert_eq!(frames(disturb(packets), H264Depacketizer::default()), sent);
}

#[test]
fn h265_of_x265() {
    let kind = |unit: &[u8]| unit[0] >> 1 & 0x3f;
    let first_slice = |unit: &[u8]| kind(unit) < 32 && unit[2] & 0x80 != 0 && kind(unit) != 19 && kind(unit) != 20;
    let sent = access_units("h265.h265", first_slice);
    assert_eq!(sent.len(), 8);
    let packets = packets(&sent, |unit, _| H265Packetizer::new(unit, MAX_PAYLOAD).unwrap());
    let facts: Vec<_> = payloads(&packets).map(|payload| h265::inspect(payload).unwrap()).collect();
    assert!(facts[0].has_parameter_sets && facts.iter().any(|facts| facts.starts_random_access));
    assert_eq!(frames(disturb(packets), H265Depacketizer::default()), sent);
}

#[test]
fn opus_of_libopus_tells_its_length() {
    let file = data("opus.ogg");
    let (mut rest, mut packets) = (&file[..], Vec::new());
    while !rest.is_empty() {
        assert_eq!(&rest[..4], b"OggS");
        let count = usize::from(rest[26]);
        let (lacing, mut body) = rest[27..].split_at(count);
        let mut packet = Vec::new();
        for length in lacing {
            let (part, after) = body.split_at(usize::from(*length));
            packet.extend_from_slice(part);
            body = after;
            if *length < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        rest = body;
    }
    assert!(packets.len() > 20);
    for packet in &packets[2..] {
        let facts = OpusPacket::inspect(packet).unwrap();
        assert_eq!((facts.ticks(), facts.silent), (960, false));
    }
}
