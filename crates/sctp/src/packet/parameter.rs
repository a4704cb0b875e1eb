//! Parameters: type, length, value inside INIT, HEARTBEAT, ERROR and RE-CONFIG chunks (RFC 9260 §3.2.1).

use super::{ParseError, finish, padded, u16_at};

/// A parameter or error cause that has not been looked into.
///
/// ```text
/// |  type (16)  |  length with this header, without padding (16)  |  value, padded to four bytes |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its type.
    pub kind: u16,
    /// What follows the type and the length.
    pub value: &'a [u8],
}

impl Parameter<'_> {
    /// If the type is not known: whether the rest of the chunk is to be left alone (RFC 9260 §3.2.1).
    pub fn stops(&self) -> bool {
        self.kind & 0x8000 == 0
    }

    /// If the type is not known: whether the peer wants to hear of it.
    pub fn reports(&self) -> bool {
        self.kind & 0x4000 != 0
    }

    /// Appends a parameter whose value is what `value` appends.
    pub fn write(out: &mut Vec<u8>, kind: u16, value: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        value(out);
        finish(out, start);
    }
}

/// Walks through parameters.
#[derive(Clone, Debug)]
pub struct Parameters<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<Parameter<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let result = self.read();
        if result.is_err() {
            self.0 = &[];
        }
        Some(result)
    }
}

impl<'a> Parameters<'a> {
    fn read(&mut self) -> Result<Parameter<'a>, ParseError> {
        let kind = u16_at(self.0, 0)?;
        let length = usize::from(u16_at(self.0, 2)?);
        let value = self.0.get(4..length).ok_or(ParseError::Length("a parameter", length))?;
        self.0 = self.0.get(padded(length)..).unwrap_or(&[]);
        Ok(Parameter { kind, value })
    }
}
