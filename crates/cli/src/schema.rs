//! `parlour schema`: the signaling protocol for machines.

/// The JSON Schema of all messages, in one document.
pub(crate) fn schema() -> String {
    format!("{:#}\n", parlour_signaling::schema())
}
