//! Cursors over borrowed bytes that end instead of panicking.

/// Takes bytes from the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A number of seven bits a byte, the lowest first (LEB128, AV1 §4.10.5), of at most 32 bits.
    pub(crate) fn leb128(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for at in 0..8 {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok();
            }
        }
        None
    }
}

/// Takes bits from the front, the highest of each byte first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// A number of at most 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    /// A number below `limit` in the non-symmetric coding of AV1 (§4.10.7).
    pub(crate) fn non_symmetric(&mut self, limit: u32) -> Option<u32> {
        let width = 32 - limit.leading_zeros();
        let shorter = (1u32 << width).checked_sub(limit)?;
        let value = self.bits(width.checked_sub(1)?)?;
        if value < shorter {
            return Some(value);
        }
        Some((value << 1 | self.bits(1)?) - shorter)
    }
}

/// Appends bits, the highest of each byte first.
#[derive(Debug)]
pub(crate) struct BitWriter<'a> {
    bytes: &'a mut Vec<u8>,
    /// Bits used in the last byte, 0 to 7; 0 means that a new byte comes.
    used: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, used: 0 }
    }

    pub(crate) fn bits(&mut self, count: u32, value: u32) {
        for at in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> at & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    pub(crate) fn non_symmetric(&mut self, limit: u32, value: u32) {
        let width = 32 - limit.leading_zeros();
        let shorter = (1u32 << width) - limit;
        if value < shorter {
            self.bits(width - 1, value);
        } else {
            self.bits(width, value + shorter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_symmetric_numbers_come_back() {
        for limit in 1..40 {
            for value in 0..limit {
                let mut bytes = Vec::new();
                BitWriter::new(&mut bytes).non_symmetric(limit, value);
                assert_eq!(BitReader::new(&bytes).non_symmetric(limit), Some(value), "{value} below {limit}");
            }
        }
    }
}
