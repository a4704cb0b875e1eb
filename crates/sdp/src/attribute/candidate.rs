use super::words;
use std::fmt;

/// What kind of address a candidate is (RFC 8839 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateType {
    /// An address of the describer itself.
    Host,
    /// The address that a STUN server saw.
    ServerReflexive,
    /// The address that a peer saw.
    PeerReflexive,
    /// The address at a TURN server.
    Relay,
}

impl CandidateType {
    /// The word of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "host" => Some(Self::Host),
            "srflx" => Some(Self::ServerReflexive),
            "prflx" => Some(Self::PeerReflexive),
            "relay" => Some(Self::Relay),
            _ => None,
        }
    }
}

/// Who opens the connection of a TCP candidate (RFC 6544 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpType {
    /// The describer connects.
    Active,
    /// The describer listens.
    Passive,
    /// Both at once.
    SimultaneousOpen,
}

impl TcpType {
    /// The word of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            "so" => Some(Self::SimultaneousOpen),
            _ => None,
        }
    }
}

/// A transport address to try (RFC 8839 §5.1, RFC 6544 §4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Equal for candidates with the same base and server.
    pub foundation: String,
    /// 1 for RTP and all that is bundled with it, 2 for RTCP.
    pub component: u16,
    /// `udp` or `tcp`, in lower case.
    pub transport: String,
    /// The higher the better.
    pub priority: u32,
    /// An IP address, or a name as of mDNS.
    pub address: String,
    /// The port; 9 for one that is not known.
    pub port: u16,
    /// What kind of address it is.
    pub candidate_type: CandidateType,
    /// The address behind this one.
    pub related: Option<(String, u16)>,
    /// For TCP, who connects.
    pub tcp_type: Option<TcpType>,
    /// Other names and values, in order.
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// Reads what stands after `candidate:`; a candidate as JavaScript gives it may still have that in front.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = words(text.strip_prefix("candidate:").unwrap_or(text));
        let foundation = words.next().filter(|word| word.len() <= 32)?.to_owned();
        let component = words.next()?.parse().ok()?;
        let transport = words.next()?.to_ascii_lowercase();
        let priority = words.next()?.parse().ok()?;
        let address = words.next()?.to_owned();
        let port = words.next()?.parse().ok()?;
        if words.next() != Some("typ") {
            return None;
        }
        let candidate_type = CandidateType::from_word(words.next()?)?;
        let mut candidate = Self {
            foundation,
            component,
            transport,
            priority,
            address,
            port,
            candidate_type,
            related: None,
            tcp_type: None,
            extensions: Vec::new(),
        };
        let mut related = (None, None);
        while let Some(name) = words.next() {
            let value = words.next()?;
            match name {
                "raddr" => related.0 = Some(value.to_owned()),
                "rport" => related.1 = Some(value.parse().ok()?),
                "tcptype" => candidate.tcp_type = Some(TcpType::from_word(value)?),
                _ => candidate.extensions.push((name.to_owned(), value.to_owned())),
            }
        }
        if let (Some(address), port) = related {
            candidate.related = Some((address, port.unwrap_or(0)));
        }
        Some(candidate)
    }

    /// The value of an extension.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.address,
            self.port,
            self.candidate_type.as_str()
        )?;
        if let Some((address, port)) = &self.related {
            write!(f, " raddr {address} rport {port}")?;
        }
        if let Some(tcp_type) = self.tcp_type {
            write!(f, " tcptype {}", tcp_type.as_str())?;
        }
        self.extensions.iter().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}
