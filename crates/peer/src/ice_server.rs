//! `RTCIceServer`: the servers that a program names by URL (W3C webrtc-pc §4.2.2, RFC 7064, RFC 7065).

use crate::error::Error;
use parlour_ice::{Server, ServerAddress, ServerKind, Transport};
use std::net::{IpAddr, SocketAddr};

/// One or more URLs of a server, and how to log in there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:HOST[:PORT]`, `turn:HOST[:PORT][?transport=udp|tcp]` or `turns:HOST[:PORT]`.
    pub urls: Vec<String>,
    /// The user name, if there is a `turn` URL.
    pub username: String,
    /// The password, if there is a `turn` URL.
    pub credential: String,
}

impl IceServer {
    /// A STUN server.
    pub fn stun(url: &str) -> Self {
        Self { urls: vec![url.to_owned()], ..Self::default() }
    }

    /// A TURN server.
    pub fn turn(url: &str, username: &str, credential: &str) -> Self {
        Self { urls: vec![url.to_owned()], username: username.to_owned(), credential: credential.to_owned() }
    }

    /// What the ICE agent is told: the checks of W3C webrtc-pc §4.4.1.6, "validate an ICE server".
    ///
    /// # Errors
    /// [`Error::Syntax`] for a malformed URL or none at all, [`Error::NotSupported`] for an unknown scheme or transport,
    /// [`Error::InvalidAccess`] for a TURN server without user name or password.
    pub fn servers(&self) -> Result<Vec<Server>, Error> {
        if self.urls.is_empty() {
            return Err(Error::Syntax("an ICE server without a URL".into()));
        }
        self.urls.iter().map(|url| self.server(url)).collect()
    }

    fn server(&self, url: &str) -> Result<Server, Error> {
        let malformed = || Error::Syntax(format!("{url:?} is not the URL of an ICE server"));
        let (scheme, rest) = url.split_once(':').ok_or_else(malformed)?;
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let scheme = scheme.to_ascii_lowercase();
        let (turn, secure) = match scheme.as_str() {
            "stun" => (false, false),
            "turn" => (true, false),
            "turns" => (true, true),
            "stuns" => return Err(Error::NotSupported("STUN over TLS".into())),
            _ => return Err(Error::NotSupported(format!("the scheme {scheme:?} of an ICE server"))),
        };
        let address = address(place, if secure { 5349 } else { 3478 }).ok_or_else(malformed)?;
        if !turn {
            return if query.is_none() { Ok(Server { address, kind: ServerKind::Stun }) } else { Err(malformed()) };
        }
        let transport = match (query, secure) {
            (None | Some("transport=udp"), false) => Transport::Udp,
            (Some("transport=tcp"), false) => Transport::Tcp,
            (None | Some("transport=tcp"), true) => Transport::Tls,
            (Some("transport=udp"), true) => return Err(Error::NotSupported("TURN over DTLS".into())),
            _ => return Err(malformed()),
        };
        if self.username.is_empty() || self.credential.is_empty() {
            return Err(Error::InvalidAccess(format!("{url} wants a user name and a password")));
        }
        let (username, password) = (self.username.clone(), self.credential.clone());
        let kind = ServerKind::Turn { username, password, transport, challenge: None, dual: false };
        Ok(Server { address, kind })
    }
}

/// `HOST[:PORT]`, where an IPv6 address stands in brackets.
fn address(place: &str, default: u16) -> Option<ServerAddress> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (ip, after) = rest.split_once(']')?;
            let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
            (ip, port)
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(default), |port| port.parse().ok().filter(|port| *port != 0))?;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(ServerAddress::Socket(SocketAddr::new(ip, port)));
    }
    let fine = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '.' | '_');
    let is_name = !host.is_empty() && host.len() < 256 && host.chars().all(fine) && !place.starts_with('[');
    is_name.then(|| ServerAddress::Name(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Vec<Server>, Error> {
        IceServer::turn(url, "user", "secret").servers()
    }

    /// RFC 7064, RFC 7065.
    #[test]
    fn urls_name_servers() {
        let socket = |text: &str| ServerAddress::Socket(text.parse().unwrap());
        for (url, address, transport) in [
            ("stun:192.0.2.1", socket("192.0.2.1:3478"), None),
            ("stun:[2001:db8::1]:99", socket("[2001:db8::1]:99"), None),
            ("STUN:stun.example.org", ServerAddress::Name("stun.example.org".into(), 3478), None),
            ("turn:192.0.2.1:1?transport=udp", socket("192.0.2.1:1"), Some(Transport::Udp)),
            ("turn:t.example", ServerAddress::Name("t.example".into(), 3478), Some(Transport::Udp)),
            ("turn:t.example?transport=tcp", ServerAddress::Name("t.example".into(), 3478), Some(Transport::Tcp)),
            ("turns:t.example?transport=tcp", ServerAddress::Name("t.example".into(), 5349), Some(Transport::Tls)),
        ] {
            let servers = of(url).unwrap();
            assert_eq!(servers[0].address, address, "{url}");
            let found = match &servers[0].kind {
                ServerKind::Turn { transport, .. } => Some(*transport),
                ServerKind::Stun => None,
            };
            assert_eq!(found, transport, "{url}");
        }
    }

    /// W3C webrtc-pc §4.4.1.6.
    #[test]
    fn urls_that_cannot_be_used_are_refused() {
        for url in [
            "",
            "nonsense",
            "stun:",
            "stun:a b",
            "stun:h:0",
            "stun:h:99999",
            "stun:[::1",
            "stun:h?transport=udp",
            "turn:h?x=y",
        ] {
            assert!(matches!(of(url), Err(Error::Syntax(_))), "{url}: {:?}", of(url));
        }
        for url in ["http:h", "turns:h?transport=udp", "stuns:h"] {
            assert!(matches!(of(url), Err(Error::NotSupported(_))), "{url}");
        }
        assert!(matches!(IceServer::default().servers(), Err(Error::Syntax(_))));
        assert!(matches!(IceServer::stun("turn:h").servers(), Err(Error::InvalidAccess(_))));
    }
}
