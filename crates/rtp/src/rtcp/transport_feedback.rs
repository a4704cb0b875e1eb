use super::{TRANSPORT_LAYER_FEEDBACK, read_feedback, write_feedback};
use crate::numbers::{SequenceNumber, Ssrc};
use crate::reader::Reader;

pub(crate) const FORMAT: u8 = 15;

/// A chunk of a run tells at most this many statuses.
const MAX_RUN: usize = 0x1fff;

/// When each packet of the transport arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
///
/// ```text
/// |      base sequence number     |      packet status count      |
/// |                 reference time                | fb pkt. count |
/// |          packet chunk         |         packet chunk ...      |
/// |  recv delta (1 or 2 bytes) ...                                |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    /// Who received.
    pub sender: Ssrc,
    /// Any stream of the transport.
    pub media: Ssrc,
    /// The transport sequence number that the first status is of.
    pub base: SequenceNumber,
    /// How many packets are told of.
    pub status_count: u16,
    /// The time that deltas count from, in units of 64 ms; 24 bits, signed.
    pub reference_time: i32,
    /// Counts these packets, and wraps.
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    NotReceived,
    SmallDelta,
    LargeDelta,
}

impl Status {
    fn from_bits(bits: u16) -> Self {
        match bits {
            1 => Self::SmallDelta,
            2 => Self::LargeDelta,
            _ => Self::NotReceived, // 3 is reserved
        }
    }
}

/// The statuses that one chunk tells, the first in the highest bits.
#[derive(Clone, Copy, Default)]
struct Chunk {
    statuses: u16,
    width: u16,
    left: u16,
    run: bool,
}

impl Chunk {
    fn new(word: u16) -> Self {
        if word & 0x8000 == 0 {
            Self { statuses: word >> 13 & 3, width: 2, left: word & 0x1fff, run: true }
        } else if word & 0x4000 == 0 {
            Self { statuses: word << 2, width: 1, left: 14, run: false }
        } else {
            Self { statuses: word << 2, width: 2, left: 7, run: false }
        }
    }

    fn next(&mut self) -> Option<Status> {
        self.left = self.left.checked_sub(1)?;
        if self.run {
            return Some(Status::from_bits(self.statuses));
        }
        let status = Status::from_bits(self.statuses >> (16 - self.width));
        self.statuses <<= self.width;
        Some(status)
    }
}

impl<'a> TransportFeedback<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender, media, rest) = read_feedback(body)?;
        let mut reader = Reader::new(rest);
        let base = SequenceNumber(reader.u16()?);
        let status_count = reader.u16()?;
        let reference_time = (reader.u24()? << 8) as i32 >> 8;
        let feedback_count = reader.u8()?;
        let after = reader.rest();
        let mut told = 0;
        while told < usize::from(status_count) {
            let left = Chunk::new(reader.u16()?).left;
            if left == 0 {
                return None; // a run of nothing would let a packet claim anything
            }
            told += usize::from(left);
        }
        let chunks = after.get(..after.len() - reader.rest().len())?;
        let value =
            Self { sender, media, base, status_count, reference_time, feedback_count, chunks, deltas: reader.rest() };
        // Every delta that is promised must be there.
        let received = value.statuses().try_fold(0, |sum, status| match status {
            Status::NotReceived => Some(sum),
            Status::SmallDelta => Some(sum + 1),
            Status::LargeDelta => Some(sum + 2),
        })?;
        (received <= value.deltas.len()).then_some(value)
    }

    fn statuses(&self) -> impl Iterator<Item = Status> + 'a {
        let mut words = Reader::new(self.chunks);
        let mut chunk = Chunk::default();
        (0..self.status_count).map_while(move |_| {
            if chunk.left == 0 {
                chunk = Chunk::new(words.u16()?);
            }
            chunk.next()
        })
    }

    /// Every packet with its arrival time in units of 250 µs since the zero of the reference time; `None` if it has not
    /// arrived. In the order of sending.
    pub fn arrivals(&self) -> impl Iterator<Item = (SequenceNumber, Option<i64>)> + 'a {
        let mut deltas = Reader::new(self.deltas);
        let mut number = self.base;
        let mut time = i64::from(self.reference_time) * 256;
        self.statuses().map_while(move |status| {
            let delta = match status {
                Status::NotReceived => None,
                Status::SmallDelta => Some(i64::from(deltas.u8()?)),
                Status::LargeDelta => Some(i64::from(deltas.u16()? as i16)),
            };
            let this = number;
            number = number.next();
            Some((
                this,
                delta.map(|delta| {
                    time += delta;
                    time
                }),
            ))
        })
    }
}

