//! What the person at the terminal reads when something fails, and the exit codes (documented in `docs/cli.md`).

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use parlour_server::tls::TlsError;
use parlour_server::token_keys::TokenKeyError;
use parlour_server::turn::{RelayError, StandaloneError};
use parlour_server::{Error, StorageError};

const OTHER: u8 = 1;
const USAGE: u8 = 2;
const PORT: u8 = 3;
const DATA: u8 = 4;
const CERTIFICATE: u8 = 5;
/// A bug in Parlour (`EX_SOFTWARE`).
pub(crate) const BUG: u8 = 70;
/// Stopped by a second signal, as shells count SIGINT.
const INTERRUPTED: u8 = 130;

/// Why a command failed: lines that say what is wrong, and what to try.
#[derive(Debug)]
pub(crate) struct Failure {
    lines: Vec<String>,
    advice: Option<String>,
    code: u8,
}

impl Failure {
    /// Wrong usage of the command line.
    pub(crate) fn usage(message: String, advice: &str) -> Self {
        Failure { lines: vec![message], advice: Some(advice.into()), code: USAGE }
    }

    /// A configuration that cannot be used; one line for each problem.
    pub(crate) fn config(lines: Vec<String>, advice: Option<&str>) -> Self {
        Failure { lines, advice: advice.map(str::to_owned), code: USAGE }
    }

    /// Anything without a code of its own.
    pub(crate) fn other(message: String, advice: &str) -> Self {
        Failure { lines: vec![message], advice: Some(advice.into()), code: OTHER }
    }

    /// Tells on standard error, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        for line in &self.lines {
            eprintln!("error: {line}");
        }
        if let Some(advice) = &self.advice {
            eprintln!("try: {advice}");
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Bind { setting, addr, source } => bind(setting, addr, &source),
            Error::DataDirectory { path, source } => Failure {
                code: DATA,
                ..Failure::other(
                    format!("cannot use the data directory: {}: {source}", path.display()),
                    "make it writable for this user, or choose another one with --data DIR",
                )
            },
            Error::Storage(error) => storage(&error),
            Error::Tls(error) => tls(&error),
            Error::TokenKeys(error) => error.into(),
            Error::Turn(error) => relay(&error),
            Error::TurnOptions(error) => {
                Failure::usage(error.to_string(), "set relay.address; parlour serve --help tells how")
            }
            Error::Interrupted => Failure {
                code: INTERRUPTED,
                ..Failure::other(error.to_string(), "wait a moment after the first signal")
            },
            other => Failure::other(other.to_string(), "see whether the system has memory and threads left"),
        }
    }
}

impl From<TokenKeyError> for Failure {
    fn from(error: TokenKeyError) -> Self {
        match error {
            TokenKeyError::File(error) => tls(&error),
            TokenKeyError::NoSuchKey(..) => Failure::usage(error.to_string(), "--key with one of these names"),
            TokenKeyError::PublicOnly(_) => {
                Failure::usage(error.to_string(), "put the private key into auth.jwt, or choose another one with --key")
            }
            other => Failure::usage(other.to_string(), "correct auth.jwt; docs/configuration.md shows examples"),
        }
    }
}

impl From<StandaloneError> for Failure {
    fn from(error: StandaloneError) -> Self {
        match error {
            StandaloneError::Relay(error) => relay(&error),
            StandaloneError::Tls(error) => tls(&error),
            StandaloneError::Options(_) | StandaloneError::NoCertificate => {
                Failure::usage(error.to_string(), "parlour turn --help shows the options")
            }
            StandaloneError::Metrics(..) => {
                Failure { code: PORT, ..Failure::other(error.to_string(), "another address after --metrics") }
            }
            StandaloneError::Admin { .. } => {
                Failure::other(error.to_string(), "another path after --admin, or stop the relay that has it")
            }
            StandaloneError::Runtime(_) => {
                Failure::other(error.to_string(), "see whether the system has memory and threads left")
            }
        }
    }
}

fn relay(error: &RelayError) -> Failure {
    let (code, advice) = match error {
        RelayError::Bind { .. } => (PORT, "another address, or stop the program that has it"),
        RelayError::RelayAddress { .. } => (PORT, "an address of this computer as the relay address"),
        RelayError::Config(_) | RelayError::TooFewPorts(..) => (USAGE, "parlour turn --help shows the options"),
        RelayError::System(_) => (OTHER, "see whether the system has memory and threads left"),
    };
    Failure { code, ..Failure::other(error.to_string(), advice) }
}

fn storage(error: &StorageError) -> Failure {
    let (message, advice) = match error {
        StorageError::Newer { path, found, known } => (
            format!(
                "the database {} has the format {found} of a newer Parlour; this one knows {known}",
                path.display()
            ),
            "start the newer version, or choose another data directory with --data DIR",
        ),
        StorageError::Corrupt { path, source } => (
            format!("the database {} is damaged, or is none: {source}", path.display()),
            "put it back from a backup, or move it away: rooms, chat history and call records begin empty then",
        ),
        StorageError::InUse { path } => (
            format!("the database {} is in use: another Parlour has the same data directory", path.display()),
            "stop the other one, or choose another directory with --data DIR",
        ),
        StorageError::Unusable { path, source } => (
            format!("cannot use the database {}: {source}", path.display()),
            "check that this user may write there and that the disk is not full, or choose --data DIR",
        ),
    };
    Failure { code: DATA, ..Failure::other(message, advice) }
}

fn tls(error: &TlsError) -> Failure {
    let code = if matches!(error, TlsError::Write { .. }) { DATA } else { CERTIFICATE };
    Failure { lines: vec![error.to_string()], advice: Some(error.advice()), code }
}

fn bind(setting: &str, addr: SocketAddr, source: &io::Error) -> Failure {
    let port = addr.port();
    let next = if port < 1024 { 8443 } else { port.saturating_add(1) };
    let (message, advice) = match source.kind() {
        io::ErrorKind::AddrInUse => (
            format!("port {port} is in use by another program (--{setting} {addr})"),
            format!("another port: --{setting} {next}; or stop the other program"),
        ),
        io::ErrorKind::PermissionDenied => (
            format!("this user may not listen on port {port} (--{setting} {addr})"),
            format!(
                "a port from 1024 on: --{setting} {next}; or allow it: sudo setcap cap_net_bind_service=+ep parlour"
            ),
        ),
        io::ErrorKind::AddrNotAvailable => (
            format!("this computer does not have the address {} (--{setting} {addr})", addr.ip()),
            format!("all addresses: --{setting} {port}"),
        ),
        _ => (format!("cannot listen on {addr}: {source}"), format!("another address: --{setting} {next}")),
    };
    Failure { lines: vec![message], advice: Some(advice), code: PORT }
}

/// Makes a panic say what a user can do, without a backtrace.
pub(crate) fn explain_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        eprintln!("error: this is a bug in parlour: {message} ({place})");
        eprintln!("try: start it again, and please report these two lines");
    }));
}
