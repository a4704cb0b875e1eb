//! What H.264 and H.265 share: NAL units in a byte stream with start codes (ITU-T H.264 and H.265, annex B), and how payloads hold them whole, several
//! together, or in fragments (RFC 6184 §5.6 to §5.8, RFC 7798 §4.4).

use super::{Depacketizer, Packetizer, PayloadError};
use crate::reader::Reader;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// What the two formats do each in its own way, with unit headers of `N` bytes.
pub(crate) trait NalFormat<const N: usize> {
    /// The types of units as the encoder makes them.
    const UNITS: RangeInclusive<u8>;
    /// The type of a payload with several units.
    const AGGREGATION: u8;
    /// The type of a payload with a part of a unit.
    const FRAGMENTATION: u8;

    /// The type in a header.
    fn unit_type(header: [u8; N]) -> u8;

    /// The same header with another type.
    fn with_type(header: [u8; N], unit_type: u8) -> [u8; N];

    /// Whether a receiver has use for units of this type.
    fn is_sent(unit_type: u8) -> bool;

    /// What the header of an aggregate tells of its units beside its type.
    fn combine(one: [u8; N], other: [u8; N]) -> [u8; N];
}

fn header_of<const N: usize>(unit: &[u8]) -> Option<[u8; N]> {
    unit.first_chunk().copied()
}

fn is_sent<F: NalFormat<N>, const N: usize>(unit: &[u8]) -> bool {
    header_of(unit).is_some_and(|header| F::is_sent(F::unit_type(header)))
}

pub(crate) const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of a byte stream, without start codes and trailing zeros. One pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NalUnits<'a> {
    rest: &'a [u8],
}

impl<'a> NalUnits<'a> {
    pub(crate) fn new(stream: &'a [u8]) -> Self {
        let rest = match start_code(stream) {
            Some((_, after)) => stream.get(after..).unwrap_or_default(),
            None => &[],
        };
        Self { rest }
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (before, after) = start_code(self.rest).unwrap_or((self.rest.len(), self.rest.len()));
            let mut unit = self.rest.get(..before)?;
            self.rest = self.rest.get(after..)?;
            while let Some((0, shorter)) = unit.split_last() {
                unit = shorter;
            }
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    }
}

/// Where the next `00 00 01` begins and ends.
fn start_code(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    // Look for the 1: it is rarer than zeros, and one step skips what cannot be a start code.
    while let Some(found) = bytes.get(from..)?.iter().position(|byte| *byte == 1) {
        let one = from + found;
        if one >= 2 && bytes.get(one - 2..one) == Some(&[0, 0]) {
            return Some((one - 2, one + 1));
        }
        from = one + 1;
    }
    None
}

/// The start and the end bit of a fragment.
const START: u8 = 0x80;
const END: u8 = 0x40;
/// The type of the unit in the same byte.
const FRAGMENT_TYPE: u8 = 0x3f;

/// Cuts an access unit in byte-stream format into payloads.
#[derive(Debug)]
pub(crate) struct NalPacketizer<'f, F, const N: usize> {
    units: NalUnits<'f>,
    /// A unit that is being cut: its header, and what is left of it.
    cut: Option<([u8; N], &'f [u8])>,
    /// Whether payloads may hold several units, or parts of one.
    restructures: bool,
    max_payload: usize,
    format: PhantomData<F>,
}

impl<'f, F: NalFormat<N>, const N: usize> NalPacketizer<'f, F, N> {
    pub(crate) fn new(access_unit: &'f [u8], restructures: bool, max_payload: usize) -> Result<Self, PayloadError> {
        let units = NalUnits::new(access_unit);
        let known = |unit: &[u8]| header_of(unit).is_some_and(|header| F::UNITS.contains(&F::unit_type(header)));
        if !{ units }.all(known) || !{ units }.any(is_sent::<F, N>) {
            return Err(PayloadError::MalformedFrame);
        }
        let too_large = |unit: &[u8]| unit.len() > max_payload && is_sent::<F, N>(unit);
        if max_payload < 8 || (!restructures && { units }.any(too_large)) {
            return Err(PayloadError::TooSmall(max_payload));
        }
        Ok(Self { units, cut: None, restructures, max_payload, format: PhantomData })
    }

    fn next_unit(&mut self) -> Option<&'f [u8]> {
        self.units.find(|unit| is_sent::<F, N>(unit))
    }

    fn is_done(&self) -> bool {
        self.cut.is_none() && !{ self.units }.any(is_sent::<F, N>)
    }

    /// How many of the next units share a payload, with `first` as the first of them.
    fn shared(&self, first: &[u8]) -> usize {
        if !self.restructures {
            return 1;
        }
        let (mut count, mut length) = (1, N + 2 + first.len());
        for unit in { self.units }.filter(|unit| is_sent::<F, N>(unit)) {
            length += 2 + unit.len();
            if length > self.max_payload {
                break;
            }
            count += 1;
        }
        count
    }

    fn write_fragment(&mut self, header: [u8; N], rest: &'f [u8], start: bool, out: &mut Vec<u8>) {
        let (part, rest) = rest.split_at_checked(self.max_payload - N - 1).unwrap_or((rest, &[]));
        let start = if start { START } else { 0 };
        let end = if rest.is_empty() { END } else { 0 };
        out.extend_from_slice(&F::with_type(header, F::FRAGMENTATION));
        out.push(start | end | F::unit_type(header));
        out.extend_from_slice(part);
        self.cut = (!rest.is_empty()).then_some((header, rest));
    }

    fn write_aggregate(&mut self, first: &'f [u8], count: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; N]);
        let mut combined: Option<[u8; N]> = None;
        let mut next = Some(first);
        for _ in 0..count {
            let Some(unit) = next.take().or_else(|| self.next_unit()) else { break };
            out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            out.extend_from_slice(unit);
            let header = header_of(unit);
            combined = combined.zip(header).map(|(one, other)| F::combine(one, other)).or(header);
        }
        if let (Some(header), Some(place)) = (combined, out.get_mut(start..start + N)) {
            place.copy_from_slice(&F::with_type(header, F::AGGREGATION));
        }
    }
}