/// Transport feedback to be written.
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedbackToWrite {
    /// Who received.
    pub sender: Ssrc,
    /// Any stream of the transport.
    pub media: Ssrc,
    /// The transport sequence number of the first status.
    pub base: SequenceNumber,
    /// Counts these packets, and wraps.
    pub feedback_count: u8,
}

impl TransportFeedbackToWrite {
    /// Appends a packet that tells when the packets from the base on arrived: times in units of 250 µs since any fixed
    /// instant, `None` for what has not arrived.
    ///
    /// Returns how many of `arrivals` it tells. That is fewer than all when two neighbours lie more than 8 s apart or the
    /// count reaches 65535; begin the next packet there. Nothing is written if none arrived.
    pub fn write(&self, out: &mut Vec<u8>, arrivals: &[Option<i64>]) -> usize {
        let Some(first) = arrivals.iter().find_map(|arrival| *arrival) else { return 0 };
        let reference_time = first.div_euclid(256);
        let told = tellable(arrivals, reference_time * 256);
        let arrivals = arrivals.get(..told).unwrap_or_default();
        let deltas = |mut time: i64| {
            arrivals.iter().map(move |arrival| {
                arrival.map(|arrival| {
                    let delta = arrival - time;
                    time = arrival;
                    delta
                })
            })
        };
        write_feedback(out, TRANSPORT_LAYER_FEEDBACK, FORMAT, self.sender, self.media, |out| {
            out.extend_from_slice(&self.base.0.to_be_bytes());
            out.extend_from_slice(&(told as u16).to_be_bytes());
            let [.., a, b, c] = reference_time.to_be_bytes();
            out.extend_from_slice(&[a, b, c, self.feedback_count]);
            write_chunks(out, deltas(reference_time * 256).map(status_of));
            for delta in deltas(reference_time * 256).flatten() {
                match u8::try_from(delta) {
                    Ok(small) => out.push(small),
                    Err(_) => out.extend_from_slice(&(delta as i16).to_be_bytes()),
                }
            }
        });
        told
    }
}

/// How many arrivals have deltas that fit into 16 bits.
fn tellable(arrivals: &[Option<i64>], mut time: i64) -> usize {
    let mut fits = |arrival: Option<i64>| {
        arrival.is_none_or(|arrival| i16::try_from(arrival - std::mem::replace(&mut time, arrival)).is_ok())
    };
    arrivals.iter().take(usize::from(u16::MAX)).take_while(|arrival| fits(**arrival)).count()
}

fn status_of(delta: Option<i64>) -> Status {
    match delta {
        None => Status::NotReceived,
        Some(0..=255) => Status::SmallDelta,
        Some(_) => Status::LargeDelta,
    }
}

