//! Listening sockets, and what a connection speaks by its first byte.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 1024;

/// Opens a TCP listener on `addr`.
///
/// The IPv6 wildcard takes IPv4 as well; on a machine without IPv6 the IPv4 wildcard takes its place.
pub(crate) fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    match open(addr) {
        Err(error) if addr.ip().is_unspecified() && addr.is_ipv6() && lacks_ipv6(&error) => {
            open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), addr.port()))
        }
        other => other,
    }
}

fn open(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    // A restarted server gets its port back while old connections linger in TIME-WAIT. On Windows the option means something else.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(no_ipv6_errno())
}

#[cfg(unix)]
fn no_ipv6_errno() -> i32 {
    rustix::io::Errno::AFNOSUPPORT.raw_os_error()
}

#[cfg(not(unix))]
fn no_ipv6_errno() -> i32 {
    10047
}

/// What a client speaks on the port that serves every protocol, told by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// A TLS record of type handshake (RFC 8446 §5.1).
    Tls,
    /// The method of an HTTP request.
    Http,
    /// STUN or TURN over TCP (RFC 8489 §6.2.2: the two top bits are zero), or the length of an ICE-TCP frame (RFC 4571), whose first byte is as small.
    Stun,
    /// Nothing that this server knows.
    Unknown,
}

impl Speaks {
    /// Tells the protocol by the first byte of a connection (RFC 7983 draws the same borders for UDP).
    pub(crate) fn by_first_byte(byte: u8) -> Self {
        match byte {
            0x16 => Self::Tls,
            b'A'..=b'Z' => Self::Http,
            0x00..=0x3f => Self::Stun,
            _ => Self::Unknown,
        }
    }

    /// Waits for the first byte of `stream` and leaves it there. `None` if the client closed before.
    pub(crate) async fn peek(stream: &TcpStream) -> io::Result<Option<Self>> {
        let mut first = [0];
        let read = stream.peek(&mut first).await?;
        Ok((read > 0).then(|| Self::by_first_byte(u8::from_be_bytes(first))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_protocol() {
        assert_eq!(Speaks::by_first_byte(0x16), Speaks::Tls);
        for method in ["GET", "POST", "PRI * HTTP/2.0", "OPTIONS"] {
            assert_eq!(Speaks::by_first_byte(method.as_bytes()[0]), Speaks::Http);
        }
        assert_eq!(Speaks::by_first_byte(0x00), Speaks::Stun, "a binding request");
        assert_eq!(Speaks::by_first_byte(0x01), Speaks::Stun);
        assert_eq!(Speaks::by_first_byte(0x80), Speaks::Unknown, "SSLv2");
    }

    #[tokio::test]
    async fn the_ipv6_wildcard_takes_ipv4_too() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }
}
