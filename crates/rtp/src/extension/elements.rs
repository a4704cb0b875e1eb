//! The one-byte and two-byte forms of elements (RFC 8285 §4.2 and §4.3).

use crate::reader::Reader;
use thiserror::Error;

const ONE_BYTE: u16 = 0xBEDE;
const TWO_BYTE: u16 = 0x1000;

/// How elements are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtensionForm {
    /// Numbers 1 to 14, 1 to 16 bytes each.
    #[default]
    OneByte,
    /// Numbers 1 to 255, 0 to 255 bytes each. To be mixed with the other form only after `a=extmap-allow-mixed`.
    TwoByte,
}

/// Why an element was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WriteExtensionError {
    /// The number or the length needs the two-byte form.
    #[error("header extension {id} of {length} bytes needs the two-byte form")]
    NeedsTwoByteForm {
        /// The number.
        id: u8,
        /// Bytes of data.
        length: usize,
    },
    /// More than 255 bytes.
    #[error("the header extension is longer than 255 bytes")]
    TooLong,
    /// Zero is no number for an extension.
    #[error("zero is no number for a header extension")]
    ZeroId,
}

/// One or two bytes before the data of an element.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ElementHeader {
    One([u8; 1]),
    Two([u8; 2]),
}

impl ElementHeader {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::One(bytes) => bytes,
            Self::Two(bytes) => bytes,
        }
    }
}

impl ExtensionForm {
    pub(crate) fn profile(self) -> u16 {
        match self {
            Self::OneByte => ONE_BYTE,
            Self::TwoByte => TWO_BYTE,
        }
    }

    pub(crate) fn element_header(self, id: u8, length: usize) -> Result<ElementHeader, WriteExtensionError> {
        match (self, id) {
            (_, 0) => Err(WriteExtensionError::ZeroId),
            (Self::OneByte, 1..=14) if (1..=16).contains(&length) => {
                Ok(ElementHeader::One([id << 4 | (length - 1) as u8]))
            }
            (Self::OneByte, _) => Err(WriteExtensionError::NeedsTwoByteForm { id, length }),
            (Self::TwoByte, _) => {
                let length = u8::try_from(length).map_err(|_| WriteExtensionError::TooLong)?;
                Ok(ElementHeader::Two([id, length]))
            }
        }
    }

    /// Bytes that an element of `length` bytes takes.
    pub const fn element_length(self, length: usize) -> usize {
        match self {
            Self::OneByte => 1 + length,
            Self::TwoByte => 2 + length,
        }
    }
}

/// One element of a header extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The number that `a=extmap` explains.
    pub id: u8,
    /// The value.
    pub data: &'a [u8],
}

/// The elements of one packet, in its order. Ends at the first one that does not fit.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    form: ExtensionForm,
    rest: Reader<'a>,
}

impl<'a> Elements<'a> {
    pub(crate) fn new(profile: u16, data: &'a [u8]) -> Self {
        let form = match profile {
            ONE_BYTE => ExtensionForm::OneByte,
            // The low four bits are for the application (RFC 8285 §4.3).
            _ if profile & 0xfff0 == TWO_BYTE => ExtensionForm::TwoByte,
            _ => return Self::none(),
        };
        Self { form, rest: Reader::new(data) }
    }

    pub(crate) fn none() -> Self {
        Self { form: ExtensionForm::OneByte, rest: Reader::new(&[]) }
    }

    fn read(&mut self) -> Option<Element<'a>> {
        loop {
            let first = self.rest.u8()?;
            if first == 0 {
                continue; // padding
            }
            let (id, length) = match self.form {
                // RFC 8285 §4.2: number 15 ends the processing; number 0 with a length is padding with content to skip.
                ExtensionForm::OneByte if first >> 4 == 15 => return None,
                ExtensionForm::OneByte => (first >> 4, usize::from(first & 0x0f) + 1),
                ExtensionForm::TwoByte => (first, usize::from(self.rest.u8()?)),
            };
            let data = self.rest.take(length)?;
            if id != 0 {
                return Some(Element { id, data });
            }
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let element = self.read();
        if element.is_none() {
            self.rest = Reader::new(&[]);
        }
        element
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(profile: u16, data: &[u8]) -> Vec<(u8, Vec<u8>)> {
        Elements::new(profile, data).map(|element| (element.id, element.data.to_vec())).collect()
    }

    #[test]
    fn one_byte_form_skips_padding_and_stops_at_fifteen() {
        assert_eq!(read(0xbede, &[0x10, 0xaa, 0, 0, 0x31, 1, 2, 0xf0, 0x20, 9]), [(1, vec![0xaa]), (3, vec![1, 2])]);
    }

    #[test]
    fn two_byte_form_knows_empty_elements() {
        assert_eq!(read(0x1003, &[7, 0, 0, 200, 2, 1, 2]), [(7, vec![]), (200, vec![1, 2])]);
    }

    #[test]
    fn elements_that_do_not_fit_end_the_list() {
        assert_eq!(read(0xbede, &[0x10, 1, 0x2f, 1, 2]), [(1, vec![1])]);
        assert_eq!(read(0x1000, &[1, 1, 9, 2, 5, 0]), [(1, vec![9])]);
        assert_eq!(read(0x1000, &[1]), []);
        assert_eq!(read(0xabcd, &[0x10, 1]), []);
    }
}