/// Appends the fewest chunks that a look at the next statuses gives: runs where they are longer than vectors.
fn write_chunks(out: &mut Vec<u8>, statuses: impl Iterator<Item = Status> + Clone) {
    let mut rest = statuses;
    loop {
        let mut ahead = rest.clone();
        let Some(first) = ahead.next() else { return };
        let run = 1 + ahead.take(MAX_RUN - 1).take_while(|status| *status == first).count();
        let one_bit = rest.clone().take(14).all(|status| status != Status::LargeDelta);
        let (word, told) = if run >= 14 || (run >= 7 && !one_bit) {
            ((first as u16) << 13 | run as u16, run)
        } else if one_bit {
            let vector = rest.clone().take(14).zip((0..14).rev());
            (vector.fold(0x8000, |word, (status, bit)| word | (status as u16) << bit), 14)
        } else {
            let vector = rest.clone().take(7).zip((0..14).step_by(2).rev());
            (vector.fold(0xc000, |word, (status, bit)| word | (status as u16) << bit), 7)
        };
        out.extend_from_slice(&word.to_be_bytes());
        rest.nth(told - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::only;
    use super::super::{RtcpPacket, packets};
    use super::*;
    use proptest::prelude::*;

    const TO_WRITE: TransportFeedbackToWrite =
        TransportFeedbackToWrite { sender: Ssrc(1), media: Ssrc(2), base: SequenceNumber(65_530), feedback_count: 9 };

    fn round_trip(arrivals: &[Option<i64>]) -> usize {
        let mut out = Vec::new();
        let told = TO_WRITE.write(&mut out, arrivals);
        let Some(Ok(RtcpPacket::TransportFeedback(feedback))) = packets(&out).next() else { panic!("{out:?}") };
        assert_eq!((feedback.base, feedback.feedback_count), (SequenceNumber(65_530), 9));
        let wanted: Vec<_> =
            (0..).map(|at| SequenceNumber(65_530).add(at)).zip(arrivals[..told].iter().copied()).collect();
        assert_eq!(feedback.arrivals().collect::<Vec<_>>(), wanted);
        told
    }

    #[test]
    fn every_kind_of_chunk_is_written_and_read() {
        let steady: Vec<_> = (0..100).map(|at| Some(1000 + at * 4)).collect();
        assert_eq!(round_trip(&steady), 100);
        let gaps: Vec<_> = (0..100).map(|at| (at % 3 != 0).then_some(5000 + at * 8)).collect();
        assert_eq!(round_trip(&gaps), 100);
        let jumps: Vec<_> = (0..100).map(|at| (at % 5 != 0).then_some(5000 + at * 8 - at % 2 * 3000)).collect();
        assert_eq!(round_trip(&jumps), 100);
        let mut long_gap = vec![None; 9000];
        long_gap.push(Some(-77));
        assert_eq!(round_trip(&long_gap), 9001);
    }

    #[test]
    fn arrivals_too_far_apart_wait_for_the_next_packet() {
        assert_eq!(round_trip(&[Some(0), Some(10), Some(40_000), Some(40_001)]), 2);
    }

    #[test]
    fn nothing_received_is_no_packet() {
        let mut out = Vec::new();
        assert_eq!(TO_WRITE.write(&mut out, &[None, None]), 0);
        assert!(out.is_empty());
    }

    #[test]
    fn promises_must_be_kept() {
        // 65535 statuses in no chunk, in an empty run, and received without deltas.
        for chunk in [&[][..], &[0x20, 0x00, 0, 0], &[0x3f, 0xff, 0, 0]] {
            let mut packet = vec![0x8f, 205, 0, 4 + chunk.len() as u8 / 4];
            packet.extend([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);
            packet.extend(chunk);
            assert!(packets(&packet).next().unwrap().is_err());
        }
    }

    #[test]
    fn truncations_are_refused() {
        let mut out = Vec::new();
        TO_WRITE.write(&mut out, &[Some(1), None, Some(700)]);
        only(&out);
    }

    proptest! {
        #[test]
        fn any_arrivals_come_back(arrivals in prop::collection::vec(prop::option::weighted(0.8, -100_000i64..100_000), 1..200)) {
            if arrivals.iter().any(Option::is_some) && TO_WRITE.write(&mut Vec::new(), &arrivals) > 0 {
                round_trip(&arrivals);
            }
        }
    }
}
