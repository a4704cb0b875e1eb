//! Parlour's server.

pub mod config;
pub mod tls;
pub mod token_keys;

pub use config::Config;
