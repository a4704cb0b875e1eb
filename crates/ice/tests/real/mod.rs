//! The two programs of the laboratory: an agent on real sockets, and a TURN server on real sockets.

use parlour_ice::*;
use parlour_stun::{FrameLength, frame_length};
use parlour_turn::server::{self, Credentials, IoRequest, Nonces, RelayAddress, RelayId};
use parlour_turn::{Ecn, FiveTuple, Outbox, PeerPolicy};
use std::collections::HashMap;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

fn random() -> Rng {
    let mut file = std::fs::File::open("/dev/urandom").expect("a generator");
    Box::new(move |bytes| file.read_exact(bytes).expect("random bytes"))
}

fn tell(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}

/// A candidate as `a=candidate` has it, by the project's own SDP crate.
fn print(candidate: &Candidate) -> Option<String> {
    let address = candidate.address.socket()?;
    let related = candidate.related.map(|r| format!(" raddr {} rport {}", r.ip(), r.port())).unwrap_or_default();
    (candidate.protocol == Protocol::Udp).then(|| {
        format!(
            "candidate {} 1 udp {} {} {} typ {}{related}",
            candidate.foundation,
            candidate.priority,
            address.ip(),
            address.port(),
            candidate.kind.word()
        )
    })
}

fn parse(text: &str) -> Option<Candidate> {
    let words: Vec<&str> = text.split(' ').collect();
    let address = SocketAddr::new(words.get(4)?.parse().ok()?, words.get(5)?.parse().ok()?);
    let kind = match *words.get(7)? {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::ServerReflexive,
        "prflx" => CandidateKind::PeerReflexive,
        "relay" => CandidateKind::Relayed,
        _ => return None,
    };
    let foundation = (*words.first()?).to_owned();
    Some(Candidate { foundation, priority: words.get(3)?.parse().ok()?, kind, ..Candidate::host(address) })
}

/// `peer ROLE ADDRESS SERVER`: signaling by lines on standard input and output, until data has come and gone.
pub fn peer(arguments: &[String]) -> ExitCode {
    let role = if arguments[0] == "controlling" { Role::Controlling } else { Role::Controlled };
    let ip: IpAddr = arguments[1].parse().expect("an address");
    let server = SocketAddr::new(arguments[2].parse().expect("an address"), 3478);
    let servers = vec![
        Server::stun(server),
        Server::turn(server, Transport::Udp, "ann", "secret"),
        Server::turn(server, Transport::Tcp, "ann", "secret"),
    ];
    let socket = UdpSocket::bind((ip, 0)).expect("a socket");
    let local = socket.local_addr().expect("bound");
    let mut agent = Agent::new(Config { role, servers, ..Config::default() }, random());
    let parameters = agent.local_parameters();
    tell(&format!("parameters {} {}", parameters.ufrag, parameters.pwd));
    agent.add_socket(Instant::now(), Socket::new(local));
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut streams: HashMap<StreamId, TcpStream> = HashMap::new();
    let (mut nominated, mut received, mut sent) = (None::<String>, 0, 0);
    let mut next_data = Instant::now();
    let begun = Instant::now();
    let mut buffer = vec![0; 65_536];
    while begun.elapsed() < Duration::from_secs(30) {
        let now = Instant::now();
        for line in lines.try_iter() {
            hear(&mut agent, now, &line);
        }
        if agent.poll_timeout().is_some_and(|at| at <= now) {
            agent.handle_timeout(now);
        }
        if nominated.is_some() && next_data <= now {
            next_data = now + Duration::from_millis(20);
            let mut out = Vec::new();
            if let Ok(transmit) = agent.send(now, b"\x80 data of the laboratory", &mut out) {
                send(&socket, &mut streams, transmit, &out);
                sent += 1;
            }
        }
        let mut out = Vec::new();
        while let Some(transmit) = agent.poll_transmit(now, &mut out) {
            send(&socket, &mut streams, transmit, &out);
            out.clear();
        }
        while let Some(event) = agent.poll_event() {
            match event {
                Event::LocalCandidate(candidate) => {
                    if let Some(line) = print(&candidate) {
                        tell(&line);
                    }
                }
                Event::Gathering(GatheringState::Complete) => tell("end"),
                Event::SelectedPair { local, remote, nominated: true, .. } => {
                    nominated = Some(format!("{} {}", local.kind.word(), remote.kind.word()));
                }
                Event::OpenStream { stream, remote, .. } => {
                    match TcpStream::connect_timeout(&remote, Duration::from_secs(1)) {
                        Ok(connected) => {
                            connected.set_nonblocking(true).expect("a mode");
                            let own = connected.local_addr().expect("connected");
                            streams.insert(stream, connected);
                            agent.handle_stream_open(Instant::now(), stream, own);
                        }
                        Err(_) => agent.handle_stream_closed(Instant::now(), stream),
                    }
                }
                Event::CloseStream(stream) => drop(streams.remove(&stream)),
                _ => {}
            }
        }
        if received >= 20
            && sent >= 40
            && let Some(kinds) = &nominated
        {
            tell(&format!("done {kinds}"));
            return ExitCode::SUCCESS;
        }
        let wait =
            agent.poll_timeout().map_or(Duration::from_millis(5), |at| at.saturating_duration_since(Instant::now()));
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(5));
        socket.set_read_timeout(Some(wait)).expect("a timeout");
        if let Ok((length, remote)) = socket.recv_from(&mut buffer) {
            let meta = Meta { local, remote };
            received += usize::from(agent.handle_datagram(Instant::now(), meta, &mut buffer[..length]).is_some());
        }
        for (id, stream) in &mut streams {
            match stream.read(&mut buffer) {
                Ok(length) if length > 0 => {
                    agent.handle_stream_data(Instant::now(), *id, &buffer[..length], &mut |_| received += 1);
                }
                _ => {}
            }
        }
    }
    tell(&format!("note {:?} received {received} sent {sent} nominated {nominated:?}", agent.state()));
    ExitCode::FAILURE
}

