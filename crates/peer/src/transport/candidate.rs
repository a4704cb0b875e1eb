//! Candidates between descriptions and the ICE agent.

use parlour_ice::{Address, Candidate, CandidateKind, Protocol, TcpType};
use parlour_sdp::CandidateType;
use std::net::{IpAddr, SocketAddr};

/// A described candidate for the agent; none if it is of another component or transport.
pub(crate) fn to_agent(told: &parlour_sdp::Candidate) -> Option<Candidate> {
    let protocol = match (told.transport.as_str(), told.tcp_type) {
        ("udp", _) => Protocol::Udp,
        ("tcp", Some(parlour_sdp::TcpType::Active)) => Protocol::Tcp(TcpType::Active),
        ("tcp", Some(parlour_sdp::TcpType::Passive)) => Protocol::Tcp(TcpType::Passive),
        ("tcp", Some(parlour_sdp::TcpType::SimultaneousOpen)) => Protocol::Tcp(TcpType::SimultaneousOpen),
        _ => return None,
    };
    if told.component != 1 {
        return None;
    }
    let socket = |address: &str, port| address.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
    Some(Candidate {
        foundation: told.foundation.clone(),
        protocol,
        priority: told.priority,
        address: match socket(&told.address, told.port) {
            Some(address) => Address::Socket(address),
            None => Address::Name(told.address.clone(), told.port),
        },
        kind: match told.candidate_type {
            CandidateType::Host => CandidateKind::Host,
            CandidateType::ServerReflexive => CandidateKind::ServerReflexive,
            CandidateType::PeerReflexive => CandidateKind::PeerReflexive,
            CandidateType::Relay => CandidateKind::Relayed,
        },
        related: told.related.as_ref().and_then(|(address, port)| socket(address, *port)),
        relay_transport: None,
        server: None,
    })
}

/// A candidate of the agent for descriptions, with the user name fragment of its generation.
pub(crate) fn to_description(candidate: &Candidate, fragment: &str) -> parlour_sdp::Candidate {
    let (transport, tcp_type) = match candidate.protocol {
        Protocol::Udp => ("udp", None),
        Protocol::Tcp(TcpType::Active) => ("tcp", Some(parlour_sdp::TcpType::Active)),
        Protocol::Tcp(TcpType::Passive) => ("tcp", Some(parlour_sdp::TcpType::Passive)),
        Protocol::Tcp(TcpType::SimultaneousOpen) => ("tcp", Some(parlour_sdp::TcpType::SimultaneousOpen)),
    };
    let address = match &candidate.address {
        Address::Socket(address) => address.ip().to_string(),
        Address::Name(name, _) => name.clone(),
    };
    let port = match candidate.protocol {
        // An active candidate has no port of its own (RFC 6544 §4.5).
        Protocol::Tcp(TcpType::Active) => 9,
        _ => candidate.address.port(),
    };
    parlour_sdp::Candidate {
        foundation: candidate.foundation.clone(),
        component: 1,
        transport: transport.to_owned(),
        priority: candidate.priority,
        address,
        port,
        candidate_type: match candidate.kind {
            CandidateKind::Host => CandidateType::Host,
            CandidateKind::ServerReflexive => CandidateType::ServerReflexive,
            CandidateKind::PeerReflexive => CandidateType::PeerReflexive,
            CandidateKind::Relayed => CandidateType::Relay,
        },
        related: candidate.related.map(|related| (related.ip().to_string(), related.port())),
        tcp_type,
        extensions: vec![("ufrag".to_owned(), fragment.to_owned())],
    }
}
