//! The socket below [`parlour_ice::mdns::Mdns`]: port 5353 of the multicast groups, on every interface (RFC 6762 §3).

use crate::interfaces::Address;
use crate::udp::share_port;
use parlour_ice::mdns::{GROUP_V4, GROUP_V6, Mdns, PORT};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

/// No mDNS message is longer (RFC 6762 §17).
const LONGEST: usize = 9_000;
/// Datagrams read at a time, so that a flood on the link holds nothing else up.
const AT_A_TIME: usize = 256;

/// Publishes and resolves `.local` names on the links of this host.
///
/// The groups are those of the link: routers pass nothing on, and an answer that does not come from port 5353 is
/// nobody's (RFC 6762 §6, §11).
#[derive(Debug)]
pub struct MdnsSocket {
    mdns: Mdns,
    ipv4: Option<Family>,
    ipv6: Option<Family>,
    buffer: Vec<u8>,
}

/// The socket of one family, and the interfaces that it speaks on.
#[derive(Debug)]
struct Family {
    io: mio::net::UdpSocket,
    joined: Vec<(IpAddr, u32)>,
}

impl MdnsSocket {
    /// Joins the groups on the interfaces of `addresses`. The port is shared with other programs of this host.
    ///
    /// # Errors
    /// The port can be had for neither family.
    pub fn open(addresses: &[Address]) -> io::Result<Self> {
        let (ipv4, ipv6) = (Family::open(true), Family::open(false));
        if let (Err(error), Err(_)) = (&ipv4, &ipv6) {
            return Err(io::Error::new(error.kind(), format!("port {PORT} for mDNS cannot be had: {error}")));
        }
        let (ipv4, ipv6) = (ipv4.ok(), ipv6.ok());
        let mut socket = Self { mdns: Mdns::default(), ipv4, ipv6, buffer: Vec::with_capacity(LONGEST) };
        socket.set_interfaces(addresses);
        Ok(socket)
    }

    /// Speaks on the interfaces of these addresses from now on, after a change of the network.
    pub fn set_interfaces(&mut self, addresses: &[Address]) {
        for family in [&mut self.ipv4, &mut self.ipv6].into_iter().flatten() {
            family.set_interfaces(addresses);
        }
    }

    /// What to register with `mio`, for reading.
    pub fn sources(&mut self) -> impl Iterator<Item = &mut mio::net::UdpSocket> {
        [&mut self.ipv4, &mut self.ipv6].into_iter().flatten().map(|family| &mut family.io)
    }

    /// The machine: publish names, ask for names, and fetch the answers. Call [`drive`](Self::drive) afterwards.
    pub fn mdns(&mut self) -> &mut Mdns {
        &mut self.mdns
    }

    /// Reads what has come, does what is due, and sends what is to be said. Call it when a source is readable, at
    /// [`poll_timeout`](Self::poll_timeout), and after names were published or asked for.
    ///
    /// What one interface refuses is not sent there; the question is asked again soon.
    pub fn drive(&mut self, now: Instant) {
        for family in [&self.ipv4, &self.ipv6].into_iter().flatten() {
            family.read(&mut self.mdns);
        }
        if self.mdns.poll_timeout().is_some_and(|at| at <= now) {
            self.mdns.handle_timeout(now);
        }
        while self.mdns.poll_transmit(&mut self.buffer) {
            for family in [&self.ipv4, &self.ipv6].into_iter().flatten() {
                family.send(&self.buffer);
            }
            self.buffer.clear();
        }
    }

    /// When to call [`drive`](Self::drive) although nothing has come.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.mdns.poll_timeout()
    }
}

impl Family {
    fn open(ipv4: bool) -> io::Result<Self> {
        let address: SocketAddr = match ipv4 {
            true => (Ipv4Addr::UNSPECIFIED, PORT).into(),
            false => (Ipv6Addr::UNSPECIFIED, PORT).into(),
        };
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        // Not every system has it; those without need it not.
        let _ = share_port(&socket);
        if ipv4 {
            socket.set_multicast_loop_v4(true)?;
            socket.set_multicast_ttl_v4(255)?;
        } else {
            socket.set_only_v6(true)?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_multicast_hops_v6(255)?;
        }
        socket.bind(&address.into())?;
        Ok(Self { io: mio::net::UdpSocket::from_std(UdpSocket::from(socket)), joined: Vec::new() })
    }

    fn is_ipv4(&self) -> bool {
        self.io.local_addr().is_ok_and(|local| local.is_ipv4())
    }

    fn set_interfaces(&mut self, addresses: &[Address]) {
        let ipv4 = self.is_ipv4();
        let mut wanted: Vec<(IpAddr, u32)> = Vec::new();
        for address in addresses.iter().filter(|address| address.interface.address.is_ipv4() == ipv4) {
            let new = (address.interface.address, address.index);
            // One membership an interface.
            if !wanted.iter().any(|(ip, index)| *ip == new.0 || (*index == new.1 && new.1 != 0)) {
                wanted.push(new);
            }
        }
        for (ip, index) in self.joined.iter().filter(|old| !wanted.contains(old)) {
            let _ = match ip {
                IpAddr::V4(v4) => self.io.leave_multicast_v4(&GROUP_V4, v4),
                IpAddr::V6(_) => self.io.leave_multicast_v6(&GROUP_V6, *index),
            };
        }
        // An interface that does not know multicast is spoken on by nobody.
        wanted.retain(|new| {
            self.joined.contains(new)
                || match new {
                    (IpAddr::V4(v4), _) => self.io.join_multicast_v4(&GROUP_V4, v4).is_ok(),
                    (IpAddr::V6(_), index) => self.io.join_multicast_v6(&GROUP_V6, *index).is_ok(),
                }
        });
        self.joined = wanted;
    }

    fn read(&self, mdns: &mut Mdns) {
        let mut buffer = [0; LONGEST];
        for _ in 0..AT_A_TIME {
            match self.io.recv_from(&mut buffer) {
                Ok((length, from)) if from.port() == PORT => {
                    mdns.handle_datagram(buffer.get(..length).unwrap_or_default());
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn send(&self, message: &[u8]) {
        let socket = socket2::SockRef::from(&self.io);
        for (ip, index) in &self.joined {
            let (chosen, group): (io::Result<()>, IpAddr) = match ip {
                IpAddr::V4(v4) => (socket.set_multicast_if_v4(v4), GROUP_V4.into()),
                IpAddr::V6(_) => (socket.set_multicast_if_v6(*index), GROUP_V6.into()),
            };
            if chosen.is_ok() {
                let _ = self.io.send_to(message, SocketAddr::new(group, PORT));
            }
        }
    }
}
