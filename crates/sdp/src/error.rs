use thiserror::Error;

/// Why a text is no session description.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {kind}")]
pub struct ParseError {
    /// Counted from 1, as `RTCError.sdpLineNumber` is.
    pub line: usize,
    /// What is wrong there.
    pub kind: ParseErrorKind,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// The text ends before the lines that every description has.
    #[error("the description ends before its {0}= line")]
    Missing(char),
    /// A line of another type was due.
    #[error("a {0}= line was expected here")]
    Expected(char),
    /// The line is not a letter, an equals sign and a value.
    #[error("not of the form x=value")]
    NotALine,
    /// The value does not follow the grammar of the line.
    #[error("the value of the {0}= line is malformed")]
    Malformed(char),
    /// The value of an attribute does not follow its grammar.
    #[error("the value of a={0} is malformed")]
    MalformedAttribute(&'static str),
    /// The text is not UTF-8.
    #[error("the description is not UTF-8")]
    NotUtf8,
    /// The description is larger than is accepted.
    #[error("more than {limit} {of}")]
    TooMany {
        /// The limit.
        limit: usize,
        /// Of what.
        of: &'static str,
    },
}
