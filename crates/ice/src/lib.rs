//! An ICE agent without I/O (RFC 8445), with trickle (8838), TCP (6544), consent (7675), patience (8863), restarts,
//! renomination, mDNS names, NAT64, relays by TURN over UDP, TCP and TLS, and DTLS that rides on checks.
//!
//! An [`Agent`] owns no socket, clock or thread. Five verbs move it:
//!
//! ```text
//! handle_datagram ─▶          ─▶ poll_transmit
//! handle_timeout  ─▶  Agent   ─▶ poll_event
//!                             ─▶ poll_timeout
//! ```
//!
//! Give it sockets by [`Agent::add_socket`], the other side's [`Parameters`] and candidates as they come, and do what its
//! events say. Data goes out by [`Agent::send`] and comes in by what `handle_datagram` returns. There is no tick:
//! [`Agent::poll_timeout`] is the very instant of the next thing to do.
//!
//! ```
//! use parlour_ice::{Agent, Candidate, Config, Event, Meta, Role, Socket, Via};
//! use std::time::{Duration, Instant};
//!
//! let mut now = Instant::now();
//! let addresses = ["192.0.2.1:1000".parse()?, "192.0.2.2:2000".parse()?];
//! let mut agents = [Role::Controlling, Role::Controlled].map(|role| {
//!     let mut state = role as u64 + 1;
//!     // A program takes the system's generator here.
//!     let rng = Box::new(move |bytes: &mut [u8]| bytes.iter_mut().for_each(|byte| {
//!         state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
//!         *byte = (state >> 56) as u8;
//!     }));
//!     Agent::new(Config { role, ..Config::default() }, rng)
//! });
//! for i in 0..2 {
//!     agents[i].add_socket(now, Socket::new(addresses[i]));
//!     let parameters = agents[1 - i].local_parameters();
//!     agents[i].set_remote_parameters(now, &parameters)?;
//!     agents[i].add_remote_candidate(now, Candidate::host(addresses[1 - i]), None);
//! }
//! let mut selected = 0;
//! while selected < 2 {
//!     for i in 0..2 {
//!         let mut buffer = Vec::new();
//!         while let Some(transmit) = agents[i].poll_transmit(now, &mut buffer) {
//!             let Via::Udp { local, remote } = transmit.via else { continue };
//!             let meta = Meta { local: remote, remote: local };
//!             agents[1 - i].handle_datagram(now, meta, &mut buffer);
//!             buffer.clear();
//!         }
//!         while let Some(event) = agents[i].poll_event() {
//!             selected += usize::from(matches!(event, Event::SelectedPair { nominated: false, .. }));
//!         }
//!     }
//!     now += Duration::from_millis(5);
//!     agents.iter_mut().for_each(|agent| agent.handle_timeout(now));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod agent;
mod candidate;
mod checklist;
mod checks;
mod config;
mod consent;
mod credentials;
mod data;
mod event;
pub mod framing;
mod gathering;
mod interface;
mod liveness;
pub mod mdns;
mod names;
mod nomination;
mod pair;
mod policy;
mod requests;
mod restart;
mod sped;
mod stats;
mod streams;
mod tcp;
mod transport;

pub use agent::{Agent, Meta};
pub use candidate::{Address, Candidate, CandidateKind, Protocol, TcpType, Unusable};
pub use config::{Config, Role, Server, ServerAddress, ServerKind};
pub use credentials::{Options, ParameterError, Parameters};
pub use data::{Received, SendError};
pub use event::{ConnectionState, Event, GatheringState};
pub use gathering::Socket;
pub use interface::{Interface, InterfaceKind};
pub use pair::{PairCounters, PairId, PairState};
pub use parlour_turn::{Rng, Transport, client::Challenge};
pub use policy::{AddressPolicy, TransportPolicy};
pub use stats::{Counters, PairStats, Stats};
pub use transport::{StreamId, Transmit, Via};
