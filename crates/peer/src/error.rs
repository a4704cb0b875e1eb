use thiserror::Error;

/// Why a call failed, one variant for each exception of the W3C API. The text says what was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// `InvalidStateError`: the call is not allowed now.
    #[error("not allowed in this state: {0}")]
    InvalidState(String),
    /// `InvalidAccessError`: the object or the description does not fit this connection.
    #[error("does not fit this connection: {0}")]
    InvalidAccess(String),
    /// `InvalidModificationError`: something was changed that must not change.
    #[error("must not be changed: {0}")]
    InvalidModification(String),
    /// `OperationError`: the operation failed for another reason.
    #[error("the operation failed: {0}")]
    Operation(String),
    /// `TypeError`: an argument is of the wrong kind.
    #[error("wrong argument: {0}")]
    Type(String),
    /// `RangeError`: an argument is out of its range.
    #[error("argument out of range: {0}")]
    Range(String),
    /// `NotSupportedError`: asked for something that this implementation does not have.
    #[error("not supported: {0}")]
    NotSupported(String),
    /// `SyntaxError`: a text does not follow its grammar.
    #[error("malformed: {0}")]
    Syntax(String),
    /// `InvalidCharacterError`: a text has a character that is not allowed.
    #[error("character not allowed: {0}")]
    InvalidCharacter(String),
    /// `RTCError`: what is particular to WebRTC.
    #[error("{detail}: {message}")]
    Rtc {
        /// Which kind.
        detail: ErrorDetail,
        /// The line of the description, counted from 1, if `detail` is about its syntax.
        sdp_line_number: Option<usize>,
        /// What was wrong.
        message: String,
    },
}

/// `RTCErrorDetailType` (W3C webrtc-pc §11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ErrorDetail {
    /// The description is malformed.
    #[error("sdp-syntax-error")]
    SdpSyntaxError,
    /// A data channel failed.
    #[error("data-channel-failure")]
    DataChannelFailure,
    /// The DTLS handshake failed, or the association was ended by a fatal alert.
    #[error("dtls-failure")]
    DtlsFailure,
    /// The certificate is not the one that the description named.
    #[error("fingerprint-failure")]
    FingerprintFailure,
    /// The SCTP association failed.
    #[error("sctp-failure")]
    SctpFailure,
}

impl From<parlour_sdp::ParseError> for Error {
    fn from(error: parlour_sdp::ParseError) -> Self {
        Self::Rtc { detail: ErrorDetail::SdpSyntaxError, sdp_line_number: Some(error.line), message: error.to_string() }
    }
}