fn hear(agent: &mut Agent, now: Instant, line: &str) {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (verb, rest.split_once(' ')) {
        ("parameters", Some((ufrag, rest))) => {
            let (pwd, words) = rest.split_once(' ').unwrap_or((rest, "renomination2 renomination trickle"));
            let options = Options::parse(words.split(' '));
            let parameters = Parameters { ufrag: ufrag.to_owned(), pwd: pwd.to_owned(), lite: false, options };
            agent.set_remote_parameters(now, &parameters).expect("good parameters");
        }
        ("candidate", _) => {
            if let Some(candidate) = parse(rest) {
                agent.add_remote_candidate(now, candidate, None);
            }
        }
        ("end", _) => agent.end_of_remote_candidates(now, None),
        _ => {}
    }
}

fn send(socket: &UdpSocket, streams: &mut HashMap<StreamId, TcpStream>, transmit: Transmit, bytes: &[u8]) {
    match transmit.via {
        Via::Udp { remote, .. } => drop(socket.send_to(bytes, remote)),
        Via::Stream(id) => {
            if let Some(stream) = streams.get_mut(&id) {
                let _ = stream.write_all(bytes);
            }
        }
    }
}

/// `turn ADDRESS`: a TURN server by UDP and TCP at 3478, until it is killed.
pub fn turn(arguments: &[String]) -> ExitCode {
    let ip: IpAddr = arguments[0].parse().expect("an address");
    let at = SocketAddr::new(ip, 3478);
    let udp = UdpSocket::bind(at).expect("port 3478");
    let tcp = TcpListener::bind(at).expect("port 3478");
    udp.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
    tcp.set_nonblocking(true).expect("a mode");
    let config = server::Config {
        relays: vec![RelayAddress { local: ip, external: None }],
        listeners: vec![at],
        peers: PeerPolicy { allow: vec!["198.18.0.0/24".parse().expect("a range")], ..PeerPolicy::default() },
        ..server::Config::default()
    };
    let nonces = Nonces::new(&[9; 32], Duration::from_secs(3_600));
    let credentials = Credentials::new().user("ann", "secret");
    let unix = Duration::from_secs(1_800_000_000);
    let mut server =
        server::Server::new(Instant::now(), unix, config, credentials, nonces, random()).expect("a good configuration");
    let mut out = Outbox::default();
    let mut relays: HashMap<RelayId, UdpSocket> = HashMap::new();
    let mut clients: Vec<(FiveTuple, TcpStream, Vec<u8>)> = Vec::new();
    let mut buffer = vec![0; 65_536];
    tell("ready");
    loop {
        let now = Instant::now();
        if let Ok((length, client)) = udp.recv_from(&mut buffer) {
            let tuple = FiveTuple { transport: Transport::Udp, client, server: at };
            server.handle_client(now, tuple, Ecn::NotCapable, &buffer[..length], &mut out);
        }
        if let Ok((stream, client)) = tcp.accept() {
            stream.set_nonblocking(true).expect("a mode");
            clients.push((FiveTuple { transport: Transport::Tcp, client, server: at }, stream, Vec::new()));
        }
        for (tuple, stream, pending) in &mut clients {
            match stream.read(&mut buffer) {
                Ok(length) => pending.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {}
            }
            while let Ok(FrameLength::Message(length)) = frame_length(pending) {
                if pending.len() < length {
                    break;
                }
                let message: Vec<u8> = pending.drain(..length).collect();
                server.handle_client(now, *tuple, Ecn::NotCapable, &message, &mut out);
            }
        }
        for (id, relay) in &relays {
            while let Ok((length, peer)) = relay.recv_from(&mut buffer) {
                server.handle_peer(now, *id, peer, Ecn::NotCapable, &buffer[..length], &mut out);
            }
        }
        if server.poll_timeout().is_some_and(|at| at <= now) {
            server.handle_timeout(now, &mut out);
        }
        while let Some(request) = server.poll_request() {
            match request {
                IoRequest::BindRelay { relay, address, .. } => {
                    let bound = UdpSocket::bind(address).ok();
                    let fine = bound.is_some();
                    if let Some(socket) = bound {
                        socket.set_nonblocking(true).expect("a mode");
                        relays.insert(relay, socket);
                    }
                    server.handle_relay_bound(now, relay, fine, &mut out);
                }
                IoRequest::CloseRelay { relay } => drop(relays.remove(&relay)),
                _ => {}
            }
        }
        for (transmit, bytes) in out.datagrams() {
            match transmit.via {
                server::Via::Client(tuple) if tuple.transport == Transport::Udp => {
                    drop(udp.send_to(bytes, tuple.client))
                }
                server::Via::Client(tuple) => {
                    if let Some((_, stream, _)) = clients.iter_mut().find(|(known, ..)| *known == tuple) {
                        let _ = stream.write_all(bytes);
                    }
                }
                server::Via::Relay(relay) => {
                    if let Some(socket) = relays.get(&relay) {
                        let _ = socket.send_to(bytes, transmit.to);
                    }
                }
            }
        }
        out.clear();
    }
}
