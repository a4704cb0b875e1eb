//! Parlour's server.

pub mod config;
pub mod tls;

pub use config::Config;
