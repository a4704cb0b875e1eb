//! What H.264 and H.265 share: NAL units in a byte stream with start codes (ITU-T H.264 and H.265, annex B).

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

/// Appends a start code and the parts of a unit.
pub(crate) fn write_unit(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.extend_from_slice(&START_CODE);
    parts.iter().for_each(|part| out.extend_from_slice(part));
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
