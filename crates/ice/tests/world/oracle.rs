//! What can be reached, worked out from the NATs' definitions alone: who knows what, who has opened which door, until
//! nothing changes any more. Knows nothing of ICE.

use parlour_netsim::{Behaviour, NatSpec};
use std::collections::{BTreeMap, BTreeSet};

/// An outer endpoint: whose it is, and which of its mappings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Endpoint {
    side: usize,
    mapping: String,
}

struct Side {
    mapping: Behaviour,
    filtering: Behaviour,
    known: BTreeSet<Endpoint>,
    /// For each mapping, whom it was used to send to.
    opened: BTreeMap<Endpoint, BTreeSet<Endpoint>>,
}

const STUN: usize = 9;

impl Side {
    fn endpoint(&self, side: usize, to: &Endpoint) -> Endpoint {
        let mapping = match self.mapping {
            Behaviour::EndpointIndependent => String::new(),
            Behaviour::AddressDependent => format!("@{}", to.side),
            Behaviour::AddressAndPortDependent => format!("@{}<{}>", to.side, to.mapping),
        };
        Endpoint { side, mapping }
    }

    fn admits(&self, at: &Endpoint, from: &Endpoint) -> bool {
        let Some(opened) = self.opened.get(at) else { return false };
        match self.filtering {
            Behaviour::EndpointIndependent => true,
            Behaviour::AddressDependent => opened.iter().any(|to| to.side == from.side),
            Behaviour::AddressAndPortDependent => opened.contains(from),
        }
    }
}

/// Whether two hosts behind these NATs can come to exchange packets both ways between one endpoint each, when each
/// knows how a STUN server sees the other.
pub fn direct(left: &NatSpec, right: &NatSpec) -> bool {
    let stun = Endpoint { side: STUN, mapping: String::new() };
    let mut sides = [left, right].map(|spec| Side {
        mapping: spec.mapping,
        filtering: spec.filtering,
        known: BTreeSet::new(),
        opened: BTreeMap::new(),
    });
    let reflexive = [0, 1].map(|i| sides[i].endpoint(i, &stun));
    for i in [0, 1] {
        sides[i].known.insert(reflexive[1 - i].clone());
        sides[i].opened.entry(reflexive[i].clone()).or_default().insert(stun.clone());
    }
    for _ in 0..8 {
        for i in [0, 1] {
            for to in sides[i].known.clone() {
                let from = sides[i].endpoint(i, &to);
                sides[i].opened.entry(from.clone()).or_default().insert(to.clone());
                if sides[1 - i].admits(&to, &from) {
                    sides[1 - i].known.insert(from);
                }
            }
        }
    }
    sides[0].known.iter().any(|to| {
        let from = sides[0].endpoint(0, to);
        sides[1].endpoint(1, &from) == *to && sides[1].admits(to, &from) && sides[0].admits(&from, to)
    })
}
