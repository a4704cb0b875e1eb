//! What a script may do to the network while it runs.

use crate::{Direction, Firewall, HostId, LinkSpec, NatSpec, PortId, RouterId};
use std::net::IpAddr;

/// One change, done at once by [`crate::Network::apply`] or later by [`crate::Network::schedule`].
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Cuts or mends one direction of a wire. What is on its way still arrives.
    Link {
        /// Which wire.
        port: PortId,
        /// Which direction.
        direction: Direction,
        /// Mended, or cut.
        up: bool,
    },
    /// Makes one direction of a wire another one.
    LinkSpec {
        /// Which wire.
        port: PortId,
        /// Which direction.
        direction: Direction,
        /// What it is from now on.
        spec: LinkSpec,
    },
    /// Gives a host's port other addresses; the host sees [`crate::Event::AddressesChanged`].
    Addresses {
        /// Which port.
        port: PortId,
        /// All of its addresses from now on; none unplugs it.
        addresses: Vec<IpAddr>,
    },
    /// A NAT forgets all its mappings, and perhaps gets other outer addresses.
    NatReboot {
        /// Which NAT.
        router: RouterId,
        /// Its outer addresses from now on; `None` keeps them.
        pool: Option<Vec<IpAddr>>,
    },
    /// A host starts anew: its listeners and TCP connections are gone without a word, and the other ends hear of it when
    /// they send next. The host sees [`crate::Event::Restarted`]; what its programs have forgotten is theirs to say.
    HostRestart {
        /// Which host.
        host: HostId,
    },
    /// A NAT behaves in another way from now on; mappings stay.
    NatSpec {
        /// Which NAT.
        router: RouterId,
        /// How.
        spec: NatSpec,
    },
    /// Other rules at a router.
    Firewall {
        /// Which router.
        router: RouterId,
        /// Which rules.
        firewall: Firewall,
    },
}
