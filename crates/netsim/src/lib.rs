//! A network in virtual time, for tests of protocols that know no sockets.
//!
//! Build one from a seed: [`Network::segment`]s (the Internet, homes), [`Network::host`]s plugged into them, [`Network::nat`]s and routers between them. Then
//! drive it together with the code under test: [`Network::send`] what it sends, [`Network::poll`] up to its next timeout, hand it what arrives. All that
//! happens follows from the seed and from what is done, so a failing run is repeated by its seed alone.
//!
//! ```
//! use parlour_netsim::{LinkSpec, Network, Packet, Event};
//! use std::time::Duration;
//!
//! let mut net = Network::new(7);
//! let internet = net.segment();
//! let (ann, bob) = (net.host(), net.host());
//! let link = LinkSpec::delay(Duration::from_millis(10));
//! net.attach(ann, internet, &["203.0.113.1".parse()?], link.clone());
//! net.attach(bob, internet, &["203.0.113.2".parse()?], link);
//!
//! net.send(ann, Packet::udp("203.0.113.1:1000".parse()?, "203.0.113.2:2000".parse()?, *b"hello"));
//! let until = net.now() + Duration::from_secs(1);
//! let (host, Event::Udp(packet)) = net.poll(until).expect("it arrives") else { panic!() };
//! assert_eq!((host, &packet.payload[..]), (bob, &b"hello"[..]));
//! assert_eq!(net.elapsed(), Duration::from_millis(20));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
#![forbid(unsafe_code)]

mod firewall;
mod link;
mod nat;
mod network;
mod packet;
mod queue;
mod rng;
mod tcp;
mod timeline;

pub use firewall::Firewall;
pub use link::{LinkSpec, LinkStats, Loss};
pub use nat::{Behaviour, Hairpin, NatSpec, PortPolicy, embed, extract};
pub use network::{Direction, Event, Filter, HostId, Network, PortId, RouterId, SegmentId};
pub use packet::{Ecn, IcmpError, Packet, Protocol, Unreachable};
pub use queue::QueueSpec;
pub use rng::Rng;
pub use tcp::{ConnectionId, TcpEvent};
pub use timeline::Change;
