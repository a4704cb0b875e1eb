//! Parlour's server.
