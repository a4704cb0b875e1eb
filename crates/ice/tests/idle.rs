//! What an agent costs when nothing happens: its consent checks, and nothing else (RFC 7675 §5.1).

mod world;

use std::time::Duration;
use world::*;

#[test]
fn an_idle_agent_wakes_for_its_consent_checks_alone() {
    let mut world = World::new(1, &Topology::new(Access::Open, Access::Open), configs(Servers::None));
    world.start(0);
    world.start(1);
    world.run_for(Duration::from_secs(5));
    let before: Vec<_> = world.peers.iter().map(|peer| (peer.wakes, checks(peer))).collect();
    world.run_for(Duration::from_secs(3_600));
    for (peer, (wakes, sent)) in world.peers.iter().zip(before) {
        let (wakes, sent) = (peer.wakes - wakes, checks(peer) - sent);
        assert_eq!(wakes, sent, "one wake-up for each consent check");
        assert!((600..=900).contains(&sent), "one every four to six seconds: {sent}");
    }
}

fn checks(peer: &Peer) -> u64 {
    peer.agent.stats().pairs.iter().map(|pair| pair.counters.requests_sent + pair.counters.consent_requests_sent).sum()
}

#[test]
fn an_agent_that_has_not_been_started_asks_for_nothing() {
    let world = World::new(1, &Topology::new(Access::Open, Access::Open), configs(Servers::All));
    assert!(world.peers.iter().all(|peer| peer.agent.poll_timeout().is_none()));
}