impl<F: NalFormat<N>, const N: usize> Packetizer for NalPacketizer<'_, F, N> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        if let Some((header, rest)) = self.cut.take() {
            self.write_fragment(header, rest, false, out);
            return Some(self.is_done());
        }
        let unit = self.next_unit()?;
        let (header, rest) = unit.split_first_chunk::<N>()?;
        if unit.len() > self.max_payload {
            self.write_fragment(*header, rest, true, out);
            return Some(self.is_done());
        }
        match self.shared(unit) {
            1 => out.extend_from_slice(unit),
            count => self.write_aggregate(unit, count, out),
        }
        Some(self.is_done())
    }
}

/// Puts access units together in byte-stream format, with start codes of four bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NalDepacketizer<F, const N: usize> {
    /// Inside a unit that came in fragments.
    cut: bool,
    format: PhantomData<F>,
}

impl<F, const N: usize> Default for NalDepacketizer<F, N> {
    fn default() -> Self {
        Self { cut: false, format: PhantomData }
    }
}

impl<F: NalFormat<N>, const N: usize> Depacketizer for NalDepacketizer<F, N> {
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        let (header, rest) = payload.split_first_chunk::<N>().ok_or(PayloadError::Truncated)?;
        let kind = F::unit_type(*header);
        if self.cut && kind != F::FRAGMENTATION {
            return Err(PayloadError::MissingFragment);
        }
        if kind == F::AGGREGATION {
            let mut reader = Reader::new(rest);
            while let Some(unit) = read_aggregated(&mut reader)? {
                if !unit.is_empty() {
                    write_unit(out, unit);
                }
            }
        } else if kind == F::FRAGMENTATION {
            let (bits, part) = rest.split_first().ok_or(PayloadError::Truncated)?;
            let start = bits & START != 0;
            if start == self.cut {
                return Err(PayloadError::MissingFragment);
            }
            if start {
                write_unit(out, &F::with_type(*header, bits & FRAGMENT_TYPE));
            }
            out.extend_from_slice(part);
            self.cut = bits & END == 0;
        } else if F::UNITS.contains(&kind) {
            write_unit(out, payload);
        } else {
            return Err(PayloadError::Structure(kind));
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.cut = false;
    }
}

/// Calls `tell` with the type of every unit that begins in a payload.
pub(crate) fn inspect_units<F: NalFormat<N>, const N: usize>(
    payload: &[u8],
    mut tell: impl FnMut(u8),
) -> Result<(), PayloadError> {
    let (header, rest) = payload.split_first_chunk::<N>().ok_or(PayloadError::Truncated)?;
    let kind = F::unit_type(*header);
    if kind == F::AGGREGATION {
        let mut reader = Reader::new(rest);
        while let Some(unit) = read_aggregated(&mut reader)? {
            header_of(unit).into_iter().for_each(|header| tell(F::unit_type(header)));
        }
    } else if kind == F::FRAGMENTATION {
        let bits = rest.first().ok_or(PayloadError::Truncated)?;
        if bits & START != 0 {
            tell(F::unit_type(F::with_type(*header, bits & FRAGMENT_TYPE)));
        }
    } else if F::UNITS.contains(&kind) {
        tell(kind);
    } else {
        return Err(PayloadError::Structure(kind));
    }
    Ok(())
}

/// The next unit with its 16-bit length before it; `None` at the end.
fn read_aggregated<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, PayloadError> {
    if reader.is_empty() {
        return Ok(None);
    }
    let length = reader.u16().ok_or(PayloadError::Truncated)?;
    reader.take(usize::from(length)).map(Some).ok_or(PayloadError::Truncated)
}

/// Appends a start code and a unit or the start of one.
pub(crate) fn write_unit(out: &mut Vec<u8>, unit: &[u8]) {
    out.extend_from_slice(&START_CODE);
    out.extend_from_slice(unit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_behind_start_codes_of_three_and_four_bytes() {
        let stream = [9, 9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 2, 0, 0, 0, 0, 1, 0, 0, 1, 0x65, 0, 0];
        let units: Vec<_> = NalUnits::new(&stream).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68, 0, 2], &[0x65]]);
        assert_eq!(NalUnits::new(&[1, 2, 3]).count(), 0);
        assert_eq!(NalUnits::new(&[]).count(), 0);
    }
}
